//! Whole numbers, and what they count.

/// `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 exchange`, `2,000 exchanges`.
pub(crate) fn exchanges(number: u64) -> String {
    many(number, "exchange")
}

/// So many of what is counted by adding an `s`.
pub(crate) fn many(number: u64, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {one}{ending}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_grouped() {
        for (number, expected) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567")]
        {
            assert_eq!(count(number), expected);
        }
    }

    #[test]
    fn plurals_are_right() {
        assert_eq!(
            [0, 1, 2, 1_000].map(exchanges),
            ["0 exchanges", "1 exchange", "2 exchanges", "1,000 exchanges"]
        );
    }
}
