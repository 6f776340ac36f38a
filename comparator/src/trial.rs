//! Other rules on the same exchanges: what the verdict would be, and what they hide, place by place.

mod effects;

use antumbra_control::Way;
use antumbra_control::{Document, timestamp};
use antumbra_engine::{Delivery, Evidence, Gates, Pace, Rules, Taken, Whose};
use antumbra_observation::Observation;

use crate::api::trial::{Counts, Kept, Outcome, Place};
use crate::live::kept::{self, Sample};
use crate::plugins::Plugins;
use crate::replay::comparing::{Comparing, Takes};
use effects::Effects;

/// Two ways to compare.
pub(crate) struct Trial {
    /// By the rules in force.
    pub(crate) now: Comparing,
    /// By others.
    pub(crate) tried: Comparing,
}

/// What both make of the exchanges.
#[derive(Default)]
pub(crate) struct Tried {
    now: Evidence,
    tried: Evidence,
    effects: Effects,
}

/// What is tried, on what.
pub(crate) struct Question<'q> {
    /// The policy's name.
    pub(crate) release: &'q str,
    /// How the tried rules came to be.
    pub(crate) way: Way,
    /// The policy's, by which both are judged.
    pub(crate) gates: &'q Gates,
    /// In how many exchanges answers differ at a place, where more were seen than are looked at.
    pub(crate) seen: &'q dyn Fn(&Place) -> Option<Counts>,
}

impl Trial {
    /// A policy as it is in force, and as it would be. What is kept is compared without a time to warm up: it is past.
    pub(crate) fn of(now: &Document, tried: &Document, plugins: &Plugins) -> Self {
        let pace = Pace { warm_up_us: 0, ..now.gates().pace() };
        let comparing = |document: &Document| Comparing {
            rules: document.rules().clone(),
            pace,
            assigned: document.plugins().clone(),
            plugins: plugins.clone(),
        };
        Self { now: comparing(now), tried: comparing(tried) }
    }

    /// Judges the uniform sample, and looks at the places of all that is kept.
    pub(crate) fn over(&self, sample: &Sample, release: &str, way: Way, gates: &Gates) -> Outcome {
        let mut all = Tried::default();
        for exchange in &sample.exchanges {
            if exchange.uniform {
                self.take(&mut all, &exchange.observation);
            } else {
                let now = self.now.compare(&exchange.observation, &all.now);
                all.effects.count(&now, &self.tried.compare(&exchange.observation, &all.tried));
            }
        }
        let uniform = sample.exchanges.iter().filter(|exchange| exchange.uniform).count() as u64;
        let kept = Kept {
            session: sample.session,
            since: (sample.since_ms > 0).then(|| timestamp::rfc3339(sample.since_ms)),
            exchanges: sample.exchanges.len() as u64,
            uniform,
            of: sample.of,
            left_out: sample.left_out,
        };
        let delivery = Delivery { known: true, mirrored: uniform, ..Delivery::default() };
        let seen = |place: &Place| Some(seen(sample, place));
        let question = Question { release, way, gates, seen: &seen };
        Outcome { kept: Some(kept), ..all.judged(&question, &delivery) }
    }
}

impl Takes for Trial {
    type All = Tried;

    fn rules(&self) -> &Rules {
        &self.now.rules
    }

    fn take(&self, all: &mut Tried, observation: &Observation) {
        let Tried { now, tried, effects } = all;
        let before = self.now.compare(observation, now);
        let after = self.tried.compare(observation, tried);
        now.set_pace(self.now.pace);
        tried.set_pace(self.tried.pace);
        if now.take(&before) == Taken::Compared {
            effects.count(&before, &after);
        }
        tried.take(&after);
    }
}

impl Tried {
    /// What is found in all of them.
    pub(crate) fn judged(self, question: &Question<'_>, delivery: &Delivery) -> Outcome {
        let Question { release, way, gates, seen } = question;
        let report = |evidence| antumbra_engine::report(release, evidence, gates, delivery);
        let (candidate_only, places, more_places) = self.effects.listed(seen);
        Outcome {
            release: (*release).to_owned(),
            rules: *way,
            kept: None,
            now: report(&self.now),
            tried: report(&self.tried),
            candidate_only,
            places,
            more_places,
        }
    }
}

/// At least those that are looked at: where memory is short, not all places are counted.
fn seen(sample: &Sample, Place { endpoint, path, kind, now, .. }: &Place) -> Counts {
    let place = kept::place(endpoint, path, *kind);
    let count = |whose, kept: u64| sample.seen.get(&(place, whose)).copied().unwrap_or_default().max(kept);
    Counts {
        candidate_only: count(Whose::Candidate, now.candidate_only),
        control_only: count(Whose::Control, now.control_only),
        both: count(Whose::Both, now.both),
        uncontrolled: count(Whose::Uncontrolled, now.uncontrolled),
    }
}
