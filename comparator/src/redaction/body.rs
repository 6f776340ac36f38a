//! What a capture keeps of a body when values at paths are to be blanked: what can be read is kept without its encodings, and of the
//! rest length and hash.
//!
//! An encoded body is no secret's hiding place: it is decoded within the bounds that a comparison has, and kept plain.

use std::borrow::Cow;

use antumbra_observation::Bytes;

use super::{form, json};

/// What is kept of a body.
pub(super) enum Kept {
    /// Its text without encodings, and how many values are blanked in it.
    Plain(Vec<u8>, u64),
    /// Length and hash, for this reason.
    Hash(&'static str),
}

/// The body with every value at one of the paths replaced. A text says nothing of places: it is kept whole or not at all.
pub(super) fn kept(headers: &[(Bytes, Bytes)], sent: &[u8], paths: &[Vec<String>], keeps_text: bool) -> Kept {
    let plain = match antumbra_engine::decoded(headers, sent) {
        // What was not encoded is as large as a mirror takes.
        Ok(Cow::Owned(plain)) if plain.len() > MAX_DECODED => return Kept::Hash("size"),
        Ok(plain) => plain,
        Err(refusal) => return Kept::Hash(refusal.name()),
    };
    if let Some((text, blanked)) = json::redacted(&plain, paths) {
        return Kept::Plain(text, blanked);
    }
    match Media::declared(headers) {
        Media::Form => {
            let (form, blanked) = form::redacted(&plain, paths);
            Kept::Plain(form, blanked)
        }
        Media::Records => match records(&plain, paths) {
            Some((records, blanked)) => Kept::Plain(records, blanked),
            None => Kept::Hash("malformed"),
        },
        Media::Other(TEXT | HTML) if keeps_text => Kept::Plain(plain.into_owned(), 0),
        Media::Other(why) => Kept::Hash(why),
    }
}

/// One JSON value a line, or behind each separator of RFC 7464. Paths lead into each record, and, as a report writes them, into all of
/// them as one array.
fn records(text: &[u8], paths: &[Vec<String>]) -> Option<(Vec<u8>, u64)> {
    let within = paths.iter().filter_map(|path| path.get(1..)).filter(|path| !path.is_empty());
    let paths: Vec<Vec<String>> = paths.iter().cloned().chain(within.map(<[String]>::to_vec)).collect();
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
            let (redacted, blanked) = json::redacted(value, &paths)?;
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
            media if media.starts_with(b"application/grpc") => Self::Other("grpc"),
            media if media.starts_with(b"multipart/") => Self::Other("multipart"),
            media if media.ends_with(b"json") => Self::Other("malformed"),
            media if media.starts_with(b"text/") || media.ends_with(b"xml") => Self::Other(TEXT),
            _ => Self::Other("binary"),
        }
    }
}

const TEXT: &str = "text";
const HTML: &str = "html";
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
        let paths = [vec!["customer".to_owned(), "email".to_owned()]];
        let headers = [("Content-Type".into(), content_type.into())];
        let found = match kept(&headers, body, &paths, keeps_text) {
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
}
