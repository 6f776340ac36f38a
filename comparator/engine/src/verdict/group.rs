//! What a group of exchanges is worth to a verdict, and how long one waits for more of it.

use super::{Gates, ratio, real};
use crate::evidence::{Endpoint, Evidence, Group};
use crate::forecast::Further;

/// Whether more of an endpoint than its margin is what nobody can look into.
pub(super) fn is_unseen(endpoint: &Endpoint, gates: &Gates) -> bool {
    ratio(endpoint.unseen.exchanges, endpoint.all.controlled) > gates.endpoint_margin
}

/// Whether enough of the controls answered as the primary did for the rest to mean anything.
pub(crate) fn comparable(all: &Group) -> bool {
    all.controlled == 0 || ratio(all.effective, all.controlled) >= MIN_EFFECTIVE
}

/// From exchanges of a group that count to all that arrive: those of other endpoints, of a client that asks again, and of a warm-up are
/// part of what one waits for. `counted` is how many of the group count at present.
pub(super) fn in_all(
    evidence: &Evidence,
    group: &Group,
    more: Option<Further>,
    counted: u64,
) -> Option<Further> {
    let more = more?;
    if group.exchanges == 0 {
        return Some(more);
    }
    (counted > 0).then(|| more.times(real(evidence.release.coming()) / real(counted)))
}

/// The share of an endpoint's controlled exchanges that must be effective.
pub(crate) const MIN_EFFECTIVE: f64 = 0.95;
