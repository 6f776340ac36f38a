//! Cookies as bytes. An own splitter, since a pattern on a `Cookie` header costs a hundred times as much.
//!
//! Lenient as servers are: blanks around a pair, its name and its value are dropped, a pair without `=` or without a
//! name is no cookie, and one pair of double quotes around a value is not part of it (as Envoy reads cookies).

use std::ops::Range;

/// The cookies of one `Cookie` header in order, duplicates included: name, and where in the header the value stands.
pub(crate) fn cookies(header: &[u8]) -> impl Iterator<Item = (&[u8], Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = header.get(at..)?;
            let end = at + rest.iter().position(|b| *b == b';').unwrap_or(rest.len());
            let pair = at..end;
            at = end + 1;
            if let Some(cookie) = cookie(header, pair) {
                return Some(cookie);
            }
        }
    })
}

fn cookie(header: &[u8], pair: Range<usize>) -> Option<(&[u8], Range<usize>)> {
    let equals = pair.start + header.get(pair.clone())?.iter().position(|b| *b == b'=')?;
    let name = header.get(trim(header, pair.start..equals))?;
    let value = unquote(header, trim(header, equals + 1..pair.end));
    (!name.is_empty()).then_some((name, value))
}

fn trim(bytes: &[u8], mut range: Range<usize>) -> Range<usize> {
    let blank = |at: usize| matches!(bytes.get(at), Some(b' ' | b'\t'));
    while range.start < range.end && blank(range.start) {
        range.start += 1;
    }
    while range.start < range.end && blank(range.end - 1) {
        range.end -= 1;
    }
    range
}

fn unquote(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    match bytes.get(range.clone()) {
        Some([b'"', .., b'"']) => range.start + 1..range.end - 1,
        _ => range,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &[u8], expected: &[(&[u8], &[u8])]) {
        let found: Vec<_> = cookies(header).map(|(name, value)| (name, &header[value])).collect();
        assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(header));
    }

    #[test]
    fn cookies_of_a_header() {
        check(b"", &[]);
        check(b"a=1", &[(b"a", b"1")]);
        check(b"a=1; b=2;c=3", &[(b"a", b"1"), (b"b", b"2"), (b"c", b"3")]);
        check(b"a=1; a=2", &[(b"a", b"1"), (b"a", b"2")]);
        check(b"a=; b", &[(b"a", b"")]);
        check(b"a=b=c", &[(b"a", b"b=c")]);
        check(b" \ta \t=  x y\t ;", &[(b"a", b"x y")]);
        check(b"=x; ;;=; a=1", &[(b"a", b"1")]);
        check(b"a=\"1\"; b=\"; c=\"\"", &[(b"a", b"1"), (b"b", b"\""), (b"c", b"")]);
        check(b"a=\xff\xfe; \xff=1", &[(b"a", b"\xff\xfe"), (b"\xff", b"1")]);
        check(b"cna=pf_9; userid=222", &[(b"cna", b"pf_9"), (b"userid", b"222")]);
    }
}
