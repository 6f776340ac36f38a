//! A text by tokens: which of the primary's an answer changes.
//!
//! A page is no one place. Its tokens are runs of letters and digits, and each other character; what is looked for in an answer is every token
//! of the primary with the two beside it. So one pass over each text tells what is kept, wherever it stands, in time linear in their size,
//! and a token that is changed beside a nonce is told apart from the nonce.
//!
//! Most lines of two answers are the same. A line that the other text has between the same two lines keeps all its tokens, so only the rest is
//! taken apart.

use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

use hashbrown::HashMap;
use memchr::memchr_iter;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// A text. Where it is `folded`, blanks only part tokens, as in HTML.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'t> {
    pub(crate) bytes: &'t [u8],
    pub(crate) folded: bool,
}

/// Which tokens of the primary an answer does not have, by where they begin, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Changed {
    tokens: Vec<Place>,
    /// Beyond [`MAX_CHANGED`].
    more: u64,
    /// Not all of a text could be taken apart: its rest is one token.
    pub(crate) bounded: bool,
}

/// Where a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: u32,
    /// Where the token before it begins; its own place if there is none.
    before: u32,
}

/// A token that can be looked for.
struct Token {
    place: Place,
    /// A hash of it and of those beside it.
    feature: u64,
}

/// What of a text is looked for, and how often it is there.
#[derive(Default)]
struct Stock(HashMap<u64, u32, BuildHasherDefault<Hashed>>);

/// Where the tokens of a text begin, in bytes, and how many of them another text changes. Blanks are no tokens if the texts are `folded`. For
/// the fuzzer: what an answer changes is public only by what a report says of it.
#[doc(hidden)]
pub fn taken_apart(text: &[u8], other: &[u8], folded: bool) -> (Vec<usize>, u64) {
    let (text, other) = (Text { bytes: text, folded }, Text { bytes: other, folded });
    let starts = text.all().iter().map(|token| token.place.at as usize).collect();
    (starts, text.changed_in(other).beside(&Changed::default()).0)
}

impl<'t> Text<'t> {
    /// Which tokens of this text another one changes.
    pub(crate) fn changed_in(self, other: Text<'_>) -> Changed {
        let (lines, others) = (self.lines(), other.lines());
        let mut stock = Stock::of(others.iter().map(|(feature, _)| *feature));
        let apart: Vec<Range<usize>> = lines
            .into_iter()
            .filter_map(|(feature, range)| (!stock.takes(feature)).then_some(range))
            .collect();
        // What no line of this text took.
        let rest: Vec<Range<usize>> =
            others.into_iter().filter_map(|(feature, range)| stock.takes(feature).then_some(range)).collect();
        let (theirs, their_bound) = other.tokens(rest);
        let mut stock = Stock::of(theirs.iter().map(|token| token.feature));
        let (tokens, bound) = self.tokens(apart);
        let mut changed = Changed { bounded: bound || their_bound, ..Changed::default() };
        tokens
            .into_iter()
            .filter(|token| !stock.takes(token.feature))
            .for_each(|token| changed.push(token.place));
        changed
    }

    /// Where the first token that is changed, and not so beside it, begins in this text; and in `other`, by the token before it.
    pub(crate) fn first(self, changed: &Changed, beside: &Changed, other: Text<'_>) -> (usize, usize) {
        let own = changed.first_beside(beside);
        let tokens = self.all();
        let kept =
            tokens.iter().take_while(|token| token.place.at < own).filter(|token| !changed.has(&token.place));
        let known = kept.last();
        let found =
            known.and_then(|known| other.all().into_iter().find(|token| token.feature == known.feature));
        (own as usize, found.map_or(0, |token| token.place.at as usize))
    }

    /// Its lines, each with a hash of it and of those beside it. Where blanks do not count, these have none at their ends, and are not empty.
    fn lines(self) -> Vec<(u64, Range<usize>)> {
        let ends = memchr_iter(b'\n', self.bytes).take(MAX_TOKENS).map(|at| at + 1);
        let mut from = 0;
        let ranges = ends.chain([self.bytes.len()]).map(|end| std::mem::replace(&mut from, end)..end);
        let ranges = ranges.map(|range| if self.folded { self.trimmed(range) } else { range });
        let lines: Vec<(u64, Range<usize>)> = ranges
            .filter(|range| !range.is_empty())
            .map(|range| (xxh3_64(self.bytes.get(range.clone()).unwrap_or_default()), range))
            .collect();
        let hash = |at: Option<usize>| at.and_then(|at| lines.get(at)).map_or(0, |(hash, _)| *hash);
        let feature = |at: usize, own| feature(hash(at.checked_sub(1)), own, hash(Some(at + 1)));
        lines.iter().enumerate().map(|(at, (own, range))| (feature(at, *own), range.clone())).collect()
    }

