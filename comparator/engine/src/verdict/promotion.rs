//! What `promote` needs, and what is missing of it: each with the exchanges that it takes.

use super::reason::{Code, Reason};
use super::{Delivery, Gates, MAX_NAMED, ratio, real};
use crate::evidence::{Endpoint, Evidence, Group};
use crate::kind::Kind;
use crate::latency::STEPS;
use crate::stats;
use crate::wording::{percent, percent_beside, seconds};

/// A condition of `promote` that does not hold.
pub(super) struct Missing {
    pub(super) why: String,
    pub(super) reason: Reason,
}

impl Missing {
    /// With what it takes, if that is known.
    fn new(why: String, reason: Reason) -> Self {
        Self { why: why + &takes(reason.needed), reason }
    }
}

pub(super) fn missing(evidence: &Evidence, gates: &Gates, delivery: &Delivery) -> Vec<Missing> {
    let all = &evidence.release.all;
    if all.exchanges > all.not_sent && all.controlled == 0 {
        let why = "no exchange has a control leg: noise cannot be told from regressions, all differences are advisory";
        return vec![Missing { why: why.to_owned(), reason: Reason::new(Code::NoControl) }];
    }
    let mut missing = always_failing(evidence);
    missing.extend(population_missing(evidence));
    missing.extend(margin_missing(all, gates));
    missing.extend(coverage_missing(evidence, gates));
    missing.extend(latency_missing(all, gates));
    missing.extend(span_missing(all, gates));
    missing.extend(delivery.missing(evidence));
    missing
}

/// Endpoints at which each answer of the candidate has another status than the primary's, or there is none, and no answer of the control.
/// However rare they are: a few such exchanges prove nothing yet, and nobody would call that chance.
fn always_failing(evidence: &Evidence) -> Vec<Missing> {
    let failing = evidence.endpoints.iter().filter(|(_, endpoint)| always_fails(endpoint));
    let mut failing: Vec<(&str, u64)> =
        failing.map(|(name, found)| (&**name, found.all.controlled)).collect();
    failing.sort_by_key(|(_, exchanges)| std::cmp::Reverse(*exchanges));
    let more = failing.len().saturating_sub(MAX_NAMED);
    let each = failing.into_iter().take(MAX_NAMED).enumerate().map(|(at, (name, exchanges))| {
        let last = at + 1 == MAX_NAMED && more > 0;
        let others = if last { format!("; {more} more endpoints are like that") } else { String::new() };
        let why = format!(
            "{name}: in all {exchanges} exchanges the candidate fails or answers with another status, and the control never does{others}"
        );
        let reason = Reason { endpoint: Some(name.to_owned()), ..Reason::new(Code::AlwaysFails) };
        Missing { why, reason: Reason { value: Some(real(exchanges)), ..reason } }
    });
    each.collect()
}

fn always_fails(endpoint: &Endpoint) -> bool {
    let calls =
        endpoint.hypotheses.iter().filter(|(subject, _)| matches!(subject.1, Kind::Status | Kind::Outcome));
    let (candidate, control) = calls.fold((0, 0), |(candidate, control), (_, counts)| {
        (candidate + counts.candidate_only, control + counts.control_only + counts.both)
    });
    endpoint.all.controlled >= MIN_CERTAIN && control == 0 && candidate >= endpoint.all.controlled
}

/// Most of what was compared is one failure, such as 401 for requests whose credentials are missing: what users ask was not looked at.
fn population_missing(evidence: &Evidence) -> Option<Missing> {
    let (status, failed, exchanges) = evidence.release.statuses.failure()?;
    let share = ratio(failed, exchanges);
    if share <= MAX_FAILURE {
        return None;
    }
    let why = format!(
        "the primary answers {} of the exchanges with {status}, at most {} may be one failure: requests that succeed are not covered",
        percent_beside(share, MAX_FAILURE),
        percent(MAX_FAILURE)
    );
    Some(Missing { why, reason: Reason::of(Code::Population, share, MAX_FAILURE) })
}

/// A few seconds of traffic say nothing about minutes.
fn span_missing(all: &Group, gates: &Gates) -> Option<Missing> {
    let span_ms = all.last_us.saturating_sub(all.first_us) / 1_000;
    if span_ms >= gates.at_least_ms {
        return None;
    }
    let left = u128::from(gates.at_least_ms - span_ms) * u128::from(all.exchanges.saturating_sub(1));
    // The rate is not known before the second exchange.
    let needed = u64::try_from(left.div_ceil(u128::from(span_ms.max(1)))).unwrap_or(u64::MAX).max(1);
    let (span, bound) = (real(span_ms) / 1e3, real(gates.at_least_ms) / 1e3);
    let why = format!(
        "the exchanges span {}, at least {} are needed",
        seconds(span_ms),
        seconds(gates.at_least_ms)
    );
    Some(Missing::new(why, Reason { needed: Some(needed), ..Reason::of(Code::TooShort, span, bound) }))
}

fn margin_missing(all: &Group, gates: &Gates) -> Option<Missing> {
    let paired = all.paired();
    let bound = paired.upper_bound(gates.promote_alpha);
    if paired.ln_below(gates.margin) >= -gates.promote_alpha.ln() {
        return None;
    }
    let needed =
        further(all, paired.needed(gates.margin, gates.promote_alpha), all.controlled, all.exchanges);
    let why = format!(
        "at most {} of exchanges worse is shown, must be below {}",
        percent_beside(bound, gates.margin),
        percent(gates.margin)
    );
    Some(Missing::new(why, Reason { needed, ..Reason::of(Code::Margin, bound, gates.margin) }))
}

