//! Exchanges of each release that are kept in memory, redacted, so that other rules can be tried on them.
//!
//! Offered after the commit, on the writer's thread. Chance gives each exchange a rank, and a sample keeps the lowest ranks: so nearly
//! all that is offered costs a comparison for each sample it could be in, and nothing is copied. Where memory is short all samples
//! shrink alike, and stay uniform.

mod reservoir;

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antumbra_engine::{Compared, Kind, Whose};
use antumbra_observation::Observation;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use reservoir::Reservoir;

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

/// Which samples an exchange could be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marks {
    endpoint: u64,
    places: Vec<(u64, Whose)>,
}

/// An exchange that was compared in a session.
pub(crate) struct Offer<'o> {
    pub(crate) observation: &'o Observation,
    pub(crate) marks: &'o Marks,
    /// The number of the session.
    pub(crate) session: u64,
}

/// What is kept of a release at one moment.
#[derive(Default)]
pub(crate) struct Sample {
    /// The number of the session; 0 if nothing was offered yet.
    pub(crate) session: u64,
    /// Since when exchanges are kept, in milliseconds since 1970.
    pub(crate) since_ms: u64,
    /// Compared since then.
    pub(crate) of: u64,
    /// Not kept although chance chose them, because one alone has more than 1 MiB or no memory is left.
    pub(crate) left_out: u64,
    /// In how many exchanges since then the answers of each differ at a place, by [`place`]; of places at which some are kept.
    pub(crate) seen: HashMap<(u64, Whose), u64>,
    /// By the time at which they arrived.
    pub(crate) exchanges: Vec<Exchange>,
}

/// An exchange that is kept.
#[derive(Clone)]
pub(crate) struct Exchange {
    /// Redacted.
    pub(crate) observation: Arc<Observation>,
    /// It is one of the uniform sample of its endpoint, not only of a sample of those that differ at some place.
    pub(crate) uniform: bool,
}

impl Marks {
    /// None of an exchange whose answers were not compared.
    pub(crate) fn of(compared: &Compared) -> Option<Self> {
        let endpoint = endpoint(compared.endpoint()?);
        let places = compared.differs().map(|one| (within(endpoint, one.path, one.kind), one.whose));
        Some(Self { endpoint, places: places.collect() })
    }
}

/// Names a place of an endpoint, and how answers differ there.
pub(crate) fn place(name: &str, path: &str, kind: Kind) -> u64 {
    within(endpoint(name), path, kind)
}

fn endpoint(name: &str) -> u64 {
    xxh3_64_with_seed(name.as_bytes(), 0)
}

fn within(endpoint: u64, path: &str, kind: Kind) -> u64 {
    xxh3_64_with_seed(path.as_bytes(), endpoint.wrapping_add(kind as u64))
}

impl Kept {
    /// Keeps those that chance chooses.
    pub(crate) fn offer<'o>(&self, all: impl Iterator<Item = Offer<'o>>, now_ms: u64) {
        let mut releases = self.lock();
        for offer in all {
            releases.offered += 1;
            let rank = releases.dice.hash_one(releases.offered);
            releases.reservoir(&offer, now_ms).offer(rank, offer.marks, offer.observation);
        }
    }

    /// Forgets what is kept of a release: a session begins.
    pub(crate) fn begin(&self, release: &str, session: u64, now_ms: u64) {
        let mut releases = self.lock();
        releases.each.insert(release.to_owned(), Reservoir::new(session, now_ms));
        releases.share();
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
    fn reservoir(&mut self, offer: &Offer<'_>, now_ms: u64) -> &mut Reservoir {
        let release = &offer.observation.release;
        let known = self.each.get(release).is_some_and(|reservoir| reservoir.session == offer.session);
        if !known {
            self.each.insert(release.clone(), Reservoir::new(offer.session, now_ms));
            self.share();
        }
        self.each.entry(release.clone()).or_insert_with(|| Reservoir::new(offer.session, now_ms))
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
