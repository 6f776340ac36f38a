//! What a text of the configuration can be worth: cases, of which the first that applies counts, and the last always does.
//!
//! The same cases say where requests go. A `split_clients` is an outcome of its own, whose parts are looked at one by one,
//! so that a map or an `if` over a draw is a draw again.

use super::when::When;

/// A part of a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    /// As it stands.
    Literal(String),
    /// A variable of the request.
    Asked(String),
}

/// A text as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Text {
    /// These, one behind the other.
    Known(Vec<Piece>),
    /// Could not be told, which a note says.
    Unknown,
}

/// What a case can lead to, and how it says that this could not be told.
pub(super) trait Unclear: Clone + PartialEq {
    fn unclear() -> Self;
}

/// One case.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Case<T> {
    /// When it applies, unless an earlier one does.
    pub(super) when: When,
    /// What is then.
    pub(super) outcome: Outcome<T>,
}

/// What is in one case.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome<T> {
    /// Always this.
    One(T),
    /// Drawn by the `split_clients` of this variable: weight and outcome of each of its parts, in its order.
    Drawn(String, Vec<(u64, T)>),
}

/// All cases of something.
pub(super) type Cases<T> = Vec<Case<T>>;

impl Text {
    /// A text without variables.
    pub(super) fn literal(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::Known(if text.is_empty() { Vec::new() } else { vec![Piece::Literal(text)] })
    }

    /// A variable of the request, and nothing else.
    pub(super) fn asked(name: impl Into<String>) -> Self {
        Self::Known(vec![Piece::Asked(name.into())])
    }

    /// The text, if it has no variables.
    pub(super) fn plain(&self) -> Option<&str> {
        match self {
            Self::Known(pieces) => match pieces.as_slice() {
                [] => Some(""),
                [Piece::Literal(text)] => Some(text),
                _ => None,
            },
            Self::Unknown => None,
        }
    }

    /// Both behind each other.
    fn followed_by(&self, other: &Self) -> Self {
        let (Self::Known(left), Self::Known(right)) = (self, other) else { return Self::Unknown };
        let mut pieces = left.clone();
        for piece in right {
            match (pieces.last_mut(), piece) {
                (Some(Piece::Literal(before)), Piece::Literal(text)) => before.push_str(text),
                _ => pieces.push(piece.clone()),
            }
        }
        Self::Known(pieces)
    }
}

impl Unclear for Text {
    fn unclear() -> Self {
        Self::Unknown
    }
}

impl<T: Unclear> Outcome<T> {
    /// What it is where a draw falls on its part `index`; an independent draw makes that unclear.
    fn at(&self, draw: &str, index: usize) -> T {
        match self {
            Self::One(outcome) => outcome.clone(),
            Self::Drawn(variable, parts) if variable == draw => {
                parts.get(index).map_or_else(T::unclear, |(_, outcome)| outcome.clone())
            }
            Self::Drawn(..) => T::unclear(),
        }
    }
}

impl Outcome<Text> {
    fn followed_by(&self, other: &Self) -> Self {
        let (draw, parts) = match (self, other) {
            (Self::One(a), Self::One(b)) => return Self::One(a.followed_by(b)),
            (Self::Drawn(draw, parts), _) | (_, Self::Drawn(draw, parts)) => (draw, parts),
        };
        let both = |(index, (weight, _)): (usize, &(u64, Text))| {
            (*weight, self.at(draw, index).followed_by(&other.at(draw, index)))
        };
        Self::Drawn(draw.clone(), parts.iter().enumerate().map(both).collect())
    }
}

/// The one case of what never changes.
pub(super) fn one<T>(outcome: T) -> Cases<T> {
    vec![Case { when: When::always(), outcome: Outcome::One(outcome) }]
}

/// The cases where `when` applies as well; they end without one that always does.
pub(super) fn guarded<T: Unclear>(when: &When, cases: &[Case<T>]) -> Cases<T> {
    let narrowed =
        cases.iter().map(|case| Case { when: when.and(&case.when), outcome: case.outcome.clone() });
    narrowed.filter(|case| !case.when.is_never()).collect()
}

