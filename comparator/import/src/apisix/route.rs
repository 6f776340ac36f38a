//! Which requests a route takes.

use super::vars;
use crate::condition::{Condition, Predicate, Subject};
use crate::draft::Draft;
use crate::part::Part;

/// Whether a request is the route's; a route without any of these fields takes all.
pub(super) fn condition(draft: &mut Draft, route: &Part<'_>) -> Condition {
    let mut parts = vec![uris(draft, route)];
    for (fields, subject) in [
        (["host", "hosts"], Subject::Host),
        (["method", "methods"], Subject::Method),
        (["remote_addr", "remote_addrs"], Subject::Ip),
    ] {
        for field in fields.iter().filter_map(|field| route.get(field)) {
            parts.push(draft.test(&field.at, subject.clone(), Predicate::one_of(field.texts())));
        }
    }
    if let Some(expression) = route.get("vars") {
        parts.push(vars::condition(draft, &expression));
    }
    if let Some(function) = route.get("filter_func") {
        parts.push(
            draft.unclear(
                &function.at,
                "a Lua function cannot be carried over: say its condition in `matches`",
            ),
        );
    }
    Condition::all(parts)
}

fn uris(draft: &mut Draft, route: &Part<'_>) -> Condition {
    let fields = ["uri", "uris"].iter().filter_map(|field| route.get(field));
    let written: Vec<(String, String)> =
        fields.flat_map(|field| field.texts().into_iter().map(move |uri| (field.at.clone(), uri))).collect();
    if written.is_empty() {
        return Condition::Always;
    }
    Condition::any(written.iter().map(|(at, uri)| match path(uri) {
        None => Condition::Always,
        Some(predicate) => draft.test(at, Subject::Path, predicate),
    }))
}

/// Paths of APISIX's radix tree: exact, `/begin*`, and `:segment`. `None` is every path.
fn path(uri: &str) -> Option<Predicate> {
    let (stem, open) = match uri.split_once('*') {
        Some((stem, _)) => (stem, true),
        None => (uri, false),
    };
    if !stem.contains("/:") {
        let test = if open { "startsWith" } else { "exact" };
        return (uri != "/*").then(|| Predicate::text(test, stem));
    }
    let segments = stem
        .split('/')
        .map(|segment| if segment.starts_with(':') { "[^/]+".to_owned() } else { literal(segment) });
    let end = if open { ".*" } else { "" };
    Some(Predicate::text("regex", segments.collect::<Vec<_>>().join("/") + end))
}

/// A pattern for exactly this text.
fn literal(text: &str) -> String {
    let escaped = |c: char| if r".+*?()|[]{}^$\".contains(c) { format!("\\{c}") } else { c.to_string() };
    text.chars().map(escaped).collect()
}
