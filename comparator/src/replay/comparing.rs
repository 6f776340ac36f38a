//! Taking exchanges in where no server is: rules, and the plugins that come before them.

use antumbra_control::Assigned;
use antumbra_engine::{Compared, Evidence, Pace, Rules};
use antumbra_observation::Observation;

use crate::plugins::{Plugins, Prepared};

/// How answers are compared.
#[derive(Clone, Default)]
pub(crate) struct Comparing {
    /// What may differ.
    pub(crate) rules: Rules,
    /// The spans of time by which exchanges are counted.
    pub(crate) pace: Pace,
    /// Which plugins have to do with which endpoint.
    pub(crate) assigned: Assigned,
    /// The plugins.
    pub(crate) plugins: Plugins,
}

impl Comparing {
    /// Whether there is a plugin, which may take its time.
    pub(crate) fn computes(&self) -> bool {
        !self.assigned.is_empty()
    }

    /// Has the plugins run over an exchange.
    pub(crate) fn prepare(&self, observation: &Observation) -> Prepared {
        self.plugins.prepare(&self.rules, &self.assigned, observation, None)
    }

    /// Compares an exchange as its plugins leave it, by what is known.
    pub(crate) fn compare(&self, observation: &Observation, known: &Evidence) -> Compared {
        Prepared::compare(Some(&self.prepare(observation)), observation, &self.rules, known)
    }

    /// Takes an exchange in as the plugins left it.
    pub(crate) fn observe(&self, evidence: &mut Evidence, observation: &Observation, prepared: &Prepared) {
        evidence.set_pace(self.pace);
        let compared = Prepared::compare(Some(prepared), observation, &self.rules, evidence);
        evidence.take(&compared);
    }
}

/// What is made of each exchange of a capture.
pub(crate) trait Takes {
    /// What becomes of all together; at first, of none.
    type All: Default;

    /// Whose answers are compared.
    fn rules(&self) -> &Rules;

    /// Takes one more in.
    fn take(&self, all: &mut Self::All, observation: &Observation);
}

impl Takes for Comparing {
    type All = Evidence;

    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn take(&self, evidence: &mut Evidence, observation: &Observation) {
        self.observe(evidence, observation, &self.prepare(observation));
    }
}
