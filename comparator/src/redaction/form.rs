//! A form with the values of some fields replaced, and every other byte as it was.
//!
//! Paths are those of JSON, and a form says the same in other ways: `customer[email]`, `customer.email`, `email`, or a whole document in
//! the field `customer`. So a field is blanked if its name ends as a path ends, or begins as one begins.

use super::REDACTED;

/// The form with the value of every field that a path may lead to replaced, and how many these are.
pub(super) fn redacted(form: &[u8], paths: &[Vec<String>]) -> (Vec<u8>, u64) {
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

fn is_named(name: &[u8], paths: &[Vec<String>]) -> bool {
    let decoded = decoded(name);
    let name = String::from_utf8_lossy(&decoded);
    let mut segments = name.split(['[', ']', '.']).filter(|segment| !segment.is_empty());
    let first = segments.next().unwrap_or_default();
    let last = segments.next_back().unwrap_or(first);
    let is = |wanted: &String, segment: &str| wanted != "*" && (*wanted == segment || **wanted == *name);
    paths.iter().any(|path| match &path[..] {
        [only] => only == "*" || is(only, first) || is(only, last),
        [begin, .., end] => is(begin, first) || is(end, last),
        [] => true,
    })
}

/// `+` is a blank, and `%` with two digits a byte.
fn decoded(name: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), name);
    while let Some((&byte, after)) = rest.split_first() {
        let (decoded, next) = match (byte, after) {
            (b'+', _) => (b' ', after),
            (b'%', [high, low, next @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, next),
                _ => (byte, after),
            },
            _ => (byte, after),
        };
        out.push(decoded);
        rest = next;
    }
    out.trim_ascii().to_vec()
}

fn digit(hex: u8) -> Option<u8> {
    char::from(hex).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_fields_that_a_path_may_lead_to() {
        let check = |form: &str, path: &str, expected: &str| {
            let path: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
            let (found, blanked) = redacted(form.as_bytes(), &[path]);
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
        check("a=1&b=2&c", "/*", "a=[redacted]&b=[redacted]&c");
        check("a=1&email=2", "/*/email", "a=1&email=[redacted]");
        check("a.b=1&%zz=2&c+d=3\r\n", "/a.b", "a.b=[redacted]&%zz=2&c+d=3\r\n");
        check("c+d=3=4&x%=5", "/c d", "c+d=[redacted]&x%=5");
    }
}
