//! `$arg_x`: nginx finds the parameter in any case of its name and compares it as it was sent, a policy finds one spelling and
//! compares what it means.

use super::reading::Reading;
use super::request;
use super::test::Test;
use super::when::When;
use crate::condition::{Condition, Predicate, Subject};

/// A test of a query parameter.
pub(super) fn tested(reading: &mut Reading<'_>, at: &str, name: &str, test: &Test) -> When {
    let spellings = request::spellings(name);
    reading.note(
        at,
        format!(
            "nginx finds the parameter {name:?} in any case of its name and as it is sent, a policy decoded and as one of {}: \
                other spellings count as absent, and requests that send two spellings, the name or its value with % or +, or \
                more than 2 KiB of path and query keep the old version",
            spellings.join(", ")
        ),
    );
    one_spelling(reading, &spellings);
    as_sent(reading, name);
    match test {
        Test::Equals(values, fold) => equals(reading, at, &spellings, values, *fold),
        Test::Truthy => {
            let empty = [String::new(), "0".to_owned()];
            equals(reading, at, &spellings, &empty, false).negated()
        }
        Test::Matches { pattern, fold, filled: known } => {
            let test = Test::Matches { pattern: pattern.clone(), fold: *fold, filled: true };
            let found = each(reading, at, &spellings, &test);
            let fits_nothing = !known && Test::matching(pattern, *fold).known("") == Some(true);
            if fits_nothing { When::any([found, filled(&spellings).negated()]) } else { found }
        }
        Test::Below(_) | Test::Under(_) => each(reading, at, &spellings, test),
    }
}

fn each(reading: &mut Reading<'_>, at: &str, spellings: &[String], test: &Test) -> When {
    let one = |name: &String| request::plain(reading, at, &Subject::Query(name.clone()), test);
    When::any(spellings.iter().map(one).collect::<Vec<_>>())
}

fn equals(reading: &mut Reading<'_>, at: &str, spellings: &[String], values: &[String], fold: bool) -> When {
    let mut parts = Vec::new();
    if values.iter().any(String::is_empty) {
        parts.push(filled(spellings).negated());
    }
    let (encoded, plain): (Vec<&String>, Vec<&String>) =
        values.iter().filter(|value| !value.is_empty()).partition(|value| value.contains(['%', '+']));
    let mut is = |values: Vec<String>| each(reading, at, spellings, &Test::Equals(values, fold));
    if !plain.is_empty() {
        parts.push(is(plain.into_iter().cloned().collect()));
    }
    if !encoded.is_empty() {
        let meant = is(encoded.iter().map(|value| decoded(value)).collect());
        parts.push(When::between(&When::never(), &meant));
        reading.note(
            at,
            format!("{:?} is compared as it is sent, a policy compares what it means: the requests that mean it keep \
                the old version", encoded.first().map_or("", |value| value.as_str())),
        );
    }
    When::any(parts)
}

/// Whether the parameter is there and not empty.
fn filled(spellings: &[String]) -> When {
    let one = |name: &String| {
        let subject = Subject::Query(name.clone());
        let exists = Condition::Test(subject.clone(), Predicate::exists(true));
        When::exactly(Condition::all([exists, Condition::Test(subject, Predicate::exact("").negated())]))
    };
    When::any(spellings.iter().map(one))
}

/// Of two spellings nginx takes that which comes first.
fn one_spelling(reading: &mut Reading<'_>, spellings: &[String]) {
    let exists = |name: &String| Condition::Test(Subject::Query(name.clone()), Predicate::exists(true));
    for (index, name) in spellings.iter().enumerate() {
        let others = spellings.get(index + 1..).unwrap_or_default();
        if !others.is_empty() {
            reading.odd(Condition::all([exists(name), Condition::any(others.iter().map(exists))]));
        }
    }
}

/// What a policy decodes and nginx does not: a value with `%` or `+`, and a name of which any letter is in percent notation.
fn as_sent(reading: &mut Reading<'_>, name: &str) {
    let target = |predicate| Condition::Test(Subject::Header(":path".to_owned()), predicate);
    let plain: Vec<String> = name.chars().map(|c| regex_lite::escape(&c.to_string())).collect();
    let sent: Vec<String> = name.chars().map(in_percent_notation).collect();
    let either = |(plain, sent): (&String, &String)| format!("(?:{plain}|{sent})");
    let encoded = (0..plain.len()).map(|at| {
        let before = plain.get(..at).unwrap_or_default().concat();
        let behind = plain.iter().zip(&sent).skip(at + 1).map(either).collect::<String>();
        format!("{before}{}{behind}[=&]", sent.get(at).map_or("", String::as_str))
    });
    let encoded: Vec<String> = encoded.collect();
    let pattern = format!("[?&](?:{}=[^&]*[%+]|{})", plain.concat(), encoded.join("|"));
    reading.odd(target(Predicate::text("search", pattern).ignoring_case(true)));
    reading.odd(target(Predicate::text("search", "").negated()));
}

/// A character as its bytes in percent notation; letters in either case.
fn in_percent_notation(c: char) -> String {
    let bytes = |c: char| {
        let mut buffer = [0; 4];
        c.encode_utf8(&mut buffer).bytes().map(|byte| format!("%{byte:02x}")).collect::<String>()
    };
    let (lower, upper) = (bytes(c.to_ascii_lowercase()), bytes(c.to_ascii_uppercase()));
    if lower == upper { lower } else { format!("(?:{lower}|{upper})") }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', _) => bytes.push(b' '),
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
