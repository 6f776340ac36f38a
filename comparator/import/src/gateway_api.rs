//! Gateway API: `HTTPRoute` and `GRPCRoute`.
//!
//! There the most specific match wins wherever it stands; in a policy the first. So the rules are written in the order of
//! Gateway API's precedence: host, exact path, longer prefix, method, more headers, more query parameters, and for calls of gRPC longer
//! service, longer method, more headers; then the older route, the first by name, and the input's order. A request for a host of which no match takes it does not go on to wider hosts.

mod attachment;
mod backend;
mod matching;
#[cfg(test)]
mod tests;

use antumbra_policy::document::Tree;

use super::condition::Condition;
use super::draft::{Draft, Mirror, Split, Target};
use super::part::{self, Part};
use crate::imported::{ImportError, Imported};
use attachment::{Attachment, Route, metadata};
use matching::{Entry, Host};

/// Reads all routes of the documents.
pub(super) fn import(documents: &[Tree]) -> Result<Imported, ImportError> {
    let parts = part::named(documents).into_iter();
    let mut routes: Vec<Part<'_>> = parts.filter(|part| KINDS.contains(&kind(part).as_str())).collect();
    let name = routes.first().and_then(|route| metadata(route, "name"));
    let mut draft = Draft::named(name.unwrap_or_else(|| "gateway-api".to_owned()));
    draft.keep_long();
    note_others(&mut draft, documents);
    // A date without a value comes last, as one that is yet to be written.
    routes.sort_by_cached_key(|route| {
        let created = metadata(route, "creationTimestamp");
        (created.is_none(), created, metadata(route, "namespace"), metadata(route, "name"))
    });
    let attached = attached(&mut draft, documents, &routes);
    ImportError::unless_few("hosts", attached.iter().map(|(_, attachment)| attachment.len()).sum())?;
    let rivals = attachment::rivals(attached.iter().map(|(_, attachment)| attachment));
    let mut rules: Vec<Rule> = Vec::new();
    let mut entries: Vec<(usize, Entry)> = Vec::new();
    for (index, (route, attachment)) in attached.iter().enumerate() {
        let others = rivals.get(index).into_iter().flatten();
        let rivals: Vec<_> = others.filter_map(|other| attached.get(*other)).collect();
        let first = rules.len();
        import_route(&mut draft, (route, attachment), &rivals, &mut rules, &mut entries);
        let earlier = attached
            .iter()
            .take(index)
            .find(|(earlier, theirs)| earlier.kind != route.kind && attachment.meets(theirs));
        if let Some((earlier, _)) = earlier {
            let refused = refused(&mut draft, &route.spec, &earlier.spec);
            for rule in rules.iter_mut().skip(first) {
                rule.listener = Condition::all([rule.listener.clone(), refused.clone()]);
            }
        }
    }
    if let [_] = attached.as_slice() {
        entries.iter_mut().for_each(|(_, entry)| entry.precedence.0 = Host::None);
    }
    entries.sort_by(|(_, a), (_, b)| a.precedence.cmp(&b.precedence));
    write(&mut draft, &rules, entries);
    draft.note_clusters(
        "how a gateway calls the cluster of a service depends on the gateway; fill in its names for",
    );
    draft.finish_in_order("HTTPRoute or GRPCRoute with rules", &part::objects(documents))
}

/// What a rule of a route does.
struct Rule {
    at: String,
    name: String,
    target: Target,
    mirrors: Vec<Mirror>,
    /// What only the listener can tell.
    listener: Condition,
}

fn kind(part: &Part<'_>) -> String {
    part.text_of("kind").unwrap_or_default()
}

fn note_others(draft: &mut Draft, documents: &[Tree]) {
    for part in part::named(documents) {
        let kind = kind(&part);
        let ours = part.text_of("apiVersion").is_some_and(|version| version.contains("gateway"));
        if ours && kind != "Gateway" && !KINDS.contains(&kind.as_str()) {
            draft.note(part.at, "is not read: what it changes stays in the host");
        }
    }
}

/// The routes that some listener takes, each called by kind and name.
fn attached<'a>(draft: &mut Draft, documents: &[Tree], routes: &[Part<'a>]) -> Vec<(Route<'a>, Attachment)> {
    let mut attached = Vec::new();
    for part in routes {
        let kind = kind(part);
        let Some(spec) = part.get("spec") else { continue };
        let spec = Part::new(format!("{}:", part.at), spec.tree);
        for (field, part) in spec.others(&SPEC_FIELDS) {
            draft.note(part.at, format!("{field:?} is not carried over: keep it in the host"));
        }
        let namespace = metadata(part, "namespace").unwrap_or_else(|| "default".to_owned());
        let route = Route { kind, namespace, spec };
        if let Some(attachment) = Attachment::of(draft, documents, &route) {
            attached.push((route, attachment));
        }
    }
    attached
}

