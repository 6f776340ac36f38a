//! Where both answers differ from the primary's, which of them is farther from it.
//!
//! Noise hides a defect: where every answer has another time or identifier, a wrong one differs as a right one does. But any function of the
//! primary's value and an answer's may measure how far they are apart; if the legs are exchangeable, and both are measured alike, the
//! candidate is the farther one as often as the control. Values are compared by what they are first: empty or not, a time or none, then
//! by their shape, then by distance, then by how much of the primary's text they keep.
//!
//! Where time makes the legs unlike, that coin would not be fair. Two times are no farther from the primary than each other unless they lie
//! apart by more than the calls could: see [`Lag`]. And a counter that each instance has for itself, or a name that it has, tells of the instance
//! and nothing of its answers: see [`Series`].

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

/// By how much the calls of an exchange may be apart, in microseconds: what the larger of their latencies is.
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
            (Self::Text(candidate), Self::Text(control)) => {
                let (more, less) = candidate.beside(control);
                let of = match (more, less) {
                    (1.., 0) => Differing::Candidate,
                    (0, 1..) => Differing::Control,
                    _ => Differing::Both,
                };
                let by = (of == Differing::Both).then(|| Side::of(more.cmp(&less))).flatten();
                Told { of, farther: by.map(|by| Farther { by: Some(by), values: None }), unseen: None }
            }
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
            return Some(Farther { by, values: Self::texts(candidate, control) });
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
        (by.is_some() || numbers.is_some()).then_some(Farther { by, values })
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
    let (own, others) = (pieces(primary), pieces(other));
    let head = own.iter().zip(&others).take_while(|(own, other)| own == other).count();
    let most = own.len().min(others.len()) - head;
    let ends = own.iter().rev().zip(others.iter().rev()).take(most);
    (own.len() - head - ends.take_while(|(own, other)| own == other).count()) as u64
}

/// Runs of letters, runs of digits, and each other character by itself.
fn pieces(text: &[u8]) -> Vec<&[u8]> {
    let head = text.get(..MAX_LOOKED_AT).unwrap_or(text);
    head.chunk_by(|one, next| Class::of(*one) == Class::of(*next) && Class::of(*one) != Class::Other)
        .collect()
}

/// Whether the values at one place tell of the answers, or of the instances that give them.
///
/// A number that keeps rising and hardly ever falls over the exchanges of a leg is a counter, a sequence or a time since something: the candidate's may be far
/// from the primary's because it has just started. A fall is one below the middle of what was seen before, so that exchanges which arrive out of
/// order are none. A few texts of each leg that no other leg has are names of instances: the candidate's may be far from the primary's because it is
/// deployed under another name. What is decided of an exchange is decided by those before it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Series {
    numbers: [Leg; 3],
    texts: [Few; 3],
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Leg {
    lowest: f64,
    highest: f64,
    seen: u32,
    /// How often it was higher than ever before.
    heights: u32,
    falls: u32,
}

/// The texts of a leg, by hash, as long as they are few.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Few {
    texts: Vec<u64>,
    seen: u32,
    many: bool,
}

/// What is known of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// Too few were seen.
    Unknown,
    /// It tells of instances.
    Instances,
    Free,
}

impl Series {
    /// The course so far of what is such a value.
    pub(crate) fn course(&self, of: Values) -> Course {
        match of {
            Values::Numbers(_) => self.of_numbers(),
            Values::Texts(_) => self.of_texts(),
        }
    }

    fn of_numbers(&self) -> Course {
        let [_, candidate, control] = &self.numbers;
        let each = self.numbers.map(Leg::course);
        if each.contains(&Course::Instances) {
            Course::Instances
        } else if each.contains(&Course::Unknown) {
            Course::Unknown
        } else if candidate.is_constant()
            && control.is_constant()
            && candidate.lowest.total_cmp(&control.lowest).is_ne()
        {
            // Each has a number of its own.
            if candidate.seen < FEWEST_SEEN { Course::Unknown } else { Course::Instances }
        } else {
            Course::Free
        }
    }

    fn of_texts(&self) -> Course {
        let [primary, candidate, control] = &self.texts;
        let meet = primary.meets(candidate) || primary.meets(control) || candidate.meets(control);
        match control.seen {
            _ if meet || candidate.many || control.many => Course::Free,
            0..FEWEST_SEEN => Course::Unknown,
            _ => Course::Instances,
        }
    }

    /// Takes the values of an exchange.
    pub(crate) fn take(&mut self, values: Values) {
        match values {
            Values::Numbers(numbers) => {
                self.numbers.iter_mut().zip(numbers).for_each(|(leg, number)| leg.take(number));
            }
            Values::Texts(texts) => {
                self.texts.iter_mut().zip(texts).for_each(|(leg, text)| leg.take(text));
            }
        }
    }

