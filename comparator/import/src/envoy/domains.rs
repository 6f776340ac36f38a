//! Which virtual host a request belongs to: the exact domain, the longest wildcard suffix, the longest wildcard prefix, `*`.
//!
//! Envoy compares all of the Host header, with its port, unless that is taken off before. Where only the port of the listener could
//! tell, nothing is guessed.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::condition::{Condition, Predicate, Subject};
use crate::draft::Draft;
use crate::part::Part;

/// A virtual host.
pub(super) struct Host<'a> {
    /// Which route configuration it is of.
    pub(super) source: usize,
    /// The object.
    pub(super) part: Part<'a>,
    /// What becomes of the port of a request's host.
    pub(super) ports: Ports,
    /// More virtual hosts come from elsewhere.
    pub(super) partial: bool,
}

/// What becomes of the port of a request's host before domains are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ports {
    /// It counts.
    Compared,
    /// The listener's own is taken off, another counts.
    Stripped,
    /// It is taken off.
    Ignored,
}

/// Domains of one virtual host that are tried one after the other.
pub(super) struct Unit {
    /// Which of the hosts.
    pub(super) host: usize,
    /// Whether a request has one of its domains.
    pub(super) requests: Condition,
}

/// A domain as written, in lower case.
type Domain = String;

/// The domains of all virtual hosts, those that are tried first in front.
pub(super) fn units(draft: &mut Draft, hosts: &[Host<'_>]) -> Vec<Unit> {
    let all: Vec<Vec<Domain>> = hosts.iter().map(|host| host.domains(draft)).collect();
    let mut ranked: Vec<(Rank, usize, &Domain)> = Vec::new();
    for (index, domains) in all.iter().enumerate() {
        ranked.extend(domains.iter().map(|domain| (rank(domain), index, domain)));
    }
    ranked.sort_by_key(|(rank, index, _)| (*rank, *index));
    let several = hosts.windows(2).any(|pair| matches!(pair, [a, b] if a.source != b.source));
    let mut units: Vec<Unit> = Vec::new();
    let mut rest = ranked.into_iter().peekable();
    while let Some((_, index, first)) = rest.next() {
        let mut domains = vec![first];
        while let Some((_, _, next)) = rest.next_if(|(_, next, _)| *next == index) {
            domains.push(next);
        }
        let Some(host) = hosts.get(index) else { continue };
        let elsewhere = |domain: &Domain| {
            let mut others = hosts.iter().zip(&all).filter(|(other, _)| other.source != host.source);
            several && others.any(|(_, theirs)| theirs.iter().any(|theirs| overlap(theirs, domain)))
        };
        let tests = domains.iter().map(|domain| host.test(draft, domain, elsewhere(domain))).collect();
        units.push(Unit { host: index, requests: listed(tests) });
    }
    units
}

/// Names that stand alone are one list.
fn listed(tests: Vec<Condition>) -> Condition {
    let mut names: Vec<(Subject, Vec<String>)> = Vec::new();
    let mut others = Vec::new();
    for test in tests {
        match test {
            Condition::Test(subject, predicate) if predicate.tests().next() == Some("exact") => {
                let texts = predicate.texts("exact").into_iter().map(str::to_owned);
                match names.iter_mut().find(|(known, _)| *known == subject) {
                    Some((_, known)) => known.extend(texts),
                    None => names.push((subject, texts.collect())),
                }
            }
            other => others.push(other),
        }
    }
    let names = names.into_iter().map(|(subject, names)| {
        let folds = subject != Subject::Host;
        Condition::Test(subject, Predicate::one_of(names).ignoring_case(folds))
    });
    Condition::any(names.chain(others))
}

impl Host<'_> {
    /// Its domains, each once and without those that no request can have.
    fn domains(&self, draft: &mut Draft) -> Vec<Domain> {
        let mut domains = Vec::new();
        let mut seen = BTreeSet::new();
        for written in self.part.get("domains").map(|domains| domains.texts()).unwrap_or_default() {
            let domain = written.to_ascii_lowercase();
            if self.ports == Ports::Ignored && has_port(&domain) {
                draft.note(
                    self.part.below("domains"),
                    format!("{written:?} has a port, which is taken off before: no request has this domain"),
                );
            } else if seen.insert(domain.clone()) {
                domains.push(domain);
            }
        }
        domains
    }

    /// Whether a request has this domain; unclear where only its listener, or what comes from elsewhere, could tell.
    fn test(&self, draft: &mut Draft, domain: &str, elsewhere: bool) -> Condition {
        let at = self.part.below("domains");
        let mut parts = vec![self.compared(draft, &at, domain)];
        if elsewhere {
            parts.push(draft.unclear(
                &at,
                format!(
                    "{domain:?} is served at another listener as well, which a policy cannot test: import each route \
                     configuration by itself"
                ),
            ));
        }
        if self.partial && domain.contains('*') {
            parts.push(draft.unclear(
                &at,
                format!("virtual hosts that `vhds` brings may have some of the requests for {domain:?}: import a dump that has them"),
            ));
        }
        Condition::all(parts)
    }

    fn compared(&self, draft: &mut Draft, at: &str, domain: &str) -> Condition {
        let authority = || Subject::Header("host".to_owned());
        if domain == "*" {
            return Condition::Always;
        }
        if self.ports == Ports::Compared || has_port(domain) {
            return draft.test(at, authority(), predicate(domain).ignoring_case(true));
        }
        let last_dot = Condition::Test(authority(), Predicate::text("search", "\\.(?::[0-9]*)?$"));
        draft.odd(
            at,
            last_dot,
            "hosts that end with a dot are left to the host's own routing: a policy takes the dot off, Envoy does not",
        );
        let bare = match domain.strip_prefix('*') {
            Some(end) if end.starts_with('.') => Predicate::exact(domain),
            _ => predicate(domain),
        };
        let bare = draft.test(at, Subject::Host, bare);
        if self.ports == Ports::Ignored {
            return bare;
        }
        let whole = draft.test(at, authority(), predicate(domain).ignoring_case(true));
        let stripped = draft.unclear(
            at,
            "Envoy takes the listener's own port off before it compares hosts, and a policy does not know that port: hosts with \
             a port are left to the host's own routing",
        );
        Condition::any([whole, Condition::all([bare, stripped])])
    }
}

