//! A chunked body (RFC 9112, section 7.1) to its bytes.

/// The bytes of the chunks up to the last one; extensions and trailers are dropped. `None` if it is broken or ends early.
pub(crate) fn decode(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (head, after) = line(rest)?;
        let digits = head.split(|byte| *byte == b';').next()?.trim_ascii();
        if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let length = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        let (chunk, after) = after.split_at_checked(length)?;
        body.extend_from_slice(chunk);
        let (end, after) = line(after)?;
        if !end.is_empty() {
            return None;
        }
        rest = after;
    }
}

/// The bytes up to the end of the line, which is CRLF or LF, and those after it.
pub(crate) fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest.strip_prefix(b"\n")?))
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
            ("5\r\nabc\r\n0\r\n\r\n", None),
            ("3\r\nabcd\r\n0\r\n\r\n", None),
            ("-3\r\nabc\r\n0\r\n\r\n", None),
            ("ffffffffffffffff\r\n", None),
            ("fffffffffffffff\r\n", None),
            ("", None),
        ] {
            assert_eq!(decode(text.as_bytes()).as_deref(), expected.map(str::as_bytes), "{text:?}");
        }
    }
}
