//! Builds a plugin: the crate's core module with the compiler that the filter is built with, and the component around it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::toolchain::{self, UNKNOWN};
use crate::{cache, command, components};

/// Builds the crate in `directory` (of the repository) and answers the component's path.
///
/// # Errors
/// No compiler can be had, the build fails, or what it makes is no component.
pub fn component(directory: &Path) -> Result<PathBuf> {
    let name = directory.file_name().context("the directory has no name")?.to_string_lossy().into_owned();
    let _lock = cache::lock(&format!("plugin-{name}"))?;
    let target = cache::path(&format!("plugins/{name}"));
    let mut build = toolchain::ensure_target(UNKNOWN)?.cargo();
    build.args(["build", "--quiet", "--release", "--locked", "--target", UNKNOWN]);
    build.current_dir(cache::root().join(directory)).env("CARGO_TARGET_DIR", &target);
    command::run(&mut build)?;
    let module = only_module(&target.join(UNKNOWN).join("release"))?;
    let component = target.join(format!("{name}.wasm"));
    components::encode(&module, &component)?;
    Ok(component)
}

fn only_module(directory: &Path) -> Result<PathBuf> {
    let entries =
        std::fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let modules: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "wasm")).collect();
    ensure!(modules.len() == 1, "{} must hold one module, has {modules:?}", directory.display());
    modules.into_iter().next().context("no module")
}
