//! What a route does with its requests: a cluster, clusters by weight, an answer of its own, and its mirrors.

use antumbra_policy::document::Tree;

use super::matching::read_fraction;
use crate::condition::Subject;
use crate::draft::{Changes, Destination, Draft, Mirror, Split, Target};
use crate::part::Part;

/// What a route does.
pub(super) struct Action {
    /// Where its requests go.
    pub(super) target: Target,
    /// Who gets them as well.
    pub(super) mirrors: Vec<Mirror>,
}

/// A route, its virtual host and its route configuration: what the first does not say the next may.
type Levels<'a> = [Part<'a>; 3];

impl Action {
    /// That of a route.
    pub(super) fn of(draft: &mut Draft, levels: &Levels<'_>) -> Self {
        let [route, ..] = levels;
        for (field, part) in route.others(&ROUTE_FIELDS) {
            draft.note(part.at, format!("{field:?} is not part of a policy: keep it in the host's route"));
        }
        let Some(action) = route.get("route") else {
            return Self { target: Target::Host, mirrors: Vec::new() };
        };
        for (field, part) in action.others(&ACTION_FIELDS) {
            draft.note(part.at, format!("{field:?} is not part of a policy: keep it in the host's route"));
        }
        let target = target(draft, levels, &action);
        let has = |part: &&Part<'_>| !part.items_of("request_mirror_policies").is_empty();
        let [_, host, config] = levels;
        let policies = [&action, host, config].into_iter().find(has);
        let policies = policies.map(|part| part.items_of("request_mirror_policies")).unwrap_or_default();
        let mirrors = policies.iter().filter_map(|policy| mirror(draft, policy)).collect();
        Self { target, mirrors }
    }

    /// One of several, each with its share of what those before leave.
    pub(super) fn drawn(draft: &mut Draft, at: &str, actions: Vec<(Option<(u64, u64)>, Self)>) -> Self {
        let [_, _, ..] = actions.as_slice() else {
            let only = actions.into_iter().next().map(|(_, only)| only);
            return only.unwrap_or(Self { target: Target::Host, mirrors: Vec::new() });
        };
        let mut left = SHARES;
        let mut weights = Vec::new();
        let mut by: Option<Vec<String>> = None;
        let mirrors: Vec<Vec<Mirror>> = actions.iter().map(|(_, action)| action.mirrors.clone()).collect();
        let bare =
            |mirrors: &[Mirror]| mirrors.iter().map(|m| (m.to.clone(), m.share.clone())).collect::<Vec<_>>();
        let alike = mirrors.iter().all(|one| bare(one) == bare(mirrors.first().map_or(&[], Vec::as_slice)));
        for (share, action) in actions {
            let Some((numerator, denominator)) = share else {
                return Self::undrawn(draft, at, "the share of one of them cannot be read");
            };
            let own = left * numerator / denominator.max(1);
            left -= own;
            let split = match action.target {
                Target::To(name) => Split { weights: vec![(name, 1)], ..Split::default() },
                Target::Split(split) => split,
                Target::Host | Target::Onward => {
                    return Self::undrawn(draft, at, "one of them answers itself");
                }
            };
            if by.get_or_insert_with(|| split.by.clone()) != &split.by {
                return Self::undrawn(draft, at, "their keys differ");
            }
            let sum: u64 = split.weights.iter().map(|(_, weight)| weight).sum();
            weights.extend(split.weights.into_iter().map(|(name, weight)| (name, own * weight / sum.max(1))));
        }
        if !alike {
            return Self::undrawn(draft, at, "they mirror differently");
        }
        let split = Split { weights, by: by.unwrap_or_default(), ..Split::default() };
        Self { target: Target::Split(split), mirrors: mirrors.into_iter().next().unwrap_or_default() }
    }

    fn undrawn(draft: &mut Draft, at: &str, why: &str) -> Self {
        draft.note(
            at,
            format!("the dice choose among routes, and {why}: their requests are left to the host"),
        );
        Self { target: Target::Host, mirrors: Vec::new() }
    }
}

