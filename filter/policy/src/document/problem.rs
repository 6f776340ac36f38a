//! What is wrong with a document: one problem, and all of them.

use std::fmt;

/// Everything that is wrong with a document, in the order of reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Invalid {
    /// The problems, at least one.
    pub problems: Vec<Problem>,
}

impl Invalid {
    /// A document with one problem that is found before it is read field by field.
    pub fn single(path: &str, message: String) -> Self {
        Self { problems: vec![Problem { path: path.to_owned(), message }] }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// One problem: which field, and what is wrong with its value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The path of the field, as `rules[2].mirror[0].percent`.
    pub path: String,
    /// What is wrong: the value and the bound that it breaks, as `is 101, must be within 0..=100`.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.message)
    }
}
