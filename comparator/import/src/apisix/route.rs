//! Which requests a route takes.

use super::order::{Entry, has_parameter, stem};
use super::settings::Route;
use super::vars;
use crate::condition::{Condition, Predicate, Subject};
use crate::draft::Draft;
use crate::part::Part;

/// Whether a request is the route's, for these of its hosts and URIs; a route without any of its fields takes all.
pub(super) fn condition(draft: &mut Draft, route: &Route<'_>, entries: &[Entry]) -> Condition {
    let part = &route.part;
    let mut parts = vec![places(draft, part, entries)];
    if route.hosts_are_unknown() {
        parts.push(draft.unclear(
            &part.below("service_id"),
            "the hosts of the service are not known: whatever the route may take is left to the host's own routing",
        ));
    }
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
        let path = Condition::any(uris.into_iter().map(|uri| match uri {
            None => Condition::Always,
            Some(uri) => path(draft, &format!("{at}: uris"), uri),
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

/// A URI of APISIX's radix tree: exact, or everything that begins with what stands before the first `*`. Where a segment begins with
/// `*`, the segments have to match as well, each as a pattern.
fn path(draft: &mut Draft, at: &str, uri: &str) -> Condition {
    if !matches!(uri, "*" | "/*") {
        draft.decoded_paths(at, uri.chars().all(|c| c.is_ascii_alphanumeric() || "-._~/*".contains(c)));
    }
    let (stem, exact) = stem(uri);
    if exact {
        if stem.contains(':') {
            let what = format!(
                "{uri:?} is compared as it is, where radixtree_uri_with_parameter takes all that begins as it does before the colon"
            );
            draft.note(at, what);
        }
        return draft.test(at, Subject::Path, Predicate::exact(stem));
    }
    let begins = (!matches!(stem, "" | "/")).then(|| Predicate::text("startsWith", stem));
    let beginning = |draft: &mut Draft| match begins.clone() {
        Some(begins) => draft.test(at, Subject::Path, begins),
        None => Condition::Always,
    };
    let segments = |draft: &mut Draft| {
        let matches = Predicate::text("regex", pattern(uri));
        let both = begins.as_ref().and_then(|begins| begins.and(&matches)).unwrap_or(matches);
        draft.test(at, Subject::Path, both)
    };
    match Reading::of(uri) {
        Reading::Beginning => beginning(draft),
        Reading::Segments => segments(draft),
        Reading::Parameters => {
            let what = format!(
                "{uri:?} has a parameter for the router radixtree_uri_with_parameter alone, and the others compare it as it is: \
                 enable the rule if APISIX has that router"
            );
            Condition::all([segments(draft), draft.unclear(at, what)])
        }
        Reading::Pattern => {
            let what = format!(
                "{uri:?} is a pattern to APISIX, in which some characters do not stand for themselves"
            );
            Condition::all([beginning(draft), draft.unclear(at, what)])
        }
    }
}

/// How a URI is read that is not exact.
enum Reading {
    /// What it begins with decides.
    Beginning,
    /// Its segments decide as well.
    Segments,
    /// Some of its segments have names, if the router knows any.
    Parameters,
    /// Its segments decide, and some of their characters mean something else in a pattern.
    Pattern,
}

impl Reading {
    fn of(uri: &str) -> Self {
        let literal = |c: char| c.is_ascii_alphanumeric() || "-._~/*!&',;=:@%".contains(c);
        let open = uri.split('/').filter(|segment| segment.starts_with('*')).count();
        if has_parameter(uri) {
            Self::Parameters
        } else if open == 0 {
            Self::Beginning
        } else if !uri.chars().all(literal) {
            Self::Pattern
        } else if uri.ends_with("/*") && uri.matches('*').count() == 1 {
            Self::Beginning
        } else {
            Self::Segments
        }
    }
}

/// Segments as APISIX makes a pattern of them: what has no name stands as it is written, a dot for any character.
fn pattern(uri: &str) -> String {
    let segments = uri.trim_end_matches('/').split('/').map(|segment| match segment.chars().next() {
        Some(':') => "[^/]+",
        Some('*') => "(?s:.*)",
        _ => segment,
    });
    let end = if uri.ends_with('/') { "/" } else { "" };
    segments.collect::<Vec<_>>().join("/") + end
}
