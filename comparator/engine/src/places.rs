//! Which places are noisy: where the control, too, keeps differing from the primary.
//!
//! What a noisy place does is no news about the candidate, and would drown what a quiet one does. So the share of worse exchanges is told
//! over quiet places alone, and each noisy place has a share of its own, with a wider margin. Which places are quiet is fixed before each
//! exchange by those before it, so a bet on the outcome stays fair. Places of one name are one, whatever the endpoint.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::kind::Subject;

/// The places of a release at which the control differed, by number.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Named>", into = "Vec<Named>")]
pub(crate) struct Places {
    all: Vec<Place>,
    by_subject: BTreeMap<Subject, u32>,
    turns: Turns,
}

/// As it is stored; the first has the turns.
#[derive(Clone, Serialize, Deserialize)]
struct Named(Subject, Place, Option<Turns>);

/// How often a place turned noisy, and how often one turned quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Turns {
    pub(crate) noisy: u32,
    pub(crate) quiet: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Place {
    /// The last blocks in which the control differed, each with its first such exchange.
    recent: [(u32, u64); BLOCKS],
    /// In how many blocks it did.
    #[serde(default)]
    blocks: u32,
    /// The last exchange in which it did.
    last: u64,
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
        self.by_subject.insert(subject.clone(), number);
        Some(number)
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
        let Some(place) = number.and_then(|number| self.all.get_mut(number as usize)) else { return };
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
            self.turns.noisy += 1;
            let margin =
                (noted.steady_rate(place.blocks) * TIMES_THE_RATE).clamp(LEAST_MARGIN.min(most), most);
            place.noisy = Some(Noisy { turn: self.turns.noisy, margin });
        }
    }

    /// What was noisy and is not any more by the `nth` exchange is quiet again.
    pub(crate) fn sweep(&mut self, nth: u64) {
        if !nth.is_multiple_of(BETWEEN_SWEEPS) {
            return;
        }
        for place in self.all.iter_mut().filter(|place| place.noisy.is_some()) {
            if nth.saturating_sub(place.last) >= QUIET_AFTER {
                *place = Place::default();
                self.turns.quiet += 1;
            }
        }
    }

    /// Adds another engine's, which saw other exchanges. Noisy is what either found to be, with the smaller margin.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (subject, number) in &other.by_subject {
            let Some(theirs) = other.noisy(Some(*number)) else { continue };
            let own = self.number(subject);
            let Some(place) = own.and_then(|own| self.all.get_mut(own as usize)) else { continue };
            let noisy = place.noisy.get_or_insert_with(|| {
                self.turns.noisy += 1;
                Noisy { turn: self.turns.noisy, margin: theirs.margin }
            });
            noisy.margin = noisy.margin.min(theirs.margin);
        }
    }
}

impl From<Places> for Vec<Named> {
    fn from(places: Places) -> Self {
        let Places { all, by_subject, turns } = places;
        let mut named: Vec<(u32, Subject)> =
            by_subject.into_iter().map(|(subject, number)| (number, subject)).collect();
        named.sort_unstable();
        let named = named.into_iter().zip(all);
        named
            .map(|((number, subject), place)| Named(subject, place, (number == 0).then_some(turns)))
            .collect()
    }
}

impl From<Vec<Named>> for Places {
    fn from(named: Vec<Named>) -> Self {
        let mut places = Self::default();
        for Named(subject, place, turns) in named.into_iter().take(MAX_PLACES) {
            places.turns = turns.unwrap_or(places.turns);
            places.by_subject.insert(subject, u32::try_from(places.all.len()).unwrap_or(u32::MAX));
            places.all.push(place);
        }
        places
    }
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
        let bytes = minicbor_serde::to_vec(&merged).unwrap();
        assert_eq!(minicbor_serde::from_slice::<Places>(&bytes).unwrap(), merged);
        for number in 0..3_000 {
            let _ = merged.number(&subject(&format!("/{number}")));
        }
        assert_eq!(merged.number(&subject("/more")), None);
    }
}
