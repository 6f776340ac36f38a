//! Envoy's matchers of texts and headers.
//!
//! A header that is missing matches nothing there, also if the matcher is inverted, unless it is to be treated as empty.

use crate::condition::{Condition, Predicate, Subject};
use crate::draft::Draft;
use crate::part::Part;
use crate::pattern;

/// A `HeaderMatcher`.
pub(super) fn condition(draft: &mut Draft, matcher: &Part<'_>) -> Condition {
    let name = matcher.text_of("name").unwrap_or_default().to_ascii_lowercase();
    if let Some(unclear) = unknown(draft, matcher, &HEADER) {
        return unclear;
    }
    let inverted = is_true(matcher, "invert_match");
    let subject = match name.as_str() {
        ":method" => Subject::Method,
        ":authority" | "host" => Subject::Header("host".to_owned()),
        ":path" => Subject::Header(name),
        _ if name.starts_with(':') => {
            return draft.unclear(&matcher.at, format!("{name:?} is nothing that a policy can test"));
        }
        _ => Subject::Header(name),
    };
    value(draft, matcher, &subject, inverted)
}

fn value(draft: &mut Draft, matcher: &Part<'_>, subject: &Subject, inverted: bool) -> Condition {
    let empty = is_true(matcher, "treat_missing_header_as_empty");
    let present = matcher.get("present_match").map(|present| present.text().as_deref() == Some("true"));
    let text = text(matcher);
    let (None, Some(text)) = (present, text) else {
        let expected = present.unwrap_or(true) != inverted;
        return match (empty, expected) {
            (false, _) => exists(draft, matcher, subject, expected),
            // What is missing is there, too.
            (true, expected) => Condition::Always.negated_if(!expected),
        };
    };
    let predicate = match text {
        Ok(predicate) => predicate,
        Err(what) => return draft.unclear(&matcher.at, what),
    };
    let test = draft.test(&matcher.at, subject.clone(), predicate.clone());
    let there = exists(draft, matcher, subject, true);
    match (empty, inverted) {
        (false, false) => test,
        (false, true) => Condition::all([there, test.negated()]),
        (true, _) if pattern::holds_on_empty(&predicate.to_tree()) => {
            Condition::any([test, there.negated()]).negated_if(inverted)
        }
        (true, _) => test.negated_if(inverted),
    }
}

/// A `StringMatcher`, or what its place calls its fields: `exact` as well as `exact_match`. `None` if it has none of them.
pub(super) fn text(matcher: &Part<'_>) -> Option<Result<Predicate, String>> {
    if let Some(inner) = matcher.get("string_match") {
        return text(&inner).or_else(|| Some(Err("string_match is empty".to_owned())));
    }
    if let Some(range) = matcher.get("range_match") {
        let end = |field: &str| range.text_of(field).map_or(Some(0), |text| text.trim().parse::<i64>().ok());
        let bounds = end("start").zip(end("end").and_then(|end| end.checked_sub(1)));
        let bounds = bounds.filter(|(first, last)| first <= last);
        return Some(
            bounds
                .map(|(first, last)| Predicate::range(first, last))
                .ok_or_else(|| "range_match is empty".to_owned()),
        );
    }
    let ignored = is_true(matcher, "ignore_case");
    for (field, test) in TESTS {
        for field in [field.to_owned(), format!("{field}_match")] {
            if let Some(value) = matcher.get(&field) {
                let text = if test == "regex" { value.text_of("regex") } else { value.text() };
                let predicate =
                    text.map(|text| Predicate::text(test, text).ignoring_case(ignored && test != "regex"));
                return Some(predicate.ok_or_else(|| format!("{field} has no text")));
            }
        }
    }
    let other = matcher.get("custom");
    other.map(|_| Err("an extension that compares texts cannot be carried over".to_owned()))
}

/// Whether a field is `true`.
pub(super) fn is_true(part: &Part<'_>, field: &str) -> bool {
    part.text_of(field).as_deref() == Some("true")
}

fn exists(draft: &mut Draft, matcher: &Part<'_>, subject: &Subject, expected: bool) -> Condition {
    match subject {
        // Every request has these.
        Subject::Method if expected => Condition::Always,
        Subject::Method => Condition::Always.negated(),
        Subject::Header(name) if matches!(name.as_str(), "host" | ":path") => {
            Condition::Always.negated_if(!expected)
        }
        _ => draft.test(&matcher.at, subject.clone(), Predicate::exists(expected)),
    }
}

/// A field of a matcher that is not known may mean anything.
pub(super) fn unknown(draft: &mut Draft, matcher: &Part<'_>, known: &[&str]) -> Option<Condition> {
    let inner = matcher.get("string_match").map(|inner| inner.others(&STRING)).unwrap_or_default();
    let (name, field) = matcher.others(known).into_iter().chain(inner).next()?;
    Some(draft.unclear(&field.at, format!("{name:?} is a test that a policy does not have")))
}

const TESTS: [(&str, &str); 5] = [
    ("exact", "exact"),
    ("prefix", "prefix"),
    ("suffix", "suffix"),
    ("contains", "contains"),
    ("safe_regex", "regex"),
];
/// Of a `HeaderMatcher`.
const HEADER: [&str; 11] = [
    "name",
    "exact_match",
    "safe_regex_match",
    "range_match",
    "present_match",
    "prefix_match",
    "suffix_match",
    "contains_match",
    "string_match",
    "invert_match",
    "treat_missing_header_as_empty",
];
/// Of a `StringMatcher`.
const STRING: [&str; 7] = ["exact", "prefix", "suffix", "contains", "safe_regex", "ignore_case", "custom"];
