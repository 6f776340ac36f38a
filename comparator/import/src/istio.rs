//! Istio: the `http` routes of a `VirtualService`, in their order, with the subsets of `DestinationRule`.
//!
//! Variants are Istio's own clusters, `outbound|<port>|<subset>|<host>`, so nothing has to be renamed: only the
//! `DestinationRule` must stay. Of several virtual services the one with the most specific host decides, and a request that none of
//! its routes matches is left to the host.

mod destination;
mod hosts;
mod matching;
mod route;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use antumbra_policy::document::Tree;

use super::condition::Condition;
use super::draft::{Draft, Target};
use super::part::{self, Part};
use crate::imported::{ImportError, Imported};
use destination::Service;
use hosts::{Hosted, Owners, Unit};

/// Reads all virtual services of the documents.
pub(super) fn import(documents: &[Tree]) -> Result<Imported, ImportError> {
    let mut objects: Vec<Part<'_>> = of_kind(documents, "VirtualService");
    objects.sort_by_key(|object| object.get("metadata").and_then(|data| data.text_of("creationTimestamp")));
    let rules = of_kind(documents, "DestinationRule");
    let name = objects.first().and_then(|service| service.get("metadata")?.text_of("name"));
    let mut draft = Draft::named(name.unwrap_or_else(|| "istio".to_owned()));
    draft.keep_long();
    note_others(&mut draft, documents);
    let services: Vec<Hosted<'_>> = objects.iter().filter_map(Hosted::new).collect();
    let delegates: Vec<Part<'_>> =
        objects.into_iter().filter(|object| Hosted::new(object).is_none()).collect();
    for service in &services {
        note_service(&mut draft, service);
    }
    ImportError::unless_few("hosts", services.iter().map(Hosted::len).sum())?;
    let owners = hosts::owners(&services);
    let units = hosts::units(&services, &owners);
    for (index, unit) in units.iter().enumerate() {
        let Some(service) = services.get(unit.service) else { continue };
        let mesh = Mesh { services: &services, owners: &owners, delegates: &delegates, rules: &rules };
        mesh.import(&mut draft, service, unit, units.get(index + 1..).unwrap_or_default());
    }
    note_unused(&mut draft, &services, &delegates);
    draft.finish_in_order("VirtualService with http routes", &part::objects(documents))
}

/// The documents of a kind, each called by kind and name.
fn of_kind<'a>(documents: &'a [Tree], kind: &str) -> Vec<Part<'a>> {
    let parts = part::named(documents).into_iter();
    let parts = parts.filter(|part| part.text_of("kind").as_deref() == Some(kind));
    parts.map(|part| Part::new(format!("{}:", part.at), part.tree)).collect()
}

fn metadata(part: &Part<'_>, field: &str) -> String {
    part.get("metadata").and_then(|metadata| metadata.text_of(field)).unwrap_or_default()
}

fn note_others(draft: &mut Draft, documents: &[Tree]) {
    for part in part::named(documents) {
        let kind = part.text_of("kind").unwrap_or_default();
        let of_istio = part.text_of("apiVersion").is_some_and(|version| version.contains("istio.io/"));
        if of_istio && !matches!(kind.as_str(), "VirtualService" | "DestinationRule") {
            draft.note(part.at, "is not read: what it changes stays in Istio");
        }
    }
}

fn note_service(draft: &mut Draft, service: &Hosted<'_>) {
    let Some(spec) = service.part.get("spec") else { return };
    let spec = Part::new(service.part.at.clone(), spec.tree);
    for (name, field) in spec.others(&["hosts", "http", "gateways", "exportTo"]) {
        draft.note(field.at, format!("{name:?} is not about HTTP routes: keep it in Istio"));
    }
    if let Some(field) = spec.get("exportTo") {
        draft.note(
            field.at,
            "is not carried over: the policy holds for every client of the proxy that has the filter",
        );
    }
    if let Some(field) = spec.get("gateways") {
        let names = service.gateways.join(", ");
        draft.note(
            field.at,
            format!("is not carried over: install the filter at {names} alone, where these routes apply"),
        );
    }
}

/// A delegate that no route names takes no request.
fn note_unused(draft: &mut Draft, services: &[Hosted<'_>], delegates: &[Part<'_>]) {
    for delegate in delegates {
        let used = services.iter().any(|service| {
            let routes = service.part.get("spec").map(|spec| spec.items_of("http")).unwrap_or_default();
            routes.iter().filter_map(|route| route.get("delegate")).any(|named| is(delegate, &named, service))
        });
        if !used {
            draft.note(
                delegate.at.trim_end_matches(':'),
                "has no hosts, and no route of the input names it as its delegate: it is left out",
            );
        }
    }
}

