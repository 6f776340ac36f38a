//! A call that the host makes for an instance, and the name by which its answer is known again.

use std::time::Duration;

use crate::headers::Headers;

/// A call that the host is to make over HTTP, and to answer with [`Incident::Answered`](crate::Incident::Answered).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The name of the call, which comes back with the answer.
    pub id: CallId,
    /// The cluster of the proxy that the call goes to.
    pub cluster: String,
    /// The headers of the request, `:method`, `:path` and `:authority` among them.
    pub headers: Headers,
    /// The body of the request, which may be empty.
    pub body: Vec<u8>,
    /// The trailers of the request, which may be empty. Envoy makes its calls without.
    pub trailers: Headers,
    /// The time after which the host answers in the service's stead.
    pub timeout: Duration,
}

/// The name of a call, by which its answer is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallId {
    /// A call to a candidate or a control, by the key of its exchange.
    Shadow(u64, LegName),
    /// A batch of observations for the comparator, by its number.
    Batch(u64),
    /// A batch of exchanges for the comparator, which makes their shadow calls, by its number.
    Handovers(u64),
    /// A heartbeat for the comparator, which answers with a policy if there is a newer one.
    Poll,
}

/// Which of the two shadow calls of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LegName {
    /// The call to the new version.
    Candidate,
    /// The second call to the stable version.
    Control,
}

impl LegName {
    /// The name in observations and heartbeats.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::Control => "control",
        }
    }
}
