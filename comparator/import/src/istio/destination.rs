//! Istio's destinations as clusters, and its header operations as a variant's.

use antumbra_policy::document::Tree;

use super::hosts::namespace;
use crate::draft::{Changes, Destination, Draft};
use crate::part::Part;

/// What the destinations of a virtual service depend on.
pub(super) struct Service<'a> {
    namespace: String,
    named: bool,
    rules: &'a [Part<'a>],
}

impl<'a> Service<'a> {
    /// Of a `VirtualService` among these `DestinationRule`s.
    pub(super) fn new(part: &Part<'_>, rules: &'a [Part<'a>]) -> Self {
        let namespace = namespace(part);
        Self {
            named: namespace.is_some(),
            namespace: namespace.unwrap_or_else(|| "default".to_owned()),
            rules,
        }
    }

    /// A host as Istio completes it.
    fn full(&self, host: &str) -> String {
        completed(host, &self.namespace)
    }

    /// The variant of a `destination`, whose cluster is Istio's own.
    pub(super) fn variant(&self, draft: &mut Draft, to: &Part<'_>, headers: Option<Tree>) -> String {
        for (field, part) in to.others(&["host", "subset", "port"]) {
            draft.note(part.at, format!("{field:?} is not carried over"));
        }
        let host = to.text_of("host").unwrap_or_default();
        let subset = to.text_of("subset").unwrap_or_default();
        let port = to.get("port").and_then(|port| port.text_of("number"));
        if port.is_none() {
            draft.note(
                &to.at,
                format!("names no port: 80 stands in the cluster of {host:?}; write the port of the service"),
            );
        }
        if !self.named && !host.contains('.') {
            draft.note(
                &to.at,
                format!("the namespace of {host:?} is not known: \"default\" stands in its cluster"),
            );
        }
        if !subset.is_empty() && !self.knows(&host, &subset) {
            draft.note(
                &to.at,
                format!(
                    "no DestinationRule of {host:?} in the input has the subset \
                 {subset:?}: without it there is no such cluster"
                ),
            );
        }
        let short = host.split('.').next().unwrap_or_default();
        let name = if subset.is_empty() { short.to_owned() } else { format!("{short}-{subset}") };
        let port = port.unwrap_or_else(|| "80".to_owned());
        let cluster = format!("outbound|{port}|{subset}|{}", self.full(&host));
        draft.variant(Destination { name, cluster, headers, ..Destination::default() })
    }

    /// Whether a subset is defined; true as well where the input has no rule at all to tell.
    fn knows(&self, host: &str, subset: &str) -> bool {
        let of_host = |rule: &&Part<'_>| {
            let written = rule.get("spec").and_then(|spec| spec.text_of("host")).unwrap_or_default();
            let namespace = namespace(rule).unwrap_or_else(|| self.namespace.clone());
            completed(&written, &namespace) == self.full(host)
        };
        let has = |rule: &Part<'_>| {
            let subsets = rule.get("spec").map(|spec| spec.items_of("subsets")).unwrap_or_default();
            subsets.iter().any(|entry| entry.text_of("name").as_deref() == Some(subset))
        };
        self.rules.is_empty() || self.rules.iter().filter(of_host).any(has)
    }
}

/// A name without a dot is a service of the same namespace.
fn completed(host: &str, namespace: &str) -> String {
    if host.contains('.') { host.to_owned() } else { format!("{host}.{namespace}.svc.cluster.local") }
}

/// The `request` part of `headers`; what is done to responses is noted.
pub(super) fn headers(draft: &mut Draft, headers: &Part<'_>) -> Option<Tree> {
    if let Some(response) = headers.get("response") {
        draft.note(response.at, "headers of responses are not part of a policy: keep them in Istio");
    }
    let request = headers.get("request")?;
    let pairs = |field: &str| {
        let entries = request.get(field).map(|part| part.entries()).unwrap_or_default();
        entries.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.text()?))).collect()
    };
    let remove = request.get("remove").map(|names| names.texts()).unwrap_or_default();
    draft.headers(&request.at, Changes { set: pairs("set"), add: pairs("add"), remove })
}
