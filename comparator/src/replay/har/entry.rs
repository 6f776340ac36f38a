//! One entry of an archive to the request that a client sent.

use std::borrow::Cow;

use antumbra_engine::shown_target;
use antumbra_observation::{Body, Bytes, Request};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::posted::{self, Posted};
use crate::api::misread;
use crate::replay::entry::{At, Entry, Recorded, RequestLine, Skipped, WEB_SOCKET};
use crate::replay::target;

/// The entry at an index of `log.entries`.
pub(super) fn entry(index: usize, json: &str) -> Entry {
    let Named { method, url } =
        serde_json::from_str(json).map(|Located { request }| request).unwrap_or_default();
    let asked = misread::json::<Exchange<'_>>(json.as_bytes())
        .map_err(|misread| Skipped::malformed(misread.without_place().to_owned()))
        .and_then(recorded);
    let line = if asked.is_err() { line(method, &url) } else { None };
    Entry { at: At::Entry { entry: index, url: shown(&url) }, asked, line }
}

/// What an entry that cannot be sent asked for.
fn line(method: Option<String>, url: &str) -> Option<RequestLine> {
    let url = stripped(url);
    let (_, path) = split(&url).ok()?;
    let path = target::encoded(target::without_fragment(&path)).into();
    Some(RequestLine { method: bytes(self::method(method?)), path })
}

/// An answer that never came has the status 0, and what writes another thing there knows none.
fn recorded(exchange: Exchange<'_>) -> Result<Recorded, Skipped> {
    let answer = exchange.response.and_then(|answer| serde_json::from_str::<Answer>(answer.get()).ok());
    let status = answer.and_then(|answer| answer.status.as_u64());
    let status =
        status.filter(|status| (100..1_000).contains(status)).and_then(|status| u16::try_from(status).ok());
    Ok(Recorded { request: request(exchange.request)?, status })
}

fn request(asked: Asked) -> Result<Request, Skipped> {
    let headers = asked.headers.unwrap_or_default();
    let mut headers: Vec<(Bytes, Bytes)> =
        headers.into_iter().map(|Header { name, value }| (bytes(name), bytes(value))).collect();
    let url = stripped(&asked.url);
    let lost = |text: &[u8]| String::from_utf8_lossy(text).contains(LOST);
    if lost(url.as_bytes()) || headers.iter().any(|(name, value)| lost(name) || lost(value)) {
        return Err(Skipped::malformed("its url or headers have bytes that are not UTF-8 in the file"));
    }
    let (authority, path) = split(&url)?;
    let named = |name: &[u8]| headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let named = named(b"host").or_else(|| named(b":authority")).map(|(_, value)| value.clone());
    let authority = authority.map(Bytes::from).or(named).unwrap_or_default();
    let sent = asked.body_size.as_ref().and_then(Value::as_u64);
    let body = posted::body(asked.post_data, sent, &mut headers)?;
    Ok(Request {
        method: bytes(method(asked.method)),
        path: target::encoded(target::without_fragment(&path)).into(),
        authority,
        headers,
        body: Body::Whole(body.into()),
    })
}

/// The methods that `fetch` writes in capitals, however a script wrote them (<https://fetch.spec.whatwg.org/#methods>).
fn method(written: String) -> String {
    let known = ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"];
    known
        .iter()
        .find(|known| written.eq_ignore_ascii_case(known))
        .map_or(written, |known| (*known).to_owned())
}

/// A URL without the blanks that a browser drops: those around it, and tabs and line ends within.
fn stripped(url: &str) -> String {
    let around = |char: char| char <= ' ';
    url.trim_matches(around).chars().filter(|char| !matches!(char, '\t' | '\n' | '\r')).collect()
}

/// The authority, if the URL has one, and the path. What stands behind `//` alone is an authority, too.
fn split(url: &str) -> Result<(Option<&[u8]>, Vec<u8>), Skipped> {
    if url.starts_with("//") {
        let (authority, path) = absolute(url).ok_or_else(|| Skipped::malformed("its url has no host"))?;
        return Ok((Some(authority), path));
    }
    if let Some(found) = target::split(url.as_bytes()).filter(|_| url != "*") {
        return Ok(found);
    }
    Err(match scheme(url).map(str::to_ascii_lowercase) {
        Some(scheme) if scheme == "ws" || scheme == "wss" => Skipped::Foreign(Cow::Borrowed(WEB_SOCKET)),
        Some(scheme) if scheme == "http" || scheme == "https" => Skipped::malformed("its url has no host"),
        Some(scheme) => {
            Skipped::Foreign(format!("the scheme of its url is {scheme}, must be http or https").into())
        }
        None => Skipped::malformed("its url is neither absolute nor a path"),
    })
}

fn absolute(url: &str) -> Option<(&[u8], Vec<u8>)> {
    let rest = url.strip_prefix("//")?.as_bytes();
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let slash: &[u8] = if path.starts_with(b"/") { b"" } else { b"/" };
    (!authority.is_empty()).then(|| (authority, [slash, path].concat()))
}

fn scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once(':')?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    (scheme.len() <= MAX_SCHEME && !scheme.is_empty() && scheme.bytes().all(plain)).then_some(scheme)
}

/// A URL without credentials; of one that is not HTTP the scheme alone, for the rest may be the content itself.
fn shown(url: &str) -> String {
    let url = stripped(url);
    match (target::split(url.as_bytes()), scheme(&url)) {
        (Some((Some(authority), path)), scheme) => {
            let authority = String::from_utf8_lossy(authority);
            shortened(&format!("{}://{authority}{}", scheme.unwrap_or("http"), shown_target(&path)))
        }
        (Some((None, path)), _) => shortened(&shown_target(&path)),
        (None, Some(scheme)) => format!("{scheme}:…"),
        (None, None) => String::new(),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn bytes(text: String) -> Bytes {
    text.into_bytes().into()
}

#[derive(Deserialize)]
struct Exchange<'a> {
    request: Asked,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    status: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    method: String,
    url: String,
    headers: Option<Vec<Header>>,
    post_data: Option<Posted>,
    body_size: Option<Value>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

/// As much of an entry as names it.
#[derive(Deserialize)]
struct Located {
    request: Named,
}

#[derive(Default, Deserialize)]
struct Named {
    /// None if it is no text.
    #[serde(default, deserialize_with = "text_or_none")]
    method: Option<String>,
    url: String,
}

fn text_or_none<'de, D: Deserializer<'de>>(json: D) -> Result<Option<String>, D::Error> {
    Ok(Value::deserialize(json)?.as_str().map(str::to_owned))
}

/// Stands for bytes that are not UTF-8.
const LOST: char = '\u{fffd}';
/// Characters of a scheme.
const MAX_SCHEME: usize = 32;
/// Characters of a URL that is shown.
const MAX_SHOWN: usize = 160;
