//! Why a body was not compared by its structure, but as bytes: equal if every byte is, different otherwise.
//!
//! Each limit has a name of its own, so that a refusal can be counted and shown. A refused body is never taken for equal
//! because nobody looked.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What kept a body from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// It is not what it is declared to be.
    Malformed,
    /// It nests deeper than 64 levels.
    Depth,
    /// It has more than 250,000 values.
    Nodes,
    /// It has more than 64 MiB.
    Size,
}

impl Refusal {
    /// The name under which it is counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Depth => "depth",
            Self::Nodes => "nodes",
            Self::Size => "size",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
