//! What `promote` needs, and what is missing of it: each with the exchanges that it takes.

use std::collections::BTreeMap;

use super::group::{in_all, is_unseen};
use super::missing::Missing;
use super::reason::{Code, Reason};
use super::{Gates, MAX_NAMED, Told, coverage, delivery, ratio, real};
use crate::evidence::{Endpoint, Evidence, Group};
use crate::forecast::{Further, further};
use crate::kind::{Kind, Subject};
use crate::latency::STEPS;
use crate::quiet::Quiet;
use crate::stats;
use crate::wording::{self, joined, percent, percent_beside, seconds};

pub(super) fn missing(evidence: &Evidence, gates: &Gates, told: &[Told<'_>]) -> Vec<Missing> {
    let all = &evidence.release.all;
    // All else that is missing follows from it.
    if all.exchanges > 0 && all.exchanges == all.not_sent {
        return vec![delivery::never_sent(evidence)];
    }
    if all.controlled == 0 && all.exchanges > 0 {
        let why = "no exchange has a control: noise cannot be told from regressions, so all differences are advisory";
        return vec![Missing { why: why.to_owned(), reason: Reason::new(Code::NoControl) }];
    }
    let mut missing = always_failing(evidence);
    missing.extend(population_missing(evidence));
    missing.extend(delivery::missing(told));
    missing.extend(unseen_missing(evidence, gates));
    missing.extend(margin_missing(evidence, gates));
    missing.extend(noise_missing(evidence, gates));
    missing.extend(coverage::missing(evidence, gates));
    missing.extend(latency_missing(evidence, gates));
    missing.extend(span_missing(all, gates));
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
        let others = if last { format!("; so for {}", wording::many(more as u64, "more endpoint")) } else { String::new() };
        let why = format!(
            "{name}: the candidate fails or answers with another status in all {}, the stable version never does{others}",
            wording::exchanges(exchanges)
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
        "{} of the client's answers are {status}, at most {} may be one failure: requests that succeed are not covered",
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
    let needed = Some(Further::near(needed));
    let (span, bound) = (real(span_ms) / 1e3, real(gates.at_least_ms) / 1e3);
    let why = format!(
        "seen for {} of the {} that are needed: {} more",
        seconds(span_ms),
        seconds(gates.at_least_ms),
        wording::wait(bound - span)
    );
    Some(Missing { why, reason: Reason::of(Code::TooShort, span, bound).needing(needed) })
}

/// Quiet places: of the noisy ones each has a share of its own.
fn margin_missing(evidence: &Evidence, gates: &Gates) -> Option<Missing> {
    let all = &evidence.release.all;
    let quiet = all.quiet.as_of(evidence.release.places.turns());
    if quiet.is_some_and(|quiet| quiet.ln_below(gates.margin) >= -gates.promote_alpha.ln()) {
        return None;
    }
    let bound = excess_at_most(evidence, all, gates);
    let wanted = match quiet {
        Some(quiet) => quiet.further(gates.margin, gates.promote_alpha),
        None => Quiet::default().further(gates.margin, gates.promote_alpha),
    };
    let needed = in_all(evidence, all, wanted, all.controlled);
    let why = if bound >= 1.0 {
        "too few exchanges to rule out regressions".to_owned()
    } else {
        format!(
            "up to {} of answers may be worse, must be below {}",
            percent_beside(bound, gates.margin),
            percent(gates.margin)
        )
    };
    Some(Missing::new(why, Reason::of(Code::Margin, bound, gates.margin).needing(needed)))
}

/// The share of exchanges that are worse at quiet places, at most.
pub(crate) fn excess_at_most(evidence: &Evidence, group: &Group, gates: &Gates) -> f64 {
    let quiet = group.quiet.as_of(evidence.release.places.turns());
    quiet.map_or(1.0, |quiet| quiet.upper_bound(gates.promote_alpha))
}

/// What a noisy place has to show, over all endpoints that have it.
struct NoisyPlace<'e> {
    subject: &'e Subject,
    paired: stats::Paired,
    margin: f64,
    /// Exchanges of the endpoints that have it.
    exchanges: u64,
}

/// Noisy places that are not shown to be about as noisy at the candidate, and places where of two answers that differ the candidate's may
/// be the farther one too often.
fn noise_missing(evidence: &Evidence, gates: &Gates) -> Vec<Missing> {
    let all = &evidence.release.all;
    // What happens in fewer exchanges than the margin allows to be worse need not be shown.
    let open = |place: &NoisyPlace<'_>| {
        ratio(place.exchanges, all.exchanges) > gates.margin
            && place.paired.ln_below(place.margin) < -gates.promote_alpha.ln()
    };
    let mut open: Vec<(Option<Further>, NoisyPlace<'_>)> = noisy_places(evidence, gates)
        .into_iter()
        .filter(open)
        .map(|place| (place.needs(evidence, gates), place))
        .collect();
    open.sort_by_key(|(needed, _)| std::cmp::Reverse(needed.map_or(u64::MAX, |needed| needed.upper)));
    let more = open.len().saturating_sub(MAX_NAMED);
    let each = open.into_iter().take(MAX_NAMED).enumerate().map(|(at, (needed, place))| {
        let NoisyPlace { subject: Subject(path, kind), paired, margin, .. } = place;
        let bound = paired.upper_bound(gates.promote_alpha);
        let what = match kind {
            Kind::Farther => "may be farther off",
            _ => "may be worse than its noise",
        };
        let others = if at + 1 == MAX_NAMED && more > 0 {
            format!("; so for {}", wording::many(more as u64, "more place"))
        } else {
            String::new()
        };
        let (shown, margin_shown) = (percent_beside(bound, margin), percent(margin));
        let name = joined(&[wording::place(path, *kind), &kind.to_string()]);
        let why = format!("{name}: up to {shown} {what}, must be below {margin_shown}{others}");
        let reason =
            Reason { path: Some(path.clone()), kind: Some(*kind), ..Reason::of(Code::Noisy, bound, margin) };
        Missing::new(why, reason.needing(needed))
    });
    each.collect()
}

impl NoisyPlace<'_> {
    /// Further exchanges of the release until it is shown.
    fn needs(&self, evidence: &Evidence, gates: &Gates) -> Option<Further> {
        let needed = further(self.paired, self.margin, gates.promote_alpha)?;
        Some(needed.times(real(evidence.release.coming()) / real(self.exchanges.max(1))))
    }
}

