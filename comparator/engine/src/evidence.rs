//! What is known of a release: counts per endpoint and place, histograms, a few examples. Bounded whatever comes in.
//!
//! A field counts only where both shadow legs answered with the primary's outcome and status: that keeps candidate and
//! control exchangeable, and a failing candidate counts once, as `status`, rather than as a hundred missing fields.

mod endpoint;
mod group;

use std::collections::BTreeMap;
use std::sync::Arc;

use antumbra_observation::Unsent;
use serde::{Deserialize, Serialize};

pub(crate) use self::endpoint::{Beside, Endpoint, MAX_PATHS, OTHER_PATHS};
pub(crate) use self::group::Group;
use crate::compared::Compared;
use crate::hypothesis::{Counting, Hypothesis};
use crate::latency::{Shifts, bounded};
use crate::order::Order;
use crate::outside::{PluginReport, Plugins};
use crate::pace::{Pace, Warming};
use crate::pieces::Pieces;
use crate::places::Places;
use crate::recent::Recent;
use crate::room::{MAX_ENDPOINTS, Room};
use crate::statuses::Statuses;
use crate::tracked::Tracked;
use crate::unsent::{KeptBack, NotSent};

/// Everything counted about one release since its session of evidence began.
///
/// A clone costs as much as there are endpoints, whatever is known of each: it shares them, and the one that goes on counting copies an
/// endpoint when that changes. So it may be read, and [compared by](crate::compare), on any thread.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    pub(crate) release: Release,
    /// Each knows which of its rows changed since they were last taken.
    pub(crate) endpoints: Tracked<Endpoint>,
    /// The release's row changed since then, whether or not an endpoint did.
    pub(crate) dirty_release: bool,
    /// Which clients asked what a moment ago: neither stored nor merged.
    pub(crate) recent: Recent,
    /// The policy's; not stored.
    pub(crate) pace: Pace,
    /// What it may still name; not stored.
    pub(crate) room: Room,
}

/// What became of an exchange that [`Evidence::take`] was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is part of the evidence.
    Compared,
    /// It is only counted, because another variant than those of the rules answered the client.
    Elsewhere,
    /// It is only counted, because its client had asked the same endpoint within two seconds. Retries and hot keys are not independent
    /// exchanges, and the tests behind a verdict take exchanges to be.
    Repeated,
    /// It is only counted, because a leg has just begun to answer: what has just started is slower than it will be.
    WarmingUp,
}

/// What belongs to no single endpoint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Release {
    pub(crate) all: Group,
    /// Hypotheses discovered so far.
    pub(crate) discovered: u64,
    /// Exchanges counted under [`OTHER_ENDPOINTS`].
    pub(crate) crowded: u64,
    /// Exchanges that were not compared because a variant other than those of the rules answered the client.
    #[serde(default)]
    pub(crate) elsewhere: u64,
    /// How the plugins fared.
    #[serde(default)]
    pub(crate) plugins: Plugins,
    /// Exchanges that were not compared because their client had asked the same endpoint a moment before.
    #[serde(default)]
    pub(crate) repeated: u64,
    /// The exchanges of which a shadow was not sent, by whose and why.
    #[serde(default)]
    pub(crate) unsent: NotSent,
    /// How the latencies of the legs lie to each other.
    #[serde(default)]
    pub(crate) shifts: Shifts,
    /// Where the control, too, keeps differing. They have rows of their own.
    #[serde(default, with = "crate::places::apart")]
    pub(crate) places: Places,
    /// What the legs answered with.
    #[serde(default)]
    pub(crate) statuses: Statuses,
    /// Whether the legs have just begun to answer.
    #[serde(default)]
    pub(crate) warming: Warming,
    /// Exchanges that were only counted because of that.
    #[serde(default)]
    pub(crate) warm_up: u64,
    /// Which of candidate and control was asked first.
    #[serde(default)]
    pub(crate) order: Order,
    /// The length of the blocks by which the coins were counted, in microseconds; 0 before the first.
    #[serde(default)]
    pub(crate) block_us: u64,
}

