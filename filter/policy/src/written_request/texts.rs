//! Texts of a written request, which on the wire are bytes: what is not UTF-8 is written `{"base64": "…"}`, as in a capture.

use crate::document::{Field, Tree};

/// Reads `{name: text | number | {base64} | [those, …]}` as pairs in the order of writing, a list as several of one name.
pub(super) fn read_pairs(field: &Field<'_>) -> Option<Vec<(String, Vec<u8>)>> {
    let mut pairs = Vec::new();
    for (name, field) in field.entries()? {
        for field in field.one_or_more(1..=MAX_VALUES)? {
            pairs.push((name.to_owned(), read_bytes(&field)?));
        }
    }
    Some(pairs)
}

fn read_bytes(field: &Field<'_>) -> Option<Vec<u8>> {
    match field.tree() {
        Tree::Integer(number) => Some(number.to_string().into_bytes()),
        Tree::Map(_) => {
            let map = field.map(&["base64"])?;
            let base64 = map.required("base64")?;
            let bytes = from_base64(base64.text()?);
            if bytes.is_none() {
                base64.problem("must be Base64 of the usual alphabet, with or without padding");
            }
            bytes
        }
        _ => field.text().map(|text| text.as_bytes().to_vec()),
    }
}

/// RFC 4648, section 4. What is left over of the last character must be zero.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let padded = text.len().is_multiple_of(4);
    let digits =
        if padded { text.strip_suffix("==").or(text.strip_suffix('=')).unwrap_or(text) } else { text };
    let mut bytes = Vec::with_capacity(digits.len());
    let (mut word, mut bits) = (0_u32, 0_u32);
    for digit in digits.bytes() {
        let value = ALPHABET.iter().position(|known| *known == digit)?;
        word = word << 6 | u32::try_from(value).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(word >> bits).ok()?);
            word &= (1 << bits) - 1;
        }
    }
    (bits < 6 && word == 0).then_some(bytes)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const MAX_VALUES: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_base64() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("/w==", b"\xff"),
            ("/w", b"\xff"),
            ("Zm9v", b"foo"),
            ("Zm9v/+8=", b"foo\xff\xef"),
            ("Zm9vYg==", b"foob"),
        ] {
            assert_eq!(from_base64(text).as_deref(), Some(bytes), "{text}");
        }
        for wrong in ["/", "/x==", "=", "Zm=v", "Zm9v=", "Zm 9", "/w=", "é"] {
            assert_eq!(from_base64(wrong), None, "{wrong}");
        }
    }
}
