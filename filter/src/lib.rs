//! The filter: proxy-wasm in and out, and no decision of its own.
//!
//! `exports` is called by the host and `host` calls it. Between them `contexts` finds who is meant; each reads what the host
//! shows, hands it to the pure crates, and carries out their effects. `policy` decides, `exchange` follows the request and does
//! everything between requests. Nothing here may trap: under every failure policy a trap costs somebody's request.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects
)]

mod contexts;
mod exports;
mod host;
mod instance;
mod metrics;
mod root;
mod shared;
mod stream;
