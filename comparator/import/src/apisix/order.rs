//! Which route is tried first, as the router `radixtree_host_uri` has it, which is APISIX's own choice since 3.3.
//!
//! An exact host comes before wildcards, the longest of these first, and routes without hosts last. For one host an exact URI comes
//! before all others, then the longest beginning; `priority` only decides among routes with the same URI.

use std::cmp::Reverse;

use super::settings::Route;

/// One URI of one route for one of its hosts.
pub(super) struct Entry {
    /// Which of the routes.
    pub(super) route: usize,
    /// `None` is every host, or not known.
    pub(super) host: Option<String>,
    /// `None` is every path.
    pub(super) uri: Option<String>,
}

/// The entries of all routes, those that are tried first in front.
pub(super) fn entries(routes: &[Route<'_>]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (route, settings) in routes.iter().enumerate() {
        for host in options(settings.hosts()) {
            for uri in options(settings.uris()) {
                entries.push(Entry { route, host: host.clone(), uri });
            }
        }
    }
    entries.sort_by_cached_key(|entry| {
        let priority = routes.get(entry.route).map_or(0, Route::priority);
        let whole = entry.uri.as_ref().map_or(0, String::len);
        // Hosts that are not known may be exact ones.
        let known = routes.get(entry.route).is_none_or(|route| !route.hosts_are_unknown());
        (
            known,
            host_rank(entry.host.as_deref()),
            uri_rank(entry.uri.as_deref()),
            Reverse(priority),
            Reverse(whole),
        )
    });
    entries
}

/// The part of a URI that is compared literally, and whether that is all of it.
pub(super) fn stem(uri: &str) -> (&str, bool) {
    let end = if has_parameter(uri) { uri.find(':') } else { uri.find('*') };
    match end {
        Some(end) => (uri.get(..end).unwrap_or_default(), false),
        None => (uri, true),
    }
}

/// Whether a segment is called by a name, as in `/users/:id`: the router `radixtree_uri_with_parameter` alone takes it for one.
pub(super) fn has_parameter(uri: &str) -> bool {
    uri.split('/').any(|segment| segment.starts_with(':'))
}

/// All of a list, or the one that stands for no restriction.
fn options(list: Option<Vec<String>>) -> Vec<Option<String>> {
    list.map_or_else(|| vec![None], |list| list.into_iter().map(Some).collect())
}

fn host_rank(host: Option<&str>) -> (u8, Reverse<usize>) {
    match host {
        Some(host) if host.starts_with('*') => (1, Reverse(host.len())),
        Some(_) => (0, Reverse(0)),
        None => (2, Reverse(0)),
    }
}

fn uri_rank(uri: Option<&str>) -> (bool, Reverse<usize>) {
    let (stem, exact) = stem(uri.unwrap_or("*"));
    (!exact, Reverse(if exact { 0 } else { stem.len() }))
}