/// Two texts behind each other.
pub(super) fn join(left: &[Case<Text>], right: &[Case<Text>]) -> Cases<Text> {
    let pairs = left.iter().flat_map(|a| right.iter().map(move |b| (a, b)));
    let joined = pairs
        .take(MAX_PAIRS)
        .map(|(a, b)| Case { when: a.when.and(&b.when), outcome: a.outcome.followed_by(&b.outcome) });
    tidy(joined.chain(one(Text::Unknown)))
}

/// What `of` makes of a text in each of its cases.
pub(super) fn looked_up<T: Unclear>(
    source: &[Case<Text>],
    mut of: impl FnMut(&Text) -> Cases<T>,
) -> Cases<T> {
    let mut cases = Vec::new();
    for case in source {
        let found = match &case.outcome {
            Outcome::One(text) => of(text),
            Outcome::Drawn(draw, parts) => {
                let parts = parts.iter().map(|(weight, text)| (*weight, of(text))).collect();
                by_part(draw, parts)
            }
        };
        cases.extend(guarded(&case.when, &found));
        if cases.len() > MAX_PAIRS {
            break;
        }
    }
    cases.extend(one(T::unclear()));
    tidy(cases)
}

/// `then` where the text passes, else `otherwise`.
pub(super) fn chosen<T: Unclear>(
    source: &[Case<Text>],
    mut passes: impl FnMut(&Text) -> When,
    then: &[Case<T>],
    otherwise: &[Case<T>],
) -> Cases<T> {
    looked_up(source, |text| {
        let when = passes(text);
        let mut cases = guarded(&when, then);
        if !when.is_always() {
            cases.extend(otherwise.iter().cloned());
        }
        cases
    })
}

/// A draw whose parts have cases of their own.
fn by_part<T: Unclear>(draw: &str, parts: Vec<(u64, Cases<T>)>) -> Cases<T> {
    let mut lists: Vec<Cases<T>> = Vec::new();
    let mut places = Vec::new();
    for (weight, cases) in parts {
        let place = lists.iter().position(|known| *known == cases).unwrap_or_else(|| {
            lists.push(cases);
            lists.len() - 1
        });
        places.push((weight, place));
    }
    // Where all parts are alike the draw decides nothing, and another one may.
    if let [only] = lists.as_slice() {
        return only.clone();
    }
    let mut combinations = vec![(When::always(), Vec::new())];
    for list in &lists {
        let longer = combinations.iter().flat_map(|(when, chosen)| {
            list.iter().map(move |case| {
                let chosen: Vec<&Outcome<T>> = [chosen.as_slice(), &[&case.outcome]].concat();
                (when.and(&case.when), chosen)
            })
        });
        combinations = longer.take(MAX_PAIRS).collect();
    }
    let drawn = |chosen: &[&Outcome<T>]| {
        let outcome = |(index, (weight, place)): (usize, &(u64, usize))| {
            (*weight, chosen.get(*place).map_or_else(T::unclear, |outcome| outcome.at(draw, index)))
        };
        let parts: Vec<(u64, T)> = places.iter().enumerate().map(outcome).collect();
        match parts.split_first() {
            Some(((_, first), rest)) if rest.iter().all(|(_, other)| other == first) => {
                Outcome::One(first.clone())
            }
            _ => Outcome::Drawn(draw.to_owned(), parts),
        }
    };
    let cases = combinations.iter().map(|(when, chosen)| Case { when: when.clone(), outcome: drawn(chosen) });
    tidy(cases.chain(one(T::unclear())))
}

/// Without what never applies, with neighbours of one outcome put together. What is too much to be written as rules is
/// unclear, from there to the end.
pub(super) fn tidy<T: Unclear>(cases: impl IntoIterator<Item = Case<T>>) -> Cases<T> {
    let mut kept: Cases<T> = Vec::new();
    let mut size = 0_usize;
    for case in cases {
        if case.when.is_never() {
            continue;
        }
        size = size.saturating_add(case.when.size());
        if size > MAX_SIZE || kept.len() >= MAX_CASES {
            kept.push(Case { when: When::always(), outcome: Outcome::One(T::unclear()) });
            return kept;
        }
        let ends = case.when.is_always();
        // What an earlier case takes, or keeps because it is unclear, never gets here.
        let taken = |earlier: &Case<T>| {
            case.when.is_within(&earlier.when, earlier.outcome == Outcome::One(T::unclear()))
        };
        let beyond = ends || !kept.iter().any(taken);
        match kept.last_mut() {
            Some(last) if last.outcome == case.outcome => {
                last.when = When::any([last.when.clone(), case.when]);
            }
            _ if beyond => kept.push(case),
            _ => {}
        }
        if ends {
            return kept;
        }
    }
    kept
}

