//! Normalise → diff → aggregate → verdict → report, over observations of primary, candidate and control.
//!
//! The crate is pure: no clock, no I/O, no randomness. [`Evidence`] grows by one [`Observation`] at a time, is stored row
//! by row, and [`report`] may read it at any moment: the tests behind the verdict are always valid, so looking often
//! does not inflate errors. Noise is not modelled: the control, sent together with the candidate, shows it.
//!
//! [`Observation`]: antumbra_observation::Observation

mod arrays;
mod asked;
mod body;
mod compare;
mod compared;
mod diff;
mod endpoint;
mod evidence;
mod excerpt;
mod guess;
mod headers;
mod hypothesis;
mod journal;
mod json;
mod kind;
mod latency;
mod markdown;
mod merge;
mod number;
mod observe;
mod offline;
mod outside;
mod pattern;
mod recent;
mod refusal;
mod refusals;
mod render;
mod report;
mod rows;
mod rules;
mod schemas;
pub mod stats;
mod suggestion;
mod verdict;
mod wording;
mod written;

pub use body::decoded;
pub use compared::Compared;
pub use endpoint::{BadEndpoint, EndpointPattern, template};
pub use evidence::{Evidence, Taken};
pub use hypothesis::Example;
pub use journal::{BadBatch, decode_compared, encode_compared};
pub use kind::Kind;
pub use observe::compare;
pub use offline::{Diff, Difference, Media, diff, diff_answers};
pub use outside::{Finding, Outside, PluginReport};
pub use pattern::{BadPattern, Pattern};
pub use refusal::Refusal;
pub use report::{
    Dropped, EndpointReport, Interval, LegLatencies, Noise, Quantiles, Refused, Regression, Report,
    Uncontrolled, report,
};
pub use rows::{BadRow, Row};
pub use rules::{Allow, Arrays, Class, Decimal, Expression, Rule, Rules};
#[cfg(feature = "grpc-messages")]
pub use schemas::BadSchemas;
pub use schemas::Schemas;
pub use suggestion::Suggestion;
pub use verdict::{Code, Delivery, Gates, Reason, Verdict};
