//! A share of requests, exact to a millionth of a percent: so fine that 0.5 requests in a million can be told apart,
//! and an integer, so that the share a person wrote is the share that is drawn.

use std::fmt;

use crate::document::{Field, Tree};

/// A share of requests in millionths of a percent, 0 to 100 000 000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// The share of no request.
    pub const NONE: Self = Self(0);
    /// The share of every request.
    pub const ALL: Self = Self(WHOLE);

    /// Whether a request with this random word belongs to the share: so many of all words do.
    pub fn draws(self, word: u64) -> bool {
        (u128::from(word) * u128::from(WHOLE)) >> 64 < u128::from(self.0)
    }

    /// The share in percent, 0 to 100.
    pub fn percent(self) -> f64 {
        f64::from(self.0) / MILLION
    }

    /// The share in millionths of a percent, 0 to 100 000 000.
    pub fn millionths(self) -> u32 {
        self.0
    }

    /// So many percent, 0 to 100 with at most 6 decimals.
    pub fn from_percent(percent: f64) -> Option<Self> {
        let millionths = percent * MILLION;
        if !(0.0..=100.0).contains(&percent) || (millionths - millionths.round()).abs() > ROUNDING {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0..=100 000 000")]
        Some(Self(millionths.round() as u32))
    }

    /// A percentage of at most 6 decimals.
    pub(crate) fn read_percent(field: &Field<'_>) -> Option<Self> {
        if let Some(number) = with_a_sign(field.tree()) {
            field.problem(format!("must be a number, which is in percent: write {number}"));
            return None;
        }
        let share = Self::from_percent(field.number(0.0..=100.0)?);
        if share.is_none() {
            field.problem("must have at most 6 decimals");
        }
        share
    }

    /// `{numerator, denominator}`, the denominator 100 unless given; rounded to the nearest share.
    pub(crate) fn read_fraction(field: &Field<'_>) -> Option<Self> {
        let map = field.map(&["numerator", "denominator"])?;
        let denominator =
            map.get("denominator").map_or(Some(100), |field| field.integer(1..=LARGEST_DENOMINATOR));
        let numerator_field = map.required("numerator");
        let numerator = numerator_field?.integer(0..=denominator?)?;
        let millionths = (numerator * u64::from(WHOLE) + denominator? / 2) / denominator?;
        u32::try_from(millionths).ok().map(Self)
    }
}

/// The number of `10%`, which is written as a text.
fn with_a_sign(tree: &Tree) -> Option<&str> {
    let Tree::Text(text) = tree else { return None };
    let number = text.strip_suffix('%')?.trim();
    number.parse::<f64>().ok().map(|_| number)
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.percent())
    }
}

/// 100 % in millionths of a percent.
const WHOLE: u32 = 100_000_000;
const MILLION: f64 = 1_000_000.0;
/// Far above what a double loses on the way (1.5e-8), far below the seventh decimal (0.1).
const ROUNDING: f64 = 1e-6;
/// Also keeps `numerator * WHOLE` within 64 bits.
const LARGEST_DENOMINATOR: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Problems;

    fn check(json: &str, expected: Result<u32, &str>) {
        let tree = Tree::from_json(json.as_bytes()).unwrap();
        let problems = Problems::default();
        let field = problems.root(&tree);
        let read = match tree {
            Tree::Map(_) => Share::read_fraction(&field),
            _ => Share::read_percent(&field),
        };
        let found = problems.finish(read).map_err(|invalid| invalid.to_string());
        assert_eq!(found.map(|share| share.0), expected.map_err(str::to_owned), "{json}");
    }

    #[test]
    fn percents_and_fractions() {
        check("0", Ok(0));
        check("100", Ok(WHOLE));
        check("12.5", Ok(12_500_000));
        check("99.999999", Ok(99_999_999));
        check("0.000001", Ok(1));
        check(r#""10%""#, Err("document is \"10%\", must be a number, which is in percent: write 10"));
        check(r#""0.5 %""#, Err("document is \"0.5 %\", must be a number, which is in percent: write 0.5"));
        check(r#""a%""#, Err("document is \"a%\", must be a number within 0..=100"));
        check("0.0000001", Err("document is 0.0000001, must have at most 6 decimals"));
        check("100.000001", Err("document is 100.000001, must be within 0..=100"));
        check(r#"{"numerator": 5, "denominator": 1000}"#, Ok(500_000));
        check(r#"{"numerator": 1, "denominator": 3}"#, Ok(33_333_333));
        check(r#"{"numerator": 7}"#, Ok(7_000_000));
        check(r#"{"numerator": 3, "denominator": 2}"#, Err("numerator is 3, must be within 0..=2"));
        check(
            r#"{"numerator": 1, "denominator": 0}"#,
            Err("denominator is 0, must be within 1..=1000000000"),
        );
    }

    #[test]
    fn nothing_and_everything_are_exact() {
        for word in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(!Share::NONE.draws(word) && Share::ALL.draws(word), "{word}");
        }
        let half = Share(WHOLE / 2);
        assert!(half.draws((1 << 63) - 1) && !half.draws(1 << 63));
    }
}
