//! What the comparator found, held against what the page lists.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::listed::{Finding, Listed};

/// The end of a run.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    verdict: String,
    /// Rows of the page.
    listed: usize,
    /// Rows that no regression shows.
    not_found: Vec<Listed>,
    /// Regressions that no row says.
    not_listed: Vec<Finding>,
    /// Endpoints that are slower: that depends on the machine, so the page does not list it.
    slower: Vec<String>,
    report: Value,
}

impl Outcome {
    /// Matches the report's regressions with the rows.
    pub(super) fn new(listed: &[Listed], report: Value) -> Self {
        let found = report["regressions"].as_array().into_iter().flatten().map(Finding::read);
        let (slower, found): (Vec<_>, Vec<_>) = found.partition(|finding| finding.kind == "latency");
        let missed = |row: &&Listed| !row.hidden && !found.iter().any(|finding| row.explains(finding));
        let unsaid = |finding: &&Finding| !listed.iter().any(|row| row.explains(finding));
        Self {
            verdict: report["verdict"].as_str().unwrap_or_default().to_owned(),
            listed: listed.len(),
            not_found: listed.iter().filter(missed).cloned().collect(),
            not_listed: found.iter().filter(unsaid).cloned().collect(),
            slower: slower.into_iter().map(|finding| finding.endpoint).collect(),
            report,
        }
    }
}

impl Finding {
    fn read(regression: &Value) -> Self {
        let text = |name: &str| regression[name].as_str().unwrap_or_default().to_owned();
        Self { endpoint: text("endpoint"), path: text("path"), kind: text("kind") }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missed: Vec<String> =
            self.not_found.iter().map(|row| format!("{} {}", row.request, row.place)).collect();
        let beyond: Vec<String> = self
            .not_listed
            .iter()
            .map(|finding| format!("{} {} {}", finding.endpoint, finding.path, finding.kind))
            .collect();
        writeln!(f, "The page lists {} differences", self.listed)?;
        writeln!(f, "Listed, but not found: {}", joined(&missed))?;
        writeln!(f, "Found, but not listed: {}", joined(&beyond))?;
        write!(f, "Slower on this machine: {}", joined(&self.slower))
    }
}

fn joined(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
