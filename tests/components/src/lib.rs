//! Makes modules of WebAssembly out of text, components out of modules, and small plugins for tests.
//!
//! The crates that do this take longer to compile than the harness, and the demo needs none of them: so nothing of the demo's links this
//! one. A component is made here rather than by the target `wasm32-wasip2`, which not every compiler has, and rather than by
//! `wasm-tools`, which nobody should have to install for an example.

pub mod plugin;

use anyhow::{Context, Result};
use wit_component::ComponentEncoder;

/// The module that a text says, as `(module …)`.
///
/// # Errors
/// The text is no module; the message has the line and the column.
pub fn module(text: &str) -> Result<Vec<u8>> {
    wat::parse_str(text).context("the text is no module")
}

/// The component that a core module describes in its custom sections, validated.
///
/// # Errors
/// The module describes none, or another one than it is.
pub fn component(module: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default().module(module)?.validate(true).encode()
}
