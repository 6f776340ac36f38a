//! The writer's loop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use antumbra_control::refusal::Refusal;
use antumbra_control::{Files, Session};
use antumbra_store::{Store, StoreError};

use super::gathered::{Gathered, MAX_PLACES};
use super::handle::{Asker, ChangeError, Inbox, Job, Snapshot};
use crate::api::principal::{Admits as _, Dismissed};
use crate::live::Live;
use crate::live::audited::Audited;
use crate::live::captures::Captures;
use crate::live::kept::Kept;
use crate::live::known::Known;
use crate::live::ledger::{Ledger, Settled};
use crate::live::policies::Policies;
use crate::live::registry::Registry;
use crate::live::tokens::Tokens;
use crate::plugins::Plugins;

/// The writer: owns what it changes.
pub(crate) struct Thread {
    pub(super) store: Store,
    pub(super) releases: BTreeMap<String, Gathered>,
    /// False after a failed commit until the evidence was read back.
    pub(super) loaded: bool,
    pub(super) policies: Arc<Policies>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) captures: Arc<Captures>,
    pub(super) kept: Arc<Kept>,
    pub(super) known: Arc<Known>,
    pub(super) audited: Arc<Audited>,
    pub(super) at_hand: Files,
    pub(super) registry: Arc<Registry>,
    pub(super) tokens: Arc<Tokens>,
    pub(super) inbox: Inbox,
    /// When all rows of which that was due were last written.
    pub(super) checkpointed: Instant,
    /// How long examples of the evidence, exchanges that are kept, and what was set aside are kept.
    pub(super) keep: Duration,
    /// How often examples were forgotten since.
    pub(super) expired: u64,
    /// How many places the evidence of all releases together may name.
    pub(super) places: usize,
}

impl Thread {
    /// Puts the stored policies in force and reads the evidence.
    pub(crate) fn new(
        store: Store,
        live: Live,
        plugins: &Plugins,
        inbox: Inbox,
        keep: Duration,
    ) -> Result<Self, StoreError> {
        let Live { policies, registry, ledger, captures, kept, known, tokens, audited } = live;
        audited.note(store.audits());
        policies.restore(&store.policies()?);
        let at_hand = Files { plugins: plugins.digests(), descriptors: policies.fingerprint() };
        let mut thread = Self {
            store,
            releases: BTreeMap::new(),
            loaded: false,
            policies,
            ledger,
            captures,
            kept,
            known,
            audited,
            at_hand,
            registry,
            tokens,
            inbox,
            checkpointed: Instant::now(),
            keep,
            expired: 0,
            places: MAX_PLACES,
        };
        thread.load()?;
        thread.note_salvage()?;
        thread.take_over()?;
        Ok(thread)
    }

    /// Works until it is told to stop or nobody is left to ask.
    pub(crate) fn run(mut self) {
        while let Some(job) = self.inbox.next() {
            match job {
                Job::Batch(first) => self.take_group(first),
                Job::Command(command, asker, reply) => {
                    let done = self.admit(&asker).map(|()| self.command(&command));
                    drop(reply.send(done));
                }
                Job::Token(wish, asker, reply) => {
                    let done = self.admit(&asker).map(|()| self.wish(&wish));
                    drop(reply.send(done));
                }
                Job::Snapshot(release, reply) => drop(reply.send(self.snapshot(&release))),
                Job::Generation(release, generation, reply) => {
                    drop(reply.send(self.store.generation(&release, generation)));
                }
                Job::Delivered(release) => self.keep(&release),
                Job::Flush => self.flush(),
                Job::Expire => self.expire(),
                Job::Probe(reply) => drop(reply.send(self.store.probe())),
                Job::Look => {}
                Job::Stop => break,
            }
            self.write_what_is_due();
        }
        self.write_all();
        self.flush();
    }

    fn admit(&self, asker: &Asker) -> Result<(), Dismissed> {
        match asker {
            Asker::Ourselves => Ok(()),
            Asker::Request(by) => self.tokens.admit_again(by),
        }
    }

    /// If it fails, a later one has all of it. The text is made here, where sessions begin: one that was made before would belong to an
    /// earlier session.
    fn keep(&mut self, release: &str) {
        // A heartbeat may have come just before the policy was deleted.
        if self.policies.get(release).is_none() {
            return;
        }
        let Ok(Some(Session { number, .. })) = self.store.session(release) else { return };
        let Some(delivered) = self.registry.kept(release, Instant::now()) else { return };
        let stored = self.store.transaction(|writing| writing.put_delivery(release, number, &delivered));
        if let Err(error) = stored {
            tracing::warn!(%error, release, "what the filters delivered was not stored");
        }
    }

    fn flush(&mut self) {
        self.inbox.flushing.store(false, Ordering::Release);
        let accounts = self.ledger.after(Settled::default());
        if let Err(error) = self.store.transaction(|writing| writing.put_accounts(&accounts)) {
            tracing::error!(%error, "the accounts were not stored");
        }
    }

    /// The evidence of a release, which shares with it all that does not change after.
    fn snapshot(&mut self, release: &str) -> Result<Snapshot, ChangeError> {
        self.load()?;
        match (self.policies.get(release), self.releases.get(release)) {
            (Some(version), Some(gathered)) => {
                let sources = gathered.sources().iter();
                let sources = sources.map(|brought| (brought.source.clone(), brought.evidence.clone()));
                let (session, sources) = (gathered.session, sources.collect());
                Ok(Snapshot { version, session, sources, expired: self.expired })
            }
            _ => Err(Refusal::Unknown(release.to_owned()).into()),
        }
    }
}
