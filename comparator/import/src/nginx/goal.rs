//! Where a request ends.

use super::value::Unclear;

/// Where a request ends.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Goal {
    /// At this host or upstream.
    To(String),
    /// nginx answers it itself, or by other means than a proxy.
    Answer,
    /// Could not be told, which a note says: the old version keeps it. Perhaps with where it goes at the end of all `if`s.
    Old(Option<String>),
}

impl Unclear for Goal {
    fn unclear() -> Self {
        Self::Old(None)
    }
}

/// `None` where an earlier directive lets a request go on to the locations.
impl Unclear for Option<Goal> {
    fn unclear() -> Self {
        Some(Goal::unclear())
    }
}