/// Further exchanges that each noisy place takes by its path, whatever differs there, and where both legs differ which is farther; `None` if
/// it is out of reach.
pub(crate) fn noisy_needs<'e>(evidence: &'e Evidence, gates: &Gates) -> BTreeMap<&'e str, Option<u64>> {
    let mut needs: BTreeMap<&str, Option<u64>> = BTreeMap::new();
    let places = noisy_places(evidence, gates);
    let shown = |place: &NoisyPlace<'_>| place.paired.ln_below(place.margin) >= -gates.promote_alpha.ln();
    for place in &places {
        let own = if shown(place) { Some(0) } else { place.needs(evidence, gates).map(Further::middle) };
        let most = needs.entry(&place.subject.0).or_insert(Some(0));
        *most = most.zip(own).map(|(most, own)| most.max(own));
    }
    needs
}

fn noisy_places<'e>(evidence: &'e Evidence, gates: &Gates) -> Vec<NoisyPlace<'e>> {
    let mut places: BTreeMap<&'e Subject, NoisyPlace<'e>> = BTreeMap::new();
    for endpoint in evidence.endpoints.values() {
        for (subject, counts) in &endpoint.hypotheses {
            let (counted, margin) = if subject.1 == Kind::Farther {
                let farther = (endpoint.all.controlled, counts.candidate_only, counts.control_only);
                (counts.discovered.map(|_| farther), gates.noisy_margin * FARTHER)
            } else if let Some(noisy) = evidence.release.places.noisy_at(subject) {
                // Exchanges of an endpoint at which it has not differed since say nothing yet.
                let since = counts.since_noisy(noisy.turn, endpoint.all.controlled);
                (Some(since.unwrap_or_default()), noisy.margin)
            } else {
                continue;
            };
            let Some((n, a, b)) = counted else { continue };
            let more = stats::Paired::new(n, a, b);
            let place = places.entry(subject);
            place
                .and_modify(|place| {
                    place.paired = place.paired.and(more);
                    place.exchanges += endpoint.all.exchanges;
                })
                .or_insert(NoisyPlace { subject, paired: more, margin, exchanges: endpoint.all.exchanges });
        }
    }
    places.into_values().collect()
}

