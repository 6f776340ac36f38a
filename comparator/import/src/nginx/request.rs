//! nginx's variables of the request, as subjects of a condition and as keys of a split.

use crate::condition::{Condition, Predicate, Subject};
use crate::draft::Draft;

/// What a condition asks of a variable.
#[derive(Debug, Clone)]
pub(super) enum Test {
    /// Whether it is one of these.
    Equals(Vec<String>, bool),
    /// Whether a pattern is found in it; the flag ignores case.
    Matches(String, bool),
    /// Whether it is neither empty nor "0".
    Truthy,
}

impl Test {
    /// Whether a known text passes; `None` for a pattern.
    pub(super) fn passes(&self, text: &str) -> Option<bool> {
        match self {
            Self::Equals(values, true) => Some(values.iter().any(|value| value.eq_ignore_ascii_case(text))),
            Self::Equals(values, false) => Some(values.iter().any(|value| value == text)),
            Self::Matches(..) => None,
            Self::Truthy => Some(!text.is_empty() && text != "0"),
        }
    }
}

/// A test of a variable of the request. A missing one is empty there, where here it is missing.
pub(super) fn tested(draft: &mut Draft, at: &str, variable: &str, test: &Test) -> Condition {
    let Some(subject) = subject(variable) else {
        return draft.unclear(at, format!("the variable ${variable} is nothing that a policy can test"));
    };
    let condition = match test {
        Test::Equals(values, fold) => equals(draft, at, &subject, values, *fold),
        Test::Matches(pattern, _) if pattern == "^$" => equals(draft, at, &subject, &[String::new()], false),
        Test::Matches(pattern, fold) if variable == "http_cookie" => {
            draft.cookie_header(at, "search", pattern, *fold)
        }
        Test::Matches(pattern, fold) => {
            let predicate = Predicate::text("search", pattern).ignoring_case(*fold);
            draft.test(at, subject, predicate)
        }
        Test::Truthy => {
            let empty = ["".to_owned(), "0".to_owned()];
            equals(draft, at, &subject, &empty, false).negated()
        }
    };
    if variable != "request_uri" {
        return condition;
    }
    draft.note(at, "$request_uri is the path with its query, of which a policy tests the path alone");
    condition.perhaps()
}

fn equals(draft: &mut Draft, at: &str, subject: &Subject, values: &[String], fold: bool) -> Condition {
    let (empty, texts): (Vec<String>, Vec<String>) = values.iter().cloned().partition(String::is_empty);
    let listed = matches!(subject, Subject::Method | Subject::Host | Subject::Ip);
    let fold = fold && !listed && texts.iter().any(|text| text.chars().any(char::is_alphabetic));
    let mut parts = Vec::new();
    if !empty.is_empty() && !listed && *subject != Subject::Path {
        parts.push(draft.test(at, subject.clone(), Predicate::exists(false)));
        parts.push(draft.test(at, subject.clone(), Predicate::exact("")));
    }
    if !texts.is_empty() {
        parts.push(draft.test(at, subject.clone(), Predicate::one_of(texts).ignoring_case(fold)));
    }
    if parts.is_empty() {
        return draft.unclear(at, "compares with nothing, which no request is");
    }
    Condition::any(parts)
}

/// What of the request a variable is.
pub(super) fn subject(variable: &str) -> Option<Subject> {
    if let Some(name) = variable.strip_prefix("arg_") {
        return Some(Subject::Query(name.to_owned()));
    }
    if let Some(name) = variable.strip_prefix("cookie_") {
        return Some(Subject::Cookie(name.to_owned()));
    }
    match variable {
        "uri" | "document_uri" | "request_uri" => Some(Subject::Path),
        "host" | "http_host" => Some(Subject::Host),
        "request_method" => Some(Subject::Method),
        "remote_addr" => Some(Subject::Ip),
        "content_type" | "content_length" => Some(Subject::Header(variable.replace('_', "-"))),
        _ => Some(Subject::Header(variable.strip_prefix("http_")?.replace('_', "-").to_ascii_lowercase())),
    }
}

/// The key of a split that a variable is.
pub(super) fn key(variable: &str) -> Option<String> {
    match subject(variable) {
        Some(Subject::Ip) => Some("ip".to_owned()),
        Some(Subject::Header(name)) => Some(format!("header:{name}")),
        Some(Subject::Cookie(name)) => Some(format!("cookie:{name}")),
        Some(Subject::Query(name)) => Some(format!("query:{name}")),
        _ => (variable == "binary_remote_addr").then(|| "ip".to_owned()),
    }
}

/// Whether a variable is another one at each request.
pub(super) fn is_random(variable: &str) -> bool {
    matches!(variable, "request_id" | "msec" | "connection" | "connection_requests" | "pid")
}
