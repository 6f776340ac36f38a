//! A message as it went over the wire, HTTP/1.1: first line, headers, body.
//!
//! Lenient about line ends, which editors change, and strict about lengths: half a body is not what was asked, and what follows a body
//! is not a part of the message.

use std::borrow::Cow;

use antumbra_observation::{Body, Bytes, MAX_HEADERS, Request};

use super::chunked;
use super::entry::RequestLine;
use super::target;
use super::wire::{Unparsed, header, line};

/// A request, and the bytes that follow it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parsed<'a> {
    pub(crate) request: Request,
    pub(crate) rest: &'a [u8],
}

/// The request at the beginning of some bytes.
///
/// # Errors
/// See [`Unparsed`].
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed<'_>, Unparsed> {
    let (first, rest) = line(bytes).ok_or(Unparsed::Head)?;
    let (method, target) = request_line(first).ok_or(Unparsed::Broken("it has no request line".into()))?;
    let (headers, rest) = headers(rest)?;
    let (authority, path) = target::split(target)
        .ok_or_else(|| Unparsed::Broken("its target is neither a path nor an http URL".into()))?;
    let host = values(&headers, b"host").next().unwrap_or_default();
    let authority = authority.unwrap_or(host).into();
    let (body, rest) = body(&headers, rest)?.unwrap_or((Cow::Borrowed(b""), rest));
    let body = Body::Whole(body.into_owned().into());
    Ok(Parsed {
        request: Request { method: method.into(), path: path.into(), authority, headers, body },
        rest,
    })
}

/// The bytes that follow the answer at the beginning of some bytes; none if it does not say where it ends.
///
/// # Errors
/// See [`Unparsed`].
pub(crate) fn after_answer(bytes: &[u8]) -> Result<Option<&[u8]>, Unparsed> {
    let (_, rest) = line(bytes).ok_or(Unparsed::Head)?;
    let (headers, rest) = headers(rest)?;
    Ok(body(&headers, rest)?.map(|(_, rest)| rest))
}

/// What the request at the beginning of some bytes asks, be the rest of it as it may.
pub(crate) fn asked(bytes: &[u8]) -> Option<RequestLine> {
    let (first, _) = line(bytes)?;
    let (method, target) = request_line(first)?;
    let (_, path) = target::split(target)?;
    Some(RequestLine { method: method.into(), path: path.into() })
}

/// Whether a whole head with the header `host` is at the beginning of some bytes, as in each request of HTTP/1.1.
pub(crate) fn is_head_with_host(bytes: &[u8]) -> bool {
    let head = line(bytes).and_then(|(first, rest)| request_line(first).map(|_| rest));
    let headers = head.and_then(|rest| headers(rest).ok());
    headers.is_some_and(|(headers, _)| values(&headers, b"host").next().is_some())
}

/// Method and target. A target with blanks was typed by somebody, and means one with `%20`.
fn request_line(first: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = first.trim_ascii();
    let method = first.iter().position(|byte| *byte == b' ')?;
    let version = first.iter().rposition(|byte| *byte == b' ')?;
    let target = first.get(method..version)?.trim_ascii();
    let known = first.get(version..)?.trim_ascii().starts_with(b"HTTP/1.");
    (known && !target.is_empty()).then_some((first.get(..method)?, target))
}

type Headers = Vec<(Bytes, Bytes)>;

fn headers(mut rest: &[u8]) -> Result<(Headers, &[u8]), Unparsed> {
    let mut headers = Vec::new();
    loop {
        let (head, after) = line(rest).ok_or(Unparsed::Head)?;
        rest = after;
        if head.is_empty() {
            return Ok((headers, rest));
        }
        if headers.len() >= MAX_HEADERS {
            return Err(Unparsed::Broken(format!("it has more than {MAX_HEADERS} headers").into()));
        }
        let number = headers.len() + 1;
        let broken =
            || Unparsed::Broken(format!("its header {number} is not of the form `name: value`").into());
        headers.push(header(head).ok_or_else(broken)?);
    }
}

fn values<'h>(headers: &'h [(Bytes, Bytes)], wanted: &[u8]) -> impl Iterator<Item = &'h [u8]> {
    headers.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| &value[..])
}

type Split<'a> = (Cow<'a, [u8]>, &'a [u8]);

/// The body and what follows it, if the headers say where it ends.
fn body<'a>(headers: &[(Bytes, Bytes)], rest: &'a [u8]) -> Result<Option<Split<'a>>, Unparsed> {
    let mut codings = values(headers, b"transfer-encoding");
    if let Some(coding) = codings.next() {
        if codings.next().is_some() || !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(Unparsed::Broken("its transfer-encoding is not chunked alone".into()));
        }
        let (body, rest) = chunked::decode(rest)?;
        return Ok(Some((Cow::Owned(body), rest)));
    }
    let mut lengths = values(headers, b"content-length");
    let Some(length) = lengths.next() else { return Ok(None) };
    if lengths.any(|other| other != length) {
        return Err(Unparsed::Broken("it has several lengths".into()));
    }
    let digits = Some(length).filter(|length| length.iter().all(u8::is_ascii_digit));
    let length = digits.and_then(|length| std::str::from_utf8(length).ok()?.parse::<usize>().ok());
    let length = length.ok_or_else(|| Unparsed::Broken("its content-length is not a number".into()))?;
    match rest.split_at_checked(length) {
        Some((body, rest)) => Ok(Some((Cow::Borrowed(body), rest))),
        None => Err(Unparsed::Body(Some((rest.len(), length)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], expected: Option<(&str, &str, &str, usize, &[u8])>) {
        let found = parse(text).ok().map(|Parsed { request, .. }| {
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
        check(b"GET /a b HTTP/1.1\r\n\r\n", Some(("GET", "/a b", "", 0, b"")));
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
    fn what_follows_a_message_is_not_a_part_of_it() {
        let rest = |text: &'static [u8]| parse(text).unwrap().rest;
        assert_eq!(rest(b"PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcmore"), b"more");
        assert_eq!(rest(b"GET / HTTP/1.1\r\n\r\nGET"), b"GET");
        let chunked = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: y\r\n\r\nmore";
        assert_eq!(rest(chunked), b"more");
        assert_eq!(
            after_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore"),
            Ok(Some(&b"more"[..]))
        );
        assert_eq!(after_answer(b"HTTP/1.1 200 OK\r\n\r\nokmore"), Ok(None));
        assert_eq!(
            after_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"),
            Err(Unparsed::Body(Some((2, 9))))
        );
    }

    #[test]
    fn what_is_wrong_is_explained() {
        for (text, expected) in [
            (&b"GET / HTTP/1.1\r\nHos"[..], "it ends before the end of its headers"),
            (
                b"PUT / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabc",
                "its body has 3 of the 4 bytes of its content-length",
            ),
            (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n", "its chunked body has no end"),
            (b"GET / HTTP/1.1\r\na: b\r\nno colon\r\n\r\n", "its header 2 is not of the form `name: value`"),
            (b"nonsense\n", "it has no request line"),
        ] {
            assert_eq!(parse(text).unwrap_err().explained(), expected);
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            &b""[..],
            b"GET / HTTP/1.1",
            b"GET / HTTP/1.1\r\nHost: x\r\n",
            b"GET / HTTP/2\r\n\r\n",
            b"GET  HTTP/1.1\r\n\r\n",
            b"PUT / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc",
            b"PUT / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 2\r\n\r\nabc",
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
