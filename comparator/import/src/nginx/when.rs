//! When something applies, between two bounds: the requests that are surely meant, and those that may be.
//!
//! What a policy cannot test lies between the bounds. The bounds survive every combination, so the end knows which requests
//! have to keep the old version, and that no others do.

use crate::condition::Condition;

/// When something applies.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct When {
    sure: Condition,
    maybe: Condition,
}

impl When {
    /// To every request.
    pub(super) fn always() -> Self {
        Self::exactly(Condition::Always)
    }

    /// To none.
    pub(super) fn never() -> Self {
        Self::exactly(never())
    }

    /// Perhaps to some; which ones cannot be told.
    pub(super) fn unclear() -> Self {
        Self { sure: never(), maybe: Condition::Always }
    }

    /// If the condition holds; a condition that could not be carried over is unclear.
    pub(super) fn exactly(condition: Condition) -> Self {
        if matches!(condition, Condition::Unclear(_)) {
            return Self::unclear();
        }
        Self { sure: condition.clone(), maybe: condition }
    }

    /// Surely to the requests of `inner`, and to none but those of `outer`.
    pub(super) fn between(inner: &Self, outer: &Self) -> Self {
        Self { sure: inner.sure.clone(), maybe: outer.maybe.clone() }
    }

    /// If all apply. More parts than a policy takes are not told apart.
    pub(super) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let parts: Vec<Self> = parts.into_iter().collect();
        if parts.len() > MAX_PARTS {
            return Self::unclear();
        }
        let (sure, maybe) = parts.into_iter().map(|part| (part.sure, part.maybe)).unzip();
        Self { sure: all(sure), maybe: all(maybe) }
    }

    /// If one applies. More parts than a policy takes are not told apart.
    pub(super) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let parts: Vec<Self> = parts.into_iter().collect();
        if parts.len() > MAX_PARTS {
            return Self::unclear();
        }
        let (sure, maybe) = parts.into_iter().map(|part| (part.sure, part.maybe)).unzip();
        Self { sure: any(sure), maybe: any(maybe) }
    }

    /// If both apply.
    pub(super) fn and(&self, other: &Self) -> Self {
        Self::all([self.clone(), other.clone()])
    }

    /// If it does not apply.
    pub(super) fn negated(self) -> Self {
        Self { sure: not(self.maybe), maybe: not(self.sure) }
    }

    /// The requests that are surely meant; `None` if there are none.
    pub(super) fn sure(&self) -> Option<&Condition> {
        (self.sure != never()).then_some(&self.sure)
    }

    /// All that may be meant; `None` if no more than those that surely are.
    pub(super) fn perhaps(&self) -> Option<&Condition> {
        (self.maybe != self.sure).then_some(&self.maybe)
    }

    /// Whether every request is surely meant.
    pub(super) fn is_always(&self) -> bool {
        self.sure == Condition::Always
    }

    /// Whether no request can be meant.
    pub(super) fn is_never(&self) -> bool {
        self.maybe == never()
    }

    /// Whether all that may be meant is surely meant by `other`, or with `perhaps` may be, as far as that is plain.
    pub(super) fn is_within(&self, other: &Self, perhaps: bool) -> bool {
        let outer = if perhaps { &other.maybe } else { &other.sure };
        is_covered(&self.maybe, outer)
    }

    /// How many tests it has.
    pub(super) fn size(&self) -> usize {
        self.sure.size().saturating_add(self.maybe.size())
    }
}

fn never() -> Condition {
    Condition::Not(Box::new(Condition::Always))
}

fn all(parts: Vec<Condition>) -> Condition {
    let parts = match Condition::all(parts) {
        Condition::All(parts) => parts,
        other => return other,
    };
    let mut kept: Vec<Condition> = Vec::new();
    for part in parts {
        if part == never() || kept.iter().any(|known| exclude(known, &part)) {
            return never();
        }
        if !kept.iter().any(|known| is_covered(known, &part)) {
            kept.retain(|known| !is_covered(&part, known));
            kept.push(part);
        }
    }
    Condition::all(kept)
}

