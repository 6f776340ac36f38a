//! Reads a text by the grammar of RFC 8259, strictly, and beside another text that was read before.
//!
//! Two answers of one service are mostly the same bytes. Where that is so, and both parsers stand at the same place of the
//! structure, the other's nodes are taken over without reading them again: what was valid there is valid here.

use super::{MAX_BYTES, MAX_DEPTH, MAX_NODES, Node, Shape, Span};
use crate::refusal::Refusal;

/// Reads one text.
pub(super) struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    base: Base<'a>,
    run: Run,
}

/// The text that was read before, and its nodes; nothing, if there is none.
#[derive(Clone, Copy, Default)]
struct Base<'a> {
    text: &'a [u8],
    nodes: &'a [Node],
}

/// Bytes that are the same in both texts.
#[derive(Clone, Copy, Default)]
struct Run {
    /// Within the base's text.
    from: usize,
    until: usize,
    /// How far the text is ahead of the base's, wrapping.
    shift: usize,
}

/// A member's name, as the parser finds it.
#[derive(Clone, Copy, Default)]
struct Key {
    span: Span,
    escaped: bool,
}

/// Siblings of the base that stand where the next values of the text do.
#[derive(Clone, Copy, Default)]
struct Guide {
    next: u32,
    end: u32,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self::beside(text, &[], &[])
    }

    pub(super) fn beside(text: &'a [u8], base: &'a [u8], nodes: &'a [Node]) -> Self {
        let likely = if nodes.is_empty() { text.len() / 16 + 1 } else { nodes.len() + 16 };
        Self {
            text,
            at: 0,
            nodes: Vec::with_capacity(likely.min(MAX_NODES)),
            base: Base { text: base, nodes },
            run: Run::default(),
        }
    }

    /// All nodes of the text, each before those below it.
    pub(super) fn document(mut self) -> Result<Vec<Node>, Refusal> {
        if self.text.len() > MAX_BYTES {
            return Err(Refusal::Size);
        }
        self.blank();
        self.value(Key::default(), 0, Some(0))?;
        self.blank();
        if self.at == self.text.len() { Ok(self.nodes) } else { Err(Refusal::Malformed) }
    }

    /// Reads one value; `like` is the place of the base's.
    fn value(&mut self, key: Key, depth: usize, like: Option<u32>) -> Result<(), Refusal> {
        let (start, mut escaped) = (self.at, false);
        let shape = match self.peek() {
            Some(b'"') => {
                escaped = self.string()?;
                Shape::Text
            }
            Some(b'{') => return self.container(Shape::Object, key, depth, like),
            Some(b'[') => return self.container(Shape::Array, key, depth, like),
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Shape::Number
            }
            Some(b't') => self.word(b"true", Shape::Bool)?,
            Some(b'f') => self.word(b"false", Shape::Bool)?,
            Some(b'n') => self.word(b"null", Shape::Null)?,
            _ => return Err(Refusal::Malformed),
        };
        self.add(shape, escaped, key, start).map(drop)
    }

    /// Adds a node that ends here, and answers its place.
    fn add(&mut self, shape: Shape, escaped: bool, key: Key, start: usize) -> Result<usize, Refusal> {
        let at = self.nodes.len();
        if at >= MAX_NODES {
            return Err(Refusal::Nodes);
        }
        let value = Span { start: place(start), end: place(self.at) };
        self.nodes.push(Node {
            shape,
            escaped,
            key_escaped: key.escaped,
            count: 0,
            at: place(at),
            after: place(at + 1),
            key: key.span,
            value,
        });
        Ok(at)
    }

    fn container(&mut self, shape: Shape, key: Key, depth: usize, like: Option<u32>) -> Result<(), Refusal> {
        if depth >= MAX_DEPTH {
            return Err(Refusal::Depth);
        }
        let at = self.add(shape, false, key, self.at)?;
        self.at += 1;
        self.blank();
        let guide = self.guide(shape, like);
        let count = match shape {
            Shape::Object => self.members(depth + 1, guide)?,
            _ => self.elements(depth + 1, guide)?,
        };
        let (end, after) = (place(self.at), place(self.nodes.len()));
        let node = self.nodes.get_mut(at).ok_or(Refusal::Malformed)?;
        (node.count, node.after, node.value.end) = (count, after, end);
        Ok(())
    }

    fn elements(&mut self, depth: usize, mut guide: Guide) -> Result<u32, Refusal> {
        let mut count = 0;
        if self.take(b']') {
            return Ok(count);
        }
        loop {
            let repeated = self.repeat(&mut guide, false)?;
            if repeated == 0 {
                let like = self.step(&mut guide);
                self.value(Key::default(), depth, like)?;
            }
            count += repeated.max(1);
            if self.ended(b']')? {
                return Ok(count);
            }
        }
    }

    fn members(&mut self, depth: usize, mut guide: Guide) -> Result<u32, Refusal> {
        let mut count = 0;
        if self.take(b'}') {
            return Ok(count);
        }
        loop {
            let repeated = self.repeat(&mut guide, true)?;
            if repeated == 0 {
                let key = self.name()?;
                let like = self.step_to(&mut guide, key);
                self.value(key, depth, like)?;
            }
            count += repeated.max(1);
            if self.ended(b'}')? {
                return Ok(count);
            }
        }
    }

    /// Passes what follows a value in a container: its end, or a comma.
    fn ended(&mut self, close: u8) -> Result<bool, Refusal> {
        self.blank();
        let next = self.peek().filter(|&byte| byte == b',' || byte == close).ok_or(Refusal::Malformed)?;
        self.at += 1;
        if next == b',' {
            self.blank();
        }
        Ok(next == close)
    }

    /// The name of a member, and the colon.
    fn name(&mut self) -> Result<Key, Refusal> {
        if self.peek() != Some(b'"') {
            return Err(Refusal::Malformed);
        }
        let start = self.at + 1;
        let escaped = self.string()?;
        let span = Span { start: place(start), end: place(self.at - 1) };
        self.blank();
        if !self.take(b':') {
            return Err(Refusal::Malformed);
        }
        self.blank();
        Ok(Key { span, escaped })
    }

    /// From the opening quote to behind the closing one; whether escapes stand between.
    fn string(&mut self) -> Result<bool, Refusal> {
        let start = self.at;
        self.at += 1;
        let (mut wide, mut escaped) = (false, false);
        loop {
            wide |= self.plain();
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(byte @ 0x20..) => {
                    wide |= byte >= 0x80;
                    self.at += 1;
                }
                _ => return Err(Refusal::Malformed),
            }
        }
        self.at += 1;
        if wide && std::str::from_utf8(self.text.get(start..self.at).unwrap_or_default()).is_err() {
            return Err(Refusal::Malformed);
        }
        Ok(escaped)
    }

    /// Passes bytes that mean themselves, eight at a time; whether some may be of several to a character.
    fn plain(&mut self) -> bool {
        let mut seen = 0;
        while let Some(word) = self.text.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            let word = u64::from_le_bytes(*word);
            let special = special(word);
            seen |= word;
            if special != 0 {
                self.at += special.trailing_zeros() as usize / 8;
                break;
            }
            self.at += 8;
        }
        seen & HIGH != 0
    }

    fn escape(&mut self) -> Result<(), Refusal> {
        let letter = self.text.get(self.at + 1).ok_or(Refusal::Malformed)?;
        self.at += 2;
        let fine = if *letter == b'u' {
            let digits = self.text.get(self.at..self.at + 4).ok_or(Refusal::Malformed)?;
            self.at += 4;
            digits.iter().all(u8::is_ascii_hexdigit)
        } else {
            br#""\/bfnrt"#.contains(letter)
        };
        if fine { Ok(()) } else { Err(Refusal::Malformed) }
    }

    fn number(&mut self) -> Result<(), Refusal> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<(), Refusal> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count > 0 { Ok(()) } else { Err(Refusal::Malformed) }
    }

    fn word(&mut self, word: &[u8], shape: Shape) -> Result<Shape, Refusal> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return Err(Refusal::Malformed);
        }
        self.at += word.len();
        Ok(shape)
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

