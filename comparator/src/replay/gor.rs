//! GoReplay's files: records of a line `type id time`, the message as it went over the wire, and a line of three monkeys.
//!
//! Only type 1, what clients asked, is taken; 2 and 3 are answers, which may come long after. So no status is known. (The format is that of GoReplay's `protocol.go` and its
//! documentation of `--output-file`.) Each record ends with its line of monkeys: a file that ends elsewhere was cut, and who knows how
//! much is missing.

use std::io::{self, BufRead};

use super::lines::{self, Line};
use super::place::Placed;
use super::{Entry, Recorded, Skipped, raw_request};

/// The next request, or none at the end.
///
/// # Errors
/// Of the reader; the file ends in the middle of a record.
pub(crate) fn next(reader: &mut Placed<'_, impl BufRead>) -> io::Result<Option<Entry>> {
    while let Some(record) = record(reader)? {
        let Some(record) = record else { return Ok(Some(Err(Skipped::TooLarge))) };
        let head = record.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if head.trim_ascii().is_empty() || matches!(head, [b'2' | b'3', b' ', ..]) {
            continue;
        }
        return Ok(Some(request(head, &record)));
    }
    Ok(None)
}

fn request(head: &[u8], record: &[u8]) -> Entry {
    let numbered = head.starts_with(b"1 ");
    let message = record.get(head.len() + 1..).unwrap_or_default();
    let request = raw_request::parse(message).filter(|_| numbered).ok_or(Skipped::Malformed)?;
    Ok(Recorded { request, status: None })
}

/// The bytes up to the next separator; inner `None` if they are too many.
fn record(reader: &mut Placed<'_, impl BufRead>) -> io::Result<Option<Option<Vec<u8>>>> {
    let (mut record, mut fits) = (Vec::new(), true);
    let begins = reader.place().line;
    while let Some(line) = lines::next(reader, MAX_RECORD)? {
        match line {
            Line::Whole(line) if line.trim_ascii() == MONKEYS.as_bytes() && reader.place().fresh => {
                return Ok(Some(fits.then_some(record)));
            }
            Line::Whole(line) if fits && record.len() + line.len() < MAX_RECORD => {
                record.extend_from_slice(&line);
                record.push(b'\n');
            }
            _ => {
                fits = false;
                record.clear();
            }
        }
    }
    if fits && record.trim_ascii().is_empty() { Ok(None) } else { Err(cut(begins, reader.place().byte)) }
}

fn cut(line: u64, byte: u64) -> io::Error {
    let message = format!(
        "the record that begins in line {line} is cut: the file ends at byte {byte}, must end with a line {MONKEYS}"
    );
    io::Error::new(io::ErrorKind::UnexpectedEof, message)
}

const MONKEYS: &str = "🐵🙈🙉";
/// Bytes of one record: the largest body that a mirror takes, and headers.
const MAX_RECORD: usize = (8 << 20) + (256 << 10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::place::Place;

    fn read(text: &[u8]) -> Vec<Result<String, Skipped>> {
        until_cut(text).unwrap()
    }

    fn until_cut(mut text: &[u8]) -> io::Result<Vec<Result<String, Skipped>>> {
        let (mut found, mut place) = (Vec::new(), Place::default());
        while let Some(entry) = next(&mut Placed::new(&mut text, &mut place))? {
            found.push(entry.map(|recorded| recorded.request.path.to_text().into_owned()));
        }
        Ok(found)
    }

    #[test]
    fn requests_between_monkeys() {
        let text = "1 a1 1439818823587396305\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n\n🐵🙈🙉\n\
            2 a1 1439818823587396306 99\nHTTP/1.1 200 OK\r\n\r\n\n🐵🙈🙉\n\
            1 a2 1439818823587396307 0\nPOST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\na\n\nbc\n🐵🙈🙉\r\n\
            1 a3 1439818823587396308\nnonsense\n🐵🙈🙉\n\
            7 a4 1439818823587396308\nGET /x HTTP/1.1\r\n\r\n\n🐵🙈🙉\n\
            3 a1 1439818823587396306 99\nHTTP/1.1 200 OK\r\n\r\n\n🐵🙈🙉\n\
            1 a5 1439818823587396309\nGET /last HTTP/1.1\r\n\r\n\n🐵🙈🙉\n\n";
        let (ok, malformed) = (|path: &str| Ok(path.to_owned()), || Err(Skipped::Malformed));
        assert_eq!(read(text.as_bytes()), [ok("/a"), ok("/b"), malformed(), malformed(), ok("/last")]);
        assert_eq!(read("1 a 1\nGET /cut HTTP/1.1\r\nHos\n🐵🙈🙉\n".as_bytes()), [malformed()]);
        assert_eq!(read(b""), []);
        let first = |text: &str| {
            let (mut text, mut place) = (text.as_bytes(), Place::default());
            next(&mut Placed::new(&mut text, &mut place)).unwrap().unwrap().unwrap()
        };
        let request = first("1 a 1\nPOST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\na\n\nbc\n🐵🙈🙉\n");
        assert_eq!(request.request.body, antumbra_observation::Body::Whole("a\n\nbc".into()));
    }

    #[test]
    fn a_file_that_is_cut_says_where() {
        let record = "1 a 1\nGET /a HTTP/1.1\r\n\r\n\n🐵🙈🙉\n";
        let text = record.repeat(2);
        for end in record.len() + 1..text.len() {
            let error = until_cut(&text.as_bytes()[..end]).unwrap_err().to_string();
            assert!(error.contains("begins in line 6 is cut"), "{end}: {error}");
            assert!(error.contains(&format!("ends at byte {end}, must end with")), "{end}: {error}");
        }
        assert_eq!(read(text.as_bytes()).len(), 2);
    }

    #[test]
    fn a_record_beyond_the_bound_is_passed_over() {
        let large = vec![b'x'; MAX_RECORD];
        let lines =
            [b"x\n".repeat(10), b"y".repeat(MAX_RECORD / 2), b"\n".to_vec(), b"z".repeat(MAX_RECORD / 2)]
                .concat();
        for body in [large, lines] {
            let text =
                [b"1 a 1\n", &body[..], "\n🐵🙈🙉\n1 b 2\nGET /b HTTP/1.1\r\n\r\n\n🐵🙈🙉\n".as_bytes()]
                    .concat();
            assert_eq!(read(&text), [Err(Skipped::TooLarge), Ok("/b".to_owned())]);
        }
    }
}
