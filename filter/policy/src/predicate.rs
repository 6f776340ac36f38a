//! Predicates on one value: a bare text, or several tests that must all hold.
//!
//! A predicate on a missing value is false, apart from `exists: false`; `not` is plain negation, so it is true there.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

use crate::document::{Cost, Field, Map, Tree};
use crate::facts::{OF_A_HASHED_BYTE, without_last_dot};
use crate::key::{self, Salt};
use crate::number::{LONGEST_NUMBER, Number, whole};
use crate::order;
use crate::pattern::{Extent, Pattern, steps_of_comparing};
use crate::search::{Found, LONGEST_SEARCHED, Slot, Sought};

/// Tests that must all hold; at least one.
#[derive(Debug)]
pub(crate) struct Predicate {
    tests: Vec<Test>,
    steps: usize,
}

/// What a predicate is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The value of a header, a cookie or the like.
    Value,
    /// A path without its query: it begins with `/`, and its prefixes end at a segment.
    Path,
    /// A host name without port or last dot: case does not matter, and `*.example.org` is every name below.
    Host,
    /// A method, in upper case as on the wire.
    Method,
}

#[derive(Debug)]
enum Test {
    Exists(bool),
    OneOf(Literals),
    /// Those of a path end where a segment does.
    Prefix {
        prefixes: Affixes,
        segments: bool,
    },
    Suffix(Affixes),
    /// One of them was found in the value.
    Contains(Vec<Slot>),
    Matches(Pattern),
    Within(RangeInclusive<i64>),
    Compares(Comparison, Number),
    Modulo {
        by: i64,
        remainders: Vec<i64>,
    },
    Bucket {
        of: u64,
        buckets: Vec<(u64, u64)>,
        salt: Option<Salt>,
        fold: bool,
    },
    Not(Predicate),
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Predicate {
    /// Reads a bare text (`exact`), a list of them where the subject allows it, or a mapping of tests. What has to be found in the
    /// value is added to what is `sought` there.
    pub(crate) fn read(field: &Field<'_>, subject: Subject, sought: &mut Sought) -> Option<Self> {
        let tests = match field.tree() {
            Tree::Text(_) | Tree::Integer(_) => one_of(vec![literal(field, subject)?], subject.folds()),
            Tree::List(_) if subject.is_listed() => one_of(literals(field, subject)?, subject.folds()),
            Tree::Map(_) => read_tests(&field.map(subject.tests())?, subject, sought),
            _ => {
                field
                    .problem("must be a string, or a mapping of tests; true, false and decimals need quotes");
                None
            }
        }?;
        let steps = OF_A_PREDICATE + tests.iter().map(Test::steps).sum::<usize>();
        field.spend(Cost { steps, bytes: OF_A_PREDICATE });
        Some(Self { tests, steps })
    }

    /// Whether it holds of a value in which this was found.
    pub(crate) fn holds(&self, value: Option<&[u8]>, found: &Found) -> bool {
        self.tests.iter().all(|test| test.holds(value, found))
    }

    /// Steps that it takes for a value of this length, once that is searched.
    pub(crate) fn steps(&self, length: usize) -> usize {
        self.steps + self.steps_per_byte() * length
    }

    /// Steps for each byte of the value beyond those of searching it.
    pub(crate) fn steps_per_byte(&self) -> usize {
        self.tests.iter().map(Test::steps_per_byte).sum()
    }

    /// Whether it is answered by what was found in the value.
    pub(crate) fn searches(&self) -> bool {
        self.tests.iter().any(|test| match test {
            Test::Contains(_) => true,
            Test::Matches(pattern) => pattern.searches(),
            Test::Not(inner) => inner.searches(),
            _ => false,
        })
    }
}

impl Test {
    fn holds(&self, value: Option<&[u8]>, found: &Found) -> bool {
        match (self, value) {
            (Self::Exists(expected), value) => value.is_some() == *expected,
            (Self::Not(inner), value) => !inner.holds(value, found),
            (_, None) => false,
            (Self::OneOf(literals), Some(value)) => literals.contains(value),
            (Self::Prefix { prefixes, segments }, Some(value)) => prefixes.any(|prefix| {
                let Some((head, rest)) = value.split_at_checked(prefix.len()) else { return false };
                prefixes.equal(head, prefix) && (!segments || matches!(rest, [] | [b'/', ..]))
            }),
            (Self::Suffix(suffixes), Some(value)) => suffixes.any(|suffix| {
                let start = value.len().checked_sub(suffix.len());
                start.and_then(|start| value.get(start..)).is_some_and(|tail| suffixes.equal(tail, suffix))
            }),
            (Self::Contains(any), Some(value)) => {
                value.len() <= LONGEST_SEARCHED && any.iter().any(|part| found.has(*part))
            }
            (Self::Matches(pattern), Some(value)) => pattern.is_match(value, found),
            (Self::Within(range), Some(value)) => whole(value).is_some_and(|value| range.contains(&value)),
            (Self::Compares(comparison, bound), Some(value)) => {
                bound.order(value).is_some_and(|order| comparison.accepts(order))
            }
            (Self::Modulo { by, remainders }, Some(value)) => whole(value)
                .and_then(|value| value.checked_rem_euclid(*by))
                .is_some_and(|remainder| remainders.contains(&remainder)),
            (Self::Bucket { of, buckets, salt, fold }, Some(value)) => {
                let folded = fold.then(|| value.to_ascii_lowercase());
                let hash = key::hash(salt.as_ref(), folded.as_deref().unwrap_or(value));
                let bucket = hash.checked_rem(*of);
                bucket.is_some_and(|at| buckets.iter().any(|(first, last)| (*first..=*last).contains(&at)))
            }
        }
    }
}

impl Test {
    /// Steps that it takes at most once its value was found and searched. What is negated counts itself.
    fn steps(&self) -> usize {
        let each = |texts: &[Box<[u8]>]| texts.iter().map(|text| steps_of_comparing(text.len())).sum();
        match self {
            Self::Exists(_) | Self::Not(_) => 1,
            Self::OneOf(literals) => literals.steps() + each(&literals.below),
            Self::Prefix { prefixes: affixes, .. } | Self::Suffix(affixes) => each(&affixes.texts),
            Self::Contains(any) => any.len(),
            Self::Matches(pattern) => pattern.steps(),
            Self::Within(_) => LONGEST_NUMBER,
            Self::Compares(..) => 3 * LONGEST_NUMBER,
            Self::Modulo { remainders, .. } => LONGEST_NUMBER + remainders.len(),
            Self::Bucket { buckets, .. } => OF_A_HASH + buckets.len(),
        }
    }

