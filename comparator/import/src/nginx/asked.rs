//! When a text passes a test: what is known is compared here, a variable of the request by a condition, several variables in every
//! way in which they make up the value.

use super::reading::Reading;
use super::test::Test;
use super::value::{Piece, Text};
use super::when::When;
use super::{cookie, query, request};
use crate::condition::Subject;

impl Test {
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
            return tested(reading, at, variable, self);
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
            let tests = way
                .into_iter()
                .map(|(variable, part)| tested(reading, at, &variable, &Self::Equals(vec![part], fold)));
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

/// A test of a variable of the request. What the request lacks is empty there, where here it is missing.
pub(super) fn tested(reading: &mut Reading<'_>, at: &str, variable: &str, test: &Test) -> When {
    match request::subject(variable) {
        _ if variable.eq_ignore_ascii_case("request_uri") => target(reading, at, test),
        Some(Subject::Cookie(name)) => cookie::tested(reading, at, &name, test),
        Some(Subject::Query(name)) => query::tested(reading, at, &name, test),
        Some(subject) => {
            if variable.eq_ignore_ascii_case("http_host") {
                reading.note(
                    at,
                    "$http_host has the port, if the client sends one, of which a policy sees nothing: \
                    the host alone is compared",
                );
            }
            request::plain(reading, at, &subject, test)
        }
        None => {
            let what = match variable {
                name if name.bytes().all(|byte| byte.is_ascii_digit()) => "a capture of a pattern".to_owned(),
                _ => "nothing that a policy can test".to_owned(),
            };
            reading.note(
                at,
                format!("${variable} is {what}: the requests that it decides keep the old version"),
            );
            When::unclear()
        }
    }
}

/// `$request_uri` has the query as well, which a policy does not test.
fn target(reading: &mut Reading<'_>, at: &str, test: &Test) -> When {
    let Test::Matches { pattern, fold, .. } = test else {
        reading.note(
            at,
            "$request_uri has the query as well, which a policy does not test: the requests with such a \
            path keep the old version",
        );
        let path = request::plain(reading, at, &Subject::Path, test);
        return if matches!(test, Test::Truthy) {
            When::always()
        } else {
            When::between(&When::never(), &path)
        };
    };
    let path = request::plain(reading, at, &Subject::Path, &Test::matching(pattern, *fold));
    let begins = pattern
        .strip_prefix('^')
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte)));
    if begins {
        return path;
    }
    reading.note(
        at,
        format!(
            "{pattern:?} may also be found in the query of $request_uri, which a policy does not test: the \
            requests in whose path it is not found keep the old version"
        ),
    );
    let whole = !pattern.contains(['$', '\\', '(']);
    let surely = if whole { path } else { When::never() };
    When::between(&surely, &When::always())
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
}
