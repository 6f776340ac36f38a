//! Where both answers differ from the primary's, which of them is farther from it.
//!
//! Noise hides a defect: where every answer has another time or identifier, a wrong one differs as a right one does. But any function of the
//! primary's value and an answer's may measure how far they are apart; if the legs are exchangeable, and both are measured alike, the
//! candidate is the farther one as often as the control. Values are compared by what they are first: empty or not, a time or none, then
//! by their shape, then by distance, then by how much of the primary's text they keep.
//!
//! Where time makes the legs unlike, that coin would not be fair. Two times are no farther from the primary than each other unless they lie
//! apart by more than the calls could: see [`Lag`]. Who is asked second may find a service that was just asked: see
//! [`Order`](crate::order::Order). And a counter that each instance has for itself, or a name that it has, tells of the instance
//! and nothing of its answers: see [`Series`](crate::series::Series).

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::json::Shape;
use crate::kind::Differing;
use crate::rules::{Instant, Value};
use crate::tokens::Changed;
use xxhash_rust::xxh3::xxh3_64;

/// How an answer lies to the primary's, at the places of one subject.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Measure {
    /// It was not asked for, or there is no more or less of it.
    #[default]
    None,
    /// Nobody can look into it.
    Unseen(Cause),
    Scalars(Distance),
    Text(Changed),
}

/// Why a difference at both legs cannot be looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// The body is longer than what the filter keeps of it.
    Cut,
    /// The body is neither text nor of a kind that is taken apart.
    Binary,
    /// The body could not be read: it nests too deep, is too long, or its encoding is unknown or broken.
    Unread,
    /// It tells of an instance: a number that never falls, as a counter or the time since it started, or one of few values that no other leg
    /// has, as a name.
    Instance,
}

/// How far scalars are from the primary's; of several that are counted together, the sums.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Distance {
    /// Of another kind: empty where the primary's is not, or no time where that is one.
    kinds: u64,
    /// Runs of digits, runs of letters and other characters that are more or fewer, and powers of two of the length.
    shapes: u64,
    far: f64,
    /// All are times: `far` is in microseconds, and that is how exact they are together.
    exact_us: Option<f64>,
    /// The primary's number and this one, if all are numbers.
    numbers: Option<(f64, f64)>,
    /// Hashes of the primary's text and this one, if all are texts.
    texts: Option<(u64, u64)>,
    /// Pieces of the primary's texts that are not kept.
    lost: u64,
}

/// By how much the answers of candidate and control may be apart, in microseconds: the larger of their latencies, and the gap between the
/// moments at which they were asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Lag(pub(crate) f64);

/// What two measures of one subject say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Told {
    /// Whose answer differs, if one leg changes what the other keeps.
    pub(crate) of: Differing,
    pub(crate) farther: Option<Farther>,
    /// Neither could be looked into.
    pub(crate) unseen: Option<Cause>,
}

/// Which leg is farther from the primary.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Farther {
    /// `None` where neither is.
    pub(crate) by: Option<Side>,
    /// Only the distance of times or numbers says so: they are of one kind and shape.
    pub(crate) by_magnitude: bool,
    /// What the legs have there, if that may tell of instances.
    pub(crate) values: Option<Values>,
}

/// What primary, candidate and control have at one place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Values {
    Numbers([f64; 3]),
    /// By hash.
    Texts([u64; 3]),
}

/// One of the shadow legs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Side {
    Candidate,
    Control,
}

impl Told {
    /// Of two texts: one leg changes what the other keeps, or both do, and one changes more.
    pub(crate) fn of_texts(candidate: &Changed, control: &Changed) -> Self {
        let (more, less) = candidate.beside(control);
        let of = match (more, less) {
            (1.., 0) => Differing::Candidate,
            (0, 1..) => Differing::Control,
            _ => Differing::Both,
        };
        let by = (of == Differing::Both).then(|| Side::of(more.cmp(&less))).flatten();
        let farther = by.map(|by| Farther { by: Some(by), by_magnitude: false, values: None });
        Self { of, farther, unseen: None }
    }

    /// Whether the candidate is the one that is farther.
    pub(crate) fn is_candidate_farther(&self) -> bool {
        self.farther.is_some_and(|farther| farther.by == Some(Side::Candidate))
    }
}

