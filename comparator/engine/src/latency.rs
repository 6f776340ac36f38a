//! How fast the legs answer, and whether the candidate is slower than the control.
//!
//! Only candidate and control are tested against each other: they are sent together and measured alike. A ladder of
//! ratios finds a shifted median and a rare tail with the same five counters.

mod outlook;
mod shifts;

use std::fmt;

use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use self::shifts::GRACE_US;
pub(crate) use self::shifts::{QUANTILES, Ratios, Shifts};
use crate::coins::{Coins, Lead};
use crate::compared::{Call, Exchange};
use crate::hypothesis::Counting;
use crate::sparse::is_default;
use crate::stats::{self, Paired};
use crate::wording;

/// The ladder: how many times slower (plus [`GRACE_US`]), and the excess of exchanges that is tolerated there. An excess
/// at a small ratio harms little, hence the falling margins.
pub(crate) const STEPS: [(f64, f64); 5] = [(1.1, 0.05), (1.5, 0.02), (2.0, 0.01), (5.0, 0.01), (20.0, 0.01)];
/// By how much slower than the control a candidate that is promoted may be. All are fractions above 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LatencyMargins {
    /// By how much its median may be higher, beside a millisecond that never counts.
    pub p50: f64,
    /// By how much the latency may be higher that 90 % of the answers keep to.
    pub p90: f64,
    /// By how much the latency may be higher that 99 % of the answers keep to.
    pub p99: f64,
    /// In which share of the exchanges it may be slower by a tenth, beside those in which the control is.
    pub slower: f64,
}

impl Default for LatencyMargins {
    fn default() -> Self {
        Self { p50: 0.10, p90: 0.15, p99: 0.25, slower: 0.10 }
    }
}

impl LatencyMargins {
    pub(crate) fn ratios(self) -> Ratios {
        [self.p50, self.p90, self.p99]
    }
}

/// Histograms of the three legs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Legs {
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) primary: Latencies,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) candidate: Latencies,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) control: Latencies,
}

/// Latencies of one leg in microseconds, two significant digits; nothing is allocated before the first.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Latencies(Option<Histogram<u32>>);

/// Counts of exchanges in which one shadow leg was slower than the other by each step.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Ladder {
    /// Its number among the hypotheses of the release.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) discovered: Option<u64>,
    /// Exchanges compared.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) n: u64,
    /// Candidate slower, control slower, per step.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) steps: [(u64, u64); STEPS.len()],
    /// In which blocks of time, and for which clients, one leg was slower, per step.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) coins: [Coins; STEPS.len()],
}

impl Legs {
    pub(crate) fn record(&mut self, exchange: &Exchange) {
        self.primary.record(exchange.primary);
        self.candidate.record(exchange.candidate.call);
        if let Some(control) = &exchange.control {
            self.control.record(control.call);
        }
    }
}

/// The quantile of the latency at which the candidate is most times as slow as the control.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slowdown {
    /// Which: 0.5, 0.9 or 0.99.
    pub quantile: f64,
    /// The candidate's, in microseconds.
    pub candidate_us: u64,
    /// The control's, in microseconds.
    pub control_us: u64,
}

impl fmt::Display for Slowdown {
    /// `p99 7.1 → 192 ms (27×)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quantile, candidate_us, control_us } = *self;
        let times = self.times();
        let digits = usize::from(times < 10.0);
        let from_to = wording::from_to(control_us, candidate_us);
        write!(f, "p{:.0} {from_to} ({times:.digits$}×)", quantile * 100.0)
    }
}

impl Slowdown {
    pub(crate) fn times(&self) -> f64 {
        bounded(self.candidate_us) / bounded(self.control_us)
    }
}