    fn trimmed(self, range: Range<usize>) -> Range<usize> {
        let line = self.bytes.get(range.clone()).unwrap_or_default();
        let start = range.end - line.trim_ascii_start().len();
        start..start + line.trim_ascii().len()
    }

    fn all(self) -> Vec<Token> {
        self.tokens(std::iter::once(0..self.bytes.len())).0
    }

    /// The tokens in these ranges, and whether there are more than can be told apart.
    fn tokens(self, ranges: impl IntoIterator<Item = Range<usize>>) -> (Vec<Token>, bool) {
        let mut tokens = Vec::new();
        for range in ranges {
            let Range { start, end } = range;
            // Of each: its hash and where it begins. The first and the last one are only beside others.
            let ahead = self.before(start);
            let mut hashed = vec![self.hashed(ahead.clone())];
            let mut at = start;
            let line = self.bytes.get(range).unwrap_or_default();
            let room = MAX_TOKENS.saturating_sub(tokens.len());
            for token in line.chunk_by(|one, next| is_word(*one) && is_word(*next)) {
                if hashed.len() > room {
                    break;
                }
                if !self.is_blank(token) {
                    hashed.push((xxh3_64(token), at));
                }
                at += token.len();
            }
            let bounded = at < end;
            if bounded {
                hashed.push(self.hashed(at..self.bytes.len()));
            }
            hashed.push(self.hashed(if bounded { 0..0 } else { self.behind(end) }));
            tokens.extend(hashed.windows(3).filter_map(Token::between));
            if bounded {
                return (tokens, true);
            }
        }
        (tokens, false)
    }

    /// The last token that ends at `end` or before.
    fn before(self, end: usize) -> Range<usize> {
        let text = self.bytes.get(..end).unwrap_or_default();
        let text = if self.folded { text.trim_ascii_end() } else { text };
        let word = text.iter().rev().take_while(|byte| is_word(**byte)).count();
        text.len().saturating_sub(word.max(1))..text.len()
    }

    /// The first token that begins at `start` or behind.
    fn behind(self, start: usize) -> Range<usize> {
        let text = self.bytes.get(start..).unwrap_or_default();
        let text = if self.folded { text.trim_ascii_start() } else { text };
        let start = self.bytes.len() - text.len();
        let word = text.iter().take_while(|byte| is_word(**byte)).count();
        start..self.bytes.len().min(start + word.max(1))
    }

    /// A hash of what stands there, 0 of nothing.
    fn hashed(self, range: Range<usize>) -> (u64, usize) {
        let text = self.bytes.get(range.clone()).filter(|text| !text.is_empty());
        (text.map_or(0, xxh3_64), range.start)
    }

    fn is_blank(self, token: &[u8]) -> bool {
        self.folded && token.first().is_some_and(u8::is_ascii_whitespace)
    }
}

impl Token {
    fn between(three: &[(u64, usize)]) -> Option<Self> {
        let &[(ahead, before), (own, at), (behind, _)] = three else { return None };
        let offset = |at| u32::try_from(at).unwrap_or(u32::MAX);
        let before = if ahead == 0 { at } else { before };
        let place = Place { at: offset(at), before: offset(before) };
        Some(Self { place, feature: feature(ahead, own, behind) })
    }
}

impl Stock {
    fn of(features: impl ExactSizeIterator<Item = u64>) -> Self {
        let mut stock = Self::default();
        stock.0.reserve(features.len());
        features.for_each(|feature| *stock.0.entry(feature).or_default() += 1);
        stock
    }

    /// Takes one out, if there is one.
    fn takes(&mut self, feature: u64) -> bool {
        match self.0.get_mut(&feature) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }
}

impl Changed {
    fn push(&mut self, place: Place) {
        if self.tokens.len() < MAX_CHANGED {
            self.tokens.push(place);
        } else {
            self.more += 1;
        }
    }

    /// How many tokens this changes that the other keeps, and the reverse. Of more than can be told apart only the numbers count.
    pub(crate) fn beside(&self, other: &Self) -> (u64, u64) {
        if self.more + other.more > 0 {
            let all = |changed: &Self| changed.tokens.len() as u64 + changed.more;
            return (all(self), all(other));
        }
        (self.alone(other).count() as u64, other.alone(self).count() as u64)
    }

    fn alone(&self, other: &Self) -> impl Iterator<Item = Place> {
        self.tokens.iter().copied().filter(|place| !other.has(place))
    }

    fn has(&self, place: &Place) -> bool {
        self.tokens.binary_search(place).is_ok()
    }

    /// Where the first token begins that is changed, and not so beside it; if there is none, the first one that is changed.
    fn first_beside(&self, beside: &Self) -> u32 {
        let alone: Vec<Place> = self.alone(beside).collect();
        let run = alone.chunk_by(|one, next| one.at == next.before).next().unwrap_or_default();
        // The middle one of three whose surroundings changed is the one that did.
        run.get(run.len() / 2).or(self.tokens.first()).map_or(0, |place| place.at)
    }
}

