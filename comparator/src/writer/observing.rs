//! Observations at the writer: compared exchanges are counted, journalled and acknowledged; the evidence is written whole now and then.
//!
//! Writing an endpoint's row at each commit took a fifth of the thread's time. So a commit appends what its exchanges do to the evidence,
//! in few bytes and never the raw answers, and every few seconds the rows that changed are written and the journal is emptied, in one
//! transaction: after a crash each exchange counts once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use antumbra_control::{Command, Session};
use antumbra_engine::{Evidence, Pace, decode_compared};
use antumbra_observation::Observation;
use antumbra_store::{Gathering, JournalEntry, Store, StoreError, Writing};

use super::counting::{Belongs, Counted, Counting};
use super::gathered::{Brought, Gathered};
use super::handle::{Batch, ChangeError};
use super::thread::Thread;
use crate::api::principal::Source;
use crate::clock;
use crate::live::captures::Offered;
use crate::live::kept::Offer;
use crate::live::ledger::Settled;

impl Thread {
    /// Takes all batches that wait, up to a bound, through one transaction.
    pub(super) fn take_group(&mut self, first: Batch) {
        let (mut observations, mut bytes) = (first.observations.len(), first.reserved.bytes());
        let mut group = vec![first];
        while observations < GROUP_OBSERVATIONS && bytes < GROUP_BYTES && group.len() < GROUP_BATCHES {
            let Some(batch) = self.inbox.next_batch() else { break };
            observations += batch.observations.len();
            bytes += batch.reserved.bytes();
            group.push(batch);
        }
        let outcome = self.commit(&mut group);
        self.acknowledge(group, outcome);
    }

