//! Instances that have state: each pauses, restarts and loses its cache from time to time, whatever its version.
//!
//! When it does is decided by a seed and by the time since the instance began, so that instances with other seeds are alike and
//! independent. About once a second something happens, and no part of it lasts longer than was said.

use std::time::Duration;

use http::{HeaderValue, Response};
use serde_json::{Value, json};

use super::Dice;

/// When one instance pauses, restarts or loses its cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unrest {
    /// Two instances should differ in it.
    pub seed: u64,
    /// The longest that one pause, one restart or one cold cache lasts, at most a quarter of a second.
    pub longest: Duration,
}

/// What an instance is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// It answers from its cache.
    Warm,
    /// It answers without its cache, and takes longer.
    Cold,
    /// It answers nothing for so long.
    Paused(Duration),
    /// It restarts, and its connections break.
    Gone,
    /// It restarts behind something that says 503 meanwhile.
    Unavailable,
}

/// Begins and ends after the instance began, and what the instance does between.
type Part = (Duration, Duration, Incident);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Incident {
    Pause,
    Break,
    Refuse,
    Cold,
}

impl Unrest {
    /// What the instance does at this time after it began.
    pub(super) fn mood(self, now: Duration) -> Mood {
        let parts = self.parts(now.as_secs());
        match parts.into_iter().flatten().find(|(begin, end, _)| (*begin..*end).contains(&now)) {
            None => Mood::Warm,
            Some((_, end, Incident::Pause)) => Mood::Paused(end.saturating_sub(now)),
            Some((_, _, Incident::Break)) => Mood::Gone,
            Some((_, _, Incident::Refuse)) => Mood::Unavailable,
            Some((_, _, Incident::Cold)) => Mood::Cold,
        }
    }

    /// What happens in this second, all within it: one thing, and after a restart a cold cache.
    fn parts(self, second: u64) -> [Option<Part>; 2] {
        let mut dice = Dice::new(self.seed ^ second.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let longest = u64::try_from(self.longest.as_micros()).unwrap_or(u64::MAX).min(MOST_MICROS);
        let mut length = || longest / 4 + dice.below(longest - longest / 4 + 1);
        let (first, then) = (length(), length());
        let begin = Duration::from_secs(second) + micros(dice.below(SECOND_MICROS - first - then));
        let end = begin + micros(first);
        let what = [Incident::Pause, Incident::Break, Incident::Refuse, Incident::Cold];
        let what = what[usize::try_from(dice.below(4)).unwrap_or(0)];
        let restarted = matches!(what, Incident::Break | Incident::Refuse);
        [Some((begin, end, what)), restarted.then(|| (end, end + micros(then), Incident::Cold))]
    }
}

impl Mood {
    /// How much longer than usual an answer takes.
    pub(super) fn slower(self) -> f64 {
        if self == Self::Cold { 5.0 } else { 1.0 }
    }

    /// Says in a page whether it comes from the cache.
    pub(super) fn mark(self, page: &mut Value) {
        page["cached"] = json!(self != Self::Cold);
    }

    /// Says the same in a header, as caches do.
    pub(super) fn label<B>(self, answer: &mut Response<B>) {
        let label = if self == Self::Cold { "miss" } else { "hit" };
        answer.headers_mut().insert("x-cache", HeaderValue::from_static(label));
    }
}

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

const SECOND_MICROS: u64 = 1_000_000;
/// Twice that, and there is room left within the second.
const MOST_MICROS: u64 = 250_000;

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_millis(45);

    /// What an instance does in each millisecond of a minute.
    fn minute(seed: u64, longest: Duration) -> Vec<Mood> {
        (0..60_000).map(|now| Unrest { seed, longest }.mood(Duration::from_millis(now))).collect()
    }

    fn kind(mood: &Mood) -> usize {
        match mood {
            Mood::Warm => 0,
            Mood::Cold => 1,
            Mood::Paused(_) => 2,
            Mood::Gone => 3,
            Mood::Unavailable => 4,
        }
    }

    #[test]
    fn every_second_has_an_incident_of_some_kind_and_none_is_too_long() {
        for seed in 1..=8 {
            let minute = minute(seed, LONGEST);
            assert!(minute.chunks(1_000).all(|second| second.iter().any(|mood| *mood != Mood::Warm)));
            let mut kinds = [0; 5];
            for part in minute.chunk_by(|left, right| kind(left) == kind(right)) {
                kinds[kind(&part[0])] += 1;
                let lasted = part.len();
                assert!(
                    part[0] == Mood::Warm || (10..=45).contains(&lasted),
                    "{:?} for {lasted} ms",
                    part[0]
                );
            }
            assert!(kinds.iter().all(|count| *count >= 5), "{kinds:?}");
        }
    }

    #[test]
    fn the_seed_decides_when() {
        assert_eq!(minute(1, LONGEST), minute(1, LONGEST));
        let both = minute(1, LONGEST).into_iter().zip(minute(2, LONGEST));
        let both = both.filter(|(one, two)| *one != Mood::Warm && *two != Mood::Warm).count();
        let one = minute(1, LONGEST).iter().filter(|mood| **mood != Mood::Warm).count();
        assert!(both * 5 < one, "{both} of {one} ms together");
    }

    #[test]
    fn a_pause_says_how_long_it_still_lasts() {
        let minute = minute(3, LONGEST);
        let begin = minute.iter().position(|mood| matches!(mood, Mood::Paused(_))).unwrap();
        let Mood::Paused(rest) = minute[begin] else { unreachable!() };
        let end = Duration::from_millis(u64::try_from(begin).unwrap()) + rest;
        let unrest = Unrest { seed: 3, longest: LONGEST };
        assert!(matches!(unrest.mood(end.saturating_sub(micros(1))), Mood::Paused(_)));
        assert_eq!(unrest.mood(end), Mood::Warm);
    }

    #[test]
    fn no_length_is_too_long_for_a_second() {
        let unrest = Unrest { seed: 1, longest: Duration::MAX };
        for (begin, end, _) in (0..1_000).flat_map(|second| unrest.parts(second)).flatten() {
            assert!(begin < end && micros(MOST_MICROS) >= end.saturating_sub(begin));
            assert_eq!(begin.as_secs(), end.saturating_sub(micros(1)).as_secs());
        }
        assert_eq!(minute(1, Duration::ZERO), vec![Mood::Warm; 60_000]);
    }
}
