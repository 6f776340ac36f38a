//! JSON values one after the other, a line each or behind record separators (RFC 7464): an array without its brackets.
//!
//! Whether each record is one value is seen from its brackets and commas, so the joined text need be parsed only once.

use super::written::Written;
use crate::refusal::Refusal;

/// The records as one JSON array.
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
