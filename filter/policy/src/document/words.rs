//! Names, numbers and spans of time as documents and messages write them.

use std::time::Duration;

/// Bytes of a name.
pub(crate) const MAX_NAME: usize = 63;

/// Whether a text is a name as [`super::Field::name`] reads it.
pub fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Parses `250ms`, `2s`, `15m`, `24h` or `14d`; `None` for anything else, and for what is too long to count.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

/// Decimal notation with up to nine places: the formatting of the standard library would be 30 KB of the filter's module.
pub(super) fn decimal(value: f64) -> String {
    if value.abs() >= 1e18 {
        return "a number of 10^18 or more".to_owned();
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "below 10^18, and not negative"
    )]
    let (whole, places) = (value.abs().trunc() as u64, (value.abs().fract() * 1e9).round() as u64);
    let (whole, places) = if places == 1_000_000_000 { (whole + 1, 0) } else { (whole, places) };
    let sign = if value < 0.0 { "-" } else { "" };
    let places = format!("{places:09}");
    match places.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        places => format!("{sign}{whole}.{places}"),
    }
}

/// Whole seconds, else milliseconds.
pub(super) fn span(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}

/// `; did you mean "percent"?` if a known name is near enough, else `; known: …` if there are few, else nothing.
pub(crate) fn suggestion<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => near,
        None if known.is_empty() || known.len() > LISTED => String::new(),
        None => format!("; known: {}", known.join(", ")),
    }
}

/// `; did you mean "percent"?` if a known name is near enough.
pub(super) fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<String> {
    if name.len() > LONGEST_MISSPELT {
        return None;
    }
    let (distance, near) = known.into_iter().map(|k| (strsim::osa_distance(name, k), k)).min()?;
    (distance <= 2.max(name.len() / 3)).then(|| format!("; did you mean {near:?}?"))
}

/// The longest name that is compared with those known, in bytes: it takes its length times theirs.
const LONGEST_MISSPELT: usize = 256;
/// Known names that an error lists when none is near.
const LISTED: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_written() {
        for (value, shown) in [
            (0.0, "0"),
            (100.0, "100"),
            (-1.5, "-1.5"),
            (0.000_000_1, "0.0000001"),
            (99.999_999, "99.999999"),
            (0.999_999_999_9, "1"),
            (18_446_744_073_709_551_615.0, "a number of 10^18 or more"),
        ] {
            assert_eq!(decimal(value), shown);
        }
        let shown = [Duration::from_millis(250), Duration::from_secs(90)].map(span);
        assert_eq!(shown, ["250ms", "90s"]);
    }

    #[test]
    fn durations() {
        for (text, expected) in
            [("250ms", Some(250)), ("2s", Some(2_000)), ("1d", Some(86_400_000)), ("s", None)]
        {
            assert_eq!(parse_duration(text), expected.map(Duration::from_millis), "{text}");
        }
        assert_eq!(parse_duration("99999999999999999999s"), None);
        assert_eq!(parse_duration("2"), None);
    }
}
