//! What one file says of others: the modules that it declares, what it imports, and which paths it writes.
//!
//! What is compiled for tests alone is not looked at: a test may import what it likes.

use crate::tokens::{Kind, Token, tokens};

/// A module's own text, children that stand in the same file included.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) modules: Vec<Declared>,
    pub(crate) uses: Vec<Use>,
    /// Paths of two segments or more.
    pub(crate) paths: Vec<Path>,
    /// Lines that hold something, tests aside.
    pub(crate) lines: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) name: String,
    /// From `#[path = "…"]`.
    pub(crate) path: Option<String>,
    /// `mod name { … }`.
    pub(crate) inline: Option<Reading>,
}

/// One name that a `use` brings in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) path: Path,
    /// `*` for all names.
    pub(crate) name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

pub(crate) fn read(source: &str) -> Reading {
    let tokens = tokens(source);
    let mut cursor = Cursor { tokens: &tokens, at: 0, tested: 0 };
    let mut reading = Reading::default();
    cursor.module(&mut reading);
    reading.lines = source.lines().count() - cursor.tested;
    reading
}

struct Cursor<'t> {
    tokens: &'t [Token],
    at: usize,
    /// Lines that were passed over, because only tests are there.
    tested: usize,
}

impl Cursor<'_> {
    /// Up to the brace that closes the module, or the end.
    fn module(&mut self, into: &mut Reading) {
        let mut depth = 0_usize;
        let mut path = None;
        while let Some(token) = self.tokens.get(self.at) {
            let before = self.at;
            if token.is("#") {
                path = self.attribute(into).or(path);
            } else if token.is("use") {
                self.at += 1;
                self.tree(&[], &mut into.uses);
            } else if token.is("mod") && self.word(1).is_some() {
                self.declaration(path.take(), into);
            } else if token.word().is_some() {
                into.paths.extend(self.path().filter(|path| path.segments.len() > 1));
            } else {
                depth += usize::from(token.is("{"));
                if token.is("}") {
                    if depth == 0 {
                        return;
                    }
                    depth -= 1;
                }
            }
            if self.at == before {
                self.at += 1;
            }
        }
    }

    fn declaration(&mut self, path: Option<String>, into: &mut Reading) {
        let name = self.word(1).unwrap_or_default().to_owned();
        self.at += 2;
        let inline = self.is(0, "{").then(|| {
            self.at += 1;
            let mut inner = Reading::default();
            self.module(&mut inner);
            self.at += 1;
            inner
        });
        into.modules.push(Declared { name, path, inline });
    }

    /// Passes an attribute, and what follows it if only tests are compiled with that. Answers the file of `#[path]`.
    fn attribute(&mut self, into: &mut Reading) -> Option<String> {
        let inner = self.is(1, "!");
        self.at += 1 + usize::from(inner);
        let start = self.at;
        self.skip_group();
        let tokens = &self.tokens[start..self.at.min(self.tokens.len())];
        let has = |word: &str| tokens.iter().any(|token| token.is(word));
        if has("cfg") && has("test") && !has("not") && !inner {
            self.skip_item();
            return None;
        }
        let mut at = Cursor { tokens, at: 0, tested: 0 };
        while at.at < tokens.len() {
            into.paths.extend(at.path().filter(|path| path.segments.len() > 1));
            at.at += 1;
        }
        into.paths.extend(tokens.iter().filter_map(path_in_text));
        let named = tokens.iter().position(|token| token.is("path"))?;
        match &tokens.get(named + 2)?.kind {
            Kind::Text(text) if named == 1 => Some(text.clone()),
            _ => None,
        }
    }

    /// Attributes, and then everything up to the end of a statement or of a block, whichever is first.
    fn skip_item(&mut self) {
        let from = self.line();
        while self.is(0, "#") {
            self.at += 1;
            self.skip_group();
        }
        while self.at < self.tokens.len() && !self.is(0, ";") {
            let block = self.is(0, "{");
            if block || self.is(0, "(") || self.is(0, "[") {
                self.skip_group();
                if block {
                    self.at -= 1;
                    break;
                }
            } else {
                self.at += 1;
            }
        }
        let to = self.line();
        self.at += 1;
        self.tested += to + 1 - from;
    }

    /// From an opening bracket to behind the one that closes it.
    fn skip_group(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.tokens.get(self.at) {
            self.at += 1;
            depth += usize::from(["{", "(", "["].iter().any(|mark| token.is(mark)));
            if ["}", ")", "]"].iter().any(|mark| token.is(mark)) {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return;
                }
            }
        }
    }

    /// What `use` says, group in group.
    fn tree(&mut self, prefix: &[String], into: &mut Vec<Use>) {
        let (mut segments, line) = (prefix.to_vec(), self.line());
        loop {
            if self.is(0, "::") {
                self.at += 1;
            } else if self.is(0, "{") {
                return self.group(&segments, into);
            } else if self.is(0, "*") {
                self.at += 1;
                return into.push(Use { path: Path { segments, line }, name: "*".to_owned() });
            } else if let Some(word) = self.word(0).filter(|word| *word != "as") {
                segments.push(word.to_owned());
                self.at += 1;
            } else {
                break;
            }
        }
        if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
            segments.pop();
        }
        let renamed = self.is(0, "as").then(|| self.word(1).unwrap_or_default().to_owned());
        self.at += if renamed.is_some() { 2 } else { 0 };
        if let Some(name) = renamed.or_else(|| segments.last().cloned()) {
            into.push(Use { path: Path { segments, line }, name });
        }
    }

    fn group(&mut self, prefix: &[String], into: &mut Vec<Use>) {
        self.at += 1;
        while self.at < self.tokens.len() && !self.is(0, "}") {
            if self.is(0, ",") {
                self.at += 1;
            } else {
                self.tree(prefix, into);
            }
        }
        self.at += 1;
    }

    /// A path in code; a field or a method is none, nor is what follows a generic argument.
    fn path(&mut self) -> Option<Path> {
        let line = self.line();
        let first = self.word(0)?.to_owned();
        let goes_on = self.at > 0 && (self.tokens[self.at - 1].is(".") || self.tokens[self.at - 1].is("::"));
        let mut segments = vec![first];
        while self.is(1, "::") {
            let Some(next) = self.word(2) else { break };
            segments.push(next.to_owned());
            self.at += 2;
        }
        (!goes_on).then_some(Path { segments, line })
    }

    fn word(&self, ahead: usize) -> Option<&str> {
        self.tokens.get(self.at + ahead).and_then(Token::word)
    }

    fn is(&self, ahead: usize, mark: &str) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|token| token.is(mark))
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(0, |token| token.line)
    }
}

