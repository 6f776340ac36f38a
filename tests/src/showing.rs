//! A release that runs in front of somebody: until it has its report or is interrupted, with what the report means.
//!
//! The demo and the pair differ in what runs and in what is to be found; this is what they share.

use std::fmt;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use crate::world::World;
use crate::{cache, envoy_binary, toolchain};

/// How the end of it is shown.
#[derive(Debug, clap::Args)]
pub struct Showing {
    /// What to print on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// Stay up after the report until interrupted, and print the addresses.
    #[arg(long)]
    keep: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The report as the comparator's command line prints it.
    Text,
    /// One object: the verdict, what was to be found and what was, and the report.
    Json,
}

impl Showing {
    /// Prints the report of a release, and what it means; then stays as long as it is to be kept.
    pub(crate) async fn report<O: Serialize + fmt::Display>(
        &self,
        world: &World,
        release: &str,
        outcome: impl FnOnce(Value) -> O,
    ) -> Result<()> {
        let outcome = outcome(world.comparator.report(release).await?);
        match self.output {
            Format::Json => println!("{:#}", serde_json::to_value(&outcome)?),
            Format::Text => println!("{}\n{outcome}", world.comparator.cli(&["report"]).await?),
        }
        if self.keep {
            cache::say("staying up; press Ctrl-C to end everything");
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

/// Runs a release to its end, or until it is interrupted. The filter and an Envoy are there before it begins.
pub(crate) fn run(release: impl Future<Output = Result<()>>) -> Result<()> {
    toolchain::filter_module()?;
    let envoy = envoy_binary::find()?;
    cache::say(&format!("Envoy {} at {}", envoy.version, envoy.path.display()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            done = release => done,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                cache::say("interrupted; everything that was started ends");
                Ok(())
            }
        }
    })
}

/// A regression in the words of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) endpoint: String,
    pub(crate) path: String,
    pub(crate) kind: String,
}

impl Finding {
    /// All regressions of a report.
    pub(crate) fn all(report: &Value) -> Vec<Self> {
        let read = |regression: &Value| {
            let text = |name: &str| regression[name].as_str().unwrap_or_default().to_owned();
            Self { endpoint: text("endpoint"), path: text("path"), kind: text("kind") }
        };
        report["regressions"].as_array().into_iter().flatten().map(read).collect()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.endpoint, self.path, self.kind)
    }
}

/// The verdict of a report.
pub(crate) fn verdict(report: &Value) -> String {
    report["verdict"].as_str().unwrap_or_default().to_owned()
}

/// One after the other, or that there is none.
pub(crate) fn listed(names: impl IntoIterator<Item = impl ToString>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_is_read_and_worded() {
        let report = json!({"verdict": "roll back", "regressions": [{"endpoint": "GET /a", "path": "/b", "kind": "value"}]});
        assert_eq!(verdict(&report), "roll back");
        assert_eq!(listed(Finding::all(&report)), "GET /a /b value");
        assert_eq!(listed(Finding::all(&json!({}))), "none");
    }
}
