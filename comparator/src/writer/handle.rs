//! How the handlers speak to the writer: jobs and their answers, and the bound on what may wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use antumbra_engine::{Delivery, Report};
use antumbra_observation::{Instance, Observation};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::accounts::{Ledger, Reason, Settled};
use crate::audit::Entry;
use crate::change::{Change, ChangeError};
use crate::policies::Version;
use crate::store::{Session, StoreError};

/// Where an answer goes; it may have nobody to hear it.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// What the writer is asked to do.
pub(crate) enum Job {
    /// Take observations into the evidence.
    Batch(Batch),
    /// Change a policy.
    Change(Box<Change>, Reply<Result<Changed, ChangeError>>),
    /// Begin a new session of evidence: release, author, reason.
    Reset(String, String, String, Reply<Result<Session, ChangeError>>),
    /// Judge a release.
    Report(String, Delivery, Reply<Result<Judged, ChangeError>>),
    /// The audit of a release.
    Audit(String, Reply<Result<Vec<Entry>, StoreError>>),
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
    /// Its share of the bytes in flight.
    pub(crate) reserved: OwnedSemaphorePermit,
    /// The acknowledgement.
    pub(crate) reply: Reply<Result<Settled, String>>,
}

/// What a change did.
pub(crate) struct Changed {
    /// The generation in force now.
    pub(crate) version: Arc<Version>,
    /// Whether the change made it.
    pub(crate) changed: bool,
    /// Whether it ended the session of evidence.
    pub(crate) new_session: bool,
    /// One line per changed field.
    pub(crate) diff: Vec<String>,
}

/// A report and the session that it speaks about.
pub(crate) struct Judged {
    /// The session.
    pub(crate) session: Session,
    /// The report.
    pub(crate) report: Report,
}

/// The writer has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped;

/// Speaks to the writer.
pub(crate) struct Handle {
    jobs: mpsc::UnboundedSender<Job>,
    bytes: Arc<Semaphore>,
    flushing: Arc<AtomicBool>,
    ledger: Arc<Ledger>,
}

impl Handle {
    /// The handle and the receiving end.
    pub(crate) fn new(ledger: Arc<Ledger>) -> (Self, mpsc::UnboundedReceiver<Job>, Arc<AtomicBool>) {
        let (jobs, receiver) = mpsc::unbounded_channel();
        let flushing = Arc::new(AtomicBool::new(false));
        let bytes = Arc::new(Semaphore::new(KIB_IN_FLIGHT));
        (Self { jobs, bytes, flushing: Arc::clone(&flushing), ledger }, receiver, flushing)
    }

    /// A share of the bytes that may be in flight, or none if too many are. Taken before a body is read.
    pub(crate) fn reserve(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let kib = u32::try_from(bytes.div_ceil(1024).max(1)).ok()?;
        Arc::clone(&self.bytes).try_acquire_many_owned(kib).ok()
    }

    /// Hands over a batch; the accounts have it in flight until the writer settles it.
    pub(crate) async fn submit(
        &self,
        id: Option<(Instance, u64)>,
        observations: Vec<Observation>,
        reserved: OwnedSemaphorePermit,
    ) -> Result<Result<Settled, String>, Stopped> {
        let count = observations.len() as u64;
        let (reply, answer) = oneshot::channel();
        self.ledger.receive(count);
        if self.jobs.send(Job::Batch(Batch { id, observations, reserved, reply })).is_err() {
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

    /// Lets the writer end after what is queued.
    pub(crate) fn stop(&self) {
        let _ = self.jobs.send(Job::Stop);
    }
}

/// KiB of bodies that may be read, decoded or waiting at once; decoded they take a small multiple.
const KIB_IN_FLIGHT: usize = 96 * 1024;
