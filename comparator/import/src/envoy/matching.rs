//! Envoy's `RouteMatch`: all of its fields must hold. Its paths have no query, and its expressions match the whole of them.

use antumbra_policy::document::Tree;

use super::header::{self, is_true};
use crate::condition::{Condition, Predicate, Subject};
use crate::draft::Draft;
use crate::part::Part;

/// Whether a request is the route's; the dice of `runtime_fraction` are left aside if `drawn`.
pub(super) fn condition(draft: &mut Draft, route: &Part<'_>, drawn: bool) -> Condition {
    let Some(matched) = route.get("match") else {
        return draft.unclear(&route.at, "has no match");
    };
    let folds = matched.text_of("case_sensitive").as_deref() == Some("false");
    let mut parts = Vec::new();
    for (field, value) in matched.entries() {
        match field {
            "case_sensitive" => {}
            "runtime_fraction" if drawn => {}
            "runtime_fraction" => parts.extend(fraction_test(draft, &value)),
            "prefix" | "path" | "path_separated_prefix" | "safe_regex" => {
                parts.push(path(draft, field, &value, folds));
            }
            "headers" => parts.extend(value.items().iter().map(|matcher| header::condition(draft, matcher))),
            "query_parameters" => parts.extend(value.items().iter().map(|matcher| query(draft, matcher))),
            "cookies" => parts.extend(value.items().iter().map(|matcher| cookie(draft, matcher))),
            "grpc" => parts.push(draft.test(
                &value.at,
                Subject::Header("content-type".to_owned()),
                Predicate::text("regex", r"application/grpc(\+.*)?"),
            )),
            other => {
                parts.push(draft.unclear(&value.at, format!("{other:?} is nothing that a policy can test")));
            }
        }
    }
    Condition::all(parts)
}

/// Routes that follow each other and differ in the share of requests alone that they take: the dice then choose among them all. Each
/// number is how many belong together.
pub(super) fn drawn_together(routes: &[Part<'_>]) -> Vec<usize> {
    let mut groups = Vec::new();
    let mut rest = routes;
    while let [first, ..] = rest {
        let alike = rest.iter().take_while(|route| same_match(first, route)).count();
        let (mut run, after) = rest.split_at_checked(alike.max(1)).unwrap_or((rest, &[]));
        rest = after;
        while let Some(last) = run.iter().position(|route| !has_share(route)) {
            groups.push(last + 1);
            run = run.get(last + 1..).unwrap_or_default();
        }
        groups.extend(run.iter().map(|_| 1));
    }
    groups
}

fn has_share(route: &Part<'_>) -> bool {
    route.get("match").is_some_and(|matched| matched.get("runtime_fraction").is_some())
}

/// Whether two routes match the same, their shares aside.
fn same_match(a: &Part<'_>, b: &Part<'_>) -> bool {
    let (a, b) = (without_share(a), without_share(b));
    a == b
}

fn without_share<'a>(route: &Part<'a>) -> Vec<(&'a str, &'a Tree)> {
    let matched = route.get("match").map(|matched| matched.entries()).unwrap_or_default();
    let others = matched.into_iter().filter(|(field, _)| *field != "runtime_fraction");
    others.map(|(field, value)| (field, value.tree)).collect()
}

/// The share of the requests that come so far which a route takes, as numerator and denominator; `None` if it cannot be read.
pub(super) fn share(draft: &mut Draft, route: &Part<'_>) -> Option<(u64, u64)> {
    let fraction = route.get("match").and_then(|matched| matched.get("runtime_fraction"));
    fraction.map_or(Some((1, 1)), |fraction| read_fraction(draft, &fraction))
}

/// A `RuntimeFractionalPercent`; `None` if it has no value that can be read.
pub(super) fn read_fraction(draft: &mut Draft, fraction: &Part<'_>) -> Option<(u64, u64)> {
    if let Some(key) = fraction.text_of("runtime_key") {
        draft.note(
            &fraction.at,
            format!("the runtime key {key:?} may say another share: here the default is taken"),
        );
    }
    let value = fraction.get("default_value")?;
    let numerator = value.get("numerator").map_or(Some(0), |numerator| numerator.weight())?;
    let denominator = match value.text_of("denominator").as_deref() {
        None | Some("HUNDRED" | "0") => 100,
        Some("TEN_THOUSAND" | "1") => 10_000,
        Some("MILLION" | "2") => 1_000_000,
        Some(_) => return None,
    };
    Some((numerator.min(denominator), denominator))
}

/// All, none, or what the dice say, which no condition can.
fn fraction_test(draft: &mut Draft, fraction: &Part<'_>) -> Option<Condition> {
    match read_fraction(draft, fraction) {
        Some((numerator, denominator)) if numerator == denominator => None,
        Some((0, _)) => Some(Condition::Always.negated()),
        _ => Some(draft.unclear(
            &fraction.at,
            "a share of the requests goes to this route and the rest on to others, which no rule can say: write a split",
        )),
    }
}

fn path(draft: &mut Draft, field: &str, value: &Part<'_>, folds: bool) -> Condition {
    let text = if field == "safe_regex" { value.text_of("regex") } else { value.text() };
    let Some(text) = text else { return draft.unclear(&value.at, "has no text") };
    let test = match field {
        "prefix" if matches!(text.as_str(), "" | "/") => return Condition::Always,
        "prefix" => "startsWith",
        "path" => "exact",
        "path_separated_prefix" => "prefix",
        _ => "regex",
    };
    let predicate = Predicate::text(test, text).ignoring_case(folds && test != "regex");
    draft.test(&value.at, Subject::Path, predicate)
}

/// Envoy compares parameters as they were sent, a policy decodes them.
fn query(draft: &mut Draft, matcher: &Part<'_>) -> Condition {
    if let Some(unclear) = header::unknown(draft, matcher, &["name", "string_match", "present_match"]) {
        return unclear;
    }
    let name = matcher.text_of("name").unwrap_or_default();
    draft.encoded_query(&matcher.at, &name);
    let subject = Subject::Query(name);
    if let Some(present) = matcher.get("present_match") {
        let expected = present.text().as_deref() == Some("true");
        return draft.test(&matcher.at, subject, Predicate::exists(expected));
    }
    match header::text(matcher) {
        None => draft.test(&matcher.at, subject, Predicate::exists(true)),
        Some(Ok(predicate)) => draft.test(&matcher.at, subject, predicate),
        Some(Err(what)) => draft.unclear(&matcher.at, what),
    }
}

fn cookie(draft: &mut Draft, matcher: &Part<'_>) -> Condition {
    if let Some(unclear) = header::unknown(draft, matcher, &["name", "string_match", "invert_match"]) {
        return unclear;
    }
    let subject = Subject::Cookie(matcher.text_of("name").unwrap_or_default());
    let inverted = is_true(matcher, "invert_match");
    match header::text(matcher) {
        None => draft.test(&matcher.at, subject, Predicate::exists(true)).negated_if(inverted),
        Some(Ok(predicate)) => draft.test(&matcher.at, subject, predicate).negated_if(inverted),
        Some(Err(what)) => draft.unclear(&matcher.at, what),
    }
}