fn target(draft: &mut Draft, levels: &Levels<'_>, action: &Part<'_>) -> Target {
    if let Some(name) = action.text_of("cluster") {
        if let Some(policy) = action.get("hash_policy") {
            draft.note(policy.at, HASH);
        }
        return Target::To(variant(draft, levels, action, &name, None));
    }
    let Some(weighted) = action.get("weighted_clusters") else {
        draft.note(
            &action.at,
            "chooses its cluster by what a policy cannot name: its requests are left to the host",
        );
        return Target::Host;
    };
    for (field, part) in weighted.others(&["clusters", "total_weight", "use_hash_policy"]) {
        draft.note(part.at, format!("{field:?} is not carried over: the weights as written count"));
    }
    let mut weights = Vec::new();
    for entry in weighted.items_of("clusters") {
        for (field, part) in entry.others(&CLUSTER_FIELDS) {
            draft.note(part.at, format!("{field:?} is not part of a policy: keep it in the host's route"));
        }
        let weight = entry.get("weight").map_or(Some(0), |weight| weight.weight());
        let name = entry.text_of("name").filter(|name| !name.is_empty());
        let Some((name, weight)) = name.zip(weight) else {
            draft.note(
                &entry.at,
                "has no name, or a weight that is not a whole number from 0 to 10000000: the route's requests are left \
                 to the host",
            );
            return Target::Host;
        };
        weights.push((variant(draft, levels, action, &name, Some(&entry)), weight));
    }
    let hashes = super::header::is_true(&weighted, "use_hash_policy");
    if let Some(policy) = action.get("hash_policy").filter(|_| !hashes) {
        draft.note(policy.at, HASH);
    }
    let by = if hashes { keys(draft, action) } else { Vec::new() };
    Target::Split(Split { by, weights, ..Split::default() })
}

/// The keys of `hash_policy`, the first that a request has counts.
fn keys(draft: &mut Draft, action: &Part<'_>) -> Vec<String> {
    let mut keys = Vec::new();
    for policy in action.items_of("hash_policy") {
        for (field, known) in HASHED {
            for (name, part) in policy.get(field).map(|part| part.others(known)).unwrap_or_default() {
                draft.note(part.at, format!("{name:?} is not carried over: the whole value is the key"));
            }
        }
        let name = |field: &str, key: &str| policy.get(field).and_then(|part| part.text_of(key));
        let subject = name("header", "header_name")
            .map(|name| Subject::Header(name.to_ascii_lowercase()))
            .or_else(|| name("cookie", "name").map(Subject::Cookie))
            .or_else(|| name("query_parameter", "name").map(Subject::Query))
            .or_else(|| name("connection_properties", "source_ip").map(|_| Subject::Ip));
        keys.extend(draft.key(&policy.at, &subject.unwrap_or(Subject::Path)));
    }
    if let Some(over) = keys.get(MAX_KEYS..).filter(|over| !over.is_empty()) {
        draft.note(
            action.below("hash_policy"),
            format!("{} are not carried over: a split takes {MAX_KEYS} keys", over.join(", ")),
        );
    }
    keys.truncate(MAX_KEYS);
    if keys.is_empty() {
        return keys;
    }
    draft.note(
        &action.at,
        "clients stay with a variant by these keys, as in Envoy, but not with the same one: the hash differs, and of several \
         keys the first that a request has counts, where Envoy joins them",
    );
    keys
}

/// The variant of a cluster with what the route changes in its requests.
fn variant(
    draft: &mut Draft,
    levels: &Levels<'_>,
    action: &Part<'_>,
    cluster: &str,
    entry: Option<&Part<'_>>,
) -> String {
    let mut headers: Option<Tree> = None;
    let [.., config] = levels;
    let mut in_order: Vec<&Part<'_>> = entry.into_iter().chain(levels).collect();
    if super::header::is_true(config, "most_specific_header_mutations_wins") {
        in_order.reverse();
    }
    for part in in_order {
        let own = changes(draft, part);
        headers = draft.merged(&part.at, headers.as_ref(), own.as_ref());
    }
    let rewritten = entry.and_then(|entry| entry.text_of("host_rewrite_literal"));
    let host = rewritten.or_else(|| action.text_of("host_rewrite_literal"));
    let host = draft.rewritten_host(&action.at, host);
    draft.variant(Destination {
        name: cluster.to_owned(),
        cluster: cluster.to_owned(),
        host,
        headers,
        ..Destination::default()
    })
}

