//! Lines of a file of any size: a line beyond a bound is passed over, not kept.

use std::io::{self, BufRead, Read as _};

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// All of it.
    Whole(Vec<u8>),
    /// More than the bound.
    TooLong,
}

/// The next line, or none at the end.
///
/// # Errors
/// Of the reader.
pub(crate) fn next(reader: &mut impl BufRead, most: usize) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    if reader.take(most as u64 + 1).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > most {
        reader.skip_until(b'\n')?;
        return Ok(Some(Line::TooLong));
    }
    Ok(Some(Line::Whole(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_within_a_bound() {
        let whole = |text: &str| Some(Line::Whole(text.into()));
        let mut text = &b"abc\n\nabcd\nabcde\r\nx"[..];
        for expected in [whole("abc"), whole(""), whole("abcd"), Some(Line::TooLong), whole("x"), None] {
            assert_eq!(next(&mut text, 4).unwrap(), expected);
        }
        assert_eq!(next(&mut &b"abcde"[..], 4).unwrap(), Some(Line::TooLong));
    }
}
