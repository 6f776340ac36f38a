//! Which places are noisy: where the control, too, keeps differing from the primary.
//!
//! What a noisy place does is no news about the candidate, and would drown what a quiet one does. So the share of worse exchanges is told
//! over quiet places alone, and each noisy place has a share of its own, with a wider margin. Which places are quiet is fixed before each
//! exchange by those before it, so a bet on the outcome stays fair. Places of one name are one, whatever the endpoint.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::kind::Subject;
use crate::pieces::{Piece, Pieces};
use crate::sparse::is_default;

/// The places of a release at which the control differed, by number.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Places {
    all: Vec<Place>,
    by_subject: BTreeMap<Subject, u32>,
    turns: Turns,
    /// The pieces that are not stored as they are now.
    changed: Pieces,
}

/// A place as it is stored; the first has the turns.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Named(Subject, Place, Option<Turns>);

/// How often a place turned noisy, and how often one turned quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Turns {
    pub(crate) noisy: u32,
    pub(crate) quiet: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Place {
    /// The last blocks in which the control differed, each with its first such exchange.
    #[serde(skip_serializing_if = "is_default")]
    recent: [(u32, u64); BLOCKS],
    /// In how many blocks it did.
    #[serde(skip_serializing_if = "is_default")]
    blocks: u32,
    /// The last exchange in which it did.
    #[serde(skip_serializing_if = "is_default")]
    last: u64,
    #[serde(skip_serializing_if = "is_default")]
    noisy: Option<Noisy>,
}

/// Since when a place is noisy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Noisy {
    /// Which turn it was.
    pub(crate) turn: u32,
    /// The share of exchanges that may be worse there.
    pub(crate) margin: f64,
}

/// An exchange in which the control differs at a place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noted {
    /// Its block, …
    pub(crate) block: u32,
    /// … of so many since the release began.
    pub(crate) blocks: u32,
    /// Which of the release's exchanges with a control it is.
    pub(crate) nth: u64,
    /// In how many exchanges of the endpoint the control differed there, those of an incident aside, …
    pub(crate) noise: u64,
    /// … of so many.
    pub(crate) exchanges: u64,
}

impl Noted {
    /// The rate at which the control differs in the exchanges. A burst that fills a few blocks is no steady noise: that would be seen in
    /// more of them, so the rate is at most that of noise without a memory that shows in so many blocks.
    fn steady_rate(self, in_blocks: u32) -> f64 {
        let exchanges = self.exchanges.max(1) as f64;
        let rate = self.noise as f64 / exchanges;
        let quiet = 1.0 - f64::from(in_blocks) / f64::from(self.blocks.max(1));
        if quiet > 0.0 { rate.min(-quiet.ln() * f64::from(self.blocks) / exchanges) } else { rate }
    }
}

impl Places {
    /// The number of a place; none where there are too many, which then stay quiet.
    pub(crate) fn number(&mut self, subject: &Subject) -> Option<u32> {
        if let Some(number) = self.by_subject.get(subject) {
            return Some(*number);
        }
        let number = u32::try_from(self.all.len()).ok().filter(|_| self.all.len() < MAX_PLACES)?;
        self.all.push(Place::default());
        self.change(number);
        self.by_subject.insert(subject.clone(), number);
        Some(number)
    }

    /// The place of this number, which is about to change.
    fn change(&mut self, number: u32) -> Option<&mut Place> {
        let place = self.all.get_mut(number as usize)?;
        self.changed.add(piece_of(number)?);
        Some(place)
    }

    /// How often places turned, which is about to change.
    fn change_turns(&mut self) -> &mut Turns {
        self.changed.extend(piece_of(0));
        &mut self.turns
    }

    pub(crate) fn turns(&self) -> Turns {
        self.turns
    }

    pub(crate) fn noisy(&self, number: Option<u32>) -> Option<Noisy> {
        self.all.get(number? as usize)?.noisy
    }

    pub(crate) fn noisy_at(&self, subject: &Subject) -> Option<Noisy> {
        self.noisy(self.by_subject.get(subject).copied())
    }

