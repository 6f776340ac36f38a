//! The rules that are held against each difference, from the one that allows least to the one that allows most.
//!
//! They are the very rules that a person would declare, so what a guess explains, the pasted rule allows.

mod tally;

pub(crate) use tally::{Allowed, Tally, weight};

use std::sync::OnceLock;
use std::time::Duration;

use crate::json::Shape;
use serde::{Deserialize, Serialize};

use crate::kind::Kind;
use crate::rules::{Allow, Class, Decimal, Instant, Value};

/// One rule. The numbers are stored with the evidence: a new guess gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Guess {
    Anything = 0,
    Unordered = 1,
    NullIsAbsent = 2,
    IgnoreCase = 3,
    Uuid = 4,
    Id = 5,
    Number = 6,
    Time = 7,
    Second = 8,
    FiveSeconds = 9,
    Minute = 10,
    Hour = 11,
    Day = 12,
    Rounding = 13,
    Permille = 14,
    Percent = 15,
    FivePercent = 16,
    TenPercent = 17,
    Hundredth = 18,
    Tenth = 19,
    One = 20,
    Ten = 21,
}

/// Of several that explain the same, the first.
const PREFERRED: [Guess; 21] = [
    Guess::Unordered,
    Guess::NullIsAbsent,
    Guess::IgnoreCase,
    Guess::Uuid,
    Guess::Second,
    Guess::FiveSeconds,
    Guess::Minute,
    Guess::Hour,
    Guess::Day,
    Guess::Rounding,
    Guess::Permille,
    Guess::Percent,
    Guess::FivePercent,
    Guess::TenPercent,
    Guess::Hundredth,
    Guess::Tenth,
    Guess::One,
    Guess::Ten,
    Guess::Time,
    Guess::Id,
    Guess::Number,
];

/// Guesses of which each allows all that those before it do.
const LADDERS: [&[Guess]; 3] = [
    &[Guess::Second, Guess::FiveSeconds, Guess::Minute, Guess::Hour, Guess::Day],
    &[Guess::Rounding, Guess::Permille, Guess::Percent, Guess::FivePercent, Guess::TenPercent],
    &[Guess::Hundredth, Guess::Tenth, Guess::One, Guess::Ten],
];

/// Guesses that are on no ladder, and hold for values.
const SINGLE: [Guess; 6] =
    [Guess::NullIsAbsent, Guess::IgnoreCase, Guess::Uuid, Guess::Time, Guess::Id, Guess::Number];

/// Which guesses would allow a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Guesses(u32);

/// The guesses of one exchange, and the number of exchanges for which it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sampled {
    pub(crate) guesses: Guesses,
    pub(crate) weight: u64,
}

impl Guesses {
    /// Those that allow a difference of these values.
    pub(crate) fn of(kind: Kind, left: Option<&Value<'_>>, right: Option<&Value<'_>>) -> Self {
        match (kind, left, right) {
            (Kind::Order, ..) => Self::default().with(Guess::Unordered),
            (Kind::Value, Some(left), Some(right)) if !is_comparable(left, right) => Self::default(),
            (Kind::Value | Kind::Missing | Kind::Extra, ..) => {
                let allows = |guess: &Guess| guess.allows(kind, left, right);
                let single = SINGLE.iter().filter(|guess| allows(guess));
                let ladders = LADDERS.iter().flat_map(|ladder| upper_part(ladder, allows));
                single.chain(ladders).fold(Self::default(), |all, guess| all.with(*guess))
            }
            _ => Self::default(),
        }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Each, but of a ladder only the lowest step.
    fn lowest(self) -> impl Iterator<Item = Guess> {
        PREFERRED.into_iter().filter(move |guess| self.has(*guess)).filter(move |guess| {
            let ladder = LADDERS.iter().find(|ladder| ladder.contains(guess)).copied().unwrap_or_default();
            let lower = ladder.iter().take_while(|step| *step != guess);
            !lower.copied().any(|step| self.has(step))
        })
    }

    fn has(self, guess: Guess) -> bool {
        self.0 & 1 << guess.code() != 0
    }

    fn with(self, guess: Guess) -> Self {
        Self(self.0 | 1 << guess.code())
    }
}

impl Guess {
    fn code(self) -> u8 {
        self as u8
    }

    /// What the differences have in common that it allows.
    pub(crate) fn because(self) -> &'static str {
        match self {
            Self::Anything => "no narrower rule explains them",
            Self::Unordered => "the same elements, reordered",
            Self::NullIsAbsent => "null or absent",
            Self::IgnoreCase => "equal but for upper and lower case",
            Self::Uuid => "UUIDs",
            Self::Id => "identifiers",
            Self::Number => "numbers",
            Self::Time => "times",
            Self::Second | Self::FiveSeconds | Self::Minute | Self::Hour | Self::Day => {
                "times near each other"
            }
            Self::Rounding => "numbers rounded otherwise",
            Self::Permille | Self::Percent | Self::FivePercent | Self::TenPercent => "numbers in proportion",
            Self::Hundredth | Self::Tenth | Self::One | Self::Ten => "numbers near each other",
        }
    }

