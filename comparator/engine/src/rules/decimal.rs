//! How far two decimal numbers are apart, by their digits, never through a float.
//!
//! A float holds 15 digits, so a tolerance of 1 would call any two 30-digit numbers equal, and 1e400 would be infinite.
//! What would take more digits than [`MAX_DIGITS`] to write out is never within a tolerance.

use std::cmp::Ordering;
use std::fmt;

use smallvec::SmallVec;

/// A decimal number: digits × 10^scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    /// Most significant first, without zeros at either end; none is zero.
    digits: Digits,
    scale: i64,
}

/// Most numbers of answers are this short, and need no memory of their own.
type Digits = SmallVec<[u8; 24]>;

impl Decimal {
    /// Reads a number by the grammar of JSON (RFC 8259, section 6). Returns `None` if the text is no number, has more than 1,000
    /// digits, or more than 15 in its exponent.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (negative, magnitude) = match text.split_first()? {
            (b'-', rest) => (true, rest),
            _ => (false, text),
        };
        let at = magnitude.iter().position(|b| matches!(b, b'e' | b'E')).unwrap_or(magnitude.len());
        let (mantissa, exponent) = magnitude.split_at(at);
        let exponent = if exponent.is_empty() { 0 } else { read_exponent(exponent.get(1..)?)? };
        let point = mantissa.iter().position(|&b| b == b'.').unwrap_or(mantissa.len());
        let (whole, places) = mantissa.split_at(point);
        let places = if places.is_empty() { places } else { non_empty(places.get(1..)?)? };
        let leading_zero = whole.len() > 1 && whole.first() == Some(&b'0');
        if leading_zero || non_empty(whole)?.len() + places.len() > MAX_DIGITS {
            return None;
        }
        let digits = whole.iter().chain(places).map(|b| b.is_ascii_digit().then(|| b - b'0'));
        let scale = exponent.checked_sub(i64::try_from(places.len()).ok()?)?;
        Some(Self::new(negative, digits.collect::<Option<_>>()?, scale))
    }

    /// 0.
    pub(crate) fn zero() -> Self {
        Self::new(false, Digits::new(), 0)
    }

    /// A whole number, and behind its point `places`, which are digits of ASCII. `None` if these are none, or more than a number may have.
    pub(crate) fn of(whole: u64, places: &[u8]) -> Option<Self> {
        let mut digits = Digits::new();
        let mut rest = whole;
        while rest > 0 {
            digits.push((rest % 10) as u8);
            rest /= 10;
        }
        digits.reverse();
        for place in places {
            digits.push(place.is_ascii_digit().then(|| place - b'0')?);
        }
        let scale = i64::try_from(places.len()).ok()?;
        (digits.len() <= MAX_DIGITS).then(|| Self::new(false, digits, -scale))
    }

    /// |`self` − `other`| ≤ `most`.
    pub(crate) fn is_within(&self, other: &Self, most: &Self) -> bool {
        self.distance(other).is_some_and(|distance| distance.magnitude_cmp(most).is_le())
    }

    /// |`self` − `other`| ≤ `share` × the larger magnitude of both.
    pub(crate) fn is_within_share(&self, other: &Self, share: &Self) -> bool {
        let larger = if self.magnitude_cmp(other).is_ge() { self } else { other };
        self.is_within(other, &larger.times(share))
    }

    /// The number times 10^`places`.
    pub(crate) fn shifted(mut self, places: i64) -> Self {
        self.scale = self.scale.saturating_add(places);
        self
    }

    /// The number with the other sign.
    pub(crate) fn negated(mut self) -> Self {
        self.negative = !self.negative && !self.digits.is_empty();
        self
    }

    /// Compares without the signs.
    pub(crate) fn magnitude_cmp(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            // No trailing zeros: of two that begin alike the longer is the larger.
            (false, false) => self.top().cmp(&other.top()).then_with(|| self.digits.cmp(&other.digits)),
        }
    }

    /// The nearest float, for an order among numbers and not for their equality.
    pub(crate) fn rank(&self) -> f64 {
        self.exact().unwrap_or_else(|| self.to_string().parse().unwrap_or_default())
    }

    /// The nearest float, if one operation on two that are exact finds it (Clinger 1990, "How to Read Floating Point Numbers Accurately").
    fn exact(&self) -> Option<f64> {
        let power = usize::try_from(self.scale.unsigned_abs()).ok().and_then(|scale| POWERS.get(scale))?;
        if self.digits.len() > EXACT_DIGITS {
            return None;
        }
        let digits = self.digits.iter().fold(0_u64, |sum, digit| sum * 10 + u64::from(*digit)) as f64;
        let magnitude = if self.scale < 0 { digits / power } else { digits * power };
        Some(if self.negative { -magnitude } else { magnitude })
    }

    /// Whether its magnitude is below 10^`power`.
    pub(crate) fn is_below(&self, power: i64) -> bool {
        self.digits.is_empty() || self.top() <= power
    }

    fn new(negative: bool, digits: Digits, scale: i64) -> Self {
        let mut new = Self { negative, digits, scale };
        while new.digits.last() == Some(&0) {
            new.digits.pop();
            new.scale = new.scale.saturating_add(1);
        }
        let zeros = new.digits.iter().take_while(|&&digit| digit == 0).count();
        if zeros > 0 {
            new.digits.drain(..zeros);
        }
        if new.digits.is_empty() {
            (new.negative, new.scale) = (false, 0);
        }
        new
    }

    /// One above the power of ten of the first digit.
    fn top(&self) -> i64 {
        self.scale.saturating_add(i64::try_from(self.digits.len()).unwrap_or(i64::MAX))
    }

    /// |`self` − `other`|, unless that takes too many digits.
    pub(crate) fn distance(&self, other: &Self) -> Option<Self> {
        if self.digits.is_empty() || other.digits.is_empty() {
            let other = if self.digits.is_empty() { other } else { self };
            return Some(Self { negative: false, ..other.clone() });
        }
        let scale = self.scale.min(other.scale);
        let width = usize::try_from(self.top().max(other.top()).checked_sub(scale)?).ok()?;
        if width > 2 * MAX_DIGITS {
            return None;
        }
        let (left, right) = (self.laid_out(scale, width)?, other.laid_out(scale, width)?);
        let digits = match (self.negative == other.negative, left >= right) {
            (false, _) => sum(&left, &right),
            (true, true) => remainder(&left, &right),
            (true, false) => remainder(&right, &left),
        };
        Some(Self::new(false, digits, scale))
    }

    /// `width` digits down to 10^`scale`.
    fn laid_out(&self, scale: i64, width: usize) -> Option<Digits> {
        let tail = usize::try_from(self.scale.checked_sub(scale)?).ok()?;
        let head = width.checked_sub(tail)?.checked_sub(self.digits.len())?;
        let zeros = |count| std::iter::repeat_n(0, count);
        Some(zeros(head).chain(self.digits.iter().copied()).chain(zeros(tail)).collect())
    }

    fn times(&self, other: &Self) -> Self {
        let mut product = vec![0_u32; self.digits.len() + other.digits.len()];
        for (i, &a) in self.digits.iter().rev().enumerate() {
            let mut carry = 0;
            for (j, b) in other.digits.iter().rev().copied().chain([0]).enumerate() {
                let Some(place) = product.get_mut(i + j) else { continue };
                let total = *place + u32::from(a) * u32::from(b) + carry;
                (*place, carry) = (total % 10, total / 10);
            }
        }
        let digits = product.iter().rev().map(|&digit| u8::try_from(digit).unwrap_or_default()).collect();
        Self::new(self.negative != other.negative, digits, self.scale.saturating_add(other.scale))
    }
}