/// What has to do with the base.
impl Parser<'_> {
    /// The children of the base's value, if it is a container of the same shape.
    fn guide(&self, shape: Shape, like: Option<u32>) -> Guide {
        let node = like.and_then(|like| self.base.nodes.get(like as usize));
        node.filter(|node| node.shape == shape)
            .map_or(Guide::default(), |node| Guide { next: node.at + 1, end: node.after })
    }

    /// The base's next sibling, passing it.
    fn step(&self, guide: &mut Guide) -> Option<u32> {
        let node = self.sibling(guide.next, *guide)?;
        guide.next = node.after;
        Some(node.at)
    }

    /// The base's next member, or the one after it, if it has this name, passing it.
    fn step_to(&self, guide: &mut Guide, key: Key) -> Option<u32> {
        let name = slice(self.text, key.span)?;
        let named = |node: &&Node| slice(self.base.text, node.key) == Some(name);
        let next = self.sibling(guide.next, *guide)?;
        let node = Some(next).filter(named).or_else(|| self.sibling(next.after, *guide).filter(named))?;
        guide.next = node.after;
        Some(node.at)
    }

    fn sibling(&self, at: u32, guide: Guide) -> Option<&Node> {
        if at < guide.end { self.base.nodes.get(at as usize) } else { None }
    }

    /// Takes over the base's next siblings, as far as they stand here byte by byte and a byte more, which shows that a
    /// number ends there, too. Answers how many.
    fn repeat(&mut self, guide: &mut Guide, members: bool) -> Result<u32, Refusal> {
        let Some(first) = self.sibling(guide.next, *guide) else { return Ok(0) };
        let from = if members { first.key.start as usize - 1 } else { first.value.start as usize };
        let until = self.same_until(from);
        let (mut count, mut next, mut end) = (0, guide.next, from);
        while let Some(node) = self.sibling(next, *guide).filter(|node| (node.value.end as usize) < until) {
            (count, next, end) = (count + 1, node.after, node.value.end as usize);
        }
        if count > 0 {
            self.take_over(guide.next, next, from)?;
            self.at += end - from;
            guide.next = next;
        }
        Ok(count)
    }

    /// How far the base's text from `from` on is what stands here.
    fn same_until(&mut self, from: usize) -> usize {
        let shift = self.at.wrapping_sub(from);
        if self.run.shift != shift || !(self.run.from..self.run.until).contains(&from) {
            let (left, right) = (self.base.text.get(from..), self.text.get(self.at..));
            let same = common(left.unwrap_or_default(), right.unwrap_or_default());
            self.run = Run { from, until: from + same, shift };
        }
        self.run.until
    }

    fn take_over(&mut self, first: u32, end: u32, from: usize) -> Result<(), Refusal> {
        let nodes = self.base.nodes.get(first as usize..end as usize).unwrap_or_default();
        if self.nodes.len() + nodes.len() > MAX_NODES {
            return Err(Refusal::Nodes);
        }
        let (text, place) =
            (place(self.at).wrapping_sub(place(from)), place(self.nodes.len()).wrapping_sub(first));
        self.nodes.extend(nodes.iter().map(|node| node.moved(text, place)));
        Ok(())
    }
}