    /// Steps for each byte of the value, however long it is.
    fn steps_per_byte(&self) -> usize {
        match self {
            Self::Bucket { fold, .. } => OF_A_HASHED_BYTE + usize::from(*fold),
            Self::Not(inner) => inner.steps_per_byte(),
            _ => 0,
        }
    }
}

impl Comparison {
    fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
        }
    }
}

impl Subject {
    fn tests(self) -> &'static [&'static str] {
        match self {
            Self::Value => &[
                "exact",
                "in",
                "prefix",
                "suffix",
                "contains",
                "regex",
                "search",
                "range",
                "gt",
                "gte",
                "lt",
                "lte",
                "mod",
                "hash",
                "exists",
                "not",
                "ignoreCase",
            ],
            Self::Path => &[
                "exact",
                "in",
                "prefix",
                "startsWith",
                "suffix",
                "contains",
                "regex",
                "search",
                "not",
                "ignoreCase",
            ],
            Self::Host | Self::Method => {
                &["exact", "in", "prefix", "suffix", "contains", "regex", "search", "not", "ignoreCase"]
            }
        }
    }

    /// Whether case is ignored unless a predicate says otherwise.
    fn folds(self) -> bool {
        self == Self::Host
    }

    /// Whether a bare list stands for `in`.
    fn is_listed(self) -> bool {
        matches!(self, Self::Host | Self::Method)
    }
}

/// Texts in order, so that a long list of ids is searched in a few steps.
#[derive(Debug)]
struct Literals {
    sorted: Vec<Box<[u8]>>,
    /// `.example.org` for `*.example.org`.
    below: Vec<Box<[u8]>>,
    ignore_case: bool,
}

impl Literals {
    /// Halving: each round compares one text.
    fn steps(&self) -> usize {
        let rounds = self.sorted.len().checked_ilog2().map_or(0, |rounds| rounds as usize + 1);
        rounds * steps_of_comparing(self.sorted.iter().map(|text| text.len()).max().unwrap_or_default())
    }

