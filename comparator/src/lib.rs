//! The comparator: receives the answers of both versions, compares them, keeps the evidence, and holds the policies.
//!
//! Handlers decode and validate in parallel; one thread ([`writer`]) owns the store and the evidence, so that what is
//! in memory and what is on disk are changed in one order. Everything else is either pure or a door to that thread.

mod accounts;
mod audit;
mod body;
mod captured;
mod captures;
mod change;
mod cli;
mod clock;
mod comparison;
mod decode;
mod descriptors;
mod fingerprint;
mod guard;
mod import;
mod metrics;
mod offline;
mod plugins;
mod policies;
mod problem;
mod redaction;
mod registry;
mod replay;
mod routes;
mod serve;
mod shadows;
mod store;
mod targets;
mod writer;

pub use antumbra_plugin::{BadPlugin, NoRuntime, Runtime};
pub use cli::run;
#[cfg(feature = "grpc-messages")]
pub use descriptors::BadDescriptors;
pub use descriptors::Descriptors;
pub use plugins::Plugins;
pub use policies::Document;
pub use serve::{Config, Error, MAX_CONNECTIONS, Server, serve};
pub use store::StoreError;
pub use targets::Targets;
