//! How far what looks like a regression is from being one.

use std::fmt;

/// How far a suspicion is from being confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confirmation {
    Confirmed,
    /// So many of the blocks that it takes show it, which last so many of the shortest blocks each.
    Blocks {
        show: u64,
        of: u64,
        length: u32,
    },
    /// So many of the groups of clients that it takes show it.
    Clients {
        show: u64,
        of: u64,
    },
}

impl fmt::Display for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Confirmed => f.write_str("confirmed"),
            Self::Blocks { show, of, length: 1 } => {
                write!(f, "seen in {show} of about {of} blocks of time")
            }
            Self::Blocks { show, of, length } => {
                write!(f, "seen in {show} of about {of} spans of {length} blocks of time")
            }
            Self::Clients { show, of } => {
                write!(f, "seen for {show} of about {of} groups of clients")
            }
        }
    }
}
