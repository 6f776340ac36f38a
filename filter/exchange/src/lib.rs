//! The life of one request as events and effects, and what a filter instance does between requests.
//!
//! Two state machines, neither of which knows a host: [`Exchange`] follows one request from its headers to its end and
//! yields what was captured; [`Mirroring`] sends the shadow calls, joins their answers into observations, ships them in
//! batches, and polls for the policy. Time and dice are arguments; effects are values.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects
    )
)]

mod body;
mod budget;
mod capture;
mod comparator;
mod decisions;
mod election;
mod exchange;
mod handover;
mod link;
mod mirroring;
mod outbox;
mod reach;
mod report;
mod settings;
mod shadow;
mod subscription;
mod trailers;
mod turns;
mod waiting;

pub use capture::Capture;
pub use decisions::Decisions;
pub use election::{Found, Step};
pub use exchange::{Ending, Event, Exchange};
pub use mirroring::{Call, CallId, Incident, LegName, Mirroring};
pub use settings::{Comparator, Host, Limits, Settings};
pub use shadow::{Answer, refused};

use std::time::Duration;

use antumbra_observation::Bytes;

/// Header names and values in order, duplicates kept; names are lower case, as HTTP/2 and Envoy have them.
pub type Headers = Vec<(Bytes, Bytes)>;

/// The two clocks of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Monotonic, from an origin of the host's choice: for durations.
    pub monotonic: Duration,
    /// Microseconds since 1970: for what people read.
    pub wall_us: u64,
}

/// The first value of `name`, which is lower case.
fn first<'h>(headers: &'h Headers, name: &str) -> Option<&'h [u8]> {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value.0.as_slice())
}
