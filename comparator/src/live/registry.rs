//! Which filter instances are there, what each of them runs, and what all of them together did not deliver.
//!
//! Every filter says everything again with its next heartbeat. Until one did, nothing is known, which is not the same as nothing
//! lost. An instance that fell silent is listed as gone for a while, and its counts stay in the sums, or a restarted proxy
//! would make losses vanish; and they are written down every few seconds, or a restarted comparator would.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use antumbra_engine::Delivery;
use antumbra_observation::{
    Accounts, Counts, Heartbeat, Instance, NotMirrored, Trouble, Undelivered, UnsafeMethod, node_name,
};
use serde::{Deserialize, Serialize};

use crate::api::status::{Filter, State};

/// All filter instances, by release.
#[derive(Default)]
pub(crate) struct Registry(Mutex<BTreeMap<String, Filters>>);

#[derive(Default)]
struct Filters {
    seen: BTreeMap<Instance, Seen>,
    /// What the instances delivered that were dropped to keep the bound: one may speak again, and counts once.
    gone: BTreeMap<Instance, Delivered>,
    /// The sums of those that were dropped even from there.
    forgotten: Delivered,
    /// The sums when the current session of evidence began.
    baseline: Delivered,
    /// A release of this name was deleted: what instances say first belongs to that one.
    again: bool,
    /// Whether anybody spoke to this process.
    heard: bool,
    /// When all this was last written down.
    kept: Option<Instant>,
}

/// What is written down of the filters of a release.
#[derive(Serialize, Deserialize)]
struct Kept {
    instances: BTreeMap<String, Delivered>,
    forgotten: Delivered,
    baseline: Delivered,
    #[serde(default)]
    again: bool,
}

struct Seen {
    at: Instant,
    generation: Option<u64>,
    accounts: Accounts,
    delivered: Delivered,
    troubles: Vec<Trouble>,
    node: Option<String>,
    /// Within which it speaks again.
    every: Duration,
    ended: bool,
}

/// The filters of a release that are there, or were a while ago.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Present {
    /// How many are alive.
    pub(crate) alive: usize,
    /// How many of those run the generation asked about.
    pub(crate) converged: usize,
    /// How many are gone, and were not a while ago.
    pub(crate) gone: usize,
    /// The first [`MAX_SHOWN`] of them, and of those that ended just now.
    pub(crate) shown: Vec<Filter>,
    /// How many more there are.
    pub(crate) more: usize,
    /// What those that are alive met, and how many met it.
    pub(crate) troubles: Vec<(Trouble, usize)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivered {
    mirrored: u64,
    undelivered: u64,
    not_sent: u64,
    /// What is written down knows no reasons where an earlier version wrote it.
    #[serde(default)]
    undelivered_by: Counts<Undelivered>,
    #[serde(default)]
    not_mirrored_by: Counts<NotMirrored>,
    #[serde(default)]
    unsafe_methods: Counts<UnsafeMethod>,
}

impl Registry {
    /// Takes over what an earlier process wrote down of a release, in the session of evidence that still goes on or an earlier one.
    ///
    /// # Errors
    /// Of the reader of JSON; nothing is taken over then.
    pub(crate) fn take_over(&self, release: &str, text: &str, same_session: bool) -> serde_json::Result<()> {
        let Kept { instances, forgotten, baseline, again } = serde_json::from_str(text)?;
        let gone = instances.into_iter().filter_map(|(instance, sums)| Some((instance.parse().ok()?, sums)));
        let mut filters = Filters { gone: gone.collect(), forgotten, baseline, again, ..Filters::default() };
        filters.forget_the_many();
        if !same_session {
            filters.baseline = filters.sum();
        }
        self.lock().insert(release.to_owned(), filters);
        Ok(())
    }

    /// Whether it is time to write down what the filters of a release said; if so, it is not for a while.
    pub(crate) fn is_due(&self, release: &str, now: Instant) -> bool {
        let mut all = self.lock();
        let Some(filters) = all.get_mut(release) else { return false };
        let due = filters.kept.is_none_or(|kept| now.saturating_duration_since(kept) >= KEPT_EVERY);
        if due {
            filters.kept = Some(now);
        }
        due
    }

    /// What is to be written down of a release; none if nobody ever spoke.
    pub(crate) fn kept(&self, release: &str) -> Option<String> {
        self.lock().get(release).map(Filters::to_text)
    }

