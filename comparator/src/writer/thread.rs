//! The writer's loop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use antumbra_engine::{Delivery, Evidence, Report, Taken};
use antumbra_observation::Observation;

use super::control::restore;
use super::gathered::Gathered;
use super::handle::{Batch, ChangeError, Inbox, Job, Standing};
use crate::clock;
use crate::live::captures::Captures;
use crate::live::ledger::{Ledger, Settled};
use crate::live::policies::Policies;
use crate::live::registry::Registry;
use crate::plugins::{Plugins, Prepared};
use antumbra_control::change::Refusal;
use antumbra_control::{Files, Session, Version};
use antumbra_store::{Store, StoreError, Writing};

/// The writer: owns what it changes.
pub(crate) struct Thread {
    pub(super) store: Store,
    pub(super) releases: BTreeMap<String, Gathered>,
    /// False after a failed commit until the evidence was read back.
    loaded: bool,
    pub(super) policies: Arc<Policies>,
    ledger: Arc<Ledger>,
    captures: Arc<Captures>,
    pub(super) at_hand: Files,
    pub(super) registry: Arc<Registry>,
    inbox: Inbox,
}

impl Thread {
    /// Puts the stored policies in force and reads the evidence.
    pub(crate) fn new(
        store: Store,
        policies: Arc<Policies>,
        ledger: Arc<Ledger>,
        captures: Arc<Captures>,
        plugins: &Plugins,
        registry: Arc<Registry>,
        inbox: Inbox,
    ) -> Result<Self, StoreError> {
        restore(&policies, &store.policies()?);
        let at_hand = Files { plugins: plugins.digests(), descriptors: policies.fingerprint() };
        let mut thread = Self {
            store,
            releases: BTreeMap::new(),
            loaded: false,
            policies,
            ledger,
            captures,
            at_hand,
            registry,
            inbox,
        };
        thread.load()?;
        thread.take_over()?;
        Ok(thread)
    }

    /// Works until it is told to stop or nobody is left to ask.
    pub(crate) fn run(mut self) {
        let mut carried = None;
        while let Some(job) = carried.take().or_else(|| self.inbox.jobs.blocking_recv()) {
            match job {
                Job::Batch(first) => carried = self.take_group(first),
                Job::Command(command, reply) => drop(reply.send(self.command(&command))),
                Job::Report(release, delivery, reply) => drop(reply.send(self.report(&release, &delivery))),
                Job::Standing(release, delivery, reply) => {
                    drop(reply.send(self.standing(&release, &delivery)));
                }
                Job::Audit(release, reply) => drop(reply.send(self.store.audit(&release))),
                Job::Delivered(release) => self.keep(&release),
                Job::Flush => self.flush(),
                Job::Probe(reply) => drop(reply.send(self.store.probe())),
                Job::Stop => break,
            }
        }
        self.flush();
    }

