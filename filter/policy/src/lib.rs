//! Policy document → compiled policy → decision. Pure: the dice are an argument, there is no clock and no I/O.
//!
//! A policy is read once, with every problem of the document reported together, into a form that cannot be wrong. What
//! is left for a request is comparing bytes: no allocation where nothing is mirrored, and each header is asked for once,
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

mod cookies;
mod decision;
mod dice;
mod facts;
mod matching;
mod mirror;
mod pattern;
mod policy;
mod predicate;
mod rule;
mod share;
mod split;
mod variant;

pub use decision::{Decision, Mirrored, NotMirrored, Request};
pub use dice::Dice;
pub use mirror::{Control, Mirror};
pub use policy::Policy;
pub use share::Share;
pub use variant::Variant;
