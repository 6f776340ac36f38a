//! How often bodies were compared as bytes because they could not be read, and why: by endpoint, leg and reason.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::compared::Answer;
use crate::refusal::Refusal;

/// The refusals of an endpoint, or of a release.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Refusals(pub(crate) BTreeMap<Refusal, Refused>);

/// Exchanges in which a leg's answer, or the primary's beside it, was refused for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) candidate: u64,
    pub(crate) control: u64,
}

impl Refusals {
    /// Counts what was refused in one exchange.
    pub(crate) fn count(&mut self, candidate: &Answer, control: Option<&Answer>) {
        for refusal in &candidate.refused {
            self.0.entry(*refusal).or_default().candidate += 1;
        }
        for refusal in control.into_iter().flat_map(|control| &control.refused) {
            self.0.entry(*refusal).or_default().control += 1;
        }
    }

    /// Adds what another engine counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (refusal, counts) in &other.0 {
            let own = self.0.entry(*refusal).or_default();
            own.candidate += counts.candidate;
            own.control += counts.control;
        }
    }
}
