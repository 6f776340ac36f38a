//! What a comparator takes in: observations that are compared, durable and acknowledged in a second, and how long an acknowledgement
//! takes; beside SQLite alone, which is given one row for each and does nothing else.
//!
//! Every measurement has a comparator of its own, pinned to one core or to two. The load runs on the same machine, so what one core of
//! the comparator does is best read from the CPU time that its process spent.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::cpu::{self, median};
use super::delivery::{Delivered, deliver};
use super::exchanges::{BATCH, Batches, RELEASE, Shape};
use super::reference::{self, Reference};
use crate::cache;
use crate::comparator::Comparator;

/// Measures each row for `length` at full rate and for as long at [`PACE`], `rounds` times, and prints a table of medians.
pub fn run(length: Duration, rounds: u32, only: &str) -> Result<()> {
    let mut rows: Vec<Row> = Row::all().into_iter().filter(|row| row.name().contains(only)).collect();
    ensure!(!rows.is_empty(), "no row has {only:?} in its name");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for round in 0..rounds {
        for row in &mut rows {
            cache::say(&format!("round {} of {rounds}: {}", round + 1, row.name()));
            let measured = runtime.block_on(row.measure(length))?;
            row.measured.push(measured);
        }
        // What one measurement leaves behind must not always be in the way of the same other one.
        rows.reverse();
    }
    if rounds % 2 == 1 {
        rows.reverse();
    }
    print!("{}", rendered(&rows));
    let acknowledged: u64 = rows.iter().flat_map(|row| &row.measured).map(|each| each.observations).sum();
    println!("{acknowledged} observations acknowledged, as many compared");
    Ok(())
}

struct Row {
    name: &'static str,
    shape: Shape,
    /// Their numbers, as `taskset` takes them.
    cores: &'static str,
    measured: Vec<Measured>,
}

/// One measurement.
struct Measured {
    full: Delivered,
    /// Observations that were acknowledged for a second of the comparator's CPU.
    by_cpu: f64,
    paced: Delivered,
    reference: Option<Reference>,
    observations: u64,
}

impl Row {
    fn all() -> Vec<Self> {
        let mut rows = Vec::new();
        for cores in ["0", "0,1"] {
            for endpoints in [20, 1_000] {
                for (name, noisy) in [("equal", 0), ("3 noisy", 3), ("40 differ", 40)] {
                    let shape = Shape { fields: FIELDS, noisy, endpoints };
                    rows.push(Self { name, shape, cores, measured: Vec::new() });
                }
            }
        }
        rows
    }

    fn name(&self) -> String {
        let cores = self.cores.split(',').count();
        let plural = if cores == 1 { "" } else { "s" };
        format!("{:<9}  {:>5} endpoints  {cores} core{plural}", self.name, self.shape.endpoints)
    }

    async fn measure(&self, length: Duration) -> Result<Measured> {
        let directory = tempfile::tempdir()?;
        let comparator = Comparator::start_on(directory.path(), POLICY, self.cores).await?;
        let batches = Arc::new(Batches::of(self.shape));
        let pid = comparator.process().id();
        let warm = deliver(comparator.address, &batches, None, WARM).await?;
        let before = cpu::spent_in_all(pid)?;
        let full = deliver(comparator.address, &batches, None, length).await?;
        let spent = cpu::spent_in_all(pid)? - before;
        let paced = deliver(comparator.address, &batches, Some(PACE), length).await?;
        let observations = warm.observations + full.observations + paced.observations;
        let counted = &comparator.report(RELEASE).await?["exchanges"];
        ensure!(*counted == observations, "{observations} were acknowledged, and the report has {counted}");
        drop(comparator);
        let bytes = batches.numbered(0).len() / BATCH;
        let reference = reference::measure(length, bytes, self.cores)?;
        Ok(Measured {
            by_cpu: full.observations as f64 / spent.as_secs_f64(),
            full,
            paced,
            reference,
            observations,
        })
    }

    fn median(&self, of: impl Fn(&Measured) -> f64) -> f64 {
        median(&self.measured.iter().map(of).collect::<Vec<_>>()).0
    }

    fn rendered(&self) -> String {
        let of_reference = |of: fn(&Measured, Reference) -> f64| {
            let each: Option<Vec<f64>> = self
                .measured
                .iter()
                .map(|each| each.reference.map(|reference| of(each, reference)))
                .collect();
            each.map_or(f64::NAN, |values| median(&values).0)
        };
        let milliseconds = |of: fn(&Measured) -> &Delivered, percentile| {
            self.median(|each| of(each).milliseconds(percentile))
        };
        format!(
            "{}{:>10.0}{:>10.0}{:>8.2}{:>8.1}{:>8.1}{:>10.0}{:>8.1}{:>8.1}{:>10.0}{:>8.1}{:>8.1}\n",
            self.name(),
            self.median(|each| each.full.rate()),
            self.median(|each| each.by_cpu),
            of_reference(|each, reference| each.full.rate() / reference.rate),
            milliseconds(|each| &each.full, 50),
            milliseconds(|each| &each.full, 99),
            self.median(|each| each.paced.rate()),
            milliseconds(|each| &each.paced, 50),
            milliseconds(|each| &each.paced, 99),
            of_reference(|_, reference| reference.rate),
            of_reference(|_, reference| reference.p50),
            of_reference(|_, reference| reference.p99),
        )
    }
}

fn rendered(rows: &[Row]) -> String {
    let mut table = format!(
        "{:<34}{:>28}{:>16}{:>26}{:>26}\n{:<34}{:>10}{:>10}{:>8}{:>8}{:>8}{:>10}{:>8}{:>8}{:>10}{:>8}{:>8}\n",
        "",
        "at full rate",
        "ms",
        format!("at {PACE} a second, ms"),
        "SQLite alone, ms",
        "acknowledged observations",
        "a second",
        "by CPU",
        "of it",
        "p50",
        "p99",
        "a second",
        "p50",
        "p99",
        "a second",
        "p50",
        "p99",
    );
    rows.iter().for_each(|row| table += &row.rendered());
    table
}

/// Observations in a second at which the aim for an acknowledgement is stated.
const PACE: u64 = 20_000;
/// Before anything is measured: the first batches find an empty database and no evidence.
const WARM: Duration = Duration::from_millis(500);
/// Bodies of 1 KiB.
const FIELDS: usize = 40;
/// No filter runs it: the batches are made up.
pub(super) const POLICY: &str = "
version: 1
name: shop
variants: {stable: {cluster: stable}, candidate: {cluster: canary-shadow}, control: {cluster: control}}
default: stable
rules:
- name: mirror
  mirror: [{to: candidate, percent: 100, control: {to: control, percent: 100}}]
";
