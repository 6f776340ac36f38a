//! Apache APISIX: routes with the plugins `traffic-split` and `proxy-mirror`.
//!
//! Taken are what the Admin API stores or answers, the standalone `apisix.yaml`, and a bare plugin configuration. The rules
//! of a route hold for its requests alone, in the order in which APISIX tries its routes; unless the last takes them all, others
//! are left to the host.

mod mirror;
mod objects;
mod order;
mod route;
mod settings;
#[cfg(test)]
mod tests;
mod upstream;
mod vars;

use antumbra_policy::document::Tree;

use super::condition::Condition;
use super::draft::{Draft, Split, Target};
use super::part::{Part, roots};
use crate::imported::{ImportError, Imported};
use objects::Objects;
use settings::{PLUGINS, Route};
use upstream::Upstreams;

/// Reads all routes of the documents.
pub(super) fn import(documents: &[Tree]) -> Result<Imported, ImportError> {
    let roots = roots(documents);
    let objects = Objects::of(&roots);
    let mut draft = Draft::named("apisix");
    draft.keep_long();
    let routes: Vec<Route<'_>> =
        objects.routes.iter().filter_map(|part| Route::new(&mut draft, part, &objects)).collect();
    if !routes.iter().any(|route| PLUGINS.iter().any(|plugin| route.plugin(plugin).is_some())) {
        return Err(ImportError::Nothing(WANTED));
    }
    if let [route] = routes.as_slice() {
        draft.rename(route.name().unwrap_or_else(|| "apisix".to_owned()));
    }
    note_router(&mut draft, &routes);
    let upstreams = Upstreams::of(&objects);
    let places = routes.iter().map(|route| {
        route.hosts().map_or(1, |hosts| hosts.len()) * route.uris().map_or(1, |uris| uris.len())
    });
    ImportError::unless_few("hosts with their URIs", places.sum())?;
    let mut entries = order::entries(&routes).into_iter().peekable();
    while let Some(entry) = entries.next() {
        let mut group = vec![entry];
        while let Some(next) = entries.next_if(|next| group.iter().all(|known| known.route == next.route)) {
            group.push(next);
        }
        let Some(route) = group.first().and_then(|entry| routes.get(entry.route)) else { continue };
        let base = route::condition(&mut draft, route, &group);
        import_route(&mut draft, route, &base, &upstreams, entries.peek().is_none());
    }
    objects.note_others(&mut draft);
    draft.note_clusters("the proxy needs clusters of these names, or the variants those that it has");
    draft.finish_in_order(WANTED, &roots)
}

/// The other router lets a route without hosts compete with those that have some.
fn note_router(draft: &mut Draft, routes: &[Route<'_>]) {
    let with_hosts = routes.iter().filter(|route| route.hosts().is_some()).count();
    if (1..routes.len()).contains(&with_hosts) {
        draft.note(
            "routes",
            "routes with hosts are tried before those without, as the router radixtree_host_uri does; with radixtree_uri \
             only URI and priority count",
        );
    }
}

fn import_route<'a>(
    draft: &mut Draft,
    route: &Route<'a>,
    base: &Condition,
    upstreams: &Upstreams<'a>,
    last: bool,
) {
    let part = &route.part;
    for (name, field) in part.others(&ROUTE_FIELDS) {
        draft.note(field.at, format!("{name:?} is a setting of the route: keep it in the host"));
    }
    let mut own = upstreams.own(draft, route);
    if let Some(plugin) = route.plugin("proxy-mirror") {
        let condition = filtered(draft, &plugin, base);
        mirror::import(draft, &plugin, condition);
    }
    let split = route.plugin("traffic-split").filter(|_| !route.is_partial());
    let mut taken = false;
    if let Some(plugin) = split {
        for (name, field) in plugin.others(&["rules", "_meta"]).into_iter().filter(|_| plugin.at != part.at) {
            draft.note(field.at, format!("{name:?} is not carried over"));
        }
        let base = filtered(draft, &plugin, base);
        for rule in plugin.items_of("rules") {
            taken |= rule.items_of("match").is_empty() && plugin.get("_meta").is_none();
            import_rule(draft, &rule, &base, upstreams, &mut own);
        }
    }
    for (name, field) in route.service.iter().flat_map(|service| service.others(&SERVICE_FIELDS)) {
        draft.note(field.at, format!("{name:?} is a setting of the service: keep it in the host"));
    }
    for (name, plugin) in route.other_plugins() {
        draft.note(plugin.at, format!("the plugin {name:?} is not about splitting: keep it in the host"));
    }
    match own.filter(|_| !route.is_partial()) {
        Some(own) if last && *base == Condition::Always => draft.default = Some(own),
        None if last && *base == Condition::Always => {}
        own if !taken => import_rest(draft, &part.at, base, own),
        _ => {}
    }
}

