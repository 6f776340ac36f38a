//! How often each reason applied.
//!
//! The counts have a place for each reason that is known and for nothing else: whatever names a sender makes up, they take no memory,
//! and what they count is in the sum.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::not_mirrored::NotMirrored;
use crate::reason::{Meaning, Reason};
use crate::undelivered::Undelivered;
use crate::unsafe_method::UnsafeMethod;
use crate::unsent::Unsent;

/// Counts by reason. On the wire they are a map from the names to the counts that are not 0; names that nobody knows are added up
/// under `Other`. A sum that does not fit stays at `u64::MAX`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Counts<R> {
    /// By [`Reason::place`].
    counts: [u64; MAX_REASONS],
    of: PhantomData<R>,
}

impl<R: Reason> Counts<R> {
    /// Counts a reason `count` times more.
    pub fn add(&mut self, reason: R, count: u64) {
        if let Some(known) = self.counts.get_mut(reason.place()) {
            *known = known.saturating_add(count);
        }
    }

    /// How often the reason applied.
    pub fn get(&self, reason: R) -> u64 {
        self.counts.get(reason.place()).copied().unwrap_or(0)
    }

    /// The reasons that applied at all, in the order of [`Reason::ALL`], with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (R, u64)> {
        R::ALL.iter().map(|reason| (*reason, self.get(*reason))).filter(|(_, count)| *count > 0)
    }

    /// All counts together.
    pub fn total(&self) -> u64 {
        self.counts.iter().copied().fold(0, u64::saturating_add)
    }

    /// The counts of all reasons together that have this meaning.
    pub fn that_mean(&self, meaning: Meaning) -> u64 {
        let meant = self.iter().filter(|(reason, _)| reason.means() == meaning);
        meant.map(|(_, count)| count).fold(0, u64::saturating_add)
    }

    /// Whether no reason applied.
    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// The counts of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    /// What was counted after `earlier`; 0 where that had more.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        self.with(earlier, u64::saturating_sub)
    }

    /// The counts, each at most `most`.
    #[must_use]
    pub fn at_most(self, most: u64) -> Self {
        Self { counts: self.counts.map(|count| count.min(most)), of: PhantomData }
    }

    fn with(mut self, other: Self, combine: fn(u64, u64) -> u64) -> Self {
        for (count, other) in self.counts.iter_mut().zip(other.counts) {
            *count = combine(*count, other);
        }
        self
    }
}

impl<R> Default for Counts<R> {
    fn default() -> Self {
        Self { counts: [0; MAX_REASONS], of: PhantomData }
    }
}

impl<R: Reason> FromIterator<(R, u64)> for Counts<R> {
    fn from_iter<I: IntoIterator<Item = (R, u64)>>(pairs: I) -> Self {
        let mut counts = Self::default();
        pairs.into_iter().for_each(|(reason, count)| counts.add(reason, count));
        counts
    }
}

impl<R: Reason, const N: usize> From<[(R, u64); N]> for Counts<R> {
    fn from(pairs: [(R, u64); N]) -> Self {
        pairs.into_iter().collect()
    }
}

/// As a map from the names to the counts that are not 0.
impl<R: Reason> fmt::Debug for Counts<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(reason, count)| (reason.as_str(), count))).finish()
    }
}

impl<R: Reason> Serialize for Counts<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A map of CBOR begins with its length, which an iterator that filters does not know.
        let counted: Vec<(R, u64)> = self.iter().collect();
        serializer.collect_map(counted)
    }
}

impl<'de, R: Reason> Deserialize<'de> for Counts<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(CountsVisitor(PhantomData))
    }
}

struct CountsVisitor<R>(PhantomData<R>);

impl<'de, R: Reason> Visitor<'de> for CountsVisitor<R> {
    type Value = Counts<R>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counts by the names of reasons")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Counts<R>, A::Error> {
        let mut counts = Counts::default();
        while let Some((reason, count)) = map.next_entry()? {
            counts.add(reason, count);
        }
        Ok(counts)
    }
}

/// Reasons that a kind may have.
const MAX_REASONS: usize = 32;
const _: () = assert!(
    NotMirrored::ALL.len() <= MAX_REASONS
        && Undelivered::ALL.len() <= MAX_REASONS
        && Unsent::ALL.len() <= MAX_REASONS
        && UnsafeMethod::ALL.len() <= MAX_REASONS
);

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn round_trips<R: Reason>() {
        for (place, reason) in R::ALL.iter().enumerate() {
            let once = Counts::from([(*reason, 7)]);
            let json = serde_json::to_string(&once).unwrap();
            assert_eq!(json, format!("{{\"{}\":7}}", reason.as_str()));
            assert_eq!(serde_json::from_str::<Counts<R>>(&json).unwrap(), once);
            let cbor = minicbor_serde::to_vec(once).unwrap();
            assert_eq!(minicbor_serde::from_slice::<Counts<R>>(&cbor).unwrap(), once);
            assert_eq!(reason.place(), place, "{reason:?}");
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
        let distinct: std::collections::BTreeSet<_> = R::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(distinct.len(), R::ALL.len());
    }

    #[test]
    fn the_name_of_each_reason_is_the_one_on_the_wire() {
        round_trips::<NotMirrored>();
        round_trips::<Undelivered>();
        round_trips::<Unsent>();
        round_trips::<UnsafeMethod>();
    }

    #[test]
    fn names_that_nobody_knows_add_up_and_take_no_room() {
        let mut names = std::collections::BTreeMap::from([("rate".to_owned(), 5_u64)]);
        names.extend((0..5_000).map(|number| (format!("{number}{}", "x".repeat(100)), 2)));
        let expected = Counts::from([(NotMirrored::Rate, 5), (NotMirrored::Other, 10_000)]);
        let cbor = minicbor_serde::to_vec(&names).unwrap();
        assert_eq!(minicbor_serde::from_slice::<Counts<NotMirrored>>(&cbor).unwrap(), expected);
        let json = serde_json::to_string(&names).unwrap();
        assert_eq!(serde_json::from_str::<Counts<NotMirrored>>(&json).unwrap(), expected);
        let twice = format!("{{\"rate\":{},\"rate\":1,\"red\":0}}", u64::MAX);
        let read: Counts<NotMirrored> = serde_json::from_str(&twice).unwrap();
        assert_eq!(format!("{read:?}"), format!("{{\"rate\": {}}}", u64::MAX));
        for wrong in ["{\"rate\":-1}", "{\"rate\":\"1\"}", "[]", "7"] {
            assert!(serde_json::from_str::<Counts<NotMirrored>>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sums_are_of_all_or_of_one_meaning_and_never_overflow() {
        let earlier = Counts::from([(NotMirrored::Rate, 2), (NotMirrored::TooLong, 9)]);
        let later = earlier.plus([(NotMirrored::Rate, 5), (NotMirrored::NotSampled, 100)].into());
        assert_eq!((later.total(), later.that_mean(Meaning::Thinned)), (116, 7));
        assert_eq!(later.since(earlier), [(NotMirrored::Rate, 5), (NotMirrored::NotSampled, 100)].into());
        assert_eq!(earlier.since(later), Counts::default());
        assert_eq!(later.at_most(8).total(), 7 + 8 + 8);
        let many = Counts::from([(NotMirrored::Rate, u64::MAX), (NotMirrored::Red, 1)]);
        assert_eq!((many.plus(many).total(), many.is_empty()), (u64::MAX, false));
    }
}
