//! Which virtual service a host belongs to: the most specific host counts, wherever it stands in the input.
//!
//! A service of the mesh is called by its short name within its namespace, by `name.namespace`, by `name.namespace.svc` and by its
//! full name. All of them are the same host, whichever of them a virtual service has.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::condition::{Condition, Predicate, Subject};
use crate::draft::Draft;
use crate::part::Part;

/// A virtual service with its own hosts.
pub(super) struct Hosted<'a> {
    /// The whole object.
    pub(super) part: Part<'a>,
    /// `default` if it has none.
    pub(super) namespace: String,
    /// Sorted; `mesh` is every sidecar.
    pub(super) gateways: Vec<String>,
    hosts: Vec<String>,
}

/// Hosts of one virtual service that are tried one after the other.
pub(super) struct Unit {
    /// Which of the services.
    pub(super) service: usize,
    /// As written.
    pub(super) hosts: Vec<String>,
    /// Another virtual service has one of the hosts as well.
    pub(super) shared: bool,
}

impl<'a> Hosted<'a> {
    /// `None` without hosts, as a delegate.
    pub(super) fn new(part: &Part<'a>) -> Option<Self> {
        let spec = part.get("spec")?;
        let hosts = spec.get("hosts")?.texts();
        let mut gateways = spec.get("gateways").map(|gateways| gateways.texts()).unwrap_or_default();
        if gateways.is_empty() {
            gateways.push(MESH.to_owned());
        }
        gateways.sort();
        let namespace = namespace(part).unwrap_or_else(|| "default".to_owned());
        (!hosts.is_empty()).then(|| Self { part: part.clone(), namespace, gateways, hosts })
    }

    /// How many hosts it has.
    pub(super) fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether a request has one of these hosts, in any spelling.
    pub(super) fn test(&self, draft: &mut Draft, hosts: &[String]) -> Condition {
        if hosts.iter().any(|host| host == "*") {
            return Condition::Always;
        }
        let mut names: Vec<String> = Vec::new();
        for name in hosts.iter().flat_map(|host| self.spellings(host)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let at = Part::new(self.part.at.clone(), self.part.tree).below("hosts");
        draft.test(&at, Subject::Host, Predicate::one_of(names))
    }

    /// `name.namespace` for a service, else the host itself.
    pub(super) fn canonical(&self, host: &str) -> String {
        let bare = host.strip_suffix(".svc.cluster.local").or_else(|| host.strip_suffix(".svc"));
        let short = bare.is_none() && !host.contains(['.', '*']);
        let name = if short { format!("{host}.{}", self.namespace) } else { bare.unwrap_or(host).to_owned() };
        name.to_ascii_lowercase()
    }

    fn spellings(&self, host: &str) -> Vec<String> {
        let bare = host.strip_suffix(".svc.cluster.local").or_else(|| host.strip_suffix(".svc"));
        let labels: Vec<&str> = bare.unwrap_or(host).split('.').collect();
        let (name, namespace) = match (labels.as_slice(), bare) {
            ([name], None) => (*name, self.namespace.as_str()),
            ([name, namespace], Some(_)) => (*name, *namespace),
            // At a gateway two labels are a domain, as `example.com`.
            ([name, namespace], None) if self.gateways.iter().any(|gateway| gateway == MESH) => {
                (*name, *namespace)
            }
            _ => return vec![host.to_owned()],
        };
        let short = (namespace == self.namespace).then(|| name.to_owned());
        let longer = ["", ".svc", ".svc.cluster.local"].map(|end| format!("{name}.{namespace}{end}"));
        if name.starts_with('*') { vec![host.to_owned()] } else { short.into_iter().chain(longer).collect() }
    }
}

/// The namespace of an object.
pub(super) fn namespace(part: &Part<'_>) -> Option<String> {
    part.get("metadata")?.text_of("namespace")
}

/// The virtual services that have a host.
#[derive(Default)]
pub(super) struct Owners {
    /// Which they are.
    pub(super) services: BTreeSet<usize>,
    /// Whether they are at other gateways than each other.
    pub(super) apart: bool,
}

/// Which virtual services have a host, in any of its spellings.
pub(super) fn owners(services: &[Hosted<'_>]) -> BTreeMap<String, Owners> {
    let mut owners: BTreeMap<String, Owners> = BTreeMap::new();
    for (index, service) in services.iter().enumerate() {
        for host in &service.hosts {
            let owners = owners.entry(service.canonical(host)).or_default();
            let first = owners.services.first().and_then(|first| services.get(*first));
            owners.apart |= first.is_some_and(|first| first.gateways != service.gateways);
            owners.services.insert(index);
        }
    }
    owners
}

/// All hosts of all services, those that are tried first in front: exact ones, longer wildcards, `*`.
pub(super) fn units(services: &[Hosted<'_>], owners: &BTreeMap<String, Owners>) -> Vec<Unit> {
    let mut ranked: Vec<(Rank, bool, usize, String)> = Vec::new();
    for (index, service) in services.iter().enumerate() {
        for host in &service.hosts {
            let shared = owners.get(&service.canonical(host)).is_some_and(|owners| owners.services.len() > 1);
            ranked.push((rank(host), shared, index, host.clone()));
        }
    }
    ranked.sort_by_key(|(rank, shared, index, _)| (*rank, *shared, *index));
    let mut units: Vec<Unit> = Vec::new();
    for (_, shared, service, host) in ranked {
        match units.last_mut().filter(|unit| unit.service == service && unit.shared == shared) {
            Some(unit) => unit.hosts.push(host),
            None => units.push(Unit { service, hosts: vec![host], shared }),
        }
    }
    units
}

type Rank = (u8, Reverse<usize>);

fn rank(host: &str) -> Rank {
    match host {
        "*" => (2, Reverse(0)),
        wild if wild.starts_with('*') => (1, Reverse(wild.len())),
        _ => (0, Reverse(0)),
    }
}

/// What Istio calls all sidecars together.
pub(super) const MESH: &str = "mesh";
