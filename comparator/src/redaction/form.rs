//! A form with the values of some fields replaced, and every other byte as it was.
//!
//! Paths are those of JSON, and a form says the same in other ways: `customer[email]`, `customer.email`, `email`, or a whole document in
//! the field `customer`. So a field is blanked if its name ends as a path ends, or begins as one begins.

use antumbra_engine::secrets::{Secrets, Step, Target, unescaped};

use super::REDACTED;

/// The form without the value of every field that a path may lead to, and without what the list of secrets has; and how many these are.
pub(super) fn redacted(form: &[u8], secrets: &Secrets) -> (Vec<u8>, u64) {
    let (plain, named) = at_paths(form, secrets.paths());
    let (plain, listed) = Target { secrets, mark: REDACTED }.form_without_secrets(&plain);
    (plain, named + listed)
}

/// The form with the value of every field that a path may lead to replaced, and how many these are.
fn at_paths(form: &[u8], paths: &[Vec<Step>]) -> (Vec<u8>, u64) {
    let (mut out, mut blanked) = (Vec::with_capacity(form.len()), 0);
    for (at, field) in form.split(|byte| *byte == b'&').enumerate() {
        if at > 0 {
            out.push(b'&');
        }
        let end = field.iter().position(|byte| *byte == b'=').unwrap_or(field.len());
        let value = field.get(end + 1..).unwrap_or_default();
        if !value.is_empty() && is_named(field.get(..end).unwrap_or_default(), paths) {
            blanked += 1;
            out.extend_from_slice(field.get(..=end).unwrap_or_default());
            out.extend_from_slice(REDACTED.as_bytes());
        } else {
            out.extend_from_slice(field);
        }
    }
    (out, blanked)
}

fn is_named(name: &[u8], paths: &[Vec<Step>]) -> bool {
    let plain = unescaped(name);
    let name = String::from_utf8_lossy(plain.trim_ascii());
    let mut segments = name.split(['[', ']', '.']).filter(|segment| !segment.is_empty());
    let first = segments.next().unwrap_or_default();
    let last = segments.next_back().unwrap_or(first);
    let is = |step: &Step, segment: &str| match step {
        Step::Named(wanted) => wanted == segment || *wanted == *name,
        Step::Any | Step::Deep => false,
    };
    paths.iter().any(|path| {
        // In a form nothing is deep.
        let steps: Vec<&Step> = path.iter().filter(|step| **step != Step::Deep).collect();
        match &steps[..] {
            [only] => **only == Step::Any || is(only, first) || is(only, last),
            [begin, .., end] => is(begin, first) || is(end, last),
            [] => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_fields_that_a_path_may_lead_to() {
        let check = |form: &str, path: &str, expected: &str| {
            let mut secrets = Secrets::default();
            secrets.extend([path.parse().unwrap()]);
            let (found, blanked) = redacted(form.as_bytes(), &secrets);
            let found = String::from_utf8(found).unwrap();
            assert_eq!(found, expected, "{form}");
            assert_eq!(blanked, found.matches(REDACTED).count() as u64, "{form}");
        };
        check("a=1&email=x%40y&b", "/email", "a=1&email=[redacted]&b");
        check("e%6Dail=x&=z&&email=", "/email", "e%6Dail=[redacted]&=z&&email=");
        check(
            "customer[email]=x&customer.name=y&n=1",
            "/customer/email",
            "customer[email]=[redacted]&customer.name=[redacted]&n=1",
        );
        check("email=x&mail=y", "/customer/email", "email=[redacted]&mail=y");
        check(
            "email=x&items[0][card]=y&total=1",
            "/items/*/card",
            "email=x&items[0][card]=[redacted]&total=1",
        );
        check(
            "email=x&password=y&to=DE89370400440532013000",
            "/a",
            "email=x&password=[redacted]&to=[redacted]",
        );
        check("a=1&b=2&c", "/*", "a=[redacted]&b=[redacted]&c");
        check("a=1&email=2", "/*/email", "a=1&email=[redacted]");
        check("a.b=1&%zz=2&c+d=3\r\n", "/a.b", "a.b=[redacted]&%zz=2&c+d=3\r\n");
        check("c+d=3=4&x%=5", "/c d", "c+d=[redacted]&x%=5");
    }
}
