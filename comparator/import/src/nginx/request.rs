//! nginx's variables of the request, as subjects of a condition and as keys of a split, and tests of what a policy sees as nginx
//! does.

use super::reading::Reading;
use super::test::Test;
use super::when::When;
use crate::condition::{Condition, Predicate, Subject};

/// Whether the client's address is in one of these networks.
pub(super) fn addressed(reading: &mut Reading<'_>, at: &str, networks: Vec<String>) -> When {
    if let Some(replaced) = &reading.config.addresses_replaced {
        let what = format!(
            "the address that set_real_ip_from ({replaced}) has nginx take from a header decides here, which a policy \
            takes from x-forwarded-for alone: the requests that it decides keep the old version; set `clientIp`, then \
            test `ip`"
        );
        reading.note(at, what);
        return When::unclear();
    }
    When::exactly(reading.draft.test(at, Subject::Ip, Predicate::one_of(networks)))
}

/// A test of a value that a policy sees as nginx does.
pub(super) fn plain(reading: &mut Reading<'_>, at: &str, subject: &Subject, test: &Test) -> When {
    match test {
        Test::Equals(values, fold) => equals(reading, at, subject, values, *fold),
        Test::Truthy => equals(reading, at, subject, &[String::new(), "0".to_owned()], false).negated(),
        Test::Matches { pattern, fold, filled } => matches(reading, at, subject, pattern, *fold, *filled),
        Test::Below(domain) if *subject == Subject::Host => {
            let name = format!("*.{domain}");
            When::exactly(reading.draft.test(at, Subject::Host, Predicate::exact(name)))
        }
        Test::Below(domain) => {
            let predicate = Predicate::text("suffix", format!(".{domain}")).ignoring_case(true);
            let bare = Predicate::exact(format!(".{domain}")).ignoring_case(true);
            let suffix = When::exactly(reading.draft.test(at, subject.clone(), predicate));
            suffix.and(&When::exactly(reading.draft.test(at, subject.clone(), bare)).negated())
        }
        Test::Under(start) => {
            let predicate = Predicate::text("prefix", start.clone());
            let predicate = predicate.ignoring_case(*subject != Subject::Host);
            When::exactly(reading.draft.test(at, subject.clone(), predicate))
        }
    }
}

fn equals(reading: &mut Reading<'_>, at: &str, subject: &Subject, values: &[String], fold: bool) -> When {
    let (empty, texts): (Vec<String>, Vec<String>) = values.iter().cloned().partition(String::is_empty);
    let texts: Vec<String> = texts.into_iter().filter_map(|text| possible(subject, text, fold)).collect();
    let fold = fold && can_fold(subject) && texts.iter().any(|text| text.chars().any(char::is_alphabetic));
    let mut parts = Vec::new();
    if !empty.is_empty() && can_lack(subject) {
        parts.push(When::exactly(reading.draft.test(at, subject.clone(), Predicate::exists(false))));
        parts.push(When::exactly(reading.draft.test(at, subject.clone(), Predicate::exact(""))));
    }
    if *subject == Subject::Ip {
        return if texts.is_empty() { When::never() } else { addressed(reading, at, texts) };
    }
    if !texts.is_empty() {
        let predicate = Predicate::one_of(texts).ignoring_case(fold);
        parts.push(When::exactly(reading.draft.test(at, subject.clone(), predicate)));
    }
    When::any(parts)
}

/// The value in the form in which the request can have it; `None` if it never does.
fn possible(subject: &Subject, text: String, fold: bool) -> Option<String> {
    match subject {
        Subject::Path => text.starts_with('/').then_some(text),
        Subject::Method => {
            let text = if fold { text.to_ascii_uppercase() } else { text };
            let letters = text.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-'));
            letters.then_some(text)
        }
        Subject::Ip => text.parse::<std::net::IpAddr>().ok().map(|address| address.to_string()),
        Subject::Host => {
            let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
            let lower = fold || !text.bytes().any(|byte| byte.is_ascii_uppercase());
            (plain && lower).then_some(text)
        }
        Subject::Header(_) | Subject::Cookie(_) | Subject::Query(_) => Some(text),
    }
}

/// Whether a predicate may ignore case, or does anyway.
fn can_fold(subject: &Subject) -> bool {
    !matches!(subject, Subject::Method | Subject::Host | Subject::Ip)
}

fn can_lack(subject: &Subject) -> bool {
    matches!(subject, Subject::Header(_) | Subject::Cookie(_) | Subject::Query(_))
}

