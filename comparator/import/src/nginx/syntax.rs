//! nginx's syntax: directives of words, ended by `;` or a block. It is read tolerantly, but never without a bound.

mod lua;

use std::rc::Rc;

use crate::ImportError;

/// One directive.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Directive {
    /// Its first word.
    pub(super) name: String,
    /// The words behind it, without quotes.
    pub(super) args: Vec<String>,
    /// What stands between its braces.
    pub(super) block: Vec<Directive>,
    file: Rc<str>,
    line: usize,
}

impl Directive {
    /// Where it stands: its line, behind the name of its file if there are several.
    pub(super) fn at(&self) -> String {
        let Self { file, line, .. } = self;
        if file.is_empty() { format!("line {line}") } else { format!("{file} line {line}") }
    }

    /// The same with another block.
    pub(super) fn with(&self, block: Vec<Directive>) -> Self {
        let Self { name, args, file, line, .. } = self;
        Self { name: name.clone(), args: args.clone(), block, file: Rc::clone(file), line: *line }
    }

    /// The location of all paths, with what stands in it.
    pub(super) fn location(block: Vec<Directive>) -> Self {
        let (file, line) =
            block.first().map_or_else(|| ("".into(), 1), |first| (Rc::clone(&first.file), first.line));
        Self { name: "location".to_owned(), args: vec!["/".to_owned()], block, file, line }
    }

    /// A word behind the name; empty if there is none.
    pub(super) fn text(&self, index: usize) -> &str {
        self.args.get(index).map_or("", String::as_str)
    }
}

/// Whether a directive sends the request on.
pub(super) fn is_pass(directive: &Directive) -> bool {
    matches!(directive.name.as_str(), "proxy_pass" | "grpc_pass")
}

/// Whether a directive sends the request on by other means than HTTP.
pub(super) fn is_program(directive: &Directive) -> bool {
    PROGRAMS.contains(&directive.name.as_str())
}

/// Reads a whole file; `file` is its name, empty if it is the only one.
///
/// # Errors
/// A quote or a block that is not closed, or blocks that are nested too deeply.
pub(super) fn parse(text: &str, file: &str) -> Result<Vec<Directive>, ImportError> {
    let mut reader = Reader { rest: text, file: file.into(), line: 1 };
    reader.directives(0)
}

struct Reader<'t> {
    rest: &'t str,
    file: Rc<str>,
    line: usize,
}

enum Token {
    Word(String),
    Open,
    Close,
    Semicolon,
    End,
}

