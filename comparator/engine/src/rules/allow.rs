//! What one rule allows, and whether it excuses a difference of two values.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::time::Duration;

use super::Blur;
use super::class::Class;
use super::decimal::Decimal;
use super::instant::Instant;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::json::Shape;
use crate::kind::Kind;

/// How two values may differ that stand at one place. Numbers and times may also be written as texts, on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allow {
    /// They may differ in any way.
    Ignore,
    /// They are numbers at most so far apart.
    Absolute(Decimal),
    /// They are numbers whose distance is at most this share of the larger magnitude.
    Relative(Decimal),
    /// They are times of one spelling at most so far apart.
    Time(Duration),
    /// They are values of one class.
    Like(Class),
    /// They are texts that are equal once their letters are made lower case (Unicode).
    IgnoreCase,
    /// One is a member that is null, where the other side has none.
    NullIsAbsent,
    /// They may not differ at all: `1` and `1.0` are different here.
    ExactNumbers,
}

/// How the elements of an array are matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrays {
    /// Their order counts.
    Ordered,
    /// Their order does not count.
    Unordered,
    /// Elements answer to each other if their values of these members are equal. Their order does not count.
    By(Vec<String>),
}

/// A value of an answer, with what it can be read as; each is read at most once.
#[derive(Debug)]
pub(crate) struct Value<'v> {
    shape: Shape,
    text: Cow<'v, [u8]>,
    number: OnceCell<Option<Decimal>>,
    instant: OnceCell<Option<Instant>>,
}

impl Allow {
    /// Whether the rule alone makes a difference fine.
    pub(crate) fn excuses(&self, kind: Kind, left: Option<&Value<'_>>, right: Option<&Value<'_>>) -> bool {
        match (kind, left, right) {
            _ if *self == Self::Ignore => true,
            (Kind::Value, Some(left), Some(right)) => self.equates(left, right),
            (Kind::Missing, Some(value), None) | (Kind::Extra, None, Some(value)) => {
                *self == Self::NullIsAbsent && value.shape == Shape::Null
            }
            _ => false,
        }
    }

    /// Adds what the rule alone makes equal to a value.
    pub(crate) fn blur(&self, value: &Value<'_>, blur: &mut Blur) {
        let (class, rank) = match self {
            Self::Ignore => (Some(0), None),
            Self::Absolute(_) | Self::Relative(_) => {
                (value.number().map(|_| 1), value.number().map(Decimal::rank))
            }
            Self::Time(_) => (value.instant().map(|_| 2), value.instant().map(Instant::rank)),
            Self::Like(class) => (class.has_both(&value.text, &value.text).then_some(3), None),
            Self::IgnoreCase => {
                ((value.shape == Shape::Text).then(|| xxh3_64_with_seed(&folded(&value.text), 4)), None)
            }
            Self::NullIsAbsent => {
                blur.nothing |= value.shape == Shape::Null;
                (None, None)
            }
            Self::ExactNumbers => {
                ((value.shape == Shape::Number).then(|| xxh3_64_with_seed(&value.text, 5)), None)
            }
        };
        // The constants are below any hash that is met in practice: whoever allows most decides.
        blur.class = [blur.class, class].into_iter().flatten().min();
        blur.rank = blur.rank.or(rank);
    }

    fn equates(&self, left: &Value<'_>, right: &Value<'_>) -> bool {
        let scalars =
            matches!((left.shape, right.shape), (Shape::Text, Shape::Text) | (Shape::Number, Shape::Number));
        if !scalars {
            return false;
        }
        match self {
            Self::Absolute(most) => both(left.number(), right.number(), |l, r| l.is_within(r, most)),
            Self::Relative(share) => both(left.number(), right.number(), |l, r| l.is_within_share(r, share)),
            Self::Time(most) => {
                both(left.instant(), right.instant(), |l, r| l.is_within(r, &in_seconds(*most)))
            }
            Self::Like(class) => class.has_both(&left.text, &right.text),
            Self::IgnoreCase => left.shape == Shape::Text && equal_but_case(&left.text, &right.text),
            Self::Ignore | Self::NullIsAbsent | Self::ExactNumbers => false,
        }
    }
}

