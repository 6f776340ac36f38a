//! How many more exchanges a claim takes. What is still to come is drawn, so a forecast is an interval.
//!
//! It counts on versions that are alike unless what was seen says otherwise: the excess of the candidate that is extrapolated is its posterior
//! mean under a normal prior around none, with a quarter of the margin as its standard deviation. A chance excess of noise is thus hardly
//! carried on, and one that is certain in full.

use serde::{Deserialize, Serialize};

use crate::stats::{self, Paired};

/// Further exchanges: in four of five releases whose versions are alike the true number lies between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Further {
    /// The lower end.
    pub lower: u64,
    /// The upper end, at most five times the lower one.
    pub upper: u64,
}

impl Further {
    /// So many.
    pub(crate) fn exactly(exchanges: u64) -> Self {
        Self { lower: exchanges, upper: exchanges }
    }

    /// A number that only chance at the far end can change.
    pub(crate) fn near(exchanges: u64) -> Self {
        Self::between(exchanges as f64, exchanges as f64, NARROWEST)
    }

    /// As far as a forecast of one number is to be trusted.
    pub(crate) fn about(exchanges: u64) -> Self {
        let exchanges = exchanges as f64;
        let (lower, upper) = (exchanges / SPREAD.sqrt(), exchanges * SPREAD.sqrt());
        Self { lower: lower.ceil() as u64, upper: upper.ceil() as u64 }
    }

    /// Between the two, and not narrower or wider than a forecast can be: the first claim to be late makes all late, and what is drawn
    /// has no bound where the excess comes near to the margin.
    fn between(lower: f64, upper: f64, narrowest: f64) -> Self {
        let (lower, upper) = (lower.max(1.0), upper.max(1.0));
        let middle = (lower * upper).sqrt();
        let half = (upper / lower).clamp(narrowest, SPREAD).sqrt();
        Self { lower: (middle / half).ceil() as u64, upper: (middle * half).ceil() as u64 }
    }

    /// Until both hold.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { lower: self.lower.max(other.lower), upper: self.upper.max(other.upper) }
    }

    /// Until one of them holds.
    pub(crate) fn or(self, other: Self) -> Self {
        Self { lower: self.lower.min(other.lower), upper: self.upper.min(other.upper) }
    }

    /// The same in exchanges of another kind, of which so many come for each of these; at least one.
    pub(crate) fn times(self, ratio: f64) -> Self {
        let scaled = |exchanges: u64| ((exchanges as f64 * ratio).ceil() as u64).max(1);
        Self { lower: scaled(self.lower), upper: scaled(self.upper) }
    }

    /// A number in the middle.
    pub(crate) fn middle(self) -> u64 {
        (self.lower as f64 * self.upper as f64).sqrt().round() as u64
    }
}

/// Further exchanges until the share of those that are worse is shown to lie below the margin at `alpha`; `None` if the excess that is seen
/// forbids it, or it takes more than 10^9.
pub(crate) fn further(paired: Paired, margin: f64, alpha: f64) -> Option<Further> {
    let (discordant, net) = (paired.a + paired.b, paired.a - paired.b);
    let n = paired.n.max(1.0);
    let prior = (margin * PRIOR).powi(2);
    let known = prior / (prior + (discordant / n).max(1.0 / n) / n);
    let excess = known * net / n;
    let after = |quantile: f64| {
        let spread = quantile * discordant.sqrt();
        let rate = ((discordant + spread) / n).max(0.0);
        let projection = Projection { paired, rate, excess, luck: quantile };
        projection.first(|to_be| to_be.ln_below(margin) >= -alpha.ln())
    };
    let (lower, upper) = (after(-EARLY)?, after(LATE).or_else(|| after(0.0))?);
    let narrowest = if discordant > 0.0 { SPREAD } else { NARROWEST };
    Some(Further::between(lower, upper, narrowest))
}

/// How counts go on.
struct Projection {
    paired: Paired,
    /// Discordant exchanges to come, as a share.
    rate: f64,
    /// What the candidate has more of them, as a share of the exchanges.
    excess: f64,
    /// By how many standard deviations chance adds to that.
    luck: f64,
}

impl Projection {
    fn after(&self, more: f64) -> Paired {
        let discordant = self.paired.a + self.paired.b + self.rate * more;
        let drawn = self.luck * (self.rate * more).sqrt();
        let net = self.paired.a - self.paired.b + self.excess * more + drawn;
        let net = net.clamp(-discordant, discordant);
        let (a, b) = (f64::midpoint(discordant, net), f64::midpoint(discordant, -net));
        Paired { n: self.paired.n + more, a, b }
    }

    /// After how many more exchanges it holds, to a few percent.
    fn first(&self, holds: impl Fn(Paired) -> bool) -> Option<f64> {
        if holds(self.after(0.0)) {
            return Some(0.0);
        }
        stats::first(FIRST_LOOK, HALVINGS, |more| holds(self.after(more)))
    }
}

/// The standard deviation of the excess before anything is seen, in margins.
const PRIOR: f64 = 0.25;
/// The luck of those that are early, in standard deviations …
const EARLY: f64 = 1.3;
/// … and of those that are late.
const LATE: f64 = 1.0;
/// The upper end of a forecast is at least so many times the lower one, …
const NARROWEST: f64 = 2.0;
/// … and at most so many times.
const SPREAD: f64 = 5.0;
const FIRST_LOOK: f64 = 64.0;
const HALVINGS: u32 = 9;
