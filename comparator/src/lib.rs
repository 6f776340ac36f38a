//! The comparator: receives the answers of both versions, compares them, keeps the evidence, and holds the policies.
//!
//! Handlers decode and validate in parallel; one thread ([`writer`]) owns the store and the evidence, so that what is
//! in memory and what is on disk are changed in one order. Everything else is either pure or a door to that thread.

mod api;
mod aside;
mod bearer;
mod cli;
mod clock;
mod descriptors;
mod http;
mod ingest;
mod judge;
mod live;
mod plugins;
mod redaction;
mod replay;
mod seen;
mod shadows;
mod trial;
mod writer;

pub use antumbra_control::Document;
pub use antumbra_control::audit::{Key, Keys};
pub use antumbra_plugin::{BadPlugin, NoRuntime, Runtime};
pub use antumbra_store::StoreError;
pub use cli::run;
#[cfg(feature = "grpc-messages")]
pub use descriptors::BadDescriptors;
pub use descriptors::Descriptors;
pub use http::config::{Accepted, Config, Error, KEEP_EXAMPLES};
pub use http::serve::{Server, serve};
pub use live::door::Connections;
pub use plugins::Plugins;
pub use shadows::targets::Targets;
