//! Policy document → compiled policy → decision. Pure: the dice are an argument, there is no clock and no I/O.
//!
//! A policy is read once, with every problem of the document reported together, into a form that cannot be wrong. What
//! is left for a request is comparing bytes: few allocations where nothing is mirrored, and each header is asked for once,
//! since in a proxy every question is a call to the host.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::string_slice
    )
)]

pub mod document;
pub mod edit;
pub mod lint;

mod address;
mod client;
mod cookies;
mod decision;
mod dice;
mod edits;
mod facts;
mod headers;
mod json;
mod key;
mod matching;
mod mirror;
mod names;
mod number;
mod observe;
mod order;
mod overriding;
mod pattern;
mod policy;
mod predicate;
mod propagate;
mod property;
mod query;
mod request;
mod rule;
mod share;
mod signature;
mod split;
mod sticky;
mod timestamp;
mod variant;
mod written_request;

/// The JSON Schema (draft 2020-12) of a policy document, for editors. What only the reader can see, such as a variant's name
/// that is not known, is no part of it.
pub const SCHEMA: &str = include_str!("../policy.schema.json");

pub use address::parse_address;
pub use decision::{Decision, NotMirrored, Reason};
pub use dice::Dice;
pub use edits::{Edit, OwnedEdit};
pub use headers::HeaderChanges;
pub use mirror::{Control, Mirror, Mirrored, Via};
pub use overriding::signed_override;
pub use policy::Policy;
pub use property::PropertyPath;
pub use request::{Body, BodyKind, Request};
pub use share::Share;
pub use signature::{SHORTEST_SECRET, Secrets};
pub use timestamp::Timestamp;
pub use variant::{State, Variant};
pub use written_request::WrittenRequest;