impl Reader<'_> {
    fn directives(&mut self, depth: usize) -> Result<Vec<Directive>, ImportError> {
        let mut directives = Vec::new();
        let mut words: Vec<String> = Vec::new();
        let mut line = self.line;
        loop {
            let token = self.token()?;
            let block = match token {
                Token::Word(word) => {
                    if words.is_empty() {
                        line = self.line;
                    }
                    words.push(word);
                    continue;
                }
                Token::Semicolon => Vec::new(),
                Token::Open if words.first().is_some_and(|name| name.ends_with("_by_lua_block")) => {
                    self.skip_block()?;
                    Vec::new()
                }
                Token::Open if depth >= DEEPEST => {
                    return Err(self.error(format!(
                        "opens a block in {DEEPEST} others, which is the most that is read"
                    )));
                }
                Token::Open => self.directives(depth + 1)?,
                Token::Close if depth > 0 && words.is_empty() => return Ok(directives),
                Token::Close => {
                    return Err(
                        self.error("has a '}' that ends no block, or a directive without ';'".to_owned())
                    );
                }
                Token::End if depth == 0 && words.is_empty() => return Ok(directives),
                Token::End => {
                    return Err(self.error("is the last, but a block or a directive is not ended".to_owned()));
                }
            };
            let mut rest = std::mem::take(&mut words).into_iter();
            if let Some(name) = rest.next() {
                let file = Rc::clone(&self.file);
                directives.push(Directive { name, args: rest.collect(), block, file, line });
            }
        }
    }

    fn token(&mut self) -> Result<Token, ImportError> {
        self.skip_blanks();
        match self.peek() {
            None => Ok(Token::End),
            Some('{') => Ok(self.take(Token::Open)),
            Some('}') => Ok(self.take(Token::Close)),
            Some(';') => Ok(self.take(Token::Semicolon)),
            Some(quote @ ('"' | '\'')) => self.quoted(quote),
            Some(_) => Ok(Token::Word(self.bare())),
        }
    }

    fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some('#') => {
                    let end = self.rest.find('\n').unwrap_or(self.rest.len());
                    self.rest = self.rest.get(end..).unwrap_or_default();
                }
                Some(c) if c.is_whitespace() || c == '\u{feff}' => {
                    self.next();
                }
                _ => return,
            }
        }
    }

    fn quoted(&mut self, quote: char) -> Result<Token, ImportError> {
        let opened = self.line;
        self.next();
        let mut word = String::new();
        while let Some(c) = self.next() {
            match c {
                '\\' => self.escaped(&mut word),
                c if c == quote => return Ok(Token::Word(word)),
                c => word.push(c),
            }
        }
        Err(self.error_at(opened, format!("opens a quote {quote} that is not closed")))
    }

    fn bare(&mut self) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek() {
            let variable = c == '{' && word.ends_with('$');
            if c.is_whitespace() || c == ';' || (c == '{' && !variable) {
                break;
            }
            self.next();
            if c == '\\' { self.escaped(&mut word) } else { word.push(c) }
        }
        word
    }

    /// A backslash goes before a quote or another one, makes control characters of `t`, `r` and `n`, and stays before all
    /// else, as in a regular expression.
    fn escaped(&mut self, word: &mut String) {
        match self.next() {
            Some('t') => word.push('\t'),
            Some('r') => word.push('\r'),
            Some('n') => word.push('\n'),
            Some(c @ ('"' | '\'' | '\\')) => word.push(c),
            Some(c) => word.extend(['\\', c]),
            None => word.push('\\'),
        }
    }

    /// Lua between braces.
    fn skip_block(&mut self) -> Result<(), ImportError> {
        let Some((block, rest)) =
            lua::length(self.rest).and_then(|length| self.rest.split_at_checked(length))
        else {
            return Err(self.error("opens a block of Lua that is not ended".to_owned()));
        };
        self.line += block.matches('\n').count();
        self.rest = rest;
        Ok(())
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        self.line += usize::from(next == Some('\n'));
        next
    }

    fn take(&mut self, token: Token) -> Token {
        self.next();
        token
    }

    fn error(&self, problem: String) -> ImportError {
        self.error_at(self.line, problem)
    }

    fn error_at(&self, line: usize, problem: String) -> ImportError {
        let problem = if self.file.is_empty() { problem } else { format!("of {} {problem}", self.file) };
        ImportError::Syntax { line, problem }
    }
}

/// Blocks within blocks.
const DEEPEST: usize = 32;
const PROGRAMS: [&str; 5] = ["fastcgi_pass", "uwsgi_pass", "scgi_pass", "memcached_pass", "redis_pass"];

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(directives: &[Directive]) -> String {
        let one = |directive: &Directive| {
            let block = shown(&directive.block);
            format!("{}:{}{:?}{{{block}}}", directive.line, directive.name, directive.args)
        };
        directives.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_quotes_comments_and_blocks() {
        for (text, expected) in [
            ("a b 'c d'; # e;\nf;", r#"1:a["b", "c d"]{} 2:f[]{}"#),
            ("map $x ${y}z { \"~*^a{2}\\\"$\" b; }", r#"1:map["$x", "${y}z"]{1:~*^a{2}"$["b"]{}}"#),
            ("if ($a = \"\") { return 204; }", r#"1:if["($a", "=", "", ")"]{1:return["204"]{}}"#),
            (r"location ~ \.php$ {}", r#"1:location["~", "\\.php$"]{}"#),
            ("content_by_lua_block { if x then y({1}) end } b;", "1:content_by_lua_block[]{} 1:b[]{}"),
            ("set_by_lua_block $x {\n-- }\nreturn '{'\n} b;", r#"1:set_by_lua_block["$x"]{} 4:b[]{}"#),
            ("", ""),
        ] {
            assert_eq!(shown(&parse(text, "").unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_closed() {
        let deep = "a {".repeat(40);
        for (text, expected) in [
            ("a {", "line 1 is the last, but a block or a directive is not ended"),
            ("a\n\n", "line 3 is the last, but a block or a directive is not ended"),
            ("\n}", "line 2 has a '}' that ends no block, or a directive without ';'"),
            ("a { b }", "line 1 has a '}' that ends no block, or a directive without ';'"),
            ("a 'b", "line 1 opens a quote ' that is not closed"),
            ("\nx_by_lua_block { {\n", "line 2 opens a block of Lua that is not ended"),
            (&deep, "line 1 opens a block in 32 others, which is the most that is read"),
        ] {
            assert_eq!(parse(text, "").unwrap_err().to_string(), expected, "{text}");
        }
    }
}
