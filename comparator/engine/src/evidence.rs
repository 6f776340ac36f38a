//! What is known of a release: counts per endpoint and place, histograms, a few examples. Bounded whatever comes in.
//!
//! A field counts only where both shadow legs answered with the primary's outcome and status: that keeps candidate and
//! control exchangeable, and a failing candidate counts once, as `status`, rather than as a hundred missing fields.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use antumbra_observation::Unsent;
use serde::{Deserialize, Serialize};

use crate::coins::{Coins, Known, Lead};
use crate::compared::{Compared, Difference, Exchange};
use crate::farther::Cause;
use crate::hypotheses::Hypotheses;
use crate::hypothesis::{Counting, Hypothesis, Seen};
use crate::kind::{Differing, Kind, Sign, Subject};
use crate::latency::{Ladder, Legs, Shifts, bounded};
use crate::order::Order;
use crate::outside::{PluginReport, Plugins};
use crate::pace::{Pace, Warming};
use crate::pieces::Pieces;
use crate::places::Places;
use crate::quiet::Quiet;
use crate::recent::Recent;
use crate::refusals::Refusals;
use crate::room::{MAX_ENDPOINTS, Room};
use crate::series::Settled;
use crate::sparse::is_default;
use crate::stats::Paired;
use crate::statuses::Statuses;
use crate::tracked::Tracked;
use crate::unseen::Unseen;
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

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Endpoint {
    pub(crate) all: Group,
    pub(crate) hypotheses: Hypotheses,
    /// Bodies that could not be read.
    pub(crate) refusals: Refusals,
    /// What differs at both legs and could not be looked into.
    pub(crate) unseen: Unseen,
    /// Differences counted under [`OTHER_PATHS`].
    pub(crate) crowded: u64,
}

/// What is known of a subject, and of its place where it is counted which leg is farther.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Beside<'e> {
    pub(crate) own: Option<&'e Hypothesis>,
    pub(crate) farther: Option<&'e Hypothesis>,
    /// Which values of the place need not be looked at; none where it has no slot of its own.
    pub(crate) settled: Settled,
}

/// A set of exchanges.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Group {
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) exchanges: u64,
    /// Those of which the proxy did not send a shadow. Whether a breaker opens depends on the candidate's own load, so
    /// such an exchange says nothing about its answers.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) not_sent: u64,
    /// Those with a control leg, all shadows sent.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) controlled: u64,
    /// Controlled ones whose control answered with the primary's outcome and status.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) effective: u64,
    /// Controlled ones where only the candidate differs in something, …
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) worse: u64,
    /// … where only the control does.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) better: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) first_us: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) last_us: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) legs: Legs,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) ladder: Ladder,
    /// In how many only the candidate differs at a quiet place, or only the control.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) quiet: Quiet,
    /// Which clients asked.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) known: Known,
    /// In which blocks of time, and for which clients, one leg alone differs in anything.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) coins: Coins,
}

/// Where endpoints beyond [`MAX_ENDPOINTS`] are counted.
pub(crate) const OTHER_ENDPOINTS: &str = "(other endpoints)";
/// Where exchanges are counted that asked for what is not there, at endpoints that never had anything: scanners and old links would
/// otherwise be a thousand endpoints of one exchange each. They are compared as any other, and are no part of the coverage.
pub(crate) const NOT_FOUND: &str = "(not found)";
/// The client's answer there: 404 Not Found or 405 Method Not Allowed (RFC 9110, section 15.5).
const NOTHING_THERE: [u16; 2] = [404, 405];
/// Where places beyond [`MAX_PATHS`] are counted. Tested as any other: a crowd hides no regression.
pub(crate) const OTHER_PATHS: &str = "(other paths)";
/// Most places and kinds of an endpoint.
pub(crate) const MAX_PATHS: usize = 200;
/// Examples of a place and kind, …
const MAX_EXAMPLES: usize = 3;
/// … unless an endpoint has more places than this: then one, or texts would take most of the memory.
const FEW_PATHS: usize = 32;

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

