//! Which filter instances are there, what each of them runs, and what all of them together did not deliver.
//!
//! Every filter says everything again with its next heartbeat. Until one did, nothing is known, which is not the same as nothing
//! lost. An instance that fell silent is listed as gone for a while, and its counts stay in the sums, or a restarted proxy
//! would make losses vanish; and they are written down every few seconds, or a restarted comparator would.

mod delivered;
mod kept;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use antumbra_engine::Delivery;
use antumbra_observation::{Accounts, Heartbeat, Instance, Trouble, node_name};

use crate::api::principal::Source;
use crate::api::status::{Filter, State};
use delivered::Delivered;
use kept::Kept;

/// All filter instances, by release.
#[derive(Default)]
pub(crate) struct Registry(Mutex<BTreeMap<String, Filters>>);

#[derive(Default)]
struct Filters {
    seen: BTreeMap<Speaker, Seen>,
    /// What the instances delivered that were dropped to keep the bound: one may speak again, and counts once.
    gone: BTreeMap<Speaker, Delivered>,
    /// The sums of those that were dropped even from there.
    forgotten: Sums,
    /// The sums when the current session of evidence began.
    baseline: Sums,
    /// A release of this name was deleted: what instances say first belongs to that one.
    again: bool,
    /// Of which sources anybody spoke to this process.
    heard: BTreeSet<Option<Source>>,
    /// Until when those that were alive when the process before this one ended would have spoken.
    awaited: Option<Instant>,
    /// When all this was last written down.
    kept: Option<Instant>,
    /// An instance spoke that is not in what was written down.
    met_another: bool,
}

/// An instance, and whose token it bears: nobody speaks for another source's instances.
type Speaker = (Option<Source>, Instance);

