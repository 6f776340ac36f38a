//! Query strings and form bodies as bytes: `application/x-www-form-urlencoded` as the URL Standard reads it, section 5.1.
//!
//! A policy is written in readable text, so names and values are decoded before they are compared: `%41` and `A` are the
//! same to a service, and must be the same to a rule.

use std::borrow::Cow;
use std::ops::Range;

/// The pairs of a query without its `?`, or of a form body, in order, duplicates included: where name and value stand, as
/// sent. A name without `=` has an empty value; an empty pair is none.
pub(crate) fn pairs(text: &[u8]) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
            let start = at;
            let end = start + rest.iter().position(|b| *b == b'&').unwrap_or(rest.len());
            at = end + 1;
            if start == end {
                continue;
            }
            let pair = text.get(start..end)?;
            let equals = start + pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
            return Some((start..equals, (equals + 1).min(end)..end));
        }
    })
}

/// `+` is a space, `%41` the byte 0x41; a `%` that does not begin two hexadecimal digits is itself.
pub(crate) fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    let mut bytes = Vec::new();
    decoded_in(text, &mut bytes).map_or(Cow::Borrowed(text), |()| Cow::Owned(bytes))
}

/// Decodes into `bytes`, in place of what they hold, if there is anything to decode.
pub(crate) fn decoded_in(text: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
    text.iter().any(|b| matches!(b, b'%' | b'+')).then_some(())?;
    bytes.clear();
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (nibble(*high), nibble(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            (byte, _) => bytes.push(*byte),
        }
    }
    Some(())
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let bytes = text.as_bytes();
        let found: Vec<_> = pairs(bytes)
            .map(|(name, value)| (decoded(&bytes[name]).into_owned(), decoded(&bytes[value]).into_owned()))
            .collect();
        let expected: Vec<_> =
            expected.iter().map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn pairs_of_a_query() {
        check("", &[]);
        check("&&", &[]);
        check("a", &[("a", "")]);
        check("a=", &[("a", "")]);
        check("=x", &[("", "x")]);
        check("a=1&b=2&a=3", &[("a", "1"), ("b", "2"), ("a", "3")]);
        check("a=b=c&", &[("a", "b=c")]);
        check("na%6De=%E5%8C%97+x&p=100%&q=%zz%4", &[("name", "北 x"), ("p", "100%"), ("q", "%zz%4")]);
        check("a=%+41", &[("a", "% 41")]);
    }
}
