//! The tests behind a verdict: e-processes that may be read after every exchange without inflating errors.
//!
//! Everything is computed in logarithms, and so that nothing large cancels: the evidence of two counts of ten million
//! is as exact as that of two counts of ten. A p-value would not do: who looks often enough always finds one.

use std::f64::consts::PI;

/// Returns ln E(a, b), the evidence that a discordant exchange falls to the candidate more often than to the control.
///
/// `a` exchanges in which only the candidate differs from the primary, `b` in which only the control does. Without a
/// regression P(ever E ≥ 1/α) ≤ α (Ville). E is the Beta(½,½) mixture over (½, 1] of the likelihood ratio against ½:
/// `E = 2·B(a+½, b+½)/B(½,½) · I_½(b+½, a+½) · 2^(a+b)` (Lindon, Sanden & Shirikian 2022). Absolute error below 1e-9
/// for counts up to 10^7.
pub fn ln_evidence(a: u64, b: u64) -> f64 {
    let (p, q) = (real(a) + 0.5, real(b) + 0.5);
    if b >= a {
        // I_½(q, p) and the mixture share the factor 2^-(p+q)/B(p,q): it never needs to be computed.
        return continued_fraction(0.5, q, p).ln() - q.ln() - PI.ln();
    }
    let ln_density = ln_beta_term(0.5, p, q);
    let below = (ln_density - p.ln()).exp() * continued_fraction(0.5, p, q);
    (-below).ln_1p() - ln_density - PI.ln()
}

/// Returns ln of the mean of several e-values given as logarithms. The mean is itself an e-value.
pub fn ln_mean(logs: &[f64]) -> f64 {
    ln_sum_exp(logs.iter().copied()) - real(logs.len() as u64).max(1.0).ln()
}

/// The outcomes of `n` paired exchanges: `a` times +1, `b` times −1, else 0. They are real numbers, so that a forecast can scale them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Paired {
    /// The number of exchanges.
    pub n: f64,
    /// How often the outcome is +1.
    pub a: f64,
    /// How often the outcome is −1.
    pub b: f64,
}

impl Paired {
    /// Makes paired outcomes from counts.
    pub fn new(n: u64, a: u64, b: u64) -> Self {
        Self { n: real(n), a: real(a), b: real(b) }
    }

    /// Returns the outcomes of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { n: self.n + other.n, a: self.a + other.a, b: self.b + other.b }
    }

    /// Returns ln M, the evidence that the mean lies below `margin` (0 to 1): a bet against the opposite
    /// (Waudby-Smith & Ramdas 2024). Grows with `margin`.
    pub fn ln_below(self, margin: f64) -> f64 {
        mixture(|lambda| {
            self.a * (lambda * (margin - 1.0)).ln_1p()
                + self.b * (lambda * (margin + 1.0)).ln_1p()
                + self.zeros() * (lambda * margin).ln_1p()
        })
    }

    /// Returns ln of the evidence that the mean lies above `margin` (0 to 1): the same bet on the other side, its stakes scaled
    /// so that no outcome loses more than all.
    pub fn ln_above(self, margin: f64) -> f64 {
        mixture(|lambda| {
            let stake = lambda / (1.0 + margin);
            self.a * (stake * (1.0 - margin)).ln_1p()
                + self.b * (-stake * (1.0 + margin)).ln_1p()
                + self.zeros() * (-stake * margin).ln_1p()
        })
    }

    /// Returns the smallest bound in 0..=1 that the mean is shown to lie below at level `alpha`, at any time.
    pub fn upper_bound(self, alpha: f64) -> f64 {
        bisect(0.0, 1.0, |margin| self.ln_below(margin) >= -alpha.ln())
    }

    /// Returns the largest bound in 0..=1 that the mean is shown to lie above at level `alpha`, at any time.
    pub fn lower_bound(self, alpha: f64) -> f64 {
        1.0 - bisect(0.0, 1.0, |margin| self.ln_above(1.0 - margin) >= -alpha.ln())
    }

    /// Returns how many exchanges in all show the mean below `margin` at `alpha` if the rates stay as they are; `None` if they
    /// forbid it or it takes more than 10^9.
    pub fn needed(self, margin: f64, alpha: f64) -> Option<u64> {
        let rate = |count: f64| if self.n > 0.0 { count / self.n } else { 0.0 };
        let shown =
            |n: f64| Self { n, a: rate(self.a) * n, b: rate(self.b) * n }.ln_below(margin) >= -alpha.ln();
        first(self.n.max(64.0), HALVINGS, shown).map(whole)
    }

    fn zeros(self) -> f64 {
        (self.n - self.a - self.b).max(0.0)
    }
}

