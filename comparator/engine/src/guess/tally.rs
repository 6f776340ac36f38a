//! How often each guess would have allowed the differences at one place, and which of them is the one to suggest.
//!
//! What the control shows argues for a rule; what the candidate alone shows is counted beside, for the rule would hide it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Guess, Guesses, LADDERS, PREFERRED};

/// How many differences of one place each rule would allow.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) control: u64,
    pub(crate) candidate_only: u64,
    /// By the code of the guess; of a ladder only the lowest step that is high enough.
    pub(super) by: BTreeMap<u8, Allowed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Allowed {
    pub(crate) control: u64,
    pub(crate) candidate_only: u64,
}

impl Tally {
    /// Counts one exchange: what would allow the difference of each leg that has one. Where both differ, the control's counts.
    pub(crate) fn count(&mut self, candidate: Option<Guesses>, control: Option<Guesses>) {
        let (guesses, one) = match (candidate, control) {
            (_, Some(guesses)) => (guesses, Allowed { control: 1, candidate_only: 0 }),
            (Some(guesses), None) => (guesses, Allowed { control: 0, candidate_only: 1 }),
            (None, None) => return,
        };
        let by = guesses.lowest().map(|guess| (guess.code(), one)).collect();
        self.merge(&Self { control: one.control, candidate_only: one.candidate_only, by });
    }

    /// The counts of two parts of the same evidence.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.control += other.control;
        self.candidate_only += other.candidate_only;
        for (code, allowed) in &other.by {
            let sum = self.by.entry(*code).or_default();
            sum.control += allowed.control;
            sum.candidate_only += allowed.candidate_only;
        }
    }

    /// What a guess allows, lower steps of its ladder included.
    pub(crate) fn allowed(&self, guess: Guess) -> Allowed {
        let ladder = LADDERS.iter().find(|ladder| ladder.contains(&guess)).copied().unwrap_or_default();
        let lower = ladder.iter().take_while(|step| **step != guess);
        lower.chain([&guess]).filter_map(|step| self.by.get(&step.code())).fold(
            Allowed::default(),
            |sum, step| Allowed {
                control: sum.control + step.control,
                candidate_only: sum.candidate_only + step.candidate_only,
            },
        )
    }

    /// The guess that explains nearly all of the control's differences: that which hides least of the candidate's, of such
    /// rather one that explains all, and of those the one that allows least.
    pub(crate) fn best(&self) -> Option<(Guess, Allowed)> {
        let explaining = PREFERRED.iter().map(|&guess| (guess, self.allowed(guess)));
        let explaining =
            explaining.filter(|(_, allowed)| allowed.control * 100 >= self.control * MIN_PERCENT);
        explaining.min_by_key(|(_, allowed)| (allowed.candidate_only, allowed.control < self.control))
    }
}

/// How many percent of the control's differences a rule has to explain.
const MIN_PERCENT: u64 = 99;
