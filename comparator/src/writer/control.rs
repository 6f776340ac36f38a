//! Commands at the writer: it finds the state that they meet, commits their effects at once, and puts what they made in force. What
//! they do is decided in the control crate.

use std::time::Instant;

use antumbra_control::refusal::Refusal;
use antumbra_control::{Command, Document, Effect, Effects, Session, State, decide};
use antumbra_policy::document::Tree;
use antumbra_store::{SalvagedTable, StoreError, Writing};

use super::gathered::Gathered;
use super::handle::{ChangeError, Changed};
use super::thread::Thread;
use crate::clock;

impl Thread {
    /// Puts a policy file's document in force, unless it is the one that a file brought before.
    pub(crate) fn adopt(&mut self, document: Document) -> Result<(), ChangeError> {
        let name = document.name().to_owned();
        let Changed { version, changed, undone, .. } = self.command(&Command::Adopt(Box::new(document)))?;
        for undone in undone {
            tracing::warn!(policy = name, %undone, "the policy file takes back what was changed at run time");
        }
        if !changed {
            tracing::info!(
                policy = name,
                generation = version.generation,
                "the policy file says nothing new; the stored policy stays"
            );
        }
        Ok(())
    }

    /// Does what a command says, once it is durable.
    pub(super) fn command(&mut self, command: &Command) -> Result<Changed, ChangeError> {
        let release = command.release();
        let current = self.policies.get(release);
        let (gathered_with, known_file) = (self.store.files(release)?, self.store.file(release)?);
        let last_put = self.store.last_put(release)?;
        // A stored document that cannot be read any more takes nothing back.
        let last_put = last_put.and_then(|stored| Tree::from_json(stored.text.as_bytes()).ok());
        let now = Instant::now();
        let state = State {
            current: current.as_deref(),
            session: self.store.session(release)?,
            gathered_with: &gathered_with,
            known_file: known_file.as_deref(),
            last_put: last_put.as_ref(),
            last_generation: self.store.last_generation(release)?,
            filters: self.registry.running(release, now),
            awaited: self.registry.awaited(release, now),
            at_hand: &self.at_hand,
        };
        let effects = decide(command, state, clock::now_ms())?;
        if !effects.writes.is_empty() {
            self.load()?;
            let written = self.store.transaction(|writing| write(writing, release, &effects.writes));
            self.audited.note(self.store.audits());
            written?;
        }
        let begun = effects.begun();
        if let Some(session) = begun {
            self.begin(release, session);
        }
        let deleted = effects.deleted();
        if deleted {
            self.forget(release);
        }
        let Effects { version, diff, undone, warnings, .. } = effects;
        let (changed, created) = (version.is_some() || deleted, current.is_none());
        let version = version.map(|version| self.policies.put(version)).or(current);
        let version = version.ok_or_else(|| Refusal::Unknown(release.to_owned()))?;
        if let Some(gathered) = self.releases.get_mut(release) {
            gathered.note_pace(version.document.gates().pace());
        }
        Ok(Changed { version, changed, created, begun, diff, undone, warnings })
    }

    /// Nothing of the release stays in memory. Filters hear that there is no such policy, and stop mirroring after their lease.
    fn forget(&mut self, release: &str) {
        self.policies.forget(release);
        self.releases.remove(release);
        self.known.forget(release);
        self.kept.forget(release);
        self.registry.forget(release);
        self.captures.end(release);
    }

    /// What was gathered, delivered and lost before does not concern the new session.
    fn begin(&mut self, release: &str, session: Session) {
        self.known.begin(release, session.number);
        self.kept.begin(release, session.number, clock::now_ms());
        self.releases.insert(release.to_owned(), Gathered::new(session));
        self.registry.begin_session(release);
    }

    /// Begins a new session of each release that was gathered with other files than those that are here.
    pub(crate) fn note_files(&mut self) -> Result<(), StoreError> {
        for (release, version) in self.policies.all() {
            for (_, name) in self.at_hand.absent(&version.document) {
                tracing::warn!(
                    policy = release,
                    plugin = name,
                    "started without a plugin that a policy names"
                );
            }
            match self.command(&Command::NoteFiles { release: release.clone() }) {
                Err(ChangeError::Store(error)) => return Err(error),
                Ok(Changed { begun: Some(_), version, .. }) => tracing::info!(
                    policy = release,
                    files = self.at_hand.of(&version.document),
                    "a new session of evidence starts: plugins, descriptors or what can be read of the policy changed"
                ),
                // Nothing to do. The policy was just found, so it cannot be unknown.
                Ok(_) | Err(ChangeError::Refused(_)) => {}
            }
        }
        Ok(())
    }

    /// Says what was lost of a damaged database. Where evidence may be incomplete, a release starts over: every one after a start that
    /// salvaged, and one whose evidence was set aside by hand, or by a start that was killed before this.
    pub(super) fn note_salvage(&mut self) -> Result<(), StoreError> {
        let lost_evidence = self.tell_salvage();
        for (release, _) in self.policies.all() {
            if !lost_evidence && !self.store.is_set_aside(&release)? {
                continue;
            }
            let damage = "pages of the database were damaged".to_owned();
            if let Err(ChangeError::Store(error)) = self.command(&Command::StartOver { release, damage }) {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Logs what the start salvaged; whether evidence may be incomplete.
    fn tell_salvage(&self) -> bool {
        let Some((salvaged, aside)) = self.store.salvaged() else { return false };
        tracing::error!(
            kept = %aside.display(),
            "the database was damaged; what could be read is in use, and the damaged one is kept"
        );
        for SalvagedTable { name, rows, loss } in &salvaged.tables {
            if let Some(loss) = loss {
                tracing::error!(table = name, rows, loss, "rows of a table may be missing");
            }
        }
        salvaged.lost_evidence()
    }

    /// What earlier processes stored of what filters delivered.
    pub(super) fn take_over(&self) -> Result<(), StoreError> {
        for (release, _) in self.policies.all() {
            let Some((session, text)) = self.store.delivery(&release)? else { continue };
            let current = self.store.session(&release)?.map(|session| session.number);
            if let Err(error) =
                self.registry.take_over(&release, &text, current == Some(session), Instant::now())
            {
                tracing::warn!(%error, release, "what the filters delivered before is not known");
            }
        }
        Ok(())
    }
}

fn write(writing: &Writing<'_>, release: &str, effects: &[Effect]) -> Result<(), StoreError> {
    for effect in effects {
        match effect {
            Effect::PutFile(text) => writing.put_file(release, text)?,
            Effect::PutPolicy(stored) => writing.put_policy(release, stored)?,
            Effect::Audit(draft) => writing.append_audit(draft.clone())?,
            Effect::BeginSession { session, files, at_ms } => {
                writing.begin_session(release, *session, files, *at_ms)?;
            }
            Effect::SetAside { session, at_ms } => writing.set_aside(release, *session, *at_ms)?,
            Effect::Forget => writing.forget(release)?,
        }
    }
    Ok(())
}