/// Returns ln of the expression whose staying below ln(1/α) keeps `rate` in the time-uniform interval of `hits` in `n`:
/// `B(s+½, n−s+½)/B(½,½) / (q^s (1−q)^(n−s))`. `rate` lies strictly between 0 and 1.
pub fn ln_against_rate(hits: u64, n: u64, rate: f64) -> f64 {
    let (s, f) = (real(hits) + 0.5, real(n.saturating_sub(hits)) + 0.5);
    0.5 * (rate.ln() + (-rate).ln_1p()) - PI.ln() - ln_beta_term(rate, s, f)
}

/// Returns the evidence that a rate with `hits` in `n` is below `rate`, 0 where the share is not. Half of the two-sided mixture of
/// [`ln_against_rate`] is at most that of the rates below, as long as the share lies below.
pub fn below_rate(hits: u64, n: u64, rate: f64) -> f64 {
    let (share, spare) = (real(hits.saturating_add(1)), real(n) * rate);
    if share < spare { 0.5 * ln_against_rate(hits, n, rate).exp() } else { 0.0 }
}

/// Returns ln of the gamma function of `z`, which lies above 0.
pub fn ln_gamma(z: f64) -> f64 {
    (z - 0.5) * z.ln() - z + 0.5 * (2.0 * PI).ln() + stirling(z)
}

/// Returns the time-uniform interval of a rate with `hits` in `n`, at level `alpha`.
pub fn rate_interval(hits: u64, n: u64, alpha: f64) -> (f64, f64) {
    let limit = -alpha.ln();
    let centre = (real(hits) + 0.5) / (real(n) + 1.0);
    let inside = |rate: f64| rate > 0.0 && rate < 1.0 && ln_against_rate(hits, n, rate) < limit;
    let low = if hits == 0 { 0.0 } else { bisect(0.0, centre, inside) };
    let high = if hits >= n { 1.0 } else { bisect(centre, 1.0, |rate| !inside(rate)) };
    (low, high)
}

/// Returns the ranks s (samples at or below) that a quantile of `n` samples may have, at any time, at level `alpha`: smallest
/// and largest (Howard & Ramdas 2022).
pub fn quantile_ranks(n: u64, quantile: f64, alpha: f64) -> (u64, u64) {
    let limit = -alpha.ln();
    let centre = whole((real(n) * quantile).round()).min(n);
    let inside = |rank: u64| ln_against_rate(rank, n, quantile) < limit;
    (search(0, centre, inside), n - search(0, n - centre, |above| inside(n - above)))
}

/// Returns ln of 1/(i(i+1)), the weight of the i-th hypothesis that is discovered, from 1. However many will still appear, their weights
/// sum to at most one.
pub fn ln_weight(number: u64) -> f64 {
    -real(number).ln() - real(number.saturating_add(1)).ln()
}

/// Returns which hypotheses are rejected at `alpha`, each given as the logarithms of its weight and of its evidence: e-BH with weights
/// (Wang & Ramdas 2022). A weight is fixed before there is evidence, and all of them sum to at most one.
pub fn reject(hypotheses: &[(f64, f64)], alpha: f64) -> Vec<bool> {
    let weighted: Vec<f64> =
        hypotheses.iter().map(|(ln_weight, ln_evidence)| ln_weight + ln_evidence).collect();
    let mut sorted = weighted.clone();
    sorted.sort_by(|x, y| y.total_cmp(x));
    let threshold = |k: u64| -(real(k) * alpha).ln();
    let passing = (1..).zip(&sorted).filter(|(k, e)| **e >= threshold(*k)).map(|(k, _)| k).max();
    weighted.iter().map(|e| passing.is_some_and(|k| *e >= threshold(k))).collect()
}

/// The sum over the stakes: 40 log-spaced points 1e-4 … 0.999, half of the weight on the last.
fn mixture(ln_wealth: impl Fn(f64) -> f64) -> f64 {
    ln_sum_exp((0..STAKES).map(|j| {
        let last = j + 1 == STAKES;
        let lambda = LOWEST_STAKE * (HIGHEST_STAKE / LOWEST_STAKE).powf(f64::from(j) / f64::from(STAKES - 1));
        let weight = if last { 0.5 } else { 0.5 / f64::from(STAKES - 1) };
        weight.ln() + ln_wealth(if last { HIGHEST_STAKE } else { lambda })
    }))
}

/// The share of a part; of nothing it is none.
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { real(part) / real(whole) }
}

/// Returns ln of the sum of what is given as logarithms.
pub(crate) fn ln_sum(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    ln_sum_exp(logs)
}

