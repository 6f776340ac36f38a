//! GoReplay's files: records of a line `type id time`, the message as it went over the wire, and a line of three monkeys.
//!
//! Only type 1, what clients asked, is taken; 2 and 3 are answers, which may come long after. So no status is known. (The format is that of GoReplay's `protocol.go` and its
//! documentation of `--output-file`.) Each record ends with its line of monkeys: a file that ends elsewhere was cut, and who knows how
//! much is missing. Bytes that follow a message within its record are those of another one whose line of monkeys was lost, so they count
//! as an entry that is malformed. A line of monkeys within a body ends no record.

mod merged;

use std::io::{self, BufRead};

use super::entry::{At, Entry, Recorded, RequestLine, Skipped};
use super::lines::{self, Line};
use super::place::{Place, Placed};
use super::raw_request::{self, Parsed};
use super::wire::Unparsed;

/// How far a file was read.
#[derive(Debug, Default)]
pub(crate) struct Gor {
    place: Place,
    records: u64,
    /// A line that was read ahead, with its place.
    ahead: Option<(Place, Line)>,
    /// What follows the request that was returned last.
    next: Option<Entry>,
}

/// The bytes of a record so far.
struct Record {
    begins: Place,
    /// By its first line.
    kind: Option<u8>,
    /// `None` if they are too many.
    bytes: Option<Vec<u8>>,
    /// Lines of monkeys that did not end it.
    within: usize,
}

/// Bytes that are no part of a record's message.
struct Rest {
    place: Place,
    /// What they ask, if they are a request.
    line: Option<RequestLine>,
    skipped: Skipped,
}

/// What a record holds.
#[derive(Default)]
struct Read {
    /// None of an answer.
    request: Option<Result<Recorded, Skipped>>,
    /// What is asked by a request that cannot be read.
    line: Option<RequestLine>,
    /// Where in the record bytes begin that are no part of its message.
    rest: Option<usize>,
    /// Its message lacks bytes of its body.
    lacks: bool,
}

impl Gor {
    /// Goes on from a place.
    pub(crate) fn from(place: Place) -> Self {
        Self { place, ..Self::default() }
    }

    /// The next request, or none at the end.
    ///
    /// # Errors
    /// Of the reader; the file ends in the middle of a record.
    pub(crate) fn next(&mut self, reader: &mut impl BufRead) -> io::Result<Option<Entry>> {
        loop {
            if let Some(next) = self.next.take() {
                return Ok(Some(next));
            }
            let Some((record, read)) = self.record(reader)? else { return Ok(None) };
            self.records += 1;
            let at = |place: Place| At::Record { record: self.records, line: place.line, byte: place.byte };
            let rest = read.rest.map(|offset| record.rest(offset));
            self.next =
                rest.map(|Rest { place, line, skipped }| Entry { at: at(place), asked: Err(skipped), line });
            if let Some(asked) = read.request {
                return Ok(Some(Entry { at: at(record.begins), asked, line: read.line }));
            }
        }
    }

    /// The next record that is not blank.
    fn record(&mut self, reader: &mut impl BufRead) -> io::Result<Option<(Record, Read)>> {
        let mut record = Record::at(self.place);
        loop {
            let Some((place, line)) = self.line(reader)? else {
                return if record.is_blank() { Ok(None) } else { Err(record.cut(self.place.byte)) };
            };
            // The last line of a file may lack its end: then it was cut there.
            if !is_separator(&line) || !self.place.fresh {
                record.push(place, line);
                continue;
            }
            if record.is_blank() {
                record = Record::at(self.place);
                continue;
            }
            let read = record.read();
            if read.lacks && record.within < MAX_WITHIN && self.goes_on(reader)? {
                record.within += 1;
                record.push(place, line);
            } else {
                return Ok(Some((record, read)));
            }
        }
    }

    fn line(&mut self, reader: &mut impl BufRead) -> io::Result<Option<(Place, Line)>> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        let begins = self.place;
        let line = lines::next(&mut Placed::new(reader, &mut self.place), MAX_RECORD)?;
        Ok(line.map(|line| (begins, line)))
    }

    /// Whether a record that lacks bytes goes on behind a separator: what follows is not the beginning of another one.
    fn goes_on(&mut self, reader: &mut impl BufRead) -> io::Result<bool> {
        self.ahead = self.line(reader)?;
        Ok(match &self.ahead {
            None | Some((_, Line::TooLong)) => false,
            Some((_, Line::Whole(line))) => !line.trim_ascii().is_empty() && kind(line).is_none(),
        })
    }
}

impl Record {
    fn at(begins: Place) -> Self {
        Self { begins, kind: None, bytes: Some(Vec::new()), within: 0 }
    }

    fn is_blank(&self) -> bool {
        self.bytes.as_ref().is_some_and(Vec::is_empty)
    }