/// Where endpoints beyond [`MAX_ENDPOINTS`] are counted.
pub(crate) const OTHER_ENDPOINTS: &str = "(other endpoints)";
/// Where exchanges are counted that asked for what is not there, at endpoints that never had anything: scanners and old links would
/// otherwise be a thousand endpoints of one exchange each. They are compared as any other, and are no part of the coverage.
pub(crate) const NOT_FOUND: &str = "(not found)";
/// The client's answer there: 404 Not Found or 405 Method Not Allowed (RFC 9110, section 15.5).
const NOTHING_THERE: [u16; 2] = [404, 405];
impl Evidence {
    /// The most endpoints that evidence names.
    pub const MAX_ENDPOINTS: usize = MAX_ENDPOINTS;

    /// Returns the evidence of a session that has seen no exchange yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of exchanges that were compared.
    pub fn exchanges(&self) -> u64 {
        self.release.all.exchanges
    }

    /// How many exchanges were taken in, whatever came of them: it changes whenever the evidence does.
    pub fn taken(&self) -> u64 {
        let Release { all, elsewhere, repeated, warm_up, .. } = &self.release;
        all.exchanges + elsewhere + repeated + warm_up
    }

    /// Sets the spans of time by which exchanges are counted from now on. Blocks of another length say nothing of these, so they are
    /// forgotten: what looks like a regression has to show again in several of the new ones.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
        if self.release.block_us == pace.block_us {
            return;
        }
        if self.release.block_us != 0 {
            self.forget_blocks();
        }
        self.release.block_us = pace.block_us;
    }

    /// Returns the spans of time by which exchanges are counted.
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Sets how many endpoints it may name from now on, [`MAX_ENDPOINTS`](Self::MAX_ENDPOINTS) at most. What comes at others is counted
    /// under `(other endpoints)`. Endpoints that it names already keep their names.
    pub fn set_room(&mut self, endpoints: usize) {
        self.room.endpoints = endpoints.min(MAX_ENDPOINTS);
    }

    /// Sets how many more places and kinds it may name from now on, over all endpoints. What differs at others is counted under `(other
    /// paths)` of its endpoint, and exchanges of endpoints that have no name yet under `(other endpoints)`.
    pub fn set_free_places(&mut self, places: usize) {
        self.room.places = Some(places);
    }

    /// Returns how many places and kinds it names, over all endpoints: they take most of its memory, about 1.3 KiB each.
    pub fn named_places(&self) -> usize {
        self.endpoints.values().map(|endpoint| endpoint.hypotheses.len()).sum()
    }

    fn forget_blocks(&mut self) {
        self.dirty_release = true;
        self.release.all.forget_blocks();
        let forget = |endpoint: &mut Endpoint, changed: &mut Pieces| {
            endpoint.all.forget_blocks();
            endpoint.hypotheses.change_each(changed).for_each(|(_, counts)| counts.coins.forget_blocks());
        };
        self.endpoints.change_each(|_| true, forget);
    }

    /// Forgets the examples of exchanges before a moment, in microseconds since 1970; the counts stay. Answers whether there were any, so
    /// that rows must be written.
    pub fn expire_examples(&mut self, before_us: u64) -> bool {
        let old = |counts: &Hypothesis| counts.examples.iter().any(|example| example.at_us < before_us);
        let mut any = false;
        let expire = |endpoint: &mut Endpoint, changed: &mut Pieces| {
            let old = endpoint.hypotheses.change_those(old, changed);
            old.for_each(|counts| any |= counts.expire(before_us));
        };
        self.endpoints.change_each(|endpoint| endpoint.hypotheses.values().any(old), expire);
        self.dirty_release |= any;
        any
    }

    /// Returns when the oldest exchange arrived of which there is an example, in microseconds since 1970.
    pub fn oldest_example_us(&self) -> Option<u64> {
        let counts = self.endpoints.values().flat_map(|endpoint| endpoint.hypotheses.values());
        counts.flat_map(|counts| &counts.examples).map(|example| example.at_us).min()
    }

    /// Returns how many exchanges there are of which a shadow was not sent, by the reason that the sender gave, if it gave one.
    pub fn not_sent(&self) -> BTreeMap<Unsent, u64> {
        let mut by = BTreeMap::new();
        for (KeptBack { why, .. }, exchanges) in &self.release.unsent {
            if let Some(why) = why {
                *by.entry(*why).or_default() += exchanges;
            }
        }
        by
    }

    /// Returns how each plugin fared that an exchange had to do with.
    pub fn plugins(&self) -> Vec<PluginReport> {
        self.release.plugins.report()
    }

    /// Counts one exchange that [`compare`](crate::compare) compared, under the rules of this session and by this evidence as it is or as it
    /// was.
    pub fn take(&mut self, compared: &Compared) -> Taken {
        self.dirty_release = true;
        let Some(exchange) = &compared.exchange else {
            self.release.elsewhere += 1;
            return Taken::Elsewhere;
        };
        let mut first = |client| self.recent.counts(client, &exchange.endpoint, exchange.at_us);
        // What was not sent asked nobody.
        if exchange.unsent.is_none() && !exchange.client.is_none_or(&mut first) {
            self.release.repeated += 1;
            return Taken::Repeated;
        }
        if exchange.unsent.is_none() && self.release.warming.excuses(exchange, self.pace) {
            self.release.warm_up += 1;
            return Taken::WarmingUp;
        }
        self.set_pace(self.pace);
        self.release.plugins.count(&exchange.plugins);
        if let Some(unsent) = exchange.unsent {
            *self.release.unsent.entry(unsent).or_default() += 1;
        }
        self.release.statuses.count(exchange);
        let slot = self.slot(&exchange.endpoint, exchange.primary.status);
        let room = &mut self.room;
        let Release { all, discovered, places, shifts, order, .. } = &mut self.release;
        if let Some((candidate_us, control_us)) = exchange.latencies() {
            shifts.observe(bounded(candidate_us), bounded(control_us), self.pace.latency.ratios());
        }
        let moment = self.pace.moment(exchange);
        let noisy_margin = self.pace.noisy_margin;
        let mut counting =
            Counting { moment, places, nth: 0, blocks: 1, order: *order, noisy_margin, discovered, room };
        order.count(exchange.first);
        all.take(exchange, &mut counting);
        counting.nth = all.controlled;
        counting.blocks = moment.block.wrapping_sub(self.pace.block(all.first_us)).saturating_add(1);
        counting.places.sweep(all.controlled);
        let turns = counting.places.turns();
        let (endpoint, changed) = self.endpoints.change(slot);
        if let Some(sign) = endpoint.take(exchange, &mut counting, changed) {
            all.quiet.count(sign, turns);
            endpoint.all.quiet.count(sign, turns);
        }
        Taken::Compared
    }

    /// What is known where exchanges of an endpoint whose primary has this status are counted from now on, if that is settled.
    pub(crate) fn settled(&self, template: &str, status: Option<u16>) -> Option<&Endpoint> {
        let (not_found, full) = (is_nothing_there(status), !self.has_room());
        let shared = || match not_found {
            true => self.endpoints.get(NOT_FOUND),
            false => self.endpoints.get(OTHER_ENDPOINTS).filter(|_| full),
        };
        self.endpoints.get(template).or_else(shared).map(Arc::as_ref)
    }

    /// The endpoint's own slot, or that of what is not there, or that of all who came too late.
    fn slot(&mut self, template: &str, status: Option<u16>) -> Arc<str> {
        if let Some((known, _)) = self.endpoints.get_key_value(template) {
            return Arc::clone(known);
        }
        if is_nothing_there(status) {
            return NOT_FOUND.into();
        }
        if self.has_room() {
            return template.into();
        }
        self.release.crowded += 1;
        OTHER_ENDPOINTS.into()
    }

    /// Whether it may name one more endpoint.
    fn has_room(&self) -> bool {
        self.named_endpoints() < self.room.endpoints && self.room.has_places()
    }

    /// Returns how many endpoints have slots of their own.
    pub fn named_endpoints(&self) -> usize {
        let shared =
            [OTHER_ENDPOINTS, NOT_FOUND].into_iter().filter(|name| self.endpoints.contains_key(*name));
        self.endpoints.len() - shared.count()
    }
}

fn is_nothing_there(status: Option<u16>) -> bool {
    status.is_some_and(|status| NOTHING_THERE.contains(&status))
}

impl Release {
    /// Exchanges that arrived, those included that count for nothing: as many come for each that counts from now on.
    pub(crate) fn coming(&self) -> u64 {
        self.all.exchanges + self.repeated + self.warm_up
    }
}