    fn contains(&self, value: &[u8]) -> bool {
        let below = |domain: &[u8]| {
            let start = value.len().checked_sub(domain.len()).filter(|start| *start > 0);
            start.and_then(|start| value.get(start..)).is_some_and(|tail| tail.eq_ignore_ascii_case(domain))
        };
        self.sorted.binary_search_by(|text| compare(text, value, self.ignore_case)).is_ok()
            || self.below.iter().any(|domain| below(domain))
    }
}

/// Beginnings or ends, of which one is enough.
#[derive(Debug)]
struct Affixes {
    texts: Vec<Box<[u8]>>,
    ignore_case: bool,
}

impl Affixes {
    fn any(&self, fits: impl Fn(&[u8]) -> bool) -> bool {
        self.texts.iter().any(|text| fits(text))
    }

    fn equal(&self, a: &[u8], b: &[u8]) -> bool {
        if self.ignore_case { a.eq_ignore_ascii_case(b) } else { a == b }
    }
}

fn one_of(mut texts: Vec<(Box<[u8]>, bool)>, ignore_case: bool) -> Option<Vec<Test>> {
    order::sort(&mut texts, &|(a, _), (b, _)| compare(a, b, ignore_case));
    let (below, exact): (Vec<_>, Vec<_>) = texts.into_iter().partition(|(_, below)| *below);
    let bare = |texts: Vec<(Box<[u8]>, bool)>| texts.into_iter().map(|(text, _)| text).collect();
    Some(vec![Test::OneOf(Literals { sorted: bare(exact), below: bare(below), ignore_case })])
}

