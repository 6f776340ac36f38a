//! Reading what a person wrote: a tree that keeps the document's order, and a reader that collects every problem.
//!
//! Deriving `Deserialize` would stop at the first error and lose the order of keys, and the order of weights decides
//! who moves when a share changes. So a document is first a [`Tree`], whatever the format it was written in, and then
//! read field by field: a problem names path, value and bound, and reading goes on to find the next one.

mod cost;
mod problem;
mod tree;
mod words;

pub use cost::Cost;
use cost::Costs;
pub use problem::{Invalid, Problem};
pub use tree::Tree;
pub(crate) use words::{MAX_NAME, suggestion};
use words::{decimal, nearest, span};
pub use words::{is_name, parse_duration};

use crate::order;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

/// Where problems are collected while a document is read.
#[derive(Debug, Default)]
pub struct Problems {
    /// The first [`MAX_PROBLEMS`].
    found: RefCell<Vec<Problem>>,
    more: Cell<usize>,
    costs: Costs,
}

impl Problems {
    /// The whole document as the field that reading begins with.
    pub fn root<'a>(&'a self, tree: &'a Tree) -> Field<'a> {
        Field { path: Rc::new(Path::Root), tree, problems: self }
    }

    /// Answers the compiled value if nothing was wrong.
    ///
    /// # Errors
    /// Everything that was wrong.
    pub fn finish<T>(self, compiled: Option<T>) -> Result<T, Invalid> {
        let mut problems = self.found.into_inner();
        if let more @ 1.. = self.more.get() {
            problems.push(Problem { path: ROOT.to_owned(), message: format!("has {more} more problems") });
        }
        match compiled {
            Some(value) if problems.is_empty() => Ok(value),
            _ if problems.is_empty() => Err(Invalid::single(ROOT, "is incomplete".to_owned())),
            _ => Err(Invalid { problems }),
        }
    }

    /// Whether more are only counted.
    fn is_full(&self) -> bool {
        self.found.borrow().len() >= MAX_PROBLEMS
    }

    fn add(&self, path: impl FnOnce() -> String, message: String) {
        if self.is_full() {
            self.more.set(self.more.get().saturating_add(1));
        } else {
            let problem = Problem { path: path(), message };
            self.found.borrow_mut().push(problem);
        }
    }
}

/// Problems that are told one by one. Whoever mends a thousand does not miss the others yet.
const MAX_PROBLEMS: usize = 1_000;
/// The path of the whole.
const ROOT: &str = "document";

/// One value of a document together with its path. Each reading method answers `None` after it noted a problem.
#[derive(Clone)]
pub struct Field<'a> {
    path: Rc<Path<'a>>,
    tree: &'a Tree,
    problems: &'a Problems,
}

/// The way to a field. It becomes text only for a problem: a list may have 100,000 items.
enum Path<'a> {
    Root,
    Name(Rc<Path<'a>>, &'a str),
    Item(Rc<Path<'a>>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Name(parent, name) => {
                let dot = if matches!(**parent, Self::Root) { "" } else { "." };
                if name.is_empty() || name.contains(char::is_control) {
                    return write!(f, "{parent}{dot}{name:?}");
                }
                write!(f, "{parent}{dot}{name}")
            }
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

