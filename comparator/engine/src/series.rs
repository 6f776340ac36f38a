//! Whether what the legs have at one place tells of the answers, or of the instances that give them.
//!
//! A counter that each instance has for itself, or a name that it has, lies as far from the primary's as instances do, and says nothing of a
//! version. What is decided of an exchange is decided by those before it.

use serde::{Deserialize, Serialize};

use crate::farther::Values;
use crate::sparse::is_default;

/// Whether the values at one place tell of the answers, or of the instances that give them.
///
/// A number that keeps rising and hardly ever falls over the exchanges of a leg is a counter, a sequence or a time since something: the candidate's may be far
/// from the primary's because it has just started. A fall is one below the middle of what was seen before, so that exchanges which arrive out of
/// order are none. A few texts of each leg that no other leg has are names of instances: the candidate's may be far from the primary's because it is
/// deployed under another name. What is decided of an exchange is decided by those before it, and what is neither is so for good once enough was
/// seen of it: at most places values are drawn, and to look at them for ever would cost more than all else.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Series {
    #[serde(skip_serializing_if = "is_default")]
    numbers: [Leg; 3],
    #[serde(skip_serializing_if = "is_default")]
    texts: [Few; 3],
    /// Its numbers tell of the answers.
    #[serde(skip_serializing_if = "is_default")]
    free_numbers: bool,
    /// Its texts do.
    #[serde(skip_serializing_if = "is_default")]
    free_texts: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Leg {
    #[serde(skip_serializing_if = "is_default")]
    lowest: f64,
    #[serde(skip_serializing_if = "is_default")]
    highest: f64,
    #[serde(skip_serializing_if = "is_default")]
    seen: u32,
    /// How often it was higher than ever before.
    #[serde(skip_serializing_if = "is_default")]
    heights: u32,
    #[serde(skip_serializing_if = "is_default")]
    falls: u32,
}

/// The texts of a leg, by hash, as long as they are few.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Few {
    #[serde(skip_serializing_if = "is_default")]
    texts: Vec<u64>,
    #[serde(skip_serializing_if = "is_default")]
    seen: u32,
    #[serde(skip_serializing_if = "is_default")]
    many: bool,
}

/// Which values of a place are known for good to tell of the answers: nothing more is learnt from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Settled {
    numbers: bool,
    texts: bool,
}

impl Settled {
    pub(crate) fn has(self, values: Values) -> bool {
        match values {
            Values::Numbers(_) => self.numbers,
            Values::Texts(_) => self.texts,
        }
    }
}

/// What is known of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// Too few were seen.
    Unknown,
    /// It tells of instances.
    Instances,
    Free,
}

impl Series {
    /// The course so far of what is such a value.
    pub(crate) fn course(&self, of: Values) -> Course {
        match of {
            _ if self.settled().has(of) => Course::Free,
            Values::Numbers(_) => self.of_numbers(),
            Values::Texts(_) => self.of_texts(),
        }
    }

    /// Which values are known for good to tell of the answers.
    pub(crate) fn settled(&self) -> Settled {
        Settled { numbers: self.free_numbers, texts: self.free_texts }
    }

    fn of_numbers(&self) -> Course {
        let [_, candidate, control] = &self.numbers;
        let each = self.numbers.map(Leg::course);
        if each.contains(&Course::Instances) {
            Course::Instances
        } else if each.contains(&Course::Unknown) {
            Course::Unknown
        } else if candidate.is_constant()
            && control.is_constant()
            && candidate.lowest.total_cmp(&control.lowest).is_ne()
        {
            // Each has a number of its own.
            if candidate.seen < FEWEST_SEEN { Course::Unknown } else { Course::Instances }
        } else {
            Course::Free
        }
    }

    fn of_texts(&self) -> Course {
        let [primary, candidate, control] = &self.texts;
        let meet = primary.meets(candidate) || primary.meets(control) || candidate.meets(control);
        match control.seen {
            _ if meet || candidate.many || control.many => Course::Free,
            0..FEWEST_SEEN => Course::Unknown,
            _ => Course::Instances,
        }
    }

    /// Takes the values of an exchange.
    pub(crate) fn take(&mut self, values: Values) {
        match values {
            _ if self.settled().has(values) => {}
            Values::Numbers(numbers) => {
                self.numbers.iter_mut().zip(numbers).for_each(|(leg, number)| leg.take(number));
                let settled = |leg: &Leg| leg.seen >= SETTLED && !leg.is_constant();
                self.free_numbers = self.numbers.iter().all(settled) && self.of_numbers() == Course::Free;
            }
            Values::Texts(texts) => {
                self.texts.iter_mut().zip(texts).for_each(|(leg, text)| leg.take(text));
                // What they have in common, and that they are many, does not change any more.
                self.free_texts = self.of_texts() == Course::Free;
            }
        }
    }

    /// Adds what another engine saw.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (own, other) in self.numbers.iter_mut().zip(other.numbers).filter(|(_, other)| other.seen > 0) {
            let first = own.seen == 0;
            *own = Leg {
                lowest: if first { other.lowest } else { own.lowest.min(other.lowest) },
                highest: if first { other.highest } else { own.highest.max(other.highest) },
                seen: own.seen.saturating_add(other.seen),
                heights: own.heights.saturating_add(other.heights),
                falls: own.falls.saturating_add(other.falls),
            };
        }
        for (own, other) in self.texts.iter_mut().zip(&other.texts) {
            let seen = own.seen.saturating_add(other.seen);
            other.texts.iter().for_each(|text| own.take(*text));
            own.many |= other.many;
            own.seen = seen;
        }
        self.free_numbers |= other.free_numbers;
        self.free_texts |= other.free_texts || self.of_texts() == Course::Free;
    }
}

