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
    /// How much work a byte of it may be, beside one that is only decoded and hashed: at worst each is a line, a token or a record of
    /// its own. The values of JSON are counted where they are parsed. Measured; see [`crate::measured`].
    pub(super) fn effort(&self) -> u64 {
        match self {
            Self::Json | Self::Multipart(_) | Self::Binary => 1,
            Self::JsonRecords | Self::JsonSequence | Self::Grpc => 4,
            Self::Events | Self::Form | Self::Html | Self::Text | Self::Undeclared => 24,
        }
    }

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
        } else if reads_as_text(bytes) {
            Self::Text
        } else {
            Self::Binary
        }
    }
}

/// Whether bytes of which nobody says what they are can be read as a text.
pub(super) fn reads_as_text(bytes: &[u8]) -> bool {
    !bytes.contains(&0) && std::str::from_utf8(bytes).is_ok()
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

/// A `content-type` as it is compared: what means the same is alike, and no boundary is in it.
pub(crate) fn media_type(value: &str) -> String {
    canonical(value).unwrap_or_else(|| without_boundary(value))
}

/// For what is written against the rules: as it is, but without the boundary of a multipart type.
fn without_boundary(value: &str) -> String {
    if !matches!(Media::named(value), Media::Multipart(_)) {
        return value.to_owned();
    }
    let kept = value.split(';').map(str::trim);
    let kept = kept.filter(|part| !part.to_ascii_lowercase().starts_with("boundary"));
    kept.collect::<Vec<_>>().join("; ")
}

/// A media type as all that mean the same are written (RFC 9110, 8.3.1): type, subtype, names of parameters and `charset` in lower case,
/// parameters by name, quotes only where they are needed. The boundary of a multipart type is left out, as it is chosen anew for every body.
/// `None`: it is no media type.
fn canonical(value: &str) -> Option<String> {
    let (media, rest) = value.split_once(';').unwrap_or((value, ""));
    let media = media.trim_matches(BLANKS).to_ascii_lowercase();
    let (main, sub) = media.split_once('/')?;
    let mut parameters = parameters(rest).filter(|_| is_token(main) && is_token(sub))?;
    parameters.retain(|(name, _)| !(main == "multipart" && name == "boundary"));
    parameters.sort();
    let mut text = media.clone();
    for (name, value) in &parameters {
        let value = if name == "charset" { value.to_ascii_lowercase() } else { value.to_string() };
        let quoted = || format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""));
        let value = if is_token(&value) { value } else { quoted() };
        text.extend(["; ", name, "=", &value]);
    }
    Some(text)
}

/// Each parameter with its name in lower case; `None` if they are not written as RFC 9110, 5.6.6 says.
fn parameters(mut rest: &str) -> Option<Vec<(String, Cow<'_, str>)>> {
    let mut all = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ';']);
        if rest.is_empty() {
            return Some(all);
        }
        let (name, after) = rest.split_once('=').filter(|(name, _)| is_token(name))?;
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted_string(quoted),
            None => {
                let end = after.find([';', ' ', '\t']).unwrap_or(after.len());
                let (token, next) = after.split_at(end);
                (Cow::Borrowed(token), next)
            }
        };
        let next = next.trim_start_matches(BLANKS);
        if !(next.is_empty() || next.starts_with(';')) || !after.starts_with('"') && !is_token(&value) {
            return None;
        }
        all.push((name.to_ascii_lowercase(), value));
        rest = next;
    }
}

/// Whether it is a token (RFC 9110, 5.6.2).
fn is_token(text: &str) -> bool {
    let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(of_token)
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
const BLANKS: [char; 2] = [' ', '\t'];

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
    fn what_means_the_same_is_written_alike() {
        let check =
            |value: &str, expected: &str| assert_eq!(canonical(value).as_deref(), Some(expected), "{value}");
        for same in [
            "text/html;charset=utf-8",
            "Text/HTML;Charset=\"utf-8\"",
            "text/html; charset=\"utf-8\"",
            "text/html;charset=UTF-8",
            "text/html ;\t charset=utf-8 ;",
        ] {
            check(same, "text/html; charset=utf-8");
        }
        check("Application/JSON", "application/json");
        check("a/b; q=\"X y\"; P=Q", "a/b; p=Q; q=\"X y\"");
        check("a/b; q=\"\\\"\\\\\"", "a/b; q=\"\\\"\\\\\"");
        check("a/b; q=\"\"", "a/b; q=\"\"");
        check("multipart/mixed; Boundary=\"a;b\"; charset=Latin1", "multipart/mixed; charset=latin1");
        check("text/plain; boundary=x", "text/plain; boundary=x");
        for odd in [
            "",
            ";",
            "text",
            "text/",
            "/html",
            "a/b; c",
            "a/b; =c",
            "a/b; c=",
            "a/b; c=\"d\" e",
            "a/b, c/d",
            "a/b; c=d e",
            "a/b; c=é",
        ] {
            assert_eq!((canonical(odd), media_type(odd)), (None, odd.to_owned()), "{odd}");
        }
        assert_eq!(media_type("multipart/mixed; boundary=x; odd"), "multipart/mixed; odd");
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
