//! Envoy: the virtual hosts and routes of a bootstrap, a route configuration or a dump of `/config_dump`.
//!
//! Variants are Envoy's own clusters. Of the virtual hosts the one with the most specific domain decides, of its routes the first
//! that matches; what none of them matches, answers itself or cannot be carried over is left to the host.

mod action;
mod domains;
mod header;
mod matching;
mod source;
#[cfg(test)]
mod tests;

use antumbra_policy::document::Tree;

use super::condition::{Condition, Predicate, Subject};
use super::draft::{Draft, Target};
use super::part::{Part, roots};
use crate::imported::{ImportError, Imported};
use action::Action;
use domains::{Host, Unit};
use source::Source;

/// Reads all route configurations of the documents.
pub(super) fn import(documents: &[Tree]) -> Result<Imported, ImportError> {
    let documents: Vec<Tree> = documents.iter().map(source::normal).collect();
    let roots = roots(&documents);
    let mut draft = Draft::named("envoy");
    draft.keep_long();
    let sources = source::all(&mut draft, &roots);
    if let [source] = sources.as_slice() {
        draft.rename(source.config.text_of("name").unwrap_or_else(|| "envoy".to_owned()));
    }
    let hosts: Vec<Host<'_>> = sources.iter().enumerate().flat_map(|(index, s)| s.hosts(index)).collect();
    for source in &sources {
        note_config(&mut draft, source);
    }
    for host in &hosts {
        note_host(&mut draft, host);
    }
    let names = hosts.iter().map(|host| host.part.get("domains").map_or(0, |domains| domains.items().len()));
    ImportError::unless_few("domains", names.sum())?;
    let units = domains::units(&mut draft, &hosts);
    for (index, unit) in units.iter().enumerate() {
        let Some(host) = hosts.get(unit.host) else { continue };
        let Some(source) = sources.get(host.source) else { continue };
        import_unit(&mut draft, source, host, unit, index + 1 == units.len());
    }
    draft.finish_in_order(WANTED, &roots)
}

fn note_config(draft: &mut Draft, source: &Source<'_>) {
    if header::is_true(&source.config, "ignore_path_parameters_in_path_matching") {
        let parameters = Condition::Test(Subject::Path, Predicate::text("contains", ";"));
        draft.odd(
            &source.config.below("ignore_path_parameters_in_path_matching"),
            parameters,
            "paths are compared without their parameters, which a policy does not take off: requests with ; in their path are \
             left to the host's own routing",
        );
    }
    for (field, part) in source.config.others(&CONFIG_FIELDS) {
        draft.note(part.at, format!("{field:?} is not part of a policy: keep it in the host"));
    }
}

fn note_host(draft: &mut Draft, host: &Host<'_>) {
    for (field, part) in host.part.others(&HOST_FIELDS) {
        let what = match field {
            "require_tls" if matches!(part.text().as_deref(), Some("NONE" | "0")) => continue,
            "require_tls" => "is not carried over: the host has to answer plain HTTP itself".to_owned(),
            _ => format!("{field:?} is not part of a policy: keep it in the host"),
        };
        draft.note(part.at, what);
    }
}

fn import_unit(draft: &mut Draft, source: &Source<'_>, host: &Host<'_>, unit: &Unit, last: bool) {
    let requests = unit.requests.clone();
    let routes = host.part.items_of("routes");
    if let Some(matcher) = host.part.get("matcher") {
        draft.note(matcher.at, "a tree of matchers is not carried over: its requests are left to the host");
    }
    let mut ends = false;
    let mut rest = routes.as_slice();
    for length in matching::drawn_together(rest) {
        let (group, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        rest = after;
        if let Some(route) = group.first() {
            ends = import_route(draft, source, host, &requests, route, group);
        }
    }
    if !last && !ends {
        draft.rule(&host.part.at, "unmatched", requests, Target::Host, Vec::new());
    }
}

/// Writes the rule of a route, together with those behind it that only the dice tell apart; whether it takes all requests.
fn import_route(
    draft: &mut Draft,
    source: &Source<'_>,
    host: &Host<'_>,
    requests: &Condition,
    route: &Part<'_>,
    group: &[Part<'_>],
) -> bool {
    let matched = matching::condition(draft, route, group.len() > 1);
    let ends = matched == Condition::Always;
    let mut actions = Vec::new();
    for route in group {
        actions.push((
            matching::share(draft, route),
            Action::of(draft, &[route.clone(), host.part.clone(), source.config.clone()]),
        ));
    }
    let action = Action::drawn(draft, &route.at, actions);
    let name = route.text_of("name").unwrap_or_else(|| match &action.target {
        Target::To(name) => name.clone(),
        Target::Split(_) => "split".to_owned(),
        Target::Host | Target::Onward => "host".to_owned(),
    });
    let condition = Condition::all([requests.clone(), matched]);
    draft.rule(&route.at, &name, condition, action.target, action.mirrors);
    ends
}

const WANTED: &str = "virtual host with routes to clusters";
const CONFIG_FIELDS: [&str; 9] = [
    "name",
    "vhds",
    "ignore_path_parameters_in_path_matching",
    "virtual_hosts",
    "ignore_port_in_host_matching",
    "request_mirror_policies",
    "request_headers_to_add",
    "request_headers_to_remove",
    "most_specific_header_mutations_wins",
];
const HOST_FIELDS: [&str; 7] = [
    "name",
    "domains",
    "routes",
    "matcher",
    "request_mirror_policies",
    "request_headers_to_add",
    "request_headers_to_remove",
];
