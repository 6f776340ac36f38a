//! One value of an input together with where it stands, so that every note can say so.

use std::collections::BTreeMap;

use antumbra_policy::document::Tree;

/// One value of an input.
#[derive(Debug, Clone)]
pub(super) struct Part<'a> {
    /// As `VirtualService/shop: http[0].match[1]`.
    pub(super) at: String,
    /// The value.
    pub(super) tree: &'a Tree,
}

impl<'a> Part<'a> {
    /// A value that is called `at`.
    pub(super) fn new(at: impl Into<String>, tree: &'a Tree) -> Self {
        Self { at: at.into(), tree }
    }

    /// The field `key`, unless it is absent or null.
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let tree = self.tree.get(key).filter(|tree| **tree != Tree::Null)?;
        Some(Self { at: self.below(key), tree })
    }

    /// The text of the field `key`.
    pub(super) fn text_of(&self, key: &str) -> Option<String> {
        self.get(key)?.text()
    }

    /// The items of the list in the field `key`; none if there is no list.
    pub(super) fn items_of(&self, key: &str) -> Vec<Self> {
        self.get(key).map(|part| part.items()).unwrap_or_default()
    }

    /// The items of this list; none if it is none.
    pub(super) fn items(&self) -> Vec<Self> {
        let Tree::List(items) = self.tree else { return Vec::new() };
        let numbered = items.iter().enumerate();
        numbered.map(|(index, tree)| Self { at: format!("{}[{index}]", self.at), tree }).collect()
    }

    /// The entries of this mapping; none if it is none.
    pub(super) fn entries(&self) -> Vec<(&'a str, Self)> {
        let Tree::Map(entries) = self.tree else { return Vec::new() };
        entries.iter().map(|(key, tree)| (key.as_str(), Self { at: self.below(key), tree })).collect()
    }

    /// The fields that are not among `known`.
    pub(super) fn others(&self, known: &[&str]) -> Vec<(&'a str, Self)> {
        self.entries().into_iter().filter(|(key, _)| !known.contains(key)).collect()
    }

    /// A scalar as text.
    pub(super) fn text(&self) -> Option<String> {
        match self.tree {
            Tree::Text(text) => Some(text.clone()),
            Tree::Integer(_) | Tree::Float(_) | Tree::Bool(_) => Some(self.tree.to_string()),
            Tree::Null | Tree::List(_) | Tree::Map(_) => None,
        }
    }

    /// One text, or a list of them.
    pub(super) fn texts(&self) -> Vec<String> {
        match self.tree {
            Tree::List(_) => self.items().iter().filter_map(Self::text).collect(),
            _ => self.text().into_iter().collect(),
        }
    }

    /// A number, also one that is written as text.
    pub(super) fn number(&self) -> Option<f64> {
        self.text()?.trim().parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// A weight: a whole number from 0 to ten million.
    pub(super) fn weight(&self) -> Option<u64> {
        self.text()?.trim().parse().ok().filter(|weight| *weight <= LARGEST_WEIGHT)
    }

    /// How the field `key` is called in a note.
    pub(super) fn below(&self, key: &str) -> String {
        match self.at.as_str() {
            "" => key.to_owned(),
            at if at.ends_with(':') => format!("{at} {key}"),
            at => format!("{at}.{key}"),
        }
    }
}

/// The documents of an input, numbered where there are several, so that a note can say which it means.
pub(super) fn roots(documents: &[Tree]) -> Vec<(String, &Tree)> {
    let several = documents.len() > 1;
    let name = |index: usize| if several { format!("document {}:", index + 1) } else { String::new() };
    documents.iter().enumerate().map(|(index, tree)| (name(index), tree)).collect()
}

/// The objects of an input as notes call them, by kind and name, and by namespace as well where these are not enough.
pub(super) fn named(documents: &[Tree]) -> Vec<Part<'_>> {
    let metadata = |tree: &Tree, field: &str| {
        Part::new("", tree).get("metadata").and_then(|metadata| metadata.text_of(field)).unwrap_or_default()
    };
    let key = |tree: &Tree| (Part::new("", tree).text_of("kind").unwrap_or_default(), metadata(tree, "name"));
    let mut times: BTreeMap<(String, String), usize> = BTreeMap::new();
    documents.iter().for_each(|tree| *times.entry(key(tree)).or_default() += 1);
    let called = |tree: &Tree| match key(tree) {
        (kind, name) if times.get(&(kind.clone(), name.clone())).is_some_and(|times| *times > 1) => {
            format!("{kind}/{}/{name}", metadata(tree, "namespace"))
        }
        (kind, name) => format!("{kind}/{name}"),
    };
    documents.iter().map(|tree| Part::new(called(tree), tree)).collect()
}

/// The objects of an input as notes call them, each with what notes about it lead into.
pub(super) fn objects(documents: &[Tree]) -> Vec<(String, &Tree)> {
    named(documents).into_iter().map(|part| (part.at, part.tree.get("spec").unwrap_or(part.tree))).collect()
}

/// So that the sum of a split's weights stays within what a policy takes.
const LARGEST_WEIGHT: u64 = 10_000_000;