/// With an exponent, unless it is 0; shorter that way, and exact.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits: String = self.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let sign = if self.negative { "-" } else { "" };
        match (digits.as_str(), self.scale) {
            ("", _) => f.write_str("0"),
            (digits, 0) => write!(f, "{sign}{digits}"),
            (digits, scale) => write!(f, "{sign}{digits}e{scale}"),
        }
    }
}

/// Of two of one length.
fn sum(left: &[u8], right: &[u8]) -> Digits {
    let mut carry = 0;
    let mut digits = Digits::with_capacity(left.len() + 1);
    for (a, b) in left.iter().zip(right).rev() {
        let total = a + b + carry;
        carry = total / 10;
        digits.push(total % 10);
    }
    digits.push(carry);
    digits.reverse();
    digits
}

/// `left` − `right`, of one length, `left` not the smaller.
fn remainder(left: &[u8], right: &[u8]) -> Digits {
    let mut borrow = 0;
    let mut digits = Digits::with_capacity(left.len());
    for (a, b) in left.iter().zip(right).rev() {
        let less = b + borrow;
        borrow = u8::from(*a < less);
        digits.push(a + 10 * borrow - less);
    }
    digits.reverse();
    digits
}

/// A sign or none, and digits.
fn read_exponent(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"+").or_else(|| text.strip_prefix(b"-")).unwrap_or(text);
    let zeros = digits.iter().take_while(|&&b| b == b'0').count();
    if non_empty(digits)?.len() - zeros > 15 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value =
        digits.iter().fold(0, |sum: i64, b| sum.saturating_mul(10).saturating_add(i64::from(b - b'0')));
    Some(if text.starts_with(b"-") { -value } else { value })
}