/// What the filters of each source delivered.
type Sums = BTreeMap<Option<Source>, Delivered>;

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
        let Kept { instances, forgotten, baseline, again, awaited_ms } = Kept::read(text)?;
        let awaited = now + Duration::from_millis(awaited_ms).min(LONGEST * MISSED_HEARTBEATS);
        let awaited = (awaited > now).then_some(awaited);
        let mut filters =
            Filters { gone: instances, forgotten, baseline, again, awaited, ..Filters::default() };
        filters.forget_the_many();
        if !same_session {
            filters.baseline = filters.sums();
        }
        self.lock().insert(release.to_owned(), filters);
        Ok(())
    }

    /// Whether it is time to write down what the filters of a release said; if so, it is not for a while.
    pub(crate) fn is_due(&self, release: &str, now: Instant) -> bool {
        let mut all = self.lock();
        let Some(filters) = all.get_mut(release) else { return false };
        let every = if filters.met_another { KEPT_EVERY_AT_MOST } else { KEPT_EVERY };
        let due = filters.kept.is_none_or(|kept| now.saturating_duration_since(kept) >= every);
        if due {
            filters.kept = Some(now);
            filters.met_another = false;
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

    /// Notes a heartbeat of a source. One that arrives after the instance said that it ends was sent before, and says less.
    pub(crate) fn note(&self, source: Option<&Source>, heartbeat: Heartbeat, now: Instant) {
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
        filters.heard.insert(source.cloned());
        let speaker = (source.cloned(), instance);
        let before = filters.seen.get(&speaker).map(|seen| (seen.at, seen.ended));
        if !ends && before.is_some_and(|(_, ended)| ended) {
            return;
        }
        let apart = before.map_or(UNSAID, |(at, _)| now.saturating_duration_since(at));
        let delivered = Delivered::of(&accounts);
        let known = filters.gone.remove(&speaker).is_some() || filters.seen.contains_key(&speaker);
        if filters.again && !known {
            // It counts since it began, which may be before the release that is there now.
            let baseline = filters.baseline.entry(source.cloned()).or_default();
            *baseline = baseline.plus(delivered);
        }
        if source.is_some() && !known {
            // Observations of instances that are not known are refused: the process after this one has to know it, too.
            filters.met_another = true;
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
        filters.seen.insert(speaker, seen);
        if filters.seen.len() > MAX_INSTANCES {
            filters.drop_the_longest_silent();
        }
    }

    /// The instances of a release, and how many of them run `generation`.
    pub(crate) fn present(&self, release: &str, generation: u64, now: Instant) -> Present {
        let all = self.lock();
        let Some(filters) = all.get(release) else { return Present::default() };
        let listed = filters
            .seen
            .iter()
            .filter_map(|((source, instance), seen)| Some((seen.listed(now)?, (*instance, source), seen)));
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
            shown: shown
                .map(|(state, (instance, source), seen)| seen.show(*instance, source, *state, now))
                .collect(),
            more: listed.len().saturating_sub(MAX_SHOWN),
            versions,
            troubles: troubles.into_iter().take(MAX_TOLD).map(|(one, by)| (one.clone(), by)).collect(),
        }
    }

    /// What the filters of each source of a release delivered since the session of evidence began; unknown until one of them spoke.
    pub(crate) fn deliveries(&self, release: &str, now: Instant) -> Vec<(Option<Source>, Delivery)> {
        let all = self.lock();
        let Some(filters) = all.get(release) else { return Vec::new() };
        let mut sums = filters.sums();
        for source in &filters.heard {
            sums.entry(source.clone()).or_default();
        }
        let each = sums.into_iter().map(|(source, sum)| {
            let since = sum.since(filters.baseline.get(&source).copied().unwrap_or_default());
            let delivery = filters.delivery(&source, since, now);
            (source, delivery)
        });
        each.collect()
    }

    /// Whether a source ever sent a heartbeat of this instance, or of any where none is asked for.
    pub(crate) fn knows(&self, release: &str, source: &Source, instance: Option<Instance>) -> bool {
        let all = self.lock();
        let Some(filters) = all.get(release) else { return false };
        let mut speakers = filters.seen.keys().chain(filters.gone.keys());
        match instance {
            Some(instance) => {
                let speaker = (Some(source.clone()), instance);
                filters.seen.contains_key(&speaker) || filters.gone.contains_key(&speaker)
            }
            None => speakers.any(|(speaking, _)| speaking.as_ref() == Some(source)),
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
            filters.baseline = filters.sums();
            filters.kept = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Filters>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Filters {
    fn sums(&self) -> Sums {
        let mut sums = self.forgotten.clone();
        let seen = self.seen.iter().map(|((source, _), seen)| (source, seen.delivered));
        let gone = self.gone.iter().map(|((source, _), delivered)| (source, *delivered));
        for (source, delivered) in seen.chain(gone) {
            match sums.get_mut(source) {
                Some(sum) => *sum = sum.plus(delivered),
                None => drop(sums.insert(source.clone(), delivered)),
            }
        }
        sums
    }

    fn delivery(&self, source: &Option<Source>, since: Delivered, now: Instant) -> Delivery {
        let missed = |seen: &Seen| now.saturating_duration_since(seen.at) <= seen.patience().max(MISSED);
        let own = || self.seen.iter().filter(|((of, _), _)| of == source).map(|(_, seen)| seen);
        let of = |wanted| own().filter(move |seen| seen.state(now) == wanted);
        Delivery {
            alive: of(State::Alive).count() as u64,
            silent: of(State::Gone).filter(|seen| missed(seen)).count() as u64,
            known: self.heard.contains(source),
            mirrored: since.mirrored,
            undelivered: since.undelivered,
            not_sent: since.not_sent,
            undelivered_by: since.undelivered_by,
            not_mirrored_by: since.not_mirrored_by,
            unsafe_methods: since.unsafe_methods,
        }
    }

    /// Milliseconds within which all that are there, or may be, have spoken.
    fn awaited_ms(&self, now: Instant) -> u64 {
        let alive = self.seen.values().filter(|seen| seen.state(now) == State::Alive).map(Seen::patience);
        let still = self.awaited.map(|until| until.saturating_duration_since(now));
        let longest = alive.chain(still).max().unwrap_or_default();
        u64::try_from(longest.as_millis()).unwrap_or(u64::MAX)
    }

    fn to_text(&self, now: Instant) -> String {
        let seen = self.seen.iter().map(|(speaker, seen)| (speaker, &seen.delivered));
        // Of a source with a token it also counts that it spoke.
        let tells =
            |((source, _), sums): &(&Speaker, &Delivered)| source.is_some() || **sums != Delivered::default();
        let instances = seen.chain(&self.gone).filter(tells).map(|(speaker, sums)| (speaker.clone(), *sums));
        let (forgotten, baseline) = (self.forgotten.clone(), self.baseline.clone());
        let (again, awaited_ms) = (self.again, self.awaited_ms(now));
        Kept { instances: instances.collect(), forgotten, baseline, again, awaited_ms }.to_text()
    }

    fn drop_the_longest_silent(&mut self) {
        let most = with_most(self.seen.keys());
        let own = self.seen.iter().filter(|((source, _), _)| Some(source) == most.as_ref());
        let oldest = own.min_by_key(|(_, seen)| seen.at).map(|(speaker, _)| speaker.clone());
        if let Some((speaker, seen)) = oldest.and_then(|speaker| self.seen.remove_entry(&speaker)) {
            self.gone.insert(speaker, seen.delivered);
        }
        self.forget_the_many();
    }

    fn forget_the_many(&mut self) {
        while self.gone.len() > MAX_GONE {
            let Some(most) = with_most(self.gone.keys()) else { return };
            let own = self.gone.keys().find(|(source, _)| *source == most).cloned();
            let Some(delivered) = own.and_then(|speaker| self.gone.remove(&speaker)) else { return };
            let forgotten = self.forgotten.entry(most).or_default();
            *forgotten = forgotten.plus(delivered);
        }
    }
}

/// The source with the most instances: who makes up instances pushes out its own.
fn with_most<'s>(speakers: impl Iterator<Item = &'s Speaker>) -> Option<Option<Source>> {
    let mut counts: BTreeMap<&Option<Source>, u64> = BTreeMap::new();
    speakers.for_each(|(source, _)| *counts.entry(source).or_default() += 1);
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(source, _)| source.clone())
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

    fn show(&self, instance: Instance, source: &Option<Source>, state: State, now: Instant) -> Filter {
        let silent = now.saturating_duration_since(self.at);
        Filter {
            source: source.as_ref().map(ToString::to_string),
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

/// A process that is killed loses the last words of filters that ended within this time.
const KEPT_EVERY: Duration = Duration::from_secs(5);
/// As soon as instances come that are not known yet, however many: it is one row of all that is known of a release.
const KEPT_EVERY_AT_MOST: Duration = Duration::from_millis(250);
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
/// Instances that are shown.
const MAX_SHOWN: usize = 100;

#[cfg(test)]
mod tests;
