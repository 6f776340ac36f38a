//! Requests of a recording that nobody asked again: what they would have shown is not known.
//!
//! A few of them are by design. But an endpoint that only they have is not covered, and many may be what differs: all that have a body, or
//! all of one client.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{Gap, Report, Uncovered};
use crate::verdict::{Code, Reason, Verdict, ratio};
use crate::wording::{by_reason, count, listed, many, percent, percent_beside};

/// What a recording holds besides what was compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unlooked {
    /// The number of requests that users sent while it was made, also of those that cannot be asked again.
    pub requests: u64,
    /// The number of those that should have been asked again and could not be read, by reason.
    pub unread: BTreeMap<&'static str, u64>,
    /// The number of requests that were not compared, for any reason, by their endpoint.
    pub endpoints: BTreeMap<String, u64>,
}

impl Report {
    /// Returns the report with what it does not cover of a recording. Nothing is promoted if more than 1 % of the requests could not be
    /// read, as nothing is if as many observations are lost.
    #[must_use]
    pub fn with_unlooked(mut self, unlooked: &Unlooked) -> Self {
        let found = [unread(unlooked), self.endpoints_of(unlooked)].into_iter().flatten();
        let at = self.not_covered.partition_point(|before| before.cause <= Gap::NotAsked);
        self.not_covered.splice(at..at, found);
        match too_many(unlooked) {
            Some((reason, why)) => self.held(reason, why),
            None => self,
        }
    }

    /// Returns the report with a reason that keeps the release from being promoted, before all others. What is shown to be worse stays so.
    #[must_use]
    pub fn held(mut self, reason: Reason, why: String) -> Self {
        match self.verdict {
            Verdict::RollBack => return self,
            Verdict::Promote => {
                self.reasons.clear();
                self.reason_details.clear();
            }
            Verdict::Wait => {}
        }
        self.verdict = Verdict::Wait;
        (self.needed, self.forecast) = (None, None);
        self.reasons.insert(0, why);
        self.reason_details.insert(0, reason);
        self
    }

    /// Endpoints of which nothing was compared. Where there were too many to tell them apart, nobody knows.
    fn endpoints_of(&self, unlooked: &Unlooked) -> Option<Uncovered> {
        if self.dropped.endpoints > 0 {
            return None;
        }
        let compared: BTreeSet<&str> = self.endpoints.iter().map(|found| &*found.endpoint).collect();
        let mut alone: Vec<(&str, u64)> = unlooked
            .endpoints
            .iter()
            .filter(|(name, _)| !compared.contains(name.as_str()))
            .map(|(name, requests)| (&**name, *requests))
            .collect();
        alone.sort_by_key(|(_, requests)| Reverse(*requests));
        let requests = alone.iter().map(|(_, requests)| requests).sum();
        let share = ratio(requests, unlooked.requests);
        let names: Vec<&str> = alone.iter().take(MAX_LISTED).map(|(name, _)| *name).collect();
        let more = alone.len().saturating_sub(names.len());
        let named = match more {
            0 => listed(&names),
            more => format!("{} and {} more", names.join(", "), count(more as u64)),
        };
        let (verb, whose) = if alone.len() == 1 { ("is", "its") } else { ("are", "their") };
        let text = format!(
            "{} of the recording with {} {verb} not covered, since none of {whose} requests was compared: {named}.",
            many(alone.len() as u64, "endpoint"),
            many(requests, "request")
        );
        let endpoint = names.first().filter(|_| alone.len() == 1).map(|name| (*name).to_owned());
        (!alone.is_empty()).then(|| Uncovered { endpoint, ..Uncovered::new(Gap::NotAsked, share, text) })
    }
}

fn unread(unlooked: &Unlooked) -> Option<Uncovered> {
    let unread = unlooked.unread.values().sum();
    let text = format!(
        "{} of {} could not be asked again{}: what they would have shown is not known.",
        count(unread),
        many(unlooked.requests, "recorded request"),
        by_reason(&unlooked.unread)
    );
    (unread > 0).then(|| Uncovered::new(Gap::Unread, ratio(unread, unlooked.requests), text))
}

