//! The words and marks of a Rust source, with comments gone and every literal reduced to what it says.
//!
//! Not a compiler's lexer: it knows enough that no text in a comment, a string or a character passes for code, and that a
//! lifetime is no character.

/// A word, a mark, or a literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Counted from 1.
    pub(crate) line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier, a keyword or a number.
    Word(String),
    /// The text of a string literal, escapes unread.
    Text(String),
    /// `::` as one, else a single character.
    Mark(&'static str),
    /// A mark that no reader of ours asks for.
    Other,
}

impl Token {
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(crate) fn is(&self, mark: &str) -> bool {
        match &self.kind {
            Kind::Mark(found) => *found == mark,
            Kind::Word(found) => found == mark,
            _ => false,
        }
    }
}

pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Reader { rest: source, line: 1, found: Vec::new() };
    while let Some(first) = reader.rest.chars().next() {
        reader.step(first);
    }
    reader.found
}

struct Reader<'s> {
    rest: &'s str,
    line: usize,
    found: Vec<Token>,
}

impl Reader<'_> {
    fn step(&mut self, first: char) {
        let rest = self.rest;
        if first.is_whitespace() {
            self.skip(first.len_utf8());
        } else if rest.starts_with("//") {
            self.skip(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.skip(block_comment(rest));
        } else if let Some(literal) = string(rest) {
            self.push(Kind::Text(literal.text.to_owned()), literal.length);
        } else if first == '\'' {
            self.quoted();
        } else if first == '_' || first.is_alphanumeric() {
            self.word();
        } else if rest.starts_with("::") {
            self.push(Kind::Mark("::"), 2);
        } else {
            let mark = MARKS.iter().find(|mark| rest.starts_with(**mark));
            self.push(mark.map_or(Kind::Other, |mark| Kind::Mark(mark)), first.len_utf8());
        }
    }

    fn word(&mut self) {
        let raw = if self.rest.starts_with("r#") { 2 } else { 0 };
        let end = self.rest[raw..].find(|c: char| c != '_' && !c.is_alphanumeric());
        let end = end.map_or(self.rest.len(), |end| end + raw);
        self.push(Kind::Word(self.rest[raw..end].to_owned()), end);
    }

    /// A character, or a lifetime: that has no closing quote right behind it.
    fn quoted(&mut self) {
        let mut behind = self.rest[1..].char_indices();
        let escaped = matches!(behind.next(), Some((_, '\\')));
        let closing = if escaped {
            behind.next();
            behind.find(|(_, c)| *c == '\'').map(|(at, _)| at)
        } else {
            behind.next().filter(|(_, c)| *c == '\'').map(|(at, _)| at)
        };
        match closing {
            Some(at) => self.push(Kind::Other, at + 2),
            None => self.push(Kind::Other, 1),
        }
    }

    fn push(&mut self, kind: Kind, length: usize) {
        self.found.push(Token { kind, line: self.line });
        self.skip(length);
    }

    fn skip(&mut self, length: usize) {
        self.line += self.rest[..length].matches('\n').count();
        self.rest = &self.rest[length..];
    }
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

struct Literal<'s> {
    text: &'s str,
    length: usize,
}

/// A string that begins here, of whatever kind: `""`, `b""`, `c""`, `r#""#`, `br""`, `cr""`.
fn string(rest: &str) -> Option<Literal<'_>> {
    let prefix = rest.find(|c: char| !"bcr".contains(c))?;
    let raw = rest[..prefix].ends_with('r');
    let hashes = rest[prefix..].find(|c| c != '#')?;
    let start = prefix + hashes + 1;
    if prefix > 2 || !rest[prefix + hashes..].starts_with('"') || (hashes > 0 && !raw) {
        return None;
    }
    let closing = format!("\"{}", "#".repeat(hashes));
    let end = if raw { rest[start..].find(&closing)? } else { unescaped_quote(&rest[start..])? };
    Some(Literal { text: &rest[start..start + end], length: start + end + closing.len() })
}

fn unescaped_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(at)
    })
}

const MARKS: [&str; 13] = ["{", "}", "(", ")", "[", "]", ";", ",", "*", "#", "!", ".", "="];

#[test]
fn no_text_passes_for_code() {
    let words = |source: &str| -> Vec<String> {
        tokens(source).iter().filter_map(|token| token.word().map(str::to_owned)).collect()
    };
    let check = |source: &str, expected: &[&str]| assert_eq!(words(source), expected, "{source}");
    check("a // b\nc /* d /* e */ f */ g", &["a", "c", "g"]);
    check(r#"a "b \" c" d"#, &["a", "d"]);
    check(r##"a r#"b " c"# d br"e\" f"##, &["a", "d", "f"]);
    check(r"a 'b' c '\'' d '\u{1F600}' e 'é' f", &["a", "c", "d", "e", "f"]);
    check("fn a<'b>(c: &'b d) {}", &["fn", "a", "b", "c", "b", "d"]);
    check("b'c' r#type", &["b", "type"]);
    assert_eq!(tokens("a\n\"b\nc\"\nd").last().map(|token| token.line), Some(4));
}
