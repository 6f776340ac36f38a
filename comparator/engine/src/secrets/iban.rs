//! Numbers of bank accounts (ISO 13616), with a valid checksum.

use std::ops::Range;

use super::kind::SecretKind;
use super::looks::begins_alone;

/// The account numbers in a text, in groups or in one piece.
pub(super) fn found(text: &[u8]) -> Vec<(Range<usize>, SecretKind)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = memchr_digit(text, at) {
        // Two letters stand before the check digits.
        let start = offset.saturating_sub(2);
        match end(text, start) {
            Some(end) if start >= at || found.is_empty() => {
                found.push((start..end, SecretKind::Account));
                at = end;
            }
            _ => at = offset + 1,
        }
    }
    found
}

fn memchr_digit(text: &[u8], from: usize) -> Option<usize> {
    text.get(from..)?.iter().position(u8::is_ascii_digit).map(|at| from + at)
}

/// Where the account number ends that begins here.
fn end(text: &[u8], start: usize) -> Option<usize> {
    let [a, b, c, d, ..] = text.get(start..)? else { return None };
    let form = a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && c.is_ascii_digit() && d.is_ascii_digit();
    if !form || !begins_alone(text, start) {
        return None;
    }
    let country = [a.to_ascii_uppercase(), b.to_ascii_uppercase()];
    let length = usize::from(LENGTHS.iter().find(|(known, _)| known.as_bytes() == country)?.1);
    let (mut number, mut at) = (Vec::with_capacity(length), start);
    while number.len() < length {
        match text.get(at..)? {
            [byte, ..] if byte.is_ascii_alphanumeric() => number.push(byte.to_ascii_uppercase()),
            [b' ' | b'-' | b'+', byte, ..] if byte.is_ascii_alphanumeric() && !number.is_empty() => {}
            [b'%', b'2', b'0', ..] => at += 2,
            _ => return None,
        }
        at += 1;
    }
    let alone = text.get(at).is_none_or(|next| !next.is_ascii_alphanumeric());
    (alone && has_checksum(&number)).then_some(at)
}

/// The first four characters at the end, letters as 10 to 35: the number leaves 1 when divided by 97.
fn has_checksum(number: &[u8]) -> bool {
    let (head, rest) = number.split_at_checked(4).unwrap_or_default();
    let remainder = rest.iter().chain(head).fold(0_u32, |remainder, byte| {
        if byte.is_ascii_digit() {
            (remainder * 10 + u32::from(byte - b'0')) % 97
        } else {
            (remainder * 100 + u32::from(byte.saturating_sub(b'A')) + 10) % 97
        }
    });
    remainder == 1
}

/// Lengths by country, of the registry of ISO 13616.
const LENGTHS: [(&str, u8); 79] = [
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NL", 18),
    ("NO", 15),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
];
