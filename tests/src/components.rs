//! Has WebAssembly made by the package `antumbra-components`: modules out of text, components out of modules.
//!
//! That package is not linked but run through cargo: what it links takes longer to compile than the harness, and the demo needs
//! none of it. Cargo builds it the first time that somebody asks.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{cache, command};

/// Writes the module that a text says, as `(module …)`, to `module`.
///
/// # Errors
/// The text is no module, or a file cannot be written.
pub fn assemble(text: &str, module: &Path) -> Result<()> {
    let file = module.with_extension("wat");
    std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    run("assemble", &file, module)
}

/// Writes the component that a core module describes to `component`.
///
/// # Errors
/// The module describes none, or a file cannot be read or written.
pub fn encode(module: &Path, component: &Path) -> Result<()> {
    run("encode", module, component)
}

fn run(what: &str, from: &Path, to: &Path) -> Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(cache::root());
    cargo.args(["run", "--quiet", "--locked", "--package", "antumbra-components", "--", what]);
    command::run(cargo.args([from, to])).map(drop)
}
