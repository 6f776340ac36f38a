//! How the handlers speak to the writer: jobs and their answers, in two lanes.
//!
//! What people and filters wait for must not stand behind batches: whoever takes clients from a bad candidate does that when most
//! arrives. So what has an answer of its own overtakes the batches, and waits for one transaction at most. Anybody may ask whether the
//! store can be written, and many who ask without a pause must not keep the batches waiting for ever: between two groups of batches only
//! those overtake who asked before the first was done.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antumbra_control::difference::Undone;
use antumbra_control::refusal::Refusal;
use antumbra_control::token::{Refused, Wish};
use antumbra_control::{Command, Session, StoredPolicy, Token, Version};
use antumbra_engine::{Compared, Evidence};
use antumbra_observation::{Instance, Observation};
use antumbra_policy::document::Invalid;
use antumbra_store::StoreError;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot};

use crate::api::principal::{Dismissed, Principal, Source};
use crate::live::kept::Drawn;
use crate::live::ledger::{Ledger, Reason, Settled};
use crate::live::room::Reserved;
use crate::plugins::Preparations;

/// Where an answer goes; it may have nobody to hear it.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// What comes of a request, unless its sender is not let in any more.
pub(crate) type Admitted<T> = Result<T, Dismissed>;

/// What the writer is asked to do.
pub(crate) enum Job {
    /// Take observations into the evidence.
    Batch(Batch),
    /// Do what somebody wants done with a release.
    Command(Box<Command>, Asker, Reply<Admitted<Result<Changed, ChangeError>>>),
    /// Do what somebody wants done with a token; the token, if anything changed.
    Token(Wish, Asker, Reply<Admitted<Result<Option<Arc<Token>>, TokenError>>>),
    /// The evidence of a release as of the last commit.
    Snapshot(String, Reply<Result<Snapshot, ChangeError>>),
    /// A generation of a policy that is there; none if there is no such generation.
    Generation(String, u64, Reply<Result<Option<StoredPolicy>, StoreError>>),
    /// Store what the filters of a release said they delivered.
    Delivered(String),
    /// Store the accounts.
    Flush,
    /// Forget what was kept too long.
    Expire,
    /// Whether the store can be written.
    Probe(Reply<Result<(), StoreError>>),
    /// Look whether somebody waits for an answer.
    Look,
    /// End after what was queued before.
    Stop,
}

/// Who wants something changed. Whether a request's sender is still let in is decided when it is changed: on the one thread that changes
/// tokens, nothing comes between.
pub(crate) enum Asker {
    /// The comparator itself.
    Ourselves,
    /// Who makes a request.
    Request(Principal),
}

impl From<Principal> for Asker {
    fn from(by: Principal) -> Self {
        Self::Request(by)
    }
}

/// The evidence of a release at one moment.
#[derive(Clone)]
pub(crate) struct Snapshot {
    /// The generation in force.
    pub(crate) version: Arc<Version>,
    /// The session of evidence.
    pub(crate) session: Session,
    /// What is known in it from each source, in the order in which each first sent something.
    pub(crate) sources: Vec<(Option<Source>, Evidence)>,
    /// How often examples were forgotten since the process began: a report from before shows them.
    pub(crate) expired: u64,
}

/// What comparing made of an observation, and by what.
pub(crate) struct Under {
    /// The generation by whose rules.
    pub(crate) generation: u64,
    /// The session of which something was known.
    pub(crate) session: u64,
    /// What is counted.
    pub(crate) compared: Compared,
    /// What chance says of it; none of what is only counted.
    pub(crate) drawn: Option<Drawn>,
}

/// Observations that were compared.
pub(crate) struct Batch {
    /// Whose token came with it; none without tokens.
    pub(crate) source: Option<Source>,
    /// Which instance sent it, and its number; without them a repeat is not recognised.
    pub(crate) id: Option<(Instance, u64)>,
    /// What it holds.
    pub(crate) observations: Vec<Observation>,
    /// What plugins made of them.
    pub(crate) prepared: Preparations,
    /// What comparing made of each, if it was compared.
    pub(crate) compared: Vec<Option<Under>>,
    /// Its share of the bytes in flight.
    pub(crate) reserved: Reserved,
    /// The acknowledgement.
    pub(crate) reply: Reply<Result<Settled, String>>,
}

