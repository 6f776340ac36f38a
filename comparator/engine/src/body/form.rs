//! A form as browsers send it (`application/x-www-form-urlencoded`): names and values, percent-encoded.

use crate::refusal::Refusal;
use crate::written::Written;

/// The fields as members of one object, repeated names kept in their order.
///
/// # Errors
/// [`Refusal::Size`].
pub(crate) fn write(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut written = Written::default();
    written.open(b'{');
    for field in bytes.trim_ascii().split(|&byte| byte == b'&').filter(|field| !field.is_empty()) {
        let at = field.iter().position(|&byte| byte == b'=').unwrap_or(field.len());
        let (name, value) = field.split_at(at);
        written.name(&decoded(name));
        written.bytes(&decoded(value.get(1..).unwrap_or_default()));
        if written.is_full() {
            break;
        }
    }
    written.close(b'}');
    written.finish()
}

/// `+` is a blank; a `%` without two digits stands for itself, as the URL standard says.
fn decoded(encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(digit(*high) << 4 | digit(*low));
                rest = tail;
            }
            _ => out.push(byte),
        }
    }
    out
}

fn digit(hex: u8) -> u8 {
    char::from(hex).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_members() {
        let check = |form: &[u8], expected: &str| {
            let written = write(form).map(|text| String::from_utf8(text).unwrap());
            assert_eq!(written.as_deref(), Ok(expected), "{form:?}");
        };
        check(b"a=1&b=x+y%21&a=2&&c", r#"{"a":"1","b":"x y!","a":"2","c":""}"#);
        check(b"%=%4&==", r#"{"%":"%4","":"="}"#);
        check(b"a=%ff", r#"{"a":{"length":1,"xxh3":"d6bcec3c6b29d72e"}}"#);
        assert_ne!(write(b"%fe=1"), write(b"%fd=1"), "two names that are not UTF-8");
    }
}