/// The smallest margin in 0..=1 that holds, if what holds once holds to the right.
pub(crate) fn smallest(holds: impl Fn(f64) -> bool) -> f64 {
    bisect(0.0, 1.0, holds)
}

fn ln_sum_exp(logs: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = logs.clone().fold(f64::NEG_INFINITY, f64::max);
    if top.is_finite() { top + logs.map(|log| (log - top).exp()).sum::<f64>().ln() } else { top }
}

/// ln of x^p (1−x)^q / B(p, q), in the saddle-point form of Loader (2000): deviance and Stirling's error terms, so that
/// terms of the size of p never meet.
fn ln_beta_term(x: f64, p: f64, q: f64) -> f64 {
    let n = p + q;
    let gap = n * x - p;
    let deviance = -p * (gap / p).ln_1p() - q * (-gap / q).ln_1p();
    0.5 * (p / n * q / (2.0 * PI)).ln() - deviance + stirling(n) - stirling(p) - stirling(q)
}

/// lnΓ(z) − [(z−½)·ln z − z + ½·ln 2π], for z > 0.
fn stirling(z: f64) -> f64 {
    let mut z = z;
    let mut carried = 0.0;
    while z < 16.0 {
        carried += (z + 0.5) * (1.0 / z).ln_1p() - 1.0;
        z += 1.0;
    }
    let square = z * z;
    carried
        + (1.0 / 12.0
            - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / (1188.0 * square)) / square) / square)
                / square)
            / z
}

