//! Requests whose words mean something else to the peer than to a policy: a rule before all others leaves them to the host's own
//! routing.

use super::{Draft, Role, Target};
use crate::condition::{Condition, Predicate, Subject};

impl Draft {
    /// Notes requests that the peer reads in another way.
    pub(crate) fn odd(&mut self, at: &str, condition: Condition, what: impl Into<String>) {
        let parts = if let Condition::Any(parts) = condition { parts } else { vec![condition] };
        let known = self.odd.len();
        for part in parts {
            if !self.odd.contains(&part) {
                self.odd.push(part);
            }
        }
        if self.odd.len() > known {
            self.note(at, what);
        }
    }

    /// From here on a value that is too long to be searched makes a request odd.
    pub(crate) fn keep_long(&mut self) {
        self.keeps_long = true;
    }

    /// Paths are decoded and shortened before they are compared, which a policy does not do. Where all that is compared is plain, letters,
    /// digits and `-._~/` alone, only those matter in percent notation.
    pub(crate) fn decoded_paths(&mut self, at: &str, plain: bool) {
        let encoded = if plain { UNRESERVED } else { "%" };
        let pattern = format!("//|/\\.\\.?(?:/|$)|{encoded}");
        let test = |predicate| Condition::Test(Subject::Path, predicate);
        let odd = test(Predicate::text("search", pattern).ignoring_case(true));
        let long = test(Predicate::text("search", "").negated());
        self.odd(
            at,
            Condition::any([odd, long]),
            "a path is decoded, and `//`, `/./` and `/../` are taken out of it, before it is compared, where a policy sees it as it \
             was sent: requests with such paths, or with more than 2 KiB of path, are left to the host's own routing",
        );
    }

    /// Of several cookies with one name the last counts, where a policy takes the first.
    pub(crate) fn repeated_cookie(&mut self, at: &str, name: &str) {
        let name: String = name.chars().map(escaped).collect();
        let twice = Predicate::text("search", format!("(?:^|[; ]){name}=.*; *{name}="));
        self.odd(
            at,
            Condition::Test(Subject::Header("cookie".to_owned()), twice),
            "of several cookies with one name the last counts, and in a policy the first: requests with several are left to the \
             host's own routing",
        );
    }

    /// A query parameter is compared as it was sent, where a policy decodes names and values.
    pub(crate) fn encoded_query(&mut self, at: &str, name: &str) {
        let target = |predicate| Condition::Test(Subject::Header(":path".to_owned()), predicate);
        let found = |pattern: String| target(Predicate::text("search", pattern));
        let odd = if name.contains(['%', '+']) {
            vec![found("\\?.*[%+]".to_owned()), target(Predicate::text("search", "").negated())]
        } else {
            // Who sends the name as it is has it decoded, too.
            let sent = Condition::Test(Subject::Query(name.to_owned()), Predicate::exists(true));
            let plain: String = name.chars().map(escaped).collect();
            let name_encoded = found("[?&][^=&]*[%+][^=&]*(?:[=&]|$)".to_owned());
            let long = target(Predicate::text("search", "").negated());
            vec![
                found(format!("[?&]{plain}=[^&]*[%+]")),
                Condition::all([sent.clone(), name_encoded]),
                Condition::all([sent, long]),
            ]
        };
        self.odd(
            at,
            Condition::any(odd),
            format!(
                "the query parameter {name:?} is compared as it was sent, and a policy decodes it: requests with % or + in their \
                 query where that may matter, or with more than 2 KiB of path and query, are left to the host's own routing"
            ),
        );
    }

    /// A policy searches no more than 2 KiB of a value, and finds nothing in a longer one.
    pub(super) fn searches(&mut self, at: &str, subject: &Subject) {
        if !self.keeps_long || matches!(subject, Subject::Host | Subject::Method | Subject::Ip) {
            return;
        }
        let short = Predicate::text("search", "");
        let (long, what) = match subject {
            Subject::Path => (short.negated(), "path".to_owned()),
            Subject::Header(name) => (there(&short), format!("header {name:?}")),
            Subject::Cookie(name) => (there(&short), format!("cookie {name:?}")),
            Subject::Query(name) => (there(&short), format!("query parameter {name:?}")),
            Subject::Host | Subject::Method | Subject::Ip => return,
        };
        self.odd(
            at,
            Condition::Test(subject.clone(), long),
            format!("a policy searches no more than 2 KiB: requests with a longer {what} are left to the host's own routing"),
        );
    }

    /// Writes the rule before all others.
    pub(super) fn keep_odd(&mut self) {
        if self.odd.is_empty() || self.rules.is_empty() {
            return;
        }
        let odd = Condition::any(std::mem::take(&mut self.odd));
        let written = self.rules.len();
        self.write("requests", ODD, &odd, (Target::Host, Vec::new()), Role::Keeping);
        let added = self.rules.len().saturating_sub(written);
        self.rules.rotate_right(added);
    }
}

/// That a value is there and too long.
fn there(short: &Predicate) -> Predicate {
    let exists = Predicate::exists(true);
    exists.and(&short.negated()).unwrap_or(exists)
}

fn escaped(c: char) -> String {
    if c.is_ascii_alphanumeric() || c == '_' { c.to_string() } else { format!("\\{c}") }
}

/// Letters, digits, `-._~` and `/` in percent notation, in small letters.
const UNRESERVED: &str = "%(?:2[def]|3\\d|[46][1-9a-f]|[57][0-9a]|5f|7e)";
/// The name of the rule.
const ODD: &str = "read-otherwise";