    /// Adds what another engine saw.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (own, other) in self.numbers.iter_mut().zip(other.numbers).filter(|(_, other)| other.seen > 0) {
            let first = own.seen == 0;
            *own = Leg {
                lowest: if first { other.lowest } else { own.lowest.min(other.lowest) },
                highest: if first { other.highest } else { own.highest.max(other.highest) },
                seen: own.seen.saturating_add(other.seen),
                heights: own.heights.saturating_add(other.heights),
                falls: own.falls.saturating_add(other.falls),
            };
        }
        for (own, other) in self.texts.iter_mut().zip(&other.texts) {
            let seen = own.seen.saturating_add(other.seen);
            other.texts.iter().for_each(|text| own.take(*text));
            own.many |= other.many;
            own.seen = seen;
        }
    }
}

impl Few {
    fn take(&mut self, text: u64) {
        self.seen = self.seen.saturating_add(1);
        if self.many || self.texts.contains(&text) {
            return;
        }
        self.many = self.texts.len() >= MOST_NAMES;
        if !self.many {
            self.texts.push(text);
        }
    }

    fn meets(&self, other: &Self) -> bool {
        self.texts.iter().any(|text| other.texts.contains(text))
    }
}

impl Leg {
    fn take(&mut self, number: f64) {
        if self.seen == 0 {
            (self.lowest, self.highest) = (number, number);
        }
        self.falls = self.falls.saturating_add((number < f64::midpoint(self.lowest, self.highest)).into());
        self.heights = self.heights.saturating_add((number > self.highest).into());
        self.lowest = self.lowest.min(number);
        self.highest = self.highest.max(number);
        self.seen = self.seen.saturating_add(1);
    }

    fn is_constant(&self) -> bool {
        self.lowest >= self.highest
    }

    fn course(self) -> Course {
        let falls_often = self.falls >= FEWEST_FALLS && self.falls.saturating_mul(8) >= self.seen;
        match self.seen {
            seen if seen >= FEWEST_ALIKE && self.is_constant() || falls_often => Course::Free,
            0..FEWEST_SEEN => Course::Unknown,
            seen if self.heights.saturating_mul(4) >= seen => Course::Instances,
            _ => Course::Free,
        }
    }
}

/// A Unix time in seconds from 2001 to 2099, …
const YEARS: std::ops::Range<f64> = 1e9..41e8;
/// … and how many of its units are in a second.
const UNITS: [f64; 4] = [1.0, 1e3, 1e6, 1e9];
/// Bytes of a text of which the shape and the pieces are looked at.
const MAX_LOOKED_AT: usize = 512;
/// More texts than these are no names of instances.
const MOST_NAMES: usize = 8;
const FEWEST_FALLS: u32 = 2;
/// As many of one value are none that rises.
const FEWEST_ALIKE: u32 = 3;
/// By then a value that is drawn has fallen twice.
const FEWEST_SEEN: u32 = 12;

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

    #[test]
    fn counters_tell_of_instances_and_not_of_answers() {
        let course = |each: &dyn Fn(u32) -> [f64; 3], exchanges: u32| {
            let mut series = Series::default();
            (0..exchanges).for_each(|number| series.take(Values::Numbers(each(number))));
            series.course(Values::Numbers([0.0; 3]))
        };
        let hash = |number: u32| f64::from(number.wrapping_mul(0x9e37_79b9) >> 20);
        let counter = |number: u32| [f64::from(number) + 5_000.0, f64::from(number), hash(number)];
        assert_eq!((course(&counter, 5), course(&counter, 100)), (Course::Unknown, Course::Instances));
        // Two of three exchanges arrive the wrong way round.
        let jitter = |number: u32| [f64::from(number ^ 3), f64::from(number ^ 1), hash(number)];
        assert_eq!(course(&jitter, 400), Course::Instances);
        let free = |number: u32| [hash(number), hash(number + 7), hash(number + 31)];
        assert_eq!((course(&free, 12), course(&free, 1_000)), (Course::Free, Course::Free));
        let zero = |number: u32| [hash(number), 0.0, hash(number + 31)];
        assert_eq!(course(&zero, 30), Course::Free, "what stays as it is counts nothing");
        let own = |number: u32| [hash(number), 3.0, 5.0];
        assert_eq!(course(&own, 30), Course::Instances, "each has a number of its own");
        let rare = |_: u32| [1.0, 0.0, 0.0];
        assert_eq!(course(&rare, 30), Course::Free, "both have the same");
    }

    #[test]
    fn names_of_instances_tell_of_instances() {
        let course = |each: &dyn Fn(u64) -> [u64; 3], exchanges: u64| {
            let mut series = Series::default();
            (0..exchanges).for_each(|number| series.take(Values::Texts(each(number))));
            series.course(Values::Texts([0; 3]))
        };
        let hosts = |number: u64| [100 + number % 5, 200 + number % 2, 300];
        assert_eq!((course(&hosts, 11), course(&hosts, 100)), (Course::Unknown, Course::Instances));
        let ids = |number: u64| [number * 3, u64::MAX, number * 3 + 1];
        assert_eq!(
            (course(&ids, 5), course(&ids, 9)),
            (Course::Unknown, Course::Free),
            "the candidate's is always one word"
        );
        let moods = |number: u64| [number % 3, 9, (number + 1) % 3];
        assert_eq!(course(&moods, 3), Course::Free, "the control has what the primary has");
    }
}
