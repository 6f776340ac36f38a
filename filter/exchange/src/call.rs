//! A call that the host makes for an instance, and the name by which its answer is known again.

use std::time::Duration;

use crate::headers::Headers;

/// A call that the host is to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Comes back with the answer.
    pub id: CallId,
    /// A cluster of the proxy.
    pub cluster: String,
    /// With `:method`, `:path` and `:authority`.
    pub headers: Headers,
    /// May be empty.
    pub body: Vec<u8>,
    /// May be empty. Envoy makes its calls without.
    pub trailers: Headers,
    /// After which the host answers in the service's stead.
    pub timeout: Duration,
}

/// Names a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallId {
    /// To a candidate or a control.
    Shadow(u64, LegName),
    /// Observations to the comparator.
    Batch(u64),
    /// Exchanges to the comparator, which makes their shadow calls.
    Handovers(u64),
    /// A heartbeat, answered by a policy if there is a newer one.
    Poll,
}

/// Which of the two shadow calls of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LegName {
    /// The new version.
    Candidate,
    /// The stable version, asked a second time.
    Control,
}