impl Legs {
    /// Where the candidate is slower most, of the quantiles that enough answers tell.
    pub(crate) fn effect(&self) -> Option<Slowdown> {
        let (candidate, control) = (&self.candidate, &self.control);
        let count = candidate.count().min(control.count());
        let told = QUANTILES.into_iter().filter(|quantile| count as f64 * (1.0 - quantile) >= 1.0);
        let effects = told.filter_map(|quantile| {
            let (candidate_us, control_us) = (candidate.quantile(quantile)?, control.quantile(quantile)?);
            Some(Slowdown { quantile, candidate_us, control_us })
        });
        effects.max_by(|one, other| one.times().total_cmp(&other.times()))
    }
}

impl Latencies {
    fn quantile(&self, quantile: f64) -> Option<u64> {
        self.at_rank((self.count() as f64 * quantile).ceil() as u64).map(|(_, highest)| highest)
    }

    fn record(&mut self, Call { latency_us, status }: Call) {
        if let (Some(latency), Some(_)) = (latency_us, status) {
            self.add(latency, 1);
        }
    }

    fn add(&mut self, latency_us: u64, count: u32) {
        if self.0.is_none() {
            // The bounds are constants that the library takes; were it not so, nothing would be recorded.
            self.0 = Histogram::new_with_bounds(1, HIGHEST_US, DIGITS).ok();
        }
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record_n(latency_us.clamp(1, HIGHEST_US), count);
        }
    }

    /// Adds what the other recorded; nothing is lost, for all have the same buckets.
    pub(crate) fn merge(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            (Some(own), Some(other)) => {
                for bucket in other.iter_recorded() {
                    own.saturating_record_n(
                        bucket.value_iterated_to().min(HIGHEST_US),
                        bucket.count_at_value(),
                    );
                }
            }
            (own @ None, Some(other)) => *own = Some(other.clone()),
            (_, None) => {}
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// The bucket of the `rank`-th smallest, from 1: its ends in microseconds.
    pub(crate) fn at_rank(&self, rank: u64) -> Option<(u64, u64)> {
        let histogram = self.0.as_ref().filter(|_| rank > 0)?;
        let mut below = 0;
        for bucket in histogram.iter_recorded() {
            below += bucket.count_since_last_iteration();
            if below >= rank {
                let value = bucket.value_iterated_to();
                return Some((histogram.lowest_equivalent(value), histogram.highest_equivalent(value)));
            }
        }
        None
    }
}

impl Ladder {
    /// Compares the legs of one exchange.
    pub(crate) fn observe(&mut self, candidate_us: u64, control_us: u64, counting: &mut Counting<'_>) {
        self.n += 1;
        let (candidate, control) = (bounded(candidate_us), bounded(control_us));
        let mut discordant = false;
        for (((ratio, _), (a, b)), coins) in STEPS.iter().zip(&mut self.steps).zip(&mut self.coins) {
            let (slower, faster) =
                (candidate > ratio * control + GRACE_US, control > ratio * candidate + GRACE_US);
            *a += u64::from(slower);
            *b += u64::from(faster);
            if slower || faster {
                discordant = true;
                let lead = Lead { candidate: *a, control: *b };
                coins.count(counting.moment, if slower { 1 } else { -1 }, lead);
            }
        }
        if discordant {
            counting.discover(&mut self.discovered);
        }
    }

    /// ln of the mean evidence of the steps.
    pub(crate) fn ln_evidence(&self) -> f64 {
        stats::ln_mean(&self.steps.map(|(a, b)| stats::ln_evidence(a, b)))
    }

    /// The exchanges by who was slower at the first step.
    pub(crate) fn pairs(&self) -> Paired {
        let (a, b) = self.steps.first().copied().unwrap_or_default();
        Paired::new(self.n, a, b)
    }

    /// ln of the evidence that the excess of some step exceeds its margin. A mean of e-values, so that five steps do not
    /// alarm five times as often.
    pub(crate) fn ln_beyond_margins(&self) -> f64 {
        stats::ln_mean(&self.each().map(|(paired, margin)| paired.ln_above(margin)))
    }

