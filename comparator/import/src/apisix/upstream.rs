//! Upstreams, given by id, inline, or as the route's own.

use std::collections::BTreeMap;

use super::objects::Objects;
use super::settings::Route;
use crate::draft::{Destination, Draft};
use crate::part::Part;

/// The upstreams that the input defines by id.
pub(super) struct Upstreams<'a>(BTreeMap<String, Part<'a>>);

impl<'a> Upstreams<'a> {
    /// Those of the input.
    pub(super) fn of(objects: &Objects<'a>) -> Self {
        Self(objects.upstreams.clone())
    }

    /// The variant of a route's own upstream, else of its service's.
    pub(super) fn own(&self, draft: &mut Draft, route: &Route<'a>) -> Option<String> {
        if let Some(own) = self.weighted(draft, &route.part) {
            return Some(own);
        }
        if let Some(of_service) = route.service.as_ref().and_then(|service| self.weighted(draft, service)) {
            return Some(of_service);
        }
        let name = format!("service-{}", route.part.text_of("service_id")?);
        Some(draft.variant(Destination { cluster: name.clone(), name, ..Destination::default() }))
    }

    /// The variant of an entry with `upstream_id` or `upstream`; `None` if it has neither.
    pub(super) fn weighted(&self, draft: &mut Draft, entry: &Part<'a>) -> Option<String> {
        let destination = match (self.referred(entry)?, entry.text_of("upstream_id")) {
            (Some(upstream), id) => described(draft, &upstream, id.as_deref()),
            (None, id) => by_id(&id.unwrap_or_default()),
        };
        Some(draft.variant(destination))
    }

    /// `None` without a reference, `Some(None)` if it leads out of the input.
    fn referred(&self, entry: &Part<'a>) -> Option<Option<Part<'a>>> {
        if let Some(id) = entry.text_of("upstream_id") {
            return Some(self.0.get(&id).cloned());
        }
        entry.get("upstream").map(Some)
    }
}

/// The variant for the route's own upstream where the input does not show it.
pub(super) fn unknown_own(draft: &mut Draft, at: &Part<'_>) -> String {
    draft.note(
        &at.at,
        "means the route's own upstream, which the input does not show: it is called \"stable\"",
    );
    draft.variant(Destination {
        name: "stable".to_owned(),
        cluster: "stable".to_owned(),
        ..Destination::default()
    })
}

/// A destination that is one server.
pub(super) fn at_address(name: &str, address: &str) -> Destination {
    Destination { name: name.to_owned(), cluster: address.to_owned(), ..Destination::default() }
}

fn by_id(id: &str) -> Destination {
    let name = format!("upstream-{id}");
    Destination { cluster: name.clone(), name, ..Destination::default() }
}

fn described(draft: &mut Draft, upstream: &Part<'_>, id: Option<&str>) -> Destination {
    let servers = upstream.get("nodes").map(|nodes| servers(&nodes)).unwrap_or_default();
    if upstream.get("nodes").is_some_and(|nodes| weighs_differently(&nodes)) {
        draft.note(
            upstream.below("nodes"),
            "have different weights, which are not carried over: give them to the endpoints of the host's cluster",
        );
    }
    let name = upstream
        .text_of("name")
        .or_else(|| upstream.text_of("service_name"))
        .or_else(|| id.map(|id| format!("upstream-{id}")))
        .or_else(|| servers.first().cloned())
        .unwrap_or_else(|| "upstream".to_owned());
    let host = match upstream.text_of("pass_host").as_deref() {
        Some("rewrite") => draft.rewritten_host(&upstream.at, upstream.text_of("upstream_host")),
        Some("node") => {
            draft.note(
                &upstream.at,
                "pass_host \"node\" is not carried over: the host's cluster decides about the Host header",
            );
            None
        }
        _ => None,
    };
    for (name, field) in upstream.others(&UPSTREAM_FIELDS) {
        draft.note(field.at, format!("{name:?} is a setting of the upstream: give it to the host's cluster"));
    }
    let servers = if servers == [name.clone()] { Vec::new() } else { servers };
    Destination { cluster: name.clone(), name, host, servers, ..Destination::default() }
}

/// The nodes, as `{"10.0.0.1:80": 1}` or `[{host, port}]`.
fn servers(nodes: &Part<'_>) -> Vec<String> {
    let mapped = nodes.entries().into_iter().map(|(server, _)| server.to_owned());
    let listed = nodes.items().into_iter().filter_map(|node| {
        let host = node.text_of("host")?;
        Some(node.text_of("port").map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
    });
    mapped.chain(listed).collect()
}

fn weighs_differently(nodes: &Part<'_>) -> bool {
    let mapped = nodes.entries().into_iter().map(|(_, weight)| weight.text());
    let listed = nodes.items().into_iter().map(|node| node.text_of("weight"));
    let mut weights: Vec<Option<String>> = mapped.chain(listed).collect();
    weights.dedup();
    weights.len() > 1
}

const UPSTREAM_FIELDS: [&str; 12] = [
    "id",
    "name",
    "desc",
    "type",
    "nodes",
    "pass_host",
    "upstream_host",
    "scheme",
    "labels",
    "create_time",
    "update_time",
    "service_name",
];
