//! Predicates on one value: a bare text, or several tests that must all hold.
//!
//! A predicate on a missing value is false, apart from `exists: false`; `not` is plain negation, so it is true there.

use std::cmp::Ordering;

use crate::document::{Field, Map, Tree};
use crate::pattern::Pattern;

/// Tests that must all hold; at least one.
#[derive(Debug)]
pub(crate) struct Predicate(Vec<Test>);

/// What a predicate is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The value of a header or a cookie.
    Value,
    /// A path without its query: it begins with `/`, and its prefixes end at a segment.
    Path,
}

#[derive(Debug)]
enum Test {
    Exists(bool),
    OneOf(Literals),
    Prefix { prefixes: Vec<Box<[u8]>>, subject: Subject, ignore_case: bool },
    Matches(Pattern),
    Not(Predicate),
}

impl Predicate {
    /// Reads a bare text (`exact`) or a mapping of tests.
    pub(crate) fn read(field: &Field<'_>, subject: Subject) -> Option<Self> {
        match field.tree() {
            Tree::Text(_) | Tree::Integer(_) => {
                Some(Self(vec![Test::OneOf(Literals::new(vec![literal(field, subject)?], false))]))
            }
            Tree::Map(_) => read_tests(&field.map(subject.tests())?, subject).map(Self),
            _ => {
                field
                    .problem("must be a string, or a mapping of tests; true, false and decimals need quotes");
                None
            }
        }
    }

    pub(crate) fn holds(&self, value: Option<&[u8]>) -> bool {
        self.0.iter().all(|test| test.holds(value))
    }
}

impl Test {
    fn holds(&self, value: Option<&[u8]>) -> bool {
        match self {
            Self::Exists(expected) => value.is_some() == *expected,
            Self::Not(inner) => !inner.holds(value),
            Self::OneOf(literals) => value.is_some_and(|value| literals.contains(value)),
            Self::Prefix { prefixes, subject, ignore_case } => value.is_some_and(|value| {
                prefixes.iter().any(|prefix| begins(value, prefix, *subject, *ignore_case))
            }),
            Self::Matches(pattern) => value.is_some_and(|value| pattern.is_match(value)),
        }
    }
}

impl Subject {
    fn tests(self) -> &'static [&'static str] {
        match self {
            Self::Value => &["exact", "exists", "regex", "prefix", "in", "ignoreCase", "not"],
            Self::Path => &["exact", "prefix", "regex", "ignoreCase", "not"],
        }
    }
}

/// Texts in order, so that a long list of ids is searched in a few steps.
#[derive(Debug)]
struct Literals {
    sorted: Vec<Box<[u8]>>,
    ignore_case: bool,
}

impl Literals {
    fn new(mut texts: Vec<Box<[u8]>>, ignore_case: bool) -> Self {
        texts.sort_by(|a, b| compare(a, b, ignore_case));
        Self { sorted: texts, ignore_case }
    }

    fn contains(&self, value: &[u8]) -> bool {
        self.sorted.binary_search_by(|text| compare(text, value, self.ignore_case)).is_ok()
    }
}

fn read_tests(map: &Map<'_>, subject: Subject) -> Option<Vec<Test>> {
    let ignore_case = map.get("ignoreCase").map_or(Some(false), Field::boolean);
    let fold = ignore_case.unwrap_or(false);
    let one_of = |texts: Option<_>| texts.map(|texts| Test::OneOf(Literals::new(texts, fold)));
    let tests: Vec<Option<Test>> = [
        map.get("exists").map(|field| field.boolean().map(Test::Exists)),
        map.get("exact").map(|field| one_of(literal(field, subject).map(|text| vec![text]))),
        map.get("in").map(|field| one_of(literals(field, subject))),
        map.get("prefix").map(|field| read_prefix(field, subject, fold)),
        map.get("regex").map(|field| Pattern::read(field, fold).map(Test::Matches)),
        map.get("not").map(|field| Predicate::read(field, subject).map(Test::Not)),
    ]
    .into_iter()
    .flatten()
    .collect();
    if tests.is_empty() {
        if matches!(map.field().tree(), Tree::Map(written) if written.iter().all(|(name, _)| name == "ignoreCase"))
        {
            map.field().note(format!("tests nothing, must have one of {}", subject.tests().join(", ")));
        }
        return None;
    }
    ignore_case?;
    tests.into_iter().collect()
}

fn read_prefix(field: &Field<'_>, subject: Subject, ignore_case: bool) -> Option<Test> {
    let mut prefixes = match field.tree() {
        Tree::List(_) => literals(field, subject)?,
        _ => vec![literal(field, subject)?],
    };
    if subject == Subject::Path {
        for prefix in &mut prefixes {
            *prefix = prefix.strip_suffix(b"/").unwrap_or(prefix).into();
        }
    }
    Some(Test::Prefix { prefixes, subject, ignore_case })
}