/// The continued fraction of `I_x(p, q)·p·B(p, q)/(x^p (1−x)^q)` (DLMF 8.17.22) by Lentz's method. Converges in about
/// √max(p, q) steps for x ≤ (p+1)/(p+q+2).
fn continued_fraction(x: f64, p: f64, q: f64) -> f64 {
    let safe = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / safe(1.0 - (p + q) * x / (p + 1.0));
    let mut product = d;
    for m in 1..MAX_TERMS {
        let m = f64::from(m);
        let even = m * (q - m) * x / ((p - 1.0 + 2.0 * m) * (p + 2.0 * m));
        d = 1.0 / safe(1.0 + even * d);
        c = safe(1.0 + even / c);
        product *= d * c;
        let odd = -(p + m) * (p + q + m) * x / ((p + 2.0 * m) * (p + 1.0 + 2.0 * m));
        d = 1.0 / safe(1.0 + odd * d);
        c = safe(1.0 + odd / c);
        product *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    product
}

const MOST_EXCHANGES: f64 = 1e9;
/// Enough for a margin, a rate and a number of exchanges below 10^9.
const HALVINGS: u32 = 40;

/// The smallest number that holds, if what holds once holds to the right: the first look is at `look`, and each of the `halvings` that
/// follow makes it twice as exact. `None` beyond 10^9, which nobody waits for.
pub(crate) fn first(look: f64, halvings: u32, holds: impl Fn(f64) -> bool) -> Option<f64> {
    let mut high = look;
    while !holds(high) {
        high *= 2.0;
        if high > MOST_EXCHANGES {
            return None;
        }
    }
    let low = if high > look { high / 2.0 } else { 0.0 };
    Some(halved(low, high, halvings, holds))
}

/// The smallest point of `low..=high` that holds, if what holds once holds to the right; `high` if none does.
pub(crate) fn bisect(low: f64, high: f64, holds: impl Fn(f64) -> bool) -> f64 {
    halved(low, high, HALVINGS, holds)
}

fn halved(low: f64, high: f64, halvings: u32, holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (low, high);
    for _ in 0..halvings {
        let middle = f64::midpoint(low, high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// The smallest whole number of `low..=high` that holds, as [`bisect`].
fn search(low: u64, high: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (low, high);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    high
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn real(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "callers pass 0 ≤ value ≤ 10^9, or counts"
)]
fn whole(value: f64) -> u64 {
    value.ceil() as u64
}

const STAKES: u32 = 40;
const LOWEST_STAKE: f64 = 1e-4;
const HIGHEST_STAKE: f64 = 0.999;
/// Enough for counts of 10^9; a bound only.
const MAX_TERMS: u32 = 200_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// (a, b, ln E) by mpmath with 60 digits; the small ones also by its quadrature.
    const REFERENCE: [(u64, u64, f64); 17] = [
        (0, 0, 0.0),
        (1, 0, 0.492_633_000_406),
        (0, 1, -1.012_305_533_877),
        (7, 0, 3.980_512_474_917),
        (5, 3, -0.628_382_690_829),
        (30, 20, -0.568_562_236_684),
        (100, 100, -2.876_200_030_71),
        (20, 60, -4.185_840_641_26),
        (1_000, 900, -0.685_723_346_488),
        (10_000, 10_000, -5.177_547_628_912),
        (1_000_000, 1_000_000, -7.480_120_346_906),
        (1_000_000, 1_003_000, -8.614_789_904_919),
        (5_000_000, 5_000_000, -8.284_839_203_123),
        (10_000_000, 10_000_000, -8.631_412_780_903),
        (10_000_000, 9_990_000, -5.449_500_925_783),
        (10_000_000, 0, 6_931_463.867_333_8),
        (0, 10_000_000, -16.569_678_456_247),
    ];

    #[test]
    fn evidence_matches_reference_values() {
        for (a, b, expected) in REFERENCE {
            let found = ln_evidence(a, b);
            let scale = f64::max(1.0, expected.abs());
            assert!((found - expected).abs() <= 1e-9 * scale, "E({a},{b}): {found} instead of {expected}");
        }
    }

    #[test]
    fn evidence_is_a_martingale_against_a_fair_coin() {
        // The mean of the two successors must be the present value: exactly what makes looking at any time safe. For a
        // truncated mixture against ½ the identity is exact.
        for (a, b) in [(0, 0), (3, 9), (50, 20), (400, 500), (12_345, 12_000)] {
            let now = ln_evidence(a, b);
            let next = ln_mean(&[ln_evidence(a + 1, b), ln_evidence(a, b + 1)]);
            assert!((now - next).abs() < 1e-9, "{a} {b}: {now} {next}");
        }
    }

    #[test]
    fn bets_against_margins() {
        let clean = |n| Paired::new(n, 0, 0);
        // STATISTICS: noise 0 needs 730 at 0.5 % and 3,642 at 0.1 %.
        assert_eq!(clean(0).needed(0.005, 0.05), Some(730));
        let strict = clean(0).needed(0.001, 0.05).unwrap();
        assert!((3_600..3_700).contains(&strict), "{strict}");
        assert!(
            clean(730).ln_below(0.005) >= -(0.05_f64.ln()) && clean(700).ln_below(0.005) < -(0.05_f64.ln())
        );
        assert_eq!(Paired::new(1_000, 10, 0).needed(0.005, 0.05), None);
        let bound = clean(730).upper_bound(0.05);
        assert!((bound - 0.005).abs() < 2e-5, "{bound}");
        assert_eq!(clean(1_000).lower_bound(0.05), 0.0);
        let shifted = Paired::new(10_000, 1_500, 500);
        let (low, high) = (shifted.lower_bound(0.05), shifted.upper_bound(0.05));
        assert!(low > 0.08 && low < 0.1 && high > 0.1 && high < 0.12, "{low} {high}");
        assert!(Paired::new(100, 100, 0).lower_bound(0.05) > 0.5);
        assert_eq!(clean(0).upper_bound(0.05), 1.0);
    }

    #[test]
    fn intervals_of_a_rate_and_of_a_quantile() {
        let check = |hits, n, rate: f64| {
            let (low, high) = rate_interval(hits, n, 0.05);
            assert!(low <= rate && rate <= high && low >= 0.0 && high <= 1.0, "{hits}/{n}: {low} {high}");
            (low, high)
        };
        check(0, 0, 0.5);
        assert_eq!(check(0, 100, 0.0).0, 0.0);
        assert_eq!(check(100, 100, 1.0).1, 1.0);
        let (low, high) = check(500, 1_000, 0.5);
        assert!(low > 0.43 && high < 0.57, "{low} {high}");
        let (low, high) = quantile_ranks(1_000, 0.5, 0.05);
        assert!((430..500).contains(&low) && (501..570).contains(&high), "{low} {high}");
        assert_eq!(quantile_ranks(5, 0.99, 0.05).1, 5);
        assert_eq!(quantile_ranks(0, 0.5, 0.05), (0, 0));
    }

    #[test]
    fn rejection_weighs_by_discovery() {
        let check = |evidence: &[f64], expected: &[bool]| {
            let weighted: Vec<(f64, f64)> = (1..).map(ln_weight).zip(evidence.iter().copied()).collect();
            assert_eq!(reject(&weighted, 0.01), expected, "{evidence:?}");
        };
        let sure = 20.0_f64;
        check(&[sure, 0.0, sure], &[true, false, true]);
        check(&[], &[]);
        check(&[0.0; 5], &[false; 5]);
        // ln(200) passes alone as the first (weight ½, needs 1/α = 100), not as the second (weight 1/6).
        let barely = 200.5_f64.ln();
        check(&[barely, 0.0], &[true, false]);
        check(&[0.0, barely], &[false, false]);
        assert_eq!(
            reject(&[(ln_weight(2), barely)], 0.01),
            [false],
            "a weight stays one whoever else is there"
        );
    }
}