    /// The field of a rule that says it, and its value as JSON.
    pub(crate) fn field(self) -> (&'static str, &'static str) {
        match self {
            Self::Anything => ("ignore", "true"),
            Self::Unordered => ("array", "\"unordered\""),
            Self::NullIsAbsent => ("nullIsAbsent", "true"),
            Self::IgnoreCase => ("ignoreCase", "true"),
            Self::Uuid => ("like", "\"uuid\""),
            Self::Id => ("like", "\"id\""),
            Self::Number => ("like", "\"number\""),
            Self::Time => ("like", "\"time\""),
            Self::Second => ("time", "\"1s\""),
            Self::FiveSeconds => ("time", "\"5s\""),
            Self::Minute => ("time", "\"1m\""),
            Self::Hour => ("time", "\"1h\""),
            Self::Day => ("time", "\"1d\""),
            Self::Rounding => ("relative", "0.000000001"),
            Self::Permille => ("relative", "0.001"),
            Self::Percent => ("relative", "0.01"),
            Self::FivePercent => ("relative", "0.05"),
            Self::TenPercent => ("relative", "0.1"),
            Self::Hundredth => ("absolute", "0.01"),
            Self::Tenth => ("absolute", "0.1"),
            Self::One => ("absolute", "1"),
            Self::Ten => ("absolute", "10"),
        }
    }

    /// The rule; none for those that are of arrays.
    fn allow(self) -> Option<Allow> {
        let decimal = || Decimal::parse(self.field().1.as_bytes());
        let seconds = |seconds| Some(Allow::Time(Duration::from_secs(seconds)));
        match self {
            Self::Anything => Some(Allow::Ignore),
            Self::Unordered => None,
            Self::NullIsAbsent => Some(Allow::NullIsAbsent),
            Self::IgnoreCase => Some(Allow::IgnoreCase),
            Self::Uuid => Some(Allow::Like(Class::Uuid)),
            Self::Id => Some(Allow::Like(Class::Id)),
            Self::Number => Some(Allow::Like(Class::Number)),
            Self::Time => Some(Allow::Like(Class::Time)),
            Self::Second => seconds(1),
            Self::FiveSeconds => seconds(5),
            Self::Minute => seconds(60),
            Self::Hour => seconds(3_600),
            Self::Day => seconds(86_400),
            Self::Rounding | Self::Permille | Self::Percent | Self::FivePercent | Self::TenPercent => {
                decimal().map(Allow::Relative)
            }
            Self::Hundredth | Self::Tenth | Self::One | Self::Ten => decimal().map(Allow::Absolute),
        }
    }

    /// Whether the rule allows a difference of these values, and a person would think of it.
    fn allows(self, kind: Kind, left: Option<&Value<'_>>, right: Option<&Value<'_>>) -> bool {
        let rule = || rules().get(usize::from(self.code())).and_then(Option::as_ref);
        self.is_likely(left, right) && rule().is_some_and(|rule| rule.excuses(kind, left, right))
    }

    /// Whether it is what a person would think of for these values: not every number is a time or an identifier.
    fn is_likely(self, left: Option<&Value<'_>>, right: Option<&Value<'_>>) -> bool {
        let all = |holds: &dyn Fn(&Value<'_>) -> bool| left.is_none_or(holds) && right.is_none_or(holds);
        let bare = |value: &Value<'_>| value.bytes().iter().all(|b| b.is_ascii_digit() || *b == b'.');
        match self {
            Self::Time | Self::Second | Self::FiveSeconds | Self::Minute | Self::Hour | Self::Day => {
                all(&|value| !bare(value) || value.instant().is_some_and(Instant::is_likely))
            }
            Self::Id => all(&|value| value.number().is_none() || value.bytes().len() >= FEWEST_DIGITS),
            _ => true,
        }
    }
}

fn is_comparable(left: &Value<'_>, right: &Value<'_>) -> bool {
    left.shape() == right.shape() && matches!(left.shape(), Shape::Text | Shape::Number)
}

/// The steps of a ladder that allow a difference: from the lowest that does. The highest is asked first, for mostly none does.
fn upper_part(ladder: &'static [Guess], allows: impl Fn(&Guess) -> bool) -> &'static [Guess] {
    let lowest = ladder.last().filter(|highest| allows(highest)).and_then(|_| ladder.iter().position(allows));
    lowest.and_then(|lowest| ladder.get(lowest..)).unwrap_or_default()
}

/// The rule of each guess, by its code.
fn rules() -> &'static [Option<Allow>] {
    static RULES: OnceLock<Vec<Option<Allow>>> = OnceLock::new();
    RULES.get_or_init(|| {
        let mut rules = vec![None; PREFERRED.len() + 1];
        for guess in PREFERRED {
            if let Some(slot) = rules.get_mut(usize::from(guess.code())) {
                *slot = guess.allow();
            }
        }
        rules
    })
}

/// Digits of a number that is taken for an identifier rather than for a count.
const FEWEST_DIGITS: usize = 6;

#[cfg(test)]
mod tests;
