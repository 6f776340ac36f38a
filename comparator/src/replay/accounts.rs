//! What became of every recorded request, and which are not sent.
//!
//! `recorded = sent + late + skipped`, and `sent = compared + unanswered + still out`: a verdict on a part of a recording must say
//! how large the part is.

use std::collections::BTreeMap;
use std::fmt::Display;

use antumbra_engine::{Delivery, Unlooked};
use antumbra_observation::{Counts, NotMirrored, Outcome, Request, SHADOW_HEADER, UnsafeMethod};
use serde::Serialize;

use super::entry::{At, Skipped, WEB_SOCKET};
use super::missed::Missed;
use super::skips::Skips;
use super::statuses::Statuses;
use crate::redaction::REDACTED;

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
    /// Not to be sent.
    #[serde(flatten)]
    pub(crate) skips: Skips,
    /// Of those that are skipped because they may write, the methods.
    #[serde(skip_serializing_if = "Counts::is_empty")]
    pub(crate) unsafe_methods: Counts<UnsafeMethod>,
    /// Without an answer of the primary, by outcome: nothing to compare with.
    pub(crate) unanswered: BTreeMap<&'static str, u64>,
    /// Compared.
    pub(crate) compared: u64,
    /// Requests without a header that the recording blanked and nobody gave anew, by its name.
    pub(crate) blanked: BTreeMap<String, u64>,
    /// Requests without a condition that the recording has, by the header's name.
    pub(crate) unconditional: BTreeMap<String, u64>,
    /// Whether the primary answers as it did then.
    pub(crate) statuses: Statuses,
    /// Exchanges that the recording says it lost.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) lost: u64,
    /// Of those that are skipped, requests of users that should have been sent, by reason.
    #[serde(skip)]
    unread: BTreeMap<&'static str, u64>,
    /// Of those that are skipped, what no user lacks.
    #[serde(skip)]
    needless: u64,
    /// Of those that were not compared, the endpoints.
    #[serde(skip)]
    pub(crate) missed: Missed,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The headers that a recording blanked out, in lower case.
pub(crate) fn blanked(request: &Request) -> impl Iterator<Item = String> {
    let blanked = request.headers.iter().filter(|(_, value)| value[..] == *REDACTED.as_bytes());
    blanked.map(|(name, _)| name.to_text().to_ascii_lowercase())
}

/// Which recorded requests are sent, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Admission {
    /// Methods that write, too.
    pub(crate) unsafe_methods: bool,
    /// With the conditions of the client that was recorded.
    pub(crate) conditional: bool,
}

/// A request that may be sent, and the conditions that it goes without.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    pub(crate) request: Request,
    pub(crate) unconditional: Vec<String>,
}

impl Admission {
    /// The request if it may be sent, without what a recording blanked out.
    pub(crate) fn admit(self, mut request: Request) -> Result<Admitted, Skipped> {
        let has =
            |name: &str| request.headers.iter().find(|(known, _)| is(known, name)).map(|(_, value)| value);
        if has(SHADOW_HEADER).is_some() {
            return Err(Skipped::Shadow);
        }
        if !self.unsafe_methods && !matches!(&request.method[..], b"GET" | b"HEAD" | b"OPTIONS") {
            return Err(Skipped::UnsafeMethod(UnsafeMethod::of(&request.method)));
        }
        if has("upgrade").is_some_and(|protocol| is(protocol, "websocket")) {
            return Err(Skipped::Foreign(WEB_SOCKET.into()));
        }
        request.headers.retain(|(_, value)| value[..] != *REDACTED.as_bytes());
        let mut unconditional = Vec::new();
        if !self.conditional {
            let conditions =
                CONDITIONS.iter().filter(|name| request.headers.iter().any(|(known, _)| is(known, name)));
            unconditional.extend(conditions.map(|name| (*name).to_owned()));
            request.headers.retain(|(known, _)| !CONDITIONS.iter().any(|name| is(known, name)));
        }
        Ok(Admitted { request, unconditional })
    }
}

fn is(name: &[u8], wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted.as_bytes())
}

impl Accounts {
    pub(crate) fn skip(&mut self, at: At, skipped: &Skipped) {
        self.skips.add(at, skipped);
        if skipped.is_unread() {
            *self.unread.entry(skipped.as_str()).or_default() += 1;
        }
        if skipped.is_needless() {
            self.needless += 1;
        }
        if let Skipped::UnsafeMethod(method) = skipped {
            self.unsafe_methods.add(*method, 1);
        }
    }

