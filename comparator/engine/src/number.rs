//! When two JSON numbers are the same number: by their digits, never through a float.
//!
//! A float holds 15 digits, so two 30-digit identifiers that differ would compare equal. `1`, `1.0`, `10e-1` are equal.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A hash that is equal for lexemes of equal value. `lexeme` follows the JSON grammar.
pub(crate) fn hash(lexeme: &[u8]) -> u64 {
    if is_plain(lexeme) {
        return xxh3_64_with_seed(lexeme, NUMBER);
    }
    match Value::of(lexeme) {
        None => xxh3_64_with_seed(lexeme, VAST),
        Some(value) => xxh3_64_with_seed(&value.digits, value.seed()),
    }
}

/// Whether two lexemes have equal values.
pub(crate) fn equal(left: &[u8], right: &[u8]) -> bool {
    match (Value::of(left), Value::of(right)) {
        (Some(left), Some(right)) => left == right,
        _ => left == right,
    }
}

/// Nothing but digits, and no zeros at either end: the digits are the value's, as most numbers of a body are written.
fn is_plain(lexeme: &[u8]) -> bool {
    let ends = [lexeme.first(), lexeme.last()];
    lexeme.iter().all(u8::is_ascii_digit)
        && ends.iter().all(|digit| digit.is_some_and(|&digit| digit != b'0'))
}

/// A number, each in one way only: digits without zeros at either end, and the power of ten of the last.
#[derive(Debug, PartialEq, Eq)]
struct Value<'a> {
    negative: bool,
    digits: Cow<'a, [u8]>,
    scale: i64,
}

impl<'a> Value<'a> {
    /// `None` for an exponent that is beyond 15 digits.
    fn of(lexeme: &'a [u8]) -> Option<Self> {
        let (negative, magnitude) = match lexeme.split_first() {
            Some((b'-', rest)) => (true, rest),
            _ => (false, lexeme),
        };
        let (mantissa, exponent) = split_exponent(magnitude);
        let (digits, fraction) = match mantissa.iter().position(|&byte| byte == b'.') {
            None => (Cow::Borrowed(mantissa), 0),
            Some(point) => {
                let (whole, fraction) = mantissa.split_at(point);
                let fraction = fraction.get(1..).unwrap_or_default();
                (Cow::Owned([whole, fraction].concat()), fraction.len())
            }
        };
        let scale = exponent? - i64::try_from(fraction).ok()?;
        Some(trimmed(negative, digits, scale))
    }

    fn seed(&self) -> u64 {
        let scale = self.scale.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        NUMBER ^ scale ^ u64::from(self.negative) << 63
    }
}

/// Zeros in front mean nothing, zeros behind are a matter of scale, and nothing but zeros is zero.
fn trimmed(negative: bool, mut digits: Cow<'_, [u8]>, scale: i64) -> Value<'_> {
    let zeros = |from: &mut dyn Iterator<Item = &u8>| from.take_while(|&&digit| digit == b'0').count();
    let front = zeros(&mut digits.iter());
    if front == digits.len() {
        return Value { negative: false, digits: Cow::Borrowed(&[]), scale: 0 };
    }
    let back = zeros(&mut digits.iter().rev());
    let end = digits.len() - back;
    digits = match digits {
        Cow::Borrowed(digits) => Cow::Borrowed(digits.get(front..end).unwrap_or_default()),
        Cow::Owned(digits) => Cow::Owned(digits.get(front..end).unwrap_or_default().to_vec()),
    };
    Value { negative, digits, scale: scale.saturating_add(i64::try_from(back).unwrap_or(i64::MAX)) }
}

/// Mantissa and exponent; no exponent if it is beyond 15 digits: such a number equals only its own lexeme.
fn split_exponent(magnitude: &[u8]) -> (&[u8], Option<i64>) {
    let Some(at) = magnitude.iter().position(|b| matches!(b, b'e' | b'E')) else {
        return (magnitude, Some(0));
    };
    let (mantissa, rest) = magnitude.split_at(at);
    let mut value = 0_i64;
    let mut digits = 0;
    for &byte in rest.iter().filter(|b| b.is_ascii_digit()) {
        digits += i32::from(digits > 0 || byte != b'0');
        value = value.saturating_mul(10).saturating_add(i64::from(byte - b'0'));
    }
    if digits > 15 {
        return (mantissa, None);
    }
    (mantissa, Some(if rest.contains(&b'-') { -value } else { value }))
}

const NUMBER: u64 = 1;
const VAST: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_and_different_ones() {
        let check = |left: &str, right: &str, equal: bool| {
            let (left, right) = (left.as_bytes(), right.as_bytes());
            assert_eq!(super::equal(left, right), equal, "{left:?} and {right:?}");
            assert_eq!(hash(left) == hash(right), equal, "hashes of {left:?} and {right:?}");
        };
        check("1", "1.0", true);
        check("100", "1e2", true);
        check("0.001", "1E-3", true);
        check("10e-1", "1", true);
        check("0", "-0.00e7", true);
        check("1e400", "10e399", true);
        check("1", "-1", false);
        check("1", "10", false);
        check("1.5", "15", false);
        check("0.5", "5", false);
        check("-0", "0.0", true);
        check("0", "0e5", true);
        check("1200", "12.00e2", true);
        check("123456789012345678901234567890", "123456789012345678901234567891", false);
        check("123456789012345678901234567890", "123456789012345678901234567890.0", true);
        check("1e99999999999999999999999", "1e99999999999999999999998", false);
        check("1e99999999999999999999999", "1e99999999999999999999999", true);
        check("1e-0000000000000000000002", "0.01", true);
        check("120034", "120034.0", true);
        check("120034", "-120034", false);
        check("120034", "1200340e-1", true);
        check("12003400", "120034", false);
    }
}
