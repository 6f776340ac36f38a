//! How many exchanges it takes to show a quantile to be no higher than its margin.
//!
//! The counts themselves foretell badly: of a thousand exchanges ten lie beyond p99, and five or fifteen of them change the forecast tenfold. So
//! it is read from a smooth picture of the legs: latencies whose logarithm is normal, with the median of the control and the spread that its
//! median and the quantile have. The candidate lies above by as much as it is seen to, shrunk as long as little is seen.

use super::shifts::{BUCKETS, Counts, GRACE_US, Margin, QUANTILES, Ratios, Shifts, WIDTH};
use crate::forecast::Further;
use crate::stats;

/// Latencies of one leg: the mean and the standard deviation of the natural logarithm of microseconds.
#[derive(Clone, Copy)]
struct Leg {
    mean: f64,
    spread: f64,
}

impl Shifts {
    /// The quantiles at which the candidate is not shown yet to be within its margin, each with the further exchanges that show it.
    pub(crate) fn open(&self, ratios: Ratios, alpha: f64) -> Vec<(f64, f64, Option<Further>)> {
        let nothing = Self::default();
        let counted = if self.ratios == ratios { self } else { &nothing };
        let each = QUANTILES.into_iter().zip(ratios).zip(&counted.margins);
        let open = each.filter(|((quantile, _), margin)| !Counts::of(counted, margin).show(*quantile, alpha));
        open.map(|((quantile, ratio), margin)| {
            (quantile, ratio, outlook(counted, margin, quantile, ratio, alpha))
        })
        .collect()
    }
}

/// Further exchanges until the candidate is shown, as a promotion asks, to be at most `ratio` higher at the quantile; `None` if it is
/// likely higher.
fn outlook(shifts: &Shifts, margin: &Margin, quantile: f64, ratio: f64, alpha: f64) -> Option<Further> {
    let n = shifts.n;
    if n == 0 {
        return Some(Further::near(ALIKE_NEED));
    }
    let control = control(shifts, quantile)?;
    let seen = at(&margin.candidate, n, quantile).map_or(0.0, |scaled| {
        let candidate_us = WIDTH.powi(scaled) * (1.0 + ratio) / WIDTH + GRACE_US;
        candidate_us.ln() - quantile_of(control, quantile)
    });
    let known = n as f64 / (n as f64 + UNKNOWN);
    let candidate = Leg { mean: control.mean + seen * known, ..control };
    let total = total(candidate, control, quantile, ratio, alpha)?;
    let least = n as f64 * AT_LEAST_MORE;
    Some(Further::about((total - n as f64).max(least).ceil() as u64))
}

/// The control as the buckets show it.
fn control(shifts: &Shifts, quantile: f64) -> Option<Leg> {
    let ln =
        |quantile: f64| at(&shifts.control, shifts.n, quantile).map(|bucket| f64::from(bucket) * WIDTH.ln());
    let mean = ln(0.5)?;
    let (low, high) = if quantile > 0.5 { (0.5, quantile) } else { (BELOW, 1.0 - BELOW) };
    let spread = (ln(high)? - ln(low)?) / (probit(high) - probit(low));
    Some(Leg { mean, spread: spread.max(LEAST_SPREAD) })
}

/// How many exchanges of such legs show it.
fn total(candidate: Leg, control: Leg, quantile: f64, ratio: f64, alpha: f64) -> Option<f64> {
    let picture = Picture::of(candidate, control, ratio);
    let shown = |n: f64| picture.times(n).show(quantile, alpha);
    stats::first(FIRST_LOOK, HALVINGS, shown)
}

/// Shares of exchanges by bucket.
struct Picture {
    control: Vec<f64>,
    candidate: Vec<f64>,
    worse: Vec<f64>,
    better: Vec<f64>,
}

impl Picture {
    fn of(candidate: Leg, control: Leg, ratio: f64) -> Self {
        let mut picture =
            Self { control: Vec::new(), candidate: Vec::new(), worse: Vec::new(), better: Vec::new() };
        for t in 0..BUCKETS {
            let us = WIDTH.powi(i32::try_from(t).unwrap_or(i32::MAX));
            let control = below(control, us);
            let candidate = below(candidate, us * (1.0 + ratio) / WIDTH + GRACE_US);
            picture.control.push(control);
            picture.candidate.push(candidate);
            // As if they had nothing to do with each other.
            picture.worse.push((1.0 - candidate) * control);
            picture.better.push(candidate * (1.0 - control));
        }
        picture
    }

    /// The counts of so many exchanges.
    fn times(&self, n: f64) -> Counts {
        let counts = |cumulative: &[f64]| cumulative.iter().map(|share| (share * n).round() as u64).collect();
        Counts {
            n: n.round() as u64,
            at_most: counts(&self.control),
            not_above: counts(&self.candidate),
            worse: counts(&self.worse),
            better: counts(&self.better),
        }
    }
}

/// The share of a leg's latencies that are at most `us`.
fn below(leg: Leg, us: f64) -> f64 {
    let deviation = (us.ln() - leg.mean) / leg.spread;
    0.5 * libm::erfc(-deviation / std::f64::consts::SQRT_2)
}

/// ln of the quantile in microseconds.
fn quantile_of(leg: Leg, quantile: f64) -> f64 {
    leg.mean + leg.spread * probit(quantile)
}

/// The standard normal deviate with so much below it; by halving, for it is asked of a handful of constants.
fn probit(quantile: f64) -> f64 {
    stats::bisect(-MOST_DEVIATION, MOST_DEVIATION, |deviation| {
        0.5 * libm::erfc(-deviation / std::f64::consts::SQRT_2) >= quantile
    })
}

/// The first bucket at or below which so much of `n` lies.
fn at(counts: &[u64], n: u64, quantile: f64) -> Option<i32> {
    let wanted = n as f64 * quantile;
    let mut sum = 0;
    let reached = counts.iter().position(|count| {
        sum += count;
        sum as f64 >= wanted
    });
    reached.and_then(|bucket| i32::try_from(bucket).ok())
}

/// About how many exchanges it takes of legs that are alike and hardly vary.
const ALIKE_NEED: u64 = 730;
/// Exchanges after which half of what the candidate is seen to lie above is believed.
const UNKNOWN: f64 = 3_000.0;
/// Where the picture is wrong more is needed than it shows: at least so many for each that there was.
const AT_LEAST_MORE: f64 = 0.5;
/// One standard deviation below the median.
const BELOW: f64 = 0.158_7;
/// That of one bucket, about.
const LEAST_SPREAD: f64 = 0.02;
const FIRST_LOOK: f64 = 64.0;
/// A forecast is no more exact than a few percent.
const HALVINGS: u32 = 6;
const MOST_DEVIATION: f64 = 8.0;