    /// Takes all batches that wait, up to a bound, through one transaction. Answers a job of another kind that it met.
    fn take_group(&mut self, first: Batch) -> Option<Job> {
        let mut observations = first.observations.len();
        let mut group = vec![first];
        let mut met = None;
        while observations < GROUP_OBSERVATIONS && group.len() < GROUP_BATCHES {
            match self.inbox.jobs.try_recv() {
                Ok(Job::Batch(batch)) => {
                    observations += batch.observations.len();
                    group.push(batch);
                }
                Ok(other) => {
                    met = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        let outcome = self.commit(&group);
        self.acknowledge(group, outcome);
        met
    }

    fn acknowledge(&mut self, group: Vec<Batch>, outcome: Result<Vec<Settled>, StoreError>) {
        match outcome {
            Ok(settled) => {
                for (batch, settled) in group.into_iter().zip(settled) {
                    self.ledger.settle(settled);
                    drop(batch.reserved);
                    let _ = batch.reply.send(Ok(settled));
                    if settled.duplicates == 0 {
                        self.captures.offer(batch.observations);
                    }
                }
            }
            Err(error) => {
                tracing::error!(%error, "a commit failed; the evidence is read back from the store");
                self.loaded = false;
                for batch in group {
                    let unstored = batch.observations.len() as u64;
                    self.ledger.settle(Settled { unstored, ..Settled::default() });
                    let _ = batch.reply.send(Err(error.to_string()));
                }
            }
        }
    }

    /// What became of each batch, once all of it is durable.
    fn commit(&mut self, group: &[Batch]) -> Result<Vec<Settled>, StoreError> {
        self.load()?;
        let Self { store, releases, policies, ledger, .. } = self;
        store.transaction(|writing| {
            let mut settled = Vec::with_capacity(group.len());
            for batch in group {
                settled.push(observe(writing, releases, policies, batch)?);
            }
            for (release, gathered) in releases.iter_mut() {
                put_dirty(writing, release, gathered)?;
            }
            let all = settled.iter().copied().fold(Settled::default(), Settled::plus);
            writing.put_accounts(&ledger.after(all))?;
            Ok(settled)
        })
    }

    /// If it fails, a later one has all of it. The text is made here, where sessions begin: one that was made before would belong to an
    /// earlier session.
    fn keep(&mut self, release: &str) {
        let Ok(Some(Session { number, .. })) = self.store.session(release) else { return };
        let Some(delivered) = self.registry.kept(release) else { return };
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

    fn report(&mut self, release: &str, delivery: &Delivery) -> Result<Report, ChangeError> {
        let (version, gathered) = self.gathered(release)?;
        Ok(gathered.report(release, &version, delivery))
    }

    fn standing(&mut self, release: &str, delivery: &Delivery) -> Result<Standing, ChangeError> {
        let (version, gathered) = self.gathered(release)?;
        let verdict = gathered.verdict(release, &version, delivery);
        let Gathered { session, evidence, .. } = gathered;
        let (not_sent, plugins) = (evidence.not_sent().clone(), evidence.plugins());
        Ok(Standing { session: *session, exchanges: evidence.exchanges(), not_sent, plugins, verdict })
    }

    fn gathered(&mut self, release: &str) -> Result<(Arc<Version>, &mut Gathered), ChangeError> {
        self.load()?;
        match (self.policies.get(release), self.releases.get_mut(release)) {
            (Some(version), Some(gathered)) => Ok((version, gathered)),
            _ => Err(Refusal::Unknown(release.to_owned()).into()),
        }
    }

    /// Reads the evidence back from the store unless it is the store's already.
    pub(super) fn load(&mut self) -> Result<(), StoreError> {
        if self.loaded {
            return Ok(());
        }
        let mut releases = BTreeMap::new();
        for (name, _) in self.policies.all() {
            let Some(session) = self.store.session(&name)? else { continue };
            let rows = self.store.evidence(&name, session.number)?;
            let evidence = Evidence::restore(rows).map_err(|error| StoreError::Damaged {
                what: format!("evidence of {name:?}"),
                message: error.to_string(),
            })?;
            releases.insert(name, Gathered::new(session, evidence));
        }
        self.releases = releases;
        self.loaded = true;
        Ok(())
    }
}

fn observe(
    writing: &Writing<'_>,
    releases: &mut BTreeMap<String, Gathered>,
    policies: &Policies,
    batch: &Batch,
) -> Result<Settled, StoreError> {
    let mut settled = Settled::default();
    if let Some((instance, sequence)) = batch.id
        && !writing.note_batch(instance, sequence, clock::now_ms())?
    {
        settled.duplicates = batch.observations.len() as u64;
        return Ok(settled);
    }
    for (index, observation) in batch.observations.iter().enumerate() {
        let prepared = batch.prepared.get(&index);
        match (releases.get_mut(&observation.release), policies.get(&observation.release)) {
            (Some(gathered), Some(version))
                if belongs(observation, gathered.session)
                    && is_prepared(prepared, &version, gathered.session) =>
            {
                let rules = version.document.rules();
                let taken = match prepared {
                    None => gathered.evidence.observe(observation, rules),
                    Some(Prepared { rewritten, outside, .. }) => gathered.evidence.observe_with(
                        rewritten.as_ref().unwrap_or(observation),
                        rules,
                        outside,
                    ),
                };
                match taken {
                    Taken::Compared => settled.compared += 1,
                    Taken::Elsewhere => settled.elsewhere += 1,
                    Taken::Repeated => settled.repeated += 1,
                }
            }
            _ => settled.superseded += 1,
        }
    }
    Ok(settled)
}

/// A late observation of an earlier candidate would blame the new one. Generation 0 is an inline policy.
fn belongs(observation: &Observation, session: Session) -> bool {
    observation.generation == 0 || observation.generation >= session.since
}

/// Whether the policy's plugins had their turn, and under rules that still hold: a policy may have changed since the batch came.
fn is_prepared(prepared: Option<&Prepared>, version: &Version, session: Session) -> bool {
    match prepared {
        None => version.document.plugins().is_empty(),
        Some(prepared) => prepared.generation >= session.since,
    }
}

fn put_dirty(writing: &Writing<'_>, release: &str, gathered: &mut Gathered) -> Result<(), StoreError> {
    for row in gathered.evidence.take_dirty() {
        writing.put_evidence(release, gathered.session.number, &row)?;
    }
    Ok(())
}

/// Most observations of one transaction, but for the last batch: bounds how long an acknowledgement waits.
const GROUP_OBSERVATIONS: usize = 4_096;
const GROUP_BATCHES: usize = 512;
