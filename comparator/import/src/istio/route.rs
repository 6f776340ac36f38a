//! One route of a virtual service: its destinations, their shares and its mirrors.

use antumbra_policy::document::Tree;

use super::destination::{self, Service};
use super::matching;
use crate::condition::{Condition, whole};
use crate::draft::{Draft, Mirror, Split, Target};
use crate::part::Part;

/// Writes the rule of a route for these requests. A delegate's route has what it does not say itself from `root`.
pub(super) fn import(
    draft: &mut Draft,
    service: &Service<'_>,
    route: &Part<'_>,
    requests: &Condition,
    root: Option<&Part<'_>>,
) {
    for (field, part) in route.others(&ROUTE_FIELDS) {
        draft.note(part.at, format!("{field:?} is not part of a policy: keep it in Istio"));
    }
    let inherits = |fields: &[&str]| {
        let has = |part: &&Part<'_>| fields.iter().any(|field| part.get(field).is_some());
        [Some(route), root].into_iter().flatten().find(has)
    };
    let condition = Condition::all([requests.clone(), matching::matches(draft, route)]);
    let headers = inherits(&["headers"]).and_then(|part| part.get("headers"));
    let headers = headers.and_then(|headers| destination::headers(draft, &headers));
    let weights = weights(draft, service, route, headers.as_ref());
    let mirrors = inherits(&["mirror", "mirrors"]).map(|part| mirrors(draft, service, part));
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
    draft.rule(&route.at, &name, condition, target, mirrors.unwrap_or_default());
}

/// The variants with their weights; none if one of them cannot be told, since the others would get its share.
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
        let headers = draft.merged(&entry.at, headers, own.as_ref());
        let Some(to) = entry.get("destination") else {
            draft.note(
                entry.at,
                "has no destination, so the route's requests are left to the host's own routing",
            );
            return Vec::new();
        };
        let Some(weight) = entry.get("weight").map_or(Some(0), |weight| weight.weight()) else {
            draft.note(
                &entry.at,
                "weight is not a whole number from 0 to 10000000, so the route's requests are left to the host's own \
                 routing",
            );
            return Vec::new();
        };
        weights.push((service.variant(draft, &to, headers), weight));
    }
    weights
}

fn mirrors(draft: &mut Draft, service: &Service<'_>, route: &Part<'_>) -> Vec<Mirror> {
    let mut mirrors = Vec::new();
    if let Some(to) = route.get("mirror") {
        let share = ["mirrorPercentage", "mirror_percentage"].iter().find_map(|name| route.get(name));
        let older = ["mirrorPercent", "mirror_percent"].iter().find_map(|name| route.get(name));
        // A share without a value is one of nothing.
        match share {
            Some(share) if share.get("value").is_none() => draft.note(share.at, "is 0: nothing is mirrored"),
            Some(share) => mirrors.extend(mirror(draft, service, &to, share.get("value"))),
            None => mirrors.extend(mirror(draft, service, &to, older)),
        }
    }
    for entry in route.items_of("mirrors") {
        for (field, part) in entry.others(&["destination", "percentage"]) {
            draft.note(part.at, format!("{field:?} is not carried over"));
        }
        if let Some(to) = entry.get("destination") {
            match entry.get("percentage") {
                Some(share) if share.get("value").is_none() => {
                    draft.note(share.at, "is 0: nothing is mirrored");
                }
                share => {
                    mirrors.extend(mirror(draft, service, &to, share.and_then(|share| share.get("value"))));
                }
            }
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

const ROUTE_FIELDS: [&str; 11] = [
    "name",
    "match",
    "route",
    "headers",
    "delegate",
    "mirror",
    "mirrors",
    "mirrorPercentage",
    "mirrorPercent",
    "mirror_percentage",
    "mirror_percent",
];
