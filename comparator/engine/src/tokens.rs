//! A text by tokens: which of the primary's an answer changes.
//!
//! A page is no one place. Its tokens are runs of letters and digits, and each other character; what is looked for in an answer is every token
//! of the primary with the two beside it. So one pass over each text tells what is kept, wherever it stands, in time linear in their size,
//! and a token that is changed beside a nonce is told apart from the nonce.

use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// A text by tokens.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tokens {
    /// Of each token: a hash of it and of those beside it, and where it begins.
    features: Vec<(u64, u32)>,
    /// Not all of the text could be taken apart: its rest is one token.
    pub(crate) bounded: bool,
}

/// Which tokens of the primary an answer does not have: their numbers, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Changed {
    numbers: Vec<u32>,
    /// Beyond [`MAX_CHANGED`].
    more: u64,
}

impl Tokens {
    /// Takes a text apart. Where it is `folded`, blanks only part tokens, as in HTML.
    pub(crate) fn of(text: &[u8], folded: bool) -> Self {
        let mut tokens = Vec::new();
        let mut at = 0;
        for token in text.chunk_by(|one, next| is_word(*one) && is_word(*next)) {
            if tokens.len() >= MAX_TOKENS {
                break;
            }
            let blank = folded && token.first().is_some_and(u8::is_ascii_whitespace);
            if !blank {
                tokens.push((xxh3_64(token), u32::try_from(at).unwrap_or(u32::MAX)));
            }
            at += token.len();
        }
        let rest = text.get(at..).filter(|rest| !rest.is_empty());
        tokens.extend(rest.map(|rest| (xxh3_64(rest), u32::try_from(at).unwrap_or(u32::MAX))));
        Self { features: features(&tokens), bounded: rest.is_some() }
    }

    /// Which of these tokens another text changes.
    pub(crate) fn changed_in(&self, other: &Self) -> Changed {
        let mut left: HashMap<u64, u32, BuildHasherDefault<Hashed>> = HashMap::default();
        left.reserve(other.features.len());
        for (feature, _) in &other.features {
            *left.entry(*feature).or_default() += 1;
        }
        let mut changed = Changed::default();
        for (number, (feature, _)) in (0..).zip(&self.features) {
            match left.get_mut(feature) {
                Some(count) if *count > 0 => *count -= 1,
                _ => changed.push(number),
            }
        }
        changed
    }

    /// Where the first token that is changed, and not so beside it, begins in this text; and in `other`, by the token before it.
    pub(crate) fn first(&self, changed: &Changed, beside: Option<&Changed>, other: &Self) -> (usize, usize) {
        let number = changed.first_beside(beside);
        let offset = |at: Option<&(u64, u32)>| at.map_or(0, |(_, offset)| *offset as usize);
        let own = offset(self.features.get(number as usize));
        let before = (0..number).rev().find(|before| changed.numbers.binary_search(before).is_err());
        let known = before.and_then(|before| self.features.get(before as usize));
        let found = known.and_then(|(feature, _)| other.features.iter().find(|(other, _)| other == feature));
        (own, offset(found))
    }
}

impl Changed {
    fn push(&mut self, number: u32) {
        if self.numbers.len() < MAX_CHANGED {
            self.numbers.push(number);
        } else {
            self.more += 1;
        }
    }

    /// How many tokens this changes that the other keeps, and the reverse. Of more than can be told apart only the numbers count.
    pub(crate) fn beside(&self, other: &Self) -> (u64, u64) {
        if self.more + other.more > 0 {
            let all = |changed: &Self| changed.numbers.len() as u64 + changed.more;
            return (all(self), all(other));
        }
        (self.alone(other).count() as u64, other.alone(self).count() as u64)
    }

    fn alone(&self, other: &Self) -> impl Iterator<Item = u32> {
        self.numbers.iter().copied().filter(|number| other.numbers.binary_search(number).is_err())
    }

    fn first_beside(&self, beside: Option<&Self>) -> u32 {
        let first = self.numbers.first().copied().unwrap_or_default();
        // The middle one of three whose surroundings changed is the one that did.
        let alone = beside.map(|beside| self.alone(beside).collect::<Vec<u32>>());
        let Some(alone) = alone.filter(|alone| !alone.is_empty()) else { return first };
        let run = alone.chunk_by(|one, next| one + 1 == *next).next().unwrap_or_default();
        run.get(run.len() / 2).copied().unwrap_or(first)
    }
}

fn features(tokens: &[(u64, u32)]) -> Vec<(u64, u32)> {
    let hash = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map_or(0, |(hash, _)| *hash);
    let feature = |at: usize, own: u64| {
        let beside = [hash(at.checked_sub(1)).to_le_bytes(), hash(Some(at + 1)).to_le_bytes()].concat();
        xxh3_64_with_seed(&beside, own)
    };
    tokens.iter().enumerate().map(|(at, (own, offset))| (feature(at, *own), *offset)).collect()
}

/// Letters, digits, and whatever is not ASCII.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

/// What is hashed already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Tokens of a text; a page of a megabyte has as many.
const MAX_TOKENS: usize = 1 << 18;
/// Changed tokens that are told apart.
const MAX_CHANGED: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    fn page(nonce: &str, price: &str) -> String {
        format!("<html><script nonce=\"{nonce}\">x()</script><p>Price {price}</p></html>")
    }

    fn changed(left: &str, right: &str) -> Changed {
        let of = |text: &str| Tokens::of(text.as_bytes(), true);
        of(left).changed_in(&of(right))
    }

    #[test]
    fn what_only_one_leg_changes_is_told_from_what_both_do() {
        let primary = page("a8f1", "10.00");
        let (wrong, right) = (page("9b33", "0.00"), page("77c0", "10.00"));
        let (candidate, control) = (changed(&primary, &wrong), changed(&primary, &right));
        assert_eq!(control.beside(&candidate), (0, 3));
        assert_eq!(candidate.beside(&control), (3, 0), "the price and its neighbours");
        assert_eq!(changed(&primary, &primary), Changed::default());
        let tokens = |text: &str| Tokens::of(text.as_bytes(), true);
        let (own, other) = tokens(&primary).first(&candidate, Some(&control), &tokens(&wrong));
        assert!(primary[own..].starts_with("10.00"), "{}", &primary[own..]);
        assert!(wrong[other..].starts_with("<p>") || wrong[other..].contains("0.00"), "{}", &wrong[other..]);
    }

    #[test]
    fn repeated_tokens_are_counted() {
        assert_eq!(changed("a,a,a,b", "a,a,b").numbers.len(), 2, "a word and its comma");
        assert_eq!(changed("a b", "a  b"), Changed::default(), "blanks part tokens");
        let unfolded = |text: &str| Tokens::of(text.as_bytes(), false);
        assert_ne!(unfolded("a b").changed_in(&unfolded("a  b")), Changed::default());
    }

    #[test]
    fn sizes_are_bounded() {
        let long = |word: &str| format!("{word} ").repeat(400_000);
        let (left, right) =
            (Tokens::of(long("a").as_bytes(), false), Tokens::of(long("b").as_bytes(), false));
        assert!(left.bounded && left.features.len() == MAX_TOKENS + 1);
        let changed = left.changed_in(&right);
        assert_eq!(
            (changed.numbers.len(), changed.more),
            (MAX_CHANGED, (MAX_TOKENS + 1 - MAX_CHANGED) as u64)
        );
        assert_eq!(changed.beside(&Changed::default()), (MAX_TOKENS as u64 + 1, 0));
    }
}
