//! Requests within a message that does not say where it ends: the line between two records was lost, and sometimes the first line of the
//! second one with it.
//!
//! A body may quote a request. So one counts only as a whole head, of a method that is in use and with its host, that stands where a line
//! ends with it.

use super::super::entry::RequestLine;
use super::super::raw_request;
use super::super::wire::line;
use super::kind;

/// The bytes from the first request on that begins behind the first line; none if there is no such request.
pub(super) fn within(message: &[u8]) -> &[u8] {
    let Some((_, mut rest)) = line(message) else { return &[] };
    let mut before: &[u8] = &[];
    while let Some((text, after)) = line(rest) {
        let begins = |at: &usize| rest.get(*at..).is_some_and(raw_request::is_head_with_host);
        if let Some(at) = request_at(text).filter(begins) {
            let head = if at == 0 { head_length(before).unwrap_or_default() } else { 0 };
            return from(message, rest, at, head);
        }
        before = rest.get(..rest.len() - after.len()).unwrap_or_default();
        rest = after;
    }
    &[]
}

/// What bytes ask that begin with a request or with the first line of its record.
pub(super) fn asked(bytes: &[u8]) -> Option<RequestLine> {
    let text = bytes.trim_ascii_start();
    raw_request::asked(text).filter(|asked| METHODS.contains(&&asked.method[..])).or_else(|| {
        let (head, rest) = line(text)?;
        kind(head)?;
        raw_request::asked(rest)
    })
}

/// Where in a line a request line begins that goes to its end.
fn request_at(text: &[u8]) -> Option<usize> {
    let version = text.iter().rposition(|byte| *byte == b' ')?;
    if !text.get(version + 1..)?.starts_with(b"HTTP/1.") {
        return None;
    }
    let target = text.get(..version)?.iter().rposition(|byte| *byte == b' ')?;
    let before = text.get(..target)?;
    let method = METHODS.iter().filter(|method| before.ends_with(method)).map(|method| method.len()).max()?;
    Some(target - method)
}

/// The length of a record's first line at the end of a line, with the line's end.
fn head_length(line: &[u8]) -> Option<usize> {
    let text = line.trim_ascii_end();
    let blanks = text.iter().enumerate().rev().filter(|(_, byte)| **byte == b' ').map(|(at, _)| at);
    // The type is one digit before the second blank from behind.
    let begins = { blanks }.nth(1)?.checked_sub(1)?;
    kind(text.get(begins..)?)?;
    line.len().checked_sub(begins)
}

/// The message from so many bytes behind `rest` on, and so many before that.
fn from<'m>(message: &'m [u8], rest: &[u8], at: usize, before: usize) -> &'m [u8] {
    let begins = (message.len() - rest.len() + at).saturating_sub(before);
    message.get(begins..).unwrap_or_default()
}

/// Methods that clients use.
const METHODS: [&[u8]; 7] = [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_within_a_message() {
        let check = |body: &str, expected: &str| {
            let message = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
            let found = String::from_utf8_lossy(within(message.as_bytes())).into_owned();
            assert_eq!(found, expected, "{body:?}");
        };
        let request = "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n";
        check(&format!("ok{request}"), request);
        check(request, request);
        check(&format!("ok\n{request}more"), &format!("{request}more"));
        check(&format!("ok1 c 3\n{request}"), &format!("1 c 3\n{request}"));
        check(&format!("a b\n1 c 3\r\n{request}"), &format!("1 c 3\r\n{request}"));
        check(&format!("1 c x\n{request}"), request);
        for harmless in [
            "ok",
            "",
            "GET /2 HTTP/1.1",
            "GET /2 HTTP/1.1\r\n\r\n",
            "GET /2 HTTP/1.1\r\nHost: x",
            "see GET /2 HTTP/1.1: it",
        ] {
            check(harmless, "");
        }
        let asked = |bytes: &str| asked(bytes.as_bytes()).map(|line| line.path.to_text().into_owned());
        assert_eq!(asked(request).as_deref(), Some("/2"));
        assert_eq!(asked(&format!("\n1 c 3\n{request}")).as_deref(), Some("/2"));
        assert_eq!(asked("rubbish"), None);
    }
}