fn non_empty(text: &[u8]) -> Option<&[u8]> {
    (!text.is_empty()).then_some(text)
}

/// Most digits of a number that is compared within a tolerance.
const MAX_DIGITS: usize = 1_000;
/// Any number of so many digits is a float, …
const EXACT_DIGITS: usize = 15;
/// … and so are these powers of ten.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn distances() {
        let check = |left: &str, right: &str, most: &str, expected: bool| {
            let (l, r, most) = (decimal(left), decimal(right), decimal(most));
            assert_eq!(l.is_within(&r, &most), expected, "{left} {right} {most}");
            assert_eq!(r.is_within(&l, &most), expected, "{right} {left} {most}");
        };
        check("1", "1.01", "0.01", true);
        check("1", "1.010000001", "0.01", false);
        check("0.1", "0.3", "0.2", true);
        check("-1", "1", "2", true);
        check("-1", "1", "1.9", false);
        check("9.99", "10", "0.01", true);
        check("0", "-0.0", "0", true);
        check("0", "0.5", "0.4", false);
        check("123456789012345678901234567890", "123456789012345678901234567891", "1", true);
        check("123456789012345678901234567890", "123456789012345678901234567892", "1", false);
        check("1e400", "1e400", "0", true);
        check("1e400", "10e399", "0", true);
        check("1e400", "1.1e400", "1e300", false);
        check("1e400", "0", "1000", false);
        check("1e-400", "0", "0.001", true);
        check("1e900000000000", "1", "1000", false);
        check("1e900000000000", "1e900000000000", "0", true);
    }

    #[test]
    fn shares_are_of_the_larger() {
        let check = |left: &str, right: &str, share: &str, expected: bool| {
            let (l, r, share) = (decimal(left), decimal(right), decimal(share));
            assert_eq!(l.is_within_share(&r, &share), expected, "{left} {right} {share}");
            assert_eq!(r.is_within_share(&l, &share), expected, "{right} {left} {share}");
        };
        check("95", "100", "0.05", true);
        check("94.99", "100", "0.05", false);
        check("-95", "-100", "0.05", true);
        check("-1", "1", "1", false);
        check("0", "1e-300", "0.5", false);
        check("0", "0", "0.5", true);
        check("0.30000000000000004", "0.3", "0.000000001", true);
        check("1e400", "1.01e400", "0.05", true);
        check("1e400", "1.1e400", "0.05", false);
        check("99999999999999999999999999999999", "99999999999999999999999999999998", "1e-30", true);
        check("99999999999999999999999999999999", "99999999999999999999999999999998", "1e-33", false);
    }

    #[test]
    fn ranks_are_the_nearest_floats() {
        for text in [
            "0",
            "-0.5",
            "1700000000.25",
            "0.1",
            "0.3",
            "123456789012345",
            "999999999999999e22",
            "1e22",
            "1e23",
            "-1e-22",
            "1e-23",
            "0.30000000000000004",
            "1234567890123456",
            "1e400",
            "7e-400",
        ] {
            let expected: f64 = text.parse().unwrap();
            assert_eq!(decimal(text).rank(), expected, "{text}");
        }
    }

    #[test]
    fn wholes_and_places_make_a_number() {
        let check = |whole, places: &str, expected: &str| {
            assert_eq!(Decimal::of(whole, places.as_bytes()), Some(decimal(expected)), "{whole} {places}");
        };
        check(0, "", "0");
        check(0, "050", "0.05");
        check(1_700_000_000, "250", "1700000000.25");
        check(u64::MAX, "", "18446744073709551615");
        assert_eq!(Decimal::of(1, b"0x"), None);
        assert_eq!(Decimal::of(1, "0".repeat(MAX_DIGITS).as_bytes()), None);
    }

    #[test]
    fn magnitudes_are_below_powers_of_ten() {
        for (text, power, expected) in [
            ("0", -5, true),
            ("9.99", 1, true),
            ("10", 1, false),
            ("-100", 2, false),
            ("-99", 2, true),
            ("0.01", -2, false),
        ] {
            assert_eq!(decimal(text).is_below(power), expected, "{text} {power}");
        }
    }

    #[test]
    fn only_numbers_are_read() {
        let shown = |text: &str| Decimal::parse(text.as_bytes()).map(|read| read.to_string());
        for (text, expected) in
            [("0", "0"), ("-10.50", "-105e-1"), ("12E+3", "12e3"), ("0.0e9", "0"), ("7", "7")]
        {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
        let long = "1".repeat(MAX_DIGITS + 1);
        for text in [
            "",
            "-",
            "NaN",
            "Infinity",
            "1.",
            ".5",
            "01",
            "1e",
            "1e+",
            "+1",
            "0x1",
            " 1",
            "1e9999999999999999",
            &long,
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
