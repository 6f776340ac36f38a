//! Numbers with digits in groups: of payment cards, with a valid check digit, and of persons.
//!
//! One in ten numbers has a valid check digit by chance, so the first digits must be a card network's, too. Times in milliseconds and
//! microseconds begin with none.

use std::ops::Range;

use super::kind::SecretKind;

/// The numbers in a text. At most 19 digits are looked at from each group on.
pub(super) fn found(text: &[u8]) -> Vec<(Range<usize>, SecretKind)> {
    let mut found = Vec::new();
    if text.iter().filter(|byte| byte.is_ascii_digit()).nth(FEWEST_DIGITS - 1).is_none() {
        return found;
    }
    let mut at = 0;
    while let Some(offset) = text.get(at..).unwrap_or_default().iter().position(u8::is_ascii_digit) {
        let start = at + offset;
        let number = starts_alone(text, start).then(|| card(text, start).or_else(|| person(text, start)));
        if let Some((end, kind)) = number.flatten() {
            found.push((start..end, kind));
            at = end;
        } else {
            at = start + digits(text, start).len();
        }
    }
    found
}

/// Digits from here on.
fn digits(text: &[u8], start: usize) -> &[u8] {
    let rest = text.get(start..).unwrap_or_default();
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    rest.get(..count).unwrap_or_default()
}

/// Whether no letter, digit or decimal point stands before it. An escape of a URL or of a string is none.
fn starts_alone(text: &[u8], start: usize) -> bool {
    let before = text.get(..start).unwrap_or_default();
    match before {
        [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
        [.., b'\\', b'n' | b't' | b'r'] => true,
        [.., digit, b'.'] => !digit.is_ascii_digit(),
        [.., byte] => !byte.is_ascii_alphanumeric(),
        [] => true,
    }
}

fn ends_alone(text: &[u8], end: usize) -> bool {
    match text.get(end..).unwrap_or_default() {
        [b'.', digit, ..] => !digit.is_ascii_digit(),
        [byte, ..] => !byte.is_ascii_alphanumeric(),
        [] => true,
    }
}

/// 13 to 19 digits, in groups that a blank or a dash parts.
fn card(text: &[u8], start: usize) -> Option<(usize, SecretKind)> {
    let mut number = Vec::with_capacity(MAX_DIGITS);
    let (mut longest, mut last) = (None, 0);
    let mut end = start;
    loop {
        let group = digits(text, end);
        if group.is_empty() || number.len() + group.len() > MAX_DIGITS {
            return longest;
        }
        // As they are embossed: four digits, then as many or more, and what is left.
        let parted =
            text.get(end + group.len()).is_some_and(|next| matches!(next, b' ' | b'-' | b'+' | b'%'));
        if number.is_empty() && parted && group.len() < 13 && group.len() != 4
            || !number.is_empty() && last < 4
        {
            return longest;
        }
        last = group.len();
        number.extend_from_slice(group);
        end += group.len();
        if is_card(&number) && ends_alone(text, end) {
            longest = Some((end, SecretKind::Card));
        }
        match text.get(end..).unwrap_or_default() {
            [b' ' | b'-' | b'+', ..] => end += 1,
            [b'%', b'2', b'0', ..] => end += 3,
            _ => return longest,
        }
    }
}

fn is_card(number: &[u8]) -> bool {
    let begins = |prefix: &[u8]| number.starts_with(prefix);
    let two = number.get(..2).unwrap_or_default();
    let fits = match number.len() {
        13 => begins(b"4"),
        14 => matches!(two, b"36" | b"38" | b"39" | b"30"),
        15 => matches!(two, b"34" | b"37" | b"21" | b"18"),
        16 => matches!(number.first(), Some(b'2'..=b'6' | b'9')),
        17..=MAX_DIGITS => matches!(number.first(), Some(b'4' | b'5' | b'6' | b'3')),
        _ => false,
    };
    fits && has_check_digit(number) && number.iter().any(|digit| Some(digit) != number.first())
}

/// The formula of Luhn (ISO/IEC 7812-1, annex B).
fn has_check_digit(number: &[u8]) -> bool {
    let sum: u32 = number.iter().rev().enumerate().fold(0, |sum, (at, digit)| {
        let digit = u32::from(digit.saturating_sub(b'0'));
        let doubled = digit * 2;
        sum + if at % 2 == 0 { digit } else { doubled / 10 + doubled % 10 }
    });
    sum.is_multiple_of(10)
}

/// A social security number of the USA, `078-05-1120`: 000, 666 and 900 to 999 are given to nobody, nor are 00 and 0000.
fn person(text: &[u8], start: usize) -> Option<(usize, SecretKind)> {
    let end = start + PERSON;
    let [a, b, c, first @ (b'-' | b' '), d, e, second, f, g, h, i] = text.get(start..end)? else {
        return None;
    };
    let all = [a, b, c, d, e, f, g, h, i].iter().all(|digit| digit.is_ascii_digit());
    let given = !matches!([a, b, c], [b'0', b'0', b'0'] | [b'6', b'6', b'6'] | [b'9', ..])
        && (*d, *e) != (b'0', b'0')
        && [f, g, h, i].iter().any(|digit| **digit != b'0');
    let alone = ends_alone(text, end) && text.get(end) != Some(&b'-');
    (all && given && alone && first == second).then_some((end, SecretKind::Person))
}

/// Of a person's number; a card's has more.
const FEWEST_DIGITS: usize = 9;
const MAX_DIGITS: usize = 19;
const PERSON: usize = 11;
