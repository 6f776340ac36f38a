//! Observations at the writer: compared exchanges are counted, journalled and acknowledged.
//!
//! Writing an endpoint's row at each commit took a fifth of the thread's time. So a commit appends what its exchanges do to the evidence,
//! in few bytes and never the raw answers. Now and then the rows that changed are written and the journal is emptied, in one transaction:
//! after a crash each exchange counts once.

use std::time::{Duration, Instant};

use antumbra_observation::Observation;
use antumbra_store::StoreError;

use super::checkpoint::append;
use super::counting::{Belongs, Counted, Counting};
use super::handle::Batch;
use super::thread::Thread;
use crate::clock;
use crate::live::captures::Offered;
use crate::live::kept::Offer;
use crate::live::ledger::Settled;

impl Thread {
    /// Takes all batches that wait or come within a moment, up to a bound, through one transaction.
    pub(super) fn take_group(&mut self, first: Batch) {
        let (mut observations, mut bytes) = (first.observations.len(), first.reserved.bytes());
        let mut group = vec![first];
        let mut patience = GROUP_WAITS;
        while observations < GROUP_OBSERVATIONS && bytes < GROUP_BYTES && group.len() < GROUP_BATCHES {
            let Some(batch) = self.inbox.next_batch() else {
                if patience == 0 || !self.inbox.expects_more() {
                    break;
                }
                patience -= 1;
                std::thread::sleep(A_MOMENT);
                continue;
            };
            observations += batch.observations.len();
            bytes += batch.reserved.bytes();
            group.push(batch);
        }
        let outcome = self.commit(&mut group);
        if let Ok(counted) = &outcome {
            self.inbox.put_back(group.split_off(counted.len()));
        }
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
                for (observations, mut belong) in taken {
                    self.keep_some(&observations, &mut belong);
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
    fn keep_some(&self, observations: &[Observation], belong: &mut [Belongs]) {
        let warm_up = observations.iter().zip(&*belong).filter(|(_, belongs)| **belongs == Belongs::WarmUp);
        self.kept.rest(warm_up.map(|(observation, _)| observation.release.as_str()));
        let offers = observations.iter().zip(belong).filter_map(|(observation, belongs)| {
            let Belongs::Compared(drawn) = belongs else { return None };
            let session = self.releases.get(&observation.release)?.session.number;
            Some(Offer { release: &observation.release, drawn: drawn.take()?, session })
        });
        self.kept.offer(offers, clock::now_ms());
    }

    /// What became of each batch, once all of it is durable. Those that are left after a while are not taken if somebody asks for something.
    fn commit(&mut self, group: &mut [Batch]) -> Result<Vec<Counted>, StoreError> {
        self.load()?;
        let Self { store, releases, policies, ledger, places, inbox, .. } = self;
        let began = Instant::now();
        let counted = store.transaction(|writing| {
            let mut counting = Counting { releases, policies, places: *places };
            let mut counted = Vec::with_capacity(group.len());
            for batch in group.iter_mut() {
                counted.push(counting.batch(writing, batch)?);
                if began.elapsed() >= GROUP_LASTS && inbox.is_asked() {
                    break;
                }
            }
            append(writing, releases)?;
            let all = counted.iter().map(|batch| batch.settled).fold(Settled::default(), Settled::plus);
            writing.put_accounts(&ledger.after(all))?;
            Ok(counted)
        })?;
        for (release, gathered) in &self.releases {
            for brought in gathered.sources() {
                self.known.refresh(release, &brought.source, &brought.evidence);
            }
        }
        Ok(counted)
    }
}

/// Most observations of one transaction, but for the last batch: bounds how long an acknowledgement waits.
const GROUP_OBSERVATIONS: usize = 4_096;
const GROUP_BATCHES: usize = 512;
/// How often a transaction waits a moment for batches that are being compared. Fewer transactions are then written to disk, and where there is one
/// core, comparing is interrupted less often. PostgreSQL does the same with `commit_delay` and `commit_siblings`:
/// <https://www.postgresql.org/docs/current/runtime-config-wal.html>.
const GROUP_WAITS: u32 = 6;
const A_MOMENT: Duration = Duration::from_micros(250);
/// How long a transaction counts before it ends early for somebody who asks for something. If it ended at once, whoever asks without a pause would
/// have each batch written to disk by itself.
const GROUP_LASTS: Duration = Duration::from_millis(20);
/// What the batches of one transaction may take in memory, but for the last one.
const GROUP_BYTES: usize = 16 << 20;
