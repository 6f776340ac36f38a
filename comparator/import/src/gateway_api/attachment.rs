//! Where a route is attached, and for which hosts it is served there.
//!
//! A policy cannot test the listener that took a request. So routes for the same hosts at different listeners are told apart: what
//! only redirects is left to the host, and of what serves nothing is guessed.

use std::collections::{BTreeMap, BTreeSet};

use antumbra_policy::document::Tree;

use crate::draft::Draft;
use crate::part::Part;

/// Where a route holds.
#[derive(Debug, Default)]
pub(super) struct Attachment {
    /// Listeners as `namespace/gateway/section/port`, where `*` is what the route or the input does not say, each with a host.
    places: Vec<(String, String)>,
}

impl Attachment {
    /// That of a route, as far as the input shows its gateways; `None` if none of them takes it.
    pub(super) fn of(draft: &mut Draft, documents: &[Tree], route: &Route<'_>) -> Option<Self> {
        let own = route.spec.get("hostnames").map(|hosts| hosts.texts()).unwrap_or_default();
        let own = if own.is_empty() { vec!["*".to_owned()] } else { own };
        let parents = route.spec.items_of("parentRefs");
        let mut attachment = Self::default();
        if parents.is_empty() {
            attachment.add("", &own);
        }
        for parent in &parents {
            if parent.text_of("kind").as_deref() == Some("Service") {
                attachment.add(&written(parent, &route.namespace), &service_names(parent, &route.namespace));
            } else if let Some(gateway) = gateway(documents, parent, &route.namespace) {
                attachment.add_gateway(draft, &gateway, parent, route, &own);
            } else {
                attachment.add(&written(parent, &route.namespace), &own);
            }
        }
        if attachment.places.is_empty() {
            draft.note(
                route.spec.at.trim_end_matches(':'),
                "no listener of its gateways takes it: it is left out",
            );
            return None;
        }
        Some(attachment)
    }

    /// How many hosts it has, those of each listener by themselves.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Its hosts; none is every host.
    pub(super) fn hosts(&self) -> Vec<String> {
        let mut hosts: Vec<String> = Vec::new();
        for (_, host) in &self.places {
            if host == "*" {
                return Vec::new();
            }
            if !hosts.contains(host) {
                hosts.push(host.clone());
            }
        }
        hosts
    }

    /// Whether both serve a host at one listener.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let shares = |(listener, host): &(String, String)| {
            other.places.iter().any(|(at, theirs)| at == listener && common(host, theirs).is_some())
        };
        self.places.iter().any(shares)
    }

    fn listeners(&self, host: &str) -> BTreeSet<&str> {
        self.places.iter().filter(|(_, known)| known == host).map(|(listener, _)| listener.as_str()).collect()
    }

    fn add(&mut self, listener: &str, hosts: &[String]) {
        self.places.extend(hosts.iter().map(|host| (listener.to_owned(), host.clone())));
    }

    /// The listeners of a gateway that take the route, and the hosts that both have.
    fn add_gateway(
        &mut self,
        draft: &mut Draft,
        gateway: &Part<'_>,
        parent: &Part<'_>,
        route: &Route<'_>,
        own: &[String],
    ) {
        let home = metadata(gateway, "namespace").unwrap_or_else(|| "default".to_owned());
        let name = metadata(gateway, "name").unwrap_or_default();
        let listeners = gateway.get("spec").map(|spec| spec.items_of("listeners")).unwrap_or_default();
        for listener in listeners {
            let is = |field: &str, key: &str| {
                parent.text_of(field).is_none_or(|wanted| listener.text_of(key) == Some(wanted))
            };
            if is("sectionName", "name") && is("port", "port") && allows(draft, &listener, route, &home) {
                let theirs = listener.text_of("hostname").unwrap_or_else(|| "*".to_owned());
                let hosts: Vec<String> = own.iter().filter_map(|host| common(host, &theirs)).collect();
                let at = format!("{home}/{name}/{}/{}", text(&listener, "name"), text(&listener, "port"));
                self.add(&at, &hosts);
            }
        }
    }
}

/// For each route those that serve one of its hosts at a listener where it is not.
pub(super) fn rivals<'a>(attachments: impl Iterator<Item = &'a Attachment>) -> Vec<BTreeSet<usize>> {
    let mut numbers: BTreeMap<BTreeSet<&str>, usize> = BTreeMap::new();
    let mut places: Vec<(usize, String, usize)> = Vec::new();
    let mut rivals = Vec::new();
    for (index, attachment) in attachments.enumerate() {
        rivals.push(BTreeSet::new());
        for (_, host) in &attachment.places {
            let next = numbers.len();
            let listeners = *numbers.entry(attachment.listeners(host)).or_insert(next);
            places.push((index, host.to_ascii_lowercase(), listeners));
        }
    }
    let mut of_host: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
    for (index, host, listeners) in &places {
        of_host.entry(host).or_default().push((*index, *listeners));
    }
    for (index, host, listeners) in &places {
        let met = wider(host).filter_map(|wide| of_host.get(wide.as_str())).flatten();
        for (other, _) in met.filter(|(other, at)| at != listeners && other != index) {
            for (one, other) in [(*index, *other), (*other, *index)] {
                if let Some(rivals) = rivals.get_mut(one) {
                    rivals.insert(other);
                }
            }
        }
    }
    rivals
}

