//! Two texts compared without an exchange around them: what `antumbra diff` prints, and what benches and fuzzers drive.
//!
//! Unlike in the evidence, each place is listed by itself: a person who compares two files wants every element.

use std::collections::BTreeMap;

use antumbra_observation::{Leg, Observation};
use serde::Serialize;

use crate::body::Kept;
use crate::compare::Primary;
use crate::diff::{self, Detail, Differences, Scope};
use crate::excerpt;
use crate::guess::Guesses;
use crate::json::Tree;
use crate::kind::{Kind, Subject};
use crate::outside::Outside;
use crate::pattern::Place;
use crate::refusal::Refusal;
use crate::rules::Rules;

/// How a text is read before it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Media {
    /// Both texts are read as JSON if both are JSON, else as bytes.
    #[default]
    Auto,
    /// Texts are read as JSON. What is not JSON counts as malformed, and is compared as bytes.
    Json,
    /// Texts are read as bytes.
    Bytes,
}

/// What comparing two texts gave.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Diff {
    /// Whether nothing differs but what the rules declare.
    pub equal: bool,
    /// The places of these differences as a report has them, in the order in which they are found.
    pub places: Vec<Differing>,
    /// The differences, in the order of the left text; what only the right has follows within its object. [`diff`] lists at most 512,
    /// [`diff_exchange`] 8,192.
    pub differences: Vec<Difference>,
    /// The number of differences beyond those. Of a very long list it is only a lower bound.
    pub unlisted: usize,
    /// Why the texts were compared as bytes although they were to be read; the left text's reason first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
}

/// A place where two texts differ in one way, as often as that may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Differing {
    /// The place with `*` for elements and identifiers; empty for the whole text.
    pub path: String,
    /// How they differ.
    pub kind: Kind,
    /// The number of differences that are listed.
    pub count: usize,
    /// The index of the first of them.
    #[serde(skip)]
    pub first: usize,
}

/// One place where two texts differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The place as a JSON Pointer, with the index of an element; empty for the whole text. It has at most 256 characters.
    pub path: String,
    /// How they differ.
    pub kind: Kind,
    /// What the left has there, shortened and without what looks like a secret; `(absent)` if nothing.
    pub left: String,
    /// What the right has there, shortened and without what looks like a secret; `(absent)` if nothing.
    pub right: String,
}

/// Compares two texts under the rules that name no endpoint.
pub fn diff(left: &[u8], right: &[u8], media: Media, rules: &Rules) -> Diff {
    if left == right {
        return Diff { equal: true, ..Diff::default() };
    }
    let scope = Scope { endpoint: "", rules };
    let mut into = Differences::listing();
    let structured = media != Media::Bytes;
    let left_tree = structured.then(|| Tree::parse(left));
    let base = left_tree.as_ref().and_then(|tree| tree.as_ref().ok());
    let right_tree = structured.then(|| Tree::parse_beside(right, base));
    let refusal = |tree: &Option<Result<Tree<'_>, Refusal>>| tree.as_ref()?.as_ref().err().copied();
    let refused = refusal(&left_tree).or(refusal(&right_tree));
    match (&left_tree, &right_tree) {
        (Some(Ok(left)), Some(Ok(right))) => diff::compare(left, right, Vec::new(), scope, &mut into),
        (l, r) => {
            let readable = |tree: &Option<Result<_, _>>| tree.as_ref().is_some_and(Result::is_ok);
            let kind = if readable(l) == readable(r) { Kind::Value } else { Kind::Type };
            as_bytes(left, right, kind, scope, &mut into);
        }
    }
    // Whether it is JSON at all was only a guess.
    let refused = refused.filter(|&refusal| media == Media::Json || refusal != Refusal::Malformed);
    listed(into, refused)
}

