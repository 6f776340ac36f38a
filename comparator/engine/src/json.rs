//! Reads a JSON body into a tree of tokens that can be compared node by node.
//!
//! `serde_json::Value` loses digits and duplicate keys and takes ninety times the bytes. Here a node is a span of the
//! text and a hash of its meaning, computed on the way up, so that equal subtrees are skipped and array elements are
//! matched without looking into them. Depth and nodes are capped: what exceeds them is not JSON for us, but bytes.

use std::borrow::Cow;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::number;
use crate::refusal::Refusal;

/// A parsed text.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    text: &'a [u8],
    nodes: Vec<Node>,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Null,
    Bool,
    Number,
    Text,
    Array,
    Object,
}

/// One value of the tree. Children follow their parent; `next` is the sibling.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) shape: Shape,
    /// Equal for equal values: order of members and spelling of numbers and strings do not count.
    pub(crate) hash: u64,
    /// Hash of the member's name, 0 outside objects.
    pub(crate) name: u64,
    /// Elements or members.
    pub(crate) count: u32,
    key: Span,
    value: Span,
    next: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u32,
    end: u32,
}

/// Deepest nesting that is read.
pub(crate) const MAX_DEPTH: usize = 64;
/// Most values of one text.
pub(crate) const MAX_NODES: usize = 250_000;
/// Longest text.
pub(crate) const MAX_BYTES: usize = 64 << 20;

impl<'a> Tree<'a> {
    /// Parses `text` by RFC 8259, in UTF-8.
    ///
    /// # Errors
    /// It is not JSON, or beyond [`MAX_DEPTH`], [`MAX_NODES`] or [`MAX_BYTES`].
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, Refusal> {
        if text.len() > MAX_BYTES {
            return Err(Refusal::Size);
        }
        std::str::from_utf8(text).map_err(|_| Refusal::Malformed)?;
        let mut parser = Parser {
            text,
            at: 0,
            nodes: Vec::with_capacity(text.len() / 16 + 1),
            scratch: Vec::new(),
            refusal: Refusal::Malformed,
        };
        parser.blank();
        parser.value(Span::default(), 0, 0).ok_or(parser.refusal)?;
        parser.blank();
        if parser.at == text.len() { Ok(Self { text, nodes: parser.nodes }) } else { Err(Refusal::Malformed) }
    }

    pub(crate) fn root(&self) -> Option<&Node> {
        self.nodes.first()
    }

    /// Elements or members of `node`, which must be of this tree.
    pub(crate) fn children<'t>(&'t self, node: &Node) -> impl Iterator<Item = &'t Node> {
        let mut at = if node.count == 0 { None } else { self.nodes.get(node.first_child()) };
        std::iter::from_fn(move || {
            let this = at?;
            at = if this.next == 0 { None } else { self.nodes.get(this.next as usize) };
            Some(this)
        })
    }

    /// The member's name, unescaped.
    pub(crate) fn key(&self, node: &Node) -> Cow<'a, [u8]> {
        unescape(self.slice(node.key))
    }

    /// The text of a scalar as written, without quotes. Of a container: its text.
    pub(crate) fn lexeme(&self, node: &Node) -> &'a [u8] {
        match node.shape {
            Shape::Array | Shape::Object => &[],
            _ => self.slice(node.value),
        }
    }

    fn slice(&self, span: Span) -> &'a [u8] {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }
}

impl Node {
    /// Containers need no text of their own: their span holds the index of the first child.
    fn first_child(&self) -> usize {
        self.value.start as usize
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    scratch: Vec<u8>,
    /// Why nothing is answered.
    refusal: Refusal,
}

impl Parser<'_> {
    /// Reads one value and answers its index.
    fn value(&mut self, key: Span, name: u64, depth: usize) -> Option<usize> {
        if self.nodes.len() >= MAX_NODES || depth > MAX_DEPTH {
            self.refusal = if depth > MAX_DEPTH { Refusal::Depth } else { Refusal::Nodes };
            return None;
        }
        let index = self.nodes.len();
        let shape = match self.peek()? {
            b'{' => Shape::Object,
            b'[' => Shape::Array,
            b'"' => Shape::Text,
            b't' | b'f' => Shape::Bool,
            b'n' => Shape::Null,
            _ => Shape::Number,
        };
        self.nodes.push(Node { shape, hash: 0, name, count: 0, key, value: Span::default(), next: 0 });
        let (hash, count, value) = match shape {
            Shape::Object | Shape::Array => {
                let (hash, count) = self.container(shape, depth)?;
                (hash, count, Span { start: u32::try_from(index + 1).ok()?, end: 0 })
            }
            Shape::Text => {
                let span = self.string()?;
                (self.hash_text(span, TEXT), 0, span)
            }
            Shape::Number => {
                let span = self.number()?;
                let lexeme = self.text.get(span.start as usize..span.end as usize)?;
                (number::hash(lexeme, &mut self.scratch), 0, span)
            }
            Shape::Bool | Shape::Null => self.literal()?,
        };
        let node = self.nodes.get_mut(index)?;
        (node.hash, node.count, node.value) = (hash, count, value);
        Some(index)
    }