fn too_many(unlooked: &Unlooked) -> Option<(Reason, String)> {
    let unread: u64 = unlooked.unread.values().sum();
    let share = ratio(unread, unlooked.requests.max(1));
    if share <= MAX_UNREAD || unread < MIN_UNREAD {
        return None;
    }
    let why = format!(
        "{} of the recorded requests could not be asked again{}, at most {} may be missing",
        percent_beside(share, MAX_UNREAD),
        by_reason(&unlooked.unread),
        percent(MAX_UNREAD)
    );
    Some((Reason::of(Code::Unread, share, MAX_UNREAD), why))
}

/// The share of the requests that may be unread.
const MAX_UNREAD: f64 = 0.01;
/// Fewer may always be.
const MIN_UNREAD: u64 = 3;
/// Endpoints that are named.
const MAX_LISTED: usize = 5;

#[cfg(test)]
mod tests {
    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::evidence::Evidence;
    use crate::verdict::{Delivery, Gates};

    fn unlooked(requests: u64, unread: &[(&'static str, u64)], endpoints: &[(&str, u64)]) -> Unlooked {
        let endpoints = endpoints.iter().map(|(name, requests)| ((*name).to_owned(), *requests)).collect();
        Unlooked { requests, unread: unread.iter().copied().collect(), endpoints }
    }

    fn judged(unlooked: &Unlooked, verdict: Verdict) -> Report {
        let report = super::super::report("", &Evidence::new(), &Gates::default(), &Delivery::default());
        Report { verdict, needed: Some(7), ..report }.with_unlooked(unlooked)
    }

    #[test]
    fn much_that_could_not_be_read_is_not_promoted() {
        for (requests, unread, verdict) in [
            (10_000, vec![], Verdict::Promote),
            (10_000, vec![("malformed", 100)], Verdict::Promote),
            (10_000, vec![("malformed", 100), ("too_large", 1)], Verdict::Wait),
            (10, vec![("lost", 2)], Verdict::Promote),
            (10, vec![("lost", 3)], Verdict::Wait),
        ] {
            let unlooked = unlooked(requests, &unread, &[]);
            let report = judged(&unlooked, Verdict::Promote);
            assert_eq!(report.verdict, verdict, "{unlooked:?}");
            assert_eq!(
                report.reason_details.first().is_some_and(|reason| reason.code == Code::Unread),
                verdict == Verdict::Wait
            );
            assert_eq!(judged(&unlooked, Verdict::RollBack).verdict, Verdict::RollBack);
        }
        let many = unlooked(1_000, &[("malformed", 12), ("too_large", 40)], &[]);
        let report = judged(&many, Verdict::Promote);
        assert_eq!((report.reasons.len(), report.needed), (1, None));
        assert_eq!(
            report.reasons[0],
            "5.2 % of the recorded requests could not be asked again (too_large 40, malformed 12), at most 1 % may be missing"
        );
        assert_eq!(
            report.not_covered[0].text,
            "52 of 1,000 recorded requests could not be asked again (too_large 40, malformed 12): what they would have shown is not known."
        );
        assert_eq!(judged(&many, Verdict::Wait).reasons.len(), 2);
    }

    #[test]
    fn an_endpoint_of_which_nothing_was_compared_is_named() {
        let texts = |endpoints: &[(&str, u64)]| {
            let report = judged(&unlooked(10_000, &[], endpoints), Verdict::Promote);
            assert_eq!(report.verdict, Verdict::Promote, "as endpoints that are not mirrored");
            report.not_covered.into_iter().map(|found| found.text).collect::<Vec<_>>()
        };
        assert!(texts(&[]).is_empty());
        assert_eq!(
            texts(&[("POST /orders", 3)]).join("\n"),
            "1 endpoint of the recording with 3 requests is not covered, since none of its requests was compared: POST /orders."
        );
        let many: Vec<(String, u64)> = (0..9).map(|at| (format!("GET /{at}"), at)).collect();
        let many: Vec<(&str, u64)> = many.iter().map(|(name, requests)| (&**name, *requests)).collect();
        assert_eq!(
            texts(&many).join("\n"),
            "9 endpoints of the recording with 36 requests are not covered, since none of their requests was compared: GET /8, GET /7, GET /6, GET /5, GET /4 and 4 more."
        );
    }
}
