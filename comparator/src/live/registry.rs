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
    /// Until when those that were alive when the process before this one ended would have spoken.
    awaited: Option<Instant>,
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
    /// Milliseconds within which all that were alive then speak again; 0 if none was. What is written down by an earlier version does
    /// not say it.
    #[serde(default = "usual_ms")]
    awaited_ms: u64,
}

struct Seen {
    at: Instant,
    generation: Option<u64>,
    accounts: Accounts,
    delivered: Delivered,
    troubles: Vec<Trouble>,
    node: Option<String>,
    version: Option<String>,
    /// Within which it speaks again, as it said; or, as it does not say it, as long as it took last.
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
    /// The versions of those that are alive, and how many have each; none of those that do not say it.
    pub(crate) versions: BTreeMap<Option<String>, usize>,
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
    /// Until its filters would have spoken from `now` on, they count as [`awaited`](Self::awaited).
    ///
    /// # Errors
    /// Of the reader of JSON; nothing is taken over then.
    pub(crate) fn take_over(
        &self,
        release: &str,
        text: &str,
        same_session: bool,
        now: Instant,
    ) -> serde_json::Result<()> {
        let Kept { instances, forgotten, baseline, again, awaited_ms } = serde_json::from_str(text)?;
        let awaited = now + Duration::from_millis(awaited_ms).min(LONGEST * MISSED_HEARTBEATS);
        let gone = instances.into_iter().filter_map(|(instance, sums)| Some((instance.parse().ok()?, sums)));
        let awaited = (awaited > now).then_some(awaited);
        let mut filters =
            Filters { gone: gone.collect(), forgotten, baseline, again, awaited, ..Filters::default() };
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
    pub(crate) fn kept(&self, release: &str, now: Instant) -> Option<String> {
        self.lock().get(release).map(|filters| filters.to_text(now))
    }

    /// All releases of which somebody spoke.
    pub(crate) fn releases(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Notes a heartbeat. One that arrives after the instance said that it ends was sent before, and says less.
    pub(crate) fn note(&self, heartbeat: Heartbeat, now: Instant) {
        let mut all = self.lock();
        let Heartbeat {
            release,
            instance,
            generation,
            accounts,
            troubles,
            node,
            every_ms,
            filter_version,
            ends,
            ..
        } = heartbeat;
        let bounded = |text: Option<String>| text.and_then(|text| node_name(text.as_bytes()));
        let filters = all.entry(release).or_default();
        filters.heard = true;
        let before = filters.seen.get(&instance).map(|seen| (seen.at, seen.ended));
        if !ends && before.is_some_and(|(_, ended)| ended) {
            return;
        }
        let apart = before.map_or(UNSAID, |(at, _)| now.saturating_duration_since(at));
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
            node: bounded(node),
            version: bounded(filter_version),
            every: every_ms.map_or(apart.max(UNSAID), Duration::from_millis).clamp(USUAL, LONGEST),
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
        let mut versions: BTreeMap<Option<String>, usize> = BTreeMap::new();
        for seen in of(State::Alive) {
            *versions.entry(seen.version.clone()).or_default() += 1;
        }
        let shown = listed.iter().take(MAX_SHOWN);
        Present {
            alive: of(State::Alive).count(),
            converged: of(State::Alive).filter(|seen| seen.generation == Some(generation)).count(),
            gone: of(State::Gone).count(),
            shown: shown.map(|(state, instance, seen)| seen.show(*instance, *state, now)).collect(),
            more: listed.len().saturating_sub(MAX_SHOWN),
            versions,
            troubles: troubles.into_iter().take(MAX_TOLD).map(|(one, by)| (one.clone(), by)).collect(),
        }
    }

    /// What the filters of a release delivered since the session of evidence began; unknown until one spoke.
    pub(crate) fn delivery(&self, release: &str, now: Instant) -> Delivery {
        let all = self.lock();
        let Some(filters) = all.get(release) else { return Delivery::default() };
        let since = filters.sum().since(filters.baseline);
        let missed = |seen: &Seen| now.saturating_duration_since(seen.at) <= seen.patience().max(MISSED);
        let of = |wanted| filters.seen.values().filter(move |seen| seen.state(now) == wanted);
        Delivery {
            alive: of(State::Alive).count() as u64,
            silent: of(State::Gone).filter(|seen| missed(seen)).count() as u64,
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

    /// For how long it is not known yet whether filters run a release that did when the process before this one ended; not at all once
    /// that time is over.
    pub(crate) fn awaited(&self, release: &str, now: Instant) -> Option<Duration> {
        let until = self.lock().get(release)?.awaited?;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
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

    /// Milliseconds within which all that are there, or may be, have spoken.
    fn awaited_ms(&self, now: Instant) -> u64 {
        let alive = self.seen.values().filter(|seen| seen.state(now) == State::Alive).map(Seen::patience);
        let still = self.awaited.map(|until| until.saturating_duration_since(now));
        let longest = alive.chain(still).max().unwrap_or_default();
        u64::try_from(longest.as_millis()).unwrap_or(u64::MAX)
    }

    fn to_text(&self, now: Instant) -> String {
        let seen = self.seen.iter().map(|(instance, seen)| (instance, &seen.delivered));
        let told = seen.chain(&self.gone).filter(|(_, sums)| **sums != Delivered::default());
        let instances = told.map(|(instance, sums)| (instance.to_string(), *sums)).collect();
        let Self { forgotten, baseline, again, .. } = *self;
        let kept = Kept { instances, forgotten, baseline, again, awaited_ms: self.awaited_ms(now) };
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
            false if silent > self.patience() => State::Gone,
            false => State::Alive,
        }
    }

    /// How long it may be silent.
    fn patience(&self) -> Duration {
        self.every * MISSED_HEARTBEATS
    }

    /// How it is listed; not at all if it ended, or was heard last, too long ago.
    fn listed(&self, now: Instant) -> Option<State> {
        let (state, silent) = (self.state(now), now.saturating_duration_since(self.at));
        let listed = match state {
            State::Alive => true,
            State::Gone => silent <= self.patience() + GONE,
            State::Ended => silent <= SHOWN,
        };
        listed.then_some(state)
    }

    fn show(&self, instance: Instance, state: State, now: Instant) -> Filter {
        let silent = now.saturating_duration_since(self.at);
        Filter {
            instance: instance.to_string(),
            node: self.node.clone(),
            version: self.version.clone(),
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
/// The shortest time within which a filter speaks again that is believed.
const USUAL: Duration = Duration::from_secs(10);
/// That of a filter that does not say it, until it took longer: such a filter asks for its policy as often as its configuration says.
const UNSAID: Duration = Duration::from_secs(20);
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

/// [`Kept::awaited_ms`] where it is not written down.
fn usual_ms() -> u64 {
    u64::try_from((UNSAID * MISSED_HEARTBEATS).as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
