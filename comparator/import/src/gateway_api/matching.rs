//! What a rule of Gateway API matches, and how specific it is.

use std::cmp::Reverse;

use crate::condition::{Condition, Predicate, Subject};
use crate::draft::Draft;
use crate::part::Part;

/// One match of one rule for one host.
pub(super) struct Entry {
    /// The smaller one is tried first.
    pub(super) precedence: Precedence,
    host: Option<String>,
    condition: Condition,
}

type Precedence = (Host, Path, bool, Reverse<usize>, Reverse<usize>);

/// How specific a host is: exact, a wildcard (the longer first), or none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Host {
    Exact,
    Wildcard(Reverse<usize>),
    None,
}

/// How specific a path is, or the service and the method of a call; where regular expressions stand is left to the implementation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Path {
    Exact,
    Regex(Reverse<usize>),
    Prefix(Reverse<usize>),
    /// Characters of the service, then of the method.
    Call(Reverse<usize>, Reverse<usize>),
}

/// Each match of a rule for each host of its route.
pub(super) fn entries(draft: &mut Draft, rule: &Part<'_>, kind: &str, hosts: &[String]) -> Vec<Entry> {
    let mut matches: Vec<_> = rule.items_of("matches").iter().map(|part| one(draft, part, kind)).collect();
    if matches.is_empty() {
        let path =
            if kind == "GRPCRoute" { Path::Call(Reverse(0), Reverse(0)) } else { Path::Prefix(Reverse(1)) };
        matches.push((Condition::Always, (path, true, Reverse(0), Reverse(0))));
    }
    let hosts: Vec<Option<&String>> =
        if hosts.is_empty() { vec![None] } else { hosts.iter().map(Some).collect() };
    let entry =
        |condition: &Condition, (path, no_method, headers, queries): Rest, host: Option<&String>| Entry {
            precedence: (specificity(host), path, no_method, headers, queries),
            host: host.cloned(),
            condition: condition.clone(),
        };
    let pairs =
        matches.iter().flat_map(|(condition, rest)| hosts.iter().map(move |host| (condition, rest, *host)));
    pairs.map(|(condition, rest, host)| entry(condition, rest.clone(), host)).collect()
}

/// The conditions of entries, each with all the hosts that it has.
pub(super) fn joined(draft: &mut Draft, at: &str, entries: Vec<Entry>) -> Vec<Condition> {
    let mut joined: Vec<(Condition, Vec<String>)> = Vec::new();
    for entry in entries {
        match joined.iter_mut().find(|(condition, _)| *condition == entry.condition) {
            Some((_, hosts)) => hosts.extend(entry.host),
            None => joined.push((entry.condition, entry.host.into_iter().collect())),
        }
    }
    let mut with_hosts = |(condition, hosts): (Condition, Vec<String>)| match hosts.as_slice() {
        [] => condition,
        named => Condition::all([self::hosts(draft, at, named), condition]),
    };
    joined.into_iter().map(&mut with_hosts).collect()
}

/// Whether a request has one of these hosts.
pub(super) fn hosts(draft: &mut Draft, at: &str, hosts: &[String]) -> Condition {
    draft.test(at, Subject::Host, Predicate::one_of(hosts.to_vec()))
}

/// Keeps account of the hosts of which some requests have matched no entry yet.
pub(super) fn leave_open(entries: &[Entry], open: &mut Vec<String>) {
    for entry in entries {
        let Some(host) = &entry.host else { continue };
        if entry.condition == Condition::Always {
            open.retain(|known| known != host);
        } else if !open.contains(host) {
            open.push(host.clone());
        }
    }
}

type Rest = (Path, bool, Reverse<usize>, Reverse<usize>);

fn specificity(host: Option<&String>) -> Host {
    match host {
        None => Host::None,
        Some(host) if host.starts_with("*.") => Host::Wildcard(Reverse(host.len())),
        Some(_) => Host::Exact,
    }
}

fn one(draft: &mut Draft, part: &Part<'_>, kind: &str) -> (Condition, Rest) {
    let (path, specific) = if kind == "GRPCRoute" { grpc(draft, part) } else { http_path(draft, part) };
    let method = part.get("method").filter(|_| kind == "HTTPRoute");
    let tested = method
        .as_ref()
        .map(|method| draft.test(&method.at, Subject::Method, Predicate::one_of(method.texts())));
    let known: &[&str] = if kind == "GRPCRoute" {
        &["method", "headers"]
    } else {
        &["path", "method", "headers", "queryParams"]
    };
    let others: Vec<Condition> = part
        .others(known)
        .into_iter()
        .map(|(field, value)| {
            draft.unclear(&value.at, format!("{field:?} is nothing that a policy can test"))
        })
        .collect();
    let headers = named(draft, part, "headers", |name| Subject::Header(name.to_ascii_lowercase()));
    let queries = named(draft, part, "queryParams", Subject::Query);
    let rest = (specific, method.is_none(), Reverse(headers.len()), Reverse(queries.len()));
    (Condition::all([path].into_iter().chain(tested).chain(headers).chain(queries).chain(others)), rest)
}

