//! Normalise → diff → aggregate → verdict → report, over observations of primary, candidate and control.
//!
//! The crate is pure: no clock, no I/O, no randomness. [`compare`] finds out how the answers of one [`Observation`] differ, on any
//! thread; [`Evidence::take`] counts what it found, on one. [`report`] may read the evidence at any moment: the tests behind the verdict
//! are always valid, so looking often does not inflate errors. Noise is not modelled: the control, sent together with the candidate,
//! shows it.
//!
//! # Example
//!
//! A service stamps each answer with the time, which no rule needs to know: the control shows that it is noise. Its trace identifiers are
//! declared harmless. What is left is a defect: the new version lost a price.
//!
//! ```
//! use antumbra_engine::{Evidence, Gates, Delivery, Outside, Pattern, Rules, Verdict, compare, report};
//! use antumbra_observation::{Body, ExchangeId, Leg, Observation, Outcome, Request, Response, VERSION};
//!
//! let answer = |body: String| Leg {
//!     variant: "stable".into(),
//!     outcome: Outcome::Response,
//!     sent_us: None,
//!     latency_us: Some(5_000),
//!     response: Some(Response {
//!         status: 200,
//!         headers: vec![("content-type".into(), "application/json".into())],
//!         body: Body::Whole(body.as_str().into()),
//!         trailers: vec![],
//!     }),
//!     reason: None,
//! };
//! let rules = Rules::new(vec![Pattern::parse("/trace")?], vec![]);
//! let mut evidence = Evidence::new();
//! for number in 0..20 {
//!     let body = |leg: u64, price: &str| answer(format!(r#"{{"at":{},"trace":{leg}{price}}}"#, 3 * number + leg));
//!     let observation = Observation {
//!         version: VERSION,
//!         id: ExchangeId(number.into()),
//!         release: "shop".into(),
//!         generation: 1,
//!         rule: None,
//!         at_us: 1_700_000_000_000_000 + number * 10_000_000,
//!         client: None,
//!         request: Request { method: "GET".into(), path: "/items/7?page=2".into(), ..Request::default() },
//!         primary: body(0, r#","price":10"#),
//!         candidate: body(1, ""),
//!         control: Some(body(2, r#","price":10"#)),
//!     };
//!     let compared = compare(&observation, &rules, &Outside::default(), &evidence);
//!     evidence.take(&compared);
//! }
//!
//! let report = report("shop", &evidence, &Gates::default(), &Delivery::default());
//! assert_eq!(report.verdict, Verdict::RollBack);
//! let found = &report.regressions[0];
//! assert_eq!((found.endpoint.as_str(), found.path.as_str()), ("GET /items/{id}", "/price"));
//! assert_eq!((found.candidate_only, found.control_only), (20, 0));
//! assert_eq!((report.regressions.len(), report.noise[0].path.as_str()), (1, "/at"));
//! # Ok::<(), antumbra_engine::BadPattern>(())
//! ```
//!
//! [`Observation`]: antumbra_observation::Observation

mod arrays;
mod asked;
mod body;
mod coins;
mod compare;
mod compared;
mod diff;
mod endpoint;
mod evidence;
mod excerpt;
mod farther;
mod forecast;
mod guess;
mod headers;
mod hypotheses;
mod hypothesis;
mod journal;
mod json;
mod kind;
mod latency;
pub mod live;
mod markdown;
mod merge;
mod number;
mod observe;
mod offline;
mod order;
mod outline;
mod outside;
mod pace;
mod paid;
mod pattern;
mod pieces;
mod places;
mod quiet;
mod recent;
mod refusal;
mod refusals;
mod render;
mod report;
mod room;
mod rows;
mod rules;
mod schemas;
pub mod secrets;
mod series;
mod sources;
mod sparse;
pub mod stats;
mod statuses;
mod suggestion;
mod tokens;
mod tracked;
mod unseen;
mod unsent;
mod verdict;
mod wording;
mod work;
mod written;

pub use asked::shown_target;
pub use body::decoded;
pub use compared::{Compared, Differs, Whose};
pub use endpoint::{BadEndpoint, EndpointPattern, template};
pub use evidence::{Evidence, Taken};
pub use farther::Cause;
pub use forecast::Further;
pub use hypothesis::Example;
pub use journal::{BadBatch, decode_compared, encode_compared};
pub use kind::Kind;
pub use latency::LatencyMargins;
pub use latency::Slowdown;
pub use observe::compare;
pub use offline::{Diff, Difference, Differing, Media, diff, diff_answers, diff_exchange};
pub use outside::{Finding, Outside, PluginReport};
pub use pace::Pace;
pub use pattern::{BadPattern, Pattern};
pub use refusal::Refusal;
pub use render::TextStyle;
pub use report::{
    Dropped, EndpointReport, Forecast, Gap, Interval, LegLatencies, Noise, Quantiles, Refused, Regression,
    Report, SourceReport, SourceStanding, Uncontrolled, Uncovered, Unlooked, report,
};
pub use rows::{BadRow, Row};
pub use rules::{Allow, Arrays, Class, Decimal, Expression, Rule, Rules};
#[cfg(feature = "grpc-messages")]
pub use schemas::BadSchemas;
pub use schemas::Schemas;
pub use sources::{Apart, Sourced, Together};
pub use statuses::StatusCount;
pub use suggestion::Suggestion;
#[doc(hidden)]
pub use tokens::taken_apart;
pub use verdict::{Code, Delivery, Gates, MAX_SOURCES, Reason, Verdict};
pub use work::measured;
