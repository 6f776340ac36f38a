//! When an exchange began, from where its legs say when they left.

use std::time::{Duration, Instant};

/// The arrival of a request, by a clock that never goes back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Began {
    /// An instant at or after the arrival, …
    seen: Instant,
    /// … and how long after.
    before: Duration,
}

impl Began {
    /// An exchange that begins now.
    pub(crate) fn now() -> Self {
        Self { seen: Instant::now(), before: Duration::ZERO }
    }

    /// One that a proxy saw at `at_us`, by its own wall clock, where this host's shows `now_us`, both in microseconds since 1970. A clock
    /// behind the proxy's says that it begins now. Either way the legs are as far apart as they are.
    pub(crate) fn at(at_us: u64, now_us: u64) -> Self {
        Self { before: Duration::from_micros(now_us.saturating_sub(at_us)), ..Self::now() }
    }

    /// Microseconds until a later instant; `None` for more than a leg can say.
    pub(crate) fn until(self, later: Instant) -> Option<u32> {
        let after = later.saturating_duration_since(self.seen).saturating_add(self.before);
        u32::try_from(after.as_micros()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legs_say_when_they_left_whatever_two_clocks_say() {
        let check = |at_us, now_us, expected: Option<u32>| {
            let began = Began::at(at_us, now_us);
            let left = |us| began.until(began.seen + Duration::from_micros(us));
            assert_eq!(left(0), expected, "{at_us} {now_us}");
            assert_eq!(left(20), expected.map(|us| us + 20), "{at_us} {now_us}");
        };
        check(1_000, 1_000, Some(0));
        check(1_000, 150_000, Some(149_000));
        check(150_000, 1_000, Some(0));
        check(0, 1 << 32, None);
        assert_eq!(Began::now().until(Instant::now() - Duration::from_secs(1)), Some(0));
    }
}
