//! The subjects in which one answer differs, each once.
//!
//! Most answers differ in none or a few, some in hundreds, and the same subject may be found a thousand times over. So it is found again
//! by a hash of its place, not by comparing places, which have long beginnings in common. Two answers that differ in the same places
//! do so in the same order: then not even a hash is needed.

use std::cell::Cell;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Found;
use crate::kind::Subject;

/// What was found of each subject.
#[derive(Debug, Default)]
pub(crate) struct Subjects {
    /// In the order in which they were found; `None` where they were taken out.
    found: Vec<(Subject, Option<Found>)>,
    /// The position of each.
    by_hash: HashTable<usize>,
    /// The position behind the one that was looked up last.
    next: Cell<usize>,
}

impl Subjects {
    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    pub(crate) fn get(&self, subject: &Subject) -> Option<&Found> {
        self.found.get(self.position(subject)?)?.1.as_ref()
    }

    pub(super) fn get_mut(&mut self, subject: &Subject) -> Option<&mut Found> {
        let at = self.position(subject)?;
        self.found.get_mut(at)?.1.as_mut()
    }

    /// Adds a subject that is not there yet.
    pub(super) fn push(&mut self, subject: Subject, found: Found) {
        let Self { found: all, by_hash, .. } = self;
        let hash_of = |at: &usize| all.get(*at).map_or(0, |(subject, _)| hash(subject));
        by_hash.insert_unique(hash(&subject), all.len(), hash_of);
        all.push((subject, Some(found)));
    }

    /// Takes out what was found of a subject.
    pub(crate) fn take(&mut self, subject: &Subject) -> Option<Found> {
        let at = self.position(subject)?;
        self.found.get_mut(at)?.1.take()
    }

    /// What was found and not taken out, in the order in which it was found.
    pub(crate) fn into_found(self) -> impl Iterator<Item = (Subject, Found)> {
        self.found.into_iter().filter_map(|(subject, found)| Some((subject, found?)))
    }

    fn position(&self, subject: &Subject) -> Option<usize> {
        let next = self.next.get();
        let is_at = |at: usize| self.found.get(at).is_some_and(|(found, _)| found == subject);
        let at = if is_at(next) { next } else { *self.by_hash.find(hash(subject), |at| is_at(*at))? };
        self.next.set(at + 1);
        Some(at)
    }
}

fn hash(Subject(path, kind): &Subject) -> u64 {
    xxh3_64_with_seed(path.as_bytes(), *kind as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

    #[test]
    fn each_subject_is_found_again_in_any_order() {
        let subject = |path: &str| Subject(path.to_owned(), Kind::Value);
        let mut subjects = Subjects::default();
        for path in ["/b", "/a", "/c"] {
            assert!(subjects.get(&subject(path)).is_none());
            subjects.push(subject(path), Found::default());
        }
        for path in ["/a", "/c", "/b", "/b", "/a", "/a", "/c"] {
            assert!(subjects.get(&subject(path)).is_some(), "{path}");
        }
        assert!(subjects.get(&Subject("/a".to_owned(), Kind::Type)).is_none());
        assert_eq!(
            [subjects.take(&subject("/a")), subjects.take(&subject("/a"))],
            [Some(Found::default()), None]
        );
        let rest: Vec<String> = subjects.into_found().map(|(subject, _)| subject.0).collect();
        assert_eq!(rest, ["/b", "/c"]);
    }
}
