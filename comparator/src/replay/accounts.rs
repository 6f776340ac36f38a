//! What became of every recorded request, and which are not sent.
//!
//! `recorded = sent + late + skipped`, and `sent = compared + unanswered + still out`: a verdict on a part of a recording must say
//! how large the part is.

use std::collections::BTreeMap;
use std::fmt::Display;

use antumbra_engine::Delivery;
use antumbra_observation::{Counts, NotMirrored, Outcome, Request, SHADOW_HEADER, UnsafeMethod};
use serde::Serialize;

use super::statuses::Statuses;
use crate::redaction::REDACTED;
use crate::shadows::Unsendable;

/// Counts of requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Accounts {
    /// In the recording, as far as it was read.
    pub(crate) recorded: u64,
    /// To the primary, at least.
    pub(crate) sent: u64,
    /// Found no place when they were due.
    pub(crate) late: u64,
    /// Not to be sent, by reason.
    pub(crate) skipped: BTreeMap<&'static str, u64>,
    /// Of those that are skipped because they may write, the methods.
    #[serde(skip_serializing_if = "Counts::is_empty")]
    pub(crate) unsafe_methods: Counts<UnsafeMethod>,
    /// Without an answer of the primary, by outcome: nothing to compare with.
    pub(crate) unanswered: BTreeMap<&'static str, u64>,
    /// Compared.
    pub(crate) compared: u64,
    /// Requests without a header that the recording blanked and nobody gave anew, by its name.
    pub(crate) blanked: BTreeMap<String, u64>,
    /// Whether the primary answers as it did then.
    pub(crate) statuses: Statuses,
}

/// Why a recorded request is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skipped {
    /// Its method may write.
    UnsafeMethod(UnsafeMethod),
    /// It is not a request that HTTP can carry.
    Malformed,
    /// It was a shadow request itself.
    Shadow,
    /// It was read before.
    SameId,
    /// Beyond the bounds of a recording, or recorded without its body.
    TooLarge,
}

impl Skipped {
    fn as_str(self) -> &'static str {
        match self {
            Self::UnsafeMethod(_) => "unsafe_method",
            Self::Malformed => "malformed",
            Self::Shadow => "shadow",
            Self::SameId => "same_id",
            Self::TooLarge => "too_large",
        }
    }
}

impl From<Unsendable> for Skipped {
    fn from(unsendable: Unsendable) -> Self {
        match unsendable {
            Unsendable::BodyCut => Self::TooLarge,
            _ => Self::Malformed,
        }
    }
}

/// The headers that a recording blanked out, in lower case.
pub(crate) fn blanked(request: &Request) -> impl Iterator<Item = String> {
    let blanked = request.headers.iter().filter(|(_, value)| value[..] == *REDACTED.as_bytes());
    blanked.map(|(name, _)| name.to_text().to_ascii_lowercase())
}

/// The request if it may be sent, without what a recording blanked out.
pub(crate) fn admit(mut request: Request, unsafe_methods: bool) -> Result<Request, Skipped> {
    let marked = |name: &[u8]| name.eq_ignore_ascii_case(SHADOW_HEADER.as_bytes());
    if request.headers.iter().any(|(name, _)| marked(name)) {
        return Err(Skipped::Shadow);
    }
    if !unsafe_methods && !matches!(&request.method[..], b"GET" | b"HEAD" | b"OPTIONS") {
        return Err(Skipped::UnsafeMethod(UnsafeMethod::of(&request.method)));
    }
    request.headers.retain(|(_, value)| value[..] != *REDACTED.as_bytes());
    Ok(request)
}

impl Accounts {
    pub(crate) fn skip(&mut self, skipped: Skipped) {
        *self.skipped.entry(skipped.as_str()).or_default() += 1;
        if let Skipped::UnsafeMethod(method) = skipped {
            self.unsafe_methods.add(method, 1);
        }
    }

    /// Counts the headers that a request lacks.
    pub(crate) fn lacks(&mut self, names: &[String]) {
        for name in names {
            if self.blanked.contains_key(name) || self.blanked.len() < MAX_NAMES {
                *self.blanked.entry(name.clone()).or_default() += 1;
            }
        }
    }

