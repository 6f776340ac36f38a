//! How the request of an example is shown, so that somebody can ask again: method, path and query, without what looks like a secret.

use crate::excerpt::{self, MAX_CHARS, REDACTED};

/// At most 120 characters on one line. Segments of the path and values of the query that look like credentials, or are named as such,
/// are left out.
pub(crate) fn shown(method: &[u8], path: &[u8]) -> String {
    // More than is shown is not looked through.
    let path = path.get(..MOST_BYTES).unwrap_or(path);
    let mut parts = path.splitn(2, |&byte| byte == b'?');
    let segments = parts.next().unwrap_or_default().split(|&byte| byte == b'/').map(segment);
    let mut text = format!("{} {}", String::from_utf8_lossy(method), segments.collect::<Vec<_>>().join("/"));
    if let Some(query) = parts.next() {
        let pairs = query.split(|&byte| byte == b'&').map(pair);
        text = format!("{text}?{}", pairs.collect::<Vec<_>>().join("&"));
    }
    excerpt::line(text.as_bytes(), MAX_CHARS)
}

/// Segments are names of things, so only those that are credentials by their look: `/token` is an endpoint.
fn segment(segment: &[u8]) -> String {
    let text = String::from_utf8_lossy(segment);
    if text.starts_with("eyJ") { REDACTED.to_owned() } else { text.into_owned() }
}

fn pair(pair: &[u8]) -> String {
    let text = String::from_utf8_lossy(pair);
    match text.split_once('=') {
        Some((name, value)) if excerpt::is_sensitive(name) || excerpt::is_credential(value.as_bytes()) => {
            format!("{name}={REDACTED}")
        }
        None if excerpt::is_credential(pair) => REDACTED.to_owned(),
        _ => text.into_owned(),
    }
}

/// Of path and query.
const MOST_BYTES: usize = 1_024;

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
            ("/a?b=\u{202e}\n", "GET /a?b=\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(shown(b"GET", path.as_bytes()), expected);
        }
        let long = format!("/a?password={}", "x".repeat(5_000));
        assert_eq!(shown(b"GET", long.as_bytes()), "GET /a?password=(redacted)");
        assert_eq!(shown(b"GET", "/ä".repeat(5_000).as_bytes()).chars().count(), MAX_CHARS);
    }
}
