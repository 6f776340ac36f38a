//! The kinds of difference, and what is counted: a kind at a place.
//!
//! Both ends of the engine speak of them, the rules that allow a difference and the report that shows it: so they stand below
//! either.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How an answer differs from the primary's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It has another value of the same type.
    Value,
    /// It has a value of another type.
    Type,
    /// It lacks what the primary has.
    Missing,
    /// It has what the primary lacks.
    Extra,
    /// It has the same elements in another order.
    Order,
    /// It has another number of elements.
    Length,
    /// It has another HTTP status.
    Status,
    /// The call ended in another way: timeout, reset, …
    Outcome,
    /// It took longer. That is never a difference of one answer, but of many.
    Latency,
    /// It differs in anything at all. That, too, is said of many answers together.
    Any,
    /// Both answers have another value than the primary's, and this one's is farther from it.
    Farther,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Value => "value",
            Self::Type => "type",
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Order => "order",
            Self::Length => "length",
            Self::Status => "status",
            Self::Outcome => "outcome",
            Self::Latency => "latency",
            Self::Any => "any",
            Self::Farther => "farther",
        })
    }
}

/// What is counted: a place, with `*` for elements, and a kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Subject(pub(crate) String, pub(crate) Kind);

/// Whose answer differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Differing {
    Candidate,
    Control,
    Both,
}

/// Whose fault a discordant exchange is: +1 the candidate's, −1 the control's. Of a ladder's step: who was slower.
pub(crate) type Sign = i16;

impl Differing {
    pub(crate) fn has_candidate(self) -> bool {
        self != Self::Control
    }

    pub(crate) fn has_control(self) -> bool {
        self != Self::Candidate
    }

    /// Whose fault it is, if it is that of one: +1 the candidate's, −1 the control's.
    pub(crate) fn sign(self) -> Option<Sign> {
        match self {
            Self::Candidate => Some(1),
            Self::Control => Some(-1),
            Self::Both => None,
        }
    }

    /// Of two subjects that are counted as one.
    pub(crate) fn or(self, other: Self) -> Self {
        if self == other { self } else { Self::Both }
    }
}