/// Cases of one thing.
const MAX_CASES: usize = 128;
/// Cases that are looked at before they are put together.
const MAX_PAIRS: usize = 4096;
/// Tests in all conditions of one thing.
const MAX_SIZE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::{Condition, Predicate, Subject};

    fn drawn(name: &str, parts: &[(u64, &str)]) -> Cases<Text> {
        let parts = parts.iter().map(|(weight, text)| (*weight, Text::literal(*text))).collect();
        vec![Case { when: When::always(), outcome: Outcome::Drawn(name.to_owned(), parts) }]
    }

    fn cookie() -> When {
        When::exactly(Condition::Test(Subject::Cookie("a".to_owned()), Predicate::exact("1")))
    }

    #[test]
    fn a_choice_over_a_draw_is_a_draw() {
        let source = join(&one(Text::literal("0:")), &drawn("d", &[(1, "x"), (9, "y")]));
        let then = one(Text::literal("new"));
        let otherwise = one(Text::literal("old"));
        let passes = |text: &Text| {
            if text.plain() == Some("0:x") { When::always() } else { When::never() }
        };
        let expected = drawn("d", &[(1, "new"), (9, "old")]);
        assert_eq!(chosen(&source, passes, &then, &otherwise), expected);
        assert_eq!(chosen(&source, passes, &then, &then), then);
    }

    /// A test that holds for none of a draw's parts leaves what another draw decides as it is.
    #[test]
    fn a_draw_that_decides_nothing_hides_no_other() {
        let (d, e) = (drawn("d", &[(1, "x"), (1, "y")]), drawn("e", &[(1, "new"), (9, "old")]));
        assert_eq!(chosen(&d, |_| When::never(), &one(Text::literal("refused")), &e), e);
        assert_eq!(chosen(&d, |_| When::always(), &e, &one(Text::literal("refused"))), e);
    }

    #[test]
    fn draws_of_one_variable_agree_and_others_are_unclear() {
        let d = drawn("d", &[(1, "x"), (1, "y")]);
        assert_eq!(join(&d, &d), drawn("d", &[(1, "xx"), (1, "yy")]));
        let unclear = vec![(1, Text::Unknown), (1, Text::Unknown)];
        let [Case { outcome, .. }] = &join(&d, &drawn("e", &[(1, "x"), (1, "y")]))[..] else { panic!() };
        assert_eq!(*outcome, Outcome::Drawn("d".to_owned(), unclear));
    }

    #[test]
    fn a_condition_goes_before_the_draw_behind_it() {
        let forced =
            [guarded(&cookie(), &one(Text::literal("1"))), drawn("d", &[(1, "x"), (1, "1")])].concat();
        let passes = |text: &Text| {
            if text.plain() == Some("1") { When::always() } else { When::never() }
        };
        let (then, otherwise) = (one(Text::literal("new")), one(Text::literal("old")));
        let found = chosen(&forced, passes, &then, &otherwise);
        let expected = [guarded(&cookie(), &then), drawn("d", &[(1, "old"), (1, "new")])].concat();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_too_much_is_unclear_from_there_on() {
        let many = (0..500).map(|n| Case {
            when: When::exactly(Condition::Test(Subject::Cookie(format!("c{n}")), Predicate::exact("1"))),
            outcome: Outcome::One(Text::literal(format!("{n}"))),
        });
        let kept = tidy(many);
        assert_eq!(kept.len(), MAX_CASES + 1);
        assert_eq!(kept.last().unwrap().outcome, Outcome::One(Text::Unknown));
        assert!(kept.last().unwrap().when.is_always());
    }
}
