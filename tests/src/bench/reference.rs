//! SQLite alone, as the store's example `group_commit` measures it: one insert for every observation, one commit for all that wait.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::delivery::CONNECTIONS;
use super::exchanges::BATCH;
use crate::command;

/// What it took.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Reference {
    /// Inserts in a second.
    pub(super) rate: f64,
    /// Median until a batch was durable, in milliseconds.
    pub(super) p50: f64,
    /// 99th percentile.
    pub(super) p99: f64,
}

/// Inserts rows of so many bytes for so long, on these cores; nothing if the example was not built beside this program.
pub(super) fn measure(length: Duration, bytes: usize, cores: &str) -> Result<Option<Reference>> {
    let this = std::env::current_exe().context("the own executable has no path")?;
    let example = this.parent().map(|directory| directory.join("examples/group_commit"));
    let Some(example) = example.filter(|example| example.is_file()) else { return Ok(None) };
    let mut group_commit = pinned(&example, cores);
    let arguments = [length.as_secs(), bytes as u64, BATCH as u64, CONNECTIONS as u64];
    let said = command::run(group_commit.args(arguments.map(|argument| argument.to_string())))?;
    serde_json::from_str(&said).with_context(|| format!("{} said {said}", example.display())).map(Some)
}

fn pinned(program: &Path, cores: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", cores]).arg(program);
    command
}
