//! The target of a recorded request: where it goes, and its path and query as HTTP can carry them.
//!
//! Recordings have characters in URLs that no request line may have: tools log what a user typed, and some clients send it. Browsers
//! encode them before they send (<https://url.spec.whatwg.org/#url-path>), and so does a replay: the services read the same characters.

/// The authority of an absolute target, and its path and query without a fragment.
pub(crate) fn split(target: &[u8]) -> Option<(Option<&[u8]>, Vec<u8>)> {
    let http = [&b"http://"[..], b"https://"];
    let scheme =
        |text: &&[u8]| target.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text));
    let Some(length) = http.into_iter().find(scheme).map(<[u8]>::len) else {
        let plain = target.starts_with(b"/") || target == b"*";
        return plain.then(|| (None, target.to_vec()));
    };
    let rest = target.get(length..)?;
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let path = without_fragment(path);
    let slash: &[u8] = if path.starts_with(b"/") { b"" } else { b"/" };
    let host = authority.rsplit(|byte| *byte == b'@').next()?;
    (!host.is_empty()).then(|| (Some(host), [slash, path].concat()))
}

/// What stands before a fragment, which is never sent.
pub(crate) fn without_fragment(path: &[u8]) -> &[u8] {
    path.split(|byte| *byte == b'#').next().unwrap_or_default()
}

/// A path and query as a browser sends those of a URL.
pub(crate) fn encoded(path: &[u8]) -> Vec<u8> {
    encode(path, |byte, in_query| match byte {
        // The special-query percent-encode set.
        b'\'' => in_query,
        // What the path percent-encode set has besides.
        b'^' | b'`' | b'{' | b'}' => !in_query,
        _ => cannot_be_carried(byte),
    })
}

/// A path and query as they were sent, but for bytes that HTTP cannot carry.
pub(crate) fn carried(path: &[u8]) -> Vec<u8> {
    encode(path, |byte, in_query| cannot_be_carried(byte) || (byte == b'`' && !in_query))
}

/// The query percent-encode set, without `#`.
fn cannot_be_carried(byte: u8) -> bool {
    matches!(byte, 0..=b' ' | b'"' | b'<' | b'>' | 0x7f..)
}

fn encode(path: &[u8], is_encoded: impl Fn(u8, bool) -> bool) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(path.len());
    let mut in_query = false;
    for &byte in path {
        in_query |= byte == b'?';
        if is_encoded(byte, in_query) {
            push_encoded(byte, &mut encoded);
        } else {
            encoded.push(byte);
        }
    }
    encoded
}

/// Appends a byte as `%` and two digits.
pub(crate) fn push_encoded(byte: u8, out: &mut Vec<u8>) {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 };
    out.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let check = |target: &str, expected: Option<(Option<&str>, &str)>| {
            let expected = expected.map(|(host, path)| (host.map(str::as_bytes), path.as_bytes().to_vec()));
            assert_eq!(split(target.as_bytes()), expected, "{target}");
        };
        check("/a?b", Some((None, "/a?b")));
        check("*", Some((None, "*")));
        check("http://u:p@y:1?q#f", Some((Some("y:1"), "/?q")));
        check("HTTPS://y/a#f", Some((Some("y"), "/a")));
        for none in ["", "a", "ftp://y/", "data:,x", "http:///a", "http://u@/a"] {
            check(none, None);
        }
    }

    /// The expected texts are what `new URL(…).pathname` and `.search` give.
    #[test]
    fn a_url_is_encoded_as_browsers_do() {
        for (raw, expected) in [
            ("/a?q=\"x\"<y>", "/a?q=%22x%22%3Cy%3E"),
            ("/a?q=`|^{}[]\\", "/a?q=`|^{}[]\\"),
            ("/a b`{}^|\"<>", "/a%20b%60%7B%7D%5E|%22%3C%3E"),
            ("/caf\u{e9}?q=\u{20ac} 'x'", "/caf%C3%A9?q=%E2%82%AC%20%27x%27"),
            ("/it's?%22=%zz", "/it's?%22=%zz"),
            ("/a?b?c/{}", "/a?b?c/{}"),
            ("/\u{1}\u{7f}?\u{1}\u{7f}", "/%01%7F?%01%7F"),
        ] {
            assert_eq!(String::from_utf8(encoded(raw.as_bytes())).unwrap(), expected, "{raw}");
        }
    }

    #[test]
    fn what_was_sent_is_changed_only_where_http_cannot_carry_it() {
        for byte in 0..=u8::MAX {
            for path in [[b"/a", &[byte][..]].concat(), [b"/?a", &[byte][..]].concat()] {
                let sent = carried(&path);
                let readable = http::uri::PathAndQuery::try_from(&path[..]).is_ok();
                if byte != b'#' {
                    assert!(http::uri::PathAndQuery::try_from(&sent[..]).is_ok(), "{byte:#x}");
                }
                if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>') {
                    assert_eq!(sent == path, readable, "{byte:#x}");
                }
            }
        }
    }
}
