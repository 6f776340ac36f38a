//! Instants as people write them in a policy: RFC 3339, always with an offset, so that no host's time zone matters.

use datealgo::{date_to_rd, days_in_month};

use crate::document::Field;

/// An instant, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Reads `2026-02-04T20:00:00+08:00` (RFC 3339, section 5.6); fractions of a second beyond microseconds are cut off. `None`
    /// if the text is no time, or has no offset.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (date, rest) = bytes.split_at_checked(10)?;
        let (clock, rest) = rest.split_at_checked(9)?;
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *date else { return None };
        let [b'T' | b't' | b' ', h1, h2, b':', n1, n2, b':', s1, s2] = *clock else { return None };
        let days = days(digits(&[y1, y2, y3, y4])?, digits(&[m1, m2])?, digits(&[d1, d2])?)?;
        let hour = digits(&[h1, h2]).filter(|hour| *hour < 24)?;
        let minute = digits(&[n1, n2]).filter(|minute| *minute < 60)?;
        // A leap second is the next minute's first.
        let second = digits(&[s1, s2]).filter(|second| *second <= 60)?;
        let (micros, zone) = fraction(rest)?;
        let local = ((days * 24 + hour) * 60 + minute) * 60 + second;
        Some(Self((local - offset(zone)?) * 1_000_000 + micros))
    }

    pub(crate) fn read(field: &Field<'_>) -> Option<Self> {
        let found = Self::parse(field.text()?);
        if found.is_none() {
            field.problem(
                "must be a time with its offset, such as 2026-02-04T20:00:00+08:00 or 2026-02-04T12:00:00Z",
            );
        }
        found
    }
}

/// From one instant to another, both included; an open end where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Window {
    /// A window with at least one end; an end before the beginning is noted at `until`.
    pub(crate) fn read(from: Option<&Field<'_>>, until: Option<&Field<'_>>) -> Option<Self> {
        let first = from.map(Timestamp::read);
        let last = until.map(Timestamp::read);
        if let (Some(Some(first)), Some(Some(last)), Some(field)) = (first, last, until)
            && last < first
        {
            field.problem("must not lie before the window's beginning");
            return None;
        }
        Some(Self { from: crate::document::optional(first)?, until: crate::document::optional(last)? })
    }

    pub(crate) fn contains(self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now <= until)
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, if that day exists.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let (year, month, day) = (i32::try_from(year).ok()?, u8::try_from(month).ok()?, u8::try_from(day).ok()?);
    let exists = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    exists.then(|| date_to_rd((year, month, day)).into())
}

/// `.5` as microseconds, and what follows.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = rest.strip_prefix(b".") else { return Some((0, rest)) };
    let end = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
    let (places, zone) = rest.split_at_checked(end)?;
    let micros = places.iter().chain(b"000000").take(6).fold(0, |sum, b| sum * 10 + i64::from(b - b'0'));
    (!places.is_empty()).then_some((micros, zone))
}

/// Seconds east of Greenwich.
fn offset(zone: &[u8]) -> Option<i64> {
    match *zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let hours = digits(&[h1, h2]).filter(|hours| *hours < 24)?;
            let minutes = digits(&[m1, m2]).filter(|minutes| *minutes < 60)?;
            let seconds = (hours * 60 + minutes) * 60;
            Some(if sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29t00:00:00z", Some(951_782_400)),
            ("2026-02-04T20:00:00+08:00", Some(1_770_206_400)),
            ("2026-02-04T12:00:00Z", Some(1_770_206_400)),
            ("1969-12-31T23:59:59Z", Some(-1)),
            ("9999-12-31T23:59:59-23:59", Some(253_402_387_139)),
            ("2026-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-02-04T24:00:00Z", None),
            ("2026-02-04T20:00:00", None),
            ("2026-02-04", None),
            ("2026-02-04T20:00:00.Z", None),
            ("２０２６-02-04T20:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(Timestamp::parse(text), seconds.map(|s: i64| Timestamp(s * 1_000_000)), "{text}");
        }
        assert_eq!(Timestamp::parse("1970-01-01T00:00:01.25Z"), Some(Timestamp(1_250_000)));
        assert_eq!(Timestamp::parse("1970-01-01T00:00:00.1234567Z"), Some(Timestamp(123_456)));
    }
}
