//! Backends and filters of Gateway API.

use antumbra_policy::document::Tree;

use crate::condition::whole;
use crate::draft::{Changes, Destination, Draft, Mirror};
use crate::part::Part;

/// The variants of a rule with their weights; none if one of them cannot be told, since the others would get its share.
pub(super) fn weights(
    draft: &mut Draft,
    rule: &Part<'_>,
    namespace: &str,
    shared: Option<&Tree>,
) -> Vec<(String, u64)> {
    let mut weights = Vec::new();
    for entry in rule.items_of("backendRefs") {
        let Some(weight) = entry.get("weight").map_or(Some(1), |weight| weight.weight()) else {
            draft.note(
                &entry.at,
                "weight is not a whole number from 0 to 10000000, so the rule's requests are left to the host's own routing",
            );
            return Vec::new();
        };
        note_reference(draft, &entry, namespace);
        weights.push((variant(draft, &entry, namespace, shared), weight));
    }
    if weights.is_empty() && !redirects(rule) {
        draft.note(
            &rule.at,
            "has no backend: a gateway answers 500, and the host's own routing keeps its requests",
        );
    }
    weights
}

/// Whether a rule answers its requests itself.
pub(super) fn redirects(rule: &Part<'_>) -> bool {
    let filters = rule.items_of("filters");
    filters.iter().any(|filter| filter.text_of("type").as_deref() == Some("RequestRedirect"))
}

fn note_reference(draft: &mut Draft, backend: &Part<'_>, namespace: &str) {
    for (field, part) in backend.others(&BACKEND_FIELDS) {
        draft.note(part.at, format!("{field:?} is not carried over: keep it in the host"));
    }
    let kind = backend.text_of("kind").unwrap_or_else(|| "Service".to_owned());
    if kind != "Service" {
        draft.note(
            &backend.at,
            format!("is of kind {kind:?}, not a Service: its cluster may be called otherwise"),
        );
    }
    if let Some(other) = backend.text_of("namespace").filter(|other| other != namespace) {
        draft.note(
            &backend.at,
            format!(
                "is in namespace {other:?}: without a ReferenceGrant there, which is not looked for, a gateway answers 500"
            ),
        );
    }
}

/// The variant of a `backendRef`, which is called as its service.
fn variant(draft: &mut Draft, backend: &Part<'_>, namespace: &str, shared: Option<&Tree>) -> String {
    let own = headers(draft, backend);
    let headers = draft.merged(&backend.at, shared, own.as_ref());
    let destination = destination(backend, namespace, headers);
    draft.variant(destination)
}

/// The header modifications for requests; other filters are noted.
pub(super) fn headers(draft: &mut Draft, part: &Part<'_>) -> Option<Tree> {
    let mut changes = None;
    for filter in part.items_of("filters") {
        match filter.text_of("type").unwrap_or_default().as_str() {
            "RequestMirror" => {}
            "RequestHeaderModifier" => {
                if let Some(modifier) = filter.get("requestHeaderModifier") {
                    let own = draft.headers(&modifier.at, modifications(&modifier));
                    changes = draft.merged(&modifier.at, changes.as_ref(), own.as_ref());
                }
            }
            other => draft.note(
                filter.at,
                format!("the filter {other:?} is not part of a policy: keep it in the host's route"),
            ),
        }
    }
    changes
}

/// The mirrors of a rule, and those of its backend if it has but one with a weight.
pub(super) fn mirrors(draft: &mut Draft, rule: &Part<'_>, namespace: &str) -> Vec<Mirror> {
    let mut filters = rule.items_of("filters");
    let backends = rule.items_of("backendRefs");
    let weighed = |backend: &&Part<'_>| backend.get("weight").and_then(|weight| weight.weight()) != Some(0);
    let alone = backends.iter().filter(weighed).count() == 1;
    for backend in backends.iter().filter(weighed) {
        let of_backend = backend.items_of("filters");
        let (mirrors, _): (Vec<_>, Vec<_>) =
            of_backend.into_iter().partition(|filter| filter.get("requestMirror").is_some());
        if alone {
            filters.extend(mirrors);
        } else if let Some(mirror) = mirrors.first() {
            draft.note(
                &mirror.at,
                "mirrors only what goes to this backend of several, which a policy cannot say: nothing is mirrored",
            );
        }
    }
    let all = filters.iter().filter_map(|filter| filter.get("requestMirror"));
    let mut mirrors = Vec::new();
    for mirror in all {
        for (field, part) in mirror.others(&["backendRef", "percent", "fraction"]) {
            draft.note(part.at, format!("{field:?} is not carried over"));
        }
        let Some(backend) = mirror.get("backendRef") else {
            draft.note(mirror.at, "has no backendRef: nothing is mirrored");
            continue;
        };
        let Some(share) = share(&mirror) else {
            draft.note(
                mirror.at,
                "takes percent (0..=100) or fraction (numerator at most the \
                 denominator), and not both: nothing is mirrored",
            );
            continue;
        };
        note_reference(draft, &backend, namespace);
        let to = draft.variant(destination(&backend, namespace, None));
        mirrors.push(Mirror { to, share, at: mirror.at });
    }
    mirrors
}

fn destination(backend: &Part<'_>, namespace: &str, headers: Option<Tree>) -> Destination {
    let name = backend.text_of("name").unwrap_or_default();
    let namespace = backend.text_of("namespace").unwrap_or_else(|| namespace.to_owned());
    let port = backend.text_of("port").map(|port| format!(":{port}")).unwrap_or_default();
    let servers = vec![format!("{}.{namespace}{port}", name)];
    Destination { cluster: name.clone(), name, headers, servers, host: None }
}

fn share(mirror: &Part<'_>) -> Option<(&'static str, Tree)> {
    match (mirror.get("percent"), mirror.get("fraction")) {
        (None, None) => Some(("percent", Tree::Integer(100))),
        (Some(percent), None) => {
            let percent = percent.number().filter(|percent| (0.0..=100.0).contains(percent))?;
            Some(("percent", whole(percent)))
        }
        (None, Some(fraction)) => {
            let numerator = fraction.get("numerator")?.weight()?;
            let denominator =
                fraction.get("denominator").map_or(Some(100), |denominator| denominator.weight())?;
            let valid = denominator > 0 && numerator <= denominator;
            let integer = |number| i64::try_from(number).ok().map(Tree::Integer);
            let fields = [("numerator", integer(numerator)?), ("denominator", integer(denominator)?)];
            let tree = Tree::Map(fields.map(|(name, value)| (name.to_owned(), value)).into());
            valid.then_some(("fraction", tree))
        }
        (Some(_), Some(_)) => None,
    }
}

fn modifications(modifier: &Part<'_>) -> Changes {
    let pairs = |field| {
        let pairs = modifier.items_of(field);
        pairs.iter().filter_map(|pair| Some((pair.text_of("name")?, pair.text_of("value")?))).collect()
    };
    let remove = modifier.get("remove").map(|names| names.texts()).unwrap_or_default();
    Changes { set: pairs("set"), add: pairs("add"), remove }
}

const BACKEND_FIELDS: [&str; 7] = ["group", "kind", "name", "namespace", "port", "weight", "filters"];
