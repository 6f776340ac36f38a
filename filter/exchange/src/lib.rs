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
mod call;
mod capture;
mod clock;
mod comparator;
mod decisions;
mod election;
mod exchange;
mod handover;
mod headers;
mod incident;
mod link;
mod mirroring;
mod outbox;
mod passed;
mod reach;
mod report;
mod settings;
mod shadow;
mod subscription;
mod trailers;
mod troubles;
mod turns;
mod waiting;

pub use call::{Call, CallId, LegName};
pub use capture::Capture;
pub use clock::Now;
pub use decisions::Decisions;
pub use election::{Found, Step};
pub use exchange::{Ending, Event, Exchange};
pub use headers::Headers;
pub use incident::Incident;
pub use mirroring::Mirroring;
pub use passed::Passed;
pub use settings::{Comparator, Host, Limits, Settings};
pub use shadow::{Answer, refused};