fn feature(ahead: u64, own: u64, behind: u64) -> u64 {
    let mut beside = [0; 16];
    let (left, right) = beside.split_at_mut(8);
    left.copy_from_slice(&ahead.to_le_bytes());
    right.copy_from_slice(&behind.to_le_bytes());
    xxh3_64_with_seed(&beside, own)
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

/// Tokens of a text, and lines of it; a page of a megabyte has as many.
const MAX_TOKENS: usize = 1 << 18;
/// Changed tokens that are told apart.
const MAX_CHANGED: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    fn page(nonce: &str, price: &str) -> String {
        format!("<html><script nonce=\"{nonce}\">x()</script><p>Price {price}</p></html>")
    }

    fn text(text: &str) -> Text<'_> {
        Text { bytes: text.as_bytes(), folded: true }
    }

    fn unfolded(text: &str) -> Text<'_> {
        Text { bytes: text.as_bytes(), folded: false }
    }

    fn changed(left: &str, right: &str) -> Changed {
        text(left).changed_in(text(right))
    }

    #[test]
    fn what_only_one_leg_changes_is_told_from_what_both_do() {
        for (from, to) in [("", ""), ("><", ">\n<"), ("><", "> \n\n\t<")] {
            let page = |nonce, price| page(nonce, price).replace(from, to);
            let primary = page("a8f1", "10.00");
            let (wrong, right) = (page("9b33", "0.00"), page("77c0", "10.00"));
            let (candidate, control) = (changed(&primary, &wrong), changed(&primary, &right));
            assert_eq!(control.beside(&candidate), (0, 3));
            assert_eq!(candidate.beside(&control), (3, 0), "the price and its neighbours");
            assert_eq!(changed(&primary, &primary), Changed::default());
            let (own, other) = text(&primary).first(&candidate, &control, text(&wrong));
            assert!(primary[own..].starts_with("10.00"), "{}", &primary[own..]);
            assert!(
                wrong[other..].starts_with("<p>") || wrong[other..].contains("0.00"),
                "{}",
                &wrong[other..]
            );
        }
    }

    #[test]
    fn repeated_tokens_are_counted() {
        assert_eq!(changed("a,a,a,b", "a,a,b").tokens.len(), 2, "a word and its comma");
        assert_eq!(changed("a b", "a  b"), Changed::default(), "blanks part tokens");
        assert_ne!(unfolded("a b").changed_in(unfolded("a  b")), Changed::default());
        assert_eq!(
            unfolded("a\na\nb\n").changed_in(unfolded("a\nb\n")).tokens.len(),
            2,
            "a line and its end"
        );
    }

    #[test]
    fn lines_that_change_places_are_changed_at_their_ends() {
        let places =
            |left, right| unfolded(left).changed_in(unfolded(right)).tokens.iter().map(|p| p.at).collect();
        let moved: Vec<u32> = places("a x 1\nb x 2\nc x 3\n", "b x 2\na x 1\nc x 3\n");
        // The first one's first and last; the second one's first, its last and its end, behind which another one follows; the third one's first.
        assert!(moved.contains(&0) && moved.contains(&6) && !moved.contains(&2), "{moved:?}");
        assert_eq!(changed("a b\nc d", "a\nb c\n\nd"), Changed::default(), "a line break is a blank");
    }

    /// As without looking at lines first: as many tokens are changed.
    #[test]
    fn lines_change_no_count() {
        let mut dice = 7_u64;
        let mut roll = |below: u64| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (dice >> 33) % below
        };
        for _ in 0..2_000 {
            let mut made = || -> String {
                let lines = 1 + roll(6);
                (0..lines).map(|_| ["a b\n", "c,d\n", "\n", "a", " e\n"][roll(5) as usize]).collect()
            };
            let (left, right) = (made(), made());
            let mut stock = Stock::of(unfolded(&right).all().iter().map(|token| token.feature));
            let expected = unfolded(&left).all().iter().filter(|token| !stock.takes(token.feature)).count();
            let found = unfolded(&left).changed_in(unfolded(&right));
            assert_eq!(found.tokens.len(), expected, "{left:?} {right:?}");
            assert!(found.tokens.is_sorted());
        }
    }

    #[test]
    fn sizes_are_bounded() {
        for mark in [' ', '\n'] {
            let long = |word: &str| format!("{word}{mark}").repeat(400_000);
            let changed = unfolded(&long("a")).changed_in(unfolded(&long("b")));
            assert!(changed.bounded, "{mark:?}");
            assert_eq!(
                (changed.tokens.len(), changed.more),
                (MAX_CHANGED, (MAX_TOKENS + 1 - MAX_CHANGED) as u64)
            );
            assert_eq!(changed.beside(&Changed::default()), (MAX_TOKENS as u64 + 1, 0));
        }
    }
}
