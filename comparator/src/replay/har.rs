//! HTTP archives as browsers and proxies export them (HAR 1.2): one JSON document, read as a whole.
//!
//! Exporters agree on little, so the document is read as leniently as its requests allow: members stand anywhere, and an entry that is
//! odd costs that entry alone.

mod archive;
mod entry;
mod posted;

use std::collections::VecDeque;
use std::io::{self, Read};

use super::{Entry, Unreadable};

/// The requests of an archive, and why it could not be read to its end.
#[derive(Debug, Default)]
pub(crate) struct Har {
    entries: VecDeque<Entry>,
    cut: Option<io::Error>,
}

impl Har {
    /// Reads an archive.
    ///
    /// # Errors
    /// It cannot be read, is too large or holds no entries.
    pub(crate) fn read(reader: impl Read) -> Result<Self, Unreadable> {
        let mut text = Vec::new();
        reader.take(MAX_BYTES + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(Unreadable::TooLarge { most: MAX_BYTES });
        }
        let text = String::from_utf8_lossy(&text);
        let archive = archive::read(&text);
        let entries = archive.entries.iter().enumerate();
        let entries: VecDeque<Entry> = entries.map(|(index, raw)| entry::entry(index, raw.get())).collect();
        match archive.broken {
            Some(error) if entries.is_empty() => Err(Unreadable::Archive(error.to_string())),
            None if !archive.has_entries => Err(Unreadable::Archive("it has no log.entries".to_owned())),
            broken => Ok(Self { cut: broken.map(|error| cut(&error, entries.len())), entries }),
        }
    }

    /// The next request, or none at the end.
    ///
    /// # Errors
    /// The archive ends within its entries, or is no JSON behind them.
    pub(crate) fn next(&mut self) -> io::Result<Option<Entry>> {
        match (self.entries.pop_front(), self.cut.take()) {
            (None, Some(cut)) => Err(cut),
            (entry, cut) => {
                self.cut = cut;
                Ok(entry)
            }
        }
    }
}

fn cut(error: &serde_json::Error, entries: usize) -> io::Error {
    let kind = if error.is_eof() { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::InvalidData };
    io::Error::new(kind, format!("is broken behind its {entries} whole entries: {error}"))
}

/// Bytes of an archive; it is held in memory.
const MAX_BYTES: u64 = 256 << 20;

#[cfg(test)]
mod tests;