    fn acknowledge(&mut self, group: Vec<Batch>, outcome: Result<Vec<Counted>, StoreError>) {
        match outcome {
            Ok(counted) => {
                let mut taken = Vec::with_capacity(group.len());
                for (batch, Counted { settled, belong }) in group.into_iter().zip(counted) {
                    self.ledger.settle(settled);
                    drop(batch.reserved);
                    let _ = batch.reply.send(Ok(settled));
                    taken.push((batch.observations, belong));
                }
                for (observations, belong) in taken {
                    self.keep_some(&observations, &belong);
                    self.offer(observations, &belong);
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

    /// Captures get what belongs to the session, once: the rest is no part of what is judged.
    fn offer(&self, observations: Vec<Observation>, belong: &[Belongs]) {
        let each = observations.into_iter().zip(belong).filter(|(_, belongs)| **belongs != Belongs::Not);
        let offered = each.filter_map(|(observation, _)| {
            let session = self.releases.get(&observation.release)?.session.number;
            let version = self.policies.get(&observation.release)?;
            Some(Offered { observation, session, version })
        });
        self.captures.offer(offered);
    }

    /// Some of what was compared is kept, so that other rules can be tried on it.
    fn keep_some(&self, observations: &[Observation], belong: &[Belongs]) {
        let offers = observations.iter().zip(belong).filter_map(|(observation, belongs)| {
            let Belongs::Compared(marks) = belongs else { return None };
            let session = self.releases.get(&observation.release)?.session.number;
            let version = self.policies.get(&observation.release)?;
            Some(Offer { observation, marks, session, version })
        });
        self.kept.offer(offers, clock::now_ms());
    }

    /// What became of each batch, once all of it is durable.
    fn commit(&mut self, group: &mut [Batch]) -> Result<Vec<Counted>, StoreError> {
        self.load()?;
        let whole = self.is_checkpoint_due();
        let Self { store, releases, policies, ledger, .. } = self;
        let counted = store.transaction(|writing| {
            let mut counting = Counting { releases, policies };
            let counted = group.iter_mut().map(|batch| counting.batch(writing, batch));
            let counted = counted.collect::<Result<Vec<_>, _>>()?;
            if whole {
                put_whole(writing, releases)?;
            } else {
                append(writing, releases)?;
            }
            let all = counted.iter().map(|batch| batch.settled).fold(Settled::default(), Settled::plus);
            writing.put_accounts(&ledger.after(all))?;
            Ok(counted)
        })?;
        if whole {
            self.checkpointed = Instant::now();
        }
        for (release, gathered) in &self.releases {
            for brought in gathered.sources() {
                self.known.refresh(release, &brought.source, &brought.evidence);
            }
        }
        Ok(counted)
    }

    fn is_checkpoint_due(&self) -> bool {
        let all = self.releases.values().flat_map(Gathered::sources);
        let journalled = all.map(|brought| brought.journalled).sum::<u64>();
        journalled >= MAX_JOURNALLED || self.checkpointed.elapsed() >= BETWEEN_CHECKPOINTS
    }

    /// Writes the evidence whole, so that the next start has no journal to read. Without it that start only takes longer.
    pub(super) fn checkpoint(&mut self) {
        // What was counted by a failed commit is not the store's.
        if !self.loaded {
            return;
        }
        let Self { store, releases, .. } = self;
        if let Err(error) = store.transaction(|writing| put_whole(writing, releases)) {
            tracing::warn!(%error, "the evidence was not written whole; its journal is");
            self.loaded = false;
        }
    }

    /// Reads the evidence back from the store unless it is the store's already. A release whose evidence cannot be read starts over, and
    /// keeps no other from going on.
    pub(super) fn load(&mut self) -> Result<(), StoreError> {
        if self.loaded {
            return Ok(());
        }
        let mut releases = BTreeMap::new();
        let mut damaged = Vec::new();
        for (name, version) in self.policies.all() {
            let Some(session) = self.store.session(&name)? else { continue };
            let pace = version.document.gates().pace();
            let gathered = match restored(&self.store, &name, session, pace) {
                Err(error @ StoreError::Damaged { .. }) => {
                    damaged.push((name.clone(), error.to_string()));
                    Gathered::new(session)
                }
                other => other?,
            };
            self.known.begin(&name, session.number);
            for brought in gathered.sources() {
                self.known.replace(&name, &brought.source, &brought.evidence);
            }
            releases.insert(name, gathered);
        }
        self.releases = releases;
        self.loaded = true;
        for (release, damage) in damaged {
            tracing::error!(release, damage, "stored evidence is set aside, and a new session starts");
            // The release was just found, so nothing but the store refuses it.
            if let Err(ChangeError::Store(error)) = self.command(&Command::StartOver { release, damage }) {
                self.loaded = false;
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Writes the rows that changed, after which the journals say nothing new.
pub(super) fn put_whole(
    writing: &Writing<'_>,
    releases: &mut BTreeMap<String, Gathered>,
) -> Result<(), StoreError> {
    for_each_source(releases, |of, place, brought| {
        if brought.evidence.dirty_rows() == 0 {
            return Ok(());
        }
        put_in_place(writing, of, place, brought)?;
        brought.evidence.take_dirty().try_for_each(|row| writing.put_evidence(of, &row))?;
        writing.clear_journal(of)?;
        brought.take_counted();
        brought.journalled = 0;
        Ok(())
    })
}

/// Appends what was counted to the journals.
fn append(writing: &Writing<'_>, releases: &mut BTreeMap<String, Gathered>) -> Result<(), StoreError> {
    for_each_source(releases, |of, place, brought| {
        let Some(entry) = brought.take_counted() else { return Ok(()) };
        put_in_place(writing, of, place, brought)?;
        writing.append_journal(of, &entry)
    })
}

fn for_each_source(
    releases: &mut BTreeMap<String, Gathered>,
    mut work: impl FnMut(Gathering<'_>, u64, &mut Brought) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for (release, gathered) in releases {
        let session = gathered.session.number;
        for (place, brought) in (0..).zip(gathered.sources_mut()) {
            let source = brought.source.clone();
            work(Gathering { release, session, source: Source::name_of(source.as_ref()) }, place, brought)?;
        }
    }
    Ok(())
}

/// The order in which sources came numbers what they find, so it must stay.
fn put_in_place(
    writing: &Writing<'_>,
    of: Gathering<'_>,
    place: u64,
    brought: &mut Brought,
) -> Result<(), StoreError> {
    if !std::mem::replace(&mut brought.placed, true) {
        writing.put_source(of, place)?;
    }
    Ok(())
}

/// The evidence of a session: as it was last written, and what was counted since then.
fn restored(store: &Store, release: &str, session: Session, pace: Pace) -> Result<Gathered, StoreError> {
    let mut gathered = Gathered::new(session);
    for source in store.sources(release, session.number)? {
        let of = Gathering { release, session: session.number, source: &source };
        let (evidence, journalled) = read_back(store, of, pace)?;
        gathered.add(Source::written(&source), evidence, journalled);
    }
    Ok(gathered)
}

/// The evidence of one source, and how many exchanges of it are in its journal alone.
fn read_back(store: &Store, of: Gathering<'_>, pace: Pace) -> Result<(Evidence, u64), StoreError> {
    let release = of.release;
    let damaged = |message: String| StoreError::Damaged { what: format!("evidence of {release:?}"), message };
    let rows = store.evidence(of)?;
    let mut evidence = Evidence::restore(rows).map_err(|error| damaged(error.to_string()))?;
    evidence.set_pace(pace);
    let mut journalled = 0;
    for JournalEntry { repeated, compared } in store.journal(of)? {
        let compared = decode_compared(&compared).map_err(|error| damaged(error.to_string()))?;
        journalled += compared.len() as u64;
        for one in &compared {
            evidence.take(one);
        }
        evidence.count_repeated(repeated);
    }
    Ok((evidence, journalled))
}

/// Most observations of one transaction, but for the last batch: bounds how long an acknowledgement waits.
const GROUP_OBSERVATIONS: usize = 4_096;
const GROUP_BATCHES: usize = 512;
/// What the batches of one transaction may take in memory, but for the last one.
const GROUP_BYTES: usize = 16 << 20;
/// What a start after a crash may have to read again.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(5);
const MAX_JOURNALLED: u64 = 200_000;
