//! Wall-clock time as the store keeps it and as people read it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, UTC; 0 if the clock stands before that.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Microseconds since 1970, UTC; 0 if the clock stands before that.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The same instant as policies compare it.
pub(crate) fn now() -> antumbra_policy::Timestamp {
    antumbra_policy::Timestamp(i64::try_from(now_ms().saturating_mul(1000)).unwrap_or(i64::MAX))
}
