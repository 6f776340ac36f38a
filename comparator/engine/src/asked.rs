//! How the request of an example is shown, so that somebody can ask again: method, path and query, without what looks like a secret.

use crate::endpoint;
use crate::excerpt::{self, MAX_CHARS, REDACTED};

/// At most 120 characters on one line. Segments of the path and values of the query that look like credentials, or are named as such,
/// are left out.
pub(crate) fn shown(method: &[u8], path: &[u8]) -> String {
    let text = format!("{} {}", String::from_utf8_lossy(method), parts(path));
    excerpt::line(text.as_bytes(), MAX_CHARS)
}

/// Returns a path and query on one line of at most 120 characters, without what looks like a secret.
pub fn shown_target(path: &[u8]) -> String {
    excerpt::line(parts(path).as_bytes(), MAX_CHARS)
}

fn parts(path: &[u8]) -> String {
    // More than is shown is not looked through.
    let path = path.get(..MAX_BYTES).unwrap_or(path);
    let mut parts = path.splitn(2, |&byte| byte == b'?');
    let segments = parts.next().unwrap_or_default().split(|&byte| byte == b'/').map(segment);
    let text = segments.collect::<Vec<_>>().join("/");
    let Some(query) = parts.next() else { return text };
    let pairs = query.split(|&byte| byte == b'&').map(pair);
    format!("{text}?{}", pairs.collect::<Vec<_>>().join("&"))
}

/// Segments are names of things, so only those that are credentials by their look: `/token` is an endpoint. Behind a semicolon
/// stand parameters (RFC 3986, 3.3).
fn segment(segment: &[u8]) -> String {
    let mut parts = segment.split(|&byte| byte == b';');
    let name = parts.next().unwrap_or_default();
    let name = if is_drawn(name) { REDACTED.to_owned() } else { String::from_utf8_lossy(name).into_owned() };
    parts.fold(name, |shown, parameter| format!("{shown};{}", pair(parameter)))
}

/// `name=value`, or either alone.
fn pair(pair: &[u8]) -> String {
    let text = String::from_utf8_lossy(pair);
    let Some((name, value)) = text.split_once('=') else {
        let secret = is_drawn(pair) || excerpt::is_credential(pair);
        return if secret { REDACTED.to_owned() } else { text.into_owned() };
    };
    let named = excerpt::is_sensitive(name) || KEYS.contains(&name.to_ascii_lowercase().as_str());
    if named || is_drawn(value.as_bytes()) || excerpt::is_credential(value.as_bytes()) {
        format!("{name}={REDACTED}")
    } else {
        text.into_owned()
    }
}

/// Whether a text looks drawn at random, as links that let somebody in are.
fn is_drawn(text: &[u8]) -> bool {
    let hash = text.len() >= SHORTEST_HASH && text.iter().all(u8::is_ascii_hexdigit);
    hash || text.starts_with(b"eyJ") || endpoint::is_token(text)
}

/// Names in queries, as whole words, of what lets somebody in.
const KEYS: [&str; 10] = ["auth", "code", "jsessionid", "jwt", "key", "otp", "pass", "pin", "sid", "sig"];
/// Of 128 bits in hexadecimal digits.
const SHORTEST_HASH: usize = 32;

/// Of path and query.
const MAX_BYTES: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_shown_without_secrets() {
        for (path, expected) in [
            ("/", "GET /"),
            ("/products/7", "GET /products/7"),
            ("/search?q=tea&page=2", "GET /search?q=tea&page=2"),
            ("/a?access_token=abc&x=1", "GET /a?access_token=(redacted)&x=1"),
            ("/a?next=eyJhbGciOiJub25lIn0", "GET /a?next=(redacted)"),
            ("/a?eyJhbGciOiJub25lIn0", "GET /a?(redacted)"),
            ("/reset/eyJhbGciOiJub25lIn0/x", "GET /reset/(redacted)/x"),
            ("/oauth/token?", "GET /oauth/token?"),
            ("/reset/kJhGfDsAqWeRtYuIoPzXcVbN", "GET /reset/(redacted)"),
            ("/reset/0123456789abcdef0123456789ABCDEF", "GET /reset/(redacted)"),
            ("/a?state=kJhGfDsAqWeRtYuIoPzXcVbN", "GET /a?state=(redacted)"),
            ("/a?sig=4f9c&Code=77&keys=3", "GET /a?sig=(redacted)&Code=(redacted)&keys=3"),
            ("/cart;jsessionid=8A7B;v=1/x", "GET /cart;jsessionid=(redacted);v=1/x"),
            (
                "/orders/7f6f7a0e-9b1c-4b59-8f39-6a1d1c7f0b11",
                "GET /orders/7f6f7a0e-9b1c-4b59-8f39-6a1d1c7f0b11",
            ),
            ("/a?b=\u{202e}\n", "GET /a?b=\u{fffd}⏎"),
        ] {
            assert_eq!(shown(b"GET", path.as_bytes()), expected);
        }
        let long = format!("/a?password={}", "x".repeat(5_000));
        assert_eq!(shown(b"GET", long.as_bytes()), "GET /a?password=(redacted)");
        assert_eq!(shown(b"GET", "/ä".repeat(5_000).as_bytes()).chars().count(), MAX_CHARS);
    }
}