    pub(crate) fn unanswered(&mut self, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Timeout => "timeout",
            Outcome::Refused => "refused",
            Outcome::NotSent => "not_sent",
            Outcome::Reset | Outcome::Response => "reset",
        };
        *self.unanswered.entry(outcome).or_default() += 1;
    }

    /// What the verdict must know: a request without an answer of the primary is an observation that is missing, and one that
    /// was late is an exchange that found no room. One that may write is not of the traffic that is compared.
    pub(crate) fn delivery(&self) -> Delivery {
        Delivery {
            known: true,
            mirrored: self.sent,
            undelivered: self.unanswered.values().sum(),
            not_sent: self.late,
            not_mirrored_by: [(NotMirrored::UnsafeMethod, self.unsafe_methods.total())].into(),
            unsafe_methods: self.unsafe_methods,
            ..Delivery::default()
        }
    }

    /// One line, and one more for each thing that went wrong.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Self { recorded, sent, compared, late, .. } = self;
        let out = sent.saturating_sub(self.unanswered.values().sum::<u64>() + compared);
        let mut lines = vec![format!("{recorded} requests read: {sent} sent, {compared} compared")];
        if out > 0 {
            lines.push(format!("{out} broken off before the last answer"));
        }
        if *late > 0 {
            lines.push(format!(
                "{late} not sent in time, too many answers were out: lower --rate or raise --concurrency"
            ));
        }
        if !self.skipped.is_empty() {
            lines.push(format!("skipped: {}", listed(&self.skipped)));
        }
        if !self.unanswered.is_empty() {
            lines.push(format!("not compared, the primary did not answer: {}", listed(&self.unanswered)));
        }
        if !self.blanked.is_empty() {
            lines.push(format!("sent without what the recording blanked: {}", listed(&self.blanked)));
        }
        lines.extend(self.statuses.line(*compared));
        lines
    }
}

fn listed(counts: &BTreeMap<impl Display, u64>) -> String {
    let each: Vec<String> = counts.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    each.join(", ")
}

/// Headers that are told apart: a file may have any.
const MAX_NAMES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_sent() {
        let with = |method: &str, name: &str, value: &str| Request {
            method: method.into(),
            headers: vec![(name.into(), value.into())],
            ..Request::default()
        };
        for (request, unsafe_methods, expected) in [
            (with("GET", "a", "b"), false, Ok(1)),
            (with("GET", "authorization", "[redacted]"), false, Ok(0)),
            (with("GET", "Accept-Encoding", "br"), false, Ok(1)),
            (with("POST", "a", "b"), false, Err(Skipped::UnsafeMethod(UnsafeMethod::Post))),
            (with("get", "a", "b"), false, Err(Skipped::UnsafeMethod(UnsafeMethod::Other))),
            (with("POST", "a", "b"), true, Ok(1)),
            (with("GET", "X-Antumbra-Shadow", "1"), true, Err(Skipped::Shadow)),
        ] {
            let shown = format!("{request:?}");
            assert_eq!(
                admit(request, unsafe_methods).map(|request| request.headers.len()),
                expected,
                "{shown}"
            );
        }
    }

    #[test]
    fn lines_for_people() {
        let mut accounts = Accounts { recorded: 20, sent: 10, late: 3, compared: 6, ..Accounts::default() };
        accounts.skip(Skipped::TooLarge);
        accounts.lacks(&["cookie".to_owned()]);
        accounts.statuses.count(Some(200), 404);
        (0..6).for_each(|_| accounts.skip(Skipped::UnsafeMethod(UnsafeMethod::Put)));
        (0..3).for_each(|_| accounts.unanswered(Outcome::Timeout));
        insta::assert_snapshot!(accounts.lines().join("\n"), @r"
        20 requests read: 10 sent, 6 compared
        1 broken off before the last answer
        3 not sent in time, too many answers were out: lower --rate or raise --concurrency
        skipped: too_large 1, unsafe_method 6
        not compared, the primary did not answer: timeout 3
        sent without what the recording blanked: cookie 1
        another status than recorded: 1 of 1 answers of the primary, 200 → 404 in 1
        ");
        let expected = Delivery {
            known: true,
            mirrored: 10,
            undelivered: 3,
            not_sent: 3,
            not_mirrored_by: [(NotMirrored::UnsafeMethod, 6)].into(),
            unsafe_methods: [(UnsafeMethod::Put, 6)].into(),
            ..Delivery::default()
        };
        assert_eq!(accounts.delivery(), expected);
    }
}
