//! Pieces, in which what is known of many places is stored: what changes at one place has one piece written, not all.
//!
//! A database writes whole pages, of 4 KiB mostly, so a row for each place would gain nothing over a row for the few that fill half of one.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::kind::Subject;

/// The number of a piece, below [`Pieces::MOST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Piece(u8);

impl Piece {
    /// The piece in which a place of an endpoint is stored: by its hash, so that nobody has to remember it. Rows are found by it, so it must
    /// stay what it is.
    pub(crate) fn of(Subject(path, _): &Subject) -> Self {
        Self((xxh3_64(path.as_bytes()) % u64::from(Pieces::MOST)) as u8)
    }

    /// The piece of this number; none if there is no such piece.
    pub(crate) fn numbered(number: usize) -> Option<Self> {
        u8::try_from(number).ok().filter(|number| *number < Pieces::MOST).map(Self)
    }

    pub(crate) fn number(self) -> usize {
        self.0.into()
    }
}

/// A set of pieces: those that there are, or those that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Pieces(u64);

impl Pieces {
    /// So many pieces are told apart. An endpoint has 200 places, of which about three share one.
    pub(crate) const MOST: u8 = 64;

    pub(crate) fn add(&mut self, Piece(number): Piece) {
        self.0 |= 1 << number;
    }

    pub(crate) fn has(self, Piece(number): Piece) -> bool {
        self.0 & 1 << number != 0
    }

    pub(crate) fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The pieces, by their numbers.
    pub(crate) fn iter(self) -> impl Iterator<Item = Piece> {
        (0..Self::MOST).map(Piece).filter(move |piece| self.has(*piece))
    }
}

impl Extend<Piece> for Pieces {
    fn extend<T: IntoIterator<Item = Piece>>(&mut self, pieces: T) {
        pieces.into_iter().for_each(|piece| self.add(piece));
    }
}

impl FromIterator<Piece> for Pieces {
    fn from_iter<T: IntoIterator<Item = Piece>>(pieces: T) -> Self {
        let mut all = Self::default();
        all.extend(pieces);
        all
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::kind::Kind;

    /// Stored rows are found by it.
    #[test]
    fn a_place_stays_in_its_piece() {
        let piece = |path: &str, kind| Piece::of(&Subject(path.to_owned(), kind)).number();
        assert_eq!(
            (piece("/price", Kind::Value), piece("/price", Kind::Type), piece("header:date", Kind::Value)),
            (32, 32, 39)
        );
    }

    #[test]
    fn places_are_spread_over_all_pieces() {
        let subjects = (0..200).map(|number| Subject(format!("/field-{number}"), Kind::Value));
        let pieces: Pieces = subjects.map(|subject| Piece::of(&subject)).collect();
        assert!((55..=64).contains(&pieces.len()), "{pieces:?}");
        assert_eq!(pieces.iter().collect::<Pieces>(), pieces);
        assert_eq!((Piece::numbered(63).map(Piece::number), Piece::numbered(64)), (Some(63), None));
    }
}
