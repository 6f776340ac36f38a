//! A file of recorded requests, its format told by its first bytes: a name's ending says nothing about a pipe.

use std::io::{self, BufRead, Chain, Cursor, Read as _};

use super::beginning::{self, Beginning};
use super::capture::Capture;
use super::gor::Gor;
use super::har::Har;
use super::{Entry, MAX_SEEN};

/// Requests, one after the other.
pub(crate) struct Recording<R> {
    reader: Chain<Cursor<Vec<u8>>, R>,
    format: Format,
}

enum Format {
    Capture(Capture),
    Gor(Gor),
    /// Read already.
    Har(Har),
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
        let Beginning { format, at, ahead } = beginning::of(&mut reader)?;
        let mut reader = Cursor::new(ahead).chain(reader);
        let format = match format {
            beginning::Format::Capture => Format::Capture(Capture::behind(at.line - 1, MAX_SEEN)),
            beginning::Format::Gor => Format::Gor(Gor::from(at)),
            beginning::Format::Har => Format::Har(Har::read(&mut reader)?),
        };
        Ok(Self { reader, format })
    }

    /// The next request, or none at the end.
    ///
    /// # Errors
    /// Of the reader; a GoReplay or HAR file that was cut.
    pub(crate) fn next(&mut self) -> io::Result<Option<Entry>> {
        match &mut self.format {
            Format::Capture(capture) => capture.next(&mut self.reader),
            Format::Gor(gor) => gor.next(&mut self.reader),
            Format::Har(har) => har.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;
    use crate::replay::entry::At;

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
                    let is_whole = entry.asked.is_ok_and(|recorded| *recorded.request.path == *b"/a");
                    assert!(is_whole || !text.starts_with("1"), "{end} of {text}");
                    entries += 1;
                }
                assert!(entries <= 2, "{end} of {text}");
            }
        }
    }

    /// Editors and shells write it, and a pipe gives what it has.
    #[test]
    fn a_byte_order_mark_is_none_of_the_text_however_it_comes() {
        let capture = r#"{"version":1,"request":{"method":"GET","path":"/a"}}"#;
        let gor = "1 a 1\nGET /a HTTP/1.1\r\n\r\n\n🐵🙈🙉\n";
        let har = r#"{"log": {"entries": [{"request": {"method": "GET", "url": "http://x/a"}}]}}"#;
        for text in [capture, gor, har] {
            let text = format!("\u{feff}\n{}{text}", " ".repeat(100));
            let mut recording = Recording::open(BufReader::with_capacity(1, text.as_bytes())).unwrap();
            let entry = recording.next().unwrap().unwrap();
            assert_eq!(*entry.asked.unwrap().request.path, *b"/a", "{text}");
            assert!(!matches!(entry.at, At::Line { line } if line != 2), "{text}");
            assert!(!matches!(entry.at, At::Record { line, byte, .. } if (line, byte) != (2, 104)), "{text}");
            assert_eq!(recording.next().unwrap(), None);
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
        check("🐵🙈🙉\n1 a 1\nGET / HTTP/1.1\r\n\r\n\n🐵🙈🙉\n".as_bytes(), Ok(1));
        check(b"{\"version\": 1, \"log\": {\"entries\": []}}", Ok(0));
        check(b"{\n  \"comment\": {\"log\": 1},\n  \"log\": {\"entries\": [{}], \"pages\": []}\n}", Ok(1));
        check(
            b"{\"version\":1,\"id\":\"cu\n{\"version\":1,\"request\":{\"method\":\"GET\",\"path\":\"/\"}}\n",
            Ok(2),
        );
        check(b"{\n  \"a\": 1\n}\n", Err("begins like none of"));
    }
}
