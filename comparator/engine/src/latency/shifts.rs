//! Whether the candidate's quantiles are shown to be no higher than the control's, but for a margin.
//!
//! Counting who was slower in an exchange takes long where a service's own latency is wide: both legs are slower than each other all the time.
//! Quantiles settle sooner. For each bucket t of 2 % let `H_t` say: `t` is the control's quantile, and the candidate's is at least (1+r)·t + 1 ms. Only one of
//! them can be true, so none has to pay for the others: the claim holds once each is rejected, by the mean of four e-values. Two are of the
//! control alone, that its quantile lies below the bucket or above it; one of the candidate alone; and one of pairs, which knows that the legs were asked
//! together: a slow moment of both says nothing (Howard & Ramdas 2022 for the rates).

use serde::{Deserialize, Serialize};

use crate::stats;

/// Microseconds that never count as slower.
pub(crate) const GRACE_US: f64 = 1_000.0;

/// The quantiles of which a promotion is told.
pub(crate) const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// By how much the candidate's quantiles may be higher, as fractions of the control's.
pub(crate) type Ratios = [f64; QUANTILES.len()];

/// Exchanges by the buckets of both latencies; empty before the first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Shifts {
    /// For which margins they are counted.
    #[serde(default = "usual")]
    pub(super) ratios: Ratios,
    pub(super) n: u64,
    /// Exchanges by the bucket of the control.
    pub(super) control: Vec<u64>,
    /// By quantile.
    pub(super) margins: [Margin; QUANTILES.len()],
}

/// What one margin makes of the exchanges.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Margin {
    /// Exchanges by the first bucket above which, with the margin, the candidate does not lie.
    pub(super) candidate: Vec<u64>,
    /// In how many more exchanges than for the bucket before the candidate lies above with the margin, and the control does not lie above.
    worse: Vec<i64>,
    /// The reverse.
    better: Vec<i64>,
}

impl Shifts {
    /// Counts one exchange. What was counted for other margins says nothing of these, and is forgotten.
    pub(crate) fn observe(&mut self, candidate_us: f64, control_us: f64, ratios: Ratios) {
        if self.ratios != ratios {
            *self = Self { ratios, ..Self::default() };
        }
        self.n += 1;
        let control = bucket(control_us);
        add(&mut self.control, control, 1);
        for (margin, ratio) in self.margins.iter_mut().zip(ratios) {
            // Within a bucket any t may be the quantile: with the smallest the candidate is held to most.
            let candidate = bucket((candidate_us - GRACE_US) * WIDTH / (1.0 + ratio));
            add(&mut margin.candidate, candidate, 1);
            let (from, to) = (control.min(candidate), control.max(candidate));
            let range = if control < candidate { &mut margin.worse } else { &mut margin.better };
            if from < to {
                add(range, from, 1);
                add(range, to, -1);
            }
        }
    }

    /// Adds what another engine counted, if it was for the same margins.
    pub(crate) fn merge(&mut self, other: &Self) {
        if self.n == 0 {
            self.ratios = other.ratios;
        }
        if self.ratios != other.ratios {
            return;
        }
        self.n += other.n;
        add_all(&mut self.control, &other.control);
        for (own, other) in self.margins.iter_mut().zip(&other.margins) {
            add_all(&mut own.candidate, &other.candidate);
            add_all(&mut own.worse, &other.worse);
            add_all(&mut own.better, &other.better);
        }
    }
}

/// Those that evidence of before the margins could be set was counted for.
fn usual() -> Ratios {
    [0.10, 0.15, 0.25]
}

/// Exchanges as far as one quantile's claim looks at them: each list by the bucket t.
pub(super) struct Counts {
    pub(super) n: u64,
    /// The control is at most t, …
    pub(super) at_most: Vec<u64>,
    /// … the candidate is not above t with the margin, …
    pub(super) not_above: Vec<u64>,
    /// … the candidate is above it and the control is not above t, …
    pub(super) worse: Vec<u64>,
    /// … and the reverse.
    pub(super) better: Vec<u64>,
}

impl Counts {
    pub(super) fn of(shifts: &Shifts, margin: &Margin) -> Self {
        let sums = |counts: &[u64]| cumulative(counts.iter().copied());
        let turns = |counts: &[i64]| {
            let sums = cumulative(counts.iter().copied());
            sums.into_iter().map(|sum| u64::try_from(sum).unwrap_or_default()).collect()
        };
        Self {
            n: shifts.n,
            at_most: sums(&shifts.control),
            not_above: sums(&margin.candidate),
            worse: turns(&margin.worse),
            better: turns(&margin.better),
        }
    }