    /// All releases of which somebody spoke.
    pub(crate) fn releases(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Notes a heartbeat.
    pub(crate) fn note(&self, heartbeat: Heartbeat, now: Instant) {
        let mut all = self.lock();
        let Heartbeat { release, instance, generation, accounts, troubles, node, every_ms, ends, .. } =
            heartbeat;
        let filters = all.entry(release).or_default();
        filters.heard = true;
        let delivered = Delivered::of(&accounts);
        let known = filters.gone.remove(&instance).is_some() || filters.seen.contains_key(&instance);
        if filters.again && !known {
            // It counts since it began, which may be before the release that is there now.
            filters.baseline = filters.baseline.plus(delivered);
        }
        let seen = Seen {
            at: now,
            generation,
            accounts,
            delivered,
            troubles: Trouble::within_bounds(troubles),
            node: node.and_then(|node| node_name(node.as_bytes())),
            every: every_ms.map_or(USUAL, Duration::from_millis).clamp(USUAL, LONGEST),
            ended: ends,
        };
        filters.seen.insert(instance, seen);
        if filters.seen.len() > MAX_INSTANCES {
            filters.drop_the_longest_silent();
        }
    }

    /// The instances of a release, and how many of them run `generation`.
    pub(crate) fn present(&self, release: &str, generation: u64, now: Instant) -> Present {
        let all = self.lock();
        let Some(filters) = all.get(release) else { return Present::default() };
        let listed =
            filters.seen.iter().filter_map(|(instance, seen)| Some((seen.listed(now)?, *instance, seen)));
        let mut listed: Vec<_> = listed.collect();
        listed.sort_by(|(state, instance, seen), (other, another, next)| {
            (state, &seen.node, instance).cmp(&(other, &next.node, another))
        });
        let of = |wanted| listed.iter().filter(move |(state, ..)| *state == wanted).map(|(.., seen)| seen);
        let mut troubles: BTreeMap<&Trouble, usize> = BTreeMap::new();
        for seen in of(State::Alive) {
            let met: BTreeSet<&Trouble> = seen.troubles.iter().collect();
            met.into_iter().for_each(|trouble| *troubles.entry(trouble).or_default() += 1);
        }
        let shown = listed.iter().take(MAX_SHOWN);
        Present {
            alive: of(State::Alive).count(),
            converged: of(State::Alive).filter(|seen| seen.generation == Some(generation)).count(),
            gone: of(State::Gone).count(),
            shown: shown.map(|(state, instance, seen)| seen.show(*instance, *state, now)).collect(),
            more: listed.len().saturating_sub(MAX_SHOWN),
            troubles: troubles.into_iter().take(MAX_TOLD).map(|(one, by)| (one.clone(), by)).collect(),
        }
    }

    /// What the filters of a release delivered since the session of evidence began; unknown until one spoke.
    pub(crate) fn delivery(&self, release: &str, now: Instant) -> Delivery {
        let all = self.lock();
        let Some(filters) = all.get(release) else { return Delivery::default() };
        let since = filters.sum().since(filters.baseline);
        let silence = |seen: &Seen| now.saturating_duration_since(seen.at);
        let alive = filters.seen.values().filter(|seen| silence(seen) <= SHOWN).count() as u64;
        let missed = |seen: &&Seen| silence(seen) <= SHOWN || (!seen.ended && silence(seen) <= MISSED);
        let missed = filters.seen.values().filter(missed).count() as u64;
        Delivery {
            alive,
            silent: missed.saturating_sub(alive),
            known: filters.heard,
            mirrored: since.mirrored,
            undelivered: since.undelivered,
            not_sent: since.not_sent,
            undelivered_by: since.undelivered_by,
            not_mirrored_by: since.not_mirrored_by,
            unsafe_methods: since.unsafe_methods,
        }
    }

    /// How many instances of a release are alive.
    pub(crate) fn running(&self, release: &str, now: Instant) -> usize {
        let all = self.lock();
        let seen = all.get(release).into_iter().flat_map(|filters| filters.seen.values());
        seen.filter(|seen| seen.state(now) == State::Alive).count()
    }

    /// The release is not there any more. Its filters may still be, and count on.
    pub(crate) fn forget(&self, release: &str) {
        self.lock().insert(release.to_owned(), Filters { again: true, ..Filters::default() });
    }

    /// A new session of evidence began: what happened before does not concern it.
    pub(crate) fn begin_session(&self, release: &str) {
        if let Some(filters) = self.lock().get_mut(release) {
            filters.baseline = filters.sum();
            filters.kept = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Filters>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Filters {
    fn sum(&self) -> Delivered {
        let seen = self.seen.values().map(|seen| seen.delivered);
        seen.chain(self.gone.values().copied()).fold(self.forgotten, Delivered::plus)
    }

    fn to_text(&self) -> String {
        let seen = self.seen.iter().map(|(instance, seen)| (instance, &seen.delivered));
        let told = seen.chain(&self.gone).filter(|(_, sums)| **sums != Delivered::default());
        let instances = told.map(|(instance, sums)| (instance.to_string(), *sums)).collect();
        let Self { forgotten, baseline, again, .. } = *self;
        let kept = Kept { instances, forgotten, baseline, again };
        serde_json::to_string(&kept).unwrap_or_default()
    }

    fn drop_the_longest_silent(&mut self) {
        let oldest = self.seen.iter().min_by_key(|(_, seen)| seen.at).map(|(instance, _)| *instance);
        if let Some((instance, seen)) = oldest.and_then(|instance| self.seen.remove_entry(&instance)) {
            self.gone.insert(instance, seen.delivered);
        }
        self.forget_the_many();
    }

    fn forget_the_many(&mut self) {
        while self.gone.len() > MAX_GONE {
            let Some((_, delivered)) = self.gone.pop_first() else { return };
            self.forgotten = self.forgotten.plus(delivered);
        }
    }
}

impl Seen {
    fn state(&self, now: Instant) -> State {
        let silent = now.saturating_duration_since(self.at);
        match self.ended {
            true => State::Ended,
            false if silent > self.every * MISSED_HEARTBEATS => State::Gone,
            false => State::Alive,
        }
    }

    /// How it is listed; not at all if it ended, or was heard last, too long ago.
    fn listed(&self, now: Instant) -> Option<State> {
        let (state, silent) = (self.state(now), now.saturating_duration_since(self.at));
        let listed = match state {
            State::Alive => true,
            State::Gone => silent <= self.every * MISSED_HEARTBEATS + GONE,
            State::Ended => silent <= SHOWN,
        };
        listed.then_some(state)
    }

    fn show(&self, instance: Instance, state: State, now: Instant) -> Filter {
        let silent = now.saturating_duration_since(self.at);
        Filter {
            instance: instance.to_string(),
            node: self.node.clone(),
            state,
            troubles: self.troubles.clone(),
            generation: self.generation,
            seconds_since_seen: (silent.as_secs_f64() * 10.0).round() / 10.0,
            accounts: self.accounts.clone(),
        }
    }
}

impl Delivered {
    fn of(accounts: &Accounts) -> Self {
        let Delivery {
            mirrored, undelivered, not_sent, undelivered_by, not_mirrored_by, unsafe_methods, ..
        } = Delivery::of(accounts);
        Self {
            mirrored: mirrored.min(MAX_COUNT),
            undelivered: undelivered.min(MAX_COUNT),
            not_sent: not_sent.min(MAX_COUNT),
            undelivered_by: undelivered_by.at_most(MAX_COUNT),
            not_mirrored_by: not_mirrored_by.at_most(MAX_COUNT),
            unsafe_methods: unsafe_methods.at_most(MAX_COUNT),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            mirrored: self.mirrored.saturating_add(other.mirrored),
            undelivered: self.undelivered.saturating_add(other.undelivered),
            not_sent: self.not_sent.saturating_add(other.not_sent),
            undelivered_by: self.undelivered_by.plus(other.undelivered_by),
            not_mirrored_by: self.not_mirrored_by.plus(other.not_mirrored_by),
            unsafe_methods: self.unsafe_methods.plus(other.unsafe_methods),
        }
    }

    fn since(self, earlier: Self) -> Self {
        Self {
            mirrored: self.mirrored.saturating_sub(earlier.mirrored),
            undelivered: self.undelivered.saturating_sub(earlier.undelivered),
            not_sent: self.not_sent.saturating_sub(earlier.not_sent),
            undelivered_by: self.undelivered_by.since(earlier.undelivered_by),
            not_mirrored_by: self.not_mirrored_by.since(earlier.not_mirrored_by),
            unsafe_methods: self.unsafe_methods.since(earlier.unsafe_methods),
        }
    }
}

/// A process that is killed loses the last words of filters that ended within this time.
const KEPT_EVERY: Duration = Duration::from_secs(5);
const SHOWN: Duration = Duration::from_secs(60);
/// The time within which a filter speaks again that does not say one, and the shortest that is believed.
const USUAL: Duration = Duration::from_secs(10);
/// The longest that is believed.
const LONGEST: Duration = Duration::from_secs(600);
/// Heartbeats that a filter may miss.
const MISSED_HEARTBEATS: u32 = 3;
/// How long a filter that is gone stays listed.
const GONE: Duration = Duration::from_secs(600);
/// Kinds of trouble that are told of one release.
const MAX_TOLD: usize = 32;
/// A filter that has been silent for longer is not missed any more: proxies come and go.
const MISSED: Duration = Duration::from_secs(3_600);
/// Instances of one release that are kept apart.
const MAX_INSTANCES: usize = 4_096;
/// Instances beyond them whose sums are kept apart.
const MAX_GONE: usize = 8_192;
/// Of one instance's count: what nobody counts in a lifetime would drown all others.
const MAX_COUNT: u64 = 1 << 48;
/// Instances that are shown.
const MAX_SHOWN: usize = 100;

#[cfg(test)]
mod tests;
