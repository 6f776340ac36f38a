//! How one answer differs from the primary's: first how the call ended, then the status, and only then its fields.
//!
//! An answer that ended otherwise or has another status differs everywhere; its fields would only repeat that.

use std::cell::OnceCell;

use antumbra_observation::{Body, Leg, Outcome, Response};
use xxhash_rust::xxh3::xxh3_64;

use crate::diff::{self, ABSENT, Detail, Differences, Kind, Scope};
use crate::excerpt;
use crate::headers;
use crate::json::Tree;
use crate::pattern::Place;

/// The answer that others are measured by. Its body is parsed at most once.
pub(crate) struct Primary<'a> {
    leg: &'a Leg,
    body: OnceCell<Option<Tree<'a>>>,
}

/// What came of comparing one answer.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// Outcome and status are the primary's, so fields were compared.
    pub(crate) comparable: bool,
    pub(crate) differences: Differences,
}

impl<'a> Primary<'a> {
    pub(crate) fn new(leg: &'a Leg) -> Self {
        Self { leg, body: OnceCell::new() }
    }

    pub(crate) fn compare(&self, other: &Leg, scope: Scope<'_>) -> Comparison {
        let mut differences = Differences::default();
        let status = |leg: &Leg| leg.response.as_ref().map(|response| response.status);
        if self.leg.outcome != other.outcome {
            let shown = |leg: &Leg| outcome(leg.outcome).to_owned();
            differences.add("", Kind::Outcome, || plain(shown(self.leg), shown(other)));
            return Comparison { comparable: false, differences };
        }
        if status(self.leg) != status(other) {
            let shown =
                |leg: &Leg| status(leg).map_or_else(|| ABSENT.to_owned(), |status| status.to_string());
            differences.add("", Kind::Status, || plain(shown(self.leg), shown(other)));
            return Comparison { comparable: false, differences };
        }
        if let (Some(primary), Some(answer)) = (&self.leg.response, &other.response) {
            headers::compare(&primary.headers, &answer.headers, scope, &mut differences);
            self.bodies(primary, answer, scope, &mut differences);
        }
        Comparison { comparable: true, differences }
    }

    fn bodies(&self, primary: &'a Response, other: &Response, scope: Scope<'_>, into: &mut Differences) {
        let (Some(left), Some(right)) = (whole(primary), whole(other)) else {
            return cut_bodies(&primary.body, &other.body, scope, into);
        };
        if left == right {
            return;
        }
        let parse = || if is_json(primary) { Tree::parse(left).ok() } else { None };
        let left_tree = self.body.get_or_init(parse).as_ref();
        let right_tree = if is_json(other) { Tree::parse_beside(right, left_tree).ok() } else { None };
        match (left_tree, &right_tree) {
            (Some(left), Some(right)) => diff::compare(left, right, Vec::new(), scope, into),
            (left_tree, right_tree) => {
                let kind = if left_tree.is_some() == right_tree.is_some() { Kind::Value } else { Kind::Type };
                let at = left.iter().zip(right).take_while(|(l, r)| l == r).count();
                add_whole(kind, scope, into, || (excerpt::body(left, at), excerpt::body(right, at)));
            }
        }
    }
}

/// Bodies of which at least one was cut: equal if length and hash are.
fn cut_bodies(primary: &Body, other: &Body, scope: Scope<'_>, into: &mut Differences) {
    let print = |body: &Body| match body {
        Body::Same => None,
        Body::Whole(bytes) => Some((bytes.len() as u64, xxh3_64(bytes))),
        Body::Cut { length, xxh3 } => Some((*length, *xxh3)),
    };
    let (Some(left), Some(right)) = (print(primary), print(other)) else { return };
    if left != right {
        let shown = |(length, hash): (u64, u64)| format!("{length} bytes, xxh3 {hash:016x}");
        add_whole(Kind::Value, scope, into, || (shown(left), shown(right)));
    }
}

