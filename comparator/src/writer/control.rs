//! Policies and sessions at the writer: what adopting a file, a change and a reset do to the store and to what is in force.

use antumbra_engine::Evidence;
use antumbra_policy::document::{Invalid, Problem, Tree};

use super::gathered::Gathered;
use super::handle::{ChangeError, Changed};
use super::thread::Thread;
use crate::clock;
use crate::live::policies::Policies;
use crate::plugins::Plugins;
use antumbra_control::audit::{self, Draft};
use antumbra_control::change::{Change, Edit, Expected, Refusal, amended};
use antumbra_control::{Document, Session, StoredPolicy, Version};
use antumbra_store::{StoreError, Writing};

impl Thread {
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
    pub(super) fn change(&mut self, change: &Change) -> Result<Changed, ChangeError> {
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

    /// What was gathered, delivered and lost before does not concern the new session.
    fn begin(&mut self, release: &str, session: Session) {
        let nothing = Evidence::new();
        self.known.replace(release, session, &nothing);
        self.releases.insert(release.to_owned(), Gathered::new(session, nothing));
        self.registry.begin_session(release);
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

    /// Begins a new session under a new generation of the same document: only by its generation can an observation tell
    /// whether it was decided before or after.
    pub(super) fn reset(
        &mut self,
        release: &str,
        who: String,
        reason: String,
    ) -> Result<Session, ChangeError> {
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

    /// What earlier processes stored of what filters delivered.
    pub(super) fn take_over(&self) -> Result<(), StoreError> {
        for (release, _) in self.policies.all() {
            let Some((session, text)) = self.store.delivery(&release)? else { continue };
            let current = self.store.session(&release)?.map(|session| session.number);
            if let Err(error) = self.registry.take_over(&release, &text, current == Some(session)) {
                tracing::warn!(%error, release, "what the filters delivered before is not known");
            }
        }
        Ok(())
    }
}

/// By which files, besides the policy, answers are read, rewritten and judged.
fn files(policies: &Policies, plugins: &Plugins, document: &Document) -> String {
    let each = [plugins.fingerprint(document.plugins()), policies.fingerprint()];
    each.into_iter().filter(|files| !files.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A file is noted even if it changed nothing: what is changed at run time afterwards is newer than it.
fn put_file(writing: &Writing<'_>, change: &Change, document: &str) -> Result<(), StoreError> {
    match change.edit {
        Edit::File(_) => writing.put_file(&change.name, document),
        _ => Ok(()),
    }
}

pub(super) fn version(stored: &StoredPolicy) -> Result<Version, StoreError> {
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
