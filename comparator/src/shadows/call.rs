//! One shadow request: what goes along of the request that it repeats, and what it says of itself.
//!
//! What stays behind is what the filter leaves behind, and `te`: trailers of the answer are asked for by nobody here.

use std::sync::Arc;
use std::time::Duration;

use antumbra_observation::{Body, Bytes, ExchangeId, Request, SHADOW_HEADER, ShadowRequest, stays_behind};
use http::header::{HOST, HeaderName, HeaderValue, TRAILER, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method};

use super::Target;

/// A request to one target.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) target: Arc<Target>,
    pub(crate) message: Arc<Asked>,
    /// From the dispatch to the last byte of the answer.
    pub(crate) timeout: Duration,
    /// Bytes of the answer's body to keep at the most, if fewer than of others.
    pub(crate) kept: Option<usize>,
}

/// What is asked, of whomever.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: PathAndQuery,
    /// Without `host`, which is the target's to say, unless [`Self::host`] is set.
    pub(crate) headers: HeaderMap,
    /// In place of the target's.
    pub(crate) host: Option<HeaderValue>,
    pub(crate) body: hyper::body::Bytes,
    /// After the body.
    pub(crate) trailers: HeaderMap,
}

/// Why a request cannot be sent, by the part that HTTP/1.1 does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsendable {
    #[error("its method is not a token")]
    Method,
    #[error("its path is not one that HTTP can carry, or does not begin with '/'")]
    Path,
    #[error("the name of a header is not a token")]
    HeaderName,
    #[error("the value of a header has control characters")]
    HeaderValue,
    #[error("only the length of its body is known")]
    BodyCut,
}

impl Asked {
    /// The request as its shadows repeat it, marked as the shadow of the exchange `id`.
    ///
    /// # Errors
    /// See [`Unsendable`].
    pub(crate) fn new(request: &Request, id: ExchangeId) -> Result<Self, Unsendable> {
        let Body::Whole(body) = &request.body else { return Err(Unsendable::BodyCut) };
        Ok(Self {
            method: Method::from_bytes(&request.method).map_err(|_| Unsendable::Method)?,
            path: path(&request.path)?,
            headers: headers(&request.headers, id)?,
            host: None,
            body: hyper::body::Bytes::copy_from_slice(body),
            trailers: HeaderMap::new(),
        })
    }

    /// A request that the filter wrote out for the exchange `id`: what it took along goes along, but for what belongs to a connection, `te`
    /// included. The mark of a shadow is ours to set.
    ///
    /// # Errors
    /// See [`Unsendable`].
    pub(crate) fn written(shadow: &ShadowRequest, id: ExchangeId, body: &Body) -> Result<Self, Unsendable> {
        let Body::Whole(body) = body else { return Err(Unsendable::BodyCut) };
        let host = pseudo(shadow, b":authority").map(HeaderValue::from_bytes).transpose();
        let along = shadow.headers.iter().filter(|(name, _)| travels(name) || **name == *VARIANT_HEADER);
        let mut headers = appended(along, &nominated(&shadow.headers))?;
        headers.insert(SHADOW_HEADER, mark(id)?);
        Ok(Self {
            method: Method::from_bytes(method(shadow)).map_err(|_| Unsendable::Method)?,
            path: path(pseudo(shadow, b":path").unwrap_or_default())?,
            headers,
            host: host.map_err(|_| Unsendable::HeaderValue)?,
            body: hyper::body::Bytes::copy_from_slice(body),
            trailers: appended(shadow.trailers.iter().filter(|(name, _)| trails(name)), &[])?,
        })
    }

    /// As this target is asked.
    pub(crate) fn headers_for(&self, target: &Target) -> HeaderMap {
        let mut headers = self.headers.clone();
        headers.insert(HOST, self.host.as_ref().unwrap_or(&target.host).clone());
        if let Some(names) = self.announced() {
            headers.insert(TRAILER, names);
            // Said by itself, for else hyper takes a GET for one without a body.
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        headers
    }

    /// The names of its trailers: hyper sends those alone that are announced.
    fn announced(&self) -> Option<HeaderValue> {
        let names: Vec<&str> = self.trailers.keys().map(HeaderName::as_str).collect();
        HeaderValue::try_from(names.join(", ")).ok().filter(|value| !value.is_empty())
    }
}

/// The method of a request that the filter wrote out; empty if it has none.
pub(crate) fn method(shadow: &ShadowRequest) -> &[u8] {
    pseudo(shadow, b":method").unwrap_or_default()
}

fn pseudo<'s>(shadow: &'s ShadowRequest, name: &[u8]) -> Option<&'s [u8]> {
    shadow.headers.iter().find(|(known, _)| **known == *name).map(|(_, value)| &value[..])
}

/// By which services know a shadow.
fn mark(id: ExchangeId) -> Result<HeaderValue, Unsendable> {
    HeaderValue::try_from(id.to_string()).map_err(|_| Unsendable::HeaderValue)
}

