//! The hypotheses of an endpoint, of which none changes without a trace.

use std::collections::{BTreeMap, btree_map};
use std::ops::Deref;

use crate::hypothesis::Hypothesis;
use crate::kind::Subject;
use crate::pieces::{Piece, Pieces};

/// Hypotheses by what they are about. To read it is a map; the only ways to change one note in which piece it is stored.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Hypotheses(BTreeMap<Subject, Hypothesis>);

impl Hypotheses {
    /// One that is there.
    pub(crate) fn change(&mut self, subject: &Subject, changed: &mut Pieces) -> Option<&mut Hypothesis> {
        let counts = self.0.get_mut(subject)?;
        changed.add(Piece::of(subject));
        Some(counts)
    }

    /// One that is made if it is new.
    pub(crate) fn change_or_add(&mut self, subject: Subject, changed: &mut Pieces) -> &mut Hypothesis {
        changed.add(Piece::of(&subject));
        self.0.entry(subject).or_default()
    }

    /// Each, as it is handed out.
    pub(crate) fn change_each(
        &mut self,
        changed: &mut Pieces,
    ) -> impl Iterator<Item = (&Subject, &mut Hypothesis)> {
        self.0.iter_mut().inspect(|(subject, _)| changed.add(Piece::of(subject)))
    }

    /// Each of which `wanted` says so, as it is handed out.
    pub(crate) fn change_those(
        &mut self,
        wanted: impl Fn(&Hypothesis) -> bool,
        changed: &mut Pieces,
    ) -> impl Iterator<Item = &mut Hypothesis> {
        let wanted = self.0.iter_mut().filter(move |(_, counts)| wanted(counts));
        wanted.inspect(|(subject, _)| changed.add(Piece::of(subject))).map(|(_, counts)| counts)
    }

    /// The pieces in which they are stored.
    pub(crate) fn pieces(&self) -> Pieces {
        self.0.keys().map(Piece::of).collect()
    }

    /// Those of these pieces, each piece by itself.
    pub(crate) fn by_piece(&self, wanted: Pieces) -> BTreeMap<Piece, Vec<(&Subject, &Hypothesis)>> {
        let mut pieces: BTreeMap<_, Vec<_>> = wanted.iter().map(|piece| (piece, Vec::new())).collect();
        for (subject, counts) in &self.0 {
            if let Some(piece) = pieces.get_mut(&Piece::of(subject)) {
                piece.push((subject, counts));
            }
        }
        pieces
    }
}

impl Deref for Hypotheses {
    type Target = BTreeMap<Subject, Hypothesis>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'h> IntoIterator for &'h Hypotheses {
    type Item = (&'h Subject, &'h Hypothesis);
    type IntoIter = btree_map::Iter<'h, Subject, Hypothesis>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl IntoIterator for Hypotheses {
    type Item = (Subject, Hypothesis);
    type IntoIter = btree_map::IntoIter<Subject, Hypothesis>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Those that were read or copied: whoever makes them knows what is stored of them.
impl FromIterator<(Subject, Hypothesis)> for Hypotheses {
    fn from_iter<T: IntoIterator<Item = (Subject, Hypothesis)>>(all: T) -> Self {
        Self(all.into_iter().collect())
    }
}