/// What a command did.
pub(crate) struct Changed {
    /// The generation in force now; of a policy that was deleted the last.
    pub(crate) version: Arc<Version>,
    /// Whether the command made it.
    pub(crate) changed: bool,
    /// Whether there was no policy of that name before.
    pub(crate) created: bool,
    /// The session of evidence that it began.
    pub(crate) begun: Option<Session>,
    /// One line per changed field.
    pub(crate) diff: Vec<String>,
    /// What was changed at run time and is not so any more.
    pub(crate) undone: Vec<Undone>,
    /// What the author of the change should know, in words.
    pub(crate) warnings: Vec<String>,
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

/// Why nothing was done with a token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// It is refused.
    #[error(transparent)]
    Refused(#[from] Refused),
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
    jobs: mpsc::UnboundedReceiver<Job>,
    asked: Asked,
    /// Batches of a group that was not taken whole, since somebody asked for something. They came before all below.
    left: VecDeque<Batch>,
    /// A job that was met while a group was gathered.
    met: Option<Job>,
    /// How many more overtake the batches that wait; not known yet after a batch.
    ahead: Option<usize>,
    /// How many batches are being compared.
    coming: Arc<AtomicUsize>,
    /// Whether a flush is among the jobs.
    pub(super) flushing: Arc<AtomicBool>,
}

/// Jobs that overtake the others; none once the writer has ended.
type Asked = Arc<Mutex<Option<VecDeque<Job>>>>;

impl Inbox {
    /// The next job: one with an answer of its own before all others, unless batches have their turn. None if nobody is left to ask.
    pub(super) fn next(&mut self) -> Option<Job> {
        loop {
            if let Some(job) = self.next_ahead() {
                return Some(job);
            }
            let left = self.left.pop_front().map(Job::Batch);
            match left.or_else(|| self.met.take()).map_or_else(|| self.jobs.try_recv(), Ok) {
                Ok(Job::Look) => {}
                Ok(job) => {
                    if matches!(job, Job::Batch(_)) {
                        self.ahead = None;
                    }
                    return Some(job);
                }
                Err(TryRecvError::Disconnected) => return None,
                // No batch waits, so nobody is overtaken.
                Err(TryRecvError::Empty) => {
                    self.ahead = None;
                    if !self.is_asked() {
                        self.met = Some(self.jobs.blocking_recv()?);
                    }
                }
            }
        }
    }

    /// The next of those that overtake the batches.
    fn next_ahead(&mut self) -> Option<Job> {
        let mut asked = lock(&self.asked);
        let asked = asked.as_mut()?;
        let ahead = self.ahead.get_or_insert(asked.len());
        *ahead = ahead.checked_sub(1)?;
        asked.pop_front()
    }

    /// Whether a job waits that overtakes the others.
    pub(super) fn is_asked(&self) -> bool {
        lock(&self.asked).as_ref().is_some_and(|asked| !asked.is_empty())
    }

    /// Puts batches back that were not taken: they are the next ones.
    pub(super) fn put_back(&mut self, batches: Vec<Batch>) {
        for batch in batches.into_iter().rev() {
            self.left.push_front(batch);
        }
    }

    /// Whether a batch may be there soon that the same transaction can take, and nothing waits for that to end.
    pub(super) fn expects_more(&self) -> bool {
        self.left.is_empty()
            && self.met.is_none()
            && self.coming.load(Ordering::Acquire) > 0
            && !self.is_asked()
    }

