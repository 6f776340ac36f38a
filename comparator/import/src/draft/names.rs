//! Names that are given once: what is asked for, or with a number behind it if that is taken.

use std::collections::{BTreeMap, BTreeSet};

/// Names that are taken.
#[derive(Default)]
pub(super) struct Names {
    taken: BTreeSet<String>,
    /// The number that is tried next behind a name.
    next: BTreeMap<String, usize>,
}

impl Names {
    /// `stem`, or the first of `stem-2`, `stem-3`, … that is not taken; it is taken from then on.
    pub(super) fn take(&mut self, stem: &str) -> String {
        if self.taken.insert(stem.to_owned()) {
            return stem.to_owned();
        }
        let next = self.next.entry(stem.to_owned()).or_insert(2);
        loop {
            let name = format!("{stem}-{next}");
            *next += 1;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_given_once() {
        let mut names = Names::default();
        let given: Vec<String> = ["a", "a-2", "a", "b", "a", "a-2"].map(|name| names.take(name)).into();
        assert_eq!(given, ["a", "a-2", "a-3", "b", "a-4", "a-2-2"]);
    }
}
