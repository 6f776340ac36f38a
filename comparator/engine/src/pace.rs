//! What counting takes from a policy: how long a block is that counts once, how long legs warm up, how noisy a noisy place may be.

use serde::{Deserialize, Serialize};

use crate::coins::{Moment, bucket};
use crate::compared::{Answer, Exchange};

/// By what exchanges are counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// The shortest block of time that counts once, in microseconds; at least 1.
    pub block_us: u64,
    /// For how long after a leg's first answer, and after a silence of that leg, exchanges are only counted, in microseconds.
    pub warm_up_us: u64,
    /// The most that the margin of a place becomes when it turns noisy, 0 to 1.
    pub noisy_margin: f64,
}

impl Default for Pace {
    /// Blocks of 10 s, no time to warm up, and margins of at most 5 %.
    fn default() -> Self {
        Self { block_us: 10_000_000, warm_up_us: 0, noisy_margin: 0.05 }
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
        if pace.warm_up_us > 0 && (begins || control_begins) {
            self.until_us = self.until_us.max(at_us.saturating_add(pace.warm_up_us));
        }
        let answered = exchange.candidate.answered() && control.is_none_or(Answer::answered);
        answered && at_us < self.until_us
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
