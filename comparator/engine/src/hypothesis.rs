//! What is counted of one possible regression: how often only the candidate differs, only the control, or both.

use antumbra_observation::{ExchangeId, Observation};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::asked;
use crate::diff::Detail;
use crate::guess::Tally;

/// The counts of one place and kind at one endpoint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Hypothesis {
    /// Its number in the release, from 1, by first discordance: fixed then, for the weights depend on it.
    pub(crate) discovered: Option<u64>,
    pub(crate) candidate_only: u64,
    pub(crate) control_only: u64,
    pub(crate) both: u64,
    /// Differences of the candidate in exchanges without control.
    pub(crate) uncontrolled: u64,
    pub(crate) first_us: u64,
    pub(crate) last_us: u64,
    /// A uniform sample, lowest rank first.
    pub(crate) examples: Vec<Example>,
    /// Which rules would allow the control's differences.
    #[serde(default)]
    pub(crate) tally: Tally,
}

/// One exchange that shows a difference, each text shortened to 120 characters and secrets left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Example {
    /// Which exchange.
    pub exchange: ExchangeId,
    /// What was asked, as in `GET /items/7?page=2`; without what looks like a secret; empty in evidence that was stored without it.
    #[serde(default)]
    pub request: String,
    /// The exact place, with positions in arrays.
    pub path: String,
    /// What the primary has there.
    pub primary: String,
    /// What the candidate has there.
    pub candidate: String,
    /// What the control has there, if there was one.
    pub control: Option<String>,
    /// The plugins that failed at this exchange: it was compared without them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
}

impl Hypothesis {
    /// Counts one exchange in which one leg or both differ here; `discovered` numbers the hypotheses of the release. Keeps
    /// `most` examples.
    pub(crate) fn paired(
        &mut self,
        observation: &Observation,
        most: usize,
        candidate: Option<&Detail>,
        control: Option<&Detail>,
        discovered: &mut u64,
    ) {
        self.seen(observation.at_us);
        match (candidate, control) {
            (Some(detail), None) => {
                self.candidate_only += 1;
                // The control does not differ from the primary here.
                self.keep(observation, most, detail, Some(detail.primary.clone()));
            }
            (None, Some(_)) => self.control_only += 1,
            _ => self.both += 1,
        }
        if self.discovered.is_none() && candidate.is_some() != control.is_some() {
            *discovered += 1;
            self.discovered = Some(*discovered);
        }
    }

    /// Counts a difference of the candidate in an exchange without control.
    pub(crate) fn uncontrolled(&mut self, observation: &Observation, most: usize, detail: &Detail) {
        self.seen(observation.at_us);
        self.uncontrolled += 1;
        self.keep(observation, most, detail, None);
    }

    fn seen(&mut self, at_us: u64) {
        self.first_us = if self.first_us == 0 { at_us } else { self.first_us.min(at_us) };
        self.last_us = self.last_us.max(at_us);
    }

    fn keep(&mut self, observation: &Observation, most: usize, detail: &Detail, control: Option<String>) {
        let exchange = observation.id;
        let rank = rank(exchange, control.as_deref());
        if self.examples.len() >= most && self.examples.last().is_some_and(|last| last.rank() <= rank) {
            // Not worth copying what it shows.
            return;
        }
        let example = Example {
            exchange,
            request: asked::shown(&observation.request.method, &observation.request.path),
            path: detail.exact.clone(),
            primary: detail.primary.clone(),
            candidate: detail.other.clone(),
            control,
            without: Vec::new(),
        };
        self.sample(most, [example]);
    }

    /// Adds to the sample, of which the `most` of the lowest ranks stay: of a sample, too, they are one.
    pub(crate) fn sample(&mut self, most: usize, more: impl IntoIterator<Item = Example>) {
        for example in more {
            let at = self.examples.partition_point(|kept| kept.rank() <= example.rank());
            self.examples.insert(at, example);
        }
        self.examples.truncate(most);
        self.examples.shrink_to_fit();
    }
}

impl Example {
    fn rank(&self) -> (bool, u64) {
        rank(self.exchange, self.control.as_deref())
    }
}

/// Which examples are kept: one with control says more than one without; among equals chance decides, with the hash of the
/// exchange's name for dice. The lowest hashes of all that were ever seen are a uniform sample without replacement, need no seed, and
/// those of two engines together are that of both (bottom-k sampling, Cohen & Kaplan 2007).
fn rank(exchange: ExchangeId, control: Option<&str>) -> (bool, u64) {
    (control.is_none(), xxh3_64(&exchange.0.to_le_bytes()))
}