    /// Appends a line. Blank ones before the first are no part of a record.
    fn push(&mut self, place: Place, line: Line) {
        match (line, &mut self.bytes) {
            (Line::Whole(line), Some(bytes)) if bytes.is_empty() && line.trim_ascii().is_empty() => {}
            (Line::Whole(line), Some(bytes)) if bytes.len() + line.len() < MAX_RECORD => {
                if bytes.is_empty() {
                    self.begins = place;
                    self.kind = kind(&line);
                }
                bytes.extend_from_slice(&line);
                bytes.push(b'\n');
            }
            _ => {
                if self.is_blank() {
                    self.begins = place;
                }
                self.bytes = None;
            }
        }
    }

    /// What it holds.
    fn read(&self) -> Read {
        let Some(bytes) = &self.bytes else {
            // Answers are not asked for, however large.
            if self.kind.is_some_and(|kind| kind != REQUEST) {
                return Read::default();
            }
            let why = format!("it has more than {MAX_RECORD} bytes");
            return skipped(Skipped::TooLarge(why.into()));
        };
        let head = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let message = bytes.get(head.len() + 1..).unwrap_or_default();
        // The last line end belongs to the separator; a file that somebody wrote may lack it.
        let whole = message.strip_suffix(b"\n").unwrap_or(message);
        let (read, rest) = held(self.kind, whole, message);
        let blank = rest.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
        let end = bytes.len() - (message.len() - whole.len());
        Read { rest: (!blank).then(|| end.saturating_sub(rest.len())), ..read }
    }

    /// The bytes behind its message.
    fn rest(&self, offset: usize) -> Rest {
        let bytes = self.bytes.as_deref().unwrap_or_default();
        let (before, rest) = bytes.split_at_checked(offset).unwrap_or_default();
        let length = rest.len().saturating_sub(1);
        let place = Place {
            line: self.begins.line + before.iter().filter(|byte| **byte == b'\n').count() as u64,
            byte: self.begins.byte + offset as u64,
            fresh: false,
        };
        let (follow, belong) =
            if length == 1 { ("byte follows", "belongs") } else { ("bytes follow", "belong") };
        let why = format!(
            "{length} {follow} a message and {belong} to no record, as without a line {MONKEYS} between two"
        );
        Rest { place, line: merged::asked(rest), skipped: Skipped::malformed(why) }
    }

    fn cut(&self, end: u64) -> io::Error {
        let line = self.begins.line;
        let message = format!(
            "the record that begins in line {line} is cut: the file ends at byte {end}, must end with a line {MONKEYS}"
        );
        io::Error::new(io::ErrorKind::UnexpectedEof, message)
    }
}

/// What a record of this type holds, and what follows its message.
fn held<'a>(kind: Option<u8>, whole: &'a [u8], message: &'a [u8]) -> (Read, &'a [u8]) {
    let Some(kind) = kind else { return (skipped(Skipped::malformed(NO_HEAD)), b"") };
    if kind == REQUEST {
        return match parsed(whole, message) {
            Ok(Parsed { request, rest }) => {
                let request = Some(Ok(Recorded { request, status: None }));
                (Read { request, ..Read::default() }, rest)
            }
            Err(unparsed) => {
                let lacks = matches!(unparsed, Unparsed::Body(_));
                let read = Read { lacks, ..skipped(Skipped::malformed(unparsed.explained())) };
                (Read { line: raw_request::asked(whole), ..read }, merged::within(whole))
            }
        };
    }
    match raw_request::after_answer(whole) {
        Ok(Some(rest)) => (Read::default(), rest),
        Ok(None) => (Read::default(), merged::within(whole)),
        Err(unparsed) => {
            let lacks = matches!(unparsed, Unparsed::Body(_));
            (Read { lacks, ..Read::default() }, merged::within(whole))
        }
    }
}

fn skipped(skipped: Skipped) -> Read {
    Read { request: Some(Err(skipped)), ..Read::default() }
}

/// The request of a message, which lacks the line end of a separator, or else has it.
fn parsed<'a>(whole: &'a [u8], message: &'a [u8]) -> Result<Parsed<'a>, Unparsed> {
    match raw_request::parse(whole) {
        Err(Unparsed::Head) => raw_request::parse(message),
        parsed => parsed,
    }
}

/// The type of the record whose first line it is.
fn kind(head: &[u8]) -> Option<u8> {
    let mut fields = head.trim_ascii().split(|byte| *byte == b' ').filter(|field| !field.is_empty());
    match (fields.next()?, fields.next(), fields.next()?) {
        (&[kind @ b'1'..=b'3'], Some(_), time) => time.iter().all(u8::is_ascii_digit).then_some(kind),
        _ => None,
    }
}

fn is_separator(line: &Line) -> bool {
    matches!(line, Line::Whole(line) if line.trim_ascii_end() == MONKEYS.as_bytes())
}

pub(super) const MONKEYS: &str = "🐵🙈🙉";
/// The type of what clients asked.
const REQUEST: u8 = b'1';
const NO_HEAD: &str = "its first line is not of the form `type id time`";
/// Lines of monkeys in one body: at each of them the record is read anew.
const MAX_WITHIN: usize = 64;
/// Bytes of one record: the largest body that a mirror takes, and headers.
const MAX_RECORD: usize = (8 << 20) + (256 << 10);

#[cfg(test)]
mod tests;
