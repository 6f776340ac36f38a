//! What mirroring may use of one proxy worker: places, bytes, and exchanges a second.
//!
//! Bodies being recorded and answers being waited for count with the most that they may become, so that a promise once given
//! is never exceeded.

use std::time::Duration;

use antumbra_observation::NotMirrored;

use crate::settings::Limits;

/// What is used, against [`Limits`].
pub(crate) struct Budget {
    limits: Limits,
    recordings: usize,
    bytes: usize,
    /// When the next exchange would be due if they came evenly.
    due: Duration,
}

impl Budget {
    /// All of it is left.
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, recordings: 0, bytes: 0, due: Duration::ZERO }
    }

    /// Takes a place for a recording that may come to hold `bytes`, beside exchanges and bytes used elsewhere; or why not.
    pub(crate) fn take(
        &mut self,
        bytes: usize,
        waiting: usize,
        held: usize,
        now: Duration,
    ) -> Result<(), NotMirrored> {
        if self.recordings.saturating_add(waiting) >= self.limits.exchanges_in_flight {
            return Err(NotMirrored::ExchangesInFlight);
        }
        if self.bytes.saturating_add(held) >= self.limits.bytes_in_flight {
            return Err(NotMirrored::BytesInFlight);
        }
        self.take_turn(now).ok_or(NotMirrored::Rate)?;
        self.recordings = self.recordings.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Gives back what a recording took.
    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.recordings = self.recordings.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// The generic cell rate algorithm (ITU-T I.371): evenly spaced, with [`BURST`] in advance.
    fn take_turn(&mut self, now: Duration) -> Option<()> {
        if self.due > now.saturating_add(BURST) {
            return None;
        }
        let every = Duration::from_secs(1).checked_div(self.limits.mirrored_per_second)?;
        self.due = self.due.max(now).saturating_add(every);
        Some(())
    }
}

/// So much of a second's exchanges may come at once.
const BURST: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn budget(mirrored_per_second: u32) -> Budget {
        Budget::new(Limits { exchanges_in_flight: 1_000_000, bytes_in_flight: 100, mirrored_per_second })
    }

    #[test]
    fn bytes_end_where_they_are_used_up_and_come_back() {
        let mut budget = budget(1_000_000);
        assert_eq!(budget.take(60, 0, 39, Duration::ZERO), Ok(()));
        assert_eq!(budget.take(60, 0, 40, Duration::ZERO), Err(NotMirrored::BytesInFlight));
        budget.give_back(60);
        assert_eq!(budget.take(60, 0, 40, Duration::ZERO), Ok(()));
    }

    #[test]
    fn no_second_has_more_than_the_rate_and_its_burst() {
        for (rate, offered, taken) in [(50, 20, 20), (50, 10_000, 55), (1, 100, 2), (0, 100, 0)] {
            let mut budget = budget(rate);
            let at = |number: u32| Duration::from_secs(9) + Duration::from_secs(1) * number / offered;
            let took = (0..offered).filter(|number| budget.take(0, 0, 0, at(*number)).is_ok()).count();
            assert!(took.abs_diff(taken) <= 1, "{took} of {offered} at {rate} a second");
        }
    }
}