    /// The control differs at a place once more; a margin is at most `most`.
    pub(crate) fn note(&mut self, number: Option<u32>, noted: Noted, most: f64) {
        let Noted { block, nth, .. } = noted;
        let Some(place) = number.and_then(|number| self.change(number)) else { return };
        place.last = place.last.max(nth);
        if place.recent.iter().all(|(before, first)| *before != block || *first == 0) {
            place.blocks += 1;
            place.recent.rotate_left(1);
            if let Some(latest) = place.recent.last_mut() {
                *latest = (block, nth);
            }
        }
        let [(_, first), ..] = place.recent;
        if place.noisy.is_none() && first > 0 && nth.saturating_sub(first) <= WINDOW {
            let margin =
                (noted.steady_rate(place.blocks) * TIMES_THE_RATE).clamp(LEAST_MARGIN.min(most), most);
            self.turn_noisy(number, margin);
        }
    }

    fn turn_noisy(&mut self, number: Option<u32>, margin: f64) {
        let turns = self.change_turns();
        turns.noisy += 1;
        let turn = turns.noisy;
        if let Some(place) = number.and_then(|number| self.change(number)) {
            place.noisy = Some(Noisy { turn, margin });
        }
    }

    /// What was noisy and is not any more by the `nth` exchange is quiet again.
    pub(crate) fn sweep(&mut self, nth: u64) {
        if !nth.is_multiple_of(BETWEEN_SWEEPS) {
            return;
        }
        let is_over = |place: &Place| place.noisy.is_some() && nth.saturating_sub(place.last) >= QUIET_AFTER;
        let over = (0..).zip(&self.all).filter(|(_, place)| is_over(place));
        for number in over.map(|(number, _)| number).collect::<Vec<u32>>() {
            if let Some(place) = self.change(number) {
                *place = Place::default();
            }
            self.change_turns().quiet += 1;
        }
    }

    /// Adds another engine's, which saw other exchanges. Noisy is what either found to be, with the smaller margin.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (subject, number) in &other.by_subject {
            let Some(theirs) = other.noisy(Some(*number)) else { continue };
            let own = self.number(subject);
            match self.noisy(own) {
                Some(noisy) if noisy.margin <= theirs.margin => {}
                Some(noisy) => {
                    if let Some(place) = own.and_then(|own| self.change(own)) {
                        place.noisy = Some(Noisy { margin: theirs.margin, ..noisy });
                    }
                }
                None if own.is_some() => self.turn_noisy(own, theirs.margin),
                None => {}
            }
        }
    }
}

/// How they are stored: some of them in each piece, which have rows of their own.
impl Places {
    /// How many pieces changed since they were last taken.
    pub(crate) fn count_changed(&self) -> usize {
        self.changed.len()
    }

    /// The pieces that changed since this was last called.
    pub(crate) fn take_changed(&mut self) -> Pieces {
        std::mem::take(&mut self.changed)
    }

    /// The places of these pieces, each piece by itself.
    pub(crate) fn by_piece(&self, wanted: Pieces) -> BTreeMap<Piece, Vec<Named>> {
        let mut pieces: BTreeMap<_, Vec<_>> = wanted.iter().map(|piece| (piece, Vec::new())).collect();
        let mut named: Vec<(u32, &Subject)> =
            self.by_subject.iter().map(|(subject, number)| (*number, subject)).collect();
        named.sort_unstable();
        for ((number, subject), place) in named.into_iter().zip(&self.all) {
            if let Some(piece) = piece_of(number).and_then(|piece| pieces.get_mut(&piece)) {
                piece.push(Named(subject.clone(), *place, (number == 0).then_some(self.turns)));
            }
        }
        pieces
    }

    /// Puts the places of a piece where they were; false if they have no room there.
    pub(crate) fn put_piece(&mut self, piece: Piece, named: Vec<Named>) -> bool {
        let first = piece.number() * PLACES_OF_A_PIECE;
        let numbered = (first..).zip(named);
        numbered.into_iter().all(|(at, Named(subject, read, turns))| {
            let (Some(place), Ok(number)) = (self.all.get_mut(at), u32::try_from(at)) else { return false };
            *place = read;
            self.turns = turns.unwrap_or(self.turns);
            self.by_subject.insert(subject, number).is_none()
        })
    }

    /// Whether each of them was read.
    pub(crate) fn is_whole(&self) -> bool {
        self.by_subject.len() == self.all.len()
    }

