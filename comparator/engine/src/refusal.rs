//! Why a body was not compared by its structure, but as bytes: equal if every byte is, different otherwise. Or, with one of them, only
//! as far as its differences are counted.
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
    /// It nests deeper than 64 levels, multipart bodies deeper than 4.
    Depth,
    /// It has more than 250,000 values.
    Nodes,
    /// It has more bytes than are read: 64 MiB of JSON, 16 MiB without its encodings, 32 MiB of records written as JSON,
    /// 1 MiB of gRPC messages by field.
    Size,
    /// It has more than 1,000 parts.
    Parts,
    /// Without its encodings it has more than a hundred times its bytes, and more than 1 MiB.
    Ratio,
    /// Its encodings are unknown, or more than four.
    Encoding,
    /// Its encodings do not decode: cut off, a wrong checksum, bytes behind the end.
    Corrupt,
    /// It is a text of more than 262,144 tokens: what follows them is compared as one.
    Tokens,
    /// It has 8,192 differences: what lies behind them was not looked at.
    Differences,
}

impl Refusal {
    /// Returns the name under which the refusal is counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Depth => "depth",
            Self::Nodes => "nodes",
            Self::Size => "size",
            Self::Parts => "parts",
            Self::Ratio => "ratio",
            Self::Encoding => "encoding",
            Self::Corrupt => "corrupt",
            Self::Tokens => "tokens",
            Self::Differences => "differences",
        }
    }

    /// For people: what is wrong, in at most 35 characters.
    pub(crate) fn explained(self) -> &'static str {
        match self {
            Self::Malformed => "not what its content-type says",
            Self::Depth => "nests too deep",
            Self::Nodes => "more than 250,000 values",
            Self::Size => "too long",
            Self::Parts => "more than 1,000 parts",
            Self::Ratio => "decodes to over a hundred times",
            Self::Encoding => "unknown or too many encodings",
            Self::Corrupt => "does not decode",
            Self::Tokens => "more than 262,144 words and signs",
            Self::Differences => "8,192 differences, not all seen",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