impl<'v> Value<'v> {
    /// `text` is the value's own, unescaped.
    pub(crate) fn new(shape: Shape, text: Cow<'v, [u8]>) -> Self {
        Self { shape, text, number: OnceCell::new(), instant: OnceCell::new() }
    }

    /// Of a header, a cookie or a whole body.
    pub(crate) fn text(text: &'v [u8]) -> Self {
        Self::new(Shape::Text, Cow::Borrowed(text))
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.text
    }

    pub(crate) fn number(&self) -> Option<&Decimal> {
        self.number.get_or_init(|| Decimal::parse(&self.text)).as_ref()
    }

    pub(crate) fn instant(&self) -> Option<&Instant> {
        self.instant.get_or_init(|| Instant::parse(&self.text)).as_ref()
    }
}

/// Without case, as [`Allow::IgnoreCase`] compares.
pub(crate) fn folded(text: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(text) {
        Ok(text) if !text.is_ascii() => text.to_lowercase().into_bytes(),
        _ => text.to_ascii_lowercase(),
    }
}

fn both<T>(left: Option<&T>, right: Option<&T>, holds: impl Fn(&T, &T) -> bool) -> bool {
    matches!((left, right), (Some(left), Some(right)) if holds(left, right))
}

fn equal_but_case(left: &[u8], right: &[u8]) -> bool {
    left.eq_ignore_ascii_case(right)
        || !(left.is_ascii() && right.is_ascii()) && folded(left) == folded(right)
}

fn in_seconds(duration: Duration) -> Decimal {
    let seconds = match duration.subsec_nanos() {
        0 => Decimal::of(duration.as_secs(), b""),
        nanos => Decimal::of(duration.as_secs(), format!("{nanos:09}").as_bytes()),
    };
    seconds.unwrap_or_else(Decimal::zero)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allow: &Allow, left: &str, right: &str, expected: bool) {
        let value = |text: &str| {
            let bare = text.trim_matches('"');
            let shape = if bare.len() < text.len() { Shape::Text } else { Shape::Number };
            Value::new(shape, bare.as_bytes().to_vec().into())
        };
        let (l, r) = (value(left), value(right));
        for (l, r) in [(&l, &r), (&r, &l)] {
            assert_eq!(allow.excuses(Kind::Value, Some(l), Some(r)), expected, "{allow:?} {left} {right}");
        }
    }

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn numbers_and_times_also_as_texts() {
        let cent = Allow::Absolute(decimal("0.01"));
        check(&cent, "1.00", "1.01", true);
        check(&cent, "\"1.00\"", "\"1.01\"", true);
        check(&cent, "\"1.00\"", "1.01", false);
        check(&cent, "\"NaN\"", "\"NaN \"", false);
        check(&cent, "1e400", "2e400", false);
        check(&Allow::Relative(decimal("0.05")), "1e400", "1.01e400", true);
        let five = Allow::Time(Duration::from_millis(5_500));
        check(&five, "1700000000", "1700000005", true);
        check(&five, "1700000000000", "1700000005501", false);
        check(&five, "\"2026-02-04T12:00:00Z\"", "\"2026-02-04T12:00:05.5Z\"", true);
    }

    #[test]
    fn case_and_nulls() {
        check(&Allow::IgnoreCase, "\"Straße\"", "\"STRAßE\"", true);
        check(&Allow::IgnoreCase, "\"ÄB\"", "\"äb\"", true);
        check(&Allow::IgnoreCase, "\"a\"", "\"b\"", false);
        let null = Value::new(Shape::Null, b"null".as_slice().into());
        assert!(Allow::NullIsAbsent.excuses(Kind::Missing, Some(&null), None));
        assert!(Allow::NullIsAbsent.excuses(Kind::Extra, None, Some(&null)));
        assert!(!Allow::NullIsAbsent.excuses(Kind::Extra, None, Some(&Value::text(b""))));
        assert!(!Allow::NullIsAbsent.excuses(Kind::Type, Some(&null), Some(&Value::text(b""))));
        assert!(Allow::Ignore.excuses(Kind::Length, None, None));
    }
}
