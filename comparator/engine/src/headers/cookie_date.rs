//! The time of a cookie's `Expires`, as browsers read it (RFC 6265, 5.1.1).
//!
//! They take the parts of a date in any order, between any marks, and look at neither weekday nor zone. A stricter reading would
//! take a cookie that is deleted for one that is kept.

use crate::rules::{MONTHS, days};

/// Seconds since 1970; `None` if a browser could not read it and left it out.
pub(super) fn seconds(text: &[u8]) -> Option<f64> {
    let mut date = Date::default();
    for token in text.split(is_delimiter).filter(|token| !token.is_empty()) {
        date.take(token);
    }
    date.seconds()
}

#[derive(Default)]
struct Date {
    clock: Option<[i64; 3]>,
    day: Option<i64>,
    month: Option<i64>,
    year: Option<i64>,
}

impl Date {
    /// The first token that may be a part is that part.
    fn take(&mut self, token: &[u8]) {
        if let (None, Some(clock)) = (self.clock, clock(token)) {
            self.clock = Some(clock);
        } else if let (None, Some(day)) = (self.day, number(token, 1..=2)) {
            self.day = Some(day);
        } else if let (None, Some(month)) = (self.month, month(token)) {
            self.month = Some(month);
        } else if let (None, Some(year)) = (self.year, number(token, 2..=4)) {
            self.year = Some(year);
        }
    }

    fn seconds(&self) -> Option<f64> {
        let (month, [hour, minute, second]) = (self.month?, self.clock?);
        let year = match self.year? {
            year @ 0..=69 => year + 2_000,
            year @ 70..=99 => year + 1_900,
            year => year,
        };
        let date = days(year, month, self.day?)?;
        if year < OLDEST || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let of_day = i32::try_from((hour * 60 + minute) * 60 + second).ok()?;
        Some(f64::from(i32::try_from(date).ok()?) * 86_400.0 + f64::from(of_day))
    }
}

fn is_delimiter(byte: &u8) -> bool {
    matches!(byte, 0x09 | 0x20..=0x2f | 0x3b..=0x40 | 0x5b..=0x60 | 0x7b..=0x7e)
}

/// `8:49:37`, and what follows the last digit.
fn clock(token: &[u8]) -> Option<[i64; 3]> {
    let mut fields = token.splitn(3, |&byte| byte == b':');
    let mut whole = || fields.next().filter(|field| field.iter().all(u8::is_ascii_digit));
    let (hour, minute) = (number(whole()?, 1..=2)?, number(whole()?, 1..=2)?);
    Some([hour, minute, number(fields.next()?, 1..=2)?])
}

/// A month by the first three letters of its name.
fn month(token: &[u8]) -> Option<i64> {
    let name = token.get(..3)?;
    (1..).zip(MONTHS).find(|(_, known)| name.eq_ignore_ascii_case(known)).map(|(month, _)| month)
}

/// A token that begins with so many digits and no more.
fn number(token: &[u8], lengths: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let length = token.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let digits = token.get(..length).filter(|_| lengths.contains(&length))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The first whole year of the Gregorian calendar's first cycle; browsers leave out what is older.
const OLDEST: i64 = 1_601;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_browsers_do() {
        let check =
            |text: &str, expected: Option<f64>| assert_eq!(seconds(text.as_bytes()), expected, "{text}");
        for y2k in [
            "Sat, 01 Jan 2000 00:00:00 GMT",
            "Saturday, 01-Jan-00 00:00:00 GMT",
            "Sat, 1 Jan 2000 00:00:00 GMT",
            "Sat Jan  1 00:00:00 2000",
            "2000 january 1st 0:0:0z CET",
            "1/Jan/2000;00:00:00",
        ] {
            check(y2k, Some(946_684_800.0));
        }
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777.0));
        check("Thu, 31-Dec-69 23:59:59 GMT", Some(3_155_759_999.0));
        check("Thu, 01-Jan-70 00:00:01 GMT", Some(1.0));
        check("29 Feb 2024 12:00:00", Some(1_709_208_000.0));
        check("1 Jan 1601 00:00:00", Some(-11_644_473_600.0));
        for unread in [
            "",
            "tomorrow",
            "0",
            "2000-01-01T00:00:00Z",
            "29 Feb 2023 12:00:00",
            "31 Nov 2024 12:00:00",
            "0 Jan 2000 00:00:00",
            "1 Jan 2000 24:00:00",
            "1 Jan 2000 00:60:00",
            "1 Jan 2000 00:00:60",
            "1 Jan 2000 000:00:00",
            "1 Jan 2000 00:00",
            "1 Jan 20000 00:00:00",
            "1 Jan 1600 00:00:00",
            "1 Jan 9 00:00:00",
            "1 Ja 2000 00:00:00",
        ] {
            check(unread, None);
        }
    }
}
