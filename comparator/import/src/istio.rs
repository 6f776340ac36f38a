//! Istio: the `http` routes of a `VirtualService`, in their order, with the subsets of `DestinationRule`.
//!
//! Variants are Istio's own clusters, `outbound|<port>|<subset>|<host>`, so nothing has to be renamed: only the
//! `DestinationRule` must stay. A request that no route matches is left to the host.

mod destination;
mod matching;
#[cfg(test)]
mod tests;

use antumbra_policy::document::Tree;

use super::condition::{Condition, whole};
use super::draft::{Draft, Mirror, Split, Target};
use super::part::Part;
use crate::imported::{ImportError, Imported};
use destination::Service;

/// Reads all virtual services of the documents.
pub(super) fn import(documents: &[Tree]) -> Result<Imported, ImportError> {
    let services: Vec<Part<'_>> = of_kind(documents, "VirtualService");
    let rules = of_kind(documents, "DestinationRule");
    let name = services.first().and_then(|service| service.get("metadata")?.text_of("name"));
    let mut draft = Draft::named(name.unwrap_or_else(|| "istio".to_owned()));
    for service in &services {
        import_service(&mut draft, &Service::new(service, &rules), service);
    }
    draft.finish("VirtualService with http routes")
}

/// The documents of a kind, each called by kind and name.
fn of_kind<'a>(documents: &'a [Tree], kind: &str) -> Vec<Part<'a>> {
    let parts = documents.iter().map(|tree| Part::new("", tree));
    let parts = parts.filter(|part| part.text_of("kind").as_deref() == Some(kind));
    parts
        .map(|part| {
            let name = part.get("metadata").and_then(|metadata| metadata.text_of("name"));
            Part::new(format!("{kind}/{}:", name.unwrap_or_default()), part.tree)
        })
        .collect()
}

fn import_service(draft: &mut Draft, service: &Service<'_>, part: &Part<'_>) {
    let Some(spec) = part.get("spec") else { return };
    let spec = Part::new(part.at.clone(), spec.tree);
    for (name, field) in spec.others(&["hosts", "http", "gateways", "exportTo"]) {
        draft.note(field.at, format!("{name:?} is not about HTTP routes: keep it in Istio"));
    }
    let hosts = matching::hosts(draft, service, &spec);
    for route in spec.items_of("http") {
        import_route(draft, service, &route, &hosts);
    }
}

fn import_route(draft: &mut Draft, service: &Service<'_>, route: &Part<'_>, hosts: &Condition) {
    for (field, part) in route.others(&ROUTE_FIELDS) {
        draft.note(part.at, format!("{field:?} is not part of a policy: keep it in Istio"));
    }
    let condition = Condition::all([hosts.clone(), matching::matches(draft, route)]);
    let headers = route.get("headers").and_then(|headers| destination::headers(draft, &headers));
    let weights = weights(draft, service, route, headers.as_ref());
    let mirrors = mirrors(draft, service, route);
    let name = route.text_of("name").unwrap_or_else(|| match weights.as_slice() {
        [] => "host".to_owned(),
        [(only, _)] => only.clone(),
        _ => "split".to_owned(),
    });
    let target = match weights.as_slice() {
        [] => Target::Host,
        [(only, _)] => Target::To(only.clone()),
        _ => Target::Split(Split { weights, ..Split::default() }),
    };
    draft.rule(&route.at, &name, condition, target, mirrors);
}

fn weights(
    draft: &mut Draft,
    service: &Service<'_>,
    route: &Part<'_>,
    headers: Option<&Tree>,
) -> Vec<(String, u64)> {
    let mut weights = Vec::new();
    for entry in route.items_of("route") {
        for (field, part) in entry.others(&["destination", "weight", "headers"]) {
            draft.note(part.at, format!("{field:?} is not part of a policy: keep it in Istio"));
        }
        let own = entry.get("headers").and_then(|headers| destination::headers(draft, &headers));
        let headers = destination::merged(headers, own.as_ref());
        let Some(to) = entry.get("destination") else {
            draft.note(entry.at, "has no destination");
            continue;
        };
        let weight = entry.get("weight").map_or(Some(0), |weight| weight.weight());
        if weight.is_none() {
            draft.note(&entry.at, "weight is not a whole number from 0 to 10000000: 0 is taken");
        }
        weights.push((service.variant(draft, &to, headers), weight.unwrap_or(0)));
    }
    weights
}

fn mirrors(draft: &mut Draft, service: &Service<'_>, route: &Part<'_>) -> Vec<Mirror> {
    let mut mirrors = Vec::new();
    if let Some(to) = route.get("mirror") {
        let share =
            ["mirrorPercentage", "mirror_percentage"].iter().find_map(|name| route.get(name)?.get("value"));
        let older = ["mirrorPercent", "mirror_percent"].iter().find_map(|name| route.get(name));
        mirrors.extend(mirror(draft, service, &to, share.or(older)));
    }
    for entry in route.items_of("mirrors") {
        if let Some(to) = entry.get("destination") {
            let share = entry.get("percentage").and_then(|share| share.get("value"));
            mirrors.extend(mirror(draft, service, &to, share));
        }
    }
    mirrors
}

fn mirror(
    draft: &mut Draft,
    service: &Service<'_>,
    to: &Part<'_>,
    share: Option<Part<'_>>,
) -> Option<Mirror> {
    let percent = match &share {
        None => Some(100.0),
        Some(share) => share.number().filter(|percent| (0.0..=100.0).contains(percent)),
    };
    let Some(percent) = percent else {
        let at = share.map_or_else(|| to.at.clone(), |share| share.at);
        draft.note(at, "must be a number within 0..=100: nothing is mirrored");
        return None;
    };
    let percent = whole((percent * 1e6).round() / 1e6);
    Some(Mirror { to: service.variant(draft, to, None), share: ("percent", percent), at: to.at.clone() })
}

const ROUTE_FIELDS: [&str; 10] = [
    "name",
    "match",
    "route",
    "headers",
    "mirror",
    "mirrors",
    "mirrorPercentage",
    "mirrorPercent",
    "mirror_percentage",
    "mirror_percent",
];
