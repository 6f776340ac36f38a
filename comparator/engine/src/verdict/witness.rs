//! Who sent what a verdict rests on, where several sources do.

use std::fmt;

use crate::evidence::Evidence;
use crate::wording::exchanges;

/// A source in good standing, with the evidence that it brought.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Witness<'e> {
    pub(crate) name: &'e str,
    pub(crate) evidence: &'e Evidence,
}

/// That a finding rests on one of several sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backing<'e> {
    /// The source alone shows it; the others have so many exchanges there.
    Alone { source: &'e str, others: u64 },
    /// All others together show it, and the exchanges of the source hide it.
    Hidden { source: &'e str },
}

impl<'e> Backing<'e> {
    pub(crate) fn source(self) -> &'e str {
        let (Self::Alone { source, .. } | Self::Hidden { source }) = self;
        source
    }
}

impl fmt::Display for Backing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Alone { source, others: 0 } => {
                write!(f, "shown by the source {source:?} alone, no other sees the endpoint")
            }
            Self::Alone { source, others } => {
                write!(f, "shown by the source {source:?} alone, and by no other in {}", exchanges(others))
            }
            Self::Hidden { source } => write!(f, "shown by all others, and hidden by the source {source:?}"),
        }
    }
}

/// The most sources of a release, over which the level of their own evidence is split.
pub const MAX_SOURCES: usize = 16;
