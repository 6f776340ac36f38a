//! How the handlers speak to the writer: jobs and their answers, and the bound on what may wait.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use antumbra_engine::{Delivery, PluginReport, Report, Verdict};
use antumbra_observation::{Instance, Observation, Unsent};
use antumbra_policy::document::Invalid;
use tokio::sync::{mpsc, oneshot};

use crate::live::ledger::{Ledger, Reason, Settled};
use crate::live::room::Reserved;
use crate::plugins::Preparations;
use antumbra_control::audit::Entry;
use antumbra_control::change::Refusal;
use antumbra_control::{Command, Session, Version};
use antumbra_store::StoreError;

/// Where an answer goes; it may have nobody to hear it.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// What the writer is asked to do.
pub(crate) enum Job {
    /// Take observations into the evidence.
    Batch(Batch),
    /// Do what somebody wants done with a release.
    Command(Box<Command>, Reply<Result<Changed, ChangeError>>),
    /// Judge a release.
    Report(String, Delivery, Reply<Result<Report, ChangeError>>),
    /// Say how a release stands, without a report.
    Standing(String, Delivery, Reply<Result<Standing, ChangeError>>),
    /// The audit of a release.
    Audit(String, Reply<Result<Vec<Entry>, StoreError>>),
    /// Store what the filters of a release said they delivered.
    Delivered(String),
    /// Store the accounts.
    Flush,
    /// Whether the store can be written.
    Probe(Reply<Result<(), StoreError>>),
    /// End after what was queued before.
    Stop,
}

/// Observations that were decoded.
pub(crate) struct Batch {
    /// Who sent it, and its number; without them a repeat is not recognised.
    pub(crate) id: Option<(Instance, u64)>,
    /// What it holds.
    pub(crate) observations: Vec<Observation>,
    /// What plugins made of them.
    pub(crate) prepared: Preparations,
    /// Its share of the bytes in flight.
    pub(crate) reserved: Reserved,
    /// The acknowledgement.
    pub(crate) reply: Reply<Result<Settled, String>>,
}

/// What a command did.
pub(crate) struct Changed {
    /// The generation in force now.
    pub(crate) version: Arc<Version>,
    /// Whether the command made it.
    pub(crate) changed: bool,
    /// The session of evidence that it began.
    pub(crate) begun: Option<Session>,
    /// One line per changed field.
    pub(crate) diff: Vec<String>,
}

/// How a release stands.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// The session of evidence.
    pub(crate) session: Session,
    /// Exchanges in it.
    pub(crate) exchanges: u64,
    /// Those of which a shadow was not sent, by reason.
    pub(crate) not_sent: BTreeMap<Unsent, u64>,
    /// How the policy's plugins fared in it.
    pub(crate) plugins: Vec<PluginReport>,
    /// What they say, or said a moment ago.
    pub(crate) verdict: Verdict,
}

/// Why a change did not happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// It is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Invalid> for ChangeError {
    fn from(invalid: Invalid) -> Self {
        Self::Refused(invalid.into())
    }
}

/// The writer has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped;

/// Where the writer finds its jobs.
pub(crate) struct Inbox {
    pub(super) jobs: mpsc::UnboundedReceiver<Job>,
    /// Whether a flush is among them.
    pub(super) flushing: Arc<AtomicBool>,
}

/// Speaks to the writer.
pub(crate) struct Handle {
    jobs: mpsc::UnboundedSender<Job>,
    flushing: Arc<AtomicBool>,
    ledger: Arc<Ledger>,
}

impl Handle {
    /// The handle and the receiving end.
    pub(crate) fn new(ledger: Arc<Ledger>) -> (Self, Inbox) {
        let (jobs, receiver) = mpsc::unbounded_channel();
        let flushing = Arc::new(AtomicBool::new(false));
        let inbox = Inbox { jobs: receiver, flushing: Arc::clone(&flushing) };
        (Self { jobs, flushing, ledger }, inbox)
    }

    /// Hands over a batch; the accounts have it in flight until the writer settles it.
    pub(crate) async fn submit(
        &self,
        id: Option<(Instance, u64)>,
        observations: Vec<Observation>,
        prepared: Preparations,
        reserved: Reserved,
    ) -> Result<Result<Settled, String>, Stopped> {
        let count = observations.len() as u64;
        let (reply, answer) = oneshot::channel();
        self.ledger.receive(count);
        if self.jobs.send(Job::Batch(Batch { id, observations, prepared, reserved, reply })).is_err() {
            self.ledger.settle(Settled { unstored: count, ..Settled::default() });
            return Err(Stopped);
        }
        answer.await.map_err(|_| Stopped)
    }

    /// Counts what was turned away at the door, and has it stored with the next commit or by one of its own.
    pub(crate) fn refuse(&self, reason: Reason, count: u64) {
        self.ledger.refuse(reason, count);
        if !self.flushing.swap(true, Ordering::AcqRel) {
            let _ = self.jobs.send(Job::Flush);
        }
    }

    /// Asks for anything that has an answer.
    pub(crate) async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// Has what the filters of a release said stored, in its turn.
    pub(crate) fn keep(&self, release: String) {
        let _ = self.jobs.send(Job::Delivered(release));
    }

    /// Lets the writer end after what is queued.
    pub(crate) fn stop(&self) {
        let _ = self.jobs.send(Job::Stop);
    }
}
