//! Exchanges of each release that are kept in memory, redacted, so that other rules can be tried on them.
//!
//! Offered after the commit, on the writer's thread. Chance gives each exchange a rank, and a sample keeps the lowest ranks: so nearly
//! all that is offered costs a comparison for each sample it could be in, and nothing is copied. Where memory is short all samples
//! shrink alike, and stay uniform.

mod marks;
mod reservoir;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antumbra_control::Version;
use antumbra_observation::Observation;

use reservoir::Reservoir;

use crate::redaction::Redaction;

pub(crate) use marks::{Marks, place};
pub(crate) use reservoir::Sample;

/// What is kept of all releases. It does not outlive the process.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Releases>);

#[derive(Default)]
struct Releases {
    each: BTreeMap<String, Reservoir>,
    dice: RandomState,
    /// Exchanges offered so far: a number for the dice.
    offered: u64,
}

/// An exchange that was compared in a session.
pub(crate) struct Offer<'o> {
    pub(crate) observation: &'o Observation,
    pub(crate) marks: &'o Marks,
    /// The number of the session.
    pub(crate) session: u64,
    /// The generation under which it was compared, which names what is secret in it.
    pub(crate) version: Arc<Version>,
}

impl Kept {
    /// Keeps those that chance chooses.
    pub(crate) fn offer<'o>(&self, all: impl Iterator<Item = Offer<'o>>, now_ms: u64) {
        let mut releases = self.lock();
        for offer in all {
            releases.offered += 1;
            let rank = releases.dice.hash_one(releases.offered);
            releases.meet(&offer, now_ms);
            if let Some(reservoir) = releases.each.get_mut(&offer.observation.release) {
                let redaction = Redaction::of(offer.version.document.rules().secrets());
                reservoir.offer(rank, offer.marks, offer.observation, &redaction);
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Releases {
    /// Begins with nothing where the release or its session is another one than before.
    fn meet(&mut self, offer: &Offer<'_>, now_ms: u64) {
        let release = &offer.observation.release;
        let known = self.each.get(release).is_some_and(|reservoir| reservoir.session == offer.session);
        if !known {
            self.each.insert(release.clone(), Reservoir::new(offer.session, now_ms, MAX_BYTES_OF_RELEASE));
            self.share();
        }
    }

    /// Gives each release as many bytes as are its due.
    fn share(&mut self) {
        let due = (MAX_BYTES / self.each.len().max(1)).min(MAX_BYTES_OF_RELEASE);
        self.each.values_mut().for_each(|reservoir| reservoir.fit(due));
    }
}

/// Bytes that are kept of one release.
const MAX_BYTES_OF_RELEASE: usize = 32 << 20;
/// Bytes that are kept of all releases.
const MAX_BYTES: usize = 64 << 20;

#[cfg(test)]
mod tests;
