//! How numbers, places and effects are worded, the same in reasons, notes and tables.

mod effect;
mod number;

use std::collections::BTreeMap;

use crate::kind::Kind;

pub(crate) use effect::{Tally, effect, slower};
pub(crate) use number::{count, exchanges, many};

/// `0.5 %`, with as many digits as say something.
pub(crate) fn percent(share: f64) -> String {
    rounded(share, digits(share))
}

/// As [`percent`], with as many digits as it takes to tell `share` from what is printed of `limit`: not "95 %, 95 % is
/// needed".
pub(crate) fn percent_beside(share: f64, limit: f64) -> String {
    let limit = percent(limit);
    let mut candidates = (digits(share)..=MAX_DIGITS).map(|digits| rounded(share, digits));
    candidates.find(|shown| *shown != limit).unwrap_or(limit)
}

/// A place as people read it: that of a whole body is `(body)`; status, outcome, latency and anything at all have none.
pub(crate) fn place(path: &str, kind: Kind) -> &str {
    let placeless = matches!(kind, Kind::Status | Kind::Outcome | Kind::Latency | Kind::Any);
    if path.is_empty() && !placeless { "(body)" } else { path }
}

/// An endpoint as people read it: `*` is all of them together.
pub(crate) fn endpoint(name: &str) -> &str {
    if name == "*" { "all endpoints" } else { name }
}

/// The parts that are not empty, one blank apart.
pub(crate) fn joined(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}

/// `a, b and c`.
pub(crate) fn listed(names: &[&str]) -> String {
    match names {
        [names @ .., last] if !names.is_empty() => format!("{} and {last}", names.join(", ")),
        _ => names.join(""),
    }
}

/// `90 s` or `0.25 s`: milliseconds as people read them.
pub(crate) fn seconds(ms: u64) -> String {
    let (whole, rest) = (ms / 1_000, ms % 1_000);
    if rest == 0 || whole >= 10 {
        format!("{} s", count(whole))
    } else {
        let rest = format!("{rest:03}");
        format!("{whole}.{} s", rest.trim_end_matches('0'))
    }
}

/// `90 s`, `15 min` or `9 h`: a time to wait for.
pub(crate) fn wait(seconds: f64) -> String {
    let (unit, name) = match seconds {
        ..120.0 => (1.0, "s"),
        ..7_200.0 => (60.0, "min"),
        _ => (3_600.0, "h"),
    };
    format!("{} {name}", count((seconds / unit).max(1.0).round() as u64))
}

/// `10^4.7` or `10^155`: the evidence whose logarithm this is.
pub(crate) fn evidence(log10: f64) -> String {
    let digits = usize::from(log10 < 10.0);
    format!("evidence 10^{log10:.digits$}")
}

/// `5.5 → 36 ms`, or `900 µs → 36 ms`: microseconds before and after.
pub(crate) fn from_to(before: u64, after: u64) -> String {
    let (before, after) = (spaced(before), spaced(after));
    match (before.rsplit_once(' '), after.rsplit_once(' ')) {
        (Some((value, unit)), Some((_, other))) if unit == other => format!("{value} → {after}"),
        _ => format!("{before} → {after}"),
    }
}

/// `7.1 ms`, in a sentence.
fn spaced(us: u64) -> String {
    let text = duration(us);
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    format!("{digits} {}", &text.get(digits.len()..).unwrap_or_default())
}

/// `7.1ms`: microseconds as people read them.
pub(crate) fn duration(us: u64) -> String {
    let (value, unit) = match us {
        0..1_000 => return format!("{us}µs"),
        1_000..1_000_000 => (us, "ms"),
        _ => (us / 1_000, "s"),
    };
    let (whole, thousandth) = (value / 1_000, value % 1_000);
    if whole < 10 { format!("{whole}.{}{unit}", thousandth / 100) } else { format!("{whole}{unit}") }
}

/// ` (rate 900, breaker 12)`: reasons, the most frequent first; nothing where there is none.
pub(crate) fn by_reason(by: &BTreeMap<&'static str, u64>) -> String {
    let mut by: Vec<_> = by.iter().collect();
    by.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
    let said: Vec<String> =
        by.iter().map(|(reason, number)| format!("{reason} {}", count(**number))).collect();
    if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) }
}

fn digits(share: f64) -> usize {
    if share >= 0.1 || share <= 0.0 { 0 } else { 2 }
}

fn rounded(share: f64, digits: usize) -> String {
    let value = format!("{:.digits$}", share * 100.0);
    let value = if digits > 0 { value.trim_end_matches('0').trim_end_matches('.') } else { &value };
    format!("{value} %")
}

const MAX_DIGITS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_as_in_a_sentence() {
        let lists: [&[&str]; 4] = [&[], &["a"], &["a", "b"], &["a", "b", "c"]];
        assert_eq!(lists.map(listed), ["", "a", "a and b", "a, b and c"]);
    }

    #[test]
    fn what_one_waits_for_has_a_unit_of_its_size() {
        for (seconds, expected) in
            [(0.2, "1 s"), (119.0, "119 s"), (120.0, "2 min"), (7_000.0, "117 min"), (9e6, "2,500 h")]
        {
            assert_eq!(wait(seconds), expected);
        }
    }

    #[test]
    fn two_durations_share_a_unit_if_they_can() {
        assert_eq!(from_to(5_500, 36_000), "5.5 → 36 ms");
        assert_eq!(from_to(900, 36_000), "900 µs → 36 ms");
        assert_eq!(from_to(1_500_000, 2_000_000), "1.5 → 2.0 s");
    }

    #[test]
    fn small_evidence_has_a_digit_more() {
        assert_eq!([4.66, 240.3].map(evidence), ["evidence 10^4.7", "evidence 10^240"]);
    }

    #[test]
    fn spans_have_the_digits_that_they_need() {
        for (ms, expected) in [
            (0, "0 s"),
            (250, "0.25 s"),
            (500, "0.5 s"),
            (1_001, "1.001 s"),
            (90_000, "90 s"),
            (12_345, "12 s"),
        ] {
            assert_eq!(seconds(ms), expected);
        }
    }

    #[test]
    fn percentages_say_what_they_can_and_differ_from_their_limit() {
        let shares = [0.0, 0.005, 0.0694, 0.02, 0.3, 0.949_6, 1.0];
        let shown = ["0 %", "0.5 %", "6.94 %", "2 %", "30 %", "95 %", "100 %"];
        assert_eq!(shares.map(percent), shown);
        assert_eq!(percent_beside(0.949_6, 0.95), "94.96 %");
        assert_eq!(percent_beside(0.500_04, 0.5), "50.004 %");
        assert_eq!(percent_beside(0.005_004, 0.005), "0.5004 %");
        assert_eq!(percent_beside(0.3, 0.95), "30 %");
        assert_eq!(percent_beside(0.95, 0.95), "95 %");
    }
}
