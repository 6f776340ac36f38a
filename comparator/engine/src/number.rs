//! When two JSON numbers are the same number: by their digits, never through a float.
//!
//! A float holds 15 digits, so two 30-digit identifiers that differ would compare equal. `1`, `1.0`, `10e-1` are equal.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A hash that is equal for lexemes of equal value. `lexeme` follows the JSON grammar.
pub(crate) fn hash(lexeme: &[u8], scratch: &mut Vec<u8>) -> u64 {
    let (negative, magnitude) = match lexeme.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, lexeme),
    };
    let (mantissa, exponent) = split_exponent(magnitude);
    let Some(exponent) = exponent else { return xxh3_64_with_seed(lexeme, VAST) };
    scratch.clear();
    let mut scale = exponent;
    let mut fraction = false;
    for &byte in mantissa {
        if byte == b'.' {
            fraction = true;
            continue;
        }
        scale -= i64::from(fraction);
        if byte != b'0' || !scratch.is_empty() {
            scratch.push(byte);
        }
    }
    while scratch.last() == Some(&b'0') {
        scratch.pop();
        scale += 1;
    }
    if scratch.is_empty() {
        return ZERO;
    }
    scratch.push(if negative { b'-' } else { b'+' });
    scratch.extend(scale.to_le_bytes());
    xxh3_64_with_seed(scratch, NUMBER)
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
const ZERO: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_and_different_ones() {
        let check = |left: &str, right: &str, equal: bool| {
            let mut scratch = Vec::new();
            let same = hash(left.as_bytes(), &mut scratch) == hash(right.as_bytes(), &mut scratch);
            assert_eq!(same, equal, "{left} and {right}");
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
        check("123456789012345678901234567890", "123456789012345678901234567891", false);
        check("123456789012345678901234567890", "123456789012345678901234567890.0", true);
        check("1e99999999999999999999999", "1e99999999999999999999998", false);
        check("1e99999999999999999999999", "1e99999999999999999999999", true);
        check("1e-0000000000000000000002", "0.01", true);
    }
}
