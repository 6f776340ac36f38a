//! What was measured, in tables, and whether it will do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use http::StatusCode;

use super::probe::{Answers, Probe};
use super::sending::Sent;
use super::site::Site;

/// One attack.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) answers: Vec<(Probe, Answers)>,
    /// Bytes in memory, the most there ever were.
    pub(super) peak: u64,
    /// From SIGTERM until the process was gone, under attack still.
    pub(super) end: Duration,
    pub(super) kept: Kept,
}

/// What became of observations that were sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) acknowledged: u64,
    refused: BTreeMap<StatusCode, u64>,
    /// What the reports have that began anew lacks, or has beyond what was sent.
    wrong: Vec<String>,
}

impl Kept {
    /// Compares what was acknowledged with what the reports of a comparator count that was started again.
    pub(super) async fn of(site: Site, sent: &[Arc<Sent>]) -> Result<Self> {
        let mut kept = Self::default();
        let mut releases: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for one in sent {
            let (acknowledged, open) = releases.entry(one.release).or_default();
            *acknowledged += one.acknowledged();
            *open += one.open();
            for (status, count) in one.refused() {
                *kept.refused.entry(status).or_default() += count;
            }
        }
        for (release, (acknowledged, open)) in releases {
            kept.acknowledged += acknowledged;
            kept.wrong.extend(wrong(release, acknowledged, open, site.counted(release).await?));
        }
        Ok(kept)
    }
}

fn wrong(release: &str, acknowledged: u64, open: u64, counted: u64) -> Option<String> {
    let most = acknowledged + open;
    if counted < acknowledged {
        Some(format!(
            "{release}: {acknowledged} observations were acknowledged, and the report has {counted}"
        ))
    } else if counted > most {
        Some(format!("{release}: at most {most} observations can count, and the report has {counted}"))
    } else {
        None
    }
}

/// The tables as text.
pub(super) fn rendered(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<32}{:<18}{:>7}{:>10}{:>10}{:>10}{:>9}\n",
        "while", "asked", "times", "median ms", "p99", "max", "failed"
    );
    for Row { name, answers, .. } in rows {
        for (probe, answers) in answers {
            let [median, p99, max] = [50, 99, 100].map(|percent| answers.milliseconds(percent));
            let (times, failed) = (answers.took.len() + answers.failed.len(), answers.failed.len());
            let _ = writeln!(
                text,
                "{name:<32}{:<18}{times:>7}{median:>10.1}{p99:>10.1}{max:>10.1}{failed:>9}",
                probe.name()
            );
        }
    }
    let _ = writeln!(
        text,
        "\n{:<32}{:>10}{:>20}{:>14}  refused, by status",
        "while", "peak MiB", "end after SIGTERM", "acknowledged"
    );
    for Row { name, peak, end, kept, .. } in rows {
        let refused = kept.refused.iter().map(|(status, count)| format!("{}: {count}", status.as_u16()));
        let _ = writeln!(
            text,
            "{name:<32}{:>10}{:>20}{:>14}  {}",
            peak >> 20,
            format!("{:.2} s", end.as_secs_f64()),
            kept.acknowledged,
            refused.collect::<Vec<_>>().join(", ")
        );
    }
    text
}

/// Prints the sums. An error if a question failed, or observations are lost or count twice.
pub(super) fn judged(rows: &[Row]) -> Result<()> {
    let answers =
        || rows.iter().flat_map(|row| row.answers.iter().map(move |(_, answers)| (row.name, answers)));
    let answered: usize = answers().map(|(_, answers)| answers.took.len()).sum();
    let acknowledged: u64 = rows.iter().map(|row| row.kept.acknowledged).sum();
    println!("\n{answered} questions answered, {acknowledged} observations acknowledged");
    let failed = answers().flat_map(|(name, answers)| answers.failed.iter().map(move |why| (name, why)));
    let wrong = rows.iter().flat_map(|row| row.kept.wrong.iter().map(move |why| (row.name, why)));
    let mut faults: Vec<String> = wrong.chain(failed).map(|(name, why)| format!("{name}: {why}")).collect();
    if faults.is_empty() {
        return Ok(());
    }
    let all = faults.len();
    faults.truncate(SHOWN);
    bail!("{all} faults, first these:\n{}", faults.join("\n"));
}

const SHOWN: usize = 20;