impl Measure {
    /// Of two scalars at one place; of what only one side has there is no more or less.
    pub(crate) fn of(left: Option<&Value<'_>>, right: Option<&Value<'_>>) -> Self {
        match (left, right) {
            (Some(left), Some(right)) if is_scalar(left) && is_scalar(right) => {
                Self::Scalars(Distance::of(left, right))
            }
            _ => Self::None,
        }
    }

    /// Whether it has the values themselves, and not only their hashes.
    pub(crate) fn shows_values(&self) -> bool {
        matches!(self, Self::Scalars(Distance { numbers: Some(_), .. }))
    }

    /// The same without the values themselves, of which the hashes are left: they are a secret's.
    pub(crate) fn hashed(self) -> Self {
        match self {
            Self::Scalars(distance) => {
                let hash = |number: f64| xxh3_64(&number.to_bits().to_le_bytes());
                let texts = distance.numbers.map(|(left, right)| (hash(left), hash(right)));
                Self::Scalars(Distance { numbers: None, texts: distance.texts.or(texts), ..distance })
            }
            other => other,
        }
    }

    /// Whether it is of times that lie no farther apart than the calls of an exchange may.
    pub(crate) fn is_within(&self, Lag(lag): Lag) -> bool {
        let Self::Scalars(distance) = self else { return false };
        distance.exact_us.is_some_and(|exact_us| distance.far <= lag + exact_us)
    }

    /// With another difference of the same subject.
    pub(crate) fn add(&mut self, other: impl FnOnce() -> Self) {
        if let Self::Scalars(own) = self {
            match other() {
                Self::Scalars(other) => *own = own.and(other),
                _ => *self = Self::None,
            }
        }
    }

    /// What the measures of a difference at both legs say.
    pub(crate) fn tell(candidate: &Self, control: &Self, lag: Lag) -> Told {
        let both = Told { of: Differing::Both, farther: None, unseen: None };
        match (candidate, control) {
            (Self::Scalars(candidate), Self::Scalars(control)) => {
                Told { farther: Distance::farther(candidate, control, lag), ..both }
            }
            (Self::Text(candidate), Self::Text(control)) => Told::of_texts(candidate, control),
            (Self::Unseen(cause), _) | (_, Self::Unseen(cause)) => Told { unseen: Some(*cause), ..both },
            _ => both,
        }
    }
}

impl Side {
    fn of(ordering: Ordering) -> Option<Self> {
        match ordering {
            Ordering::Greater => Some(Self::Candidate),
            Ordering::Less => Some(Self::Control),
            Ordering::Equal => None,
        }
    }

    pub(crate) fn differs(self) -> Differing {
        match self {
            Self::Candidate => Differing::Candidate,
            Self::Control => Differing::Control,
        }
    }
}

impl Distance {
    fn of(left: &Value<'_>, right: &Value<'_>) -> Self {
        if let Some(time) = time(left) {
            return match right.instant().filter(|other| other.is_spelled_as(time)) {
                Some(other) => Self {
                    far: (time.rank() - other.rank()).abs() * 1e6,
                    exact_us: Some(exact_us(left)),
                    ..Self::default()
                },
                None => Self { kinds: 1, ..Self::of_others(left, right) },
            };
        }
        Self::of_others(left, right)
    }

    fn of_others(left: &Value<'_>, right: &Value<'_>) -> Self {
        let kinds = u64::from(left.bytes().is_empty() != right.bytes().is_empty());
        if let (Some(own), Some(other)) = (number(left), number(right)) {
            return Self { kinds, far: (own - other).abs(), numbers: Some((own, other)), ..Self::default() };
        }
        let (own, other) = (Outward::of(left.bytes()), Outward::of(right.bytes()));
        Self {
            kinds,
            shapes: own.distance(other),
            lost: lost(left.bytes(), right.bytes()),
            texts: Some((xxh3_64(left.bytes()), xxh3_64(right.bytes()))),
            ..Self::default()
        }
    }

    fn and(self, other: Self) -> Self {
        let sum = |(a, b): (f64, f64), (c, d): (f64, f64)| (a + c, b + d);
        Self {
            kinds: self.kinds + other.kinds,
            shapes: self.shapes + other.shapes,
            far: self.far + other.far,
            exact_us: self.exact_us.zip(other.exact_us).map(|(one, another)| one + another),
            numbers: self.numbers.zip(other.numbers).map(|(one, another)| sum(one, another)),
            texts: self.texts.zip(other.texts).map(|((a, b), (c, d))| (a.wrapping_add(c), b.wrapping_add(d))),
            lost: self.lost + other.lost,
        }
    }

