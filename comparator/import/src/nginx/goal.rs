//! Where a request ends, and which version is the old one where that cannot be told.

use super::value::Unclear;

/// Where a request ends.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Goal {
    /// At this host or upstream.
    To(String),
    /// nginx answers it itself, or by other means than a proxy.
    Answer,
    /// Could not be told, which a note says: the old version keeps it.
    Old(Old),
}

/// The old version of requests that keep it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Old {
    /// Where their place sends at last what no condition takes.
    Own,
    /// This host or upstream.
    At(String),
    /// That of their server, if all its places have the same: which of them a request would meet is not known.
    Shared,
    /// That of all servers, if they have the same: a file that is not at hand may decide anything.
    Common,
    /// None is known: the policy leaves such requests to the proxy's own routing.
    Nowhere,
}

impl Old {
    /// What all of these are; what is not known of one may be what the others are.
    pub(super) fn agreed(olds: impl IntoIterator<Item = Self>) -> Self {
        let mut all = olds.into_iter().filter(|old| matches!(old, Self::At(_) | Self::Nowhere));
        let Some(first) = all.next() else { return Self::Nowhere };
        if all.all(|other| other == first) { first } else { Self::Nowhere }
    }

    /// What it is where a place, its server and all servers have these.
    pub(super) fn settled(&self, own: &Self, shared: &Self, common: &Self) -> Self {
        match self {
            Self::Own => own.settled(shared, shared, common),
            Self::Shared => shared.settled(common, common, common),
            Self::Common => common.clone(),
            known => known.clone(),
        }
    }
}

impl Unclear for Goal {
    fn unclear() -> Self {
        Self::Old(Old::Own)
    }
}

/// `None` where an earlier directive lets a request go on to the locations.
impl Unclear for Option<Goal> {
    fn unclear() -> Self {
        Some(Goal::unclear())
    }
}
