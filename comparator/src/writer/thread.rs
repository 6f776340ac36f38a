//! The writer's loop.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use antumbra_engine::{Delivery, Evidence, Report, Taken};
use antumbra_observation::Observation;
use antumbra_policy::document::{Invalid, Problem, Tree};

use super::gathered::Gathered;
use super::handle::{Batch, ChangeError, Changed, Inbox, Job, Standing};
use crate::clock;
use crate::live::captures::Captures;
use crate::live::ledger::{Ledger, Settled};
use crate::live::policies::Policies;
use crate::live::registry::Registry;
use crate::plugins::{Plugins, Prepared};
use antumbra_control::audit::{self, Draft};
use antumbra_control::change::{Change, Edit, Expected, Refusal, amended};
use antumbra_control::{Document, Version};
use antumbra_control::{Session, StoredPolicy};
use antumbra_store::{Store, StoreError, Writing};

/// The writer: owns what it changes.
pub(crate) struct Thread {
    store: Store,
    releases: BTreeMap<String, Gathered>,
    /// False after a failed commit until the evidence was read back.
    loaded: bool,
    policies: Arc<Policies>,
    ledger: Arc<Ledger>,
    captures: Arc<Captures>,
    plugins: Plugins,
    registry: Arc<Registry>,
    inbox: Inbox,
}

