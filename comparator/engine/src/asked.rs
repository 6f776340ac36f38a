//! How the request of an example is shown, so that somebody can ask again: method, path and query, without what looks like a secret.

use crate::excerpt::{self, MAX_CHARS, REDACTED};
use crate::secrets::{Secrets, Target};

/// At most 120 characters on one line. Segments of the path and values of the query that are secrets by their look, or are named as such,
/// are not shown.
pub(crate) fn shown(method: &[u8], path: &[u8], secrets: &Secrets) -> String {
    let text = [method, b" ", &parts(path, secrets)].concat();
    excerpt::line(&text, MAX_CHARS)
}

/// Returns a path and query on one line of at most 120 characters, without what looks like a secret.
pub fn shown_target(path: &[u8]) -> String {
    excerpt::line(&parts(path, &Secrets::default()), MAX_CHARS)
}

fn parts(path: &[u8], secrets: &Secrets) -> Vec<u8> {
    // More than is shown is not looked through. What is cut may be a part of a secret.
    let path = match path.get(..MAX_BYTES) {
        Some(head) => head.get(..head.iter().rposition(is_separator).unwrap_or(MAX_BYTES)).unwrap_or(head),
        None => path,
    };
    Target { secrets, mark: REDACTED }.without_secrets(path).0
}

fn is_separator(byte: &u8) -> bool {
    matches!(byte, b'/' | b'?' | b'&')
}

/// Of path and query.
const MAX_BYTES: usize = 8 * 1_024;

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
            assert_eq!(shown(b"GET", path.as_bytes(), &Secrets::default()), expected);
        }
        let long = format!("/a?password={}", "x".repeat(5_000));
        assert_eq!(shown(b"GET", long.as_bytes(), &Secrets::default()), "GET /a?password=(redacted)");
        assert_eq!(
            shown(b"GET", "/ä".repeat(5_000).as_bytes(), &Secrets::default()).chars().count(),
            MAX_CHARS
        );
    }
}
