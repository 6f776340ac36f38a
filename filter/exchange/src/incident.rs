//! What happens to a filter instance, as the host tells it.

use antumbra_observation::Unsent;

use crate::call::CallId;
use crate::capture::Capture;
use crate::passed::Passed;
use crate::shadow::Answer;

/// What happens to a filter instance, from its streams, its calls and its clock.
#[derive(Debug)]
pub enum Incident {
    /// A recording that was admitted with so many bytes was given up before the request's end.
    GivenUp(usize),
    /// A request ended and was not mirrored, for this reason.
    Passed(Passed),
    /// A request ended and is to be mirrored.
    Captured(Box<Capture>),
    /// A call was answered, or the host answered in the service's stead.
    Answered(CallId, Answer),
    /// A call could not be sent, for this reason.
    NotSent(CallId, Unsent),
    /// Time passed.
    Tick,
    /// The root context is to end: send what is left.
    Drain,
    /// The root context ends now, whatever is left.
    Abandon,
}