    /// So many places that are still to be read.
    fn awaited(places: usize) -> Self {
        Self { all: vec![Place::default(); places], ..Self::default() }
    }

    /// As an earlier version stored them, in the release's own row: no piece of them is stored yet.
    fn together(named: Vec<Named>) -> Self {
        let mut places = Self::default();
        for Named(subject, place, turns) in named.into_iter().take(MAX_PLACES) {
            places.turns = turns.unwrap_or(places.turns);
            if let Some(number) = places.number(&subject)
                && let Some(own) = places.change(number)
            {
                *own = place;
            }
        }
        places
    }
}

/// In the release's own row there is the number of the places, or all of them if an earlier version wrote it.
pub(crate) mod apart {
    use std::fmt;

    use serde::de::{Error, SeqAccess, Unexpected, Visitor};
    use serde::{Deserializer, Serializer};

    use super::{MAX_PLACES, Named, Places};

    pub(crate) fn serialize<S: Serializer>(places: &Places, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(places.all.len() as u64)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Places, D::Error> {
        deserializer.deserialize_any(Reading)
    }

    struct Reading;

    impl<'de> Visitor<'de> for Reading {
        type Value = Places;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MAX_PLACES} places, or their number")
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<Places, E> {
            let number = usize::try_from(number).ok().filter(|number| *number <= MAX_PLACES);
            number.map(Places::awaited).ok_or_else(|| {
                let number = Unexpected::Other("a higher number");
                E::invalid_value(number, &self)
            })
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Places, A::Error> {
            let mut named = Vec::new();
            while let Some(one) = all.next_element::<Named>()? {
                named.push(one);
            }
            Ok(Places::together(named))
        }
    }
}

fn piece_of(number: u32) -> Option<Piece> {
    Piece::numbered(number as usize / PLACES_OF_A_PIECE)
}

/// A place is noisy once the control has differed there in so many separate blocks of time, …
const BLOCKS: usize = 3;
/// … within so many exchanges, …
const WINDOW: u64 = 1_000;
/// … and quiet after so many without.
const QUIET_AFTER: u64 = 2_000;
const BETWEEN_SWEEPS: u64 = 256;
/// The margin of a noisy place, as a multiple of the rate at which the control differs, …
const TIMES_THE_RATE: f64 = 5.0;
/// … and the least that it is.
const LEAST_MARGIN: f64 = 0.005;
/// Places beyond these stay quiet.
const MAX_PLACES: usize = 2_000;
/// Places that are stored in one row, of some 80 bytes each.
const PLACES_OF_A_PIECE: usize = MAX_PLACES.div_ceil(Pieces::MOST as usize);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

    fn subject(path: &str) -> Subject {
        Subject(path.to_owned(), Kind::Value)
    }

    #[test]
    fn a_place_is_noisy_after_three_blocks_and_quiet_after_a_long_while() {
        let mut places = Places::default();
        let at = places.number(&subject("/a"));
        let note = |places: &mut Places, block, nth| {
            let noted = Noted { block, blocks: 4, nth, noise: 4, exchanges: 1_000 };
            places.note(at, noted, 0.05);
            places.noisy(at)
        };
        for nth in 1..50 {
            assert_eq!(note(&mut places, 7, nth), None, "one burst");
        }
        assert_eq!(note(&mut places, 8, 900), None);
        assert_eq!(note(&mut places, 9, 1_002), None, "too long ago");
        assert_eq!(note(&mut places, 10, 1_300), Some(Noisy { turn: 1, margin: 0.02 }));
        places.sweep(3_072);
        assert!(places.noisy(at).is_some());
        places.sweep(3_328);
        assert_eq!((places.noisy(at), places.turns()), (None, Turns { noisy: 1, quiet: 1 }));
    }

    #[test]
    fn a_burst_is_no_steady_noise() {
        let of = |blocks| Noted { block: 9, blocks, nth: 1_000, noise: 400, exchanges: blocks as u64 * 100 };
        assert_eq!(of(4).steady_rate(4), 1.0, "in each block");
        let burst = of(20).steady_rate(4);
        assert!(
            (0.002..0.003).contains(&burst),
            "four blocks of twenty, though a fifth of the exchanges: {burst}"
        );
        let rare = Noted { noise: 4, ..of(20) };
        assert_eq!(rare.steady_rate(4), 0.002, "what is rare in each exchange is rare in blocks");
    }