impl Endpoint {
    /// Answers X of a controlled exchange over quiet places: +1 if only the candidate differs at one, −1 if only the control does.
    fn take(
        &mut self,
        exchange: &Exchange,
        counting: &mut Counting<'_>,
        changed: &mut Pieces,
    ) -> Option<Option<Sign>> {
        self.all.take(exchange, counting);
        self.refusals.count(&exchange.candidate, exchange.control.as_ref());
        if exchange.unsent.is_some() {
            return None;
        }
        if exchange.control.is_none() {
            for Difference { subject, detail, .. } in &exchange.differences {
                let most = self.most_examples();
                let counts = self.hypothesis(subject, counting.room, changed);
                counts.uncontrolled(exchange, detail.as_deref(), most);
            }
            return None;
        }
        let slots = self.by_slot(&exchange.differences, counting.room, changed);
        let most = self.most_examples();
        let exchanges = self.all.controlled;
        let (mut candidate_alone, mut control_alone) = (false, false);
        let mut unseen: Vec<(&Subject, Cause)> = Vec::new();
        for (subject, seen) in &slots {
            let by_values = seen.of == Differing::Both && seen.values.is_some() && !subject.is_crowd();
            if by_values && self.hypotheses.get(&**subject).is_some_and(|counts| counts.learns_nothing(seen))
            {
                continue;
            }
            let Some(hypothesis) = self.hypotheses.change(subject, changed) else { continue };
            let sign = hypothesis.placed(subject, exchange, seen, most, exchanges, counting);
            candidate_alone |= sign == Some(1);
            control_alone |= sign == Some(-1);
            let of_instances = seen.values.is_some_and(|values| hypothesis.tells_of_instances(values));
            let cause = seen.unseen.or(of_instances.then_some(Cause::Instance));
            unseen.extend(cause.map(|cause| (&**subject, cause)));
        }
        self.unseen.count(&unseen);
        Some(match (candidate_alone, control_alone) {
            (true, false) => Some(1),
            (false, true) => Some(-1),
            _ => None,
        })
    }

    /// What is known where differences of a subject are counted from now on, if that is settled.
    pub(crate) fn settled(&self, subject: &Subject) -> Option<&Hypothesis> {
        self.hypotheses.get(subject).or_else(|| self.among_others(subject.1))
    }

    /// The same of a subject, and of its place where it is counted which leg is farther: one look-up finds both, for they are neighbours.
    pub(crate) fn settled_beside_farther(&self, subject: &Subject) -> Beside<'_> {
        let of_place = self.hypotheses.range::<Subject, _>(subject..);
        let mut of_place = of_place.take_while(|(known, _)| known.0 == subject.0).peekable();
        let own = of_place.next_if(|(known, _)| known.1 == subject.1).map(|(_, own)| own);
        let farther = of_place.find(|(known, _)| known.1 == Kind::Farther).map(|(_, farther)| farther);
        Beside {
            own: own.or_else(|| self.among_others(subject.1)),
            farther: farther.or_else(|| self.among_others(Kind::Farther)),
            settled: farther.map_or_else(Settled::default, Hypothesis::settled),
        }
    }

    /// What is known of all places that have no slot of their own, once there will be no more slots.
    fn among_others(&self, kind: Kind) -> Option<&Hypothesis> {
        let full = self.hypotheses.len() >= MAX_PATHS;
        if full { self.hypotheses.get(&Subject(OTHER_PATHS.to_owned(), kind)) } else { None }
    }

    /// Depends on how many places there are, not on when they were seen: so two engines together keep what one would.
    pub(crate) fn most_examples(&self) -> usize {
        if self.hypotheses.len() > FEW_PATHS { 1 } else { MAX_EXAMPLES }
    }

    pub(crate) fn shorten_examples(&mut self, changed: &mut Pieces) {
        let most = self.most_examples();
        let long = self.hypotheses.change_those(|counts| counts.examples.len() > most, changed);
        long.for_each(|counts| counts.sample(most, []));
    }

    /// Differences by the subject under which they are counted, in its order: each at most once an exchange.
    fn by_slot<'e>(
        &mut self,
        differences: &'e [Difference],
        room: &mut Room,
        changed: &mut Pieces,
    ) -> Vec<(Cow<'e, Subject>, Seen<'e>)> {
        let whole = |one: &'e Difference| (Cow::Borrowed(&one.subject), Seen::of(one));
        if self.knows_all(differences) {
            return differences.iter().map(whole).collect();
        }
        self.make_room(differences, room, changed);
        let (known, crowd): (Vec<_>, Vec<_>) =
            differences.iter().partition(|one| self.hypotheses.contains_key(&one.subject));
        let mut slots: BTreeMap<_, _> = known.into_iter().map(whole).collect();
        for one in crowd {
            let seen = Seen::of(one).in_a_crowd();
            let first = slots.entry(Cow::Owned(other(&one.subject))).or_insert(seen);
            first.of = first.of.or(seen.of);
            first.by_magnitude |= seen.by_magnitude;
        }
        slots.into_iter().collect()
    }

    /// Whether there is a slot for each subject. Both are in one order, so going through all that are known is quicker than looking
    /// each up, unless there are few to look up.
    fn knows_all(&self, differences: &[Difference]) -> bool {
        if differences.len() < self.hypotheses.len() / 8 {
            return differences.iter().all(|one| self.hypotheses.contains_key(&one.subject));
        }
        let mut known = self.hypotheses.keys();
        differences.iter().all(|one| known.any(|known| *known == one.subject))
    }

    /// Makes slots for new subjects: first for those of the candidate, then for those of the control.
    fn make_room(&mut self, differences: &[Difference], room: &mut Room, changed: &mut Pieces) {
        let candidates = differences.iter().filter(|one| one.of.has_candidate());
        let controls = differences.iter().filter(|one| one.of.has_control());
        for one in candidates.chain(controls) {
            self.hypothesis(&one.subject, room, changed);
        }
    }

    fn hypothesis(&mut self, subject: &Subject, room: &mut Room, changed: &mut Pieces) -> &mut Hypothesis {
        let is_new = !self.hypotheses.contains_key(subject);
        let full = is_new && (self.hypotheses.len() >= MAX_PATHS || !room.has_places());
        self.crowded += u64::from(full);
        let slot = if full { other(subject) } else { subject.clone() };
        if is_new && !self.hypotheses.contains_key(&slot) {
            room.take_place();
        }
        if self.hypotheses.len() == FEW_PATHS && !self.hypotheses.contains_key(&slot) {
            self.hypotheses.change_or_add(slot.clone(), changed);
            self.shorten_examples(changed);
        }
        self.hypotheses.change_or_add(slot, changed)
    }
}