impl<'a> Field<'a> {
    /// The field's value as it was written.
    pub fn tree(&self) -> &'a Tree {
        self.tree
    }

    /// Notes that this value breaks a rule: `must be within 0..=100` becomes `<path> is <value>, must be within …`.
    pub fn problem(&self, rule: impl fmt::Display) {
        self.note(format!("is {}, {rule}", self.tree));
    }

    /// Notes a problem of the field in words of its own; its path is put before them.
    pub fn note(&self, message: String) {
        self.problems.add(|| self.path(), message);
    }

    /// Counts what this value costs once it is compiled, among the costs of the document.
    pub(crate) fn spend(&self, cost: Cost) {
        self.problems.costs.add(cost, || self.path());
    }

    /// Counts likewise what the value at `path` costs.
    pub(crate) fn spend_at(&self, path: &str, cost: Cost) {
        self.problems.costs.add(cost, || path.to_owned());
    }

    /// What all costs together, once it is read. A sum beyond the budget is noted here, with the places that cost most.
    pub(crate) fn total_cost(&self) -> Option<Cost> {
        let beyond = self.problems.costs.beyond();
        let fits = beyond.is_empty();
        beyond.into_iter().for_each(|message| self.note(message));
        fits.then(|| self.problems.costs.total())
    }

    /// Notes a problem of the value at `path`.
    pub(crate) fn note_at(&self, path: String, message: String) {
        self.problems.add(|| path, message);
    }

    /// Where it stands in the document, as `rules[2].mirror[0].percent`.
    pub fn path(&self) -> String {
        match &*self.path {
            Path::Root => ROOT.to_owned(),
            path => path.to_string(),
        }
    }

    /// Notes that the field's value, a `name` of this `kind`, is not among those known, and which of them is nearest.
    pub fn unknown_name<'n>(&self, kind: &str, name: &str, known: impl IntoIterator<Item = &'n str>) {
        self.note(format!("is {name:?}, not a known {kind}{}", suggestion(name, known)));
    }

    /// Reads a mapping whose keys must be among `known`; each key beyond them, and each that is repeated, is noted.
    pub fn map(&self, known: &[&str]) -> Option<Map<'a>> {
        let entries = self.entries()?;
        for entry in entries.iter().filter(|(name, _)| !known.contains(name)) {
            let full = self.problems.is_full();
            let near = if full { String::new() } else { suggestion(entry.0, known.iter().copied()) };
            entry.1.note(format!("is not a known field{near}"));
        }
        Some(Map { field: self.clone(), entries })
    }

    /// Reads a mapping with keys of the writer's choice, in order; a repeated key is noted.
    pub fn entries(&self) -> Option<Vec<(&'a str, Field<'a>)>> {
        let Tree::Map(entries) = self.tree else {
            self.problem("must be a mapping");
            return None;
        };
        let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
        let repeated = order::repeated(&names);
        let mut read = Vec::with_capacity(entries.len());
        for ((name, tree), repeated) in entries.iter().zip(repeated) {
            let field = self.child(Path::Name(Rc::clone(&self.path), name), tree);
            if repeated {
                field.note("is given twice".to_owned());
            } else {
                read.push((name.as_str(), field));
            }
        }
        Some(read)
    }

    /// Reads a list with a number of items within `bounds`.
    pub fn list(&self, bounds: RangeInclusive<usize>) -> Option<Vec<Field<'a>>> {
        let Tree::List(items) = self.tree else {
            self.problem("must be a list");
            return None;
        };
        if !bounds.contains(&items.len()) {
            self.note(format!("has {} items, must have {}..={}", items.len(), bounds.start(), bounds.end()));
            return None;
        }
        Some(
            items
                .iter()
                .enumerate()
                .map(|(i, tree)| self.child(Path::Item(Rc::clone(&self.path), i), tree))
                .collect(),
        )
    }

    /// Reads a list with a number of items within `bounds`, or one bare item in place of a list of one.
    pub fn one_or_more(&self, bounds: RangeInclusive<usize>) -> Option<Vec<Field<'a>>> {
        match self.tree {
            Tree::List(_) => self.list(bounds),
            _ => Some(vec![self.clone()]),
        }
    }

    /// Reads each item of a list with `read`; `None` if one of them cannot be read, after all were tried.
    pub fn each<T>(
        &self,
        bounds: RangeInclusive<usize>,
        read: impl FnMut(&Field<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        all(&self.list(bounds)?, read)
    }

    /// Reads each item of a list, or one bare item in place of a list of one, with `read`; `None` if one of them cannot be read,
    /// after all were tried.
    pub fn each_or_one<T>(
        &self,
        bounds: RangeInclusive<usize>,
        read: impl FnMut(&Field<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        all(&self.one_or_more(bounds)?, read)
    }

    /// Reads a list of exactly two items.
    pub fn pair(&self) -> Option<(Field<'a>, Field<'a>)> {
        let Tree::List(items) = self.tree else { return self.refuse("must be a list of two") };
        let [first, second] = items.as_slice() else {
            self.note(format!("has {} items, must have 2", items.len()));
            return None;
        };
        let item = |index, tree| self.child(Path::Item(Rc::clone(&self.path), index), tree);
        Some((item(0, first), item(1, second)))
    }

    /// Reads `[first, last]`, each with `read`; the last must not be below the first.
    pub fn interval<T: Copy + PartialOrd + fmt::Display>(
        &self,
        read: impl Fn(&Field<'a>) -> Option<T>,
    ) -> Option<(T, T)> {
        let (first, last) = self.pair()?;
        let (start, end) = (read(&first), read(&last));
        let (start, end) = (start?, end?);
        if start > end {
            return last.refuse(format!("must not be below the first, {start}"));
        }
        Some((start, end))
    }

    /// Reads a string.
    pub fn text(&self) -> Option<&'a str> {
        match self.tree {
            Tree::Text(text) => Some(text),
            _ => self.refuse("must be a string"),
        }
    }

    /// Reads a name: 1 to 63 characters of `A-Z a-z 0-9 . _ -`, the first a letter or a digit.
    pub fn name(&self) -> Option<&'a str> {
        let name = self.text()?;
        if is_name(name) {
            return Some(name);
        }
        self.refuse("must be 1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or a digit")
    }

    /// Reads `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        match self.tree {
            Tree::Bool(value) => Some(*value),
            _ => self.refuse("must be true or false"),
        }
    }

    /// Reads a whole number within `bounds`.
    pub fn integer(&self, bounds: RangeInclusive<u64>) -> Option<u64> {
        let value = match self.tree {
            Tree::Integer(value) => u64::try_from(*value).ok(),
            Tree::Float(_) | Tree::Text(_) | Tree::Null | Tree::Bool(_) | Tree::List(_) | Tree::Map(_) => {
                return self.refuse(format!(
                    "must be a whole number within {}..={}",
                    bounds.start(),
                    bounds.end()
                ));
            }
        };
        match value {
            Some(value) if bounds.contains(&value) => Some(value),
            _ => self.refuse(format!("must be within {}..={}", bounds.start(), bounds.end())),
        }
    }

    /// Reads a whole number of either sign.
    pub fn signed(&self) -> Option<i64> {
        match self.tree {
            Tree::Integer(value) => Some(*value),
            _ => self.refuse("must be a whole number"),
        }
    }

    /// Reads a number within `bounds`.
    pub fn number(&self, bounds: RangeInclusive<f64>) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "bounds are far below 2^53")]
        let value = match self.tree {
            Tree::Integer(value) => *value as f64,
            Tree::Float(value) => *value,
            _ => {
                let (least, most) = (decimal(*bounds.start()), decimal(*bounds.end()));
                return self.refuse(format!("must be a number within {least}..={most}"));
            }
        };
        if bounds.contains(&value) {
            return Some(value);
        }
        self.refuse(format!("must be within {}..={}", decimal(*bounds.start()), decimal(*bounds.end())))
    }

    /// Reads a duration such as `250ms`, `2s`, `15m` or `24h`, within `bounds`.
    pub fn duration(&self, bounds: RangeInclusive<Duration>) -> Option<Duration> {
        let Some(value) = self.text().map(parse_duration)? else {
            return self.refuse("must be a duration such as 250ms, 2s, 15m or 24h");
        };
        if bounds.contains(&value) {
            return Some(value);
        }
        self.refuse(format!("must be within {}..={}", span(*bounds.start()), span(*bounds.end())))
    }

    /// Reads one of the given words; answers what it stands for.
    pub fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let all = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
            let near = nearest(text, words.iter().map(|(word, _)| *word));
            self.problem(format!("must be one of {all}{}", near.unwrap_or_default()));
        }
        found
    }

    fn refuse<T>(&self, rule: impl fmt::Display) -> Option<T> {
        self.problem(rule);
        None
    }

    fn child(&self, path: Path<'a>, tree: &'a Tree) -> Field<'a> {
        Field { path: Rc::new(path), tree, problems: self.problems }
    }
}

