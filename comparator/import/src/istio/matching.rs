//! Istio's `match`: alternatives, in each of which all fields must hold. Regular expressions match the whole value.

use crate::condition::{Condition, Predicate, Subject};
use crate::draft::Draft;
use crate::part::Part;
use crate::pattern;

/// The alternatives of a route; none at all is every request.
pub(super) fn matches(draft: &mut Draft, route: &Part<'_>) -> Condition {
    let alternatives = route.items_of("match");
    if alternatives.is_empty() {
        return Condition::Always;
    }
    let parts: Vec<_> = alternatives.iter().map(|alternative| block(draft, alternative)).collect();
    Condition::any(parts)
}

fn block(draft: &mut Draft, part: &Part<'_>) -> Condition {
    let fold = part.text_of("ignoreUriCase").as_deref() == Some("true");
    let mut parts = Vec::new();
    for (field, value) in part.entries() {
        match field {
            "name" | "ignoreUriCase" | "statPrefix" => {}
            "uri" => parts.push(uri(draft, &value, fold)),
            "method" => parts.push(listed(draft, &value, Subject::Method)),
            "authority" => parts.push(header(draft, "host", &value)),
            "headers" => parts.extend(value.entries().iter().map(|(name, value)| header(draft, name, value))),
            "withoutHeaders" => {
                parts.extend(value.entries().iter().map(|(name, value)| without(draft, name, value)));
            }
            "queryParams" => {
                parts.extend(value.entries().iter().map(|(name, value)| {
                    draft.encoded_query(&value.at, name);
                    let predicate = predicate(value, "prefix");
                    tested(draft, value, Subject::Query((*name).to_owned()), predicate)
                }));
            }
            other => parts.push(draft.unclear(
                &value.at,
                format!(
                    "{other:?} is nothing that a policy can test: choose by where the filter is installed"
                ),
            )),
        }
    }
    Condition::all(parts)
}

/// Istio's path prefix is raw: `/api` matches `/apis` as well.
fn uri(draft: &mut Draft, value: &Part<'_>, fold: bool) -> Condition {
    let predicate =
        predicate(value, "startsWith").map(|predicate| predicate.ignoring_case(fold && !is_regex(value)));
    tested(draft, value, Subject::Path, predicate)
}

/// A header must not be so. One that is missing counts as empty, so it is so where the empty value is.
fn without(draft: &mut Draft, name: &str, value: &Part<'_>) -> Condition {
    let test = header(draft, name, value).negated();
    let there = Predicate::exists(true);
    let empty = predicate(value, "prefix").filter(|predicate| *predicate != there);
    if empty.is_some_and(|predicate| pattern::holds_on_empty(&predicate.to_tree())) {
        let there = draft.test(&value.at, Subject::Header(name.to_ascii_lowercase()), there);
        return Condition::all([there, test]);
    }
    test
}

fn header(draft: &mut Draft, name: &str, value: &Part<'_>) -> Condition {
    let name = name.to_ascii_lowercase();
    let subject = match name.as_str() {
        ":authority" | "host" => Subject::Header("host".to_owned()),
        ":method" => return listed(draft, value, Subject::Method),
        _ => Subject::Header(name),
    };
    tested(draft, value, subject, predicate(value, "prefix"))
}

/// What can only be one of some values: exact, or a pattern of plain alternatives.
fn listed(draft: &mut Draft, value: &Part<'_>, subject: Subject) -> Condition {
    let alternatives = value.text_of("regex").and_then(|pattern| plain_alternatives(&pattern));
    let predicate = alternatives.map(Predicate::one_of).or_else(|| predicate(value, "prefix"));
    tested(draft, value, subject, predicate)
}

fn tested(draft: &mut Draft, value: &Part<'_>, subject: Subject, predicate: Option<Predicate>) -> Condition {
    match predicate {
        Some(predicate) => draft.test(&value.at, subject, predicate),
        None => draft.unclear(&value.at, "is none of exact, prefix and regex"),
    }
}

/// Istio's `StringMatch`; an empty one, as one that matches everything, asks whether the value is there.
fn predicate(value: &Part<'_>, prefix: &'static str) -> Option<Predicate> {
    let everything =
        value.text_of("prefix").as_deref() == Some("") || value.text_of("regex").as_deref() == Some("*");
    if prefix == "prefix" && (everything || (value.entries().is_empty() && value.text().is_none())) {
        return Some(Predicate::exists(true));
    }
    if !value.others(&["exact", "prefix", "regex"]).is_empty() {
        return None;
    }
    let text = |test: &'static str, field| value.text_of(field).map(|text| Predicate::text(test, text));
    text("exact", "exact").or_else(|| text(prefix, "prefix")).or_else(|| text("regex", "regex"))
}

fn is_regex(value: &Part<'_>) -> bool {
    value.get("regex").is_some()
}

/// The words of `^(GET|POST)$`.
fn plain_alternatives(pattern: &str) -> Option<Vec<String>> {
    let bare = pattern.strip_prefix('^').unwrap_or(pattern);
    let bare = bare.strip_suffix('$').unwrap_or(bare);
    let bare = bare.strip_prefix('(').and_then(|bare| bare.strip_suffix(')')).unwrap_or(bare);
    let words: Vec<String> = bare.split('|').map(str::to_owned).collect();
    let plain =
        |word: &String| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    words.iter().all(plain).then_some(words)
}
