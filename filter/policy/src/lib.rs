//! Policy document → compiled policy → decision. Pure: the dice are an argument, there is no clock and no I/O.
//!
//! A policy is read once, with every problem of the document reported together, into a form that cannot be wrong. What
//! is left for a request is comparing bytes: few allocations where nothing is mirrored, and each header is asked for once,
//! since in a proxy every question is a call to the host.
//!
//! # From a document to a decision
//!
//! A document is a [`document::Tree`], from JSON or from any serde reader, such as one of YAML. [`Policy::from_tree`] compiles it.
//! [`Policy::decide`] asks a [`Request`] for what its rules need, here one that was written down:
//!
//! ```
//! use antumbra_policy::document::Tree;
//! use antumbra_policy::{Dice, Policy, Reason, Timestamp, WrittenRequest};
//!
//! let document = br#"{
//!   "version": 1,
//!   "name": "shop",
//!   "variants": {"stable": null, "canary": {"cluster": "shop-v2"}},
//!   "default": "stable",
//!   "rules": [
//!     {"name": "testers", "matches": [{"cookies": {"tester": "yes"}}], "to": "canary"},
//!     {"name": "shadow", "mirror": [{"to": "canary", "percent": 5}]}
//!   ]
//! }"#;
//! let policy = Policy::from_tree(&Tree::from_json(document)?)?;
//!
//! // A tester meets the new version: the first rule that chooses decides, and nothing is mirrored.
//! let request = Tree::from_json(br#"{"path": "/cart", "cookies": {"tester": "yes"}}"#)?;
//! let request = WrittenRequest::from_tree(&request, Timestamp(0))?;
//! let decision = policy.decide(&request, Dice(1));
//! assert_eq!(decision.variant.map(|variant| variant.name.as_str()), Some("canary"));
//! assert_eq!((decision.rule, decision.reason), (Some("testers"), Reason::To));
//! assert!(decision.mirrors.is_empty());
//!
//! // Everybody else stays, and about one request in twenty is mirrored. The dice say which: equal dice decide equally.
//! let request = WrittenRequest::from_tree(&Tree::from_json(br#"{"path": "/cart"}"#)?, Timestamp(0))?;
//! let mirrored = (0..1_000).filter(|word| !policy.decide(&request, Dice(*word)).mirrors.is_empty());
//! assert!((20..80).contains(&mirrored.count()));
//! let decision = policy.decide(&request, Dice(1));
//! assert_eq!(decision.variant.map(|variant| variant.name.as_str()), Some("stable"));
//! assert_eq!(decision.reason, Reason::Default);
//!
//! // A document with mistakes compiles to all of them, each with its field, its value and the bound.
//! let document = br#"{"version": 1, "name": "shop", "variants": {"stable": null}, "default": "stabel",
//!   "rules": [{"mirror": [{"to": "canary", "percent": 101}]}]}"#;
//! let invalid = Policy::from_tree(&Tree::from_json(document)?).unwrap_err();
//! assert_eq!(invalid.problems.len(), 3);
//! assert_eq!(invalid.problems[2].path, "rules[0].mirror[0].percent");
//! # Ok::<(), antumbra_policy::document::Invalid>(())
//! ```

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
mod lines;
mod matching;
mod mirror;
mod names;
mod number;
mod observe;
mod order;
mod overriding;
mod pattern;
mod place;
mod policy;
mod predicate;
mod propagate;
mod property;
mod query;
mod rates;
mod request;
mod rule;
mod search;
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
pub use decision::{Decision, Reason, SkippedMirror};
pub use dice::{Dice, Words};
pub use edits::{Edit, OwnedEdit};
pub use headers::HeaderChanges;
pub use lines::joined_lines;
pub use mirror::{Control, Mirror, Mirrored, Via, is_safe};
pub use overriding::signed_override;
pub use policy::Policy;
pub use property::PropertyPath;
pub use request::{Body, BodyKind, Request};
pub use share::Share;
pub use signature::{SHORTEST_SECRET, Secrets};
pub use timestamp::Timestamp;
pub use variant::{State, Variant};
pub use written_request::WrittenRequest;
