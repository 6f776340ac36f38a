//! Instants as answers spell them: RFC 3339, with or without an offset, the dates of HTTP, and Unix times as numbers.
//!
//! Two are only compared if they are spelled in the same way: `1700000000` and `1700000000000` differ in their unit, which is
//! a difference, and a time without an offset may be in any zone.

use std::sync::LazyLock;

use datealgo::{date_to_rd, days_in_month};

use super::decimal::Decimal;

/// A time, or none that can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instant {
    spelling: Spelling,
    /// Seconds since 1970, in the zone that the spelling has.
    seconds: Decimal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    Zoned,
    Local,
    Http,
    /// A number of units of 10^−n seconds.
    Unix(i64),
}

impl Instant {
    /// Reads a text of a body, a header or a cookie, or the digits of a number.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let first = text.first().filter(|_| text.len() <= MAX_LENGTH)?;
        match (first, text.get(4)) {
            (b'0'..=b'9', Some(b'-')) => internet_date(text),
            (b'0'..=b'9', _) => unix(text),
            _ => http_date(text),
        }
    }

    /// Both are spelled in one way and at most so far apart.
    pub(crate) fn is_within(&self, other: &Self, seconds: &Decimal) -> bool {
        self.spelling == other.spelling && self.seconds.is_within(&other.seconds, seconds)
    }

    pub(crate) fn is_spelled_as(&self, other: &Self) -> bool {
        self.spelling == other.spelling
    }

    pub(crate) fn rank(&self) -> f64 {
        self.seconds.rank()
    }

    /// From 2001 to 2099: a number outside is more likely a count of something.
    pub(crate) fn is_likely(&self) -> bool {
        static END: LazyLock<Option<Decimal>> = LazyLock::new(|| Decimal::of(4_100_000_000, b""));
        let is_before_end = || END.as_ref().is_some_and(|end| self.seconds.magnitude_cmp(end).is_lt());
        !self.seconds.is_below(9) && is_before_end()
    }
}

/// The unit of a Unix time is told by its size: from 1973 to the year 5138 they do not meet.
fn unix(text: &[u8]) -> Option<Instant> {
    let number = Decimal::parse(text)?;
    if number.is_below(8) {
        return None;
    }
    let (_, unit) =
        [(11, 0), (14, 3), (17, 6), (20, 9)].into_iter().find(|&(power, _)| number.is_below(power))?;
    Some(Instant { spelling: Spelling::Unix(unit), seconds: number.shifted(-unit) })
}

/// RFC 3339, section 5.6; the offset may be left out (ISO 8601).
fn internet_date(text: &[u8]) -> Option<Instant> {
    let (date, rest) = text.split_at_checked(10)?;
    let (clock, rest) = rest.split_at_checked(9)?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *date else { return None };
    let (b'T' | b't' | b' ', clock) = clock.split_first()? else { return None };
    let days = days(digits(&[y1, y2, y3, y4])?, digits(&[m1, m2])?, digits(&[d1, d2])?)?;
    let places = match rest.strip_prefix(b".") {
        Some(rest) => rest.iter().take_while(|b| b.is_ascii_digit()).count() + 1,
        None => 0,
    };
    let (fraction, zone) = rest.split_at_checked(places)?;
    let (spelling, offset) = match *zone {
        [] => (Spelling::Local, 0),
        [b'Z' | b'z'] => (Spelling::Zoned, 0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            let offset = (digits(&[h1, h2])? * 60 + digits(&[m1, m2])?) * 60;
            (Spelling::Zoned, if sign == b'-' { -offset } else { offset })
        }
        _ => return None,
    };
    let whole = days * 86_400 + time_of_day(clock)? - offset;
    seconds(whole, fraction).map(|seconds| Instant { spelling, seconds })
}

/// RFC 9110, section 5.6.7 (`Sun, 06 Nov 1994 08:49:37 GMT`), with dashes too, as cookies have them.
fn http_date(text: &[u8]) -> Option<Instant> {
    let (_, rest) = text.split_at_checked(5).filter(|(day, _)| day.ends_with(b", "))?;
    let (date, rest) = rest.split_at_checked(12)?;
    let [d1, d2, b' ' | b'-', month @ .., b' ' | b'-', y1, y2, y3, y4, b' '] = date else { return None };
    let (clock, zone) = rest.split_at_checked(8)?;
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let days = days(digits(&[*y1, *y2, *y3, *y4])?, i64::try_from(month).ok()?, digits(&[*d1, *d2])?)?;
    let known = matches!(zone, b" GMT" | b" UTC");
    let whole = days * 86_400 + time_of_day(clock)?;
    seconds(whole, b"").filter(|_| known).map(|seconds| Instant { spelling: Spelling::Http, seconds })
}

