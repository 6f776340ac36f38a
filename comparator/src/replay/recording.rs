//! A file of recorded requests, its format told by its first bytes: a name's ending says nothing about a pipe.

use std::collections::VecDeque;
use std::io::{self, BufRead};

use super::place::{Place, Placed};
use super::{Entry, MAX_SEEN, capture, gor, har};
use crate::seen::Seen;

/// Requests, one after the other.
pub(crate) struct Recording<R> {
    reader: R,
    format: Format,
}

enum Format {
    /// And the exchanges in it so far.
    Capture(Seen),
    /// Read up to there.
    Gor(Place),
    /// Read already.
    Har(VecDeque<Entry>),
}

/// Why a file is no recording.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("is empty, must be a capture of `antumbra capture`, a GoReplay file or a HAR file")]
    Empty,
    #[error("is compressed with gzip, must be unpacked first")]
    Gzip,
    #[error("begins like none of: a capture of `antumbra capture`, a GoReplay file, a HAR file")]
    Unknown,
    #[error("has more than {most} bytes, which a HAR file must not; split it")]
    TooLarge {
        /// Bytes.
        most: u64,
    },
    #[error("is not a HAR file: {0}")]
    Archive(String),
}

impl<R: BufRead> Recording<R> {
    /// Tells the format.
    ///
    /// # Errors
    /// See [`Unreadable`].
    pub(crate) fn open(mut reader: R) -> Result<Self, Unreadable> {
        let format = match beginning(&mut reader)? {
            Beginning::Capture => Format::Capture(Seen::new(MAX_SEEN)),
            Beginning::Gor => Format::Gor(Place::default()),
            Beginning::Har => Format::Har(har::read(&mut reader)?),
        };
        Ok(Self { reader, format })
    }

    /// The next request, or none at the end.
    ///
    /// # Errors
    /// Of the reader; a GoReplay file that was cut.
    pub(crate) fn next(&mut self) -> io::Result<Option<Entry>> {
        match &mut self.format {
            Format::Capture(seen) => capture::next(&mut self.reader, seen),
            Format::Gor(place) => gor::next(&mut Placed::new(&mut self.reader, place)),
            Format::Har(entries) => Ok(entries.pop_front()),
        }
    }
}

enum Beginning {
    Capture,
    Gor,
    Har,
}

fn beginning(reader: &mut impl BufRead) -> Result<Beginning, Unreadable> {
    let start = reader.fill_buf()?;
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    match text {
        [] => Err(Unreadable::Empty),
        [0x1f, 0x8b, ..] => Err(Unreadable::Gzip),
        [b'1'..=b'3', b' ', ..] => Ok(Beginning::Gor),
        [b'{', inside @ ..] => match inside.trim_ascii_start() {
            inside if inside.starts_with(b"\"log\"") => Ok(Beginning::Har),
            _ => Ok(Beginning::Capture),
        },
        _ => Err(Unreadable::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], expected: Result<usize, &str>) {
        let found = Recording::open(text).map(|mut recording| {
            let mut count = 0;
            while recording.next().unwrap().is_some() {
                count += 1;
            }
            count
        });
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(error), Err(start)) => assert!(error.to_string().starts_with(start), "{error}"),
            (found, expected) => panic!("{found:?} is not {expected:?}"),
        }
    }

    /// A recording that broke off anywhere is read up to there, and what is whole in it is the same.
    #[test]
    fn a_file_may_end_anywhere() {
        let ndjson = "{\"version\":1,\"request\":{\"method\":\"GET\",\"path\":\"/a\"}}\n".repeat(2);
        let gor =
            "1 a 1\nPOST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\u{e9}\r\n0\r\n\r\n\n🐵🙈🙉\n"
                .repeat(2);
        let har = r#"{"log": {"entries": [{"request": {"method": "GET", "url": "http://x/a"}}]}}"#.to_owned();
        for text in [ndjson, gor, har] {
            for end in 0..text.len() {
                let Ok(mut recording) = Recording::open(&text.as_bytes()[..end]) else { continue };
                let mut entries = 0;
                // A GoReplay file says that it was cut.
                while let Ok(Some(entry)) = recording.next() {
                    assert!(entry.is_err() || *entry.unwrap().request.path == *b"/a", "{end} of {text}");
                    entries += 1;
                }
                assert!(entries <= 2, "{end} of {text}");
            }
        }
    }

    #[test]
    fn formats_are_told_by_their_beginning() {
        check(b"{\"version\":1,\"request\":{\"method\":\"GET\",\"path\":\"/\"}}\n{}\n", Ok(2));
        check("1 a 1\nGET / HTTP/1.1\r\n\r\n\n🐵🙈🙉\n2 b 1\nx\n🐵🙈🙉\n".as_bytes(), Ok(1));
        check(b" {\n  \"log\": {\"entries\": []}}", Ok(0));
        check(b"", Err("is empty"));
        check(b" \n", Err("is empty"));
        check(b"\x1f\x8b\x08", Err("is compressed"));
        check(b"GET / HTTP/1.1", Err("begins like none of"));
        check(b"{\"log\": 1}", Err("is not a HAR file"));
    }
}
