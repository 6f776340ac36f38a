//! What people who look at a report cost those who deliver: how long an acknowledgement takes while two viewers reload reports as text
//! and as JSON, one after the other without a pause, beside no viewer, in alternating rounds on one comparator.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::task::JoinSet;

use super::cpu::{median, ratio};
use super::delivery::{Delivered, deliver};
use super::exchanges::{BATCH, Batches, RELEASE, Shape};
use super::ingest::POLICY;
use crate::client::Client;
use crate::comparator::Comparator;
use crate::patience::until;

/// Runs pairs of rounds of `length` at `rate` observations a second over so many endpoints, and prints the ratio of the medians.
pub fn run(pairs: u32, length: Duration, rate: u64, endpoints: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut scene = Scene::start(usize::from(endpoints)).await?;
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for pair in 0..=pairs {
            let viewed_first = pair.is_multiple_of(2);
            let first = scene.round(length, rate, viewed_first).await?;
            let second = scene.round(length, rate, !viewed_first).await?;
            let (viewed, alone) = if viewed_first { (first, second) } else { (second, first) };
            // The first pair warms up.
            if pair > 0 {
                with.push(viewed);
                without.push(alone);
            }
        }
        scene.check().await?;
        print!("{}", rendered(&with, &without));
        println!(
            "{} reports read, {} observations acknowledged, as many compared",
            scene.reports, scene.acknowledged
        );
        Ok(())
    })
}

struct Scene {
    comparator: Comparator,
    batches: Arc<Batches>,
    reports: u64,
    acknowledged: u64,
    _directory: tempfile::TempDir,
}

impl Scene {
    /// Every place of every endpoint differs before anything is measured.
    async fn start(endpoints: usize) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let any = ([127, 0, 0, 1], 0).into();
        let comparator = Comparator::start(directory.path(), any, Some(POLICY)).await?;
        let batches = Arc::new(Batches::of(Shape { fields: PLACES, noisy: PLACES, endpoints }));
        let mut scene = Self { comparator, batches, reports: 0, acknowledged: 0, _directory: directory };
        while scene.acknowledged < (endpoints * SEEN) as u64 {
            scene.deliver(None, Duration::from_millis(100)).await?;
        }
        scene.batches = Arc::new(Batches::of(Shape { fields: PLACES, noisy: NOISY, endpoints }));
        Ok(scene)
    }

    async fn round(&mut self, length: Duration, rate: u64, viewed: bool) -> Result<Delivered> {
        let mut viewers = JoinSet::new();
        let reports = Arc::new(AtomicU64::new(0));
        for _ in 0..if viewed { VIEWERS } else { 0 } {
            viewers.spawn(view(self.comparator.url(), Arc::clone(&reports)));
        }
        let delivered = self.deliver(Some(rate), length).await?;
        let read = until("a viewer has read a report", || {
            // A viewer goes on until it is told to stop: one that is over by now has failed.
            let failed = viewers.try_join_next();
            let read = reports.load(Ordering::Relaxed);
            async move {
                if let Some(ended) = failed {
                    ended??;
                }
                Ok((read > 0 || !viewed).then_some(read))
            }
        })
        .await?;
        viewers.shutdown().await;
        self.reports += read;
        Ok(delivered)
    }

    async fn deliver(&mut self, rate: Option<u64>, length: Duration) -> Result<Delivered> {
        let delivered = deliver(self.comparator.address, &self.batches, rate, length).await?;
        self.acknowledged += delivered.observations;
        Ok(delivered)
    }

    async fn check(&self) -> Result<()> {
        let counted = &self.comparator.report(RELEASE).await?["exchanges"];
        let acknowledged = self.acknowledged;
        ensure!(*counted == acknowledged, "{acknowledged} were acknowledged, and the report has {counted}");
        Ok(())
    }
}

/// Reads reports for ever, now in one form, now in the other.
async fn view(url: String, reports: Arc<AtomicU64>) -> Result<()> {
    let client = Client::default();
    for format in ["text", "json"].into_iter().cycle() {
        let answer = client.get(&format!("{url}/v1/releases/{RELEASE}/report?format={format}")).await?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
        reports.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn rendered(with: &[Delivered], without: &[Delivered]) -> String {
    let mut table =
        format!("{:<20}{:>12}{:>12}{:>24}\n", "acknowledged, ms", "2 viewers", "none", "ratio [95 %]");
    for percentile in [50, 99] {
        let of = |rounds: &[Delivered]| -> Vec<f64> {
            rounds.iter().map(|round| round.milliseconds(percentile)).collect()
        };
        let (viewed, alone) = (of(with), of(without));
        let (middle, low, high) = ratio(&viewed, &alone);
        let interval = format!("{middle:.2} [{low:.2}, {high:.2}]");
        table += &format!(
            "{:<20}{:>12.1}{:>12.1}{interval:>24}\n",
            format!("p{percentile}"),
            median(&viewed).0,
            median(&alone).0,
        );
    }
    let batches: usize = with.iter().chain(without).map(|round| round.latencies.len()).sum();
    table + &format!("{batches} batches of {BATCH}\n")
}

const VIEWERS: usize = 2;
const PLACES: usize = 100;
/// What differs while it is measured: the load is to be moderate.
const NOISY: usize = 3;
/// Exchanges of each endpoint before that.
const SEEN: usize = 4;
