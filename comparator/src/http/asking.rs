//! Who asks, for what, and why: the parts of a request that several routes read.

use std::net::SocketAddr;

use antumbra_engine::secrets::discreet;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};

use crate::api::headers::{AUTHOR_HEADER, REASON_HEADER};
use crate::api::principal::Principal;
use crate::api::problem::Problem;

/// The other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The name in a route's path.
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(error) => Err(Problem::new(StatusCode::BAD_REQUEST, "path", error.body_text())),
        }
    }
}

/// Who asks, for the audit: the token's name, and what the client calls itself as a note beside it. Without tokens, what the client
/// calls itself, else its address.
pub(crate) fn author(by: &Principal, headers: &HeaderMap, peer: Option<&Peer>) -> String {
    let called = header_line(headers, AUTHOR_HEADER, MAX_AUTHOR);
    match (by.name(), called.as_str(), peer) {
        (Some(token), "", _) => token.to_owned(),
        (Some(token), called, _) => format!("{token} (says {called})"),
        (None, "", Some(Peer(address))) => address.ip().to_string(),
        (None, "", None) => "unknown".to_owned(),
        (None, ..) => called,
    }
}

/// Why a client makes a change whose body has no place for it.
pub(crate) fn reason(headers: &HeaderMap) -> String {
    header_line(headers, REASON_HEADER, MAX_REASON)
}

fn header_line(headers: &HeaderMap, name: &str, most: usize) -> String {
    let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    one_line(value.as_deref().unwrap_or_default(), most)
}

/// Without control characters, which would make lines of their own in a log, without what is a secret by its form, and at most so many
/// characters.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    discreet(text.trim()).chars().filter(|c| !c.is_control()).take(most).collect()
}

const MAX_AUTHOR: usize = 100;
pub(crate) const MAX_REASON: usize = 1_000;

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn an_author_is_one_line_or_an_address() {
        let peer = Peer(SocketAddr::from(([10, 0, 0, 9], 4711)));
        for (header, expected) in [
            (Some(&b"ana"[..]), "ana"),
            (Some(b"  "), "10.0.0.9"),
            (Some(b"a\xff\tb"), "a\u{fffd}b"),
            (None, "10.0.0.9"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = header {
                headers.insert(AUTHOR_HEADER, HeaderValue::from_bytes(value).unwrap());
            }
            assert_eq!(author(&Principal::Anybody, &headers, Some(&peer)), expected);
        }
    }
}