    fn farther(candidate: &Self, control: &Self, Lag(lag): Lag) -> Option<Farther> {
        let by_kind = candidate.kinds.cmp(&control.kinds).then(candidate.shapes.cmp(&control.shapes));
        if let by @ Some(_) = Side::of(by_kind) {
            return Some(Farther { by, by_magnitude: false, values: Self::texts(candidate, control) });
        }
        let tied = match (candidate.exact_us, control.exact_us) {
            (Some(one), Some(other)) => (candidate.far - control.far).abs() <= lag + one.max(other),
            _ => false,
        };
        let far = candidate.far.partial_cmp(&control.far).filter(|_| !tied).unwrap_or(Ordering::Equal);
        let by = Side::of(far.then(candidate.lost.cmp(&control.lost)));
        let numbers = candidate.numbers.zip(control.numbers);
        let numbers = numbers.map(|((primary, candidate), (_, control))| [primary, candidate, control]);
        let values = numbers.map(Values::Numbers).or_else(|| Self::texts(candidate, control));
        (by.is_some() || numbers.is_some()).then_some(Farther { by, by_magnitude: far.is_ne(), values })
    }

    fn texts(candidate: &Self, control: &Self) -> Option<Values> {
        let ((primary, candidate), (_, control)) = candidate.texts.zip(control.texts)?;
        Some(Values::Texts([primary, candidate, control]))
    }
}

fn is_scalar(value: &Value<'_>) -> bool {
    !matches!(value.shape(), Shape::Array | Shape::Object)
}

