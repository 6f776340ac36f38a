//! A predicate on one value, in the policy's words.

use antumbra_policy::document::Tree;

/// Tests that must all hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Predicate(Vec<(&'static str, Tree)>);

impl Predicate {
    /// `exact`.
    pub(crate) fn exact(text: impl Into<String>) -> Self {
        Self::text("exact", text)
    }

    /// One test of a text, as `prefix` or `search`.
    pub(crate) fn text(test: &'static str, text: impl Into<String>) -> Self {
        Self(vec![(test, Tree::Text(text.into()))])
    }

    /// One test of a number, as `gt`.
    pub(crate) fn number(test: &'static str, number: f64) -> Self {
        Self(vec![(test, whole(number))])
    }

    /// `range`, both ends included.
    pub(crate) fn range(first: i64, last: i64) -> Self {
        Self(vec![("range", Tree::List(vec![Tree::Integer(first), Tree::Integer(last)]))])
    }

    /// `in`, or `exact` if it is one.
    pub(crate) fn one_of(mut texts: Vec<String>) -> Self {
        texts.dedup();
        match texts.as_slice() {
            [only] => Self::exact(only),
            _ => Self(vec![("in", Tree::List(texts.into_iter().map(Tree::Text).collect()))]),
        }
    }

    /// `exists`.
    pub(crate) fn exists(expected: bool) -> Self {
        Self(vec![("exists", Tree::Bool(expected))])
    }

    /// With `ignoreCase` if `ignore`.
    pub(crate) fn ignoring_case(mut self, ignore: bool) -> Self {
        if ignore {
            self.0.push(("ignoreCase", Tree::Bool(true)));
        }
        self
    }

    /// `not`.
    pub(crate) fn negated(&self) -> Self {
        match self.0.as_slice() {
            [("exists", Tree::Bool(expected))] => Self::exists(!expected),
            _ => Self(vec![("not", self.to_tree())]),
        }
    }

    /// Both, if one mapping can say so.
    pub(crate) fn and(&self, other: &Self) -> Option<Self> {
        let apart = |name: &str| {
            name != "ignoreCase" && other.0.iter().all(|(known, _)| *known != name && *known != "ignoreCase")
        };
        self.0.iter().all(|(name, _)| apart(name)).then(|| Self([self.0.as_slice(), &other.0].concat()))
    }

    /// Itself, or alternatives that say the same where it lists more than `most` texts.
    pub(crate) fn chunks(self, most: usize) -> Result<Self, Vec<Self>> {
        match self.0.as_slice() {
            [("in", Tree::List(items)), rest @ ..] if items.len() > most => {
                let part = |items: &[Tree]| {
                    let list = ("in", Tree::List(items.to_vec()));
                    Self(std::iter::once(list).chain(rest.iter().cloned()).collect())
                };
                Err(items.chunks(most).map(part).collect())
            }
            _ => Ok(self),
        }
    }

    /// The names of its tests.
    pub(crate) fn tests(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(name, _)| *name)
    }

    /// The texts of a test.
    pub(crate) fn texts(&self, test: &str) -> Vec<&str> {
        let found = self.0.iter().find(|(name, _)| *name == test).map(|(_, tree)| tree);
        match found {
            Some(Tree::Text(text)) => vec![text],
            Some(Tree::List(items)) => items
                .iter()
                .filter_map(|item| if let Tree::Text(text) = item { Some(text.as_str()) } else { None })
                .collect(),
            _ => Vec::new(),
        }
    }

    /// As a policy writes it: `exact` alone is the bare value.
    pub(crate) fn to_tree(&self) -> Tree {
        match self.0.as_slice() {
            [("exact", text)] => text.clone(),
            tests => Tree::Map(tests.iter().map(|(name, tree)| ((*name).to_owned(), tree.clone())).collect()),
        }
    }

    /// The values of `exact` or `in` alone, as `ip` takes them and `method` and `host` may.
    pub(crate) fn values(&self) -> Tree {
        self.0.first().map_or(Tree::Null, |(_, tree)| tree.clone())
    }
}

/// A whole number is written as one.
pub(crate) fn whole(number: f64) -> Tree {
    #[expect(clippy::cast_possible_truncation, reason = "within what a double holds exactly")]
    if number.fract() == 0.0 && number.abs() < 9e15 {
        Tree::Integer(number as i64)
    } else {
        Tree::Float(number)
    }
}
