//! Makes modules of WebAssembly out of text, components out of modules, and small plugins for tests.
//!
//! The crates that do this take longer to compile than the harness, and the demo needs none of them: so nothing of the demo's links this
//! one. A component is made here rather than by the target `wasm32-wasip2`, which not every compiler has, and rather than by
//! `wasm-tools`, which nobody should have to install for an example.

pub mod plugin;

mod assembled;

pub use assembled::{component, module};
