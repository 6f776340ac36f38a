//! What is missing of a promotion, and what it takes.

use super::reason::Reason;
use crate::forecast::Further;
use crate::wording::{self, count};

/// A condition of `promote` that does not hold.
pub(super) struct Missing {
    pub(super) why: String,
    pub(super) reason: Reason,
}

impl Missing {
    /// With what it takes, if that is known.
    pub(super) fn new(why: String, reason: Reason) -> Self {
        Self { why: why + &takes(reason.needed_within), reason }
    }
}

/// The end of a reason: what it takes until it no longer holds.
pub(super) fn takes(needed: Option<Further>) -> String {
    match needed {
        None => ": out of reach at the present rates".to_owned(),
        Some(Further { lower, upper }) if lower == upper => {
            format!(": about {} more", wording::exchanges(upper))
        }
        Some(Further { lower, upper }) => format!(": {} to {} more exchanges", count(lower), count(upper)),
    }
}
