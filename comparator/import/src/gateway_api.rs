//! Gateway API: `HTTPRoute` and `GRPCRoute`.
//!
//! There the most specific match wins wherever it stands; in a policy the first. So the rules are written in the order of
//! Gateway API's precedence: host, exact path, longer prefix, method, more headers, more query parameters, then the input's.

mod backend;
mod matching;
#[cfg(test)]
mod tests;

use antumbra_policy::document::Tree;

use super::condition::Condition;
use super::draft::{Draft, Mirror, Split, Target};
use super::part::Part;
use crate::imported::{ImportError, Imported};
use matching::{Entry, Host};

/// Reads all routes of the documents.
pub(super) fn import(documents: &[Tree]) -> Result<Imported, ImportError> {
    let parts = documents.iter().map(|tree| Part::new("", tree));
    let routes: Vec<Part<'_>> = parts.filter(|part| KINDS.contains(&kind(part).as_str())).collect();
    let name = routes.first().and_then(|route| route.get("metadata")?.text_of("name"));
    let mut draft = Draft::named(name.unwrap_or_else(|| "gateway-api".to_owned()));
    let mut rules: Vec<Rule> = Vec::new();
    let mut entries: Vec<(usize, Entry)> = Vec::new();
    for route in &routes {
        import_route(&mut draft, route, &mut rules, &mut entries);
    }
    if let [_] = routes.as_slice() {
        entries.iter_mut().for_each(|(_, entry)| entry.precedence.0 = Host::None);
    }
    entries.sort_by(|(_, a), (_, b)| a.precedence.cmp(&b.precedence));
    write(&mut draft, &rules, entries);
    draft.note_clusters(
        "how a gateway calls the cluster of a service depends on the gateway; fill in its names for",
    );
    draft.finish("HTTPRoute or GRPCRoute with rules")
}

/// What a rule of a route does.
struct Rule {
    at: String,
    name: String,
    target: Target,
    mirrors: Vec<Mirror>,
}

fn kind(part: &Part<'_>) -> String {
    part.text_of("kind").unwrap_or_default()
}

fn import_route(
    draft: &mut Draft,
    route: &Part<'_>,
    rules: &mut Vec<Rule>,
    entries: &mut Vec<(usize, Entry)>,
) {
    let kind = kind(route);
    let metadata = route.get("metadata");
    let text = |field| metadata.as_ref().and_then(|metadata| metadata.text_of(field));
    let namespace = text("namespace").unwrap_or_else(|| "default".to_owned());
    let Some(spec) = route.get("spec") else { return };
    let spec = Part::new(format!("{kind}/{}:", text("name").unwrap_or_default()), spec.tree);
    let hosts = spec.get("hostnames").map(|hosts| hosts.texts()).unwrap_or_default();
    for rule in spec.items_of("rules") {
        for entry in matching::entries(draft, &rule, &kind, &hosts) {
            entries.push((rules.len(), entry));
        }
        rules.push(read_rule(draft, &rule, &namespace));
    }
}

fn read_rule(draft: &mut Draft, rule: &Part<'_>, namespace: &str) -> Rule {
    for (field, part) in rule.others(&["name", "matches", "filters", "backendRefs"]) {
        let instead =
            if field == "sessionPersistence" { "see `sticky` of a split" } else { "keep it in the host" };
        draft.note(part.at, format!("{field:?} is not carried over: {instead}"));
    }
    let headers = backend::headers(draft, rule);
    let mut weights = Vec::new();
    for entry in rule.items_of("backendRefs") {
        let weight = entry.get("weight").map_or(Some(1), |weight| weight.weight());
        if weight.is_none() {
            draft.note(&entry.at, "weight is not a whole number from 0 to 10000000: 0 is taken");
        }
        weights.push((backend::variant(draft, &entry, namespace, headers.as_ref()), weight.unwrap_or(0)));
    }
    let mirrors = backend::mirrors(draft, rule, namespace);
    let name = rule.text_of("name").unwrap_or_else(|| match weights.as_slice() {
        [] => "host".to_owned(),
        [(only, _)] => only.clone(),
        _ => "split".to_owned(),
    });
    let target = match weights.as_slice() {
        [] => Target::Host,
        _ => Target::Split(Split { weights, ..Split::default() }),
    };
    Rule { at: rule.at.clone(), name, target, mirrors }
}

/// Entries of the same rule that follow each other are one rule of the policy.
fn write(draft: &mut Draft, rules: &[Rule], entries: Vec<(usize, Entry)>) {
    let mut entries = entries.into_iter().peekable();
    while let Some((index, entry)) = entries.next() {
        let mut group = vec![entry];
        while let Some((_, next)) = entries.next_if(|(next, _)| *next == index) {
            group.push(next);
        }
        let Some(rule) = rules.get(index) else { continue };
        let condition = Condition::any(matching::joined(draft, &rule.at, group));
        draft.rule(&rule.at, &rule.name, condition, rule.target.clone(), rule.mirrors.clone());
    }
}

const KINDS: [&str; 2] = ["HTTPRoute", "GRPCRoute"];