/// `#[serde(with = "headers::bounded")]` names a function just as code does.
fn path_in_text(token: &Token) -> Option<Path> {
    let Kind::Text(text) = &token.kind else { return None };
    let segments: Vec<String> = text.split("::").map(str::to_owned).collect();
    let plain = |segment: &String| {
        !segment.is_empty() && segment.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
    };
    (segments.len() > 1 && segments.iter().all(plain)).then_some(Path { segments, line: token.line })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(source: &str) -> Vec<String> {
        let uses = read(source).uses;
        uses.iter().map(|each| format!("{} as {}", each.path.segments.join("::"), each.name)).collect()
    }

    fn paths(source: &str) -> Vec<String> {
        read(source).paths.iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn every_name_of_a_use_is_found() {
        let check = |source: &str, expected: &[&str]| assert_eq!(uses(source), expected, "{source}");
        check("use crate::a;", &["crate::a as a"]);
        check("pub(crate) use super::a::B as C;", &["super::a::B as C"]);
        check(
            "pub use crate::{a::{self, B}, c::*, D};",
            &["crate::a as a", "crate::a::B as B", "crate::c as *", "crate::D as D"],
        );
        check("fn f() { use crate::a::B; }", &["crate::a::B as B"]);
        check("use ::a::B; use {crate::c, d};", &["a::B as B", "crate::c as c", "d as d"]);
    }

    #[test]
    fn paths_in_code_are_found_and_nothing_else() {
        let check = |source: &str, expected: &[&str]| assert_eq!(paths(source), expected, "{source}");
        check("fn f(a: crate::b::C) -> super::D { e::f(a.g) }", &["crate::b::C", "super::D", "e::f"]);
        check("let a = Vec::<crate::b::C>::new();", &["crate::b::C"]);
        check("// crate::a::B\nconst C: &str = \"crate::d::E\";", &[]);
        check("#[serde(with = \"crate::hex\")] struct A;", &["crate::hex"]);
        check("#[arg(value_parser = values::percent)] a: u8", &["values::percent"]);
        check("<A as crate::b::C>::d()", &["crate::b::C"]);
    }

    #[test]
    fn what_only_tests_compile_is_not_looked_at() {
        let check = |source: &str| {
            let reading = read(source);
            assert_eq!(
                reading.paths.iter().map(|path| path.segments.join("::")).collect::<Vec<_>>(),
                ["z::z"]
            );
            assert!(reading.uses.is_empty() && reading.modules.is_empty(), "{source}");
        };
        check("#[cfg(test)] mod tests { use crate::a; }\nfn f() { z::z() }");
        check("#[cfg(test)] mod tests;\nfn f() { z::z() }");
        check("#[cfg(test)] #[path = \"a.rs\"] mod tests;\nfn f() { z::z() }");
        check("#[cfg(test)] use crate::{a, b};\nfn f() { z::z() }");
        check("#[cfg(test)] pub(crate) const A: B = crate::B { a: [1; 2] };\nfn f() { z::z() }");
        check("#[cfg(test)] const fn a() -> [u8; 2] { crate::b::c() }\nfn f() { z::z() }");
        check("#[cfg(all(test, unix))] impl A { fn b() { crate::c::d() } }\nfn f() { z::z() }");
        assert_eq!(paths("#[cfg(not(test))] fn f() { z::z() }"), ["z::z"]);
        assert_eq!(read("fn f() {}\n#[cfg(test)]\nmod tests {\n}\n").lines, 2);
    }

    #[test]
    fn modules_are_found_with_their_files() {
        let modules =
            read("pub mod a;\n#[path = \"x/b.rs\"]\nmod b;\nmod c { use crate::d; mod e; }\nmod f;").modules;
        let names: Vec<_> = modules.iter().map(|each| (each.name.as_str(), each.path.as_deref())).collect();
        assert_eq!(names, [("a", None), ("b", Some("x/b.rs")), ("c", None), ("f", None)]);
        let inner = modules[2].inline.as_ref().unwrap();
        assert_eq!((inner.uses.len(), inner.modules[0].name.as_str()), (1, "e"));
    }
}