/// A number that is none written as a text. What no float holds is far from everything.
fn number(value: &Value<'_>) -> Option<f64> {
    let text = (value.shape() == Shape::Number).then(|| std::str::from_utf8(value.bytes()).ok()).flatten()?;
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// The value as a time, if it is more likely one than anything else.
fn time<'v>(value: &'v Value<'_>) -> Option<&'v Instant> {
    // Cheaper than to try each.
    let text = value.bytes();
    let possible = match value.shape() {
        Shape::Number => {
            number(value).is_some_and(|number| UNITS.iter().any(|unit| YEARS.contains(&(number / unit))))
        }
        Shape::Text => {
            matches!((text.get(3), text.get(4)), (Some(b','), _) | (_, Some(b'-'))) || is_digits(text)
        }
        _ => false,
    };
    if possible { value.instant().filter(|time| time.is_likely()) } else { None }
}

fn is_digits(text: &[u8]) -> bool {
    text.len() >= 10 && text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// One unit of the last place that a time is written with, in microseconds.
fn exact_us(time: &Value<'_>) -> f64 {
    let text = time.bytes();
    let behind = text.iter().position(|byte| *byte == b'.').and_then(|at| text.get(at + 1..));
    let places = behind.map_or(0, |behind| behind.iter().take_while(|byte| byte.is_ascii_digit()).count());
    let whole = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // A Unix time of thirteen digits counts milliseconds.
    let unit = if behind.is_none() && whole == text.len() {
        whole.saturating_sub(10).next_multiple_of(3)
    } else {
        0
    };
    1e6 / 10_f64.powi(i32::try_from(places + unit).unwrap_or(i32::MAX))
}

/// What a text looks like.
#[derive(Debug, Clone, Copy, Default)]
struct Outward {
    digits: u64,
    letters: u64,
    others: u64,
    length: u64,
}

impl Outward {
    fn of(text: &[u8]) -> Self {
        let mut seen = Self { length: u64::from((text.len() as u64 + 1).ilog2()), ..Self::default() };
        let mut before = None;
        for byte in text.iter().take(MAX_LOOKED_AT) {
            let class = Class::of(*byte);
            match class {
                Class::Other => seen.others += 1,
                _ if before == Some(class) => {}
                Class::Digit => seen.digits += 1,
                Class::Letter => seen.letters += 1,
            }
            before = Some(class);
        }
        seen
    }

    fn distance(self, other: Self) -> u64 {
        self.digits.abs_diff(other.digits)
            + self.letters.abs_diff(other.letters)
            + self.others.abs_diff(other.others)
            + self.length.abs_diff(other.length)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Digit,
    /// Whatever is not ASCII is taken for one.
    Letter,
    Other,
}

impl Class {
    fn of(byte: u8) -> Self {
        match byte {
            b'0'..=b'9' => Self::Digit,
            b'A'..=b'Z' | b'a'..=b'z' | 0x80.. => Self::Letter,
            _ => Self::Other,
        }
    }
}

/// How many pieces of the primary's text are kept neither at its beginning nor at its end.
fn lost(primary: &[u8], other: &[u8]) -> u64 {
    let count = pieces(primary).count();
    let head = pieces(primary).zip(pieces(other)).take_while(|(own, other)| own == other).count();
    if head == count {
        return 0;
    }
    let most = count.min(pieces(other).count()) - head;
    let ends = pieces(primary).rev().zip(pieces(other).rev()).take(most);
    (count - head - ends.take_while(|(own, other)| own == other).count()) as u64
}

/// Runs of letters, runs of digits, and each other character by itself.
fn pieces(text: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    let head = text.get(..MAX_LOOKED_AT).unwrap_or(text);
    head.chunk_by(|one, next| Class::of(*one) == Class::of(*next) && Class::of(*one) != Class::Other)
}

/// A Unix time in seconds from 2001 to 2099, …
const YEARS: std::ops::Range<f64> = 1e9..41e8;
/// … and how many of its units are in a second.
const UNITS: [f64; 4] = [1.0, 1e3, 1e6, 1e9];
/// Bytes of a text of which the shape and the pieces are looked at.
const MAX_LOOKED_AT: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(primary: &str, candidate: &str, control: &str, lag_us: f64) -> Option<Option<Side>> {
        let shape = |text: &str| if text.parse::<f64>().is_ok() { Shape::Number } else { Shape::Text };
        let value = |text: &'static str| Value::new(shape(text), text.as_bytes().into());
        let leak = |text: &str| value(Box::leak(text.to_owned().into_boxed_str()));
        let (primary, candidate, control) = (leak(primary), leak(candidate), leak(control));
        let measure = |other| Measure::of(Some(&primary), Some(other));
        let told = Measure::tell(&measure(&candidate), &measure(&control), Lag(lag_us));
        told.farther.map(|farther| farther.by)
    }

    fn check(primary: &str, candidate: &str, control: &str, expected: Option<Side>) {
        assert_eq!(
            told(primary, candidate, control, 5_000.0).flatten(),
            expected,
            "{primary} {candidate} {control}"
        );
        let turned = expected.map(|side| match side {
            Side::Candidate => Side::Control,
            Side::Control => Side::Candidate,
        });
        assert_eq!(
            told(primary, control, candidate, 5_000.0).flatten(),
            turned,
            "turned: {primary} {control} {candidate}"
        );
    }

    #[test]
    fn what_is_wrong_is_farther_than_what_is_only_another() {
        let far = Some(Side::Candidate);
        check("2026-11-29T11:10:00.100Z", "1970-01-01T00:00:00.000Z", "2026-11-29T11:50:00.000Z", far);
        check(
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:59:37 GMT",
            "Sun, 06 Nov 1994 08:49:40 GMT",
            None,
        );
        check(
            "Sun, 06 Nov 2024 08:49:37 GMT",
            "Sun, 06 Nov 2023 08:59:37 GMT",
            "Sun, 06 Nov 2024 08:49:40 GMT",
            far,
        );
        check("1700000000.25", "0", "1700000099.5", far);
        check(
            "f47ac10b-58cc-4372-a567-0e02b2c3d479",
            "undefined",
            "9b2d7c1e-1d3f-4a55-8c77-6f1e2d3c4b5a",
            far,
        );
        check(
            "https://cdn.shop.test/img/17.png",
            "http://localhost/img/99.png",
            "https://cdn.shop.test/img/23.png",
            far,
        );
        check("token", "", "other", far);
        check("10", "0", "11", far);
        check("red", "green", "blue", None);
        check("abc", "abd", "abe", None);
    }

    /// The candidate takes 3 ms longer, and stamps its answer by so much later.
    #[test]
    fn times_that_lie_no_farther_apart_than_the_calls_are_tied() {
        check("1700000000000", "1700000000007", "1700000000004", None);
        check("1700000000000", "1700000000027", "1700000000004", Some(Side::Candidate));
        check("2026-11-29T11:10:00Z", "2026-11-29T11:10:01Z", "2026-11-29T11:10:00Z", None);
        assert_eq!(told("1700000000000", "1700000000007", "1700000000004", 0.0), Some(Some(Side::Candidate)));
    }
}