    /// The next batch, if one waits and nobody who overtakes it.
    pub(super) fn next_batch(&mut self) -> Option<Batch> {
        if self.is_asked() {
            return None;
        }
        if let Some(batch) = self.left.pop_front() {
            return Some(batch);
        }
        if self.met.is_some() {
            return None;
        }
        match self.jobs.try_recv() {
            Ok(Job::Batch(batch)) => Some(batch),
            other => {
                self.met = other.ok();
                None
            }
        }
    }
}

impl Drop for Inbox {
    /// Whoever still waits is told that nobody answers.
    fn drop(&mut self) {
        *lock(&self.asked) = None;
    }
}

fn lock(asked: &Asked) -> MutexGuard<'_, Option<VecDeque<Job>>> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A batch that is being compared. The writer may wait a moment for it.
pub(crate) struct Coming(Arc<AtomicUsize>);

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Speaks to the writer.
pub(crate) struct Handle {
    jobs: mpsc::UnboundedSender<Job>,
    asked: Asked,
    coming: Arc<AtomicUsize>,
    flushing: Arc<AtomicBool>,
    ledger: Arc<Ledger>,
}

impl Handle {
    /// The handle and the receiving end.
    pub(crate) fn new(ledger: Arc<Ledger>) -> (Self, Inbox) {
        let (jobs, receiver) = mpsc::unbounded_channel();
        let flushing = Arc::new(AtomicBool::new(false));
        let asked: Asked = Arc::new(Mutex::new(Some(VecDeque::new())));
        let coming = Arc::new(AtomicUsize::new(0));
        let inbox = Inbox {
            jobs: receiver,
            asked: Arc::clone(&asked),
            left: VecDeque::new(),
            met: None,
            ahead: None,
            coming: Arc::clone(&coming),
            flushing: Arc::clone(&flushing),
        };
        (Self { jobs, asked, coming, flushing, ledger }, inbox)
    }

    /// Announces a batch that is about to be compared.
    pub(crate) fn announce(&self) -> Coming {
        self.coming.fetch_add(1, Ordering::AcqRel);
        Coming(Arc::clone(&self.coming))
    }

    /// Hands over a batch; the accounts have it in flight until the writer settles it.
    pub(crate) async fn submit(
        &self,
        coming: Coming,
        batch: impl FnOnce(Reply<Result<Settled, String>>) -> Batch,
    ) -> Result<Result<Settled, String>, Stopped> {
        let (reply, answer) = oneshot::channel();
        let batch = batch(reply);
        let count = batch.observations.len() as u64;
        self.ledger.receive(count);
        if self.jobs.send(Job::Batch(batch)).is_err() {
            self.ledger.settle(Settled { unstored: count, ..Settled::default() });
            return Err(Stopped);
        }
        drop(coming);
        answer.await.map_err(|_| Stopped)
    }

    /// Counts what was turned away at the door, and has it stored with the next commit or by one of its own.
    pub(crate) fn refuse(&self, reason: Reason, count: u64) {
        self.ledger.refuse(reason, count);
        if !self.flushing.swap(true, Ordering::AcqRel) {
            let _ = self.jobs.send(Job::Flush);
        }
    }

    /// Asks for anything that has an answer. It is done before the batches that wait.
    pub(crate) async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        lock(&self.asked).as_mut().ok_or(Stopped)?.push_back(job(reply));
        self.jobs.send(Job::Look).map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }

    /// Has what the filters of a release said stored, in its turn.
    pub(crate) fn keep(&self, release: String) {
        let _ = self.jobs.send(Job::Delivered(release));
    }

    /// Has what was kept too long forgotten.
    pub(crate) fn expire(&self) {
        let _ = self.jobs.send(Job::Expire);
    }

    /// Lets the writer end after what is queued.
    pub(crate) fn stop(&self) {
        let _ = self.jobs.send(Job::Stop);
    }
}

#[cfg(test)]
mod tests {
    use antumbra_store::Accounts;

    use super::*;
    use crate::live::room::Room;