impl Release {
    /// Exchanges that arrived, those included that count for nothing: as many come for each that counts from now on.
    pub(crate) fn coming(&self) -> u64 {
        self.all.exchanges + self.repeated + self.warm_up
    }
}

impl Group {
    fn take(&mut self, exchange: &Exchange, counting: &mut Counting<'_>) {
        self.exchanges += 1;
        self.first_us = if self.first_us == 0 { exchange.at_us } else { self.first_us.min(exchange.at_us) };
        self.last_us = self.last_us.max(exchange.at_us);
        self.legs.record(exchange);
        if exchange.unsent.is_some() {
            self.not_sent += 1;
            return;
        }
        let Some(control) = &exchange.control else { return };
        self.controlled += 1;
        counting.moment.nth = self.controlled;
        self.effective += u64::from(control.comparable);
        self.known.count(counting.moment.bucket);
        self.tally(exchange, counting);
        if let Some((candidate_us, control_us)) = exchange.latencies() {
            self.ladder.observe(candidate_us, control_us, counting);
        }
    }

    /// X = 1{only the candidate differs in something} − 1{only the control does}, each over its own hypotheses.
    ///
    /// Of every controlled exchange, deliberately not of the effective ones alone, which the control's answer selects: a
    /// random error of the candidate would count as worse, the same error of the control would drop the exchange, and no
    /// service with errors of its own could ever be promoted. Fields count where both answered as the primary did, which
    /// is as symmetric.
    fn tally(&mut self, exchange: &Exchange, counting: &Counting<'_>) {
        let of_itself = |difference: &&Difference| difference.subject.1 != Kind::Farther;
        let alone =
            |leg| exchange.differences.iter().filter(of_itself).any(|difference| difference.of == leg);
        let sign = match (alone(Differing::Candidate), alone(Differing::Control)) {
            (true, false) => 1,
            (false, true) => -1,
            _ => return,
        };
        self.worse += u64::from(sign > 0);
        self.better += u64::from(sign < 0);
        self.coins.count(counting.moment, sign, Lead { candidate: self.worse, control: self.better });
    }

    fn forget_blocks(&mut self) {
        self.coins.forget_blocks();
        self.ladder.coins.iter_mut().for_each(Coins::forget_blocks);
    }

    /// X of the controlled exchanges.
    pub(crate) fn paired(&self) -> Paired {
        Paired::new(self.controlled, self.worse, self.better)
    }
}

impl Subject {
    /// Stands for the places beyond the cap.
    pub(crate) fn is_crowd(&self) -> bool {
        self.0 == OTHER_PATHS
    }
}

fn other(subject: &Subject) -> Subject {
    Subject(OTHER_PATHS.to_owned(), subject.1)
}
