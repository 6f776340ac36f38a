//! An instant by the two clocks of a host, which is an argument of everything here that needs the time.

use std::time::Duration;

/// The two clocks of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Monotonic, from an origin of the host's choice: for durations.
    pub monotonic: Duration,
    /// Microseconds since 1970: for what people read.
    pub wall_us: u64,
}