fn literals(field: &Field<'_>, subject: Subject) -> Option<Vec<Box<[u8]>>> {
    let texts: Vec<_> = field.list(1..=LONGEST_LIST)?.iter().map(|field| literal(field, subject)).collect();
    texts.into_iter().collect()
}

fn literal(field: &Field<'_>, subject: Subject) -> Option<Box<[u8]>> {
    let text = match field.tree() {
        Tree::Text(text) => text.clone(),
        Tree::Integer(number) => number.to_string(),
        _ => {
            field.problem("must be a string; true, false and decimals need quotes");
            return None;
        }
    };
    if subject == Subject::Path && !text.starts_with('/') {
        field.problem("must begin with '/'");
        return None;
    }
    Some(text.into_bytes().into())
}

fn begins(value: &[u8], prefix: &[u8], subject: Subject, ignore_case: bool) -> bool {
    let Some((head, rest)) = value.split_at_checked(prefix.len()) else { return false };
    let equal = if ignore_case { head.eq_ignore_ascii_case(prefix) } else { head == prefix };
    equal && (subject == Subject::Value || matches!(rest, [] | [b'/', ..]))
}

fn compare(a: &[u8], b: &[u8], ignore_case: bool) -> Ordering {
    if ignore_case {
        return a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase));
    }
    a.cmp(b)
}

/// Items of `in` and `prefix`.
const LONGEST_LIST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Problems;

    fn check(json: &str, subject: Subject, cases: &[(Option<&str>, bool)]) {
        let tree = Tree::from_json(json.as_bytes()).unwrap();
        let problems = Problems::default();
        let read = Predicate::read(&problems.root(&tree), subject);
        let predicate = problems.finish(read).unwrap();
        for (value, expected) in cases {
            assert_eq!(predicate.holds(value.map(str::as_bytes)), *expected, "{json} on {value:?}");
        }
    }

    #[test]
    fn values() {
        let check = |json, cases: &[_]| check(json, Subject::Value, cases);
        check(r#""a""#, &[(Some("a"), true), (Some("A"), false), (Some(""), false), (None, false)]);
        check("1", &[(Some("1"), true), (Some("1.0"), false)]);
        check(r#"{"exact": ""}"#, &[(Some(""), true), (None, false)]);
        check(r#"{"exact": "A", "ignoreCase": true}"#, &[(Some("a"), true), (Some("b"), false)]);
        check(r#"{"exists": true}"#, &[(Some(""), true), (None, false)]);
        check(r#"{"exists": false}"#, &[(Some(""), false), (None, true)]);
        check(
            r#"{"in": ["b", "C", 7]}"#,
            &[(Some("b"), true), (Some("7"), true), (Some("c"), false), (None, false)],
        );
        check(
            r#"{"in": ["b", "C"], "ignoreCase": true}"#,
            &[(Some("c"), true), (Some("B"), true), (Some("d"), false)],
        );
        check(
            r#"{"prefix": "ab"}"#,
            &[(Some("abc"), true), (Some("a"), false), (Some("Ab"), false), (None, false)],
        );
        check(r#"{"prefix": ["x", "AB"], "ignoreCase": true}"#, &[(Some("abc"), true), (Some("c"), false)]);
        check(r#"{"regex": "a.c"}"#, &[(Some("abc"), true), (Some("xabc"), false), (None, false)]);
        check(r#"{"prefix": "a", "not": "ab"}"#, &[(Some("ac"), true), (Some("ab"), false), (None, false)]);
        check(r#"{"not": "a"}"#, &[(Some("b"), true), (Some("a"), false), (None, true)]);
        check(r#"{"not": {"not": "a"}}"#, &[(Some("a"), true), (None, false)]);
        check(r#"{"not": "A", "exists": true}"#, &[(Some("a"), true), (None, false)]);
    }

    #[test]
    fn paths() {
        let check = |json, cases: &[_]| check(json, Subject::Path, cases);
        check(r#""/a""#, &[(Some("/a"), true), (Some("/a/"), false), (Some("/a/b"), false)]);
        for prefix in [r#"{"prefix": "/api"}"#, r#"{"prefix": "/api/"}"#] {
            check(prefix, &[(Some("/api"), true), (Some("/api/"), true), (Some("/api/x"), true)]);
            check(prefix, &[(Some("/apis"), false), (Some("/ap"), false), (Some("/API"), false)]);
        }
        check(
            r#"{"prefix": "/"}"#,
            &[(Some("/"), true), (Some("/x"), true), (Some("*"), false), (None, false)],
        );
        check(
            r#"{"prefix": ["/app", "/x"], "ignoreCase": true}"#,
            &[(Some("/APP/x"), true), (Some("/appabc"), false)],
        );
        check(r#"{"regex": "/v[0-9]+"}"#, &[(Some("/v12"), true), (Some("/v12/x"), false)]);
    }
}
