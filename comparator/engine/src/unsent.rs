//! Which shadows were not sent, and why.

use std::collections::BTreeMap;

use antumbra_observation::{Leg, Observation, Outcome, Unsent};
use serde::{Deserialize, Serialize};

use crate::kind::Differing;
use crate::wording::count;

/// A shadow of an exchange was kept back: no healthy host, a circuit breaker, no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct KeptBack {
    /// Whose.
    pub(crate) of: Differing,
    /// Why, if that was said; the candidate's reason before the control's.
    pub(crate) why: Option<Unsent>,
}

impl KeptBack {
    /// What of an exchange was not sent, if anything was not.
    pub(crate) fn of(observation: &Observation) -> Option<Self> {
        let kept_back = |leg: &&Leg| leg.outcome == Outcome::NotSent;
        let candidate = Some(&observation.candidate).filter(kept_back);
        let control = observation.control.as_ref().filter(kept_back);
        let of = match (candidate, control) {
            (Some(_), Some(_)) => Differing::Both,
            (Some(_), None) => Differing::Candidate,
            (None, Some(_)) => Differing::Control,
            (None, None) => return None,
        };
        let why = candidate.and_then(|leg| leg.reason).or_else(|| control.and_then(|leg| leg.reason));
        Some(Self { of, why })
    }
}

/// Exchanges by which of their shadows was not sent, and why.
pub(crate) type NotSent = BTreeMap<KeptBack, u64>;

/// Of which leg and why, the most frequent first, with what mends it: the part of a sentence.
pub(crate) fn worded(not_sent: &NotSent, exchanges: u64) -> String {
    let mut each: Vec<(&KeptBack, &u64)> = not_sent.iter().collect();
    each.sort_by_key(|(_, exchanges)| std::cmp::Reverse(**exchanges));
    let mut parts: Vec<String> = each
        .into_iter()
        .take(MAX_NAMED)
        .map(|(KeptBack { of, why }, exchanges)| {
            let leg = match of {
                Differing::Candidate => "the candidate was not asked",
                Differing::Control => "the control was not asked",
                Differing::Both => "neither candidate nor control was asked",
            };
            let why = why.map_or_else(String::new, |why| format!(", `{}`: {}", why.as_str(), explained(why)));
            format!("{leg} in {}{why}", count(*exchanges))
        })
        .collect();
    if parts.is_empty() {
        parts.push(format!("a shadow was not sent in {}", count(exchanges)));
    }
    parts.join("; ")
}

/// What happened and what mends it.
fn explained(why: Unsent) -> &'static str {
    match why {
        Unsent::UnknownCluster => {
            "the proxy has no cluster of the name in the policy; correct one of the two"
        }
        Unsent::TooManyHeaders => "the request has more header fields than the proxy sends",
        Unsent::NoHealthyHost => {
            "the cluster has no healthy host; start the service, or mend its health check"
        }
        Unsent::ProxyRefused => "the proxy's own circuit breaker is open, or the cluster has no host",
        Unsent::Breaker => "it failed on other calls, so a breaker kept this one back",
        Unsent::NoPlace => "as many calls were under way as the limit allows; raise the limit or mirror less",
        Unsent::Unsendable => "HTTP/1.1 cannot carry the request",
        Unsent::GivenUp => "the call was given up before an answer arrived",
        Unsent::Other => "a later version of the filter knows why",
    }
}

/// Most reasons of a sentence.
const MAX_NAMED: usize = 3;
