//! Where route configurations stand: in a connection manager of a listener, in a dump, or by themselves.
//!
//! A dump has most of them twice, and Envoy takes the names of fields in both spellings of Protobuf's JSON.

use antumbra_policy::document::Tree;

use super::domains::{Host, Ports};
use crate::draft::{Draft, Root};
use crate::part::Part;

/// A route configuration and what its connection manager does before.
pub(super) struct Source<'a> {
    /// The route configuration.
    pub(super) config: Part<'a>,
    ports: Ports,
}

impl<'a> Source<'a> {
    /// Its virtual hosts; `index` is its own place among the sources.
    pub(super) fn hosts(&self, index: usize) -> Vec<Host<'a>> {
        let parts = self.config.items_of("virtual_hosts");
        let partial = self.config.get("vhds").is_some();
        parts.into_iter().map(|part| Host { source: index, part, ports: self.ports, partial }).collect()
    }
}

/// A document in one spelling, in which virtual hosts by themselves are a route configuration.
pub(super) fn normal(tree: &Tree) -> Tree {
    let tree = snake_case(tree);
    let is_host = |tree: &Tree| tree.get("domains").is_some() && tree.get("routes").is_some();
    let hosts = match tree {
        Tree::List(items) if items.iter().any(is_host) => items,
        host if is_host(&host) => vec![host],
        other => return other,
    };
    Tree::Map(vec![("virtual_hosts".to_owned(), Tree::List(hosts))])
}

/// `virtualHosts` as `virtual_hosts`, at every depth.
fn snake_case(tree: &Tree) -> Tree {
    match tree {
        Tree::Map(entries) => {
            Tree::Map(entries.iter().map(|(key, value)| (snake(key), snake_case(value))).collect())
        }
        Tree::List(items) => Tree::List(items.iter().map(snake_case).collect()),
        other => other.clone(),
    }
}

/// All route configurations, each once. One that only answers itself is left out if another serves.
pub(super) fn all<'a>(draft: &mut Draft, documents: &[Root<'a>]) -> Vec<Source<'a>> {
    let mut found = Vec::new();
    for (name, tree) in documents {
        collect(draft, &Part::new(name.as_str(), tree), Ports::Compared, &mut found);
    }
    // What stands in a connection manager says more than its copy in a dump of routes.
    found.sort_by_key(|(managed, _)| !managed);
    let mut sources: Vec<Source<'_>> = Vec::new();
    for (_, source) in found {
        if sources.iter().all(|known| known.config.tree != source.config.tree) {
            sources.push(source);
        }
    }
    let serving = sources.iter().any(|source| serves(&source.config));
    sources.retain(|source| {
        let keeps = !serving || serves(&source.config);
        if !keeps {
            draft.note(
                &source.config.at,
                "answers all requests itself, at another listener than what serves: it is left to the host, so install \
                 the filter at the listener that serves",
            );
        }
        keeps
    });
    sources
}

fn collect<'a>(draft: &mut Draft, part: &Part<'a>, ports: Ports, found: &mut Vec<(bool, Source<'a>)>) {
    if matches!(part.get("virtual_hosts"), Some(hosts) if matches!(hosts.tree, Tree::List(_))) {
        let ignored = part.text_of("ignore_port_in_host_matching").as_deref() == Some("true");
        let ports = if ignored { Ports::Ignored } else { ports };
        let managed = part.at.ends_with("route_config");
        found.push((managed, Source { config: part.clone(), ports }));
        return;
    }
    let is_on = |field: &str| part.text_of(field).as_deref() == Some("true");
    let ports = if is_on("strip_any_host_port") {
        Ports::Ignored
    } else if is_on("strip_matching_host_port") {
        Ports::Stripped
    } else {
        ports
    };
    if let Some(rds) = part.get("rds").filter(|_| part.get("stat_prefix").is_some()) {
        let name = rds.text_of("route_config_name").unwrap_or_default();
        draft.note(
            rds.at,
            format!(
                "the route configuration {name:?} comes from elsewhere: import it, or a dump that has it"
            ),
        );
    }
    if let Some(scoped) = part.get("scoped_routes") {
        draft.note(
            scoped.at,
            "which route configuration a request has depends on its scope: import each by itself",
        );
    }
    for (_, entry) in part.entries() {
        collect(draft, &entry, ports, found);
    }
    for item in part.items() {
        collect(draft, &item, ports, found);
    }
}

/// Whether some route sends requests on.
fn serves(config: &Part<'_>) -> bool {
    let hosts = config.items_of("virtual_hosts");
    hosts.iter().any(|host| host.items_of("routes").iter().any(|route| route.get("route").is_some()))
}

fn snake(key: &str) -> String {
    let plain =
        key.chars().all(|c| c.is_ascii_alphanumeric()) && key.starts_with(|c: char| c.is_ascii_lowercase());
    if !plain || !key.contains(|c: char| c.is_ascii_uppercase()) {
        return key.to_owned();
    }
    let mut written = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            written.push('_');
        }
        written.push(c.to_ascii_lowercase());
    }
    written
}
