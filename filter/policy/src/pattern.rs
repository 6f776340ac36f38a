//! Regular expressions with bounded work.
//!
//! The engine (regex-lite) never backtracks, so a match costs at most states × bytes. Both are capped: the compiled
//! pattern when the policy is read, the value when a request is decided.

use regex_lite::{Regex, RegexBuilder};

use crate::document::Field;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern(Regex);

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
            Ok(regex) => Some(Self(regex)),
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
        value.len() <= LONGEST_VALUE && self.0.is_match(&String::from_utf8_lossy(value))
    }
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
