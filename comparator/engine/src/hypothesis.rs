//! What is counted of one possible regression: how often only the candidate differs, only the control, or both.

use antumbra_observation::{ExchangeId, Observation};
use serde::{Deserialize, Serialize};

use crate::diff::Detail;

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
    pub(crate) examples: Vec<Example>,
}

/// One exchange that shows a difference, values shortened to 120 characters and secrets left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Example {
    /// Which exchange.
    pub exchange: ExchangeId,
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
    /// Counts one exchange in which one leg or both differ here; `discovered` numbers the hypotheses of the release.
    pub(crate) fn paired(
        &mut self,
        observation: &Observation,
        candidate: Option<&Detail>,
        control: Option<&Detail>,
        discovered: &mut u64,
    ) {
        self.seen(observation.at_us);
        match (candidate, control) {
            (Some(detail), None) => {
                self.candidate_only += 1;
                // The control does not differ from the primary here.
                self.keep(observation, detail, Some(detail.primary.clone()));
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
    pub(crate) fn uncontrolled(&mut self, observation: &Observation, detail: &Detail) {
        self.seen(observation.at_us);
        self.uncontrolled += 1;
        self.keep(observation, detail, None);
    }

    fn seen(&mut self, at_us: u64) {
        self.first_us = if self.first_us == 0 { at_us } else { self.first_us.min(at_us) };
        self.last_us = self.last_us.max(at_us);
    }

    fn keep(&mut self, observation: &Observation, detail: &Detail, control: Option<String>) {
        // An example with control says more than one without.
        if control.is_some() {
            self.examples.retain(|example| example.control.is_some());
        }
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(Example {
                exchange: observation.id,
                path: detail.exact.clone(),
                primary: detail.primary.clone(),
                candidate: detail.other.clone(),
                control,
                without: Vec::new(),
            });
        }
    }
}

const MAX_EXAMPLES: usize = 3;
