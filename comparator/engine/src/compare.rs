//! How one answer differs from the primary's: first how the call ended, then the status, and only then its fields.
//!
//! An answer that ended otherwise or has another status differs everywhere; its fields would only repeat that.

use std::cell::OnceCell;

use antumbra_observation::{Body, Leg, Outcome, Response};
use xxhash_rust::xxh3::xxh3_64;

use crate::body::{self, Content, Plain};
use crate::diff::{self, ABSENT, Detail, Differences, Scope};
use crate::farther::Cause;
use crate::guess::Guesses;
use crate::headers;
use crate::kind::Kind;

/// The answer that others are measured by. Its body is decoded and parsed at most once.
pub(crate) struct Primary<'a> {
    leg: &'a Leg,
    /// Of the request, without which the type of a gRPC message is not known.
    path: &'a [u8],
    /// When the exchange was, in microseconds since 1970, where that is known.
    at_us: Option<u64>,
    /// Whether all bodies are without their encodings, whatever the headers say.
    decoded: bool,
    place: &'a body::Kept<'a>,
    content: OnceCell<Content<'a>>,
}

/// What came of comparing one answer.
pub(crate) struct Comparison<'w> {
    /// Outcome and status are the primary's, so fields were compared.
    pub(crate) comparable: bool,
    pub(crate) differences: Differences<'w>,
}

impl<'a> Primary<'a> {
    /// The primary of a request for `path`; its body is read into `place`.
    pub(crate) fn new(leg: &'a Leg, path: &'a [u8], place: &'a body::Kept<'a>) -> Self {
        Self { leg, path, at_us: None, decoded: false, place, content: OnceCell::new() }
    }

    /// The same, of an exchange of which is known when it was: in microseconds since 1970.
    pub(crate) fn taken_at(self, at_us: u64) -> Self {
        Self { at_us: Some(at_us), ..self }
    }

    /// The same; `decoded` says whether bodies are without their encodings already.
    pub(crate) fn decoded(self, decoded: bool) -> Self {
        Self { decoded, ..self }
    }

    /// Whether another answer has the primary's outcome and status, so that its fields mean something.
    pub(crate) fn answers_as(&self, other: &Leg) -> bool {
        self.leg.outcome == other.outcome && status(self.leg) == status(other)
    }

    pub(crate) fn leg(&self) -> &'a Leg {
        self.leg
    }

    /// Adds to `differences` how another answer differs.
    pub(crate) fn compare<'w>(
        &self,
        other: &Leg,
        scope: Scope<'_>,
        mut differences: Differences<'w>,
    ) -> Comparison<'w> {
        if self.leg.outcome != other.outcome {
            let shown = |leg: &Leg| outcome(leg.outcome).to_owned();
            let detail = || plain(shown(self.leg), shown(other));
            differences.add(|_| {}, Kind::Outcome, detail, Guesses::default);
            return Comparison { comparable: false, differences };
        }
        if status(self.leg) != status(other) {
            let shown =
                |leg: &Leg| status(leg).map_or_else(|| ABSENT.to_owned(), |status| status.to_string());
            let detail = || plain(shown(self.leg), shown(other));
            differences.add(|_| {}, Kind::Status, detail, Guesses::default);
            return Comparison { comparable: false, differences };
        }
        if let (Some(primary), Some(answer)) = (&self.leg.response, &other.response) {
            headers::compare(primary, answer, self.at_us, scope, &mut differences);
            self.bodies(primary, answer, scope, &mut differences);
        }
        Comparison { comparable: true, differences }
    }

    fn bodies(&self, primary: &'a Response, other: &Response, scope: Scope<'_>, into: &mut Differences<'_>) {
        let (Some(left), Some(right)) = (whole(primary), whole(other)) else {
            return cut_bodies(&primary.body, &other.body, scope, into);
        };
        if left == right {
            return;
        }
        let content = self
            .content
            .get_or_init(|| Content::of(self.place.get_or_init(|| self.plain(primary, left, scope))));
        let other = self.plain(other, right, scope);
        content.compare(&Content::of(&other), scope, into);
    }
}

impl Primary<'_> {
    fn plain<'r>(&self, response: &'r Response, body: &'r [u8], scope: Scope<'_>) -> Plain<'r> {
        let read = if self.decoded { Plain::of_decoded } else { Plain::of };
        read(response, body, self.path, scope)
    }
}

/// Bodies of which at least one was cut: equal if length and hash are.
fn cut_bodies(primary: &Body, other: &Body, scope: Scope<'_>, into: &mut Differences<'_>) {
    let print = |body: &Body| match body {
        Body::Same => None,
        Body::Whole(bytes) => Some((bytes.len() as u64, xxh3_64(bytes))),
        Body::Cut { length, xxh3 } => Some((*length, *xxh3)),
    };
    let (Some(left), Some(right)) = (print(primary), print(other)) else { return };
    if left != right {
        let shown = |(length, hash): (u64, u64)| body::summary(length, hash);
        diff::at(&[], Kind::Value, scope, into, Cause::Cut, || (shown(left), shown(right)));
    }
}

fn status(leg: &Leg) -> Option<u16> {
    leg.response.as_ref().map(|response| response.status)
}

fn whole(response: &Response) -> Option<&[u8]> {
    match &response.body {
        Body::Whole(bytes) => Some(bytes),
        _ => None,
    }
}

fn plain(primary: String, other: String) -> Detail {
    Detail { exact: String::new(), primary, other, control: None }
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
        Leg::answer("v", status).with_header("Content-Type", media).with_kept(body).with_latency_us(1)
    }

    fn json(text: &str) -> Leg {
        leg(200, "application/problem+json; charset=utf-8", Body::Whole(text.into()))
    }

    fn check(primary: &Leg, other: &Leg, comparable: bool, expected: &[&str]) {
        let rules = Rules::default();
        let place = body::Kept::default();
        let found = Primary::new(primary, b"/", &place).compare(
            other,
            Scope { endpoint: "GET /", rules: &rules },
            Differences::detailed(),
        );
        let lines: Vec<String> = found
            .differences
            .into_details()
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
        check(&json("1"), &json("oops"), true, &[" type: \"1\" (1 byte) -> \"oops\" (4 bytes)"]);
        check(
            &json("{"),
            &json("["),
            true,
            &[" value: line 1: \"{\" (-1 of 1 line) -> line 1: \"[\" (+1 of 1 line)"],
        );
        check(
            &text("<p>a"),
            &text("<p>b"),
            true,
            &[" value: line 1: \"<p>a\" (-1 of 1 line) -> line 1: \"<p>b\" (+1 of 1 line)"],
        );
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
