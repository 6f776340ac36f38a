//! Which of several lines of one header count: all of them where a rule could otherwise be misled, else the first.
//!
//! HTTP/1.1 clients and proxies may send several `cookie` lines, and W3C baggage may come in several as well: those are lists, and
//! the half of a list is another list. Envoy itself keeps one line for each name in [`JOINED_BY_ENVOY`] and adds further lines to it.

use std::borrow::Cow;

/// What stands between two lines of a header that is read as one list; `None` if the first line alone counts.
pub(crate) fn separator(name: &str) -> Option<&'static str> {
    match name {
        // RFC 9113, section 8.2.3.
        "cookie" => Some("; "),
        "baggage" => Some(","),
        _ => None,
    }
}

/// The value of a header that came in these lines, as rules see it: all lines of `cookie` and `baggage` as one list, the first line of
/// every other header. `name` is in lower case.
pub fn joined_lines<'l>(name: &str, mut lines: impl Iterator<Item = &'l [u8]>) -> Option<Cow<'l, [u8]>> {
    let first = lines.next()?;
    let Some(separator) = separator(name) else { return Some(first.into()) };
    Some(lines.fold(first.into(), |joined, line| join(joined, separator, line)))
}

/// One line out of two.
pub(crate) fn join<'l>(first: Cow<'l, [u8]>, separator: &str, second: &[u8]) -> Cow<'l, [u8]> {
    let mut joined = first.into_owned();
    joined.extend_from_slice(separator.as_bytes());
    joined.extend_from_slice(second);
    joined.into()
}

/// Whether Envoy makes one line of several under this name, with commas between them, before a filter sees them.
pub(crate) fn is_joined_by_envoy(name: &str) -> bool {
    JOINED_BY_ENVOY.contains(&name)
}

/// Found by sending two lines of each to Envoy 1.36, 1.38 and 1.40, which agree.
const JOINED_BY_ENVOY: [&str; 37] = [
    ":authority",
    "accept",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-type",
    "expect",
    "grpc-accept-encoding",
    "grpc-timeout",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "origin",
    "pragma",
    "proxy-status",
    "referer",
    "user-agent",
    "via",
    "x-client-trace-id",
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-external-address",
    "x-envoy-is-timeout-retry",
    "x-envoy-original-host",
    "x-envoy-original-path",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-request-id",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_whole_and_other_headers_by_their_first_line() {
        let read =
            |name, lines: &[&'static [u8]]| joined_lines(name, lines.iter().copied()).map(Cow::into_owned);
        assert_eq!(read("cookie", &[]), None);
        assert_eq!(read("cookie", &[b"a=1"]), Some(b"a=1".to_vec()));
        assert_eq!(read("cookie", &[b"a=1", b"\xff", b"b=2"]), Some(b"a=1; \xff; b=2".to_vec()));
        assert_eq!(read("baggage", &[b"a=1", b"b=2"]), Some(b"a=1,b=2".to_vec()));
        assert_eq!(read("x-tenant", &[b"a", b"b"]), Some(b"a".to_vec()));
    }
}
