//! Regular expressions with bounded work.
//!
//! Most that people write are words in disguise (`true$`, `bot|crawler`): those are compared as bytes, forty times as fast.
//!
//! The engine (regex-lite) never backtracks, so a match costs at most states × bytes. Both are capped: the compiled
//! pattern when the policy is read, the value when a request is decided.

use regex_lite::{Regex, RegexBuilder};

use crate::document::Field;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) enum Pattern {
    Words(Words),
    Regex(Regex),
}

/// Texts without any special character, of which one is enough.
#[derive(Debug)]
pub(crate) struct Words {
    any: Vec<Vec<u8>>,
    /// It has to be the value's beginning.
    first: bool,
    /// It has to be the value's end.
    last: bool,
    ignore_case: bool,
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
    /// Reads and compiles; the syntax is checked on the pattern as written, so that `a)(b` cannot escape its anchors.
    pub(crate) fn read(field: &Field<'_>, extent: Extent, ignore_case: bool) -> Option<Self> {
        let text = field.text()?;
        let compiled = compile(text, ignore_case).and_then(|regex| match extent {
            Extent::Whole => compile(&format!("^(?:{text})$"), ignore_case),
            Extent::Part => Ok(regex),
        });
        match compiled {
            Ok(regex) => Some(match Words::of(text, extent, ignore_case) {
                Some(words) => Self::Words(words),
                None => Self::Regex(regex),
            }),
            Err(error) => {
                field.problem(format!(
                    "must be a regular expression of at most {LARGEST_PATTERN} bytes when compiled: {error}"
                ));
                None
            }
        }
    }

    /// Whether `value` matches. Bytes that are not UTF-8 match as U+FFFD; a value over the cap does not match.
    pub(crate) fn is_match(&self, value: &[u8]) -> bool {
        value.len() <= LONGEST_VALUE
            && match self {
                Self::Words(words) => words.are_in(value),
                Self::Regex(regex) => regex.is_match(&String::from_utf8_lossy(value)),
            }
    }
}

impl Words {
    /// The words that an expression consists of; `None` if it is more than words.
    fn of(text: &str, extent: Extent, ignore_case: bool) -> Option<Self> {
        let bare = text.strip_prefix('^');
        let (first, text) = (bare.is_some(), bare.unwrap_or(text));
        let bare = text.strip_suffix('$').filter(|bare| !bare.ends_with('\\'));
        let (last, text) = (bare.is_some(), bare.unwrap_or(text));
        let any: Vec<Vec<u8>> = text.split('|').map(word).collect::<Option<_>>()?;
        // An anchor belongs to its own alternative.
        if any.len() > 1 && (first || last) {
            return None;
        }
        let whole = extent == Extent::Whole;
        Some(Self { any, first: first || whole, last: last || whole, ignore_case })
    }

    fn are_in(&self, value: &[u8]) -> bool {
        let equal = |part: &[u8], word: &[u8]| {
            if self.ignore_case { part.eq_ignore_ascii_case(word) } else { part == word }
        };
        self.any.iter().any(|word| match (self.first, self.last) {
            (true, true) => equal(value, word),
            (true, false) => value.get(..word.len()).is_some_and(|part| equal(part, word)),
            (false, true) => {
                let start = value.len().checked_sub(word.len());
                start.and_then(|start| value.get(start..)).is_some_and(|part| equal(part, word))
            }
            (false, false) => word.is_empty() || value.windows(word.len()).any(|part| equal(part, word)),
        })
    }
}

/// A text without special characters, those escaped by a backslash aside; ASCII, since an expression sees characters.
fn word(text: &str) -> Option<Vec<u8>> {
    let mut word = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let plain = match byte {
            b'\\' => bytes.next().filter(u8::is_ascii_punctuation).filter(|byte| !b"<>".contains(byte))?,
            b'.' | b'+' | b'*' | b'?' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'^' | b'$' => return None,
            _ if byte.is_ascii() => byte,
            _ => return None,
        };
        word.push(plain);
    }
    Some(word)
}

fn compile(text: &str, ignore_case: bool) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(text).case_insensitive(ignore_case).size_limit(LARGEST_PATTERN).build()
}