fn http_path(draft: &mut Draft, part: &Part<'_>) -> (Condition, Path) {
    let Some(path) = part.get("path") else { return (Condition::Always, Path::Prefix(Reverse(1))) };
    if let Some((field, value)) = path.others(&["type", "value"]).into_iter().next() {
        let what = format!("{field:?} is nothing that a policy can test");
        return (draft.unclear(&value.at, what), Path::Prefix(Reverse(1)));
    }
    let value = path.text_of("value").unwrap_or_else(|| "/".to_owned());
    let length = Reverse(value.trim_end_matches('/').len().max(1));
    let (test, specific) = match path.text_of("type").as_deref() {
        Some("Exact") => ("exact", Path::Exact),
        Some("RegularExpression") => ("regex", Path::Regex(length)),
        None | Some("PathPrefix") if value == "/" => return (Condition::Always, Path::Prefix(length)),
        None | Some("PathPrefix") => ("prefix", Path::Prefix(length)),
        Some(other) => {
            let what = format!("type is {other:?}, must be one of Exact, PathPrefix, RegularExpression");
            return (draft.unclear(&path.at, what), Path::Prefix(length));
        }
    };
    if test == "regex" {
        draft.note(
            &path.at,
            "whether a regular expression comes before a prefix depends on the gateway: here it does",
        );
    }
    (draft.test(&path.at, Subject::Path, Predicate::text(test, value)), specific)
}

/// A gRPC call is a POST to `/service/method`. The longer service comes first, then the longer method.
fn grpc(draft: &mut Draft, part: &Part<'_>) -> (Condition, Path) {
    let none = Path::Call(Reverse(0), Reverse(0));
    let Some(call) = part.get("method") else { return (Condition::Always, none) };
    let text = |field: &str| call.text_of(field).filter(|text| !text.is_empty());
    let (service, method) = (text("service"), text("method"));
    let length = |text: &Option<String>| Reverse(text.as_ref().map_or(0, |text| text.chars().count()));
    let size = Path::Call(length(&service), length(&method));
    if let Some((field, value)) = call.others(&["type", "service", "method"]).into_iter().next() {
        return (draft.unclear(&value.at, format!("{field:?} is nothing that a policy can test")), size);
    }
    let pattern = match call.text_of("type").as_deref() {
        None | Some("Exact") => false,
        Some("RegularExpression") => true,
        Some(other) => {
            let what = format!("type is {other:?}, must be one of Exact, RegularExpression");
            return (draft.unclear(&call.at, what), size);
        }
    };
    let predicate = match (service, method) {
        (None, None) => return (draft.unclear(&call.at, "names neither service nor method"), size),
        (service, method) if pattern => {
            draft.note(
                &call.at,
                "how a regular expression compares with other matches depends on the gateway: here its characters count",
            );
            let any = || "[^/]+".to_owned();
            let pattern = format!("/(?:{})/(?:{})", service.unwrap_or_else(any), method.unwrap_or_else(any));
            Predicate::text("regex", pattern)
        }
        (Some(service), Some(method)) => Predicate::exact(format!("/{service}/{method}")),
        (Some(service), None) => Predicate::text("prefix", format!("/{service}")),
        (None, Some(method)) => Predicate::text("suffix", format!("/{method}")),
    };
    (draft.test(&call.at, Subject::Path, predicate), size)
}

/// Headers or query parameters; of several entries with one name only the first counts, as the specification has it.
fn named(
    draft: &mut Draft,
    part: &Part<'_>,
    field: &str,
    subject: impl Fn(String) -> Subject,
) -> Vec<Condition> {
    let mut seen: Vec<Subject> = Vec::new();
    let mut conditions = Vec::new();
    for entry in part.items_of(field) {
        let subject = subject(entry.text_of("name").unwrap_or_default());
        if seen.contains(&subject) {
            draft.note(&entry.at, "repeats a name, of which the first counts");
            continue;
        }
        seen.push(subject.clone());
        if let Subject::Query(name) = &subject {
            draft.encoded_query(&entry.at, name);
        }
        if let Some((field, value)) = entry.others(&["name", "type", "value"]).into_iter().next() {
            conditions.push(draft.unclear(&value.at, format!("{field:?} is nothing that a policy can test")));
            continue;
        }
        let test = match entry.text_of("type").as_deref() {
            None | Some("Exact") => "exact",
            Some("RegularExpression") => "regex",
            Some(other) => {
                conditions.push(draft.unclear(
                    &entry.at,
                    format!("type is {other:?}, must be one of Exact, RegularExpression"),
                ));
                continue;
            }
        };
        let predicate = Predicate::text(test, entry.text_of("value").unwrap_or_default());
        conditions.push(draft.test(&entry.at, subject, predicate));
    }
    conditions
}