    /// Counts the headers that a request lacks: what the recording blanked, and conditions that are not sent.
    pub(crate) fn lacks(&mut self, blanked: &[String], unconditional: &[String]) {
        for (names, counts) in [(blanked, &mut self.blanked), (unconditional, &mut self.unconditional)] {
            for name in names {
                if counts.contains_key(name) || counts.len() < MAX_NAMES {
                    *counts.entry(name.clone()).or_default() += 1;
                }
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

    /// What the recording holds besides what was compared.
    pub(crate) fn unlooked(&self) -> Unlooked {
        let mut unread = self.unread.clone();
        if self.lost > 0 {
            unread.insert("lost", self.lost);
        }
        let requests = self.recorded.saturating_sub(self.needless).saturating_add(self.lost);
        Unlooked { requests, unread, endpoints: self.missed.endpoints().clone() }
    }

    /// One line, and one more for each thing that went wrong.
    pub(crate) fn lines(&self) -> Vec<String> {
        let Self { recorded, sent, compared, late, lost, .. } = self;
        let plural = if *recorded == 1 { "" } else { "s" };
        let out = sent.saturating_sub(self.unanswered.values().sum::<u64>() + compared);
        let mut lines = vec![format!("{recorded} request{plural} read: {sent} sent, {compared} compared")];
        if out > 0 {
            lines.push(format!("{out} broken off before the last answer"));
        }
        if *late > 0 {
            lines.push(format!(
                "{late} not sent in time, too many answers were out: lower --rate or raise --concurrency"
            ));
        }
        lines.extend(self.skips.lines());
        if *lost > 0 {
            let plural = if *lost == 1 { "exchange" } else { "exchanges" };
            lines.push(format!("lost while they were captured, so not in the recording: {lost} {plural}"));
        }
        if !self.unanswered.is_empty() {
            lines.push(format!("not compared, the primary did not answer: {}", listed(&self.unanswered)));
        }
        if !self.blanked.is_empty() {
            lines.push(format!("sent without what the recording blanked: {}", listed(&self.blanked)));
        }
        if !self.unconditional.is_empty() {
            lines.push(format!(
                "sent without the client's conditions, or with --conditional-headers send: {}",
                listed(&self.unconditional)
            ));
        }
        lines.extend(self.statuses.line(*compared));
        lines
    }
}

fn listed(counts: &BTreeMap<impl Display, u64>) -> String {
    let each: Vec<String> = counts.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    each.join(", ")
}

/// Headers that ask only for what the client did not have then (RFC 9110, section 13.1). The versions that are compared never sent its
/// validators, so that answers to them say nothing. `range` is not among them: what part a client wants does not depend on what it has.
const CONDITIONS: [&str; 5] =
    ["if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since"];
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
            (with("GET", "Upgrade", "WebSocket"), true, Err(Skipped::Foreign(WEB_SOCKET.into()))),
            (with("GET", "Upgrade", "h2c"), true, Ok(1)),
        ] {
            let shown = format!("{request:?}");
            let admission = Admission { unsafe_methods, conditional: false };
            let admitted = admission.admit(request);
            assert_eq!(admitted.map(|admitted| admitted.request.headers.len()), expected, "{shown}");
        }
    }

    #[test]
    fn conditions_are_sent_if_asked_for() {
        let names = [
            "If-None-Match",
            "Range",
            "If-Range",
            "accept",
            "if-match",
            "IF-MODIFIED-SINCE",
            "If-Unmodified-Since",
        ];
        let headers: Vec<_> = names.iter().map(|name| ((*name).into(), "x".into())).collect();
        let request = Request { method: "GET".into(), headers, ..Request::default() };
        let admitted = Admission::default().admit(request.clone()).unwrap();
        let left: Vec<_> =
            admitted.request.headers.iter().map(|(name, _)| name.to_text().into_owned()).collect();
        assert_eq!(
            (left, admitted.unconditional),
            (vec!["Range".to_owned(), "accept".to_owned()], CONDITIONS.map(str::to_owned).to_vec())
        );
        let kept = Admission { conditional: true, ..Admission::default() }.admit(request.clone()).unwrap();
        assert_eq!(kept, Admitted { request, unconditional: Vec::new() });
    }

    #[test]
    fn lines_for_people() {
        let mut accounts = Accounts { recorded: 20, sent: 10, late: 3, compared: 6, ..Accounts::default() };
        accounts.skip(At::Line { line: 4 }, &Skipped::TooLarge("it is too large".into()));
        accounts.lacks(&["cookie".to_owned()], &["if-match".to_owned()]);
        accounts.statuses.count(Some(200), 404);
        (0..2).for_each(|line| accounts.skip(At::Line { line }, &Skipped::UnsafeMethod(UnsafeMethod::Put)));
        (0..3).for_each(|_| accounts.unanswered(Outcome::Timeout));
        insta::assert_snapshot!(accounts.lines().join("\n"), @r"
        20 requests read: 10 sent, 6 compared
        1 broken off before the last answer
        3 not sent in time, too many answers were out: lower --rate or raise --concurrency
        skipped: too_large 1, unsafe_method 2
          line 4: too_large, it is too large
          line 0: unsafe_method, PUT may write
          line 1: unsafe_method, PUT may write
        not compared, the primary did not answer: timeout 3
        sent without what the recording blanked: cookie 1
        sent without the client's conditions, or with --conditional-headers send: if-match 1
        another status than recorded: 1 of 1 answer of the primary, 200 → 404 in 1
        ");
        let expected = Delivery {
            known: true,
            mirrored: 10,
            undelivered: 3,
            not_sent: 3,
            not_mirrored_by: [(NotMirrored::UnsafeMethod, 2)].into(),
            unsafe_methods: [(UnsafeMethod::Put, 2)].into(),
            ..Delivery::default()
        };
        assert_eq!(accounts.delivery(), expected);
    }
}
