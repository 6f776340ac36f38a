//! A request as it went over the wire, HTTP/1.1: request line, headers, body.
//!
//! Lenient about line ends, which editors change, and strict about lengths: half a body is not what was asked.

use antumbra_observation::{Body, Bytes, MAX_HEADERS, Request};

use super::chunked::{self, line};

/// The request, or `None` if it is none or ends early.
pub(crate) fn parse(bytes: &[u8]) -> Option<Request> {
    let (first, mut rest) = line(bytes)?;
    let mut parts = first.split(|byte| *byte == b' ').filter(|part| !part.is_empty());
    let (method, target, version) = (parts.next()?, parts.next()?, parts.next()?);
    if !version.starts_with(b"HTTP/1.") || parts.next().is_some() {
        return None;
    }
    let mut headers = Vec::new();
    loop {
        let (head, after) = line(rest)?;
        rest = after;
        if head.is_empty() {
            break;
        }
        headers.push(header(head).filter(|_| headers.len() < MAX_HEADERS)?);
    }
    let (authority, path) = split_target(target)?;
    let host = value(&headers, b"host").unwrap_or_default();
    let authority = authority.unwrap_or(host).into();
    let body = Body::Whole(body(&headers, rest)?.into());
    Some(Request { method: method.into(), path: path.into(), authority, headers, body })
}

/// The authority of an absolute target, and its path and query without a fragment.
pub(crate) fn split_target(target: &[u8]) -> Option<(Option<&[u8]>, Vec<u8>)> {
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
    let path = path.split(|byte| *byte == b'#').next()?;
    let slash: &[u8] = if path.starts_with(b"/") { b"" } else { b"/" };
    let host = authority.rsplit(|byte| *byte == b'@').next()?;
    (!host.is_empty()).then(|| (Some(host), [slash, path].concat()))
}

fn header(line: &[u8]) -> Option<(Bytes, Bytes)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    if name.is_empty() || name.iter().any(u8::is_ascii_whitespace) {
        // A folded line, or a way to smuggle.
        return None;
    }
    Some((name.into(), value.strip_prefix(b":")?.trim_ascii().into()))
}

fn value<'h>(headers: &'h [(Bytes, Bytes)], wanted: &[u8]) -> Option<&'h [u8]> {
    headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| &value[..])
}

fn body(headers: &[(Bytes, Bytes)], rest: &[u8]) -> Option<Vec<u8>> {
    if let Some(coding) = value(headers, b"transfer-encoding") {
        return coding.eq_ignore_ascii_case(b"chunked").then(|| chunked::decode(rest)).flatten();
    }
    let Some(length) = value(headers, b"content-length") else { return Some(Vec::new()) };
    let length: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
    rest.get(..length).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], expected: Option<(&str, &str, &str, usize, &[u8])>) {
        let found = parse(text).map(|request| {
            let Body::Whole(body) = request.body else { panic!() };
            let text = |bytes: &Bytes| bytes.to_text().into_owned();
            (
                text(&request.method),
                text(&request.path),
                text(&request.authority),
                request.headers.len(),
                body.0,
            )
        });
        let expected = expected.map(|(method, path, authority, headers, body)| {
            (method.to_owned(), path.to_owned(), authority.to_owned(), headers, body.to_vec())
        });
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(text));
    }

    #[test]
    fn requests() {
        check(b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n", Some(("GET", "/a?b", "x", 1, b"")));
        check(b"GET /a HTTP/1.0\nhost:x\n\n", Some(("GET", "/a", "x", 1, b"")));
        check(b"GET http://u:p@y:1?q#f HTTP/1.1\r\nHost: x\r\n\r\n", Some(("GET", "/?q", "y:1", 1, b"")));
        check(b"OPTIONS * HTTP/1.1\r\n\r\n", Some(("OPTIONS", "*", "", 0, b"")));
        check(
            b"PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\na\n\xffmore",
            Some(("PUT", "/", "", 1, b"a\n\xff")),
        );
        check(
            b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            Some(("PUT", "/", "", 1, b"a")),
        );
        check(b"GET / HTTP/1.1\r\nx: caf\xe9\r\n\r\n", Some(("GET", "/", "", 1, b"")));
    }

    #[test]
    fn what_is_none() {
        for text in [
            &b""[..],
            b"GET / HTTP/1.1",
            b"GET / HTTP/1.1\r\nHost: x\r\n",
            b"GET / HTTP/2\r\n\r\n",
            b"GET /a b HTTP/1.1\r\n\r\n",
            b"GET a HTTP/1.1\r\n\r\n",
            b"GET http:///a HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n folded: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"PUT / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabc",
            b"PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\nabc",
            b"PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\nabc",
            b"HTTP/1.1 200 OK\r\n\r\n",
        ] {
            check(text, None);
        }
    }
}
