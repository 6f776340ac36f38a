//! A body of parts (RFC 2046, 5.1) without its secrets: each part by its name and by what it says it is, and every other byte as it was.

use antumbra_engine::secrets::{Secrets, without};
use antumbra_observation::Bytes;

use super::{REDACTED, json};

/// The body without its secrets, and how many these are; `None` if it has not the boundary that it declares.
pub(super) fn redacted(body: &[u8], headers: &[(Bytes, Bytes)], secrets: &Secrets) -> Option<(Vec<u8>, u64)> {
    let delimiter = [b"--".as_slice(), &boundary(headers)?].concat();
    let mut out = Vec::with_capacity(body.len());
    let (mut rest, mut total) = (body, 0);
    let first = memchr::memmem::find(rest, &delimiter)?;
    loop {
        let at = memchr::memmem::find(rest, &delimiter).unwrap_or(rest.len());
        let (before, after) = rest.split_at_checked(at)?;
        if out.is_empty() && at == first {
            out.extend_from_slice(before);
        } else {
            let (part, blanked) = part(before, secrets);
            out.extend_from_slice(&part);
            total += blanked;
        }
        if after.is_empty() {
            return Some((out, total));
        }
        out.extend_from_slice(&delimiter);
        rest = after.get(delimiter.len()..)?;
    }
}

/// What stands between two boundaries: headers, an empty line and the part's body, before the line end that belongs to the boundary.
fn part(written: &[u8], secrets: &Secrets) -> (Vec<u8>, u64) {
    let end = [&b"\r\n\r\n"[..], b"\n\n"]
        .into_iter()
        .find_map(|blank| memchr::memmem::find(written, blank).map(|at| at + blank.len()));
    let (head, body) = written.split_at_checked(end.unwrap_or(written.len())).unwrap_or_default();
    let line_end = if body.ends_with(b"\r\n") { 2 } else { usize::from(body.ends_with(b"\n")) };
    let (body, tail) = body.split_at_checked(body.len() - line_end).unwrap_or_default();
    let named = parameter(head, b"name=").is_some_and(|name| secrets.of_parameter(&name).is_some());
    let (head, in_head) = blanked(head);
    let (body, in_body) = if named && !body.is_empty() {
        (REDACTED.into(), 1)
    } else {
        json::redacted(body, secrets).unwrap_or_else(|| blanked(body))
    };
    ([head, body, tail.to_vec()].concat(), in_head + in_body)
}

fn blanked(text: &[u8]) -> (Vec<u8>, u64) {
    without(text, REDACTED.as_bytes()).unwrap_or_else(|| (text.to_vec(), 0))
}

fn boundary(headers: &[(Bytes, Bytes)]) -> Option<Vec<u8>> {
    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"content-type"))?;
    parameter(value, b"boundary=").filter(|boundary| !boundary.is_empty())
}

/// The value of a parameter, with or without quotes. `filename=` is not `name=`.
fn parameter(text: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let lower = text.to_ascii_lowercase();
    let mut from = 0;
    loop {
        let at = from + memchr::memmem::find(lower.get(from..)?, name)?;
        let alone = lower.get(..at)?.last().is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'*');
        from = at + name.len();
        if alone {
            break;
        }
    }
    let rest = text.get(from..)?;
    let value = match rest.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|byte| *byte == b'"').next(),
        None => rest.split(|byte| matches!(byte, b';' | b'\r' | b'\n' | b' ')).next(),
    };
    value.map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_named_or_hold_a_secret_lose_it() {
        let headers = [("Content-Type".into(), "multipart/form-data; boundary=\"x y\"".into())];
        let part = |name: &str, body: &str| {
            format!(
                "--x y\r\nContent-Disposition: form-data; filename=\"a\"; name=\"{name}\"\r\n\r\n{body}\r\n"
            )
        };
        let body = |password: &str, note: &str, document: &str| {
            let parts =
                [part("password", password), part("note", note), part("file", document), part("pin", "")];
            format!("preamble\r\n{}--x y--\r\n", parts.concat())
        };
        let sent = body("hush", "see pin=hush", r#"{"token":"hush","a":1}"#);
        let (kept, blanked) = redacted(sent.as_bytes(), &headers, &Secrets::default()).unwrap();
        let expected = body("[redacted]", "see pin=[redacted]", r#"{"token":"[redacted]","a":1}"#);
        assert_eq!((String::from_utf8(kept).unwrap(), blanked), (expected, 3));
        assert_eq!(redacted(b"x", &headers, &Secrets::default()), None);
        assert_eq!(redacted(sent.as_bytes(), &[], &Secrets::default()), None);
    }
}
