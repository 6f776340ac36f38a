//! Which endpoints are shown to be within their margin, and what the others take.

use super::group::{comparable, in_all, is_unseen};
use super::missing::Missing;
use super::reason::{Code, Reason};
use super::{Gates, ratio};
use crate::evidence::{Endpoint, Evidence, NOT_FOUND};
use crate::forecast::Further;
use crate::quiet::Quiet;
use crate::wording::{many, percent, percent_beside};

/// An endpoint that is not covered yet, or is.
struct Way<'e> {
    endpoint: &'e str,
    /// Further exchanges of the release until it is covered; `None` if it never will be at the present rates.
    needed: Option<Further>,
    exchanges: u64,
}

/// That too much of the traffic is at endpoints of which too little is known.
pub(super) fn missing(evidence: &Evidence, gates: &Gates) -> Option<Missing> {
    let not_found = evidence.endpoints.get(NOT_FOUND).map_or(0, |endpoint| endpoint.all.exchanges);
    let total = evidence.release.all.exchanges.saturating_sub(not_found);
    let mut ways: Vec<Way<'_>> = evidence
        .endpoints
        .iter()
        .filter(|(name, _)| ***name != *NOT_FOUND)
        .map(|(name, endpoint)| Way {
            endpoint: name,
            needed: endpoint_needed(evidence, endpoint, gates),
            exchanges: endpoint.all.exchanges,
        })
        .collect();
    ways.sort_by_key(|way| way.needed.map_or(u64::MAX, |needed| needed.upper));
    let covered: u64 = ways.iter().filter(|way| way.needed == Some(COVERED)).map(|way| way.exchanges).sum();
    let share = if total > 0 { ratio(covered, total) } else { 0.0 };
    if share >= MIN_COVERED {
        return None;
    }
    let mut reached = 0;
    let enough = ways.iter().find(|way| {
        reached += way.exchanges;
        ratio(reached, total) >= MIN_COVERED
    });
    let needed = match enough {
        _ if total == 0 => Some(COVERED),
        Some(way) => way.needed,
        None => None,
    };
    let why = worded(&ways, share);
    Some(Missing::new(why, Reason::of(Code::Coverage, share, MIN_COVERED).needing(needed)))
}

/// `4 endpoints need more traffic (most: GET /search)`.
fn worded(ways: &[Way<'_>], share: f64) -> String {
    let open: Vec<&Way<'_>> = ways.iter().filter(|way| way.needed != Some(COVERED)).collect();
    let Some(most) = open.iter().rev().find(|way| way.needed.is_some()).or(open.first()) else {
        return format!("{} of the traffic is covered, {} is needed", percent(share), percent(MIN_COVERED));
    };
    let reachable = open.iter().filter(|way| way.needed.is_some()).count() as u64;
    let beyond = open.len() as u64 - reachable;
    let verb = |number: u64, one: &'static str, more: &'static str| if number == 1 { one } else { more };
    let needing = format!(
        "{} {} more traffic (most: {})",
        many(reachable, "endpoint"),
        verb(reachable, "needs", "need"),
        most.endpoint
    );
    let lost = format!(
        "{} {} uncovered (such as {}): {} of the traffic is covered, {} is needed",
        many(beyond, "endpoint"),
        verb(beyond, "stays", "stay"),
        open.iter().rev().find(|way| way.needed.is_none()).map_or("", |way| way.endpoint),
        percent_beside(share, MIN_COVERED),
        percent(MIN_COVERED),
    );
    match (reachable, beyond) {
        (_, 0) => needing,
        (0, _) => lost,
        _ => format!("{needing}; {lost}"),
    }
}

/// Whether the endpoint is shown to be within its margin.
pub(crate) fn covered(evidence: &Evidence, endpoint: &Endpoint, gates: &Gates) -> bool {
    let quiet = endpoint.all.quiet.as_of(evidence.release.places.turns());
    let shown = |quiet: &Quiet| quiet.ln_below(gates.endpoint_margin) >= -gates.promote_alpha.ln();
    comparable(&endpoint.all) && !is_unseen(endpoint, gates) && quiet.is_some_and(shown)
}

/// Further exchanges of the release until the endpoint is covered.
fn endpoint_needed(evidence: &Evidence, endpoint: &Endpoint, gates: &Gates) -> Option<Further> {
    let all = &endpoint.all;
    if !comparable(all) || is_unseen(endpoint, gates) {
        return None;
    }
    if covered(evidence, endpoint, gates) {
        return Some(COVERED);
    }
    let wanted = match all.quiet.as_of(evidence.release.places.turns()) {
        Some(quiet) => quiet.further(gates.endpoint_margin, gates.promote_alpha),
        None => Quiet::default().further(gates.endpoint_margin, gates.promote_alpha),
    };
    in_all(evidence, all, wanted, all.controlled)
}

/// Nothing is missing.
const COVERED: Further = Further { lower: 0, upper: 0 };
/// The share of the traffic that must be covered.
const MIN_COVERED: f64 = 0.95;