/// Whether no request can fulfil both, as far as that is plain.
fn exclude(a: &Condition, b: &Condition) -> bool {
    let denies = |a: &Condition, b: &Condition| match a {
        Condition::Not(inner) => match &**inner {
            Condition::Any(parts) => parts.contains(b),
            inner => inner == b,
        },
        _ => false,
    };
    denies(a, b) || denies(b, a)
}

/// Whether every request that fulfils `a` fulfils `b`, as far as their words say so.
fn implies(a: &Condition, b: &Condition) -> bool {
    if a == b || *b == Condition::Always {
        return true;
    }
    match (a, b) {
        (Condition::Any(parts), _) => parts.iter().all(|part| implies(part, b)),
        (_, Condition::All(parts)) => parts.iter().all(|part| implies(a, part)),
        (_, Condition::Any(parts)) if parts.iter().any(|part| implies(a, part)) => true,
        (Condition::All(parts), _) => parts.iter().any(|part| implies(part, b)),
        _ => false,
    }
}

/// Whether every request that fulfils `inner` fulfils `outer`, as far as that is plain and cheap to see.
pub(super) fn is_covered(inner: &Condition, outer: &Condition) -> bool {
    let small = inner.size().saturating_mul(outer.size()) <= LARGEST_PROOF;
    small && implies(inner, outer)
}

fn any(parts: Vec<Condition>) -> Condition {
    let mut kept: Vec<Condition> = Vec::new();
    for part in parts {
        if part != never() && !kept.iter().any(|known| is_covered(&part, known)) {
            kept.retain(|known| !is_covered(known, &part));
            kept.push(part);
        }
    }
    if kept.is_empty() { never() } else { Condition::any(kept) }
}

fn not(condition: Condition) -> Condition {
    if condition == Condition::Always { never() } else { condition.negated() }
}

/// Tests of two conditions, multiplied, that are compared.
const LARGEST_PROOF: usize = 2_500;
/// Parts of a condition that are put together.
const MAX_PARTS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::{Predicate, Subject};

    fn test(name: &str) -> When {
        When::exactly(Condition::Test(Subject::Header(name.to_owned()), Predicate::exact("1")))
    }

    #[test]
    fn what_lies_within_what() {
        let (a, b) = (test("a"), test("b"));
        let either = When::any([a.clone(), b.clone()]);
        for (inner, outer, expected) in [
            (&a, &a, true),
            (&a, &When::always(), true),
            (&a, &either, true),
            (&either, &a, false),
            (&a.and(&b), &b, true),
            (&a, &a.and(&b), false),
            (&test("c").and(&either.clone().negated()), &either.clone().negated(), true),
            (&either, &When::unclear(), true),
        ] {
            assert_eq!(inner.is_within(outer, true), expected, "{inner:?} {outer:?}");
        }
        assert!(!a.is_within(&When::unclear(), false) && a.is_within(&either, false));
    }

    #[test]
    fn bounds_survive_every_combination() {
        let (a, b) = (test("a"), test("b"));
        assert_eq!(a.clone().negated().negated(), a);
        assert!(When::always().negated().is_never() && When::never().negated().is_always());
        assert!(a.and(&When::never()).is_never() && a.and(&a.clone().negated()).is_never());
        assert_eq!(When::any([a.clone(), When::never(), a.clone()]), a);
        let either = When::any([a.clone(), When::unclear()]);
        assert_eq!((either.sure(), either.perhaps()), (a.sure(), Some(&Condition::Always)));
        let both = a.and(&When::unclear());
        assert_eq!((both.sure(), both.perhaps()), (None, a.sure()));
        let neither = either.negated();
        assert_eq!((neither.sure(), neither.perhaps()), (None, a.clone().negated().sure()));
        assert_eq!(When::between(&a, &When::any([a.clone(), b])).sure(), a.sure());
        assert!(When::exactly(Condition::Unclear(None)).sure().is_none());
    }
}