fn changes(draft: &mut Draft, part: &Part<'_>) -> Option<Tree> {
    let mut changes = Changes::default();
    for option in part.items_of("request_headers_to_add") {
        let Some(header) = option.get("header") else { continue };
        let pair = (header.text_of("key").unwrap_or_default(), header.text_of("value").unwrap_or_default());
        let append = option.text_of("append").unwrap_or_else(|| "true".to_owned());
        match (option.text_of("append_action").as_deref(), append.as_str()) {
            (Some("OVERWRITE_IF_EXISTS_OR_ADD"), _) | (None, "false") => changes.set.push(pair),
            (None | Some("APPEND_IF_EXISTS_OR_ADD"), _) => changes.add.push(pair),
            (Some(other), _) => draft
                .note(&option.at, format!("append_action {other} is not carried over: keep it in the host")),
        }
    }
    changes.remove = part.get("request_headers_to_remove").map(|names| names.texts()).unwrap_or_default();
    draft.headers(&part.at, changes)
}

fn mirror(draft: &mut Draft, policy: &Part<'_>) -> Option<Mirror> {
    for (field, part) in policy.others(&["cluster", "runtime_fraction", "disable_shadow_host_suffix_append"])
    {
        draft.note(part.at, format!("{field:?} is not carried over"));
    }
    let Some(cluster) = policy.text_of("cluster").filter(|cluster| !cluster.is_empty()) else {
        draft.note(&policy.at, "names no cluster: nothing is mirrored");
        return None;
    };
    let (numerator, denominator) = match policy.get("runtime_fraction") {
        None => (1, 1),
        Some(fraction) => match read_fraction(draft, &fraction) {
            Some(fraction) => fraction,
            None => {
                draft.note(&fraction.at, "has no default value: nothing is mirrored");
                return None;
            }
        },
    };
    if !super::header::is_true(policy, "disable_shadow_host_suffix_append") {
        draft.note(
            &policy.at,
            "Envoy appends -shadow to the host of a mirrored request, which the filter does not",
        );
    }
    let to = draft.variant(Destination { name: cluster.clone(), cluster, ..Destination::default() });
    let number = |number: u64| Tree::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let share = match denominator {
        1 | 100 => ("percent", number(numerator * 100 / denominator)),
        _ => {
            let fields = [("numerator", numerator), ("denominator", denominator)];
            ("fraction", Tree::Map(fields.map(|(name, value)| (name.to_owned(), number(value))).into()))
        }
    };
    Some(Mirror { to, share, at: policy.at.clone() })
}

const ROUTE_FIELDS: [&str; 10] = [
    "name",
    "match",
    "route",
    "redirect",
    "direct_response",
    "non_forwarding_action",
    "request_headers_to_add",
    "request_headers_to_remove",
    "stat_prefix",
    "metadata",
];
const ACTION_FIELDS: [&str; 8] = [
    "cluster",
    "weighted_clusters",
    "cluster_header",
    "cluster_specifier_plugin",
    "inline_cluster_specifier_plugin",
    "hash_policy",
    "host_rewrite_literal",
    "request_mirror_policies",
];
const CLUSTER_FIELDS: [&str; 6] = [
    "name",
    "weight",
    "cluster_header",
    "request_headers_to_add",
    "request_headers_to_remove",
    "host_rewrite_literal",
];
const HASH: &str =
    "chooses among the hosts of a cluster, which a policy does not: keep it in the host's route";
/// What of a hash policy is carried over.
const HASHED: [(&str, &[&str]); 4] = [
    ("header", &["header_name"]),
    ("cookie", &["name"]),
    ("query_parameter", &["name"]),
    ("connection_properties", &["source_ip"]),
];
/// Of one split.
const MAX_KEYS: usize = 8;
/// What the shares of routes that are drawn together are parts of.
const SHARES: u64 = 1_000_000;
