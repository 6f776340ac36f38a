//! Which requests a route takes.

use super::order::{Entry, stem};
use super::settings::Route;
use super::vars;
use crate::condition::{Condition, Predicate, Subject};
use crate::draft::Draft;
use crate::part::Part;

/// Whether a request is the route's, for these of its hosts and URIs; a route without any of its fields takes all.
pub(super) fn condition(draft: &mut Draft, route: &Route<'_>, entries: &[Entry]) -> Condition {
    let part = &route.part;
    let mut parts = vec![places(draft, part, entries)];
    for (fields, subject) in
        [(["methods", "method"], Subject::Method), (["remote_addrs", "remote_addr"], Subject::Ip)]
    {
        let field = fields.iter().find_map(|field| part.get(field));
        if let Some(field) = field.filter(|field| !field.texts().is_empty()) {
            parts.push(draft.test(&field.at, subject.clone(), Predicate::one_of(field.texts())));
        }
    }
    if let Some(expression) = part.get("vars") {
        parts.push(vars::condition(draft, &expression));
    }
    if let Some(function) = part.get("filter_func") {
        parts.push(
            draft.unclear(
                &function.at,
                "a Lua function cannot be carried over: say its condition in `matches`",
            ),
        );
    }
    Condition::all(parts)
}

/// Hosts, and the URIs that are tried for each; `None` is every one.
type Place<'e> = (Vec<Option<&'e str>>, Vec<Option<&'e str>>);

/// Each host with the URIs that are tried for it; hosts with the same URIs are tested together.
fn places(draft: &mut Draft, part: &Part<'_>, entries: &[Entry]) -> Condition {
    let mut places: Vec<Place<'_>> = Vec::new();
    for entry in entries {
        let (host, uri) = (entry.host.as_deref(), entry.uri.as_deref());
        match places.iter_mut().find(|(hosts, _)| hosts.contains(&host)) {
            Some((_, uris)) => uris.push(uri),
            None => places.push((vec![host], vec![uri])),
        }
    }
    let mut joined: Vec<Place<'_>> = Vec::new();
    for (hosts, uris) in places {
        match joined.iter_mut().find(|(_, known)| *known == uris) {
            Some((known, _)) => known.extend(hosts),
            None => joined.push((hosts, uris)),
        }
    }
    let at = &part.at;
    Condition::any(joined.into_iter().map(|(hosts, uris)| {
        let host = hosts.iter().copied().collect::<Option<Vec<_>>>();
        let host = host.map_or(Condition::Always, |hosts| host_test(draft, &format!("{at}: hosts"), &hosts));
        let path = Condition::any(uris.into_iter().map(|uri| match uri.and_then(path) {
            None => Condition::Always,
            Some(predicate) => draft.test(&format!("{at}: uris"), Subject::Path, predicate),
        }));
        Condition::all([host, path])
    }))
}

/// `*.example.org` and `*example.org` are all names that end so.
fn host_test(draft: &mut Draft, at: &str, hosts: &[&str]) -> Condition {
    let ending = |host: &&str| host.starts_with('*') && !host.starts_with("*.");
    let (endings, names): (Vec<&str>, Vec<&str>) = hosts.iter().partition(|host| ending(host));
    let mut parts = Vec::new();
    if !names.is_empty() {
        let names = names.into_iter().map(str::to_owned).collect();
        parts.push(draft.test(at, Subject::Host, Predicate::one_of(names)));
    }
    for host in endings {
        parts.push(draft.test(at, Subject::Host, Predicate::text("suffix", host.trim_start_matches('*'))));
    }
    Condition::any(parts)
}

/// Paths of APISIX's radix tree: exact, `/begin*`, and segments as `:name` or `*rest`. `None` is every path.
fn path(uri: &str) -> Option<Predicate> {
    let (stem, exact) = stem(uri);
    if exact {
        return Some(Predicate::exact(stem));
    }
    let segments: Vec<&str> = uri.split('/').collect();
    let open = |segment: &&&str| segment.starts_with([':', '*']);
    let opens = segments.iter().filter(open).count();
    let last_is_rest = segments.last().is_some_and(|last| last.starts_with('*'));
    if opens == 0 || (opens == 1 && last_is_rest) {
        return (!matches!(stem, "" | "/")).then(|| Predicate::text("startsWith", stem));
    }
    let pattern = segments.iter().map(|segment| match segment.chars().next() {
        Some(':') => "[^/]+".to_owned(),
        Some('*') => "(?s:.*)".to_owned(),
        _ => literal(segment),
    });
    Some(Predicate::text("regex", pattern.collect::<Vec<_>>().join("/")))
}

/// A pattern for exactly this text.
fn literal(text: &str) -> String {
    let escaped = |c: char| if r".+*?()|[]{}^$\".contains(c) { format!("\\{c}") } else { c.to_string() };
    text.chars().map(escaped).collect()
}