    /// The counts of each step with its margin.
    pub(crate) fn each(&self) -> [(Paired, f64); STEPS.len()] {
        let mut margins = STEPS.iter();
        self.steps.map(|(a, b)| (Paired::new(self.n, a, b), margins.next().map_or(1.0, |step| step.1)))
    }

    /// The step that speaks loudest: ratio and counts.
    pub(crate) fn loudest(&self) -> (f64, u64, u64) {
        let steps = STEPS.iter().zip(self.steps).map(|(step, (a, b))| (step.0, a, b));
        let loudest =
            steps.max_by(|x, y| stats::ln_evidence(x.1, x.2).total_cmp(&stats::ln_evidence(y.1, y.2)));
        loudest.unwrap_or((1.0, 0, 0))
    }
}

/// As pairs of value and count. The library's own format allocates what its header asks for; this one cannot.
impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let buckets: Vec<(u64, u32)> =
            self.0.iter().flat_map(Histogram::iter_recorded).map(|value| bucket(&value)).collect();
        buckets.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut latencies = Self::default();
        for (value, count) in Vec::<(u64, u32)>::deserialize(deserializer)? {
            latencies.add(value, count);
        }
        Ok(latencies)
    }
}

fn bucket(value: &hdrhistogram::iterators::IterationValue<u32>) -> (u64, u32) {
    (value.value_iterated_to().min(HIGHEST_US), value.count_at_value())
}

#[expect(clippy::cast_precision_loss, reason = "clamped to an hour in microseconds")]
pub(crate) fn bounded(latency_us: u64) -> f64 {
    latency_us.clamp(1, HIGHEST_US) as f64
}

/// An hour.
const HIGHEST_US: u64 = 3_600_000_000;
const DIGITS: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coins::Moment;
    use crate::order::Order;
    use crate::places::Places;
    use crate::room::Room;

    fn observe(ladder: &mut Ladder, candidate_us: u64, control_us: u64, discovered: &mut u64) {
        let moment = Moment { block: 0, bucket: None, nth: 1 };
        let (places, room) = (&mut Places::default(), &mut Room::default());
        let order = Order::default();
        let mut counting =
            Counting { moment, places, nth: 1, blocks: 1, order, noisy_margin: 0.05, discovered, room };
        ladder.observe(candidate_us, control_us, &mut counting);
    }

    #[test]
    fn ladder_counts_by_ratio_beyond_the_grace() {
        let check = |candidate, control, slower: [u64; 5]| {
            let (mut ladder, mut discovered) = (Ladder::default(), 0);
            observe(&mut ladder, candidate, control, &mut discovered);
            assert_eq!(ladder.steps.map(|step| step.0), slower, "{candidate} {control}");
            assert_eq!(discovered, u64::from(slower[0] > 0));
        };
        check(1_900, 900, [0; 5]);
        check(2_000, 900, [1, 0, 0, 0, 0]);
        check(10_000, 4_000, [1, 1, 1, 0, 0]);
        check(u64::MAX, 1, [1; 5]);
        let (mut ladder, mut discovered) = (Ladder::default(), 7);
        observe(&mut ladder, 1, 9_000, &mut discovered);
        assert_eq!((ladder.steps[0], ladder.discovered), ((0, 1), Some(8)));
    }

    #[test]
    fn histograms_saturate_and_survive_storage() {
        let mut latencies = Latencies::default();
        for value in [0, 1, 5_000, 5_000, 1_000_000, u64::MAX] {
            latencies.add(value, 1);
        }
        assert_eq!(latencies.count(), 6);
        let (low, high) = latencies.at_rank(3).unwrap();
        assert!(low <= 5_000 && 5_000 <= high && high - low < 100, "{low} {high}");
        assert_eq!((latencies.at_rank(0), latencies.at_rank(7)), (None, None));
        let stored = minicbor_serde::to_vec(&latencies).unwrap();
        assert_eq!(minicbor_serde::from_slice::<Latencies>(&stored).unwrap(), latencies);
    }
}
