//! Endpoints with their latencies: every quantile with the interval in which it lies, however often one looks.

use super::{EndpointReport, Interval, LegLatencies, Quantiles, Regression};
use crate::evidence::Evidence;
use crate::latency::{Latencies, Legs};
use crate::stats;
use crate::verdict::{self, Gates};

pub(super) fn endpoints(
    evidence: &Evidence,
    regressions: &[Regression],
    gates: &Gates,
) -> Vec<EndpointReport> {
    let mut endpoints: Vec<EndpointReport> = evidence
        .endpoints
        .iter()
        .map(|(name, endpoint)| EndpointReport {
            endpoint: name.to_string(),
            exchanges: endpoint.all.exchanges,
            controlled: endpoint.all.controlled,
            effective: endpoint.all.effective,
            comparable: verdict::comparable(&endpoint.all),
            covered: verdict::covered(evidence, endpoint, gates),
            excess_at_most: verdict::excess_at_most(evidence, &endpoint.all, gates),
            regressions: regressions.iter().filter(|regression| *regression.endpoint == **name).count()
                as u64,
            latency: latencies(&endpoint.all.legs, gates.promote_alpha),
        })
        .collect();
    endpoints.sort_by(|x, y| y.exchanges.cmp(&x.exchanges).then_with(|| x.endpoint.cmp(&y.endpoint)));
    endpoints
}

pub(super) fn latencies(legs: &Legs, alpha: f64) -> LegLatencies {
    LegLatencies {
        primary: quantiles(&legs.primary, alpha),
        candidate: quantiles(&legs.candidate, alpha),
        control: quantiles(&legs.control, alpha),
    }
}

fn quantiles(latencies: &Latencies, alpha: f64) -> Option<Quantiles> {
    let count = latencies.count();
    (count > 0).then(|| Quantiles {
        count,
        p50: interval(latencies, 500, alpha),
        p90: interval(latencies, 900, alpha),
        p99: interval(latencies, 990, alpha),
        p999: interval(latencies, 999, alpha),
    })
}

/// The quantile of `permille` with the order statistics that it may be: from the s-th smallest to the (s+1)-th of the
/// largest s.
fn interval(latencies: &Latencies, permille: u32, alpha: f64) -> Interval {
    let count = latencies.count();
    let rank = (u128::from(count) * u128::from(permille)).div_ceil(1000).max(1);
    let (low, high) = stats::quantile_ranks(count, f64::from(permille) / 1000.0, alpha);
    let (_, value) = latencies.at_rank(u64::try_from(rank).unwrap_or(count)).unwrap_or_default();
    Interval {
        value,
        lower: latencies.at_rank(low).map_or(0, |bucket| bucket.0),
        upper: latencies.at_rank(high.saturating_add(1)).map(|bucket| bucket.1),
    }
}
