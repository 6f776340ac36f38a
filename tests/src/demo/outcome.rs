//! What the comparator found, held against what was seeded.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::service::{Defect, Description};
use crate::showing::{self, Finding, listed};

/// The end of a demo.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    verdict: String,
    seeded: Vec<&'static str>,
    found: Vec<&'static str>,
    false_alarms: Vec<Finding>,
    report: Value,
}

impl Outcome {
    /// Matches the report's regressions with the defects.
    pub(super) fn new(defects: &[Defect], report: Value) -> Self {
        let seeded: Vec<Description> = defects.iter().map(|defect| defect.describe()).collect();
        let alarms = Finding::all(&report);
        let explained = |alarm: &Finding, defect: &Description| {
            defect.explains(&alarm.endpoint, &alarm.path, &alarm.kind)
        };
        let found = seeded.iter().filter(|defect| alarms.iter().any(|alarm| explained(alarm, defect)));
        let unexplained = alarms.iter().filter(|alarm| !seeded.iter().any(|defect| explained(alarm, defect)));
        Self {
            verdict: showing::verdict(&report),
            seeded: seeded.iter().map(|defect| defect.name).collect(),
            found: found.map(|defect| defect.name).collect(),
            false_alarms: unexplained.cloned().collect(),
            report,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "The demo seeded {} defects: {}", self.seeded.len(), listed(&self.seeded))?;
        writeln!(f, "The comparator found {}: {}", self.found.len(), listed(&self.found))?;
        write!(f, "False alarms: {}", listed(&self.false_alarms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_no_defect_explains_is_a_false_alarm() {
        let regression = |endpoint: &str, path: &str, kind: &str| json!({"endpoint": endpoint, "path": path, "kind": kind});
        let report = json!({"verdict": "roll back", "regressions": [
            regression("GET /orders/{id}", "/total", "type"),
            regression("GET /orders/{id}", "/state", "value"),
        ]});
        let outcome = Outcome::new(&[Defect::OrderTotal, Defect::CartStock], report.clone());
        assert_eq!((outcome.verdict.as_str(), &outcome.found[..]), ("roll back", &["order-total"][..]));
        assert_eq!(outcome.false_alarms.len(), 1);
        assert_eq!(outcome.false_alarms[0].path, "/state");
        assert_eq!(Outcome::new(&[], report).false_alarms.len(), 2, "without defects every alarm is false");
    }
}