/// Endpoints where too much could not be looked into: root cause first, each with what mends it.
fn unseen_missing(evidence: &Evidence, gates: &Gates) -> Vec<Missing> {
    let mut found: Vec<(&str, &Endpoint)> = evidence
        .endpoints
        .iter()
        .filter(|(_, endpoint)| is_unseen(endpoint, gates))
        .map(|(name, endpoint)| (&**name, endpoint.as_ref()))
        .collect();
    found.sort_by_key(|(_, endpoint)| std::cmp::Reverse(endpoint.unseen.exchanges));
    let each = found.into_iter().take(MAX_NAMED).filter_map(|(name, endpoint)| {
        let (path, cause) = endpoint.unseen.worst()?;
        let share = ratio(endpoint.unseen.exchanges, endpoint.all.controlled);
        let place = joined(&[name, wording::place(path, cause.kind())]);
        let why = format!(
            "{place}: in {} of the exchanges both answers differ from the client's, in a way that cannot be compared: {}",
            percent_beside(share, gates.endpoint_margin),
            cause.explained()
        );
        let reason = Reason { endpoint: Some(name.to_owned()), path: Some(path.to_owned()), ..Reason::new(Code::Unseen) };
        Some(Missing { why, reason: Reason { value: Some(share), bound: Some(gates.endpoint_margin), ..reason } })
    });
    each.collect()
}

/// Latency: seldom slower than the control in the same exchange, and no quantile higher than a margin above the control's.
fn latency_missing(evidence: &Evidence, gates: &Gates) -> Option<Missing> {
    let all = &evidence.release.all;
    let pairs = all.ladder.pairs();
    let pairs_open = pairs.ln_below(gates.latency.slower) < -gates.promote_alpha.ln();
    let of_pairs = pairs_open.then(|| further(pairs, gates.latency.slower, gates.promote_alpha));
    let open = evidence.release.shifts.open(gates.latency.ratios(), gates.promote_alpha);
    let mut needs = of_pairs.into_iter().chain(open.iter().map(|(.., needed)| *needed));
    let most = needs.try_fold(Further::exactly(0), |most, needed| Some(most.and(needed?)));
    if open.is_empty() && !pairs_open {
        return None;
    }
    let needed = in_all(evidence, all, most, all.ladder.n);
    let higher =
        open.iter().map(|(quantile, margin, _)| format!("p{:.0} is {}", quantile * 100.0, percent(*margin)));
    let higher: Vec<String> = higher.collect();
    let higher = (!higher.is_empty()).then(|| format!("{} higher", higher.join(", ")));
    let slower = pairs_open.then(|| {
        format!("{} of exchanges are {} slower", percent(gates.latency.slower), percent(STEPS[0].0 - 1.0))
    });
    let claims: Vec<String> = higher.into_iter().chain(slower).collect();
    // What more exchanges do not rule out is nearer to a finding than to a want of them.
    let so_far = if needed.is_some() { "too few exchanges to rule out" } else { "it cannot be ruled out" };
    let why = format!("latency: {so_far} that {}", claims.join(" or "));
    let value = open.first().map(|(quantile, ..)| *quantile);
    Some(Missing::new(why, Reason { value, ..Reason::new(Code::Latency).needing(needed) }))
}

pub(super) fn shown(evidence: &Evidence, gates: &Gates) -> (Reason, String) {
    let bound = excess_at_most(evidence, &evidence.release.all, gates);
    let controlled = evidence.release.all.controlled;
    let text = format!(
        "no regression: at most {} of answers are worse, shown by {}",
        percent(bound),
        wording::exchanges(controlled)
    );
    (Reason::of(Code::Equivalent, bound, gates.margin), text)
}

/// The margin of the farther of two, as a multiple of the noisy margin.
const FARTHER: f64 = 2.0;
/// The share of the exchanges that the primary may answer with one and the same failure.
const MAX_FAILURE: f64 = 0.5;
/// Exchanges from which on it is no chance that all of the candidate fail and none of the control.
const MIN_CERTAIN: u64 = 3;
