//! Reads a JSON body into a tree of tokens that can be compared node by node.
//!
//! `serde_json::Value` loses digits and duplicate keys and takes ninety times the bytes. Here a node is a span of the
//! text, 32 bytes, and nothing is allocated for it. Equal bytes are equal values, so most nodes are never looked at again;
//! a hash of the meaning is worked out only for the elements of arrays that have to be found elsewhere.

mod parse;
mod strings;

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use self::parse::Parser;
pub(crate) use self::strings::unescape;
use crate::number;
use crate::refusal::Refusal;
use crate::work;

/// A parsed text.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    text: &'a [u8],
    nodes: Vec<Node>,
    /// Hash of each node, 0 where nobody asked.
    hashes: OnceCell<Vec<Cell<u64>>>,
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

/// One value of the tree. All below it follow it, up to `after`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) shape: Shape,
    /// Elements or members.
    pub(crate) count: u32,
    /// A text with escapes.
    escaped: bool,
    /// Its name has escapes.
    key_escaped: bool,
    /// Its own place in the tree.
    at: u32,
    /// The place behind all that is below it: that of its sibling, if it has one.
    after: u32,
    /// A member's name, between the quotes; empty outside objects.
    key: Span,
    /// As written, with quotes or brackets.
    value: Span,
}

#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u32,
    end: u32,
}

/// Deepest nesting that is read: objects and arrays within each other.
pub(crate) const MAX_DEPTH: usize = 64;
/// Most values of one text.
pub(crate) const MAX_NODES: usize = 250_000;
/// Longest text. Must be below 4 GiB, for spans.
pub(crate) const MAX_BYTES: usize = 64 << 20;

impl<'a> Tree<'a> {
    /// Parses `text` by RFC 8259, in UTF-8.
    ///
    /// # Errors
    /// It is not JSON, or beyond [`MAX_DEPTH`], [`MAX_NODES`] or [`MAX_BYTES`].
    pub(crate) fn parse(text: &'a [u8]) -> Result<Self, Refusal> {
        Self::read(text, Parser::new(text))
    }

    /// Parses `text` as [`Tree::parse`] does, but takes over from `base` what stands at the same place byte by byte.
    ///
    /// # Errors
    /// As for [`Tree::parse`].
    pub(crate) fn parse_beside(text: &'a [u8], base: Option<&Tree<'_>>) -> Result<Self, Refusal> {
        let Some(base) = base else { return Self::parse(text) };
        Self::read(text, Parser::beside(text, base.text, &base.nodes))
    }

    fn read(text: &'a [u8], parser: Parser<'_>) -> Result<Self, Refusal> {
        let nodes = parser.document()?;
        work::parsed(nodes.len());
        Ok(Self { text, nodes, hashes: OnceCell::new() })
    }

    pub(crate) fn root(&self) -> Option<&Node> {
        self.nodes.first()
    }

