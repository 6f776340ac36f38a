//! What a capture keeps of a body: what can be read is kept without its encodings and its secrets, and of the rest length and hash.
//!
//! An encoded body is no secret's hiding place: it is decoded within the bounds that a comparison has, and kept plain. A text tells its
//! secrets by their form and by names that it gives values to; where a path is named besides, a text says nothing of places.

use std::borrow::Cow;

use antumbra_engine::secrets::{Secret, Secrets, Step, in_text, without};
use antumbra_observation::Bytes;

use super::{REDACTED, form, json, multipart};

/// What is kept of a body.
pub(super) enum Kept {
    /// Its text without encodings, and how many values are blanked in it.
    Plain(Vec<u8>, u64),
    /// Length and hash, for this reason.
    Hash(&'static str),
}

/// The body with every secret in it replaced.
pub(super) fn kept(headers: &[(Bytes, Bytes)], sent: &[u8], secrets: &Secrets, keeps_text: bool) -> Kept {
    let plain = match antumbra_engine::decoded(headers, sent) {
        // What was not encoded is as large as a mirror takes.
        Ok(Cow::Owned(plain)) if plain.len() > MAX_DECODED => return Kept::Hash("size"),
        Ok(plain) => plain,
        Err(refusal) => return Kept::Hash(refusal.name()),
    };
    if let Some((text, blanked)) = json::redacted(&plain, secrets) {
        return Kept::Plain(text, blanked);
    }
    let names_paths = !secrets.paths().is_empty();
    match Media::declared(headers) {
        Media::Form => {
            let (form, blanked) = form::redacted(&plain, secrets);
            Kept::Plain(form, blanked)
        }
        Media::Records => match records(&plain, secrets) {
            Some((records, blanked)) => Kept::Plain(records, blanked),
            None if names_paths => Kept::Hash("malformed"),
            None => text(&plain),
        },
        Media::Other(TEXT | HTML) if keeps_text => text(&plain),
        Media::Other(why) if names_paths => Kept::Hash(why),
        Media::Other(MULTIPART) => match multipart::redacted(&plain, headers, secrets) {
            Some((parts, blanked)) => Kept::Plain(parts, blanked),
            None => text(&plain),
        },
        // Whoever reads it relies on its lengths.
        Media::Other(why @ (BINARY | GRPC)) if !in_text(&plain).is_empty() => Kept::Hash(why),
        Media::Other(BINARY | GRPC) => Kept::Plain(plain.into_owned(), 0),
        Media::Other(_) => text(&plain),
    }
}

fn text(plain: &[u8]) -> Kept {
    let (text, blanked) = without(plain, REDACTED.as_bytes()).unwrap_or_else(|| (plain.to_vec(), 0));
    Kept::Plain(text, blanked)
}

/// One JSON value a line, or behind each separator of RFC 7464. Paths lead into each record, and, as a report writes them, into all of
/// them as one array.
fn records(text: &[u8], secrets: &Secrets) -> Option<(Vec<u8>, u64)> {
    let within = secrets.paths().iter().filter_map(|path| path.get(1..)).filter(|path| !path.is_empty());
    let within: Vec<Secret> = within.map(|path: &[Step]| Secret::Path(path.to_vec())).collect();
    let mut secrets = secrets.clone();
    secrets.extend(within);
    let separates = |byte: &u8| matches!(*byte, b'\n' | RECORD_SEPARATOR);
    let (mut out, mut total) = (Vec::with_capacity(text.len()), 0);
    for record in text.split_inclusive(separates) {
        let (value, end) = match record.split_last() {
            Some((last, value)) if separates(last) => (value, &record[value.len()..]),
            _ => (record, &b""[..]),
        };
        if value.trim_ascii().is_empty() {
            out.extend_from_slice(value);
        } else {
            let (redacted, blanked) = json::redacted(value, &secrets)?;
            out.extend_from_slice(&redacted);
            total += blanked;
        }
        out.extend_from_slice(end);
    }
    Some((out, total))
}

enum Media {
    Form,
    Records,
    /// Nobody can tell where in it a value is.
    Other(&'static str),
}

impl Media {
    fn declared(headers: &[(Bytes, Bytes)]) -> Self {
        let declared = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"content-type"));
        let value = declared.map_or(&b""[..], |(_, value)| value);
        let media = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        match &media.to_ascii_lowercase()[..] {
            b"application/x-www-form-urlencoded" => Self::Form,
            b"application/x-ndjson"
            | b"application/ndjson"
            | b"application/jsonl"
            | b"application/json-seq" => Self::Records,
            b"text/event-stream" => Self::Other("events"),
            b"text/html" | b"application/xhtml+xml" => Self::Other(HTML),
            b"" => Self::Other("undeclared"),
            media if media.starts_with(b"application/grpc") => Self::Other(GRPC),
            media if media.starts_with(b"multipart/") => Self::Other(MULTIPART),
            media if media.ends_with(b"json") => Self::Other("malformed"),
            media if media.starts_with(b"text/") || media.ends_with(b"xml") => Self::Other(TEXT),
            _ => Self::Other(BINARY),
        }
    }
}

