//! Backends and filters of Gateway API.

use antumbra_policy::document::Tree;

use crate::condition::whole;
use crate::draft::{Destination, Draft, Mirror};
use crate::part::Part;

/// The variant of a `backendRef`, which is called as its service.
pub(super) fn variant(
    draft: &mut Draft,
    backend: &Part<'_>,
    namespace: &str,
    shared: Option<&Tree>,
) -> String {
    let own = headers(draft, backend);
    if own.is_some() && shared.is_some() {
        draft.note(&backend.at, "has header filters beside those of its rule: only its own are written");
    }
    let destination = destination(backend, namespace, own.as_ref().or(shared));
    draft.variant(destination)
}

/// The header modifications for requests; other filters are noted.
pub(super) fn headers(draft: &mut Draft, part: &Part<'_>) -> Option<Tree> {
    let mut tree = Tree::Map(Vec::new());
    for filter in part.items_of("filters") {
        match filter.text_of("type").unwrap_or_default().as_str() {
            "RequestMirror" => {}
            "RequestHeaderModifier" => {
                for (field, written) in filter.get("requestHeaderModifier").iter().flat_map(modifications) {
                    tree.set(field, written);
                }
            }
            other => draft.note(
                filter.at,
                format!("the filter {other:?} is not part of a policy: keep it in the host's route"),
            ),
        }
    }
    (tree != Tree::Map(Vec::new())).then_some(tree)
}

/// The mirrors of a rule.
pub(super) fn mirrors(draft: &mut Draft, rule: &Part<'_>, namespace: &str) -> Vec<Mirror> {
    let filters = rule.items_of("filters");
    let all = filters.iter().filter_map(|filter| filter.get("requestMirror"));
    let mut mirrors = Vec::new();
    for mirror in all {
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
        let to = draft.variant(destination(&backend, namespace, None));
        mirrors.push(Mirror { to, share, at: mirror.at });
    }
    mirrors
}

fn destination(backend: &Part<'_>, namespace: &str, headers: Option<&Tree>) -> Destination {
    let name = backend.text_of("name").unwrap_or_default();
    let namespace = backend.text_of("namespace").unwrap_or_else(|| namespace.to_owned());
    let port = backend.text_of("port").map(|port| format!(":{port}")).unwrap_or_default();
    let servers = vec![format!("{}.{namespace}{port}", name)];
    Destination { cluster: name.clone(), name, headers: headers.cloned(), servers, host: None }
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

/// `[{name, value}]` as the policy's mapping.
fn modifications(modifier: &Part<'_>) -> Vec<(&'static str, Tree)> {
    let pairs = |field| {
        let pairs = modifier.items_of(field);
        pairs
            .iter()
            .filter_map(|pair| Some((pair.text_of("name")?, Tree::Text(pair.text_of("value")?))))
            .collect()
    };
    let removed = modifier.get("remove").map(|names| names.texts()).unwrap_or_default();
    let fields = [
        ("set", Tree::Map(pairs("set"))),
        ("add", Tree::Map(pairs("add"))),
        ("remove", Tree::List(removed.into_iter().map(Tree::Text).collect())),
    ];
    let empty = |tree: &Tree| {
        matches!(tree, Tree::Map(entries) if entries.is_empty()) || *tree == Tree::List(Vec::new())
    };
    fields.into_iter().filter(|(_, tree)| !empty(tree)).collect()
}