    /// Reads elements or members up to the closing bracket: hash and number of them.
    fn container(&mut self, shape: Shape, depth: usize) -> Option<(u64, u32)> {
        let (close, mut hash) = if shape == Shape::Object { (b'}', OBJECT) } else { (b']', ARRAY) };
        self.at += 1;
        self.blank();
        if self.take(close) {
            return Some((hash, 0));
        }
        let mut count = 0;
        let mut previous = None;
        loop {
            let (key, name) = if shape == Shape::Object { self.member_name()? } else { (Span::default(), 0) };
            let child = self.value(key, name, depth + 1)?;
            if let Some(before) = previous.replace(child) {
                self.nodes.get_mut(before)?.next = u32::try_from(child).ok()?;
            }
            let value = self.nodes.get(child)?.hash;
            // Members commute, elements do not.
            hash = match shape {
                Shape::Object => hash.wrapping_add(mix(name, value)),
                _ => mix(hash, value),
            };
            count += 1;
            self.blank();
            if self.take(close) {
                return Some((hash, count));
            }
            self.take(b',').then_some(())?;
            self.blank();
        }
    }

    fn member_name(&mut self) -> Option<(Span, u64)> {
        (self.peek()? == b'"').then_some(())?;
        let key = self.string()?;
        let name = self.hash_text(key, KEY);
        self.blank();
        self.take(b':').then_some(())?;
        self.blank();
        Some((key, name))
    }

    /// The span between the quotes.
    fn string(&mut self) -> Option<Span> {
        self.at += 1;
        let start = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.escape()?,
                0..=0x1f => return None,
                _ => self.at += 1,
            }
        }
        let span = Span { start: u32::try_from(start).ok()?, end: u32::try_from(self.at).ok()? };
        self.at += 1;
        Some(span)
    }

    fn escape(&mut self) -> Option<()> {
        let letter = *self.text.get(self.at + 1)?;
        self.at += 2;
        if letter == b'u' {
            let digits = self.text.get(self.at..self.at + 4)?;
            self.at += 4;
            return digits.iter().all(u8::is_ascii_hexdigit).then_some(());
        }
        br#""\/bfnrt"#.contains(&letter).then_some(())
    }

    fn number(&mut self) -> Option<Span> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Some(Span { start: u32::try_from(start).ok()?, end: u32::try_from(self.at).ok()? })
    }

    /// One digit or more.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn literal(&mut self) -> Option<(u64, u32, Span)> {
        let rest = self.text.get(self.at..)?;
        let word = [&b"true"[..], b"false", b"null"].into_iter().find(|word| rest.starts_with(word))?;
        let start = u32::try_from(self.at).ok()?;
        self.at += word.len();
        Some((xxh3_64(word), 0, Span { start, end: u32::try_from(self.at).ok()? }))
    }

    fn hash_text(&self, span: Span, seed: u64) -> u64 {
        xxh3_64_with_seed(
            &unescape(self.text.get(span.start as usize..span.end as usize).unwrap_or_default()),
            seed,
        )
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }
}

/// What an already checked string means. A lone surrogate becomes its three bytes (WTF-8), so that it equals only itself.
pub(crate) fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'\\') {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        let (b'\\', Some((&letter, tail))) = (byte, after.split_first()) else {
            out.push(byte);
            rest = after;
            continue;
        };
        rest = tail;
        match letter {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => rest = unescape_unicode(rest, &mut out),
            other => out.push(other),
        }
    }
    Cow::Owned(out)
}

/// Reads the digits after `\u`, and the second half of a pair; answers what follows.
fn unescape_unicode<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let first = hex(rest);
    let after = rest.get(4..).unwrap_or_default();
    if (0xd800..0xdc00).contains(&first) && after.starts_with(b"\\u") {
        let second = hex(after.get(2..).unwrap_or_default());
        if (0xdc00..0xe000).contains(&second) {
            push_code(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00), out);
            return after.get(6..).unwrap_or_default();
        }
    }
    push_code(first, out);
    after
}