/// Whether a route's `delegate` names an object; without a namespace it is the service's own.
fn is(delegate: &Part<'_>, named: &Part<'_>, service: &Hosted<'_>) -> bool {
    let namespace = named.text_of("namespace").unwrap_or_else(|| service.namespace.clone());
    let own = hosts::namespace(delegate).unwrap_or_else(|| "default".to_owned());
    named.text_of("name") == Some(metadata(delegate, "name")) && namespace == own
}

/// All that the routes of a virtual service depend on.
struct Mesh<'a> {
    services: &'a [Hosted<'a>],
    /// Which of them have a host.
    owners: &'a BTreeMap<String, Owners>,
    delegates: &'a [Part<'a>],
    rules: &'a [Part<'a>],
}

impl Mesh<'_> {
    fn import(&self, draft: &mut Draft, hosted: &Hosted<'_>, unit: &Unit, later: &[Unit]) {
        let Some(spec) = hosted.part.get("spec") else { return };
        let spec = Part::new(hosted.part.at.clone(), spec.tree);
        let mut requests = hosted.test(draft, &unit.hosts);
        if unit.shared {
            let Some(rest) = self.rival(draft, hosted, unit) else { return };
            requests = Condition::all([requests, rest]);
        }
        let service = Service::new(&hosted.part, self.rules);
        let routes = spec.items_of("http");
        for route in &routes {
            match route.get("delegate") {
                Some(named) => self.delegated(draft, hosted, route, &named, &requests),
                None => route::import(draft, &service, route, &requests, None),
            }
        }
        let ends =
            routes.iter().any(|route| route.items_of("match").is_empty() && route.get("delegate").is_none());
        if !later.is_empty() && !ends && !self.merges(hosted, unit, later) {
            draft.rule(&spec.at, "unmatched", requests, Target::Host, Vec::new());
        }
    }

    /// Whether a later unit has routes for the same hosts at the same gateway.
    fn merges(&self, hosted: &Hosted<'_>, unit: &Unit, later: &[Unit]) -> bool {
        if !unit.shared || hosted.gateways.iter().any(|gateway| gateway == hosts::MESH) {
            return false;
        }
        let same = |later: &Unit| {
            let other = self.services.get(later.service).filter(|other| other.gateways == hosted.gateways);
            other.is_some()
                && self.owners(hosted, unit).any(|owners| owners.services.contains(&later.service))
        };
        later.iter().any(same)
    }

    /// The virtual services that have each of these hosts.
    fn owners(&self, hosted: &Hosted<'_>, unit: &Unit) -> impl Iterator<Item = &Owners> {
        unit.hosts.iter().filter_map(|host| self.owners.get(&hosted.canonical(host)))
    }

    /// What is left of a virtual service of whose hosts others have one, too; `None` is nothing.
    ///
    /// Sidecars take the oldest alone and gateways merge all. Where these differ, the place of the filter decides, which is not known.
    fn rival(&self, draft: &mut Draft, hosted: &Hosted<'_>, unit: &Unit) -> Option<Condition> {
        let at = hosted.part.below("hosts");
        let names = unit.hosts.join(", ");
        let in_mesh = hosted.gateways.iter().any(|gateway| gateway == hosts::MESH);
        let alone = hosted.gateways.len() == 1;
        if self.owners(hosted, unit).any(|owners| owners.apart) || (in_mesh && !alone) {
            return Some(draft.unclear(
                &at,
                format!(
                    "{names} also belong to another virtual service at other gateways: import one gateway's by itself"
                ),
            ));
        }
        let earlier = self
            .owners(hosted, unit)
            .any(|owners| owners.services.first().is_some_and(|first| *first < unit.service));
        if in_mesh && earlier {
            draft.note(at, format!("{names} also belong to an older virtual service, which is the only one that sidecars take"));
            return None;
        }
        if !in_mesh {
            draft.note(
                at,
                format!(
                    "{names} also belong to another virtual service: the routes of the older one are tried first, where \
                     Istio tries those without a match last"
                ),
            );
        }
        Some(Condition::Always)
    }

    /// A delegate's routes hold for the requests of the route that names it.
    fn delegated(
        &self,
        draft: &mut Draft,
        hosted: &Hosted<'_>,
        root: &Part<'_>,
        named: &Part<'_>,
        requests: &Condition,
    ) {
        let requests = Condition::all([requests.clone(), matching::matches(draft, root)]);
        let Some(delegate) = self.delegates.iter().find(|delegate| is(delegate, named, hosted)) else {
            draft.note(
                &named.at,
                "names a virtual service without hosts that is not in the input: its requests are left to the host's own \
                 routing",
            );
            draft.rule(&root.at, "delegate", requests, Target::Host, Vec::new());
            return;
        };
        let service = Service::new(delegate, self.rules);
        let Some(spec) = delegate.get("spec") else { return };
        for route in Part::new(delegate.at.clone(), spec.tree).items_of("http") {
            route::import(draft, &service, &route, &requests, Some(root));
        }
    }
}
