//! When a rule applies, as an expression, and how the policy's vocabulary writes it.
//!
//! The peers nest and negate freely; a policy has blocks. The expression is kept whole until the end, so that a part that
//! could not be read is seen in its place. Two bounds follow: the requests that are surely meant, and those that may be.

use antumbra_policy::document::Tree;
use block::Block;
pub(super) use block::MAX_BLOCKS;
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
    /// Holds for no request where it comes from, though this was probably meant.
    Never(Box<Self>),
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
            Self::Unclear(_) | Self::Never(_) => self,
            other => Self::Unclear(Some(Box::new(other))),
        }
    }

    /// How many tests it has, a measure of its size.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Always | Self::Test(..) | Self::Unclear(None) => 1,
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::size).sum(),
            Self::Not(inner) | Self::Unclear(Some(inner)) | Self::Never(inner) => inner.size(),
        }
    }

    /// Whether every part was understood.
    pub(super) fn is_clear(&self) -> bool {
        match self {
            Self::Always | Self::Test(..) => true,
            Self::All(parts) | Self::Any(parts) => parts.iter().all(Self::is_clear),
            Self::Not(inner) => inner.is_clear(),
            Self::Unclear(_) | Self::Never(_) => false,
        }
    }

    /// With what nests deeper than so many levels of `all`, `any` and `not` as unclear.
    pub(super) fn cut(&self, levels: usize) -> Self {
        let within = levels.checked_sub(1);
        match (self, within) {
            (Self::Always | Self::Test(..) | Self::Unclear(None), _) => self.clone(),
            (Self::Not(inner), _) if matches!(**inner, Self::Test(..)) => self.clone(),
            (Self::Unclear(Some(guess)), _) => guess.cut(levels).perhaps(),
            (Self::Never(guess), _) => Self::Never(Box::new(guess.cut(levels))),
            (_, None) => Self::Unclear(None),
            (Self::All(parts), Some(within)) => Self::all(parts.iter().map(|part| part.cut(within))),
            (Self::Any(parts), Some(within)) => Self::any(parts.iter().map(|part| part.cut(within))),
            (Self::Not(inner), Some(within)) => inner.cut(within).negated(),
        }
    }

    /// How deep its blocks nest `all`, `any` and `not`, as a policy counts it.
    pub(super) fn depth(&self) -> usize {
        self.blocks().iter().map(block::depth).max().unwrap_or_default()
    }

    /// What it means at least and at most.
    pub(super) fn bounds(self) -> Bounds {
        Bounds { surely: self.surely(), possibly: self.possibly(), guessed: self.guessed() }
    }

    fn surely(&self) -> Option<Self> {
        match self {
            Self::Always | Self::Test(..) => Some(self.clone()),
            Self::All(parts) => parts.iter().map(Self::surely).collect::<Option<Vec<_>>>().map(Self::all),
            Self::Any(parts) => some(parts.iter().filter_map(Self::surely)),
            Self::Not(inner) => opposite(inner.possibly()),
            Self::Unclear(_) | Self::Never(_) => None,
        }
    }

    fn possibly(&self) -> Option<Self> {
        match self {
            Self::Always | Self::Test(..) => Some(self.clone()),
            Self::All(parts) => parts.iter().map(Self::possibly).collect::<Option<Vec<_>>>().map(Self::all),
            Self::Any(parts) => some(parts.iter().filter_map(Self::possibly)),
            Self::Not(inner) => opposite(inner.surely()),
            Self::Unclear(_) => Some(Self::Always),
            Self::Never(_) => None,
        }
    }

    fn guessed(&self) -> Self {
        match self {
            Self::Always | Self::Test(..) => self.clone(),
            Self::All(parts) => Self::all(parts.iter().map(Self::guessed)),
            Self::Any(parts) => Self::any(parts.iter().map(Self::guessed)),
            Self::Not(inner) if **inner == Self::Unclear(None) => Self::Always,
            Self::Not(inner) => inner.guessed().negated(),
            Self::Unclear(guess) => guess.as_ref().map_or(Self::Always, |guess| guess.guessed()),
            Self::Never(guess) => guess.guessed(),
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

/// What a condition means, whatever its unclear parts mean.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bounds {
    /// Holds for no request that is not meant; `None` holds for none at all.
    pub(super) surely: Option<Condition>,
    /// Holds for every request that may be meant; `None` holds for none at all.
    pub(super) possibly: Option<Condition>,
    /// Has the guesses in the places of what is unclear, to be completed by a person.
    pub(super) guessed: Condition,
}

impl Bounds {
    /// How deep the deepest of them nests.
    pub(super) fn depth(&self) -> usize {
        let bounds = [self.surely.as_ref(), self.possibly.as_ref(), Some(&self.guessed)];
        bounds.into_iter().flatten().map(Condition::depth).max().unwrap_or_default()
    }
}

/// If one holds; `None` if there is none.
fn some(parts: impl Iterator<Item = Condition>) -> Option<Condition> {
    let mut parts = parts.peekable();
    parts.peek().is_some().then(|| Condition::any(parts))
}

fn opposite(condition: Option<Condition>) -> Option<Condition> {
    match condition {
        None => Some(Condition::Always),
        Some(Condition::Always) => None,
        Some(other) => Some(other.negated()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(name: &str) -> Condition {
        Condition::Test(Subject::Header(name.to_owned()), Predicate::exists(true))
    }

    /// Whatever the unclear part means, all that is surely meant is meant, and all that is meant is possibly meant.
    #[test]
    fn bounds_of_what_is_unclear() {
        let unclear = || Condition::Unclear(None);
        let never = || Condition::Never(Box::new(test("guess")));
        let (a, b) = (|| test("a"), || test("b"));
        for (condition, surely, possibly) in [
            (a(), Some(a()), Some(a())),
            (unclear(), None, Some(Condition::Always)),
            (a().perhaps(), None, Some(Condition::Always)),
            (never(), None, None),
            (Condition::all([a(), unclear()]), None, Some(a())),
            (Condition::any([a(), unclear()]), Some(a()), Some(Condition::Always)),
            (
                Condition::any([a(), Condition::all([b(), unclear()])]),
                Some(a()),
                Some(Condition::any([a(), b()])),
            ),
            (Condition::all([a(), never()]), None, None),
            (Condition::any([a(), never()]), Some(a()), Some(a())),
            (never().negated(), Some(Condition::Always), Some(Condition::Always)),
            (unclear().negated(), None, Some(Condition::Always)),
            (Condition::any([a(), unclear()]).negated(), None, Some(a().negated())),
            (Condition::all([a(), unclear()]).negated(), Some(a().negated()), Some(Condition::Always)),
        ] {
            assert_eq!((condition.surely(), condition.possibly()), (surely, possibly), "{condition:?}");
        }
    }
}
