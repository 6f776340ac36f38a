//! What a `map` or an `if` asks of a text, and the answer for each kind of text.

use regex_lite::{Regex, RegexBuilder};

use super::reading::Reading;
use super::request;
use super::value::{Piece, Text};
use super::when::When;

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

    /// When a text passes.
    pub(super) fn passes(&self, reading: &mut Reading<'_>, at: &str, text: &Text) -> When {
        let Text::Known(pieces) = text else { return When::unclear() };
        if let Some(plain) = text.plain() {
            return match self.known(plain) {
                Some(true) => When::always(),
                Some(false) => When::never(),
                None => self.too_involved(reading, at),
            };
        }
        if let [Piece::Asked(variable)] = pieces.as_slice() {
            return request::tested(reading, at, variable, self);
        }
        match self {
            Self::Equals(values, fold) => self.joined(reading, at, pieces, values, *fold),
            Self::Truthy => {
                let empty = [String::new(), "0".to_owned()];
                self.joined(reading, at, pieces, &empty, false).negated()
            }
            Self::Matches { .. } | Self::Below(_) | Self::Under(_) => self.too_involved(reading, at),
        }
    }

    /// Several variables that together are one of the values: every way of dividing the value among them.
    fn joined(
        &self,
        reading: &mut Reading<'_>,
        at: &str,
        pieces: &[Piece],
        values: &[String],
        fold: bool,
    ) -> When {
        let ways: Vec<_> = values.iter().flat_map(|value| divisions(pieces, value, fold)).collect();
        if ways.len() > MAX_DIVISIONS || pieces.len() > MAX_PIECES {
            return self.too_involved(reading, at);
        }
        let ways = ways.into_iter().map(|way| {
            let tests = way.into_iter().map(|(variable, part)| {
                request::tested(reading, at, &variable, &Self::Equals(vec![part], fold))
            });
            When::all(tests.collect::<Vec<_>>())
        });
        When::any(ways.collect::<Vec<_>>())
    }

    fn too_involved(&self, reading: &mut Reading<'_>, at: &str) -> When {
        let what = match self {
            Self::Matches { pattern, .. } => {
                format!("the pattern {pattern:?} of what several variables make together")
            }
            _ => "what several variables make together".to_owned(),
        };
        reading.note(
            at,
            format!("{what} is not carried over: the requests that it decides keep the old version"),
        );
        When::unclear()
    }
}

/// Every way in which the variables among the pieces can make up a value: variable and its part, in their order.
fn divisions(pieces: &[Piece], value: &str, fold: bool) -> Vec<Vec<(String, String)>> {
    let Some((piece, rest)) = pieces.split_first() else {
        return if value.is_empty() { vec![Vec::new()] } else { Vec::new() };
    };
    match piece {
        Piece::Literal(text) => match value.split_at_checked(text.len()) {
            Some((head, tail)) if head == text || (fold && head.eq_ignore_ascii_case(text)) => {
                divisions(rest, tail, fold)
            }
            _ => Vec::new(),
        },
        Piece::Asked(variable) => {
            let ends = value.char_indices().map(|(at, _)| at).chain([value.len()]);
            let ends = ends.filter(|end| !rest.is_empty() || *end == value.len());
            let parts = ends.filter_map(|end| value.split_at_checked(end));
            let ways = parts.flat_map(|(part, tail)| {
                divisions(rest, tail, fold)
                    .into_iter()
                    .map(move |way| [vec![(variable.clone(), part.to_owned())], way].concat())
            });
            ways.take(MAX_DIVISIONS + 1).collect()
        }
    }
}

/// Ways of dividing the values of one entry.
const MAX_DIVISIONS: usize = 64;
const MAX_PIECES: usize = 8;
/// Bytes of a compiled pattern that is run here.
const LARGEST_PATTERN: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_divided_among_variables_in_every_way() {
        let asked = |name: &str| Piece::Asked(name.to_owned());
        let colon = Piece::Literal(":".to_owned());
        let shown = |pieces: &[Piece], value: &str| {
            let ways = divisions(pieces, value, false).into_iter();
            let way = |way: Vec<(String, String)>| {
                way.iter().map(|(name, part)| format!("{name}={part}")).collect::<Vec<_>>().join(",")
            };
            ways.map(way).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(&[asked("a"), colon.clone(), asked("b")], "1:2"), "a=1,b=2");
        assert_eq!(shown(&[asked("a"), asked("b")], "11"), "a=,b=11 a=1,b=1 a=11,b=");
        assert_eq!(shown(&[colon, asked("a")], "1"), "");
    }

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
