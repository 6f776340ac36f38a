//! GoReplay's files: records of a line `type id time`, the message as it went over the wire, and a line of three monkeys.
//!
//! Only type 1, what clients asked, is taken; 2 and 3 are answers. (The format is that of GoReplay's `protocol.go` and its
//! documentation of `--output-file`.)

use std::io::{self, BufRead};

use super::lines::{self, Line};
use super::{Entry, Skipped, raw_request};

/// The next request, or none at the end.
///
/// # Errors
/// Of the reader.
pub(crate) fn next(reader: &mut impl BufRead) -> io::Result<Option<Entry>> {
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
    raw_request::parse(message).filter(|_| numbered).ok_or(Skipped::Malformed)
}

/// The bytes up to the next separator or the end; inner `None` if they are too many.
fn record(reader: &mut impl BufRead) -> io::Result<Option<Option<Vec<u8>>>> {
    let (mut record, mut fits, mut any) = (Vec::new(), true, false);
    while let Some(line) = lines::next(reader, MOST_RECORD)? {
        any = true;
        match line {
            Line::Whole(line) if line.trim_ascii() == MONKEYS.as_bytes() => break,
            Line::Whole(line) if fits && record.len() + line.len() < MOST_RECORD => {
                record.extend_from_slice(&line);
                record.push(b'\n');
            }
            _ => {
                fits = false;
                record.clear();
            }
        }
    }
    Ok(any.then_some(fits.then_some(record)))
}

const MONKEYS: &str = "🐵🙈🙉";
/// Bytes of one record: the largest body that a mirror takes, and headers.
const MOST_RECORD: usize = (8 << 20) + (256 << 10);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut text: &[u8]) -> Vec<Result<String, Skipped>> {
        let mut found = Vec::new();
        while let Some(entry) = next(&mut text).unwrap() {
            found.push(entry.map(|request| request.path.to_text().into_owned()));
        }
        found
    }

    #[test]
    fn requests_between_monkeys() {
        let text = "1 a1 1439818823587396305\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n\n🐵🙈🙉\n\
            2 a1 1439818823587396306 99\nHTTP/1.1 200 OK\r\n\r\n\n🐵🙈🙉\n\
            1 a2 1439818823587396307 0\nPOST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\na\n\nbc\n🐵🙈🙉\r\n\
            1 a3 1439818823587396308\nnonsense\n🐵🙈🙉\n\
            7 a4 1439818823587396308\nGET /x HTTP/1.1\r\n\r\n\n🐵🙈🙉\n\
            3 a1 1439818823587396306 99\nHTTP/1.1 200 OK\r\n\r\n\n🐵🙈🙉\n\
            1 a5 1439818823587396309\nGET /last HTTP/1.1\r\n\r\n";
        let (ok, malformed) = (|path: &str| Ok(path.to_owned()), || Err(Skipped::Malformed));
        assert_eq!(read(text.as_bytes()), [ok("/a"), ok("/b"), malformed(), malformed(), ok("/last")]);
        assert_eq!(read(b"1 a 1\nGET /cut HTTP/1.1\r\nHos"), [malformed()]);
        assert_eq!(read(b""), []);
        let reader = |text: &str| next(&mut text.as_bytes()).unwrap().unwrap().unwrap();
        let request = reader("1 a 1\nPOST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\na\n\nbc\n🐵🙈🙉\n");
        assert_eq!(request.body, antumbra_observation::Body::Whole("a\n\nbc".into()));
    }

    #[test]
    fn a_record_beyond_the_bound_is_passed_over() {
        let large = vec![b'x'; MOST_RECORD];
        let lines =
            [b"x\n".repeat(10), b"y".repeat(MOST_RECORD / 2), b"\n".to_vec(), b"z".repeat(MOST_RECORD / 2)]
                .concat();
        for body in [large, lines] {
            let text =
                [b"1 a 1\n", &body[..], "\n🐵🙈🙉\n1 b 2\nGET /b HTTP/1.1\r\n\r\n".as_bytes()].concat();
            assert_eq!(read(&text), [Err(Skipped::TooLarge), Ok("/b".to_owned())]);
        }
    }
}
