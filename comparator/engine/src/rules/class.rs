//! Kinds of values of which any two are equal: identifiers that are drawn anew, times, whatever an expression matches.
//!
//! The expression engine (regex-lite) never backtracks, so a match costs at most states × bytes. Both are capped.

use regex_lite::{Regex, RegexBuilder};

use super::decimal::Decimal;
use super::instant::Instant;
use crate::endpoint;

/// A class of values. Two of one class are equal; one of it and one that is not differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Class {
    /// UUIDs, which are 8-4-4-4-12 hexadecimal digits.
    Uuid,
    /// Identifiers, as endpoints fold them to `{id}`: digits, a UUID, a hash, a token, a long mixed identifier.
    Id,
    /// Numbers, bare or as a text.
    Number,
    /// Times of RFC 3339, HTTP or Unix, both of the same spelling.
    Time,
    /// Values that an expression matches from their beginning to their end.
    Matching(Expression),
}

/// A regular expression whose work is bounded.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    regex: Regex,
}

impl Class {
    /// Whether both values are of the class.
    pub(crate) fn has_both(&self, left: &[u8], right: &[u8]) -> bool {
        match self {
            Self::Uuid => endpoint::is_uuid(left) && endpoint::is_uuid(right),
            Self::Id => endpoint::is_identifier(left) && endpoint::is_identifier(right),
            Self::Number => Decimal::parse(left).is_some() && Decimal::parse(right).is_some(),
            Self::Time => match (Instant::parse(left), Instant::parse(right)) {
                (Some(left), Some(right)) => left.is_spelled_as(&right),
                _ => false,
            },
            Self::Matching(expression) => expression.matches(left) && expression.matches(right),
        }
    }
}

impl Expression {
    /// Compiles an expression in Rust's syntax. The syntax is checked on the text as written, so that `a)(b` cannot escape its
    /// anchors.
    ///
    /// # Errors
    /// Returns what is wrong with it, in the words of the compiler, also if it has more than 16 KiB when compiled.
    pub fn new(text: &str) -> Result<Self, String> {
        let compile = |text: &str| {
            RegexBuilder::new(text).size_limit(LARGEST).build().map_err(|error| error.to_string())
        };
        compile(text)?;
        Ok(Self { text: text.to_owned(), regex: compile(&format!("^(?:{text})$"))? })
    }

    /// Bytes that are not UTF-8 match as U+FFFD; a value over the cap does not match.
    fn matches(&self, value: &[u8]) -> bool {
        value.len() <= LONGEST && self.regex.is_match(&String::from_utf8_lossy(value))
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Expression {}

/// Bytes of a compiled expression.
const LARGEST: usize = 16 * 1024;
/// Bytes of a value that an expression is held against.
const LONGEST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        let check = |class: &Class, left: &str, right: &str, expected: bool| {
            assert_eq!(
                class.has_both(left.as_bytes(), right.as_bytes()),
                expected,
                "{class:?} {left} {right}"
            );
            assert_eq!(
                class.has_both(right.as_bytes(), left.as_bytes()),
                expected,
                "{class:?} {right} {left}"
            );
        };
        let (a, b) = ("550e8400-e29b-41d4-a716-446655440000", "00000000-0000-0000-0000-00000000000A");
        check(&Class::Uuid, a, b, true);
        check(&Class::Uuid, a, "550e8400e29b41d4a716446655440000", false);
        check(&Class::Id, a, "1234", true);
        check(&Class::Id, "9f86d081884c7d659a2feaa0c55ad015", "dQw4w9WgXcQ1a2b3", true);
        check(&Class::Id, "1234", "pending", false);
        check(&Class::Number, "1e400", "-0.5", true);
        check(&Class::Number, "1", "NaN", false);
        check(&Class::Time, "2026-02-04T12:00:00Z", "1999-01-01T00:00:00Z", true);
        check(&Class::Time, "2026-02-04T12:00:00Z", "1700000000", false);
        let build = Class::Matching(Expression::new("build-[0-9]+").unwrap());
        check(&build, "build-1", "build-22", true);
        check(&build, "build-1", "build-x", false);
        check(&build, "build-1", "a build-1", false);
        check(&Class::Matching(Expression::new("a|b").unwrap()), "a", "ab", false);
        let any = Class::Matching(Expression::new("a*").unwrap());
        check(&any, "a", &"a".repeat(LONGEST), true);
        check(&any, "a", &"a".repeat(LONGEST + 1), false);
    }

    #[test]
    fn what_cannot_be_bounded_is_refused() {
        for text in ["(", "a)(b", "(?:a{0,50}){0,50}b", "(?:){4000000000}"] {
            assert!(Expression::new(text).is_err(), "{text}");
        }
    }
}
