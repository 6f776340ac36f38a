//! What kind of recording a file is, told by how it begins: a name's ending says nothing about a pipe.
//!
//! A capture and a HAR file are both JSON. The first value of a capture is one exchange; that of a HAR file has a member `log`, which need
//! not be its first one.

use std::fmt;
use std::io::{self, BufRead, Cursor, Read};

use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use super::Unreadable;
use super::gor::MONKEYS;
use super::place::Place;

/// How a recording begins.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) format: Format,
    /// Behind a byte order mark and blanks.
    pub(super) at: Place,
    /// What was read from there.
    pub(super) ahead: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Capture,
    Gor,
    Har,
}

/// Reads as much as tells the format.
///
/// # Errors
/// The reader's; it is empty, compressed or of no known format.
pub(super) fn of(reader: &mut impl BufRead) -> Result<Beginning, Unreadable> {
    let mut read = Vec::new();
    let mut blank = 0;
    while read.len() < blank + ENOUGH && reader.by_ref().take(AT_A_TIME).read_to_end(&mut read)? > 0 {
        blank = read.len() - without_mark(&read).trim_ascii_start().len();
    }
    let mut ahead = read.split_off(blank);
    let lines = read.iter().filter(|byte| **byte == b'\n').count() as u64;
    let at = Place { line: 1 + lines, byte: blank as u64, fresh: true };
    let format = match &ahead[..] {
        [] => return Err(Unreadable::Empty),
        [0x1f, 0x8b, ..] => return Err(Unreadable::Gzip),
        [b'1'..=b'3', b' ', ..] => Format::Gor,
        text if text.starts_with(MONKEYS.as_bytes()) => Format::Gor,
        [b'{', ..] => of_json(&mut ahead, reader)?,
        _ => return Err(Unreadable::Unknown),
    };
    Ok(Beginning { format, at, ahead })
}

/// A text without the mark that some tools write before UTF-8.
pub(crate) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// Reads the first JSON value, or as far as a member `log`; `ahead` keeps it.
fn of_json(ahead: &mut Vec<u8>, reader: &mut impl BufRead) -> Result<Format, Unreadable> {
    let mut kept = Vec::new();
    let mut found = false;
    let read = {
        let kept = Keeping { reader: Cursor::new(&*ahead).chain(reader), kept: &mut kept };
        serde_json::Deserializer::from_reader(kept).deserialize_map(Log(&mut found))
    };
    // What was in the buffer and not read yet.
    let rest = ahead.get(kept.len()..).unwrap_or_default().to_vec();
    *ahead = [kept, rest].concat();
    match read {
        _ if found => Ok(Format::Har),
        // A capture has each exchange in a line of its own.
        Ok(()) if ahead.contains(&b'\n') && !is_line(ahead) => Err(Unreadable::Unknown),
        Err(error) if error.is_io() => Err(Unreadable::Io(error.into())),
        // Lines that are broken are counted as such.
        _ => Ok(Format::Capture),
    }
}

/// Whether the first line is a JSON value of its own.
fn is_line(ahead: &[u8]) -> bool {
    let line = ahead.split(|byte| *byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

/// A reader that keeps what was read.
struct Keeping<'k, R> {
    reader: R,
    kept: &'k mut Vec<u8>,
}

impl<R: Read> Read for Keeping<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.reader.read(buffer)?;
        self.kept.extend_from_slice(buffer.get(..length).unwrap_or_default());
        Ok(length)
    }
}

/// Whether an object has a member `log`. Reading ends there.
struct Log<'f>(&'f mut bool);

impl<'de> Visitor<'de> for Log<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == "log" {
                *self.0 = true;
                return Ok(());
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// The mark that some tools write before UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// Bytes that tell all formats but those of JSON.
const ENOUGH: usize = MONKEYS.len();
/// Bytes that are read at a time.
const AT_A_TIME: u64 = 64;
