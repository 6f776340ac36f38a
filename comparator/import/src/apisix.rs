//! Apache APISIX: routes with the plugins `traffic-split` and `proxy-mirror`.
//!
//! Taken are what the Admin API stores or answers, the standalone `apisix.yaml`, and a bare plugin configuration. The rules
//! of a route hold for its requests alone; unless it takes them all, others are left to the host.

mod route;
#[cfg(test)]
mod tests;
mod upstream;
mod vars;

use std::cmp::Reverse;

use antumbra_policy::document::Tree;

use super::condition::{self, Condition};
use super::draft::{Draft, Mirror, Split, Target};
use super::part::Part;
use crate::imported::{ImportError, Imported};
use upstream::Upstreams;

/// Reads all routes of the documents.
pub(super) fn import(documents: &[Tree]) -> Result<Imported, ImportError> {
    let mut routes: Vec<Part<'_>> = documents.iter().flat_map(|tree| routes(&Part::new("", tree))).collect();
    if !routes.iter().any(splits_or_mirrors) {
        return Err(ImportError::Nothing(WANTED));
    }
    routes.sort_by_key(|route| Reverse(precedence(route)));
    let upstreams = Upstreams::of(documents);
    let mut draft = Draft::named(policy_name(&routes));
    for (index, route) in routes.iter().enumerate() {
        let last = index + 1 == routes.len();
        import_route(&mut draft, route, &upstreams, last);
    }
    draft.note_clusters("the proxy needs clusters of these names, or the variants those that it has");
    draft.finish(WANTED)
}

/// The routes in whatever wrapping the APIs give them.
fn routes<'a>(part: &Part<'a>) -> Vec<Part<'a>> {
    for list in ["routes", "list"] {
        if part.get(list).is_some() {
            return part.items_of(list).iter().flat_map(routes).collect();
        }
    }
    if let Some(inner) = part.get("value").or_else(|| part.get("node")) {
        return routes(&inner);
    }
    let known = ["plugins", "traffic-split", "proxy-mirror", "rules", "uri", "uris"];
    if known.iter().any(|field| part.get(field).is_some()) { vec![part.clone()] } else { Vec::new() }
}

fn splits_or_mirrors(route: &Part<'_>) -> bool {
    let plugins = route.get("plugins").unwrap_or_else(|| route.clone());
    PLUGINS.iter().any(|plugin| plugins.get(plugin).is_some()) || route.get("rules").is_some()
}

/// The higher priority first, then the longer path, exact before open.
fn precedence(route: &Part<'_>) -> (i64, usize, bool) {
    let priority = route.text_of("priority").and_then(|text| text.parse().ok()).unwrap_or(0);
    let uri = route.text_of("uri").unwrap_or_default();
    (priority, uri.trim_end_matches('*').len(), !uri.ends_with('*'))
}

fn policy_name(routes: &[Part<'_>]) -> String {
    let named = |route: &Part<'_>| {
        route.text_of("name").or_else(|| route.text_of("id").map(|id| format!("route-{id}")))
    };
    match routes {
        [route] => named(route).unwrap_or_else(|| "apisix".to_owned()),
        _ => "apisix".to_owned(),
    }
}

fn import_route<'a>(draft: &mut Draft, route: &Part<'a>, upstreams: &Upstreams<'a>, last: bool) {
    let plugins = route.get("plugins").unwrap_or_else(|| route.clone());
    let split = plugins.get("traffic-split").or_else(|| route.get("rules").map(|_| route.clone()));
    let base = route::condition(draft, route);
    let mut own = upstreams.own(draft, route);
    if let Some(plugin) = plugins.get("proxy-mirror").filter(|plugin| enabled(plugin)) {
        import_mirror(draft, &plugin, base.clone());
    }
    let rules: Vec<Part<'a>> =
        split.iter().filter(|plugin| enabled(plugin)).flat_map(|plugin| plugin.items_of("rules")).collect();
    let taken = rules.iter().any(|rule| rule.items_of("match").is_empty());
    for rule in rules {
        import_rule(draft, &rule, &base, upstreams, &mut own);
    }
    for (name, plugin) in plugins.others(&PLUGINS).into_iter().filter(|_| route.get("plugins").is_some()) {
        draft.note(plugin.at, format!("the plugin {name:?} is not about splitting: keep it in the host"));
    }
    match own {
        Some(own) if last && base == Condition::Always => draft.default = Some(own),
        Some(own) if !taken => draft.rule(&route.at, &own.clone(), base, Target::To(own), Vec::new()),
        _ => {}
    }
}

fn enabled(plugin: &Part<'_>) -> bool {
    plugin.get("_meta").and_then(|meta| meta.text_of("disable")).is_none_or(|disable| disable != "true")
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
    let matched = if alternatives.is_empty() { Condition::Always } else { Condition::any(alternatives) };
    let mut weights = Vec::new();
    for entry in rule.items_of("weighted_upstreams") {
        let variant = upstreams
            .weighted(draft, &entry)
            .unwrap_or_else(|| own.get_or_insert_with(|| upstream::unknown_own(draft, &entry)).clone());
        let weight = entry.get("weight").map_or(Some(1), |weight| weight.weight());
        if weight.is_none() {
            draft.note(&entry.at, "weight is not a whole number from 0 to 10000000: 0 is taken");
        }
        weights.push((variant, weight.unwrap_or(0)));
    }
    if weights.is_empty() {
        weights.push((own.get_or_insert_with(|| upstream::unknown_own(draft, rule)).clone(), 1));
    }
    let name = if let [(only, _)] = weights.as_slice() { only.clone() } else { "split".to_owned() };
    let target = Target::Split(Split { weights, ..Split::default() });
    draft.rule(&rule.at, &name, Condition::all([base.clone(), matched]), target, Vec::new());
}

fn group_condition(draft: &mut Draft, group: &Part<'_>) -> Condition {
    group.get("vars").map_or(Condition::Always, |vars| vars::condition(draft, &vars))
}

fn import_mirror(draft: &mut Draft, plugin: &Part<'_>, base: Condition) {
    let host = plugin.text_of("host").unwrap_or_default();
    let address =
        ["http://", "https://", "grpc://", "grpcs://"].iter().find_map(|scheme| host.strip_prefix(scheme));
    let Some(address) =
        address.map(|address| address.trim_end_matches('/')).filter(|address| !address.is_empty())
    else {
        draft.note(
            &plugin.at,
            format!(
                "host is {host:?}, must be a URL as http://10.0.0.9:8080, as \
             APISIX demands too: nothing is mirrored"
            ),
        );
        return;
    };
    let ratio = plugin.get("sample_ratio").map_or(Some(1.0), |ratio| ratio.number());
    let Some(ratio) = ratio.filter(|ratio| (0.0..=1.0).contains(ratio)) else {
        draft.note(&plugin.at, "sample_ratio must be within 0..=1: nothing is mirrored");
        return;
    };
    for (name, field) in plugin.others(&["host", "sample_ratio", "_meta"]) {
        draft.note(field.at, format!("{name:?} is not carried over: the mirrored request keeps its path"));
    }
    let to = draft.variant(upstream::at_address(address, address));
    let percent = condition::whole((ratio * 1e8).round() / 1e6);
    let mirror = Mirror { to, share: ("percent", percent), at: plugin.at.clone() };
    draft.rule(&plugin.at, "mirror", base, Target::Onward, vec![mirror]);
}

const WANTED: &str = "route with traffic-split or proxy-mirror";
const PLUGINS: [&str; 2] = ["traffic-split", "proxy-mirror"];
