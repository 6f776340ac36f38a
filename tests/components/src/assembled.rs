//! Modules out of their text, and components out of modules.

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
