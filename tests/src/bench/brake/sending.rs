//! Senders of batches who go on whatever they are told, and what became of all that they sent.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use antumbra_observation::{
    Accounts, CBOR_SEQUENCE, COUNT_HEADER, Heartbeat, INSTANCE_HEADER, Instance, SEQUENCE_HEADER,
    encode_heartbeat,
};
use anyhow::{Context, Result, ensure};
use http::StatusCode;
use tokio::time::{Instant, MissedTickBehavior};

use super::site::Site;
use crate::bench::exchanges::Batches;
use crate::client::Client;

/// What is sent of one release's observations, and what became of it.
pub(super) struct Sent {
    pub(super) release: &'static str,
    batches: Batches,
    acknowledged: AtomicU64,
    /// Neither acknowledged nor refused: on their way, or without an answer.
    open: AtomicU64,
    /// By the status of the answer.
    refused: Mutex<BTreeMap<StatusCode, u64>>,
}

impl Sent {
    /// Nothing is sent yet.
    pub(super) fn new(release: &'static str, batches: Batches) -> Arc<Self> {
        let (acknowledged, open, refused) = Default::default();
        Arc::new(Self { release, batches, acknowledged, open, refused })
    }

    /// Observations that were acknowledged as compared.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Acquire)
    }

    /// Observations of which nobody said what became of them.
    pub(super) fn open(&self) -> u64 {
        self.open.load(Ordering::Acquire)
    }

    /// Observations that were refused, by the status of the answer.
    pub(super) fn refused(&self) -> BTreeMap<StatusCode, u64> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends batches over one connection, each when the last was answered.
    pub(super) async fn flood(self: Arc<Self>, site: Site) {
        let mut sender = Sender::new(site);
        loop {
            if sender.send(&self).await.is_err() {
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }

    /// Sends them as a filter that has little to say, with the heartbeats without which nobody with a token is listened to.
    pub(super) async fn trickle(self: Arc<Self>, site: Site) {
        let (mut sender, mut beaten) = (Sender::new(site), Instant::now());
        let mut due = tokio::time::interval(BETWEEN_BATCHES);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let _ = sender.beat(&self).await;
        loop {
            due.tick().await;
            let _ = sender.send(&self).await;
            if beaten.elapsed() >= BETWEEN_HEARTBEATS {
                let _ = sender.beat(&self).await;
                beaten = Instant::now();
            }
        }
    }

    /// Sends each of them until it is acknowledged.
    pub(super) async fn fill(&self, site: Site) -> Result<()> {
        let mut sender = Sender::new(site);
        for _ in 0..self.batches.len() {
            let status = sender.send(self).await?;
            ensure!(status == StatusCode::OK, "a batch of {} was answered with {status}", self.release);
        }
        Ok(())
    }

    fn settle(&self, count: u64, status: StatusCode, compared: u64) {
        if status == StatusCode::OK {
            self.acknowledged.fetch_add(compared, Ordering::AcqRel);
        } else {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            *refused.entry(status).or_default() += count;
        }
        self.open.fetch_sub(count, Ordering::AcqRel);
    }
}

/// One connection, and the instance of a filter that it belongs to.
struct Sender {
    site: Site,
    client: Client,
    instance: Instance,
    sequence: u64,
}

impl Sender {
    fn new(site: Site) -> Self {
        static INSTANCES: AtomicU64 = AtomicU64::new(1);
        let instance = Instance(INSTANCES.fetch_add(1, Ordering::Relaxed).into());
        Self { site, client: Client::default(), instance, sequence: 0 }
    }

    /// Sends the next batch, and answers with what status it was answered.
    async fn send(&mut self, sent: &Sent) -> Result<StatusCode> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        self.sequence += 1;
        let count = sent.batches.size(number);
        let (instance, sequence, size) =
            (self.instance.to_string(), self.sequence.to_string(), count.to_string());
        let headers = [
            ("content-type", CBOR_SEQUENCE),
            (INSTANCE_HEADER, instance.as_str()),
            (SEQUENCE_HEADER, sequence.as_str()),
            (COUNT_HEADER, size.as_str()),
        ];
        sent.open.fetch_add(count, Ordering::AcqRel);
        let body = sent.batches.numbered(number);
        let answer = self.site.send(&self.client, ("POST", "/v1/observations"), &headers, body).await?;
        let compared = match answer.status {
            StatusCode::OK => {
                answer.json()?["compared"].as_u64().context("an acknowledgement of no number")?
            }
            _ => 0,
        };
        sent.settle(count, answer.status, compared);
        Ok(answer.status)
    }

    async fn beat(&self, sent: &Sent) -> Result<()> {
        let delivered = sent.acknowledged();
        let accounts =
            Accounts { requests: delivered, mirrored: delivered, delivered, ..Accounts::default() };
        let heartbeat = encode_heartbeat(&Heartbeat::new(sent.release, self.instance, None, accounts));
        let headers = [("content-type", "application/cbor")];
        self.site.send(&self.client, ("POST", "/v1/heartbeats"), &headers, heartbeat).await.map(drop)
    }
}

/// So that who is not let in does not take the processor from who is attacked.
const AFTER_FAILURE: Duration = Duration::from_millis(50);
const BETWEEN_BATCHES: Duration = Duration::from_millis(100);
const BETWEEN_HEARTBEATS: Duration = Duration::from_secs(1);