const TEXT: &str = "text";
const HTML: &str = "html";
const MULTIPART: &str = "multipart";
const GRPC: &str = "grpc";
const BINARY: &str = "binary";
/// Bytes of a body that was encoded: the largest body that a mirror takes. A line of a capture has room for four of them.
const MAX_DECODED: usize = 8 << 20;
const RECORD_SEPARATOR: u8 = 0x1e;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content_type: &str, body: &[u8], expected: Result<(&str, u64), &str>) {
        keeping(false, content_type, body, expected);
    }

    fn keeping(keeps_text: bool, content_type: &str, body: &[u8], expected: Result<(&str, u64), &str>) {
        let mut secrets = Secrets::default();
        secrets.extend(["/customer/email".parse().unwrap()]);
        let headers = [("Content-Type".into(), content_type.into())];
        let found = match kept(&headers, body, &secrets, keeps_text) {
            Kept::Plain(text, blanked) => Ok((String::from_utf8(text).unwrap(), blanked)),
            Kept::Hash(why) => Err(why),
        };
        assert_eq!(found, expected.map(|(text, blanked)| (text.to_owned(), blanked)), "{content_type}");
    }

    #[test]
    fn what_can_be_read_is_kept() {
        let (told, blanked) = (r#"{"customer":{"email":"hush"}}"#, r#"{"customer":{"email":"[redacted]"}}"#);
        check("application/problem+json", told.as_bytes(), Ok((blanked, 1)));
        check("text/plain", told.as_bytes(), Ok((blanked, 1)));
        check("", b"[1]", Ok(("[1]", 0)));
        check(
            "application/x-www-form-urlencoded; charset=utf-8",
            b"email=hush&a=1",
            Ok(("email=[redacted]&a=1", 1)),
        );
        let lines = format!("{told}\r\n\n{told}\n{{\"email\":1}}");
        let kept = format!("{blanked}\r\n\n{blanked}\n{{\"email\":\"[redacted]\"}}");
        check("application/x-ndjson", lines.as_bytes(), Ok((&kept, 3)));
        let sequence = format!("\u{1e}{told}\n\u{1e}{told}\n");
        let kept = format!("\u{1e}{blanked}\n\u{1e}{blanked}\n");
        check("application/json-seq", sequence.as_bytes(), Ok((&kept, 2)));
    }

    #[test]
    fn of_what_cannot_be_read_the_reason_is_told() {
        for (content_type, why) in [
            ("text/html", "html"),
            ("application/json", "malformed"),
            ("application/x-ndjson", "malformed"),
            ("application/grpc+proto", "grpc"),
            ("image/svg+xml", "text"),
            ("image/png", "binary"),
            ("multipart/form-data; boundary=x", "multipart"),
            ("", "undeclared"),
        ] {
            check(content_type, b"<p>hush", Err(why));
            let is_text = why == TEXT || why == HTML;
            keeping(true, content_type, b"<p>hush", if is_text { Ok(("<p>hush", 0)) } else { Err(why) });
        }
    }

    #[test]
    fn where_no_path_is_named_only_what_the_list_has_goes() {
        let check = |content_type: &str, body: &[u8], expected: Result<(&str, u64), &str>| {
            let headers = [("Content-Type".into(), content_type.into())];
            let found = match kept(&headers, body, &Secrets::default(), false) {
                Kept::Plain(text, blanked) => Ok((String::from_utf8_lossy(&text).into_owned(), blanked)),
                Kept::Hash(why) => Err(why),
            };
            assert_eq!(found, expected.map(|(text, blanked)| (text.to_owned(), blanked)), "{content_type}");
        };
        check("text/html", b"<pin>hush</pin><p>a", Ok(("<pin>[redacted]</pin><p>a", 1)));
        check(
            "text/event-stream",
            b"data: {\"pin\":\"hush\"}\n\n",
            Ok(("data: {\"pin\":\"[redacted]\"}\n\n", 1)),
        );
        check("application/json", b"{\"pin\":\"hush\"", Ok(("{\"pin\":\"[redacted]\"", 1)));
        check(
            "application/x-ndjson",
            b"{\"pin\":\"hush\"}\n{\"a\":1}\n",
            Ok(("{\"pin\":\"[redacted]\"}\n{\"a\":1}\n", 1)),
        );
        check("image/png", b"\x89PNG", Ok(("\u{fffd}PNG", 0)));
        check("image/png", b"\x89PNG pin=hush", Err("binary"));
        check("application/grpc", b"\x00DE89370400440532013000", Err("grpc"));
    }
}