    /// Elements or members of `node`, which must be of this tree.
    pub(crate) fn children<'t>(&'t self, node: &Node) -> impl Iterator<Item = &'t Node> + use<'a, 't> {
        let (mut next, end) = (node.at + 1, node.after);
        std::iter::from_fn(move || {
            let this = if next < end { self.nodes.get(next as usize) } else { None };
            next = this?.after;
            this
        })
    }

    /// The member's name, unescaped.
    pub(crate) fn key(&self, node: &Node) -> Cow<'a, [u8]> {
        let name = self.slice(node.key);
        if node.key_escaped { unescape(name) } else { Cow::Borrowed(name) }
    }

    /// Whether a member has this name, unescaped.
    pub(crate) fn is_named(&self, node: &Node, name: &[u8]) -> bool {
        let written = self.slice(node.key);
        if node.key_escaped { *unescape(written) == *name } else { written == name }
    }

    /// Whether a member has the name of another tree's member.
    pub(crate) fn same_name(&self, node: &Node, other: &Tree<'_>, others: &Node) -> bool {
        let written_alike = self.slice(node.key) == other.slice(others.key);
        written_alike || (node.key_escaped || others.key_escaped) && self.key(node) == other.key(others)
    }

    /// The text of a scalar as written, without quotes; of a container nothing.
    pub(crate) fn lexeme(&self, node: &Node) -> &'a [u8] {
        match node.shape {
            Shape::Array | Shape::Object => &[],
            Shape::Text => self.slice(Span { start: node.value.start + 1, end: node.value.end - 1 }),
            _ => self.slice(node.value),
        }
    }

    /// The value as written, with quotes or brackets and all that is within. The same text is the same value; another
    /// text may be, too.
    pub(crate) fn text(&self, node: &Node) -> &'a [u8] {
        self.slice(node.value)
    }

    /// Whether a scalar means the same as another tree's scalar. False for containers.
    pub(crate) fn same_scalar(&self, node: &Node, other: &Tree<'_>, others: &Node) -> bool {
        let (left, right) = (self.lexeme(node), other.lexeme(others));
        match (node.shape, others.shape) {
            (Shape::Text, Shape::Text) => left == right || unescape(left) == unescape(right),
            (Shape::Number, Shape::Number) => left == right || number::equal(left, right),
            (Shape::Null | Shape::Bool, Shape::Null | Shape::Bool) => left == right,
            _ => false,
        }
    }

    /// Whether a value means the same as another tree's value; found at the first difference. What is nested deeper is told by
    /// hashes, each worked out once: who asks at each level of a text does not have all below looked at each time.
    pub(crate) fn same(&self, node: &Node, other: &Tree<'_>, others: &Node) -> bool {
        self.same_within(NEAR, node, other, others)
    }

    fn same_within(&self, levels: usize, node: &Node, other: &Tree<'_>, others: &Node) -> bool {
        #[cfg(test)]
        tests::LOOKED_AT.with(|count| count.set(count.get() + 1));
        if node.shape != others.shape || node.count != others.count {
            return false;
        }
        if !matches!(node.shape, Shape::Array | Shape::Object) {
            return self.same_scalar(node, other, others);
        }
        if self.text(node) == other.text(others) {
            return true;
        }
        let Some(levels) = levels.checked_sub(1) else { return self.hash(node) == other.hash(others) };
        for (left, right) in self.children(node).zip(other.children(others)) {
            if node.shape == Shape::Object && !self.same_name(left, other, right) {
                return self.hash(node) == other.hash(others);
            }
            if !self.same_within(levels, left, other, right) {
                return false;
            }
        }
        true
    }

    /// Hash of the value as written.
    pub(crate) fn text_hash(&self, node: &Node) -> u64 {
        xxh3_64(self.text(node))
    }

    /// Equal for equal values, of any tree: order of members and spelling of numbers and strings do not count.
    pub(crate) fn hash(&self, node: &Node) -> u64 {
        let known = self.hashes.get_or_init(|| vec![Cell::new(0); self.nodes.len()]).get(node.at as usize);
        if let Some(hash) = known.map(Cell::get).filter(|&hash| hash != 0) {
            return hash;
        }
        let hash = self.hash_anew(node);
        if let Some(known) = known {
            known.set(hash);
        }
        hash
    }

    fn hash_anew(&self, node: &Node) -> u64 {
        match node.shape {
            Shape::Null | Shape::Bool => xxh3_64(self.lexeme(node)),
            Shape::Number => number::hash(self.lexeme(node)),
            Shape::Text if node.escaped => xxh3_64_with_seed(&unescape(self.lexeme(node)), TEXT),
            Shape::Text => xxh3_64_with_seed(self.lexeme(node), TEXT),
            Shape::Array => self.children(node).fold(ARRAY, |hash, element| mix(hash, self.hash(element))),
            // Members commute, elements do not.
            Shape::Object => self.children(node).fold(OBJECT, |hash, member| {
                hash.wrapping_add(mix(xxh3_64_with_seed(&self.key(member), KEY), self.hash(member)))
            }),
        }
    }

    fn slice(&self, span: Span) -> &'a [u8] {
        self.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }
}

impl Node {
    /// Ascends through a text.
    pub(crate) fn place(&self) -> u32 {
        self.at
    }
}

/// Combines two hashes; not symmetric.
fn mix(left: u64, right: u64) -> u64 {
    let product =
        u128::from(left ^ 0x9e37_79b9_7f4a_7c15) * u128::from(right.rotate_left(29) ^ 0xd6e8_feb8_6659_fd93);
    let folded = (product >> 64) ^ (product & u128::from(u64::MAX));
    u64::try_from(folded).unwrap_or(0).wrapping_add(left.rotate_left(17))
}

