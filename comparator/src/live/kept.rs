//! Exchanges of each release that are kept in memory, redacted, so that other rules can be tried on them.
//!
//! Drawn where they are compared, on all cores, and offered after the commit, on the writer's thread. Chance gives each exchange a rank,
//! and a sample keeps the lowest ranks: so nearly all that is drawn costs a comparison for each sample it could be in, and nothing is
//! copied. What may be kept is redacted as it is drawn, while nothing is locked and nobody waits. Where memory is short all samples shrink
//! alike, and stay uniform.

mod drawn;
mod marks;
mod reservoir;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antumbra_observation::Observation;

use drawn::Rank;
use reservoir::Reservoir;

use crate::live::size;

pub(crate) use drawn::Drawn;
pub(crate) use marks::{Marks, place};
pub(crate) use reservoir::Sample;

/// What is kept of all releases. It does not outlive the process.
#[derive(Default)]
pub(crate) struct Kept {
    releases: Mutex<Releases>,
    dice: RandomState,
    /// Exchanges drawn so far: a number for the dice.
    drawn: AtomicU64,
}

#[derive(Default)]
struct Releases {
    each: BTreeMap<String, Reservoir>,
    /// Those of which nothing is offered at present: nothing is copied for them, or a sample that has nothing would want all that is drawn.
    resting: BTreeSet<String>,
}

/// An exchange that was compared in a session.
pub(crate) struct Offer<'o> {
    pub(crate) release: &'o str,
    pub(crate) drawn: Drawn,
    /// The number of the session.
    pub(crate) session: u64,
}

impl Kept {
    /// Draws an exchange of a session. If a sample may want it, `redacted` makes what may be kept of it.
    pub(crate) fn draw(
        &self,
        observation: &Observation,
        session: u64,
        marks: Marks,
        redacted: impl FnOnce() -> Observation,
    ) -> Drawn {
        let rank = self.dice.hash_one(self.drawn.fetch_add(1, Ordering::Relaxed));
        let wants = self.lock().wants(&observation.release, session, rank, &marks);
        let Some(is_wanted) = wants else { return Drawn::counted(marks) };
        // Most are not wanted, and need not be measured.
        let bytes = if is_wanted { size::held(observation) + PER_EXCHANGE } else { 0 };
        let is_kept = is_wanted && bytes <= LARGEST;
        Drawn { marks, rank: Some(rank), bytes, redacted: is_kept.then(|| Arc::new(redacted())) }
    }

    /// Notes that what comes of these releases is only counted, until something of them is offered again.
    pub(crate) fn rest<'r>(&self, all: impl Iterator<Item = &'r str>) {
        let mut all = all.peekable();
        if all.peek().is_none() {
            return;
        }
        let mut releases = self.lock();
        for release in all {
            if !releases.resting.contains(release) {
                releases.resting.insert(release.to_owned());
            }
        }
    }

    /// Keeps those that chance chooses.
    pub(crate) fn offer<'o>(&self, all: impl Iterator<Item = Offer<'o>>, now_ms: u64) {
        let mut releases = self.lock();
        for Offer { release, drawn, session } in all {
            releases.resting.remove(release);
            releases.meet(release, session, now_ms);
            if let Some(reservoir) = releases.each.get_mut(release) {
                reservoir.offer(drawn);
            }
        }
    }

    /// Forgets what is kept of a release: a session begins.
    pub(crate) fn begin(&self, release: &str, session: u64, now_ms: u64) {
        let mut releases = self.lock();
        releases.each.insert(release.to_owned(), Reservoir::new(session, now_ms, MAX_BYTES_OF_RELEASE));
        releases.share();
    }

    /// Forgets a release that is not there any more.
    pub(crate) fn forget(&self, release: &str) {
        let mut releases = self.lock();
        releases.each.remove(release);
        releases.resting.remove(release);
        releases.share();
    }

    /// Forgets the exchanges before a moment, in microseconds since 1970.
    pub(crate) fn expire(&self, before_us: u64) {
        self.lock().each.values_mut().for_each(|reservoir| reservoir.expire(before_us));
    }

    /// What is kept of a release.
    pub(crate) fn sample(&self, release: &str) -> Sample {
        let mut sample = self.lock().each.get(release).map(Reservoir::sample).unwrap_or_default();
        sample.exchanges.sort_by_key(|exchange| exchange.observation.at_us);
        sample
    }

    fn lock(&self) -> MutexGuard<'_, Releases> {
        self.releases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Releases {
    /// Whether a sample would take it now. Of a session that is about to begin it would; of a release that rests nothing is taken.
    fn wants(&self, release: &str, session: u64, rank: Rank, marks: &Marks) -> Option<bool> {
        if self.resting.contains(release) {
            return None;
        }
        let reservoir = self.each.get(release).filter(|reservoir| reservoir.session == session);
        Some(reservoir.is_none_or(|reservoir| reservoir.wants(rank, marks)))
    }

    /// Begins with nothing where the release or its session is another one than before.
    fn meet(&mut self, release: &str, session: u64, now_ms: u64) {
        let known = self.each.get(release).is_some_and(|reservoir| reservoir.session == session);
        if !known {
            self.each.insert(release.to_owned(), Reservoir::new(session, now_ms, MAX_BYTES_OF_RELEASE));
            self.share();
        }
    }

    /// Gives each release as many bytes as are its due.
    fn share(&mut self) {
        let due = (MAX_BYTES / self.each.len().max(1)).min(MAX_BYTES_OF_RELEASE);
        self.each.values_mut().for_each(|reservoir| reservoir.fit(due));
    }
}

/// Bytes of one exchange: a larger one would put out hundreds.
const LARGEST: usize = 1 << 20;
/// What an exchange takes besides what is in it.
const PER_EXCHANGE: usize = 1_024;
/// Bytes that are kept of one release.
const MAX_BYTES_OF_RELEASE: usize = 32 << 20;
/// Bytes that are kept of all releases.
const MAX_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests;