/// Reads each of the fields with `read`; `None` if one of them cannot be read, after all were tried.
pub fn all<F, T>(fields: &[F], mut read: impl FnMut(&F) -> Option<T>) -> Option<Vec<T>> {
    let mut values = Vec::with_capacity(fields.len());
    for field in fields {
        values.extend(read(field));
    }
    (values.len() == fields.len()).then_some(values)
}

/// Tells a field that is absent, `Some(None)`, from one that was written wrongly, `None`: the former is no reason to refuse the
/// whole, and the latter, whose problem is noted, is.
pub fn optional<T>(written: Option<Option<T>>) -> Option<Option<T>> {
    match written {
        None => Some(None),
        Some(None) => None,
        Some(value) => Some(value),
    }
}

/// A mapping whose keys were checked by [`Field::map`].
pub struct Map<'a> {
    field: Field<'a>,
    entries: Vec<(&'a str, Field<'a>)>,
}

impl<'a> Map<'a> {
    /// The field of this name, if it is written.
    pub fn get(&self, name: &str) -> Option<&Field<'a>> {
        self.entries.iter().find(|(entry, _)| *entry == name).map(|(_, field)| field)
    }

    /// The field of this name; if it is absent, that is noted.
    pub fn required(&self, name: &str) -> Option<&Field<'a>> {
        let found = self.get(name);
        if found.is_none() {
            self.field.note(format!("has no field {name:?}, which is required"));
        }
        found
    }

    /// The mapping as a field, to note a problem between its fields.
    pub fn field(&self) -> &Field<'a> {
        &self.field
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, read: impl FnOnce(&Field<'_>), expected: &[&str]) {
        let tree = Tree::from_json(json.as_bytes()).unwrap();
        let problems = Problems::default();
        read(&problems.root(&tree));
        let found: Vec<String> = problems.found.borrow().iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{json}");
    }

    #[test]
    fn every_problem_is_noted_with_path_value_and_bound() {
        check(
            r#"{"percnt": 1, "percent": 101, "n": -1, "on": "yes", "wait": "2 s", "mode": "ordred", "n": 2}"#,
            |root| {
                let map = root.map(&["percent", "n", "on", "wait", "mode", "to"]).unwrap();
                map.get("percent").unwrap().number(0.0..=100.0);
                map.get("n").unwrap().integer(0..=10);
                map.get("on").unwrap().boolean();
                map.get("wait").unwrap().duration(Duration::ZERO..=Duration::from_secs(5));
                map.get("mode").unwrap().one_of(&[("ordered", 1), ("unordered", 2)]);
                map.required("to");
            },
            &[
                "n is given twice",
                "percnt is not a known field; did you mean \"percent\"?",
                "percent is 101, must be within 0..=100",
                "n is -1, must be within 0..=10",
                "on is \"yes\", must be true or false",
                "wait is \"2 s\", must be a duration such as 250ms, 2s, 15m or 24h",
                "mode is \"ordred\", must be one of ordered, unordered; did you mean \"ordered\"?",
                "document has no field \"to\", which is required",
            ],
        );
    }

    #[test]
    fn a_problem_has_a_path_on_one_line_whatever_the_names() {
        check(
            r#"{"": 1, "a": {"": 1, "b\nc": 1, "d e": 1}}"#,
            |root| {
                root.map(&["a"]).unwrap().get("a").unwrap().map(&[]);
            },
            &[
                "\"\" is not a known field; did you mean \"a\"?",
                "a.\"\" is not a known field",
                "a.\"b\\nc\" is not a known field",
                "a.d e is not a known field",
            ],
        );
    }
}
