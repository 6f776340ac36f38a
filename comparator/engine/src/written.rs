//! Writes the records of a body as one JSON text: what is known of JSON (arrays that are matched, rules, limits, secrets)
//! then holds for lines, events, fields and messages as well.
//!
//! Two different bodies never become one text: what is no text is written by its length and hash.

use xxhash_rust::xxh3::xxh3_64;

use crate::refusal::Refusal;

/// A JSON text that grows up to [`MAX_BYTES`].
#[derive(Debug, Default)]
pub(crate) struct Written {
    text: Vec<u8>,
    /// A value was written since the last opening bracket.
    filled: bool,
    over: bool,
}

/// Most bytes of a text.
pub(crate) const MAX_BYTES: usize = 32 * 1024 * 1024;

impl Written {
    /// The text.
    ///
    /// # Errors
    /// [`Refusal::Size`] if it was longer than [`MAX_BYTES`].
    pub(crate) fn finish(self) -> Result<Vec<u8>, Refusal> {
        if self.over { Err(Refusal::Size) } else { Ok(self.text) }
    }

    /// Nothing more is taken in.
    pub(crate) fn is_full(&self) -> bool {
        self.over
    }

    pub(crate) fn open(&mut self, bracket: u8) {
        self.separate();
        self.push(&[bracket]);
        self.filled = false;
    }

    pub(crate) fn close(&mut self, bracket: u8) {
        self.push(&[bracket]);
        self.filled = true;
    }

    /// The name of a member. What is not UTF-8 is made so, and told apart by its hash.
    pub(crate) fn name(&mut self, name: &[u8]) {
        match std::str::from_utf8(name) {
            Ok(name) => self.string(name),
            Err(_) => self.string(&format!("{} {:016x}", String::from_utf8_lossy(name), xxh3_64(name))),
        }
        self.push(b":");
        self.filled = false;
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.separate();
        self.push(b"\"");
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
            let (plain, after) = rest.split_at(at);
            self.push(plain);
            let Some((&special, after)) = after.split_first() else { break };
            match special {
                b'"' => self.push(b"\\\""),
                b'\\' => self.push(b"\\\\"),
                b'\n' => self.push(b"\\n"),
                control => self.push(format!("\\u{control:04x}").as_bytes()),
            }
            rest = after;
        }
        self.push(rest);
        self.push(b"\"");
        self.filled = true;
    }

    /// Text as a string, anything else by length and hash.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.string(text),
            Err(_) => self.print(bytes),
        }
    }

    /// Bytes by their length and hash.
    pub(crate) fn print(&mut self, bytes: &[u8]) {
        let print = format!("{{\"length\":{},\"xxh3\":\"{:016x}\"}}", bytes.len(), xxh3_64(bytes));
        self.json(print.as_bytes());
    }

    /// A value that is JSON already.
    pub(crate) fn json(&mut self, value: &[u8]) {
        self.separate();
        self.push(value);
        self.filled = true;
    }

    fn separate(&mut self) {
        if std::mem::take(&mut self.filled) {
            self.push(b",");
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.over |= self.text.len() + bytes.len() > MAX_BYTES;
        if !self.over {
            self.text.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Tree;

    #[test]
    fn whatever_is_written_is_json() {
        let mut written = Written::default();
        written.open(b'[');
        written.string("a\"\\\n\0\u{1f600}");
        written.open(b'{');
        written.name(b"\xff");
        written.bytes(b"\xfe");
        written.name(b"");
        written.bytes(b"x");
        written.close(b'}');
        written.json(b"1");
        written.close(b']');
        let text = written.finish().unwrap();
        assert!(Tree::parse(&text).is_ok(), "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn it_stops_growing() {
        let mut written = Written::default();
        let control = "\0".repeat(1024 * 1024);
        for _ in 0..100 {
            written.string(&control);
        }
        assert!(written.is_full() && written.text.capacity() <= 2 * MAX_BYTES);
        assert_eq!(written.finish(), Err(Refusal::Size));
    }
}