/// Compares two answers to a request for `path` (with a descriptor set, that of a gRPC method) under the rules that name no
/// endpoint: outcome, status, headers, trailers and body. A place is listed once, with its first difference.
pub fn diff_answers(left: &Leg, right: &Leg, path: &[u8], rules: &Rules) -> Diff {
    let kept = Kept::default();
    let scope = Scope { endpoint: "", rules };
    let found = Primary::new(left, path, &kept).compare(right, scope, Differences::detailed()).differences;
    let refused = found.refused.first().copied();
    let difference = |(Subject(path, kind), detail): (Subject, Detail)| Difference {
        path,
        kind,
        left: detail.primary,
        right: detail.other,
    };
    let differences: Vec<Difference> = found.into_details().map(difference).collect();
    let place = |(first, Difference { path, kind, .. }): (usize, &Difference)| Differing {
        path: path.clone(),
        kind: *kind,
        count: 1,
        first,
    };
    let places = differences.iter().enumerate().map(place).collect();
    Diff { equal: differences.is_empty(), places, differences, unlisted: 0, refused }
}

/// Compares the candidate's answer of one exchange with the primary's as [`compare`](crate::compare) does: under the rules of the exchange's endpoint, with
/// what plugins said of it. Each place is listed by itself.
pub fn diff_exchange(observation: &Observation, rules: &Rules, outside: &Outside) -> Diff {
    let endpoint = rules.endpoint(&observation.request.method, &observation.request.path);
    let scope = Scope { endpoint: &endpoint, rules };
    let kept = Kept::default();
    let primary = Primary::new(&observation.primary, &observation.request.path, &kept);
    let primary = primary.taken_at(observation.at_us).decoded(outside.decoded);
    let judged = outside.candidate.as_deref();
    let into = Differences::listing_all();
    let found = Outside::comparison(judged, &primary, &observation.candidate, scope, into).differences;
    let refused = found.refused.first().copied();
    listed(found, refused)
}

fn as_bytes(left: &[u8], right: &[u8], kind: Kind, scope: Scope<'_>, into: &mut Differences<'_>) {
    let place = Place::Body(&[]);
    let excused = kind == Kind::Value && scope.rules.excuse(scope.endpoint, place, left, right);
    if !excused && !scope.rules.ignores(scope.endpoint, place) {
        let at = left.iter().zip(right).take_while(|(l, r)| l == r).count();
        let detail = || Detail {
            exact: String::new(),
            primary: excerpt::body(left, at),
            other: excerpt::body(right, at),
            control: None,
        };
        into.add(|_| {}, kind, detail, Guesses::default);
    }
}

fn listed(found: Differences<'_>, refused: Option<Refusal>) -> Diff {
    let (list, unlisted) = found.into_list();
    let places = places(&list);
    let difference = |(Subject(path, kind), detail): (Subject, Detail)| Difference {
        path: if detail.exact.is_empty() { path } else { detail.exact },
        kind,
        left: detail.primary,
        right: detail.other,
    };
    let differences: Vec<Difference> = list.into_iter().map(difference).collect();
    Diff { equal: differences.is_empty(), places, differences, unlisted, refused }
}

