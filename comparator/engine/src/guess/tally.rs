//! How often each guess would have allowed the differences at one place, and which of them is the one to suggest.
//!
//! What the control shows argues for a rule; what the candidate alone shows is counted beside, for the rule would hide it. The first
//! [`SAMPLED_WHOLE`] exchanges that differ at a place are counted each, of later ones a sample: a guess costs far more than a count, and
//! what suggests a rule is a share, which a few hundred exchanges tell.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Guess, LADDERS, PREFERRED, Sampled};

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
    /// Counts one exchange of the sample: what would allow the control's difference, or the candidate's if only that has one.
    pub(crate) fn count(&mut self, of_control: bool, Sampled { guesses, weight }: Sampled) {
        let (control, candidate_only) = if of_control { (weight, 0) } else { (0, weight) };
        self.control += control;
        self.candidate_only += candidate_only;
        for guess in guesses.lowest() {
            self.by.entry(guess.code()).or_default().add(Allowed { control, candidate_only });
        }
    }

    /// The counts of two parts of the same evidence.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.control += other.control;
        self.candidate_only += other.candidate_only;
        for (code, allowed) in &other.by {
            self.by.entry(*code).or_default().add(*allowed);
        }
    }

    /// What a guess allows, lower steps of its ladder included.
    pub(crate) fn allowed(&self, guess: Guess) -> Allowed {
        let ladder = LADDERS.iter().find(|ladder| ladder.contains(&guess)).copied().unwrap_or_default();
        let lower = ladder.iter().take_while(|step| **step != guess);
        let mut sum = Allowed::default();
        lower.chain([&guess]).filter_map(|step| self.by.get(&step.code())).for_each(|step| sum.add(*step));
        sum
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

impl Allowed {
    fn add(&mut self, other: Self) {
        self.control += other.control;
        self.candidate_only += other.candidate_only;
    }
}

/// The weight with which an exchange is counted here: once `seen` exchanges differed at the place before it, and with the `hash` of its
/// name for dice. `None`: it is not in the sample.
///
/// The first N = [`SAMPLED_WHOLE`] are all in the sample. Of later ones an exchange is with the probability 2^-k, where
/// k = ⌊log₂(seen/N)⌋ + 1, and counts 2^k times: the estimate of Horvitz & Thompson (1952), unbiased for any k that was fixed without a
/// look at the exchange's own hash, so also for one by an older count. Of n exchanges about N·(1 + ½·log₂(n/N)) are in the sample, and
/// the standard error of a sum is below √(2/(3N)) of n, 4 %. The lowest bits of the hash decide, examples are ranked by the highest; so
/// an exchange is in the samples of all its places or of few, and being shown does not depend on it.
pub(crate) fn weight(seen: u64, hash: u64) -> Option<u64> {
    let doublings = (seen / SAMPLED_WHOLE).checked_ilog2().map_or(0, |log| log + 1);
    let weight = 1_u64 << doublings.min(MAX_DOUBLINGS);
    (hash & (weight - 1) == 0).then_some(weight)
}

/// Exchanges at a place that are all in the sample.
pub(super) const SAMPLED_WHOLE: u64 = 512;
/// Enough for as many exchanges as anybody will see, and sums of such weights stay far below 2^64.
const MAX_DOUBLINGS: u32 = 32;
/// How many percent of the control's differences a rule has to explain.
const MIN_PERCENT: u64 = 99;
