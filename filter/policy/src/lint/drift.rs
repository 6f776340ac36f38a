//! Splits that lead all users to a candidate in the end, whatever its weight: where candidates alone are remembered and each request
//! draws anew, each request is another chance to get one, and none to leave it.

use super::shown::{percent, whole_percent};
use crate::document::Tree;
use crate::key::POSITIONS;
use crate::split::Split;

/// How far the users of a split drift, as the end of a sentence; `None` if they stay where they are.
pub(super) fn drift(split: &Split, written: &Tree) -> Option<String> {
    let sticks = written.get("sticky")?.get("stick") == Some(&Tree::Text("candidates".to_owned()));
    let whose = drawn(split, written).filter(|_| sticks)?;
    let share = candidates(split);
    if share >= 1.0 {
        return None;
    }
    let (at, whose_share) = if share > 0.0 { (share, "its") } else { (USUAL, "a") };
    let drifted = 1.0 - (1.0 - at).powi(REQUESTS);
    Some(format!(
        "remembers candidates alone, and {whose} draw anew with each request: with {whose_share} share of {}, {} of them are on a candidate \
         after {REQUESTS} requests; name what users are known by (by), or let the default stick, too (stick: all)",
        percent(at),
        whole_percent(drifted)
    ))
}

/// Whom the split does not place by a key.
fn drawn(split: &Split, written: &Tree) -> Option<&'static str> {
    let keys = split.keys().written();
    if keys.is_empty() {
        return Some("users");
    }
    let random =
        written.get("onMissingKey").is_none_or(|missing| *missing == Tree::Text("random".to_owned()));
    // Nearly every request has an address.
    (random && !keys.iter().any(|key| key == "ip")).then_some("users without a key")
}

/// The share of all positions whose users get another variant than the default, 0 to 1.
fn candidates(split: &Split) -> f64 {
    let default = split.default_name();
    let ranges = split.layout().ranges().iter().filter(|(first, end, _)| first < end);
    let sticking = ranges.filter(|(first, ..)| split.name_at(*first) != default);
    sticking.map(|(first, end, _)| f64::from(end - first) / f64::from(POSITIONS)).sum()
}

/// Requests of a user who looks around.
const REQUESTS: i32 = 30;
/// The share that is shown where no candidate has any yet.
const USUAL: f64 = 0.1;