/// What none of a route's rules takes goes to its own upstream.
fn import_rest(draft: &mut Draft, at: &str, base: &Condition, own: Option<String>) {
    let name = own.clone().unwrap_or_else(|| "host".to_owned());
    let target = own.map_or(Target::Host, Target::To);
    draft.rule(at, &name, base.clone(), target, Vec::new());
}

/// `_meta.filter` says for which requests a plugin runs.
fn filtered(draft: &mut Draft, plugin: &Part<'_>, base: &Condition) -> Condition {
    let filter = plugin.get("_meta").and_then(|meta| meta.get("filter"));
    let filter = filter.map_or(Condition::Always, |filter| vars::condition(draft, &filter));
    Condition::all([base.clone(), filter])
}

fn import_rule<'a>(
    draft: &mut Draft,
    rule: &Part<'a>,
    base: &Condition,
    upstreams: &Upstreams<'a>,
    own: &mut Option<String>,
) {
    let alternatives: Vec<Condition> =
        rule.items_of("match").iter().map(|group| group_condition(draft, group)).collect();
    let mut matched = if alternatives.is_empty() { Condition::Always } else { Condition::any(alternatives) };
    if let Some((name, field)) = rule.others(&["match", "weighted_upstreams"]).into_iter().next() {
        let unknown = draft
            .unclear(&field.at, format!("{name:?} is nothing that a rule of traffic-split is known to have"));
        matched = Condition::all([matched, unknown]);
    }
    let mut weights = Vec::new();
    let mut sound = true;
    for entry in rule.items_of("weighted_upstreams") {
        for (name, field) in entry.others(&["upstream", "upstream_id", "weight"]) {
            draft.note(field.at, format!("{name:?} is not carried over"));
        }
        let variant = upstreams
            .weighted(draft, &entry)
            .unwrap_or_else(|| own.get_or_insert_with(|| upstream::unknown_own(draft, &entry)).clone());
        let weight = entry.get("weight").map_or(Some(1), |weight| weight.weight());
        if weight.is_none() {
            draft.note(
                &entry.at,
                "weight is not a whole number from 0 to 10000000: the rule's requests go to the route's own upstream",
            );
            sound = false;
        }
        weights.push((variant, weight.unwrap_or(0)));
    }
    if weights.is_empty() || !sound {
        weights.clear();
        weights.push((own.get_or_insert_with(|| upstream::unknown_own(draft, rule)).clone(), 1));
    }
    let name = if let [(only, _)] = weights.as_slice() { only.clone() } else { "split".to_owned() };
    let target = Target::Split(Split { weights, ..Split::default() });
    let old = match own {
        Some(own) if base.is_clear() => Target::To(own.clone()),
        _ => Target::Host,
    };
    draft.rule_beside(&rule.at, &name, Condition::all([base.clone(), matched]), target, Vec::new(), &old);
}

fn group_condition(draft: &mut Draft, group: &Part<'_>) -> Condition {
    if let Some((name, field)) = group.others(&["vars"]).into_iter().next() {
        return draft.unclear(
            &field.at,
            format!("{name:?} is nothing that a match of traffic-split is known to have"),
        );
    }
    group.get("vars").map_or(Condition::Always, |vars| vars::condition(draft, &vars))
}

const WANTED: &str = "route with traffic-split or proxy-mirror";
const SERVICE_FIELDS: [&str; 10] = [
    "id",
    "name",
    "desc",
    "labels",
    "create_time",
    "update_time",
    "hosts",
    "plugins",
    "upstream",
    "upstream_id",
];
const ROUTE_FIELDS: [&str; 26] = [
    "id",
    "name",
    "desc",
    "labels",
    "create_time",
    "update_time",
    "status",
    "priority",
    "uri",
    "uris",
    "host",
    "hosts",
    "method",
    "methods",
    "remote_addr",
    "remote_addrs",
    "vars",
    "filter_func",
    "plugins",
    "plugin_config_id",
    "service_id",
    "upstream",
    "upstream_id",
    "rules",
    "traffic-split",
    "proxy-mirror",
];
