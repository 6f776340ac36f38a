//! What the comparator found, held against what the page lists.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::listed::Listed;
use crate::showing::{self, Finding, listed};

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
        let (slower, found): (Vec<_>, Vec<_>) =
            Finding::all(&report).into_iter().partition(|finding| finding.kind == "latency");
        let missed = |row: &&Listed| !row.hidden && !found.iter().any(|finding| row.explains(finding));
        let unsaid = |finding: &&Finding| !listed.iter().any(|row| row.explains(finding));
        Self {
            verdict: showing::verdict(&report),
            listed: listed.len(),
            not_found: listed.iter().filter(missed).cloned().collect(),
            not_listed: found.iter().filter(unsaid).cloned().collect(),
            slower: slower.into_iter().map(|finding| finding.endpoint).collect(),
            report,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missed = self.not_found.iter().map(|row| format!("{} {}", row.request, row.place));
        writeln!(f, "The page lists {} differences", self.listed)?;
        writeln!(f, "Listed, but not found: {}", listed(missed))?;
        writeln!(f, "Found, but not listed: {}", listed(&self.not_listed))?;
        write!(f, "Slower on this machine: {}", listed(&self.slower))
    }
}