impl Few {
    fn take(&mut self, text: u64) {
        self.seen = self.seen.saturating_add(1);
        if self.many || self.texts.contains(&text) {
            return;
        }
        self.many = self.texts.len() >= MOST_NAMES;
        if !self.many {
            self.texts.push(text);
        }
    }

    fn meets(&self, other: &Self) -> bool {
        self.texts.iter().any(|text| other.texts.contains(text))
    }
}

impl Leg {
    fn take(&mut self, number: f64) {
        if self.seen == 0 {
            (self.lowest, self.highest) = (number, number);
        }
        self.falls = self.falls.saturating_add((number < f64::midpoint(self.lowest, self.highest)).into());
        self.heights = self.heights.saturating_add((number > self.highest).into());
        self.lowest = self.lowest.min(number);
        self.highest = self.highest.max(number);
        self.seen = self.seen.saturating_add(1);
    }

    fn is_constant(&self) -> bool {
        self.lowest >= self.highest
    }

    fn course(self) -> Course {
        let falls_often = self.falls >= FEWEST_FALLS && self.falls.saturating_mul(8) >= self.seen;
        match self.seen {
            seen if seen >= FEWEST_ALIKE && self.is_constant() || falls_often => Course::Free,
            0..FEWEST_SEEN => Course::Unknown,
            seen if self.heights.saturating_mul(4) >= seen => Course::Instances,
            _ => Course::Free,
        }
    }
}

/// More texts than these are no names of instances.
const MOST_NAMES: usize = 8;
const FEWEST_FALLS: u32 = 2;
/// As many of one value are none that rises.
const FEWEST_ALIKE: u32 = 3;
/// By then a value that is drawn has fallen twice.
const FEWEST_SEEN: u32 = 12;
/// By then numbers of which none is a counter will not turn into some.
const SETTLED: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_tell_of_instances_and_not_of_answers() {
        let course = |each: &dyn Fn(u32) -> [f64; 3], exchanges: u32| {
            let mut series = Series::default();
            (0..exchanges).for_each(|number| series.take(Values::Numbers(each(number))));
            series.course(Values::Numbers([0.0; 3]))
        };
        let hash = |number: u32| f64::from(number.wrapping_mul(0x9e37_79b9) >> 20);
        let counter = |number: u32| [f64::from(number) + 5_000.0, f64::from(number), hash(number)];
        assert_eq!((course(&counter, 5), course(&counter, 100)), (Course::Unknown, Course::Instances));
        // Two of three exchanges arrive the wrong way round.
        let jitter = |number: u32| [f64::from(number ^ 3), f64::from(number ^ 1), hash(number)];
        assert_eq!(course(&jitter, 400), Course::Instances);
        let free = |number: u32| [hash(number), hash(number + 7), hash(number + 31)];
        assert_eq!((course(&free, 12), course(&free, 1_000)), (Course::Free, Course::Free));
        let zero = |number: u32| [hash(number), 0.0, hash(number + 31)];
        assert_eq!(course(&zero, 30), Course::Free, "what stays as it is counts nothing");
        let own = |number: u32| [hash(number), 3.0, 5.0];
        assert_eq!(course(&own, 30), Course::Instances, "each has a number of its own");
        let rare = |_: u32| [1.0, 0.0, 0.0];
        assert_eq!(course(&rare, 30), Course::Free, "both have the same");
    }

    #[test]
    fn only_what_is_no_counter_is_free_for_good() {
        let numbers = Values::Numbers([0.0; 3]);
        let after = |each: &dyn Fn(u32) -> [f64; 3], exchanges: u32| {
            let mut series = Series::default();
            (0..exchanges).for_each(|number| series.take(Values::Numbers(each(number))));
            series
        };
        let hash = |number: u32| f64::from(number.wrapping_mul(0x9e37_79b9) >> 20);
        let drawn = |number: u32| [hash(number), hash(number + 7), hash(number + 31)];
        assert!(!after(&drawn, SETTLED - 1).settled().has(numbers));
        let mut free = after(&drawn, SETTLED);
        assert!(free.settled().has(numbers) && !free.settled().has(Values::Texts([0; 3])));
        let before = free.clone();
        free.take(Values::Numbers([1e9, 2e9, 3e9]));
        assert_eq!(free, before);
        let counter = |number: u32| [f64::from(number) + 5_000.0, f64::from(number), hash(number)];
        assert!(!after(&counter, 10_000).settled().has(numbers));
        let constant = |number: u32| [hash(number), 0.0, hash(number + 31)];
        assert!(!after(&constant, 10_000).settled().has(numbers), "it may begin to count");
    }

    #[test]
    fn names_of_instances_tell_of_instances() {
        let course = |each: &dyn Fn(u64) -> [u64; 3], exchanges: u64| {
            let mut series = Series::default();
            (0..exchanges).for_each(|number| series.take(Values::Texts(each(number))));
            series.course(Values::Texts([0; 3]))
        };
        let hosts = |number: u64| [100 + number % 5, 200 + number % 2, 300];
        assert_eq!((course(&hosts, 11), course(&hosts, 100)), (Course::Unknown, Course::Instances));
        let ids = |number: u64| [number * 3, u64::MAX, number * 3 + 1];
        assert_eq!(
            (course(&ids, 5), course(&ids, 9)),
            (Course::Unknown, Course::Free),
            "the candidate's is always one word"
        );
        let moods = |number: u64| [number % 3, 9, (number + 1) % 3];
        assert_eq!(course(&moods, 3), Course::Free, "the control has what the primary has");
    }
}