type Attached<'a> = (Route<'a>, Attachment);

fn import_route(
    draft: &mut Draft,
    (route, attachment): (&Route<'_>, &Attachment),
    rivals: &[&Attached<'_>],
    rules: &mut Vec<Rule>,
    entries: &mut Vec<(usize, Entry)>,
) {
    let served: Vec<String> = rivals
        .iter()
        .filter(|(rival, _)| rival.spec.items_of("rules").iter().any(serves))
        .map(|(rival, _)| rival.spec.at.trim_end_matches(':').to_owned())
        .collect();
    let served = served.join(", ");
    for rule in route.spec.items_of("rules") {
        if !served.is_empty() && !serves(&rule) {
            draft.note(
                &rule.at,
                format!(
                    "has no backend and is attached to another listener than {served}, which serves the same hosts: it is \
                     left to the host, so install the filter at the listener that serves"
                ),
            );
            continue;
        }
        for entry in matching::entries(draft, &rule, &route.kind, &attachment.hosts()) {
            entries.push((rules.len(), entry));
        }
        let mut read = read_rule(draft, &rule, &route.namespace);
        if !served.is_empty() {
            read.listener = rivalled(draft, &route.spec, &served);
        }
        rules.push(read);
    }
}

fn serves(rule: &Part<'_>) -> bool {
    !rule.items_of("backendRefs").is_empty()
}

/// Which of several routes has a request is not guessed.
fn rivalled(draft: &mut Draft, spec: &Part<'_>, served: &str) -> Condition {
    draft.unclear(
        spec.at.trim_end_matches(':'),
        format!(
            "{served} serves the same hosts at another listener, which a policy cannot test: import the routes of one \
             listener by themselves"
        ),
    )
}

/// Of routes of both kinds for one host at one listener a gateway is to take the oldest alone, and some take both.
fn refused(draft: &mut Draft, spec: &Part<'_>, earlier: &Part<'_>) -> Condition {
    draft.unclear(
        spec.at.trim_end_matches(':'),
        format!(
            "{} is of another kind and serves the same hosts at the same listener: a gateway is to take the older of them alone",
            earlier.at.trim_end_matches(':')
        ),
    )
}

fn read_rule(draft: &mut Draft, rule: &Part<'_>, namespace: &str) -> Rule {
    for (field, part) in rule.others(&["name", "matches", "filters", "backendRefs"]) {
        let instead =
            if field == "sessionPersistence" { "see `sticky` of a split" } else { "keep it in the host" };
        draft.note(part.at, format!("{field:?} is not carried over: {instead}"));
    }
    let headers = backend::headers(draft, rule);
    let weights = backend::weights(draft, rule, namespace, headers.as_ref());
    let mirrors = backend::mirrors(draft, rule, namespace);
    let name = rule.text_of("name").unwrap_or_else(|| match weights.as_slice() {
        [] => "host".to_owned(),
        [(only, _)] => only.clone(),
        _ => "split".to_owned(),
    });
    let target = match weights.as_slice() {
        [] => Target::Host,
        _ if backend::redirects(rule) => {
            draft.note(
                &rule.at,
                "redirects its requests, so its backends get none: they are left to the host",
            );
            Target::Host
        }
        _ => Target::Split(Split { weights, ..Split::default() }),
    };
    Rule { at: rule.at.clone(), name, target, mirrors, listener: Condition::Always }
}

/// Entries of the same rule that follow each other are one rule of the policy. Behind the last entry for a host stands a rule for
/// what none of them took, unless one takes all or no wider host follows.
fn write(draft: &mut Draft, rules: &[Rule], entries: Vec<(usize, Entry)>) {
    let mut entries = entries.into_iter().peekable();
    let mut open: Vec<String> = Vec::new();
    while let Some((index, entry)) = entries.next() {
        let rank = entry.precedence.0.clone();
        let mut group = vec![entry];
        while let Some((_, next)) =
            entries.next_if(|(next, entry)| *next == index && entry.precedence.0 == rank)
        {
            group.push(next);
        }
        let Some(rule) = rules.get(index) else { continue };
        matching::leave_open(&group, &mut open);
        let condition = Condition::any(matching::joined(draft, &rule.at, group));
        let condition = Condition::all([condition, rule.listener.clone()]);
        draft.rule(&rule.at, &rule.name, condition, rule.target.clone(), rule.mirrors.clone());
        if entries.peek().is_some_and(|(_, next)| next.precedence.0 != rank) && !open.is_empty() {
            let hosts = matching::hosts(draft, "hostnames", &std::mem::take(&mut open));
            draft.rule("hostnames", "unmatched", hosts, Target::Host, Vec::new());
        }
    }
}

const KINDS: [&str; 2] = ["HTTPRoute", "GRPCRoute"];
const SPEC_FIELDS: [&str; 3] = ["parentRefs", "hostnames", "rules"];
