//! JSON values one after the other, a line each or behind record separators (RFC 7464): an array without its brackets.
//!
//! A sequence that says to be one by RFC 7464 has a separator before each value, and white space behind one that would not show
//! where it was cut off: who reads it may not take in another. Whether each record is one value is seen from its brackets and commas, so the joined text need be parsed only once.

use crate::refusal::Refusal;
use crate::written::Written;

/// The records of a sequence by RFC 7464 as one JSON array.
///
/// # Errors
/// [`Refusal::Malformed`] if it does not begin with a separator, or a number or a word may be cut off, and as for [`write`].
pub(crate) fn write_sequence(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let begun = matches!(bytes.first(), None | Some(&RECORD_SEPARATOR));
    if begun && bytes.split(|&byte| byte == RECORD_SEPARATOR).all(is_ended) {
        write(bytes)
    } else {
        Err(Refusal::Malformed)
    }
}

/// A value that ends by itself, or white space behind it (RFC 7464, 2.4).
fn is_ended(record: &[u8]) -> bool {
    matches!(record.last(), None | Some(b'"' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n'))
}

/// The records as one JSON array, a line each, or behind separators if there are any.
///
/// # Errors
/// [`Refusal::Malformed`] if a record is not one value by its brackets, [`Refusal::Size`].
pub(crate) fn write(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let separator = if bytes.contains(&RECORD_SEPARATOR) { RECORD_SEPARATOR } else { b'\n' };
    let mut written = Written::default();
    written.open(b'[');
    for record in bytes.split(|&byte| byte == separator).map(<[u8]>::trim_ascii) {
        if record.is_empty() {
            continue;
        }
        if !is_one_value(record) {
            return Err(Refusal::Malformed);
        }
        written.json(record);
        if written.is_full() {
            break;
        }
    }
    written.close(b']');
    written.finish()
}

/// Whether all brackets are closed in it, none before it is opened, and no comma stands outside of them. In valid JSON
/// around it, that makes it one value.
fn is_one_value(record: &[u8]) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for &byte in record {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth == 0 => return false,
            b']' | b'}' => depth -= 1,
            b',' if depth == 0 => return false,
            _ => {}
        }
    }
    depth == 0 && !quoted
}

const RECORD_SEPARATOR: u8 = 0x1e;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_has_a_separator_before_each_value() {
        let check = |body: &str, expected: Result<&str, Refusal>| {
            let written = write_sequence(body.as_bytes());
            assert_eq!(written, expected.map(|text| text.as_bytes().to_vec()), "{body:?}");
        };
        check("\u{1e}{\"a\":1}\n\u{1e}2\n\u{1e}\u{1e}[3]", Ok("[{\"a\":1},2,[3]]"));
        check("", Ok("[]"));
        for bare in ["1\n", "{}\n{}\n", "{}\n\u{1e}{}\n", " \u{1e}1\n"] {
            check(bare, Err(Refusal::Malformed));
        }
        for cut in ["\u{1e}1", "\u{1e}true\u{1e}{}\n", "\u{1e}[1", "\u{1e}1\n2\n,"] {
            check(cut, Err(Refusal::Malformed));
        }
    }

    #[test]
    fn lines_and_separated_records_are_elements() {
        let check = |body: &str, expected: Result<&str, Refusal>| {
            assert_eq!(write(body.as_bytes()), expected.map(|text| text.as_bytes().to_vec()), "{body:?}");
        };
        check("{\"a\":1}\n\n[2, 3]\r\n\"x,\\\"\"\n", Ok("[{\"a\":1},[2, 3],\"x,\\\"\"]"));
        check("\u{1e}{\n}\n\u{1e}1\n", Ok("[{\n},1]"));
        check("", Ok("[]"));
        for joined in ["1,2", "[1\n2]", "]\n[", "{\"a\":\"\n\"}", "1\n,"] {
            check(joined, Err(Refusal::Malformed));
        }
    }
}