impl Node {
    fn moved(self, text: u32, place: u32) -> Self {
        let at = self.at.wrapping_add(place);
        let after = self.after.wrapping_add(place);
        Self { at, after, key: self.key.moved(text), value: self.value.moved(text), ..self }
    }
}

impl Span {
    fn moved(self, by: u32) -> Self {
        Self { start: self.start.wrapping_add(by), end: self.end.wrapping_add(by) }
    }
}

fn slice(text: &[u8], span: Span) -> Option<&[u8]> {
    text.get(span.start as usize..span.end as usize)
}

/// How many bytes two texts begin with alike.
fn common(left: &[u8], right: &[u8]) -> usize {
    let blocks = left.as_chunks::<64>().0.iter().zip(right.as_chunks::<64>().0);
    let same = 64 * blocks.take_while(|(left, right)| left == right).count();
    let (left, right) = (left.get(same..).unwrap_or_default(), right.get(same..).unwrap_or_default());
    let (words, others) = (left.as_chunks::<8>().0.iter(), right.as_chunks::<8>().0);
    let mut at = same;
    for (word, other) in words.zip(others) {
        let unlike = u64::from_le_bytes(*word) ^ u64::from_le_bytes(*other);
        if unlike != 0 {
            return at + unlike.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = left.iter().zip(right).skip(at - same);
    at + rest.take_while(|(left, right)| left == right).count()
}

/// The highest bit of each byte that ends plain text: a quote, a backslash, a control character. Behind the first, bits may
/// be set that mean nothing.
fn special(word: u64) -> u64 {
    let zero = |bytes: u64| bytes.wrapping_sub(ONES) & !bytes;
    let quote = zero(word ^ (ONES * 0x22));
    let backslash = zero(word ^ (ONES * 0x5c));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & HIGH
}

/// A place in a text or tree, which are below 4 GiB.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

const ONES: u64 = u64::MAX / 0xff;
const HIGH: u64 = ONES << 7;

#[cfg(test)]
mod tests {
    use super::super::Tree;
    use super::*;

    #[test]
    fn each_limit_has_its_own_refusal() {
        let check = |text: &str, expected: Refusal| {
            assert_eq!(Tree::parse(text.as_bytes()).unwrap_err(), expected);
        };
        check(&"[".repeat(1_000_000), Refusal::Depth);
        check(&"{\"a\":".repeat(1_000_000), Refusal::Depth);
        check(&format!("[{}0]", "0,".repeat(MAX_NODES)), Refusal::Nodes);
        let keys: String = (0..1_000_000).map(|key| format!("\"k{key}\":1,")).collect();
        check(&format!("{{{keys}\"k\":1}}"), Refusal::Nodes);
        check(&" ".repeat(MAX_BYTES + 1), Refusal::Size);
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        check(&nested(MAX_DEPTH + 1), Refusal::Depth);
        assert!(Tree::parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(Tree::parse(format!("[{}0]", "0,".repeat(MAX_NODES - 2)).as_bytes()).is_ok());
    }

    #[test]
    fn nodes_that_are_taken_over_count() {
        let wide = |count, tail: &str| format!("[{}{tail}]", "0,".repeat(count));
        let left = wide(MAX_NODES - 2, "1");
        let base = Tree::parse(left.as_bytes()).unwrap();
        let right = wide(MAX_NODES - 2, "2,2");
        assert_eq!(Tree::parse_beside(right.as_bytes(), Some(&base)).unwrap_err(), Refusal::Nodes);
    }

    #[test]
    fn special_bytes_are_found_wherever_they_stand() {
        for byte in 0..=255_u8 {
            for at in 0..8 {
                let mut word = *b"a\x80 \xffz}\x7f~";
                word[at] = byte;
                let found = special(u64::from_le_bytes(word));
                let expected = matches!(byte, b'"' | b'\\' | 0..=0x1f);
                assert_eq!(found != 0, expected, "{byte:#x} at {at}");
                assert!(!expected || found.trailing_zeros() as usize / 8 == at, "{byte:#x} at {at}");
            }
        }
    }

    #[test]
    fn common_beginnings() {
        for length in [0, 1, 63, 64, 65, 200] {
            let left = vec![b'a'; length];
            assert_eq!(common(&left, &left), length);
            for at in 0..length {
                let mut right = left.clone();
                right[at] = b'b';
                assert_eq!(common(&left, &right), at);
                assert_eq!(common(&left, &left[..at]), at);
            }
        }
    }
}