/// Levels below a value that are compared without hashes.
const NEAR: usize = 3;
const TEXT: u64 = 3;
const KEY: u64 = 4;
const OBJECT: u64 = 0x0b_7ec7;
const ARRAY: u64 = 0xa7_7a11;

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        /// Values that were compared with others.
        pub(super) static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
    }

    fn equal(left: &str, right: &str) -> bool {
        let (left, right) = (Tree::parse(left.as_bytes()).unwrap(), Tree::parse(right.as_bytes()).unwrap());
        left.hash(left.root().unwrap()) == right.hash(right.root().unwrap())
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
    fn who_asks_at_every_level_looks_at_each_value_a_few_times() {
        let nested =
            |bottom: &str| (2..MAX_DEPTH).fold(format!("[{bottom}]"), |inner, _| format!("[1,2,{inner}]"));
        let check = |left: &str, right: &str, expected: bool| {
            let (left, right) =
                (Tree::parse(left.as_bytes()).unwrap(), Tree::parse(right.as_bytes()).unwrap());
            LOOKED_AT.set(0);
            for (node, others) in left.nodes.iter().zip(&right.nodes) {
                let asked = node.shape == Shape::Array;
                assert!(!asked || left.same(node, &right, others) == expected);
            }
            // Each is within reach of a few above it, and of hashes one was asked for at each level.
            let (count, values) = (LOOKED_AT.get(), left.nodes.len());
            assert!(count <= 4 * values, "{count} times for {values} values");
        };
        check(&nested("7"), &nested("8"), false);
        check(&nested("7"), &nested("7.0"), true);
        check(&nested("7"), &nested("7 "), true);
        check(&nested("{\"a\":1,\"b\":2}"), &nested("{\"b\":2,\"a\":1}"), true);
    }

    /// Everything that can be asked of a tree, as text.
    fn shown(tree: &Tree<'_>, node: &Node) -> String {
        let children: Vec<String> = tree.children(node).map(|child| shown(tree, child)).collect();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (key, value) = (text(&tree.key(node)), text(tree.text(node)));
        format!("{:?} {} {key:?} {value:?} {children:?}", node.shape, node.count)
    }

    #[test]
    fn a_tree_that_takes_over_from_another_is_the_same_tree() {
        let texts = [
            r#"{"a":1,"b":[1,2,3],"c":{"d":"x","e":null}}"#,
            r#"{"a":12,"b":[1,2,3],"c":{"d":"x","e":null}}"#,
            r#"{"a":1,"b":[1,22,3],"c":{"d":"xy","e":null}}"#,
            r#"{"a":1,"new":0,"b":[1,2,3,4],"c":{"e":null}}"#,
            r#"{"b":[0,1,2,3],"a":1,"c":{"d":"x","e":null,"f":[]}}"#,
            r#"{"a":[1,2,3],"b":{"d":"x"},"c":1}"#,
            r#"{ "a": 1, "b": [1, 2, 3], "c": {"d": "x", "e": null} }"#,
            r#"[{"a":1},{"a":1},{"a":2}]"#,
            r#"[{"a":1},{"a":3},{"a":2}]"#,
            "[1]",
            "[12]",
            "[1e5]",
            "[]",
            "{}",
            "7",
        ];
        for (left, right) in texts.iter().flat_map(|left| texts.map(|right| (left, right))) {
            let base = Tree::parse(left.as_bytes()).unwrap();
            let plain = Tree::parse(right.as_bytes()).unwrap();
            let beside = Tree::parse_beside(right.as_bytes(), Some(&base)).unwrap();
            let of = |tree: &Tree<'_>| shown(tree, tree.root().unwrap());
            assert_eq!(of(&beside), of(&plain), "{right} beside {left}");
            assert_eq!(beside.nodes.len(), plain.nodes.len());
        }
    }

    #[test]
    fn what_is_taken_over_is_still_checked() {
        let base = Tree::parse(br#"{"a":[1,2,3],"b":"x"}"#).unwrap();
        for text in [
            r#"{"a":[1,2,3],"b":"x""#,
            r#"{"a":[1,2,3"#,
            r#"{"a":[1,2,3],"b":"x"}}"#,
            r#"{"a":[1,2,3]"b":"x"}"#,
            r#"{"a":[1,2,3x],"b":"x"}"#,
            r#"{"a":[1,2,3,],"b":"x"}"#,
            r#"{"a":[1,2,3],"b":"x","#,
        ] {
            assert_eq!(
                Tree::parse_beside(text.as_bytes(), Some(&base)).unwrap_err(),
                Refusal::Malformed,
                "{text}"
            );
        }
    }
}
