//! What a string of JSON means: its escapes replaced, exactly, with lone surrogates kept apart from everything else.

use std::borrow::Cow;

/// What an already checked string means. A lone surrogate becomes its three bytes (WTF-8), so that it equals only itself.
pub(crate) fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'\\') {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        let (b'\\', Some((&letter, tail))) = (byte, after.split_first()) else {
            out.push(byte);
            rest = after;
            continue;
        };
        rest = tail;
        match letter {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => rest = unescape_unicode(rest, &mut out),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

/// Reads the digits after `\u`, and the second half of a pair; answers what follows.
fn unescape_unicode<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let first = hex(rest);
    let after = rest.get(4..).unwrap_or_default();
    if (0xd800..0xdc00).contains(&first) && after.starts_with(b"\\u") {
        let second = hex(after.get(2..).unwrap_or_default());
        if (0xdc00..0xe000).contains(&second) {
            push_code(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00), out);
            return after.get(6..).unwrap_or_default();
        }
    }
    push_code(first, out);
    after
}

fn hex(digits: &[u8]) -> u32 {
    digits.iter().take(4).fold(0, |sum, &digit| sum * 16 + char::from(digit).to_digit(16).unwrap_or(0))
}

fn push_code(code: u32, out: &mut Vec<u8>) {
    match char::from_u32(code) {
        Some(char) => out.extend(char.encode_utf8(&mut [0; 4]).as_bytes()),
        // Six bits each: the casts keep what the masks leave.
        None => {
            out.extend([0xe0 | low(code >> 12, 0x0f), 0x80 | low(code >> 6, 0x3f), 0x80 | low(code, 0x3f)]);
        }
    }
}

fn low(code: u32, mask: u32) -> u8 {
    u8::try_from(code & mask).unwrap_or(0)
}
