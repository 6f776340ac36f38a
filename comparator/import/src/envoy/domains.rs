//! Which virtual host a request belongs to: the exact domain, the longest wildcard suffix, the longest wildcard prefix, `*`.
//!
//! A policy compares hosts without their ports. Where the port decides between virtual hosts, nothing is guessed.

use std::cmp::Reverse;

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

#[derive(Debug, Clone, PartialEq, Eq)]
struct Domain {
    /// In lower case, without the port.
    name: String,
    /// As written; `*` is any.
    port: Option<String>,
}

/// The domains of all virtual hosts, those that are tried first in front.
pub(super) fn units(draft: &mut Draft, hosts: &[Host<'_>]) -> Vec<Unit> {
    let mut ranked: Vec<(Rank, usize, Domain)> = Vec::new();
    for (index, host) in hosts.iter().enumerate() {
        for domain in host.domains(draft) {
            if !ranked.iter().any(|(_, known, other)| *known == index && other.name == domain.name) {
                ranked.push((rank(&domain.name), index, domain));
            }
        }
    }
    ranked.sort_by_key(|(rank, index, _)| (*rank, *index));
    let mut units: Vec<Unit> = Vec::new();
    let mut rest = ranked.into_iter().peekable();
    while let Some((_, index, first)) = rest.next() {
        let mut domains = vec![first];
        while let Some((_, _, next)) = rest.next_if(|(_, next, _)| *next == index) {
            domains.push(next);
        }
        let Some(host) = hosts.get(index) else { continue };
        let tests = domains.iter().map(|domain| host.test(draft, hosts, index, domain)).collect();
        units.push(Unit { host: index, requests: listed(tests) });
    }
    units
}

/// Names that stand alone are one list.
fn listed(tests: Vec<Condition>) -> Condition {
    let mut names = Vec::new();
    let mut others = Vec::new();
    for test in tests {
        match test {
            Condition::Test(Subject::Host, predicate) if predicate.tests().eq(["exact"]) => {
                names.extend(predicate.texts("exact").into_iter().map(str::to_owned));
            }
            other => others.push(other),
        }
    }
    let names = (!names.is_empty()).then(|| Condition::Test(Subject::Host, Predicate::one_of(names)));
    Condition::any(names.into_iter().chain(others))
}

impl Host<'_> {
    /// Its domains, without those that no request can have.
    fn domains(&self, draft: &mut Draft) -> Vec<Domain> {
        let mut domains = Vec::new();
        for domain in self.part.get("domains").map(|domains| domains.texts()).unwrap_or_default() {
            let parsed = Domain::of(&domain);
            if parsed.port.is_some() && self.ports == Ports::Ignored {
                draft.note(
                    self.part.below("domains"),
                    format!("{domain:?} has a port, which is taken off before: no request has this domain"),
                );
                continue;
            }
            domains.push(parsed);
        }
        domains
    }

    /// Whether a request has this domain; unclear where only its port or its listener could tell.
    fn test(&self, draft: &mut Draft, hosts: &[Host<'_>], index: usize, domain: &Domain) -> Condition {
        let at = self.part.below("domains");
        let mut parts = vec![domain.test(draft, &at)];
        let others: Vec<(&Host<'_>, Domain)> = hosts
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .flat_map(|(_, other)| {
                let written = other.part.get("domains").map(|domains| domains.texts()).unwrap_or_default();
                written.into_iter().map(move |written| (other, Domain::of(&written)))
            })
            .collect();
        if others.iter().any(|(other, theirs)| other.source != self.source && theirs.overlaps(domain)) {
            parts.push(draft.unclear(
                &at,
                format!(
                    "{:?} is served at another listener as well, which a policy cannot test: import each route \
                     configuration by itself",
                    domain.name
                ),
            ));
        } else if self.ports != Ports::Ignored {
            parts.extend(self.port_test(draft, &at, domain, &others));
        }
        Condition::all(parts)
    }

    fn port_test(
        &self,
        draft: &mut Draft,
        at: &str,
        domain: &Domain,
        others: &[(&Host<'_>, Domain)],
    ) -> Option<Condition> {
        let own = others.iter().filter(|(other, _)| other.source == self.source).map(|(_, domain)| domain);
        let mut own: Vec<&Domain> = own.collect();
        own.retain(
            |other| if domain.port.is_some() { other.overlaps(domain) } else { other.name == domain.name },
        );
        if !own.is_empty() && domain.name != "*" {
            let what = format!(
                "the port of {:?} decides between virtual hosts, which a policy cannot test",
                domain.name
            );
            return Some(draft.unclear(at, what));
        }
        if domain.name != "*" {
            draft.note(
                at,
                "hosts are compared without their ports, where Envoy compares them unless ignore_port_in_host_matching is set",
            );
        }
        None
    }
}

impl Domain {
    fn of(written: &str) -> Self {
        let written = written.to_ascii_lowercase();
        let (name, port) = match written.rsplit_once(':') {
            Some((name, port)) if !port.contains(']') && !name.is_empty() => (name, Some(port.to_owned())),
            _ => (written.as_str(), None),
        };
        Self { name: name.to_owned(), port }
    }

    fn test(&self, draft: &mut Draft, at: &str) -> Condition {
        let pattern = |text: &str| text.chars().map(literal).collect::<String>();
        let predicate = match (self.name.strip_prefix('*'), self.name.strip_suffix('*')) {
            _ if self.name == "*" => return Condition::Always,
            (Some(end), _) if end.starts_with('.') => Predicate::exact(&self.name),
            (Some(end), _) => Predicate::text("regex", format!(".+{}", pattern(end))),
            (None, Some(start)) => Predicate::text("regex", format!("{}.+", pattern(start))),
            (None, None) => Predicate::exact(&self.name),
        };
        draft.test(at, Subject::Host, predicate)
    }

    /// Whether some host, with whatever port, has both.
    fn overlaps(&self, other: &Self) -> bool {
        let (a, b) = (self.name.as_str(), other.name.as_str());
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