    #[test]
    fn margins_are_bounded_and_places_of_two_engines_are_those_of_one() {
        let of = |path: &str, rate: f64| {
            let mut places = Places::default();
            let at = places.number(&subject(path));
            (0..3).for_each(|block| {
                let (nth, noise) = (1 + u64::from(block), (rate * 1e6) as u64);
                places.note(at, Noted { block, blocks: block + 1, nth, noise, exchanges: 1_000_000 }, 0.05);
            });
            places
        };
        let margin = |places: &Places, path: &str| places.noisy_at(&subject(path)).map(|noisy| noisy.margin);
        let mut merged = of("/a", 0.5);
        assert_eq!(margin(&merged, "/a"), Some(0.05));
        merged.merge(&of("/a", 0.00001));
        merged.merge(&of("/b", 0.002));
        assert_eq!((margin(&merged, "/a"), margin(&merged, "/b")), (Some(0.005), Some(0.01)));
        for number in 0..3_000 {
            let _ = merged.number(&subject(&format!("/{number}")));
        }
        assert_eq!(merged.number(&subject("/more")), None);
    }

    #[derive(Serialize, Deserialize)]
    struct Own(#[serde(with = "apart")] Places);

    #[test]
    fn what_changes_is_written_in_few_pieces_and_comes_back() {
        let mut places = Places::default();
        let numbers: Vec<_> = (0..1_000).map(|at| places.number(&subject(&format!("/{at}")))).collect();
        let mut stored = BTreeMap::new();
        let store = |places: &mut Places, stored: &mut BTreeMap<Piece, Vec<u8>>| {
            let changed = places.take_changed();
            let pieces = places.by_piece(changed);
            stored
                .extend(pieces.iter().map(|(piece, named)| (*piece, minicbor_serde::to_vec(named).unwrap())));
            pieces.into_keys().map(Piece::number).collect::<Vec<_>>()
        };
        assert_eq!(store(&mut places, &mut stored), (0..32).collect::<Vec<_>>());
        let noted =
            |block| Noted { block, blocks: 4, nth: 100 + u64::from(block), noise: 4, exchanges: 1_000 };
        places.note(numbers[999], noted(7), 0.05);
        assert_eq!(store(&mut places, &mut stored), [31], "it is not noisy yet");
        (8..10).for_each(|block| places.note(numbers[999], noted(block), 0.05));
        assert_eq!(store(&mut places, &mut stored), [0, 31], "the first tells how many turned noisy");
        let own = minicbor_serde::to_vec(Own(places.clone())).unwrap();
        assert!(own.len() < 10, "{} bytes", own.len());
        let read = |stored: &BTreeMap<Piece, Vec<u8>>| {
            let Own(mut read) = minicbor_serde::from_slice(&own).unwrap();
            let put = |(piece, bytes): (&Piece, &Vec<u8>)| {
                read.put_piece(*piece, minicbor_serde::from_slice(bytes).unwrap())
            };
            (stored.iter().all(put), read)
        };
        assert_eq!(read(&stored), (true, places.clone()));
        let last = stored.remove(&Piece::numbered(3).unwrap()).unwrap();
        assert!(!read(&stored).1.is_whole(), "a piece is lost");
        stored.insert(Piece::numbered(63).unwrap(), last);
        assert!(!read(&stored).0, "one too many");
        places.sweep(10_240);
        assert_eq!(store(&mut places, &mut stored), [0, 31]);
    }

    #[test]
    fn places_that_an_earlier_version_wrote_together_are_written_apart() {
        let mut places = Places::default();
        let numbers: Vec<_> = (0..100).map(|at| places.number(&subject(&format!("/{at}")))).collect();
        let noted =
            |block| Noted { block, blocks: 4, nth: 100 + u64::from(block), noise: 4, exchanges: 1_000 };
        (7..10).for_each(|block| places.note(numbers[5], noted(block), 0.05));
        let all: Vec<Named> = places.by_piece(places.changed).into_values().flatten().collect();
        let Own(read) = minicbor_serde::from_slice(&minicbor_serde::to_vec(&all).unwrap()).unwrap();
        assert_eq!(read, places, "all its pieces are unwritten, too");
    }
}
