//! Regular expressions with bounded work.
//!
//! Most that people write are words in disguise (`true$`, `bot|crawler`, `.*\.html`). Words at the ends of a value are compared there;
//! everything else is found by the one search through the value, see `search.rs`.
//!
//! Which expressions are accepted, and what they mean, is what regex-lite says.

use regex_lite::{Regex, RegexBuilder};

use crate::document::Field;
use crate::search::{Found, LONGEST_MATCHED, Slot, Sought};

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    test: Test,
    /// It holds of values without a line feed alone, as a dot does not match one.
    one_line: bool,
}

#[derive(Debug)]
enum Test {
    /// One of them is at the value's beginning, or its end, or all of it.
    Ends(Words),
    /// One of them was found in the value.
    Found(Vec<Slot>),
}

/// Texts without any special character, of which one is enough.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Words {
    any: Vec<Vec<u8>>,
    /// It has to be the value's beginning.
    first: bool,
    /// It has to be the value's end.
    last: bool,
    ignore_case: bool,
    one_line: bool,
}

/// How much of a value a pattern has to match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it: `regex`.
    Whole,
    /// Some part: `search`.
    Part,
}

impl Pattern {
    /// Reads and compiles; the syntax is checked on the pattern as written, so that `a)(b` cannot escape its anchors. What has to be
    /// found in the value is added to what is `sought` there.
    pub(crate) fn read(
        field: &Field<'_>,
        extent: Extent,
        ignore_case: bool,
        sought: &mut Sought,
    ) -> Option<Self> {
        let text = field.text()?;
        // A comment may swallow what is put around it.
        let compiled = compile(text, ignore_case).and_then(|regex| match extent {
            Extent::Whole if text.contains('#') => compile(&format!("^(?:{text})$"), ignore_case),
            Extent::Whole | Extent::Part => Ok(regex),
        });
        if let Err(error) = compiled {
            field.problem(format!(
                "must be a regular expression of at most {LARGEST_PATTERN} bytes when compiled: {error}"
            ));
            return None;
        }
        sought.asked_by(|| field.path());
        if let Some(words) = Words::of(text, extent, ignore_case) {
            return Some(Self::of_words(words, sought));
        }
        match sought.expression(text, extent == Extent::Whole, ignore_case, || field.path()) {
            Ok((slot, one_line)) => Some(Self { test: Test::Found(vec![slot]), one_line }),
            Err(error) => {
                field.problem(format!(
                    "must be a regular expression that can be matched in bounded time: {error}"
                ));
                None
            }
        }
    }

    /// Whether `value`, in which this was `found`, matches. Bytes that are not UTF-8 match as U+FFFD; a value over the cap does not
    /// match.
    pub(crate) fn is_match(&self, value: &[u8], found: &Found) -> bool {
        value.len() <= LONGEST_MATCHED
            && (!self.one_line || found.one_line())
            && match &self.test {
                Test::Ends(words) => words.are_ends(value),
                Test::Found(any) => any.iter().any(|slot| found.has(*slot)),
            }
    }

    /// Whether it is answered by what was found in the value.
    pub(crate) fn searches(&self) -> bool {
        self.one_line || matches!(self.test, Test::Found(_))
    }

    /// Steps that it takes once the value was searched.
    pub(crate) fn steps(&self) -> usize {
        match &self.test {
            Test::Ends(words) => words.any.iter().map(|word| steps_of_comparing(word.len())).sum(),
            Test::Found(any) => any.len(),
        }
    }

    fn of_words(words: Words, sought: &mut Sought) -> Self {
        let one_line = words.one_line;
        let test = if words.first || words.last {
            Test::Ends(words)
        } else {
            Test::Found(words.any.iter().map(|word| sought.word(word, words.ignore_case)).collect())
        };
        Self { test, one_line }
    }
}

/// Steps of comparing a value with a text at one place.
pub(crate) fn steps_of_comparing(length: usize) -> usize {
    8 + length / 8
}

impl Words {
    /// The words that an expression consists of; `None` if it is more than words.
    fn of(text: &str, extent: Extent, ignore_case: bool) -> Option<Self> {
        let whole = extent == Extent::Whole;
        let bare = text.strip_prefix('^');
        let (anchored_first, text) = (bare.is_some(), bare.unwrap_or(text));
        let bare = text.strip_suffix('$').filter(|bare| !bare.ends_with('\\'));
        let (anchored_last, text) = (bare.is_some(), bare.unwrap_or(text));
        let (first, last) = (anchored_first || whole, anchored_last || whole);
        // Dots at an end that is free say nothing; at one that is not, they free it of all but line feeds.
        let (behind, before) = (text.strip_prefix(".*"), text.strip_suffix(".*").is_some());
        let text = behind.unwrap_or(text);
        let text = text.strip_suffix(".*").unwrap_or(text);
        let (behind, before) = (behind.is_some(), before);
        let any: Vec<Vec<u8>> = text.split('|').map(word).collect::<Option<_>>()?;
        // An anchor, and what stands at an end, belongs to its own alternative.
        if any.len() > 1 && (anchored_first || anchored_last || behind || before) {
            return None;
        }
        let one_line = (first && behind) || (last && before);
        if one_line && (!(first && last) || any.iter().any(|word| word.contains(&b'\n'))) {
            return None;
        }
        Some(Self { any, first: first && !behind, last: last && !before, ignore_case, one_line })
    }

    fn are_ends(&self, value: &[u8]) -> bool {
        let equal = |part: &[u8], word: &[u8]| {
            if self.ignore_case { part.eq_ignore_ascii_case(word) } else { part == word }
        };
        self.any.iter().any(|word| match (self.first, self.last) {
            (true, true) => equal(value, word),
            (true, false) => value.get(..word.len()).is_some_and(|part| equal(part, word)),
            _ => {
                let start = value.len().checked_sub(word.len());
                start.and_then(|start| value.get(start..)).is_some_and(|part| equal(part, word))
            }
        })
    }
}

/// A text without special characters, those escaped by a backslash aside. Not U+FFFD: an expression sees it where a value is no UTF-8.
fn word(text: &str) -> Option<Vec<u8>> {
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return None;
    }
    let mut word = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let plain = match byte {
            b'\\' => bytes.next().filter(u8::is_ascii_punctuation).filter(|byte| !b"<>".contains(byte))?,
            b'.' | b'+' | b'*' | b'?' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'^' | b'$' => return None,
            _ => byte,
        };
        word.push(plain);
    }
    Some(word)
}

fn compile(text: &str, ignore_case: bool) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(text).case_insensitive(ignore_case).size_limit(LARGEST_PATTERN).build()
}

/// Bytes of a pattern as regex-lite compiles it, about 32 a state: some 500 states. On a 32-bit machine the same pattern takes less, so
/// what a 64-bit comparator accepts is also accepted by the filter.
const LARGEST_PATTERN: usize = 16 * 1024;

#[cfg(test)]
mod tests;
