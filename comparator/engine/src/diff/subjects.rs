//! The subjects in which one answer differs, each once.
//!
//! Most answers differ in none or a few, some in hundreds, and the same subject may be found a thousand times over. So it is found again
//! by a hash of its place, not by comparing places, which have long beginnings in common.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::Found;
use crate::kind::Subject;

/// What was found of each subject.
#[derive(Debug, Default)]
pub(crate) struct Subjects {
    /// In the order in which they were found; `None` where they were taken out.
    found: Vec<(Subject, Option<Found>)>,
    /// The position of the first subject of each hash.
    by_hash: BTreeMap<u64, usize>,
}

impl Subjects {
    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    pub(crate) fn has(&self, subject: &Subject) -> bool {
        self.position(subject).is_some()
    }

    pub(super) fn get_mut(&mut self, subject: &Subject) -> Option<&mut Found> {
        let at = self.position(subject)?;
        self.found.get_mut(at)?.1.as_mut()
    }

    /// Adds a subject that is not there yet.
    pub(super) fn push(&mut self, subject: Subject, found: Found) {
        self.by_hash.entry(hash(&subject)).or_insert(self.found.len());
        self.found.push((subject, Some(found)));
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
        let first = *self.by_hash.get(&hash(subject))?;
        // Another subject may have the same hash, made to or by chance.
        let mut rest = self.found.iter().skip(first);
        rest.position(|(found, _)| found == subject).map(|behind| first + behind)
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
    fn each_subject_is_found_again_also_behind_one_of_the_same_hash() {
        let subject = |path: &str| Subject(path.to_owned(), Kind::Value);
        let mut subjects = Subjects::default();
        for path in ["/b", "/a", "/c"] {
            assert!(!subjects.has(&subject(path)));
            subjects.push(subject(path), Found::default());
        }
        subjects.by_hash.insert(hash(&subject("/c")), 0);
        assert!(["/a", "/b", "/c"].iter().all(|path| subjects.has(&subject(path))));
        assert!(!subjects.has(&Subject("/a".to_owned(), Kind::Type)));
        assert_eq!(
            [subjects.take(&subject("/a")), subjects.take(&subject("/a"))],
            [Some(Found::default()), None]
        );
        let rest: Vec<String> = subjects.into_found().map(|(subject, _)| subject.0).collect();
        assert_eq!(rest, ["/b", "/c"]);
    }
}