    /// Whether each `H_t` is rejected.
    pub(super) fn show(&self, quantile: f64, alpha: f64) -> bool {
        let enough = 4.0 / alpha;
        let of = |counts: &[u64], t: usize| counts.get(t).copied().unwrap_or_default();
        (0..BUCKETS).all(|t| {
            let below = if t > 0 { of(&self.at_most, t - 1) } else { 0 };
            let (at_most, not_above) = (of(&self.at_most, t), of(&self.not_above, t));
            let mut sum = stats::below_rate(at_most, self.n, quantile) + more(below, self.n, quantile);
            if sum < enough {
                sum += stats::below_rate(self.n - not_above.min(self.n), self.n, 1.0 - quantile);
            }
            if sum < enough {
                sum += stats::ln_evidence(of(&self.better, t), of(&self.worse, t)).exp();
            }
            sum >= enough
        })
    }
}

/// The sums of all up to each bucket; behind the last that is counted nothing is added.
fn cumulative<T: Copy + Default + std::ops::AddAssign>(counts: impl Iterator<Item = T>) -> Vec<T> {
    let mut sum = T::default();
    counts
        .chain(std::iter::repeat(T::default()))
        .take(BUCKETS)
        .map(|count| {
            sum += count;
            sum
        })
        .collect()
}

/// Evidence that a rate is above `rate`.
fn more(hits: u64, n: u64, rate: f64) -> f64 {
    stats::below_rate(n.saturating_sub(hits), n, 1.0 - rate)
}

/// The bucket whose upper end is the first that is not below: 0 for a microsecond and less.
fn bucket(us: f64) -> usize {
    let at = (us.max(1.0).ln() / WIDTH.ln()).ceil();
    (at as usize).min(BUCKETS - 1)
}

fn add<T: Copy + Default + std::ops::AddAssign>(counts: &mut Vec<T>, at: usize, more: T) {
    if counts.len() <= at {
        counts.resize(at + 1, T::default());
    }
    if let Some(count) = counts.get_mut(at) {
        *count += more;
    }
}

fn add_all<T: Copy + Default + std::ops::AddAssign>(counts: &mut Vec<T>, more: &[T]) {
    for (at, more) in more.iter().enumerate() {
        add(counts, at, *more);
    }
}

/// The upper end of a bucket as a multiple of the lower one.
pub(super) const WIDTH: f64 = 1.02;
/// Up to an hour, and one beyond.
pub(super) const BUCKETS: usize = 1_113;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(exchanges: u64, legs: impl Fn(u64) -> (f64, f64)) -> Shifts {
        let mut shifts = Shifts::default();
        (0..exchanges).for_each(|number| {
            let (candidate, control) = legs(number);
            shifts.observe(candidate, control, usual());
        });
        shifts
    }

    fn open(shifts: &Shifts) -> Vec<f64> {
        shifts.open(usual(), 0.05).into_iter().map(|(quantile, ..)| quantile).collect()
    }

    #[test]
    fn legs_that_are_alike_are_shown_to_be_at_every_quantile() {
        let alike = |number: u64| {
            let us =
                |salt: u64| 20_000.0 + ((number + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 50) as f64;
            (us(1), us(7))
        };
        assert_eq!(open(&of(50, alike)), [0.5, 0.9, 0.99]);
        assert_eq!(open(&of(3_000, alike)), [0.0; 0]);
        let needed = of(200, alike)
            .open(usual(), 0.05)
            .into_iter()
            .map(|(_, _, needed)| needed.unwrap().middle())
            .max();
        assert!((1..3_000).contains(&needed.unwrap()), "{needed:?}");
    }

    #[test]
    fn a_higher_quantile_stays_open_however_long() {
        let slower =
            |number: u64| if number.is_multiple_of(20) { (80_000.0, 20_000.0) } else { (20_000.0, 20_000.0) };
        let found = of(20_000, slower).open(usual(), 0.05);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].0, found[0].2), (0.99, None));
        assert_eq!(
            open(&of(20_000, |_| (23_500.0, 20_000.0))),
            [0.5],
            "17 % are more than 10 and 15, less than 25"
        );
    }

    #[test]
    fn other_margins_begin_anew() {
        let mut shifts = of(3_000, |_| (23_500.0, 20_000.0));
        let wider = [0.2, 0.2, 0.25];
        let open = |shifts: &Shifts| shifts.open(wider, 0.05).len();
        assert_eq!(open(&shifts), 3, "nothing was counted for them");
        (0..3_000).for_each(|_| shifts.observe(23_500.0, 20_000.0, wider));
        assert_eq!((open(&shifts), shifts.n), (0, 3_000), "17 % are less than 20");
        let mut other = of(10, |_| (1e4, 1e4));
        other.merge(&shifts);
        assert_eq!(other, of(10, |_| (1e4, 1e4)), "nobody can add what was counted for other margins");
    }

    #[test]
    fn two_engines_are_one() {
        let legs = |number: u64| ((number % 97) as f64 * 1e3, (number % 89) as f64 * 1e3);
        let mut left = of(300, legs);
        left.merge(&of(200, |number| legs(number + 300)));
        assert_eq!(left, of(500, legs));
    }
}