fn time_of_day(clock: &[u8]) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *clock else { return None };
    let hour = digits(&[h1, h2]).filter(|hour| *hour < 24)?;
    let minute = digits(&[m1, m2]).filter(|minute| *minute < 60)?;
    // A leap second is the next minute's first.
    let second = digits(&[s1, s2]).filter(|second| *second <= 60)?;
    Some((hour * 60 + minute) * 60 + second)
}

/// `fraction` is empty or a point with digits.
fn seconds(whole: i64, fraction: &[u8]) -> Option<Decimal> {
    let places = match fraction {
        [] => fraction,
        [_, places @ ..] => Some(places).filter(|places| !places.is_empty())?,
    };
    let magnitude = whole.unsigned_abs();
    if whole >= 0 {
        return Decimal::of(magnitude, places);
    }
    // Before 1970 the fraction goes the other way.
    Decimal::of(magnitude, b"")?.distance(&Decimal::of(0, places)?).map(Decimal::negated)
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, if that day exists.
pub(crate) fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let (year, month, day) = (i32::try_from(year).ok()?, u8::try_from(month).ok()?, u8::try_from(day).ok()?);
    let exists = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    exists.then(|| date_to_rd((year, month, day)).into())
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
}

/// The first three letters of each.
pub(crate) const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
/// Longer than any time that is written with nine places.
const MAX_LENGTH: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_times_are_apart() {
        let check = |left: &str, right: &str, seconds: &str, expected: bool| {
            let [l, r] =
                [left, right].map(|text| Instant::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}")));
            let seconds = Decimal::parse(seconds.as_bytes()).unwrap();
            assert_eq!(l.is_within(&r, &seconds), expected, "{left} {right}");
        };
        check("2026-02-04T20:00:00+08:00", "2026-02-04T12:00:05Z", "5", true);
        check("2026-02-04T20:00:00+0800", "2026-02-04T12:00:05.001Z", "5", false);
        check("2026-02-04 12:00:00", "2026-02-04T12:00:01.5", "1.5", true);
        check("2026-02-04T12:00:00", "2026-02-04T12:00:00Z", "5", false);
        check("Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 21 Oct 2026 07:28:03 GMT", "3", true);
        check("Wed, 21-Oct-2026 23:59:59 GMT", "Thu, 22 Oct 2026 00:00:00 GMT", "1", true);
        check("1700000000", "1700000005", "5", true);
        check("1700000000.25", "1700000000.75", "0.5", true);
        check("1700000000000", "1700000005001", "5", false);
        check("1700000000000", "1700000005000", "5", true);
        check("1700000000000000", "1700000000500000", "0.5", true);
        check("1700000000", "1700000000000", "100000000000000", false);
        check("1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "1", true);
        check("1969-12-31T23:59:59.9Z", "1969-12-31T23:59:59.1Z", "0.001", false);
        check("1969-12-31T23:59:59.9Z", "1969-12-31T23:59:59.1Z", "0.8", true);
        check("1965-02-04T12:00:00.25Z", "1965-02-04T12:00:00.75Z", "0.4", false);
        check("1969-12-31T23:59:59.75Z", "1970-01-01T00:00:00.25Z", "0.5", true);
        check("1969-12-31T23:59:59.75Z", "1970-01-01T00:00:00.25Z", "0.49", false);
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "5",
            "99999999",
            "1e400",
            "-1700000000",
            "2026-02-04",
            "2026-13-04T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-02-04T24:00:00Z",
            "2026-02-04T00:00:00.Z",
            "1969-02-04T00:00:00.Z",
            "2026-02-04T00:00:00+08",
            "2026-0a-04T00:00:00Z",
            "Wed, 21 Okt 2026 07:28:00 GMT",
            "Wed, 21 Oct 2026 07:28:00 CET",
            "yesterday",
            "NaN",
            "1700000000s",
        ] {
            assert_eq!(Instant::parse(text.as_bytes()), None, "{text}");
        }
        assert!(Instant::parse(b"1700000000").unwrap().is_likely());
        assert!(!Instant::parse(b"123456789").unwrap().is_likely());
    }
}
