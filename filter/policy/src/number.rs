//! Numbers in values: whole ones exactly, others as doubles. What is no number compares with nothing.

use std::cmp::Ordering;

use crate::document::{Field, Tree};

/// A bound that a value is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Number {
    Whole(i64),
    Decimal(f64),
}

impl Number {
    /// Any number that a document can hold.
    pub(crate) fn read(field: &Field<'_>) -> Option<Self> {
        match field.tree() {
            Tree::Integer(value) => Some(Self::Whole(*value)),
            Tree::Float(value) => Some(Self::Decimal(*value)),
            _ => {
                field.problem("must be a number");
                None
            }
        }
    }

    /// How a value compares with this; `None` if it is no number.
    pub(crate) fn order(self, value: &[u8]) -> Option<Ordering> {
        if value.len() > LONGEST_NUMBER {
            return None;
        }
        if let (Some(value), Self::Whole(bound)) = (whole(value), self) {
            return Some(value.cmp(&bound));
        }
        let bound = match self {
            #[expect(clippy::cast_precision_loss, reason = "only beside a value that is not whole either")]
            Self::Whole(bound) => bound as f64,
            Self::Decimal(bound) => bound,
        };
        decimal(value)?.partial_cmp(&bound)
    }
}

/// A whole number: a sign or none, then digits, within 64 bits.
pub(crate) fn whole(value: &[u8]) -> Option<i64> {
    if value.len() > LONGEST_NUMBER {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// A number as in JSON: decimal notation with or without exponent; no blanks, no words for infinity.
fn decimal(value: &[u8]) -> Option<f64> {
    let ends = [value.first(), value.last()];
    let bare = ends.iter().all(|end| end.is_some_and(|b| !b.is_ascii_whitespace()));
    serde_json::from_slice(value).ok().filter(|_| bare)
}

/// Bytes of a number: a longer value is none.
pub(crate) const LONGEST_NUMBER: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_compare_as_numbers() {
        use Ordering::{Equal, Greater, Less};
        for (value, bound, expected) in [
            ("21", Number::Whole(20), Some(Greater)),
            ("-1", Number::Whole(0), Some(Less)),
            ("007", Number::Whole(7), Some(Equal)),
            ("9007199254740993", Number::Whole(9_007_199_254_740_992), Some(Greater)),
            ("10.9", Number::Whole(11), Some(Less)),
            ("1e3", Number::Decimal(1000.0), Some(Equal)),
            ("99999999999999999999", Number::Whole(1), Some(Greater)),
            ("", Number::Whole(0), None),
            ("1 ", Number::Whole(0), None),
            ("1.5\t", Number::Whole(0), None),
            (" 1", Number::Whole(0), None),
            ("many", Number::Whole(0), None),
            ("inf", Number::Whole(0), None),
            ("NaN", Number::Decimal(0.0), None),
            ("0x10", Number::Whole(0), None),
        ] {
            assert_eq!(bound.order(value.as_bytes()), expected, "{value}");
        }
        let zeros = |count| [vec![b'0'; count], b"7".to_vec()].concat();
        assert_eq!((whole(&zeros(LONGEST_NUMBER - 1)), whole(&zeros(LONGEST_NUMBER))), (Some(7), None));
        assert_eq!(Number::Decimal(1.0).order(&[b'1'; LONGEST_NUMBER + 1]), None);
        assert_eq!((whole(b"-5"), whole(b"10.9"), whole(b"\xff")), (Some(-5), None, None));
    }
}
