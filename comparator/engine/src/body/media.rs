//! What kind of body an answer says that it has.
//!
//! The `content-type` decides, and nothing is sniffed, for a wrong declaration is a difference too. A body without one is
//! read as what the other answer declares; if neither does, it is JSON where it parses as such, else text or binary.

use std::borrow::Cow;

use antumbra_observation::Bytes;

use crate::excerpt;
use crate::json::Tree;

/// A kind of body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Media {
    Json,
    /// One JSON value a line.
    JsonRecords,
    /// JSON values each behind a record separator (RFC 7464).
    JsonSequence,
    /// Server-sent events.
    Events,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// With its boundary.
    Multipart(Vec<u8>),
    /// gRPC, and gRPC-Web in its binary form.
    Grpc,
    Html,
    Text,
    Binary,
    /// There is no `content-type`.
    Undeclared,
}

impl Media {
    /// What the headers declare.
    pub(crate) fn declared(headers: &[(Bytes, Bytes)]) -> Self {
        header(headers, "content-type").map_or(Self::Undeclared, |value| Self::named(&value))
    }

    /// What a `content-type` names.
    pub(crate) fn named(value: &str) -> Self {
        let media = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media.as_str() {
            "" => Self::Undeclared,
            "application/json" | "text/json" => Self::Json,
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Self::JsonRecords,
            "application/json-seq" => Self::JsonSequence,
            "text/event-stream" => Self::Events,
            "application/x-www-form-urlencoded" => Self::Form,
            "text/html" | "application/xhtml+xml" => Self::Html,
            "application/grpc-web-text" => Self::Text,
            _ if media.starts_with("multipart/") => parameter(value, "boundary")
                .map_or(Self::Binary, |boundary| Self::Multipart(boundary.as_bytes().to_vec())),
            _ if is_grpc(&media) => Self::Grpc,
            _ if media.ends_with("+json") => Self::Json,
            _ if media.starts_with("text/") || is_text(&media) => Self::Text,
            _ => Self::Binary,
        }
    }

    /// What two bodies are compared as, or `None` if they are of two kinds.
    pub(crate) fn common(left: (&Self, &[u8]), right: (&Self, &[u8])) -> Option<Self> {
        let (left, right) = match (left.0, right.0) {
            (Self::Undeclared, Self::Undeclared) => (Self::guessed(left.1), Self::guessed(right.1)),
            (Self::Undeclared, declared) | (declared, Self::Undeclared) => return Some(declared.clone()),
            (left, right) => (left.clone(), right.clone()),
        };
        let same = std::mem::discriminant(&left) == std::mem::discriminant(&right);
        let lines = |media: &Self| matches!(media, Self::Html | Self::Text);
        if same {
            Some(left)
        } else if lines(&left) && lines(&right) {
            Some(Self::Text)
        } else {
            None
        }
    }

    fn guessed(bytes: &[u8]) -> Self {
        if matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) && Tree::parse(bytes).is_ok() {
            Self::Json
        } else if !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok() {
            Self::Text
        } else {
            Self::Binary
        }
    }
}

/// The first header of that lower-case name, as text.
pub(crate) fn header(headers: &[(Bytes, Bytes)], wanted: &str) -> Option<String> {
    let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
    found.map(|(_, value)| excerpt::line(value, MAX_VALUE))
}

/// A parameter of a header's value (RFC 9110, 5.6.6), without its quotes.
pub(crate) fn parameter<'v>(value: &'v str, wanted: &str) -> Option<Cow<'v, str>> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (found, next) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => quoted_string(quoted),
            None => {
                let (token, next) = after.split_once(';').unwrap_or((after, ""));
                (Cow::Borrowed(token.trim()), next)
            }
        };
        if name.trim_matches([' ', '\t', ';']).eq_ignore_ascii_case(wanted) {
            return Some(found);
        }
        rest = next;
    }
}

/// What stands before the closing quote, and what follows it.
fn quoted_string(quoted: &str) -> (Cow<'_, str>, &str) {
    let mut text = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (Cow::Owned(text), quoted.get(at + 1..).unwrap_or_default()),
            '\\' => text.extend(chars.next().map(|(_, escaped)| escaped)),
            other => text.push(other),
        }
    }
    (Cow::Owned(text), "")
}

fn is_grpc(media: &str) -> bool {
    let rest = media.strip_prefix("application/grpc-web").or_else(|| media.strip_prefix("application/grpc"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
}

fn is_text(media: &str) -> bool {
    let ends = ["+xml", "+yaml", "/xml", "/yaml", "/x-yaml", "/toml", "/javascript", "/graphql", "/sql"];
    media.starts_with("application/") && ends.iter().any(|end| media.ends_with(end))
        || media == "image/svg+xml"
}

const MAX_VALUE: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations() {
        let check = |value: &str, expected: Media| assert_eq!(Media::named(value), expected, "{value}");
        check("Application/Problem+JSON; charset=utf-8", Media::Json);
        check("application/x-ndjson", Media::JsonRecords);
        check("application/json-seq", Media::JsonSequence);
        check("text/event-stream", Media::Events);
        check("text/html; charset=utf-8", Media::Html);
        check("image/svg+xml", Media::Text);
        check("application/javascript", Media::Text);
        check("image/png", Media::Binary);
        check("application/grpc+proto", Media::Grpc);
        check("application/grpcish", Media::Binary);
        check("multipart/mixed; a=\"x;boundary=no\"; Boundary=\"a \\\"b\"", Media::Multipart("a \"b".into()));
        check("multipart/mixed", Media::Binary);
        check(" ; ", Media::Undeclared);
        for odd in ["multipart/x;", "multipart/x;=", "multipart/x; boundary=\"", "multipart/x;\"=\"=\""] {
            let _ = Media::named(odd);
        }
    }

    #[test]
    fn what_is_not_declared_is_what_the_other_declares_or_looks_like() {
        let common = |left: (&str, &str), right: (&str, &str)| {
            let media = |declared: &str| Media::named(declared);
            Media::common((&media(left.0), left.1.as_bytes()), (&media(right.0), right.1.as_bytes()))
        };
        assert_eq!(common(("", "{}"), ("", "[1]")), Some(Media::Json));
        assert_eq!(common(("", "{"), ("", "x")), Some(Media::Text));
        assert_eq!(common(("", "{}"), ("", "\0")), None);
        assert_eq!(common(("text/html", "{}"), ("", "{}")), Some(Media::Html));
        assert_eq!(common(("text/html", ""), ("text/plain", "")), Some(Media::Text));
        assert_eq!(common(("text/html", ""), ("application/json", "")), None);
    }
}
