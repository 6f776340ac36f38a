//! Whether the requests of one variant fail more often than those of another at the same time.
//!
//! Of the errors in a block of time, the candidate's share is a coin of known bias: its share of the requests. A dependency that fails both
//! variants alike changes how many errors there are and not whose they are.

use serde::{Deserialize, Serialize};

use crate::coins::{Blocks, Confirmation};
use crate::kind::Sign;
use crate::stats;

/// Requests of one variant in a span of time, and those of them that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Outcomes {
    /// All of them.
    pub requests: u64,
    /// Those that failed, at most `requests`: what is more is taken for as many.
    pub errors: u64,
}

/// The errors of a candidate beside those of the stable version.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Errors {
    candidate: Outcomes,
    stable: Outcomes,
    /// The logarithm of what a bet on each of [`ODDS`] is worth.
    wealth: [f64; ODDS.len()],
    blocks: Blocks,
    joined: Blocks,
    open: Joined,
}

/// Blocks that are counted together until it is about as likely as not that the candidate has an error of its own in them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Joined {
    expected: f64,
    errors: f64,
}

/// What the errors say of the candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is shown to be wrong.
    Clear,
    /// It fails more often, and that does not show in enough separate blocks of time yet: a burst would look the same.
    Suspected {
        /// In how many blocks it shows, …
        show: u64,
        /// … of about so many that it takes.
        of: u64,
    },
    /// It fails more often.
    Worse,
}

impl Errors {
    /// Counts what both variants' users got in a block of time, by its number; blocks come in their order, and each once.
    ///
    /// A block in which one variant had no request says nothing of whose errors they are.
    pub fn count(&mut self, block: u32, candidate: Outcomes, stable: Outcomes) {
        let (candidate, stable) = (candidate.bounded(), stable.bounded());
        self.candidate.add(candidate);
        self.stable.add(stable);
        let errors = (candidate.errors + stable.errors) as f64;
        if candidate.requests == 0 || stable.requests == 0 || errors == 0.0 {
            return;
        }
        let share = candidate.requests as f64 / (candidate.requests + stable.requests) as f64;
        let own = candidate.errors as f64;
        for (wealth, odds) in self.wealth.iter_mut().zip(ODDS) {
            *wealth += own * odds.ln() - errors * (share * (odds - 1.0)).ln_1p();
        }
        let expected = errors * share;
        flip(&mut self.blocks, block, own, expected);
        self.open.expected += expected;
        self.open.errors += own;
        if self.open.expected >= EXPECTED {
            flip(&mut self.joined, block, self.open.errors, self.open.expected);
            self.open = Joined::default();
        }
    }

    /// Returns ln of the evidence that the candidate's users meet errors more often: an e-process, which may be read after every block. If
    /// they do not, P(ever ≥ ln(1/α)) ≤ α (Ville).
    ///
    /// It is the mean over odds ratios of the product over blocks of binomial likelihood ratios, given how many errors each block had. That is
    /// conservative where errors are many: the true law, without replacement, varies less.
    pub fn ln_evidence(&self) -> f64 {
        stats::ln_mean(&self.wealth)
    }

    /// Returns what the errors say at level `alpha`, 0 to 1, by the blocks before the block `now`.
    ///
    /// Beside the evidence, the candidate must have more errors than expected in enough separate blocks, at each length of which enough fit into
    /// the time since it began. Where the candidate has a small share of the requests, most blocks expect less than one error of it, and a
    /// block without any would count against it; so it is enough, too, if that holds of blocks that are joined until they expect half a one.
    pub fn standing(&self, now: u32, alpha: f64) -> Standing {
        if self.ln_evidence() < -alpha.ln() {
            return Standing::Clear;
        }
        let of = |blocks: &Blocks| blocks.confirm(now, u64::MAX, alpha);
        match (of(&self.blocks), of(&self.joined)) {
            (Confirmation::Confirmed, _) | (_, Confirmation::Confirmed) => Standing::Worse,
            (Confirmation::Blocks { show, of, .. }, _) | (Confirmation::Clients { show, of }, _) => {
                Standing::Suspected { show, of }
            }
        }
    }

    /// Returns whether it is shown at level `alpha`, 0 to 1, that the candidate's rate of errors is less than `margin` above the stable version's, a
    /// share of the requests above 0.
    ///
    /// For each rate t let `H_t` say that the stable version's is t, and the candidate's at least t + `margin`. Only one of them can be true, so
    /// none has to pay for the others: the claim holds once each is rejected, by the mean of three e-values (two of the stable version alone, that
    /// its rate is below or above; one of the candidate alone, that its is below).
    pub fn is_within(&self, margin: f64, alpha: f64) -> bool {
        let enough = 3.0 / alpha;
        let step = (margin / STEPS_A_MARGIN).max(SMALLEST_STEP);
        let steps = ((1.0 - margin) / step).ceil() as u32;
        let Self { candidate, stable, .. } = self;
        (0..steps).all(|at| {
            let (low, high) = (f64::from(at) * step, (f64::from(at) + 1.0) * step);
            let lower = if low > 0.0 { stable.below(low) } else { 0.0 };
            lower + stable.above(high) + candidate.below(low + margin) >= enough
        })
    }

    /// Returns what was counted of the candidate.
    pub fn candidate(&self) -> Outcomes {
        self.candidate
    }

    /// Returns what was counted of the stable version.
    pub fn stable(&self) -> Outcomes {
        self.stable
    }
}

impl Outcomes {
    fn bounded(self) -> Self {
        Self { errors: self.errors.min(self.requests), ..self }
    }

    fn add(&mut self, more: Self) {
        self.requests += more.requests;
        self.errors += more.errors;
    }

    /// Evidence that the rate is below `rate`.
    fn below(self, rate: f64) -> f64 {
        if rate >= 1.0 { 0.0 } else { stats::below_rate(self.errors, self.requests, rate) }
    }

    fn above(self, rate: f64) -> f64 {
        if rate >= 1.0 {
            0.0
        } else {
            stats::below_rate(self.requests - self.errors, self.requests, 1.0 - rate)
        }
    }
}

fn flip(blocks: &mut Blocks, block: u32, errors: f64, expected: f64) {
    let sign: Sign = if errors > expected {
        1
    } else if errors < expected {
        -1
    } else {
        return;
    };
    blocks.count(block, sign, 1);
}

/// By how much the odds of an error may be higher, each a bet of its own.
const ODDS: [f64; 5] = [1.2, 1.5, 2.0, 5.0, 20.0];
/// Errors of the candidate that joined blocks expect: of as many there is none in 6 of 10 cases, so one is more than expected, and not for sure.
const EXPECTED: f64 = 0.5;
/// Rates are told apart in steps of this part of a margin, …
const STEPS_A_MARGIN: f64 = 8.0;
/// … but of no smaller ones.
const SMALLEST_STEP: f64 = 1e-5;