fn read_tests(map: &Map<'_>, subject: Subject, sought: &mut Sought) -> Option<Vec<Test>> {
    let ignore_case = map.get("ignoreCase").map_or(Some(subject.folds()), Field::boolean);
    let fold = ignore_case.unwrap_or(false);
    let listed = |texts: Option<_>| texts.and_then(|texts| one_of(texts, fold)).and_then(|mut one| one.pop());
    let affixes = |field: &Field<'_>, most| {
        Some(Affixes { texts: field.each_or_one(1..=most, text)?, ignore_case: fold })
    };
    let compares = |name, comparison| {
        map.get(name).map(|field| Number::read(field).map(|bound| Test::Compares(comparison, bound)))
    };
    let matches = |name, extent, sought: &mut Sought| {
        map.get(name).map(|field| Pattern::read(field, extent, fold, sought).map(Test::Matches))
    };
    let tests: Vec<Option<Test>> = [
        map.get("exists").map(|field| field.boolean().map(Test::Exists)),
        map.get("exact").map(|field| listed(literal(field, subject).map(|text| vec![text]))),
        map.get("in").map(|field| listed(literals(field, subject))),
        map.get("prefix").map(|field| read_prefix(field, subject, fold)),
        map.get("startsWith").map(|field| {
            affixes(field, MAX_AFFIXES).map(|prefixes| Test::Prefix { prefixes, segments: false })
        }),
        map.get("suffix").map(|field| affixes(field, MAX_AFFIXES).map(Test::Suffix)),
        map.get("contains").map(|field| read_parts(field, fold, sought)),
        map.get("range").map(|field| field.interval(Field::signed).map(|(a, b)| Test::Within(a..=b))),
        compares("gt", Comparison::Above),
        compares("gte", Comparison::AtLeast),
        compares("lt", Comparison::Below),
        compares("lte", Comparison::AtMost),
        map.get("mod").map(read_modulo),
        map.get("hash").map(|field| read_bucket(field, fold)),
        matches("regex", Extent::Whole, sought),
        matches("search", Extent::Part, sought),
        map.get("not").map(|field| Predicate::read(field, subject, sought).map(Test::Not)),
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

/// A path's prefix is one of whole segments, with or without a slash at its end.
fn read_prefix(field: &Field<'_>, subject: Subject, ignore_case: bool) -> Option<Test> {
    let segments = subject == Subject::Path;
    let mut texts = Vec::new();
    for field in field.one_or_more(1..=MAX_AFFIXES)? {
        let text = text(&field)?;
        if segments && !text.starts_with(b"/") {
            field.problem(PATHS);
            return None;
        }
        let bare = text.strip_suffix(b"/").filter(|_| segments);
        texts.push(bare.unwrap_or(&text).into());
    }
    Some(Test::Prefix { prefixes: Affixes { texts, ignore_case }, segments })
}

fn read_parts(field: &Field<'_>, ignore_case: bool, sought: &mut Sought) -> Option<Test> {
    let parts = field.each_or_one(1..=MAX_PARTS, text)?;
    sought.asked_by(|| field.path());
    Some(Test::Contains(parts.iter().map(|part| sought.word(part, ignore_case)).collect()))
}

fn read_modulo(field: &Field<'_>) -> Option<Test> {
    let map = field.map(&["by", "in"])?;
    let by = map.required("by").and_then(|field| field.integer(1..=LARGEST_MODULUS));
    let remainders = map.required("in").and_then(|field| {
        let most = by.map_or(LARGEST_MODULUS, |by| by - 1);
        field.each_or_one(1..=LONGEST_LIST, |field| i64::try_from(field.integer(0..=most)?).ok())
    });
    Some(Test::Modulo { by: i64::try_from(by?).ok()?, remainders: remainders? })
}

fn read_bucket(field: &Field<'_>, fold: bool) -> Option<Test> {
    let map = field.map(&["of", "buckets", "salt"])?;
    let of = map.required("of").and_then(|field| field.integer(1..=LARGEST_MODULUS));
    let salt = map.get("salt").map(Salt::read);
    let buckets = map.required("buckets").and_then(|field| {
        let most = of.map_or(LARGEST_MODULUS, |of| of - 1);
        field.each(1..=LONGEST_LIST, |field| field.interval(|end| end.integer(0..=most)))
    });
    Some(Test::Bucket { of: of?, buckets: buckets?, salt: crate::document::optional(salt)?, fold })
}

/// With whether it stands for every name below.
fn literals(field: &Field<'_>, subject: Subject) -> Option<Vec<(Box<[u8]>, bool)>> {
    field.each(1..=LONGEST_LIST, |field| literal(field, subject))
}

fn literal(field: &Field<'_>, subject: Subject) -> Option<(Box<[u8]>, bool)> {
    let text = text(field)?;
    let wrong = match subject {
        Subject::Path => (!text.starts_with(b"/")).then_some(PATHS),
        Subject::Host if text.starts_with(b"*.") && is_host(text.get(2..).unwrap_or_default()) => {
            return Some((without_last_dot(text.get(1..)?).into(), true));
        }
        Subject::Host if is_host(&text) => return Some((without_last_dot(&text).into(), false)),
        Subject::Host => Some("must be a host name without port, or *. before one"),
        Subject::Method => (!is_method(&text)).then_some("must be a method in upper case such as GET"),
        Subject::Value => None,
    };
    match wrong {
        Some(rule) => {
            field.problem(rule);
            None
        }
        None => Some((text, false)),
    }
}

fn text(field: &Field<'_>) -> Option<Box<[u8]>> {
    match field.tree() {
        Tree::Text(text) => Some(text.as_bytes().into()),
        Tree::Integer(number) => Some(number.to_string().into_bytes().into()),
        _ => {
            field.problem("must be a string; true, false and decimals need quotes");
            None
        }
    }
}

/// A name or an IPv4 address; an IPv6 address stands in brackets.
fn is_host(text: &[u8]) -> bool {
    let bracketed = text.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    match bracketed {
        Some(address) => address.iter().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')),
        None => !text.is_empty() && text.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(b)),
    }
}

/// A token of RFC 9110, section 5.6.2, without lower case letters.
fn is_method(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(crate::names::is_token) && !text.iter().any(u8::is_ascii_lowercase)
}

fn compare(a: &[u8], b: &[u8], ignore_case: bool) -> Ordering {
    if ignore_case {
        return a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase));
    }
    a.cmp(b)
}

/// Items of a list: ids of users, as many as addresses.
const LONGEST_LIST: usize = 100_000;
/// Items of `prefix` and `suffix`, each of which is compared.
const MAX_AFFIXES: usize = 1_000;
/// Items of `contains`.
const MAX_PARTS: usize = 100;
/// Steps of a predicate without its tests, and bytes: its value is found, and it is asked.
const OF_A_PREDICATE: usize = 40;
/// Steps of hashing an empty value.
const OF_A_HASH: usize = 100;
const LARGEST_MODULUS: u64 = 1_000_000_000;
const PATHS: &str = "must begin with '/'";

#[cfg(test)]
mod tests;