fn add_whole(kind: Kind, scope: Scope<'_>, into: &mut Differences, shown: impl FnOnce() -> (String, String)) {
    if !scope.rules.ignores(scope.endpoint, Place::Body(&[])) {
        into.add("", kind, || {
            let (primary, other) = shown();
            plain(primary, other)
        });
    }
}

fn whole(response: &Response) -> Option<&[u8]> {
    match &response.body {
        Body::Whole(bytes) => Some(bytes),
        _ => None,
    }
}

/// Declared as JSON and not encoded. Nothing is sniffed.
fn is_json(response: &Response) -> bool {
    let header = |wanted: &str| {
        let found = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
        found.map(|(_, value)| excerpt::line(value, 128).to_ascii_lowercase())
    };
    let encoded = header("content-encoding").is_some_and(|encoding| encoding.trim() != "identity");
    let media = header("content-type").unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    !encoded && (media == "application/json" || media == "text/json" || media.ends_with("+json"))
}

fn plain(primary: String, other: String) -> Detail {
    Detail { exact: String::new(), primary, other }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Response => "response",
        Outcome::Timeout => "timeout",
        Outcome::Refused => "refused",
        Outcome::Reset => "reset",
        Outcome::NotSent => "not sent",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rules;

    fn leg(status: u16, media: &str, body: Body) -> Leg {
        let headers = vec![("Content-Type".into(), media.into())];
        let response = Some(Response { status, headers, body, trailers: vec![] });
        Leg {
            variant: "v".to_owned(),
            outcome: Outcome::Response,
            latency_us: Some(1),
            response,
            reason: None,
        }
    }

    fn json(text: &str) -> Leg {
        leg(200, "application/problem+json; charset=utf-8", Body::Whole(text.into()))
    }

    fn check(primary: &Leg, other: &Leg, comparable: bool, expected: &[&str]) {
        let rules = Rules::default();
        let found = Primary::new(primary).compare(other, Scope { endpoint: "GET /", rules: &rules });
        let lines: Vec<String> = found
            .differences
            .found
            .iter()
            .map(|(s, d)| format!("{} {}: {} -> {}", s.0, s.1, d.primary, d.other))
            .collect();
        assert_eq!((found.comparable, lines), (comparable, expected.iter().map(|&s| s.to_owned()).collect()));
    }

    #[test]
    fn answers() {
        let text = |body: &str| leg(200, "text/html", Body::Whole(body.into()));
        let timeout = Leg { outcome: Outcome::Timeout, response: None, ..json("") };
        check(&json("{\"a\":1}"), &json("{\"a\":1.0 }"), true, &[]);
        check(&json("{\"a\":1}"), &json("{\"a\":2}"), true, &["/a value: 1 -> 2"]);
        check(&json("1"), &leg(200, "application/problem+json; charset=utf-8", Body::Same), true, &[]);
        check(&json("1"), &json("oops"), true, &[" type: \"1\" (1 bytes) -> \"oops\" (4 bytes)"]);
        check(&json("{"), &json("["), true, &[" value: \"{\" (1 bytes) -> \"[\" (1 bytes)"]);
        check(&text("<p>a"), &text("<p>b"), true, &[" value: \"<p>a\" (4 bytes) -> \"<p>b\" (4 bytes)"]);
        check(&json("1"), &leg(500, "text/html", Body::Same), false, &[" status: 200 -> 500"]);
        check(&json("1"), &timeout, false, &[" outcome: response -> timeout"]);
        check(&timeout, &timeout, true, &[]);
        let cut = |length, xxh3| leg(200, "text/html", Body::Cut { length, xxh3 });
        check(&cut(9, 1), &cut(9, 1), true, &[]);
        check(
            &cut(9, 1),
            &cut(9, 2),
            true,
            &[" value: 9 bytes, xxh3 0000000000000001 -> 9 bytes, xxh3 0000000000000002"],
        );
        check(&cut(3, xxh3_64(b"abc")), &text("abc"), true, &[]);
    }
}
