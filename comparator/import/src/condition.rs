//! When a rule applies, as an expression, and how the policy's vocabulary writes it.
//!
//! The peers nest and negate freely; a policy has blocks. The expression is kept whole until the end, so that a part that
//! could not be read is seen in its place: under a negation it must not be dropped, as one alternative of several it may.

use antumbra_policy::document::Tree;
use block::Block;
pub(super) use predicate::{Predicate, whole};

mod block;
mod predicate;

/// What of a request is tested. Names of headers are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Path,
    Method,
    Host,
    Ip,
    Header(String),
    Cookie(String),
    Query(String),
}

/// When a rule applies.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// To every request.
    Always,
    /// If this predicate holds.
    Test(Subject, Predicate),
    /// If all hold.
    All(Vec<Self>),
    /// If one holds.
    Any(Vec<Self>),
    /// If it does not hold.
    Not(Box<Self>),
    /// Could not be carried over, which a note says; perhaps with what was probably meant.
    Unclear(Option<Box<Self>>),
}

impl Condition {
    /// If all hold; none at all is always.
    pub(super) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::Always => {}
                Self::All(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => Self::Always,
            1 => flat.swap_remove(0),
            _ => Self::All(flat),
        }
    }

    /// If one holds; none at all is unclear, since no request can be meant.
    pub(super) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut flat = Vec::new();
        for part in parts {
            match part {
                Self::Always => return Self::Always,
                Self::Any(inner) => flat.extend(inner),
                other => flat.push(other),
            }
        }
        match flat.len() {
            0 => Self::Unclear(None),
            1 => flat.swap_remove(0),
            _ => Self::Any(flat),
        }
    }

    /// If it does not hold.
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            Self::Unclear(guess) => Self::Unclear(guess.map(|guess| Box::new(guess.negated()))),
            other => Self::Not(Box::new(other)),
        }
    }

    /// Negated if `negate`.
    pub(super) fn negated_if(self, negate: bool) -> Self {
        if negate { self.negated() } else { self }
    }

    /// What was probably meant, to be looked at by a person.
    pub(super) fn perhaps(self) -> Self {
        match self {
            Self::Unclear(_) => self,
            other => Self::Unclear(Some(Box::new(other))),
        }
    }

    /// How many tests it has, a measure of its size.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Always | Self::Test(..) | Self::Unclear(None) => 1,
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::size).sum(),
            Self::Not(inner) | Self::Unclear(Some(inner)) => inner.size(),
        }
    }

    /// Without what is unclear, and what that did to it.
    pub(super) fn settle(self) -> (Self, Certainty) {
        self.settle_in(false)
    }

    /// `strict` below a negation, where an alternative less would mean a request more.
    fn settle_in(self, strict: bool) -> (Self, Certainty) {
        match self {
            Self::Unclear(None) => (Self::Always, Certainty::Guess),
            Self::Unclear(Some(guess)) => (guess.settle_in(strict).0, Certainty::Guess),
            Self::Not(inner) => match inner.settle_in(true) {
                (Self::Always, Certainty::Guess) => (Self::Always, Certainty::Guess),
                (inner, certainty) => (inner.negated(), certainty),
            },
            Self::All(parts) => {
                let (parts, certainties): (Vec<_>, Vec<_>) =
                    parts.into_iter().map(|part| part.settle_in(strict)).unzip();
                (Self::all(parts), certainties.into_iter().max().unwrap_or(Certainty::Whole))
            }
            Self::Any(parts) => settle_alternatives(parts, strict),
            other => (other, Certainty::Whole),
        }
    }

    /// The blocks of a rule's `matches`; none for every request.
    pub(super) fn blocks(&self) -> Vec<Tree> {
        match self {
            Self::Always => Vec::new(),
            Self::Any(parts) => parts.iter().map(Block::of).collect(),
            other => vec![Block::of(other)],
        }
    }
}

/// What became of a condition without its unclear parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Certainty {
    /// It means the same.
    Whole,
    /// It lost alternatives: it holds for fewer requests.
    Narrower,
    /// It may hold for requests that are not meant.
    Guess,
}

fn settle_alternatives(parts: Vec<Condition>, strict: bool) -> (Condition, Certainty) {
    let mut settled: Vec<_> = parts.into_iter().map(|part| part.settle_in(strict)).collect();
    let mut certainty = settled.iter().map(|(_, certainty)| *certainty).max().unwrap_or(Certainty::Whole);
    let sure = |(_, certainty): &(Condition, Certainty)| *certainty != Certainty::Guess;
    if certainty == Certainty::Guess && !strict && settled.iter().any(sure) {
        settled.retain(sure);
        certainty = Certainty::Narrower;
    }
    (Condition::any(settled.into_iter().map(|(part, _)| part)), certainty)
}
