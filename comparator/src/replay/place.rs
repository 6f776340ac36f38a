//! How far a file was read, for messages that name the place.

use std::io::{self, BufRead, Read};

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// From 1.
    pub(crate) line: u64,
    /// From 0.
    pub(crate) byte: u64,
    /// It is the beginning of a line.
    pub(crate) fresh: bool,
}

impl Default for Place {
    fn default() -> Self {
        Self { line: 1, byte: 0, fresh: true }
    }
}

/// A reader that knows where it is.
pub(crate) struct Placed<'r, R> {
    reader: &'r mut R,
    place: &'r mut Place,
}

impl<'r, R: BufRead> Placed<'r, R> {
    /// Goes on from a place.
    pub(crate) fn new(reader: &'r mut R, place: &'r mut Place) -> Self {
        Self { reader, place }
    }
}

impl<R: BufRead> Read for Placed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for Placed<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    /// What is consumed was filled before, so it is there without reading.
    fn consume(&mut self, length: usize) {
        if let Some(bytes) = self.reader.fill_buf().ok().and_then(|bytes| bytes.get(..length)) {
            self.place.line += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            self.place.byte += length as u64;
            self.place.fresh = bytes.last().map_or(self.place.fresh, |byte| *byte == b'\n');
        }
        self.reader.consume(length);
    }
}