/// Bytes of a compiled pattern, about 32 a state: some 500 states. On a 32-bit machine the same pattern takes less, so
/// what a 64-bit comparator accepts is also accepted by the filter.
const LARGEST_PATTERN: usize = 16 * 1024;
/// Bytes of a value; longer than any user agent, path or token that a rule would look into.
const LONGEST_VALUE: usize = 2 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Problems, Tree};

    fn read(text: &str, ignore_case: bool) -> Result<Pattern, String> {
        read_as(text, Extent::Whole, ignore_case)
    }

    fn read_as(text: &str, extent: Extent, ignore_case: bool) -> Result<Pattern, String> {
        let tree = Tree::Text(text.to_owned());
        let problems = Problems::default();
        let read = Pattern::read(&problems.root(&tree), extent, ignore_case);
        problems.finish(read).map_err(|invalid| invalid.to_string())
    }

    #[test]
    fn the_whole_value_must_match() {
        let check = |pattern, value: &[u8], expected| {
            assert_eq!(read(pattern, false).unwrap().is_match(value), expected, "{pattern} on {value:?}");
        };
        check("2\\..*", b"2.1", true);
        check("2\\..*", b"12.1", false);
        check("a|b", b"ab", false);
        check("(?m)a", b"a\nb", false);
        check("", b"", true);
        check(".*", b"\xff\xfe", true);
        check("a.c", b"a\xffc", true);
        check("a*", &[b'a'; LONGEST_VALUE], true);
        check("a*", &[b'a'; LONGEST_VALUE + 1], false);
        assert!(read("chrome", true).unwrap().is_match(b"Chrome"));
    }

    #[test]
    fn a_search_matches_any_part() {
        let search = |pattern, value: &[u8]| read_as(pattern, Extent::Part, true).unwrap().is_match(value);
        assert!(search("true$", b"notTRUE") && !search("true$", b"true1") && search("", b""));
    }

    /// Words give the answers of the expression that they stand for.
    #[test]
    fn words_are_the_expressions_that_they_stand_for() {
        let values: [&[u8]; 12] = [
            b"",
            b"a",
            b"A",
            b"abc",
            b"xabcx",
            b"a.c",
            b"xa.c",
            b"a|b",
            b"bot",
            b"a Crawler/1",
            b"a\xffc",
            "é".as_bytes(),
        ];
        let words = ["", "a", "abc", "^a", "c$", "^abc$", "bot|crawler", "a\\.c", "a||b", "^$", "a/b\\-"];
        for text in words {
            for extent in [Extent::Whole, Extent::Part] {
                for ignore_case in [false, true] {
                    let pattern = read_as(text, extent, ignore_case).unwrap();
                    assert!(matches!(pattern, Pattern::Words(_)), "{text}");
                    let anchored = format!("^(?:{text})$");
                    let text = if extent == Extent::Whole { &anchored } else { text };
                    let regex = Pattern::Regex(compile(text, ignore_case).unwrap());
                    for value in values {
                        assert_eq!(pattern.is_match(value), regex.is_match(value), "{text} on {value:?}");
                    }
                }
            }
        }
        for text in ["a.c", "^a|b", "a|b$", "a+", "[a]", "é", "\\d", "\\<a", "a\\$", "(a)", "a\\|b"] {
            let words = Words::of(text, Extent::Part, false);
            assert_eq!(words.is_some(), text == "a\\$", "{text}");
        }
    }

    #[test]
    fn what_cannot_be_bounded_is_refused() {
        let check = |pattern: &str, expected: &str| {
            let problem = read(pattern, false).unwrap_err();
            assert!(
                problem.contains("at most 16384 bytes when compiled") && problem.ends_with(expected),
                "{problem}"
            );
        };
        check("(?:a{0,50}){0,50}b", "compiled regex exceeded size limit");
        check("(?:){4000000000}", "compiled regex exceeded size limit");
        check("a)(b", "found closing ')' without matching '('");
        check("(+x)", "must be applied to a sub-expression");
        check(&"(".repeat(100_000), "");
    }
}
