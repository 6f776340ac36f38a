//! Characters as symbols of one byte each, so that what matches characters can read bytes, one step for each.
//!
//! ASCII is itself. The other characters are told apart only as far as an expression tells them apart: a dot does not.

use std::borrow::Cow;

/// The symbols of the characters beyond ASCII, of which each stands for a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alphabet {
    /// Where each range begins, in order; the first begins where ASCII ends, and each ends where the next begins.
    starts: Cow<'static, [u32]>,
}

/// The alphabet of expressions that do not tell apart what is beyond ASCII.
pub(super) static PLAIN: Alphabet = Alphabet { starts: Cow::Borrowed(&[FIRST]) };

impl Alphabet {
    /// The one that tells apart what is inside these ranges, first and last character, from what is outside.
    ///
    /// # Errors
    /// They are more than bytes can tell apart.
    pub(super) fn of(ranges: impl Iterator<Item = (char, char)>) -> Result<Self, &'static str> {
        let mut starts: Vec<u32> = ranges
            .flat_map(|(first, last)| [u32::from(first), u32::from(last).saturating_add(1)])
            .chain([FIRST])
            .filter(|start| *start >= FIRST)
            .collect();
        starts.sort_unstable();
        starts.dedup();
        if starts.len() > MAX_RANGES {
            return Err("tells too many characters beyond ASCII apart");
        }
        Ok(Self { starts: Cow::Owned(starts) })
    }

    /// The symbol of a character.
    pub(super) fn symbol(&self, character: char) -> u8 {
        match u8::try_from(character) {
            Ok(ascii) if ascii.is_ascii() => ascii,
            _ if self.starts.len() == 1 => FIRST_SYMBOL,
            _ => {
                let range = self.starts.partition_point(|start| *start <= u32::from(character));
                u8::try_from(range).map_or(u8::MAX, |range| range.saturating_add(BEFORE_FIRST))
            }
        }
    }

    /// A value as symbols. What is no UTF-8 stands for U+FFFD, as much of it at once as `String::from_utf8_lossy` replaces at once.
    pub(super) fn symbols<'v>(&self, value: &'v [u8]) -> Cow<'v, [u8]> {
        if value.is_ascii() {
            return Cow::Borrowed(value);
        }
        let replaced = self.symbol(char::REPLACEMENT_CHARACTER);
        let mut symbols = Vec::with_capacity(value.len());
        for chunk in value.utf8_chunks() {
            symbols.extend(chunk.valid().chars().map(|character| self.symbol(character)));
            if !chunk.invalid().is_empty() {
                symbols.push(replaced);
            }
        }
        Cow::Owned(symbols)
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.starts)
    }
}

const FIRST: u32 = 0x80;
/// The symbol of the first range.
const FIRST_SYMBOL: u8 = 0x80;
/// The symbol before it.
const BEFORE_FIRST: u8 = 0x7f;
const MAX_RANGES: usize = 128;
/// Steps of making a symbol of a byte: nearly none for ASCII, most for what is no UTF-8.
pub(super) const STEPS_PER_BYTE: usize = 3;