fn coverage_missing(evidence: &Evidence, gates: &Gates) -> Option<Missing> {
    let total = evidence.release.all.exchanges;
    let mut ways: Vec<(u64, u64)> = evidence
        .endpoints
        .values()
        .map(|endpoint| (endpoint_needed(endpoint, total, gates).unwrap_or(u64::MAX), endpoint.all.exchanges))
        .collect();
    ways.sort_unstable();
    let covered: u64 = ways.iter().filter(|way| way.0 == 0).map(|way| way.1).sum();
    let share = if total > 0 { ratio(covered, total) } else { 0.0 };
    if share >= MIN_COVERED {
        return None;
    }
    let mut reached = 0;
    let enough = ways.iter().find(|way| {
        reached += way.1;
        ratio(reached, total) >= MIN_COVERED
    });
    let needed = match enough {
        _ if total == 0 => Some(0),
        Some((needed, _)) if *needed < u64::MAX => Some(*needed),
        _ => None,
    };
    let why = format!(
        "only {} of the traffic is at endpoints shown to be at most {} worse; {} is needed",
        percent_beside(share, MIN_COVERED),
        percent(gates.endpoint_margin),
        percent(MIN_COVERED),
    );
    Some(Missing::new(why, Reason { needed, ..Reason::of(Code::Coverage, share, MIN_COVERED) }))
}

/// Further exchanges of the release until the endpoint is covered: 0 if it is.
pub(crate) fn endpoint_needed(endpoint: &Endpoint, total: u64, gates: &Gates) -> Option<u64> {
    let all = &endpoint.all;
    if !comparable(all) {
        return None;
    }
    let paired = all.paired();
    if all.controlled > 0 && paired.ln_below(gates.endpoint_margin) >= -gates.promote_alpha.ln() {
        return Some(0);
    }
    further(all, paired.needed(gates.endpoint_margin, gates.promote_alpha), all.controlled, total)
        .map(|needed| needed.max(1))
}

/// Whether enough of the controls answered as the primary did for the rest to mean anything.
pub(crate) fn comparable(all: &Group) -> bool {
    all.controlled == 0 || ratio(all.effective, all.controlled) >= MIN_EFFECTIVE
}

fn latency_missing(all: &Group, gates: &Gates) -> Option<Missing> {
    let open = |(paired, margin): &(stats::Paired, f64)| paired.ln_below(*margin) < -gates.promote_alpha.ln();
    let steps = all.ladder.each();
    let needs = steps
        .iter()
        .filter(|step| open(step))
        .map(|(paired, margin)| paired.needed(*margin, gates.promote_alpha));
    let most = needs.clone().try_fold(0, |most, needed| Some(needed?.max(most)));
    let names: Vec<String> = steps
        .iter()
        .zip(STEPS)
        .filter(|(step, _)| open(step))
        .map(|(_, (step, _))| format!("{step}×"))
        .collect();
    if names.is_empty() {
        return None;
    }
    let needed = further(all, most, all.ladder.n, all.exchanges);
    let why =
        format!("the candidate is not yet shown to be no slower than the control at {}", names.join(", "));
    let smallest = steps.iter().zip(STEPS).find(|(step, _)| open(step)).map(|(_, (step, _))| step);
    Some(Missing::new(why, Reason { needed, value: smallest, ..Reason::new(Code::Latency) }))
}

/// From exchanges of the kind that counts to exchanges of the release. `in_all` is the number of which `counted` count
/// at present; both 0 means that all will.
fn further(group: &Group, wanted: Option<u64>, counted: u64, in_all: u64) -> Option<u64> {
    let more = wanted?.saturating_sub(counted);
    if group.exchanges == 0 {
        return Some(more);
    }
    if counted == 0 {
        return None;
    }
    let scaled = u128::from(more) * u128::from(in_all) / u128::from(counted);
    u64::try_from(scaled).ok().map(|scaled| scaled.max(1))
}

pub(super) fn takes(needed: Option<u64>) -> String {
    needed.map_or_else(
        || " (not reached at the present rates)".to_owned(),
        |needed| format!(" (about {needed} more exchanges)"),
    )
}

pub(super) fn shown(evidence: &Evidence, gates: &Gates) -> (Reason, String) {
    let bound = evidence.release.all.paired().upper_bound(gates.promote_alpha);
    let controlled = evidence.release.all.controlled;
    let text = format!(
        "no regression; at most {} of exchanges are worse, shown on {controlled} with control",
        percent(bound)
    );
    (Reason::of(Code::Equivalent, bound, gates.margin), text)
}

/// The share of the exchanges that the primary may answer with one and the same failure.
const MAX_FAILURE: f64 = 0.5;
/// Exchanges from which on it is no chance that all of the candidate fail and none of the control.
const MIN_CERTAIN: u64 = 3;
/// The share of an endpoint's controlled exchanges that must be effective.
pub(crate) const MIN_EFFECTIVE: f64 = 0.95;
/// The share of the traffic that must be covered.
pub(crate) const MIN_COVERED: f64 = 0.95;