fn hex(digits: &[u8]) -> u32 {
    digits.iter().take(4).fold(0, |sum, &digit| sum * 16 + char::from(digit).to_digit(16).unwrap_or(0))
}

fn push_code(code: u32, out: &mut Vec<u8>) {
    match char::from_u32(code) {
        Some(char) => out.extend(char.encode_utf8(&mut [0; 4]).as_bytes()),
        // Six bits each: the casts keep what the masks leave.
        None => {
            out.extend([0xe0 | low(code >> 12, 0x0f), 0x80 | low(code >> 6, 0x3f), 0x80 | low(code, 0x3f)]);
        }
    }
}

fn low(code: u32, mask: u32) -> u8 {
    u8::try_from(code & mask).unwrap_or(0)
}

/// Combines two hashes; not symmetric.
fn mix(left: u64, right: u64) -> u64 {
    let product =
        u128::from(left ^ 0x9e37_79b9_7f4a_7c15) * u128::from(right.rotate_left(29) ^ 0xd6e8_feb8_6659_fd93);
    let folded = (product >> 64) ^ (product & u128::from(u64::MAX));
    u64::try_from(folded).unwrap_or(0).wrapping_add(left.rotate_left(17))
}

const TEXT: u64 = 3;
const KEY: u64 = 4;
const OBJECT: u64 = 0x0b_7ec7;
const ARRAY: u64 = 0xa7_7a11;

#[cfg(test)]
mod tests {
    use super::*;

    fn equal(left: &str, right: &str) -> bool {
        let (left, right) = (Tree::parse(left.as_bytes()).unwrap(), Tree::parse(right.as_bytes()).unwrap());
        left.root().unwrap().hash == right.root().unwrap().hash
    }

    #[test]
    fn equality_is_of_meaning() {
        let check = |left: &str, right: &str, expected: bool| {
            assert_eq!(equal(left, right), expected, "{left} {right}");
        };
        check("{\"a\":1,\"b\":[2.0]}", " { \"b\" : [ 2 ] , \"a\" : 1 } ", true);
        check("\"\\u0041\\/\\ud83d\\ude00\"", "\"A/😀\"", true);
        check("\"\\ud800\"", "\"\\ud801\"", false);
        check("[1,2]", "[2,1]", false);
        check("[[1],[2]]", "[[1,2]]", false);
        check("{\"a\":1}", "{\"a\":1,\"a\":1}", false);
        check("{\"a\":{}}", "{\"a\":[]}", false);
        check("\"1\"", "1", false);
        check("[0]", "[0,0]", false);
        check("{\"a\":\"b\"}", "{\"b\":\"a\"}", false);
        check("null", "false", false);
    }

    #[test]
    fn what_is_not_json_is_refused_and_nothing_panics() {
        let deep = "[".repeat(1_000_000);
        let deep_objects = "{\"a\":".repeat(1_000_000);
        let wide = format!("[{}0]", "0,".repeat(MAX_NODES));
        let just_deep = format!("{}{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
        let keys =
            (0..1_000_000).fold(String::from("{"), |text, key| text + &format!("\"k{key}\":1,")) + "\"k\":1}";
        for text in [&deep, &deep_objects, &wide, &keys] {
            assert!(Tree::parse(text.as_bytes()).is_err());
        }
        assert!(Tree::parse(just_deep.as_bytes()).is_ok());
        let broken = [
            "",
            " ",
            "{",
            "[1",
            "[1,",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{1:1}",
            "\"",
            "\"\\",
            "\"\\u12",
            "\"\\x\"",
            "\"\n\"",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "1e+",
            "+1",
            "tru",
            "nul",
            "NaN",
            "1 2",
            "[]]",
            "\u{feff}1",
            "'a'",
            "\"\\u00g0\"",
        ];
        for text in broken {
            assert!(Tree::parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(Tree::parse(b"\"\xff\"").is_err(), "not UTF-8");
        for text in [
            "1e400",
            "\"\\ud800\"",
            "\"\\udc00x\"",
            "\"\\ud800\\u0041\"",
            "-0.0E-0",
            "[]",
            "{}",
            "\"\u{7f}\"",
        ] {
            assert!(Tree::parse(text.as_bytes()).is_ok(), "{text:?}");
        }
    }
}
