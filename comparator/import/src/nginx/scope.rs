//! The variables of one place in the configuration, and what a text with variables is worth there.

use std::collections::BTreeMap;

use super::reading::Reading;
use super::syntax::Directive;
use super::value::{Cases, Text, join, one};
use super::{geo, maps, shares};

/// The variables that were set so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    sets: BTreeMap<String, Cases<Text>>,
}

impl Scope {
    /// Gives a variable its cases.
    pub(super) fn set(&mut self, name: &str, cases: Cases<Text>) {
        self.sets.insert(name.to_ascii_lowercase(), cases);
    }

    /// What a variable was set to.
    pub(super) fn get(&self, name: &str) -> Option<&Cases<Text>> {
        self.sets.get(&name.to_ascii_lowercase())
    }

    /// The variables that were set.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.sets.keys().map(String::as_str)
    }

    /// What a text with variables can be.
    pub(super) fn text(&self, reading: &mut Reading<'_>, text: &str) -> Cases<Text> {
        self.text_in(reading, text, 0)
    }

    /// What a variable can be.
    pub(super) fn variable(&self, reading: &mut Reading<'_>, name: &str) -> Cases<Text> {
        self.variable_in(reading, name, 0)
    }

    /// What a text can be that stands `depth` definitions deep.
    pub(super) fn text_in(&self, reading: &mut Reading<'_>, text: &str, depth: usize) -> Cases<Text> {
        let mut cases = one(Text::literal(""));
        for word in words(text) {
            let next = match word {
                Word::Literal(text) => one(Text::literal(text)),
                Word::Variable(name) => self.variable_in(reading, &name, depth),
            };
            cases = join(&cases, &next);
        }
        cases
    }

    fn variable_in(&self, reading: &mut Reading<'_>, name: &str, depth: usize) -> Cases<Text> {
        let parameter = name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("arg_"));
        if let Some(cases) = self.get(name).or_else(|| self.get("args").filter(|_| parameter)) {
            return cases.clone();
        }
        if let Some(definition) = reading.config.variable(name) {
            return self.defined(reading, name, definition, depth);
        }
        if reading.config.is_assigned(name) {
            return one(Text::literal(""));
        }
        one(Text::asked(name))
    }

    fn defined(
        &self,
        reading: &mut Reading<'_>,
        name: &str,
        definition: &Directive,
        depth: usize,
    ) -> Cases<Text> {
        if depth >= DEEPEST || !reading.may_follow(definition.block.len()) {
            reading.note(
                definition.at(),
                format!(
                    "${name} is defined through too many other variables, or many entries are looked at in too many places: \
                     what it chooses keeps the old version"
                ),
            );
            return one(Text::Unknown);
        }
        match definition.name.as_str() {
            "split_clients" => shares::cases(reading, name, definition),
            "geo" => geo::cases(reading, definition),
            _ => maps::cases(reading, self, definition, depth + 1),
        }
    }
}

/// A piece of a written text.
pub(super) enum Word {
    /// As it stands.
    Literal(String),
    /// By its name, in which case does not matter.
    Variable(String),
}

/// Literals and variables of a text, as `${a}b$c`. A dollar sign that begins no name is itself.
pub(super) fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut parts = text.split('$');
    words.extend(parts.next().filter(|part| !part.is_empty()).map(|part| Word::Literal(part.to_owned())));
    for part in parts {
        let braced = part.strip_prefix('{').and_then(|part| part.split_once('}'));
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
        let (name, rest) = braced.unwrap_or_else(|| part.split_at(end));
        if name.is_empty() {
            words.push(Word::Literal(format!("${rest}")));
            continue;
        }
        words.push(Word::Variable(name.to_owned()));
        if !rest.is_empty() {
            words.push(Word::Literal(rest.to_owned()));
        }
    }
    words
}

/// The variable that a text is.
pub(super) fn only_variable(text: &str) -> Option<String> {
    match words(text).as_slice() {
        [Word::Variable(name)] => Some(name.clone()),
        _ => None,
    }
}

/// Variables that are defined by other variables.
const DEEPEST: usize = 8;
