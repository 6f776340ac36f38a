//! What counting takes from a policy: how long a block is that counts once, how long legs warm up, how noisy a noisy place may be.

use serde::{Deserialize, Serialize};

use crate::coins::{Moment, bucket};
use crate::compared::{Answer, Exchange};
use crate::latency::LatencyMargins;

/// By what exchanges are counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// The shortest block of time that counts once, in microseconds; at least 1.
    pub block_us: u64,
    /// For how long after a leg's first answer, and after a silence of that leg, exchanges are only counted, in microseconds.
    pub warm_up_us: u64,
    /// The most that the margin of a place becomes when it turns noisy, 0 to 1.
    pub noisy_margin: f64,
    /// By how much the candidate may be slower.
    pub latency: LatencyMargins,
}

impl Default for Pace {
    /// Blocks of 10 s, no time to warm up, and margins of at most 5 %.
    fn default() -> Self {
        Self { block_us: 10_000_000, warm_up_us: 0, noisy_margin: 0.05, latency: LatencyMargins::default() }
    }
}

impl Pace {
    /// The number of the block of a time, modulo 2^32: that of a second comes again after 136 years.
    pub(crate) fn block(self, at_us: u64) -> u32 {
        (at_us / self.block_us.max(1)) as u32
    }

    pub(crate) fn moment(self, exchange: &Exchange) -> Moment {
        let bucket = exchange.client.map(bucket).or(exchange.bucket);
        Moment { block: self.block(exchange.at_us), bucket, nth: 0 }
    }
}

/// Whether the legs have just begun to answer. What has just started fills its caches, and is slower than it will be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Warming {
    candidate: Awake,
    control: Awake,
    until_us: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Awake {
    answered: bool,
    silent_since_us: Option<u64>,
}

impl Warming {
    /// Whether a leg warms up while it answers this exchange. One that has no answer is never excused.
    pub(crate) fn excuses(&mut self, exchange: &Exchange, pace: Pace) -> bool {
        let at_us = exchange.at_us;
        let begins = self.candidate.begins(&exchange.candidate, at_us, pace);
        let control = exchange.control.as_ref();
        let control_begins = control.is_some_and(|control| self.control.begins(control, at_us, pace));
        if begins || control_begins {
            self.until_us = at_us.saturating_add(pace.warm_up_us);
        }
        let answered = exchange.candidate.answered() && control.is_none_or(Answer::answered);
        // A clock that is far ahead excuses what it stamps itself, and nothing else.
        let warms = self.until_us.saturating_sub(pace.warm_up_us)..self.until_us;
        answered && warms.contains(&at_us)
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.until_us = self.until_us.max(other.until_us);
        self.candidate.answered |= other.candidate.answered;
        self.control.answered |= other.control.answered;
    }
}

impl Awake {
    /// Whether this is the leg's first answer at all, or after a silence of a block.
    fn begins(&mut self, answer: &Answer, at_us: u64, pace: Pace) -> bool {
        if !answer.answered() {
            self.silent_since_us.get_or_insert(at_us);
            return false;
        }
        let since = self.silent_since_us.take();
        let silent = since.is_some_and(|since| at_us.saturating_sub(since) >= pace.block_us);
        let first = !std::mem::replace(&mut self.answered, true);
        first || silent
    }
}

impl Answer {
    fn answered(&self) -> bool {
        self.call.status.is_some()
    }
}

#[cfg(test)]
mod tests {
    use antumbra_observation::{Leg, Observation, Outcome};

    use super::*;
    use crate::{Evidence, Rules, Taken};

    const SECOND: u64 = 1_000_000;

    /// What comes of exchanges at these seconds, in which the candidate answers or not.
    fn taken(exchanges: &[(u64, bool)]) -> String {
        let mut evidence = Evidence::new();
        evidence.set_pace(Pace { warm_up_us: 60 * SECOND, ..Pace::default() });
        let taken = exchanges.iter().zip(1_u64..).map(|((at, answers), number)| {
            let leg = |variant| Leg::answer(variant, 200).with_json("{}").with_latency_us(1_000);
            let candidate = if *answers { leg("canary") } else { Leg::ended("canary", Outcome::Refused) };
            let observation = Observation::new("shop", "GET", "/")
                .with_id(number.into())
                .with_arrival_us(at * SECOND)
                .with_primary(leg(""))
                .with_candidate(candidate)
                .with_control(leg("control"));
            match evidence.observe(&observation, &Rules::default()) {
                Taken::WarmingUp => 'w',
                Taken::Compared => 'c',
                _ => '?',
            }
        });
        taken.collect()
    }

    #[test]
    fn what_has_just_begun_to_answer_is_only_counted() {
        assert_eq!(taken(&[(1_000, true), (1_059, true), (1_060, true), (1_200, true)]), "wwcc");
        let silent =
            [(1_000, true), (1_100, false), (1_105, true), (1_200, false), (1_210, true), (1_270, true)];
        assert_eq!(taken(&silent), "wcccwc", "five seconds are no silence, ten are");
        assert_eq!(taken(&[(1_000, false), (1_100, false), (1_110, true)]), "ccw", "before the first answer");
        assert_eq!(
            taken(&[(1_000, true), (1_010, false), (1_020, true)]),
            "wcw",
            "no answer is never excused"
        );
        assert_eq!(taken(&[(9_000_000, true), (1_000, true), (1_001, true)]), "wcc", "a clock that is ahead");
    }
}