impl Thread {
    /// Puts the stored policies in force and reads the evidence.
    pub(crate) fn new(
        store: Store,
        policies: Arc<Policies>,
        ledger: Arc<Ledger>,
        captures: Arc<Captures>,
        plugins: Plugins,
        registry: Arc<Registry>,
        inbox: Inbox,
    ) -> Result<Self, StoreError> {
        for stored in store.policies()? {
            policies.put(version(&stored)?);
        }
        let mut thread = Self {
            store,
            releases: BTreeMap::new(),
            loaded: false,
            policies,
            ledger,
            captures,
            plugins,
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
                Job::Change(change, reply) => drop(reply.send(self.change(&change))),
                Job::Reset(release, who, reason, reply) => {
                    drop(reply.send(self.reset(&release, who, reason)));
                }
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

    /// What earlier processes stored of what filters delivered.
    fn take_over(&self) -> Result<(), StoreError> {
        for (release, _) in self.policies.all() {
            let Some((session, text)) = self.store.delivery(&release)? else { continue };
            let current = self.store.session(&release)?.map(|session| session.number);
            if let Err(error) = self.registry.take_over(&release, &text, current == Some(session)) {
                tracing::warn!(%error, release, "what the filters delivered before is not known");
            }
        }
        Ok(())
    }

    fn flush(&mut self) {
        self.inbox.flushing.store(false, Ordering::Release);
        let accounts = self.ledger.after(Settled::default());
        if let Err(error) = self.store.transaction(|writing| writing.put_accounts(&accounts)) {
            tracing::error!(%error, "the accounts were not stored");
        }
    }

    /// Puts a policy file's document in force, unless it is the one that a file brought before: what was changed at run time
    /// since then outlives a restart.
    pub(crate) fn adopt(&mut self, document: &Document) -> Result<(), ChangeError> {
        let name = document.name();
        if self.store.is_known_file(name, &document.text())? {
            let generation = self.policies.get(name).map_or(0, |version| version.generation);
            tracing::info!(
                policy = name,
                generation,
                "the policy file says nothing new; the stored policy stays"
            );
            return Ok(());
        }
        let change = Change {
            name: name.to_owned(),
            edit: Edit::File(document.tree().clone()),
            expected: Expected::Any,
            author: "antumbra serve".to_owned(),
            reason: "policy file at the start".to_owned(),
        };
        self.change(&change).map(drop)
    }

    /// Validates a change and puts it in force once it is durable.
    pub(crate) fn change(&mut self, change: &Change) -> Result<Changed, ChangeError> {
        let current = self.policies.get(&change.name);
        let Some(document) = amended(current.as_deref(), change)? else {
            let version = current.ok_or_else(|| Refusal::Unknown(change.name.clone()))?;
            self.store.transaction(|writing| put_file(writing, change, &version.document.text()))?;
            return Ok(Changed { version, changed: false, new_session: false, diff: Vec::new() });
        };
        self.refuse_absent(&document, current.as_deref())?;
        self.load()?;
        let new_session =
            current.as_ref().is_none_or(|current| !current.document.shares_evidence_with(&document));
        let before = current.as_ref().map_or(&NOTHING, |current| current.document.tree());
        let diff = audit::diff(before, document.tree());
        let generation = current.as_ref().map_or(1, |current| current.generation + 1);
        let version = Version::new(document, generation, clock::now_ms());
        let session = self.store_version(&version, change, &diff, new_session)?;
        if let Some(session) = session {
            self.begin(&change.name, session);
        }
        let version = self.policies.put(version);
        Ok(Changed { version, changed: true, new_session, diff })
    }

    /// What was gathered, delivered and lost before does not concern the new session.
    fn begin(&mut self, release: &str, session: Session) {
        self.releases.insert(release.to_owned(), Gathered::new(session, Evidence::new()));
        self.registry.begin_session(release);
    }

    fn store_version(
        &mut self,
        version: &Version,
        change: &Change,
        diff: &[String],
        new_session: bool,
    ) -> Result<Option<Session>, StoreError> {
        let Version { generation, at_ms, .. } = *version;
        let stored = StoredPolicy { generation, at_ms, text: version.document.text() };
        let draft = Draft {
            release: change.name.clone(),
            generation,
            at_ms,
            who: change.author.clone(),
            action: change.edit.action().to_owned(),
            reason: change.reason.clone(),
            diff: diff.to_vec(),
        };
        self.store.transaction(|writing| {
            put_file(writing, change, &stored.text)?;
            writing.put_policy(&change.name, &stored)?;
            writing.append_audit(draft)?;
            let files = files(&self.policies, &self.plugins, &version.document);
            let session = new_session.then(|| writing.begin_session(&change.name, generation, &files, at_ms));
            session.transpose()
        })
    }

    /// Begins a new session where plugins or descriptors are other files than those that the evidence was gathered with: they may
    /// see differences elsewhere.
    pub(crate) fn note_files(&mut self) -> Result<(), StoreError> {
        for (release, version) in self.policies.all() {
            let assigned = version.document.plugins();
            for (_, name) in self.plugins.absent(assigned) {
                tracing::warn!(
                    policy = release,
                    plugin = name,
                    "started without a plugin that a policy names"
                );
            }
            let files = files(&self.policies, &self.plugins, &version.document);
            if self.store.files(&release)? == files {
                continue;
            }
            let reason = format!("plugins or descriptors are other files: {files}");
            match self.reset(&release, "antumbra serve".to_owned(), reason) {
                Err(ChangeError::Store(error)) => return Err(error),
                // The policy was just found, and a reset validates nothing.
                _ => tracing::info!(
                    policy = release,
                    files,
                    "the evidence begins anew: plugins or descriptors changed"
                ),
            }
        }
        Ok(())
    }

    /// A policy that names a plugin which is not here would be compared without it for ever.
    fn refuse_absent(&self, document: &Document, current: Option<&Version>) -> Result<(), Invalid> {
        let named = |name: &str| {
            current.is_some_and(|current| current.document.plugins().names().any(|known| known == name))
        };
        let problem = |(index, name): (usize, &str)| Problem {
            path: format!("compare.plugins[{index}].plugin"),
            message: format!("is {name:?}, must be one that is here: start with --plugin {name}=FILE"),
        };
        let absent = self.plugins.absent(document.plugins());
        let problems: Vec<Problem> =
            absent.into_iter().filter(|(_, name)| !named(name)).map(problem).collect();
        if problems.is_empty() { Ok(()) } else { Err(Invalid { problems }) }
    }

    /// Begins a new session under a new generation of the same document: only by its generation can an observation tell
    /// whether it was decided before or after.
    fn reset(&mut self, release: &str, who: String, reason: String) -> Result<Session, ChangeError> {
        let current = self.policies.get(release).ok_or_else(|| Refusal::Unknown(release.to_owned()))?;
        self.load()?;
        let stored = StoredPolicy {
            generation: current.generation + 1,
            at_ms: clock::now_ms(),
            text: current.document.text(),
        };
        let next = version(&stored)?;
        let draft = Draft {
            release: release.to_owned(),
            generation: stored.generation,
            at_ms: stored.at_ms,
            who,
            action: "reset".to_owned(),
            reason,
            diff: Vec::new(),
        };
        let files = files(&self.policies, &self.plugins, &next.document);
        let session = self.store.transaction(|writing| {
            writing.put_policy(release, &stored)?;
            writing.append_audit(draft)?;
            writing.begin_session(release, stored.generation, &files, stored.at_ms)
        })?;
        self.begin(release, session);
        self.policies.put(next);
        Ok(session)
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
    fn load(&mut self) -> Result<(), StoreError> {
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

/// By which files, besides the policy, answers are read, rewritten and judged.
fn files(policies: &Policies, plugins: &Plugins, document: &Document) -> String {
    let each = [plugins.fingerprint(document.plugins()), policies.fingerprint()];
    each.into_iter().filter(|files| !files.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Whether the policy's plugins had their turn, and under rules that still hold: a policy may have changed since the batch came.
fn is_prepared(prepared: Option<&Prepared>, version: &Version, session: Session) -> bool {
    match prepared {
        None => version.document.plugins().is_empty(),
        Some(prepared) => prepared.generation >= session.since,
    }
}

/// A file is noted even if it changed nothing: what is changed at run time afterwards is newer than it.
fn put_file(writing: &Writing<'_>, change: &Change, document: &str) -> Result<(), StoreError> {
    match change.edit {
        Edit::File(_) => writing.put_file(&change.name, document),
        _ => Ok(()),
    }
}

fn put_dirty(writing: &Writing<'_>, release: &str, gathered: &mut Gathered) -> Result<(), StoreError> {
    for row in gathered.evidence.take_dirty() {
        writing.put_evidence(release, gathered.session.number, &row)?;
    }
    Ok(())
}

fn version(stored: &StoredPolicy) -> Result<Version, StoreError> {
    let document =
        Tree::from_json(stored.text.as_bytes()).and_then(Document::from_tree).map_err(|invalid| {
            StoreError::Damaged {
                what: format!("policy of generation {}", stored.generation),
                message: invalid.to_string(),
            }
        })?;
    Ok(Version::new(document, stored.generation, stored.at_ms))
}

/// What a policy is before its first generation.
static NOTHING: Tree = Tree::Map(Vec::new());
/// Most observations of one transaction, but for the last batch: bounds how long an acknowledgement waits.
const GROUP_OBSERVATIONS: usize = 4_096;
const GROUP_BATCHES: usize = 512;