fn matches(
    reading: &mut Reading<'_>,
    at: &str,
    subject: &Subject,
    pattern: &str,
    fold: bool,
    filled: bool,
) -> When {
    if *subject == Subject::Ip {
        reading.note(
            at,
            format!(
                "the pattern {pattern:?} of an address is not carried over: write networks in a `geo`; its \
                requests keep the old version"
            ),
        );
        return When::unclear();
    }
    let predicate = Predicate::text("search", pattern).ignoring_case(fold);
    let found = When::exactly(reading.draft.test(at, subject.clone(), predicate));
    if found.perhaps().is_some() {
        return found;
    }
    if *subject == Subject::Host && !fold && has_capital(pattern) {
        reading.note(
            at,
            format!("{pattern:?} has a capital letter, and nginx compares the host in small ones, a policy in any: \
                the requests in question keep the old version"),
        );
        return When::between(&When::never(), &found);
    }
    keep_long(reading, at, subject);
    let empty = Test::matching(pattern, fold).known("") == Some(true);
    match (empty && can_lack(subject), filled) {
        (true, false) => found.or_missing(reading, at, subject),
        (true, true) => {
            let empty = When::exactly(reading.draft.test(at, subject.clone(), Predicate::exact("")));
            found.and(&empty.negated())
        }
        (false, _) => found,
    }
}

/// A policy searches values of up to 2 KiB: what has longer ones keeps the old version.
fn keep_long(reading: &mut Reading<'_>, at: &str, subject: &Subject) {
    match subject {
        Subject::Path => reading.compares_paths(at, true),
        Subject::Header(name) => {
            reading.note(
                at,
                format!("a pattern searches no more than 2 KiB: requests with a longer header {name:?} keep the old \
                    version"),
            );
            let test = |predicate| Condition::Test(subject.clone(), predicate);
            let long = Predicate::text("search", "").negated();
            reading.odd(Condition::all([test(Predicate::exists(true)), test(long)]));
        }
        _ => {}
    }
}

/// Whether a pattern asks for a capital letter, those of classes as `\\D` aside.
fn has_capital(pattern: &str) -> bool {
    let mut escaped = false;
    pattern.chars().any(|c| {
        let capital = c.is_ascii_uppercase() && !escaped;
        escaped = c == '\\' && !escaped;
        capital
    })
}

impl When {
    /// With the requests that lack the value: a pattern that fits nothing fits them.
    fn or_missing(self, reading: &mut Reading<'_>, at: &str, subject: &Subject) -> Self {
        let missing = Self::exactly(reading.draft.test(at, subject.clone(), Predicate::exists(false)));
        Self::any([self, missing])
    }
}

/// What of the request a variable is.
pub(super) fn subject(variable: &str) -> Option<Subject> {
    let lower = variable.to_ascii_lowercase();
    if lower.starts_with("arg_") {
        return variable.get(4..).filter(|name| !name.is_empty()).map(|name| Subject::Query(name.to_owned()));
    }
    if lower.starts_with("cookie_") {
        return variable
            .get(7..)
            .filter(|name| !name.is_empty())
            .map(|name| Subject::Cookie(name.to_owned()));
    }
    match lower.as_str() {
        "uri" | "document_uri" => Some(Subject::Path),
        "host" | "http_host" => Some(Subject::Host),
        "request_method" => Some(Subject::Method),
        "remote_addr" => Some(Subject::Ip),
        "content_type" | "content_length" => Some(Subject::Header(lower.replace('_', "-"))),
        _ => Some(Subject::Header(lower.strip_prefix("http_")?.replace('_', "-"))),
    }
}

/// The keys of a split that a variable is: cookies and parameters in all spellings that clients use.
pub(super) fn keys(variable: &str) -> Vec<String> {
    let all = |kind: &str, name: &str| spellings(name).iter().map(|name| format!("{kind}:{name}")).collect();
    match subject(variable) {
        Some(Subject::Ip) => vec!["ip".to_owned()],
        Some(Subject::Header(name)) => vec![format!("header:{name}")],
        Some(Subject::Cookie(name)) => all("cookie", &name),
        Some(Subject::Query(name)) => all("query", &name),
        _ if variable.eq_ignore_ascii_case("binary_remote_addr") => vec!["ip".to_owned()],
        _ => Vec::new(),
    }
}

/// A name as it is written and in the spellings that clients use.
pub(super) fn spellings(name: &str) -> Vec<String> {
    let (lower, upper) = (name.to_ascii_lowercase(), name.to_ascii_uppercase());
    let capital: String = upper.chars().take(1).chain(lower.chars().skip(1)).collect();
    let mut all: Vec<String> = Vec::new();
    for spelling in [name.to_owned(), lower, upper, capital] {
        if !all.contains(&spelling) {
            all.push(spelling);
        }
    }
    all
}

/// Whether a variable is another one at each request.
pub(super) fn is_random(variable: &str) -> bool {
    matches!(variable, "request_id" | "msec" | "connection" | "connection_requests" | "pid")
}