/// A domain as a test of a whole value: `*` is one character at least.
fn predicate(domain: &str) -> Predicate {
    let pattern = |text: &str| text.chars().map(literal).collect::<String>();
    match (domain.strip_prefix('*'), domain.strip_suffix('*')) {
        (Some(end), _) => Predicate::text("regex", format!(".+{}", pattern(end))),
        (None, Some(start)) => Predicate::text("regex", format!("{}.+", pattern(start))),
        (None, None) => Predicate::exact(domain),
    }
}

fn has_port(domain: &str) -> bool {
    let port = domain.rsplit_once(':').filter(|(name, port)| !name.is_empty() && !port.contains(']'));
    port.is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit() || b == b'*'))
}

/// Whether some host has both domains.
fn overlap(a: &str, b: &str) -> bool {
    match (a.strip_prefix('*'), a.strip_suffix('*'), b.strip_prefix('*'), b.strip_suffix('*')) {
        _ if a == "*" || b == "*" => true,
        (Some(end), _, Some(other), _) => end.ends_with(other) || other.ends_with(end),
        (_, Some(start), _, Some(other)) => start.starts_with(other) || other.starts_with(start),
        // A long enough name begins and ends as both ask.
        (Some(_), _, _, Some(_)) | (_, Some(_), Some(_), _) => true,
        (Some(end), ..) => b.ends_with(end),
        (_, Some(start), ..) => b.starts_with(start),
        (_, _, Some(end), _) => a.ends_with(end),
        (_, _, _, Some(start)) => a.starts_with(start),
        _ => a == b,
    }
}

fn literal(c: char) -> String {
    if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '~' | ':') {
        c.to_string()
    } else {
        format!("\\{c}")
    }
}

type Rank = (u8, Reverse<usize>);

fn rank(name: &str) -> Rank {
    match name {
        "*" => (3, Reverse(0)),
        wild if wild.starts_with('*') => (1, Reverse(wild.len())),
        wild if wild.ends_with('*') => (2, Reverse(wild.len())),
        _ => (0, Reverse(0)),
    }
}
