//! Which filter instances are there, what each of them runs, and what all of them together did not deliver.
//!
//! In memory: every filter says everything again with its next heartbeat. An instance that fell silent is no longer
//! shown after a minute, but its counts stay in the sums, or a restarted proxy would make losses vanish.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use antumbra_engine::Delivery;
use antumbra_observation::{Accounts, Heartbeat, Instance};
use serde::{Deserialize, Serialize};

/// All filter instances, by release.
#[derive(Default)]
pub(crate) struct Registry(Mutex<BTreeMap<String, Filters>>);

#[derive(Default)]
struct Filters {
    seen: BTreeMap<Instance, Seen>,
    /// The sums of instances that were dropped to keep the bound.
    gone: Delivered,
    /// The sums when the current session of evidence began.
    baseline: Delivered,
}

struct Seen {
    at: Instant,
    generation: Option<u64>,
    accounts: Accounts,
}

/// One filter instance as shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Filter {
    /// 32 hexadecimal digits.
    pub(crate) instance: String,
    /// The generation it runs; none while it runs an inline policy or no policy.
    pub(crate) generation: Option<u64>,
    /// Seconds since its last heartbeat.
    pub(crate) seconds_since_seen: f64,
    /// Its own counts since it began.
    pub(crate) accounts: Accounts,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Delivered {
    mirrored: u64,
    undelivered: u64,
    not_sent: u64,
}

impl Registry {
    /// Notes a heartbeat.
    pub(crate) fn note(&self, heartbeat: Heartbeat, now: Instant) {
        let mut all = self.lock();
        let filters = all.entry(heartbeat.release).or_default();
        let seen = Seen { at: now, generation: heartbeat.generation, accounts: heartbeat.accounts };
        filters.seen.insert(heartbeat.instance, seen);
        if filters.seen.len() > MOST_INSTANCES {
            filters.drop_the_longest_silent();
        }
    }

    /// The instances of a release that spoke within the last minute.
    pub(crate) fn filters(&self, release: &str, now: Instant) -> Vec<Filter> {
        let all = self.lock();
        let seen = all.get(release).into_iter().flat_map(|filters| &filters.seen);
        seen.filter_map(|(instance, seen)| {
            let silent = now.saturating_duration_since(seen.at);
            (silent <= SHOWN).then(|| Filter {
                instance: instance.to_string(),
                generation: seen.generation,
                seconds_since_seen: (silent.as_secs_f64() * 10.0).round() / 10.0,
                accounts: seen.accounts.clone(),
            })
        })
        .collect()
    }

    /// What the filters of a release delivered since the session of evidence began.
    pub(crate) fn delivery(&self, release: &str) -> Delivery {
        let all = self.lock();
        let Some(filters) = all.get(release) else { return Delivery::default() };
        let sum = filters.sum();
        Delivery {
            mirrored: sum.mirrored.saturating_sub(filters.baseline.mirrored),
            undelivered: sum.undelivered.saturating_sub(filters.baseline.undelivered),
            not_sent: sum.not_sent.saturating_sub(filters.baseline.not_sent),
        }
    }

    /// A new session of evidence began: what happened before does not concern it.
    pub(crate) fn begin_session(&self, release: &str) {
        if let Some(filters) = self.lock().get_mut(release) {
            filters.baseline = filters.sum();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Filters>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Filters {
    fn sum(&self) -> Delivered {
        self.seen.values().map(|seen| Delivered::of(&seen.accounts)).fold(self.gone, Delivered::plus)
    }

    fn drop_the_longest_silent(&mut self) {
        let oldest = self.seen.iter().min_by_key(|(_, seen)| seen.at).map(|(instance, _)| *instance);
        if let Some(seen) = oldest.and_then(|instance| self.seen.remove(&instance)) {
            self.gone = self.gone.plus(Delivered::of(&seen.accounts));
        }
    }
}

impl Delivered {
    fn of(accounts: &Accounts) -> Self {
        let total = |reasons: &BTreeMap<String, u64>, counts: fn(&str) -> bool| {
            reasons
                .iter()
                .filter(|(reason, _)| counts(reason))
                .fold(0, |sum: u64, (_, n)| sum.saturating_add(*n))
        };
        Self {
            mirrored: accounts.mirrored,
            undelivered: total(&accounts.undelivered, |_| true).saturating_add(accounts.unknown),
            not_sent: total(&accounts.not_mirrored, is_for_want_of_capacity),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            mirrored: self.mirrored.saturating_add(other.mirrored),
            undelivered: self.undelivered.saturating_add(other.undelivered),
            not_sent: self.not_sent.saturating_add(other.not_sent),
        }
    }
}

/// Sampled requests that a breaker or a budget kept from the shadows; the other reasons are the policy's will.
fn is_for_want_of_capacity(reason: &str) -> bool {
    WANT_OF_CAPACITY.iter().any(|word| reason.contains(word))
}

const WANT_OF_CAPACITY: [&str; 3] = ["budget", "breaker", "in_flight"];
const SHOWN: Duration = Duration::from_secs(60);
/// Instances of one release that are kept apart.
const MOST_INSTANCES: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(instance: u128, mirrored: u64, lost: u64, budget: u64) -> Heartbeat {
        let accounts = Accounts {
            mirrored,
            undelivered: BTreeMap::from([("outbox_full".to_owned(), lost)]),
            not_mirrored: BTreeMap::from([
                ("exchanges_in_flight".to_owned(), budget),
                ("not_sampled".to_owned(), 99),
            ]),
            unknown: 1,
            ..Accounts::default()
        };
        Heartbeat {
            version: 1,
            release: "shop".to_owned(),
            instance: Instance(instance),
            generation: Some(2),
            accounts,
        }
    }

    #[test]
    fn the_silent_are_not_shown_but_stay_in_the_sums() {
        let registry = Registry::default();
        let start = Instant::now();
        let later = start + Duration::from_secs(61);
        registry.note(beat(1, 10, 2, 5), start);
        registry.note(beat(2, 20, 0, 0), later);
        let shown: Vec<String> = registry.filters("shop", later).into_iter().map(|f| f.instance).collect();
        assert_eq!(shown, [Instance(2).to_string()]);
        let delivery = registry.delivery("shop");
        assert_eq!((delivery.mirrored, delivery.undelivered, delivery.not_sent), (30, 4, 5));
        registry.begin_session("shop");
        registry.note(beat(2, 25, 0, 0), later);
        let delivery = registry.delivery("shop");
        assert_eq!((delivery.mirrored, delivery.undelivered, delivery.not_sent), (5, 0, 0));
    }

    #[test]
    fn the_number_of_instances_is_bounded_and_sums_survive_it() {
        let registry = Registry::default();
        let now = Instant::now();
        for instance in 0..MOST_INSTANCES as u128 + 10 {
            registry.note(beat(instance, 1, 0, 0), now);
        }
        assert_eq!(registry.filters("shop", now).len(), MOST_INSTANCES);
        assert_eq!(registry.delivery("shop").mirrored, MOST_INSTANCES as u64 + 10);
    }
}