    /// The names of the jobs that an inbox has, in its order.
    fn named(job: &Job) -> &'static str {
        match job {
            Job::Batch(_) => "batch",
            Job::Command(..) => "command",
            Job::Probe(_) => "probe",
            Job::Stop => "stop",
            _ => "other",
        }
    }

    fn send_batches(handle: &Handle, count: u64) {
        let room = Room::new();
        for number in 0..count {
            let _ = handle.jobs.send(Job::Batch(Batch {
                source: None,
                id: Some((Instance(7), number + 1)),
                observations: vec![Observation::new("shop", "GET", "/")],
                prepared: Preparations::new(),
                compared: Vec::new(),
                reserved: room.reserve(),
                reply: oneshot::channel().0,
            }));
        }
    }

    /// Nobody is awaited here: a probe that is queued is answered to nobody.
    #[test]
    fn who_asks_without_a_pause_does_not_keep_the_batches_waiting() {
        let (handle, mut inbox) = Handle::new(Arc::new(Ledger::new(Accounts::default())));
        let probe = || {
            lock(&handle.asked).as_mut().unwrap().push_back(Job::Probe(oneshot::channel().0));
            let _ = handle.jobs.send(Job::Look);
        };
        send_batches(&handle, 3);
        probe();
        probe();
        let order: Vec<&str> = (0..12)
            .filter_map(|_| inbox.next())
            .map(|job| named(&job))
            .inspect(|name| {
                if *name == "probe" {
                    probe();
                }
            })
            .collect();
        let turn = ["probe", "probe", "batch"];
        assert_eq!(order, [&turn[..], &turn, &turn, &["probe"; 3]].concat());
    }

    #[tokio::test]
    async fn what_has_an_answer_overtakes_the_batches() {
        let (handle, mut inbox) = Handle::new(Arc::new(Ledger::new(Accounts::default())));
        send_batches(&handle, 3);
        let command = Command::NoteFiles { release: "shop".to_owned() };
        let (brake, ready) = (
            handle.ask(|reply| Job::Command(Box::new(command), Asker::Ourselves, reply)),
            handle.ask(Job::Probe),
        );
        tokio::select! {
            biased;
            _ = async { tokio::join!(brake, ready) } => panic!("nobody answers"),
            () = std::future::ready(()) => {}
        }
        handle.stop();
        assert!(inbox.is_asked());
        let (order, inbox) = tokio::task::spawn_blocking(move || {
            let mut order: Vec<&str> = (0..3).filter_map(|_| inbox.next()).map(|job| named(&job)).collect();
            assert!(!inbox.is_asked());
            order.extend(inbox.next_batch().map(|_| "gathered"));
            order.extend((0..2).filter_map(|_| inbox.next()).map(|job| named(&job)));
            (order, inbox)
        })
        .await
        .unwrap();
        assert_eq!(order, ["command", "probe", "batch", "gathered", "batch", "stop"]);
        drop(inbox);
        assert!(matches!(handle.ask(Job::Probe).await, Err(Stopped)));
    }

    #[test]
    fn what_was_put_back_comes_before_what_was_met_and_behind_who_asks() {
        let (handle, mut inbox) = Handle::new(Arc::new(Ledger::new(Accounts::default())));
        send_batches(&handle, 4);
        handle.stop();
        let mut group: Vec<Batch> = (0..4).filter_map(|_| inbox.next_batch()).collect();
        assert!(inbox.next_batch().is_none(), "the end is met");
        inbox.put_back(group.split_off(1));
        lock(&handle.asked).as_mut().unwrap().push_back(Job::Probe(oneshot::channel().0));
        assert!(inbox.next_batch().is_none(), "somebody waits");
        let number = |job: &Job| match job {
            Job::Batch(batch) => batch.id.map_or(0, |(_, number)| number),
            other => u64::from(named(other) == "stop") * 100,
        };
        let order: Vec<u64> = (0..2).filter_map(|_| inbox.next()).map(|job| number(&job)).collect();
        assert_eq!(order, [0, 2], "the probe, and the first that was left");
        assert_eq!(inbox.next_batch().and_then(|batch| batch.id).map(|(_, number)| number), Some(3));
        let order: Vec<u64> = (0..2).filter_map(|_| inbox.next()).map(|job| number(&job)).collect();
        assert_eq!(order, [4, 100]);
    }

    #[test]
    fn more_is_expected_while_a_batch_is_compared_and_nobody_waits() {
        let (handle, mut inbox) = Handle::new(Arc::new(Ledger::new(Accounts::default())));
        assert!(!inbox.expects_more());
        let (first, second) = (handle.announce(), handle.announce());
        drop(first);
        assert!(inbox.expects_more());
        handle.keep("shop".to_owned());
        assert!(inbox.next_batch().is_none());
        assert!(!inbox.expects_more(), "another job has its turn");
        assert!(inbox.next().is_some() && inbox.expects_more());
        lock(&handle.asked).as_mut().unwrap().push_back(Job::Probe(oneshot::channel().0));
        assert!(!inbox.expects_more(), "somebody waits for an answer");
        assert!(inbox.next().is_some() && inbox.expects_more());
        drop(second);
        assert!(!inbox.expects_more());
    }

    #[tokio::test]
    async fn who_waits_when_the_writer_ends_is_told() {
        let (handle, inbox) = Handle::new(Arc::new(Ledger::new(Accounts::default())));
        let (asked, ()) = tokio::join!(handle.ask(Job::Probe), async { drop(inbox) });
        assert!(matches!(asked, Err(Stopped)));
    }
}