/// A host and the wildcards that cover it.
fn wider(host: &str) -> impl Iterator<Item = String> {
    let ends =
        host.char_indices().filter(|(at, c)| *c == '.' && *at > 0).filter_map(|(at, _)| host.get(at..));
    let wild = ends.map(|end| format!("*{end}")).chain(["*".to_owned()]).filter(move |wide| wide != host);
    std::iter::once(host.to_owned()).chain(wild)
}

/// The names under which a service of the mesh is called.
fn service_names(parent: &Part<'_>, namespace: &str) -> Vec<String> {
    let name = parent.text_of("name").unwrap_or_default();
    let own = parent.text_of("namespace").unwrap_or_else(|| namespace.to_owned());
    let ends = ["", ".svc", ".svc.cluster.local"].map(|end| format!("{name}.{own}{end}"));
    ends.into_iter().chain((own == namespace).then_some(name)).collect()
}

/// A route with what tells it apart.
pub(super) struct Route<'a> {
    /// `HTTPRoute` or `GRPCRoute`.
    pub(super) kind: String,
    /// `default` if it has none.
    pub(super) namespace: String,
    /// Called by kind and name.
    pub(super) spec: Part<'a>,
}

/// A field of an object's metadata.
pub(super) fn metadata(part: &Part<'_>, field: &str) -> Option<String> {
    part.get("metadata")?.text_of(field)
}

fn text(part: &Part<'_>, field: &str) -> String {
    part.text_of(field).unwrap_or_else(|| "*".to_owned())
}

fn written(parent: &Part<'_>, namespace: &str) -> String {
    let namespace = parent.text_of("namespace").unwrap_or_else(|| namespace.to_owned());
    format!("{namespace}/{}/{}/{}", text(parent, "name"), text(parent, "sectionName"), text(parent, "port"))
}

/// The gateway that a route names, if the input has it.
fn gateway<'a>(documents: &'a [Tree], parent: &Part<'_>, namespace: &str) -> Option<Part<'a>> {
    let namespace = parent.text_of("namespace").unwrap_or_else(|| namespace.to_owned());
    let gateways = documents.iter().map(|tree| Part::new("", tree));
    let mut gateways = gateways.filter(|part| part.text_of("kind").as_deref() == Some("Gateway"));
    gateways.find(|gateway| {
        metadata(gateway, "name") == parent.text_of("name")
            && metadata(gateway, "namespace").unwrap_or_else(|| "default".to_owned()) == namespace
    })
}

/// Whether a listener takes routes of this kind and namespace: without a word only those of the gateway's own.
fn allows(draft: &mut Draft, listener: &Part<'_>, route: &Route<'_>, home: &str) -> bool {
    let allowed = listener.get("allowedRoutes");
    let kinds = allowed.as_ref().map(|allowed| allowed.items_of("kinds")).unwrap_or_default();
    let kind =
        kinds.is_empty() || kinds.iter().any(|kind| kind.text_of("kind").as_ref() == Some(&route.kind));
    let from = allowed.and_then(|allowed| allowed.get("namespaces")?.text_of("from"));
    let namespace = match from.as_deref() {
        None | Some("Same") => route.namespace == home,
        Some("All") => true,
        Some(other) => {
            draft.note(
                route.spec.at.trim_end_matches(':'),
                format!("whether its listener takes it is left to {other:?} of namespaces: here it does"),
            );
            other == "Selector"
        }
    };
    kind && namespace
}

/// The hosts that two names have in common, which the more specific one says.
fn common(a: &str, b: &str) -> Option<String> {
    let covers = |wide: &str, narrow: &str| covers(&wide.to_ascii_lowercase(), &narrow.to_ascii_lowercase());
    match (covers(a, b), covers(b, a)) {
        (true, _) => Some(b.to_owned()),
        (_, true) => Some(a.to_owned()),
        _ => None,
    }
}

/// Whether a host in small letters is one of those that another means.
fn covers(wide: &str, narrow: &str) -> bool {
    match wide.strip_prefix('*') {
        Some(end) => narrow.len() > end.len() && narrow.ends_with(end),
        None => wide == narrow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_two_names_have_in_common() {
        for (a, b, expected) in [
            ("a.test", "a.test", Some("a.test")),
            ("a.test", "A.test", Some("A.test")),
            ("*.test", "a.test", Some("a.test")),
            ("a.b.test", "*.test", Some("a.b.test")),
            ("*.test", "*.b.test", Some("*.b.test")),
            ("*", "*.b.test", Some("*.b.test")),
            ("*.test", "test", None),
            ("*.a.test", "*.b.test", None),
            ("a.test", "b.test", None),
        ] {
            assert_eq!(common(a, b).as_deref(), expected, "{a} {b}");
        }
    }
}
