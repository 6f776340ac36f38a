//! The share of exchanges that are worse at quiet places: bets that begin anew where a place turns noisy.
//!
//! Until a place is known to be noisy its noise counts, and a bet remembers it for ever. So each turn begins another bet: the k-th with the weight
//! 1/((k+1)(k+2)), what is left of one half stays in hand, and the first bet has the other half. Their sum is a bet as well, and holds at
//! any time. Where a place turns quiet again all begin afresh: what was gathered without it says nothing about it.

use serde::{Deserialize, Serialize};

use crate::forecast::{Further, further};
use crate::kind::Sign;
use crate::places::Turns;
use crate::sparse::is_default;
use crate::stats::{self, Paired};

/// Exchanges, and in how many only the candidate, or only the control, differs at a quiet place.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Quiet {
    #[serde(skip_serializing_if = "is_default")]
    sums: Sums,
    /// Where later bets begin.
    #[serde(skip_serializing_if = "is_default")]
    starts: Vec<(u32, Sums)>,
    /// As of the last exchange.
    #[serde(skip_serializing_if = "is_default")]
    turns: Turns,
    /// What other engines know, of other exchanges: bets that win together.
    #[serde(skip_serializing_if = "is_default")]
    others: Vec<Self>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Sums {
    #[serde(skip_serializing_if = "is_default")]
    n: u64,
    #[serde(skip_serializing_if = "is_default")]
    worse: u64,
    #[serde(skip_serializing_if = "is_default")]
    better: u64,
}

impl Quiet {
    /// Counts an exchange, after places turned so often.
    pub(crate) fn count(&mut self, sign: Option<Sign>, turns: Turns) {
        if self.turns.quiet != turns.quiet {
            *self = Self { turns, ..Self::default() };
        }
        if self.turns.noisy != turns.noisy {
            if self.sums.n > 0 {
                let nth = self.starts.last().map_or(0, |(nth, _)| *nth) + 1;
                self.starts.push((nth, self.sums));
                // The oldest bet is given up: what was lost by then is lost.
                if self.starts.len() > MAX_STARTS {
                    self.starts.remove(0);
                }
            }
            self.turns = turns;
        }
        self.sums.n += 1;
        self.sums.worse += u64::from(sign.is_some_and(|sign| sign > 0));
        self.sums.better += u64::from(sign.is_some_and(|sign| sign < 0));
    }

    /// As of now: nothing is known where a place turned quiet since the last exchange.
    pub(crate) fn as_of(&self, turns: Turns) -> Option<&Self> {
        (self.turns.quiet == turns.quiet && self.sums.n > 0).then_some(self)
    }

    /// Takes in what another engine knows by its own turns.
    pub(crate) fn merge(&mut self, other: &Self, (own, theirs): (Turns, Turns)) {
        if self.as_of(own).is_none() {
            *self = Self { turns: own, ..Self::default() };
        }
        if let Some(other) = other.as_of(theirs) {
            let Self { sums, starts, turns, others } = other.clone();
            self.others.push(Self { sums, starts, turns, others: Vec::new() });
            self.others.extend(others);
        }
    }

    /// Each bet that has begun, with the logarithm of its weight.
    fn bets(&self) -> impl Iterator<Item = (f64, Paired)> + Clone {
        let since = |Sums { n, worse, better }: Sums| {
            let Sums { n: all, worse: all_worse, better: all_better } = self.sums;
            Paired::new(all - n, all_worse - worse, all_better - better)
        };
        let weight = |nth: u32| -f64::from(nth + 1).ln() - f64::from(nth + 2).ln();
        let first = (0.5_f64.ln(), since(Sums::default()));
        [first].into_iter().chain(self.starts.iter().map(move |(nth, sums)| (weight(*nth), since(*sums))))
    }

    /// ln of the evidence that the share lies below the margin.
    pub(crate) fn ln_below(&self, margin: f64) -> f64 {
        let in_hand = -f64::from(self.starts.last().map_or(0, |(nth, _)| *nth) + 2).ln();
        let bets = self.bets().map(|(weight, paired)| weight + paired.ln_below(margin));
        let own = stats::ln_sum(bets.chain([in_hand]));
        own + self.others.iter().map(|other| other.ln_below(margin)).sum::<f64>()
    }

    /// The smallest bound that the share is shown to lie below at `alpha`, at any time.
    pub(crate) fn upper_bound(&self, alpha: f64) -> f64 {
        stats::smallest(|margin| self.ln_below(margin) >= -alpha.ln())
    }

    /// How many more exchanges show the share below the margin at `alpha`; `None` if what was seen forbids it.
    pub(crate) fn further(&self, margin: f64, alpha: f64) -> Option<Further> {
        let needs = self.bets().filter_map(|(weight, paired)| further(paired, margin, alpha * weight.exp()));
        needs.reduce(Further::or)
    }

    /// The counts since the last bet began, without what a place of so many contributes.
    pub(crate) fn without(&self, worse: u64, better: u64) -> Paired {
        let Sums { n, worse: all_worse, better: all_better } = self.sums;
        Paired::new(n, all_worse.saturating_sub(worse), all_better.saturating_sub(better))
    }
}

/// Bets that are kept beside the first.
const MAX_STARTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const ALPHA: f64 = 0.05;

    fn shown(quiet: &Quiet) -> bool {
        quiet.ln_below(0.005) >= -ALPHA.ln()
    }

    #[test]
    fn noise_from_before_a_turn_is_forgotten_at_a_price() {
        let mut quiet = Quiet::default();
        let mut turns = Turns::default();
        (0..200).for_each(|n| quiet.count([Some(1), Some(-1), None, None][n % 4], turns));
        turns.noisy = 3;
        let mut n = 0;
        while !shown(&quiet) {
            quiet.count(None, turns);
            n += 1;
        }
        assert!((800..1_200).contains(&n), "{n}");
        let clean = Quiet::default();
        let needed = clean.further(0.005, ALPHA).unwrap();
        assert!((860..890).contains(&needed.middle()), "a first bet of one half: {needed:?}");
        assert!(quiet.upper_bound(ALPHA) <= 0.005);
    }

    #[test]
    fn what_turns_quiet_begins_afresh() {
        let mut quiet = Quiet::default();
        (0..2_000).for_each(|_| quiet.count(None, Turns::default()));
        assert!(shown(&quiet));
        let later = Turns { noisy: 0, quiet: 1 };
        assert!(quiet.as_of(later).is_none());
        quiet.count(None, later);
        assert!(!shown(&quiet) && quiet.as_of(later).is_some());
    }

    #[test]
    fn bets_of_two_engines_win_together() {
        let now = Turns::default();
        let of = |n| {
            let mut quiet = Quiet::default();
            (0..n).for_each(|_| quiet.count(None, now));
            quiet
        };
        let (mut left, right) = (of(600), of(600));
        assert!(!shown(&left));
        left.merge(&right, (now, now));
        assert!(shown(&left));
        left.merge(&right, (now, Turns { noisy: 0, quiet: 1 }));
        assert_eq!(left.others.len(), 1, "what is stale says nothing");
    }
}
