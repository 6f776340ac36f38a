//! `$cookie_x`: nginx finds the cookie in any case of its name, a policy under one.
//!
//! So a test is made twice: of the cookie by its name as written, which is quick and works for headers of any length, and of the
//! whole header for other spellings. What the two read differently (quotes, a cookie that is sent twice) keeps the old version.

use super::reading::Reading;
use super::request;
use super::test::Test;
use super::when::When;
use crate::condition::{Condition, Predicate, Subject};

/// A test of a cookie.
pub(super) fn tested(reading: &mut Reading<'_>, at: &str, name: &str, test: &Test) -> When {
    let again = start(name);
    reading.odd(header(&format!("{again}(?:\"|.*{again})")));
    reading.note(
        at,
        format!("nginx finds the cookie {name:?} in any case of its name: a policy finds other spellings in headers \
            of up to 2 KiB alone, and requests that send it twice or in quotes keep the old version"),
    );
    match test {
        Test::Equals(values, fold) => equals(reading, at, name, values, *fold),
        Test::Truthy => {
            let empty = [String::new(), "0".to_owned()];
            equals(reading, at, name, &empty, false).negated()
        }
        _ => {
            let found = request::plain(reading, at, &Subject::Cookie(name.to_owned()), test);
            let other = otherwise(name, header(&start(name)));
            let unclear = other.and(&When::unclear());
            When::any([found.and(&other.negated()), unclear])
        }
    }
}

fn equals(reading: &mut Reading<'_>, at: &str, name: &str, values: &[String], fold: bool) -> When {
    let subject = Subject::Cookie(name.to_owned());
    let (empty, texts): (Vec<String>, Vec<String>) = values.iter().cloned().partition(String::is_empty);
    let mut parts = Vec::new();
    if !empty.is_empty() {
        let some = header(&format!("{}[^; ]", start(name)));
        let filled = Condition::all([
            Condition::Test(subject.clone(), Predicate::exists(true)),
            Condition::Test(subject.clone(), Predicate::exact("").negated()),
        ]);
        parts.push(When::any([When::exactly(filled), otherwise(name, some)]).negated());
    }
    let texts: Vec<String> = texts.into_iter().filter(|text| !text.contains([';', '"'])).collect();
    if !texts.is_empty() {
        parts.push(request::plain(reading, at, &subject, &Test::Equals(texts.clone(), fold)));
        parts.push(otherwise(name, spelled_otherwise(name, &texts, fold)));
    }
    When::any(parts)
}

/// A condition on the whole header, where the cookie is not there under the name as written.
fn otherwise(name: &str, condition: Condition) -> When {
    let absent = Condition::Test(Subject::Cookie(name.to_owned()), Predicate::exists(false));
    When::exactly(Condition::all([absent, condition]))
}

/// The cookie under another spelling of its name, with one of the values.
fn spelled_otherwise(name: &str, values: &[String], fold: bool) -> Condition {
    let values: Vec<String> = values.iter().map(|value| regex_lite::escape(value)).collect();
    let values = values.join("|");
    let values = if fold { format!("(?i:{values})") } else { format!("(?:{values})") };
    header(&format!("{}{values}(?:;|$)", start(name)))
}

/// Where in the header the value of a cookie begins.
fn start(name: &str) -> String {
    format!("(?:^|[;,]) *(?i:{}) *= *", regex_lite::escape(name))
}

fn header(pattern: &str) -> Condition {
    Condition::Test(Subject::Header("cookie".to_owned()), Predicate::text("search", pattern))
}
