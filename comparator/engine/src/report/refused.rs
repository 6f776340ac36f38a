//! Which bodies were not read, so that nobody takes "it differs" for "here is how".

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;
use crate::refusal::Refusal;

/// Bodies that were compared by length and hash alone, or as mere bytes, because they could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// Method and route template.
    pub endpoint: String,
    /// Why.
    pub reason: Refusal,
    /// Exchanges in which the candidate's body, or the primary's beside it, was refused.
    pub candidate: u64,
    /// The same with the control's.
    pub control: u64,
}

/// By exchanges, most first, and how many lines are left out.
pub(super) fn refused(evidence: &Evidence) -> (Vec<Refused>, u64) {
    let mut refused: Vec<Refused> = evidence
        .endpoints
        .iter()
        .flat_map(|(name, endpoint)| {
            endpoint.refusals.0.iter().map(|(reason, counts)| Refused {
                endpoint: name.to_string(),
                reason: *reason,
                candidate: counts.candidate,
                control: counts.control,
            })
        })
        .collect();
    refused.sort_by_key(|refused| std::cmp::Reverse(refused.candidate.saturating_add(refused.control)));
    let more = refused.len().saturating_sub(MAX_LISTED);
    refused.truncate(MAX_LISTED);
    (refused, more as u64)
}

const MAX_LISTED: usize = 50;