fn places(list: &[(Subject, Detail)]) -> Vec<Differing> {
    let mut places: Vec<Differing> = Vec::new();
    let mut known: BTreeMap<&Subject, usize> = BTreeMap::new();
    for (first, (subject, _)) in list.iter().enumerate() {
        let at = *known.entry(subject).or_insert(places.len());
        match places.get_mut(at) {
            Some(place) => place.count += 1,
            None => places.push(Differing { path: subject.0.clone(), kind: subject.1, count: 1, first }),
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pattern;

    fn check(left: &str, right: &str, media: Media, expected: &[&str]) -> Diff {
        let found = diff(left.as_bytes(), right.as_bytes(), media, &Rules::default());
        let lines: Vec<String> = found
            .differences
            .iter()
            .map(|d| format!("{} {}: {} -> {}", d.path, d.kind, d.left, d.right))
            .collect();
        assert_eq!(lines, expected, "{left} {right}");
        assert_eq!(found.equal, expected.is_empty());
        found
    }

    #[test]
    fn every_place_is_listed_in_the_order_of_the_text() {
        let left = r#"{"z":[{"p":1},{"p":2},{"p":3}],"a":true}"#;
        let right = r#"{"z":[{"p":1},{"p":5},{"p":6}],"a":null}"#;
        check(
            left,
            right,
            Media::Auto,
            &["/z/1/p value: 2 -> 5", "/z/2/p value: 3 -> 6", "/a type: true -> null"],
        );
        check(left, &left.replace(',', " , "), Media::Auto, &[]);
        check("a", "b", Media::Auto, &[" value: \"a\" (1 byte) -> \"b\" (1 byte)"]);
        check("1", "b", Media::Auto, &[" type: \"1\" (1 byte) -> \"b\" (1 byte)"]);
        check("1", "1.0", Media::Bytes, &[" value: \"1\" (1 byte) -> \"1.0\" (3 bytes)"]);
    }

    #[test]
    fn what_is_not_listed_is_counted() {
        let body = |value: u32| format!("[{}0]", format!("{value},").repeat(1_000));
        let found = diff(body(1).as_bytes(), body(2).as_bytes(), Media::Auto, &Rules::default());
        assert_eq!((found.differences.len(), found.unlisted, found.equal), (512, 488, false));
    }

    #[test]
    fn a_refusal_has_its_reason_and_is_never_equal() {
        let refused = |left: &str, right: &str, media| {
            let found = diff(left.as_bytes(), right.as_bytes(), media, &Rules::default());
            assert!(!found.equal);
            found.refused
        };
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert_eq!(refused(&deep, "[]", Media::Auto), Some(Refusal::Depth));
        assert_eq!(refused("[]", &deep, Media::Json), Some(Refusal::Depth));
        assert_eq!(refused("[", "[]", Media::Json), Some(Refusal::Malformed));
        assert_eq!(refused("[", "[]", Media::Auto), None);
        let wide = format!("[{}0]", "0,".repeat(300_000));
        assert_eq!(refused(&wide, "[]", Media::Auto), Some(Refusal::Nodes));
    }

    #[test]
    fn an_exchange_is_compared_as_the_evidence_has_it_and_every_place_is_listed() {
        let items = |price: u32| format!("[{}0]", format!(r#"{{"price":{price}}},"#).repeat(1_000));
        let exchange = |kind: &str, left: &str, right: &str| {
            let leg = |body: &str| Leg::answer("", 200).with_body(kind, body);
            Observation::new("", "GET", "/items/7").with_primary(leg(left)).with_candidate(leg(right))
        };
        let priced = exchange("application/json", &items(1), &items(2));
        let found = diff_exchange(&priced, &Rules::default(), &Outside::default());
        assert_eq!((found.differences.len(), found.unlisted, found.equal), (1_000, 0, false));
        assert_eq!((found.differences[7].path.as_str(), found.refused), ("/7/price", None));
        let place = Differing { path: "/*/price".to_owned(), kind: Kind::Value, count: 1_000, first: 0 };
        assert_eq!(found.places, [place]);

        let numbers = |value: u32, length: usize| format!("[{}0]", format!("{value},").repeat(length));
        for (length, listed, unlisted) in [(8_192, 8_192, 0), (8_193, 8_192, 1), (20_000, 8_192, 1)] {
            let long = exchange("application/json", &numbers(1, length), &numbers(2, length));
            let found = diff_exchange(&long, &Rules::default(), &Outside::default());
            assert_eq!((found.differences.len(), found.unlisted), (listed, unlisted), "{length}");
            assert_eq!(found.refused.is_some(), unlisted > 0, "{length}");
        }

        let rule = |pattern: &str| Rules::new(vec![Pattern::parse(pattern).unwrap()], vec![]);
        assert!(diff_exchange(&priced, &rule("GET /items/{id} /*/price"), &Outside::default()).equal);
        assert!(!diff_exchange(&priced, &rule("GET /carts /*/price"), &Outside::default()).equal);

        let form = exchange("application/x-www-form-urlencoded", "a=1&b=2", "b=2&a=3");
        let found = diff_exchange(&form, &Rules::default(), &Outside::default());
        assert!(found.places.iter().any(|place| place.path.starts_with("/a")), "{found:?}");
    }

    #[test]
    fn rules_hold() {
        let rules = Rules::new(vec![Pattern::parse("/a").unwrap()], vec![]);
        assert!(diff(b"{\"a\":1}", b"{\"a\":2}", Media::Auto, &rules).equal);
        let rules = Rules::new(vec![Pattern::parse("/").unwrap()], vec![]);
        assert!(diff(b"x", b"y", Media::Auto, &rules).equal);
    }
}
