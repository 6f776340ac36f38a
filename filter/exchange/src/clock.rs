//! An instant by the two clocks of a host, which is an argument of everything here that needs the time.

use std::time::Duration;

/// An instant by both clocks of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// The time since an origin of the host's choice, by a clock that never goes back: for durations.
    pub monotonic: Duration,
    /// Microseconds since 1970, by the host's wall clock: for what people read.
    pub wall_us: u64,
}
