//! Conditions that the policy takes: what it would refuse becomes a note where it stands in the input.

use std::net::IpAddr;

use super::Draft;
use crate::condition::{Condition, Predicate, Subject};
use crate::pattern;

impl Draft {
    /// Notes what a condition cannot say; the rule that it belongs to will not be enabled.
    pub(crate) fn unclear(&mut self, at: &str, what: impl Into<String>) -> Condition {
        self.note(at, what);
        Condition::Unclear(None)
    }

    /// The test of a subject, if the policy takes it.
    pub(crate) fn test(&mut self, at: &str, subject: Subject, predicate: Predicate) -> Condition {
        if let Some(problem) = problem(&subject, &predicate) {
            return self.unclear(at, problem);
        }
        if predicate.tests().any(|test| matches!(test, "regex" | "search" | "contains")) {
            self.searches(at, &subject);
        }
        match predicate.chunks(LONGEST_LIST) {
            Ok(whole) => Condition::Test(subject, whole),
            Err(parts) => {
                Condition::any(parts.into_iter().map(|part| Condition::Test(subject.clone(), part)))
            }
        }
    }

    /// A key of a split, as `cookie:uid`, if the policy takes it.
    pub(crate) fn key(&mut self, at: &str, subject: &Subject) -> Option<String> {
        let key = match subject {
            Subject::Header(name) if is_token(name) => Some(format!("header:{name}")),
            Subject::Cookie(name) if is_cookie(name) => Some(format!("cookie:{name}")),
            Subject::Query(name) if !name.is_empty() => Some(format!("query:{name}")),
            Subject::Ip => Some("ip".to_owned()),
            _ => None,
        };
        if key.is_none() {
            self.note(at, "is no key that a policy has: it is not carried over");
        }
        key
    }

    /// The host that a variant's requests get, if the policy takes it: a name or an address, with a port or without.
    pub(crate) fn rewritten_host(&mut self, at: &str, host: Option<String>) -> Option<String> {
        let host = host?;
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() => name,
            _ => host.as_str(),
        };
        if is_host(name) && !name.starts_with("*.") {
            return Some(host);
        }
        self.note(
            at,
            format!("the host {host:?} is not carried over: it is not a name with a port or without"),
        );
        None
    }
}

/// Why the policy would refuse a test, or never match.
fn problem(subject: &Subject, predicate: &Predicate) -> Option<String> {
    for pattern in ["regex", "search"].iter().flat_map(|test| predicate.texts(test)) {
        if let Some(reason) = pattern::refusal(pattern) {
            return Some(format!(
                "the regular expression {pattern:?} cannot run in the filter, whose matching time \
                     is bounded: {reason}"
            ));
        }
    }
    match subject {
        Subject::Header(name) if name != ":path" && !is_token(name) => {
            Some(format!("{name:?} is not the name of a header"))
        }
        Subject::Cookie(name) if !is_cookie(name) => Some(format!("{name:?} is not the name of a cookie")),
        Subject::Query(name) if name.is_empty() => Some("the name of a query parameter is empty".to_owned()),
        Subject::Path => path_problem(predicate),
        Subject::Method | Subject::Host | Subject::Ip => value_problem(subject, predicate),
        Subject::Header(_) | Subject::Cookie(_) | Subject::Query(_) => None,
    }
}

fn path_problem(predicate: &Predicate) -> Option<String> {
    let other = predicate.tests().find(|test| !PATH_TESTS.contains(test));
    if let Some(test) = other {
        return Some(format!("a path cannot be tested by `{test}`"));
    }
    let texts = ["exact", "in", "prefix", "startsWith"].iter().flat_map(|test| predicate.texts(test));
    let odd = texts.into_iter().find(|text| !text.starts_with('/'))?;
    Some(format!("the path {odd:?} never matches, since it does not begin with '/'"))
}

fn value_problem(subject: &Subject, predicate: &Predicate) -> Option<String> {
    let (name, valid): (_, fn(&str) -> bool) = match subject {
        Subject::Method => ("the method", is_method),
        Subject::Host => ("the host", is_host),
        _ => ("the client address", is_network),
    };
    let listed: &[&str] = if *subject == Subject::Ip { &["exact", "in"] } else { &HOST_TESTS };
    if let Some(test) = predicate.tests().find(|test| !listed.contains(test)) {
        return Some(format!("{name} cannot be tested by `{test}`"));
    }
    let values: Vec<&str> = ["exact", "in"].iter().flat_map(|test| predicate.texts(test)).collect();
    if values.is_empty() && predicate.tests().all(|test| matches!(test, "exact" | "in")) {
        return Some(format!("{name} is compared with no value at all, which never matches"));
    }
    let odd = values.into_iter().find(|value| !valid(value))?;
    Some(format!("{odd:?} is not a value that {name} can have"))
}

fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn is_cookie(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'=' | b';' | b','))
}

fn is_method(name: &str) -> bool {
    is_token(name) && !name.bytes().any(|b| b.is_ascii_lowercase())
}

/// A name or an address without port, or `*.` before a name.
fn is_host(name: &str) -> bool {
    if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'));
    }
    let rest = name.strip_prefix("*.").unwrap_or(name);
    !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}

/// An address, `address/bits`, or `first-last`.
fn is_network(text: &str) -> bool {
    let address = |text: &str| text.parse::<IpAddr>().ok();
    if let Some((first, last)) = text.split_once('-') {
        return matches!((address(first), address(last)), (Some(a), Some(b)) if a.is_ipv4() == b.is_ipv4() && a <= b);
    }
    let Some((network, bits)) = text.split_once('/') else { return address(text).is_some() };
    let most = address(network).map(|address| if address.is_ipv4() { 32 } else { 128 });
    most.zip(bits.parse::<u8>().ok()).is_some_and(|(most, bits)| bits <= most)
}

/// Items of one list of a policy.
const LONGEST_LIST: usize = 100_000;
const PATH_TESTS: [&str; 9] =
    ["exact", "in", "prefix", "startsWith", "suffix", "contains", "regex", "search", "ignoreCase"];
const HOST_TESTS: [&str; 8] =
    ["exact", "in", "prefix", "suffix", "contains", "regex", "search", "ignoreCase"];
