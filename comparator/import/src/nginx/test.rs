//! What a `map` or an `if` asks of a text, and the answer for a text that is known.

use regex_lite::{Regex, RegexBuilder};

/// What is asked of a text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Test {
    /// Whether it is one of these; the flag ignores case.
    Equals(Vec<String>, bool),
    /// Whether a pattern is found in it; `filled` if it must not be empty besides.
    Matches { pattern: String, fold: bool, filled: bool },
    /// Whether it is a name below this domain.
    Below(String),
    /// Whether it begins with this, in any case, and goes on.
    Under(String),
    /// Whether it is neither empty nor "0".
    Truthy,
}

impl Test {
    /// Whether a pattern is found in it.
    pub(super) fn matching(pattern: &str, fold: bool) -> Self {
        Self::Matches { pattern: pattern.to_owned(), fold, filled: false }
    }

    /// Whether a known text passes; `None` for a pattern that cannot be run here.
    pub(super) fn known(&self, text: &str) -> Option<bool> {
        let lower = text.to_ascii_lowercase();
        match self {
            Self::Equals(values, true) => Some(values.iter().any(|value| value.eq_ignore_ascii_case(text))),
            Self::Equals(values, false) => Some(values.iter().any(|value| value == text)),
            Self::Matches { filled: true, .. } if text.is_empty() => Some(false),
            Self::Matches { .. } => self.pattern().map(|regex| regex.is_match(text)),
            Self::Below(domain) => {
                Some(lower.len() > domain.len() + 1 && lower.ends_with(&format!(".{domain}")))
            }
            Self::Under(start) => Some(lower.len() > start.len() && lower.starts_with(start.as_str())),
            Self::Truthy => Some(!text.is_empty() && text != "0"),
        }
    }

    /// The pattern that it searches for; `None` if there is none, or none that can be run here.
    pub(super) fn pattern(&self) -> Option<Regex> {
        let Self::Matches { pattern, fold, .. } = self else { return None };
        RegexBuilder::new(pattern).case_insensitive(*fold).size_limit(LARGEST_PATTERN).build().ok()
    }
}

/// Bytes of a compiled pattern that is run here.
const LARGEST_PATTERN: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts() {
        let below = Test::Below("beta.example".to_owned());
        for (test, text, expected) in [
            (&below, "x.beta.example", true),
            (&below, "beta.example", false),
            (&below, ".beta.example", false),
            (&Test::Under("www.".to_owned()), "www.x", true),
            (&Test::Under("www.".to_owned()), "www.", false),
            (&Test::Truthy, "0", false),
            (&Test::matching("^$", false), "", true),
            (&Test::Matches { pattern: "^$".to_owned(), fold: false, filled: true }, "", false),
        ] {
            assert_eq!(test.known(text), Some(expected), "{test:?} {text}");
        }
        assert_eq!(Test::matching("(?!a)", false).known("b"), None);
    }
}
