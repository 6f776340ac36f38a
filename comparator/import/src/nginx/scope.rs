//! The variables of one place in the configuration, and what a text with variables is worth there.

use std::collections::BTreeMap;

use super::reading::Reading;
use super::syntax::Directive;
use super::value::{Cases, Text, join, one};
use super::words::{Word, words};
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
            _ => maps::cases(reading, definition, |reading, text| self.text_in(reading, text, depth + 1)),
        }
    }
}

/// Variables that are defined by other variables.
const DEEPEST: usize = 8;
