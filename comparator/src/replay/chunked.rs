//! A chunked body (RFC 9112, section 7.1) to its bytes.

use super::wire::{Unparsed, header, line};

/// The bytes of the chunks, and what follows the body. Extensions and trailers are dropped.
///
/// # Errors
/// It is broken or ends early.
pub(crate) fn decode(mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), Unparsed> {
    let mut body = Vec::new();
    loop {
        let (head, after) = line(rest).ok_or(Unparsed::Body(None))?;
        let length = length(head).ok_or_else(|| broken("a chunk without a length"))?;
        if length == 0 {
            return Ok((body, after_trailers(after)?));
        }
        let (chunk, after) = after.split_at_checked(length).ok_or(Unparsed::Body(None))?;
        body.extend_from_slice(chunk);
        let (end, after) = line(after).ok_or(Unparsed::Body(None))?;
        if !end.is_empty() {
            return Err(broken("a chunk that is longer than it says"));
        }
        rest = after;
    }
}

fn length(head: &[u8]) -> Option<usize> {
    let digits = head.split(|byte| *byte == b';').next()?.trim_ascii();
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// What follows the blank line behind the last chunk.
fn after_trailers(mut rest: &[u8]) -> Result<&[u8], Unparsed> {
    loop {
        let (field, after) = line(rest).ok_or(Unparsed::Body(None))?;
        if field.is_empty() {
            return Ok(after);
        }
        header(field).ok_or_else(|| broken("a trailer that is not of the form `name: value`"))?;
        rest = after;
    }
}

fn broken(what: &str) -> Unparsed {
    Unparsed::Broken(format!("its chunked body has {what}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        for (text, expected) in [
            ("0\r\n\r\n", Some("")),
            ("3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nx-sum: 1\r\n\r\n", Some("abc0123456789")),
            ("3\nabc\n0\n\n", Some("abc")),
            ("3\r\nabc\r\n", None),
            ("3\r\nabc\r\n0\r\n", None),
            ("3\r\nabc\r\n0\r\nGET / HTTP/1.1\r\n\r\n", None),
            ("5\r\nabc\r\n0\r\n\r\n", None),
            ("3\r\nabcd\r\n0\r\n\r\n", None),
            ("-3\r\nabc\r\n0\r\n\r\n", None),
            ("ffffffffffffffff\r\n", None),
            ("fffffffffffffff\r\n", None),
            ("", None),
        ] {
            let found = decode(text.as_bytes()).ok().map(|(body, _)| body);
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{text:?}");
        }
    }
}
