//! How far the rates at which two variants' users reach a goal are apart.
//!
//! The requests of one user are not independent: one who buys, buys again. So the units are buckets of users, by a hash of their key that is not
//! the one that assigns variants; each is one observation of a ratio, goals to requests, and how much these differ tells how sure their mean is.

/// Buckets of users by a hash of their key.
pub const USER_BUCKETS: usize = 64;

/// Requests of one bucket of users, and how often they reached the goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bucketed {
    /// Requests.
    pub requests: u64,
    /// Times that the goal was reached.
    pub reached: u64,
}

/// What is counted of a goal for one variant, by bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goal([Bucketed; USER_BUCKETS]);

/// How far two rates are apart: in shares of the requests, candidate minus stable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The candidate's rate minus the stable version's.
    pub estimate: f64,
    /// The difference is at least this, …
    pub low: f64,
    /// … and at most this, at every look together with the confidence that was asked for.
    pub high: f64,
}

/// A rate, and the variance of that estimate.
#[derive(Clone, Copy)]
struct Rate {
    rate: f64,
    variance: f64,
}

impl Default for Goal {
    fn default() -> Self {
        Self([Bucketed::default(); USER_BUCKETS])
    }
}

impl Goal {
    /// Counts requests of the users of a bucket, by its number below [`USER_BUCKETS`]; a higher one is taken modulo that.
    pub fn count(&mut self, bucket: usize, more: Bucketed) {
        if let Some(own) = self.0.get_mut(bucket % USER_BUCKETS) {
            own.requests += more.requests;
            own.reached += more.reached;
        }
    }

    /// Returns by how much this goal's rate is above that of `stable`, as an interval that holds at every look together with probability at
    /// least 1 − `alpha`, asymptotically; `None` while fewer than [`FEWEST_BUCKETS`] buckets of either were seen, of which no variance can be told.
    ///
    /// The variance is that of a ratio of sums over buckets (linearised: Cochran 1977, section 6.3). The interval is a Gaussian mixture over effects
    /// whose deviation is [`USUAL_EFFECT`] of the rate's own (Robbins 1970; asymptotic by Waudby-Smith et al. 2021, "Time-uniform central
    /// limit theory and asymptotic confidence sequences"), with the information, one over the variance, for time.
    pub fn above(&self, stable: &Self, alpha: f64) -> Option<Difference> {
        let (own, theirs) = (self.rate()?, stable.rate()?);
        let variance = own.variance + theirs.variance;
        let estimate = own.rate - theirs.rate;
        let half = half_width(variance, theirs.spread(), alpha);
        Some(Difference { estimate, low: estimate - half, high: estimate + half })
    }

    fn rate(&self) -> Option<Rate> {
        let seen: Vec<(f64, f64)> = self
            .0
            .iter()
            .filter(|bucket| bucket.requests > 0)
            .map(|bucket| (bucket.requests as f64, bucket.reached as f64))
            .collect();
        if seen.len() < FEWEST_BUCKETS {
            return None;
        }
        let buckets = seen.len() as f64;
        let requests: f64 = seen.iter().map(|(requests, _)| requests).sum();
        let rate = seen.iter().map(|(_, reached)| reached).sum::<f64>() / requests;
        let squares: f64 = seen.iter().map(|(requests, reached)| (reached - rate * requests).powi(2)).sum();
        // Of independent requests alone the variance is at least this: few buckets may be alike by chance.
        let least = rate * (1.0 - rate) / requests;
        let variance = squares / requests.powi(2) * buckets / (buckets - 1.0);
        Some(Rate { rate, variance: variance.max(least) })
    }
}

impl Rate {
    /// The deviation of what one request says.
    fn spread(self) -> f64 {
        (self.rate * (1.0 - self.rate)).max(SMALLEST_SPREAD).sqrt()
    }
}

impl Difference {
    /// Returns whether the interval excludes that both rates are alike.
    pub fn is_told_apart(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }

    /// Returns the smallest difference, of either sign, that would be told apart if it were what is seen now.
    pub fn smallest_told_apart(&self) -> f64 {
        self.high - self.estimate
    }
}

fn half_width(variance: f64, spread: f64, alpha: f64) -> f64 {
    let prior = (spread * USUAL_EFFECT).powi(2);
    // The variance as a multiple of the prior's: the information that effects have beforehand, over that of the data.
    let before = variance / prior;
    (variance * (1.0 + before) * (2.0 * (1.0 / alpha).ln() + (1.0 / before).ln_1p())).sqrt()
}

/// With fewer, chance makes too much of their variance.
const FEWEST_BUCKETS: usize = 16;
/// The effect at which the interval is narrowest, as a part of the deviation of what one request says.
const USUAL_EFFECT: f64 = 0.03;
/// The variance of what one request says is taken for at least this: a goal that nobody reached yet.
const SMALLEST_SPREAD: f64 = 1e-6;