/// Whether a header of the repeated request goes along.
fn travels(name: &[u8]) -> bool {
    !stays_behind(name)
        && !name.starts_with(b":")
        && !name.eq_ignore_ascii_case(b"te")
        && !name.eq_ignore_ascii_case(VARIANT_HEADER)
}

/// Whether a trailer of the repeated request goes along: not one that decides how a message is read, which RFC 9110, 6.5.1 keeps out of
/// trailers, and hyper drops.
fn trails(name: &[u8]) -> bool {
    travels(name) && !NEVER_TRAIL.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}

fn path(path: &[u8]) -> Result<PathAndQuery, Unsendable> {
    // A fragment would be dropped silently.
    let plain = path == b"*" || (path.starts_with(b"/") && !path.contains(&b'#'));
    plain.then(|| PathAndQuery::try_from(path).ok()).flatten().ok_or(Unsendable::Path)
}

fn headers(pairs: &[(Bytes, Bytes)], id: ExchangeId) -> Result<HeaderMap, Unsendable> {
    let mut headers = appended(pairs.iter().filter(|(name, _)| travels(name)), &nominated(pairs))?;
    headers.insert(SHADOW_HEADER, mark(id)?);
    Ok(headers)
}

fn appended<'h>(
    pairs: impl Iterator<Item = &'h (Bytes, Bytes)>,
    of_the_hop: &[Vec<u8>],
) -> Result<HeaderMap, Unsendable> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name).map_err(|_| Unsendable::HeaderName)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| Unsendable::HeaderValue)?;
        if !of_the_hop.iter().any(|nominated| nominated == name.as_str().as_bytes()) {
            headers.append(name, value);
        }
    }
    Ok(headers)
}

/// The further headers of the hop, which `connection` names (RFC 9110, section 7.6.1), in lower case.
fn nominated(pairs: &[(Bytes, Bytes)]) -> Vec<Vec<u8>> {
    let connection = pairs.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"connection"));
    let names = connection.flat_map(|(_, value)| value.split(|byte| *byte == b','));
    names.map(|name| name.trim_ascii().to_ascii_lowercase()).collect()
}

/// Names of RFC 9110 that are of no use behind a body.
const NEVER_TRAIL: [&str; 7] = [
    "authorization",
    "cache-control",
    "content-encoding",
    "content-range",
    "content-type",
    "max-forwards",
    "set-cookie",
];
/// Of a policy that names no other.
const VARIANT_HEADER: &[u8] = b"x-antumbra-variant";

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &[u8], headers: &[(&[u8], &[u8])]) -> Request {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Request { method: "GET".into(), path: path.into(), headers, ..Request::default() }
    }

    fn refused(request: &Request) -> Unsendable {
        Asked::new(request, ExchangeId(1)).unwrap_err()
    }

    #[test]
    fn a_shadow_request_keeps_what_the_service_sees_and_nothing_of_the_hop() {
        let headers: [(&[u8], &[u8]); 10] = [
            (b"Accept", b"x"),
            (b"x-latin", b"caf\xe9"),
            (b"Connection", b"close, X-Hop"),
            (b"x-hop", b"1"),
            (b"Host", b"shop.test"),
            (b"proxy-authorization", b"secret"),
            (b"X-Envoy-Retry-On", b"5xx"),
            (b"traceparent", b"00-1-2-01"),
            (b"X-Antumbra-Shadow", b"elsewhere"),
            (b"accept", b"y"),
        ];
        let asked = Asked::new(&request(b"/a?b=1", &headers), ExchangeId(11)).unwrap();
        let found: Vec<(&str, &[u8])> =
            asked.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let expected: [(&str, &[u8]); 4] = [
            ("accept", b"x"),
            ("accept", b"y"),
            ("x-latin", b"caf\xe9"),
            ("x-antumbra-shadow", b"0000000000000000000000000000000b"),
        ];
        assert_eq!((found, asked.path.as_str()), (expected.to_vec(), "/a?b=1"));
    }

    #[test]
    fn what_http_cannot_carry_is_not_sent() {
        for path in [&b""[..], b"a", b"/a b", b"/a#b", b"/\xff", b"http://x/", b"/a\r\nb"] {
            assert_eq!(refused(&request(path, &[])), Unsendable::Path, "{}", String::from_utf8_lossy(path));
        }
        assert!(Asked::new(&request(b"*", &[]), ExchangeId(1)).is_ok());
        assert_eq!(refused(&request(b"/", &[(b"a b", b"")])), Unsendable::HeaderName);
        assert_eq!(refused(&request(b"/", &[(b"a", b"x\r\nb: c")])), Unsendable::HeaderValue);
        let cut = Request { body: Body::Cut { length: 1, xxh3: 1 }, ..request(b"/", &[]) };
        assert_eq!(refused(&cut), Unsendable::BodyCut);
        assert_eq!(refused(&Request { method: "G T".into(), ..request(b"/", &[]) }), Unsendable::Method);
    }
}
