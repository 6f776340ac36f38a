//! What one filter instance does besides single requests: shadow calls, observations, polls, and the accounts of all three.
//!
//! Candidate and control leave together and in random order: the comparator's tests rest on their being exchangeable. The
//! accounts add up: `requests = mirrored + Σ not mirrored`, `mirrored = delivered + Σ undelivered + unknown + in flight`.

use std::sync::Arc;

use antumbra_observation::{
    Accounts, Breakers, Heartbeat, Instance, MAX_TROUBLES, NotMirrored, Undelivered, Unsent, encode,
};
use antumbra_policy::document::Invalid;
use antumbra_policy::{Dice, Mirror, Policy, Variant, Via};

use crate::body;
use crate::budget::Budget;
use crate::call::{Call, CallId, LegName};
use crate::capture::Capture;
use crate::clock::Now;
use crate::comparator::receipt;
use crate::election::{Found, Step};
use crate::handover::Handovers;
use crate::incident::Incident;
use crate::outbox::{Batch, LARGEST_OBSERVATION, Outbox, Receipt, Repeats};
use crate::passed::Passed;
use crate::report::Said;
use crate::settings::{Host, Settings};
use crate::shadow::{self, Answer};
use crate::subscription::Subscription;
use crate::trailers;
use crate::troubles::Troubles;
use crate::turns::Turns;
use crate::waiting::InFlight;

/// The state of one filter instance, which is one root context of the host.
pub struct Mirroring {
    settings: Settings,
    instance: Instance,
    subscription: Subscription,
    budget: Budget,
    breakers: Breakers,
    in_flight: InFlight,
    outbox: Outbox,
    handovers: Handovers,
    accounts: Accounts,
    farewell: Farewell,
    turns: Turns,
    troubles: Troubles,
    /// The proxy's name for itself.
    node: Option<String>,
}

/// The last heartbeat of an instance that is to end: without it nobody would hear of its last accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Farewell {
    /// The instance is not to end.
    NotYet,
    /// It is sent when everything else is settled.
    Due,
    /// It was sent.
    Said,
}

impl Mirroring {
    /// Begins an instance. `previous` is the policy that an earlier instance of the same release ran in this VM: a change of the
    /// plugin configuration then does not interrupt the split.
    pub fn new(mut settings: Settings, instance: Instance, previous: Option<Arc<Policy>>) -> Self {
        let inline = settings.inline.take().map(Arc::new);
        let from_comparator =
            previous.filter(|policy| policy.generation().is_some() && settings.comparator.is_some());
        let policy = from_comparator.or(inline).filter(|_| settings.enabled);
        let comparator = settings.comparator.as_ref();
        let (release, secrets) = (&settings.release, &settings.secrets);
        Self {
            subscription: Subscription::new(release, secrets, policy, comparator, instance),
            budget: Budget::new(settings.limits),
            breakers: Breakers::default(),
            in_flight: InFlight::default(),
            outbox: Outbox::new(settings.limits.bytes_in_flight, Repeats::Told),
            handovers: Handovers::new(settings.limits.bytes_in_flight),
            accounts: Accounts::default(),
            farewell: Farewell::NotYet,
            turns: Turns::new(settings.host),
            troubles: Troubles::default(),
            node: None,
            settings,
            instance,
        }
    }

    /// Takes the proxy's name for itself, which heartbeats then say.
    pub fn runs_in(&mut self, node: Option<String>) {
        self.node = node;
    }

    /// Whether to look where a request that `policy` gave this variant went, and to tell it to [`Self::routed`].
    pub fn wants_route(&self, policy: &Policy, variant: &Variant) -> bool {
        // What a policy of another generation did is not told.
        self.subscription.has_comparator()
            && policy.generation() == self.subscription.generation()
            && self.troubles.wants_route(policy, variant)
    }

    /// Takes the cluster that a request of this variant went to; none if the host does not say.
    pub fn routed(&mut self, policy: &Policy, variant: &Variant, cluster: Option<&[u8]>) {
        if policy.generation() == self.subscription.generation() {
            self.troubles.under(policy.generation());
            self.troubles.routed(policy, variant, cluster);
        }
    }

    /// The policy in force. While it is `None` the filter leaves everything to the host's own routing.
    pub fn policy(&self) -> Option<&Arc<Policy>> {
        self.subscription.policy()
    }

    /// The name of the release.
    pub fn release(&self) -> &str {
        &self.settings.release
    }

    /// What the filter may ask of the proxy.
    pub fn host(&self) -> Host {
        self.settings.host
    }

    /// Whether a request may be held until its body is there.
    pub fn awaits_bodies(&self) -> bool {
        self.settings.bodies && self.settings.enabled
    }

    /// How many policies the comparator sent that could not be taken; the last good one stayed each time.
    pub fn refusals(&self) -> u64 {
        self.subscription.refusals()
    }

    /// Whether the filter does anything at all.
    pub fn is_enabled(&self) -> bool {
        self.settings.enabled
    }

    /// What the instance counted since it began.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Takes what was wrong with the last policy that the comparator sent, for the log. Each refusal is answered once.
    pub fn take_rejected(&mut self) -> Option<Invalid> {
        self.subscription.take_rejected()
    }

    /// Takes what changed about the comparator, for the log: that it cannot be reached, does not know the release, refuses the
    /// token, or answers again. Each change is answered once.
    pub fn take_notice(&mut self) -> Option<String> {
        self.subscription.take_notice()
    }

    /// Whether the instances of this release in this proxy share anything. On other hosts than Envoy they do not: one of them
    /// traps where nobody gave it memory to share.
    pub fn confers(&self) -> bool {
        self.host() == Host::Envoy && self.settings.enabled && self.subscription.has_comparator()
    }

    /// Looks at the record that the instances share, before each [`Incident::Tick`] and after [`Incident::Drain`]; answers what
    /// to do about it.
    pub fn look(&mut self, found: &Found, now: Now) -> Step {
        self.subscription.look(found, now.monotonic)
    }

    /// Takes the document that the instances share, where [`Self::look`] asked for it.
    pub fn read(&mut self, found: &Found, now: Now) {
        self.subscription.read(found, now.monotonic);
    }

    /// Takes a place and `bytes` for an exchange that begins now, until it is handed over ([`Incident::Captured`]) or given up
    /// ([`Incident::GivenUp`]).
    ///
    /// # Errors
    /// Why it may not be mirrored.
    pub fn admit(&mut self, bytes: usize, now: Now) -> Result<(), NotMirrored> {
        self.subscription.lease(now.monotonic)?;
        let queued = self.outbox.held().saturating_add(self.handovers.outbox.held());
        let held = self.in_flight.bytes().saturating_add(queued);
        self.budget.take(bytes, self.in_flight.len(), held, now.monotonic)
    }

    /// Whether nothing is out and nothing is left to send, the farewell of an instance that is to end included.
    pub fn is_idle(&self) -> bool {
        self.is_settled() && !self.subscription.is_polling() && self.farewell != Farewell::Due
    }

    fn is_settled(&self) -> bool {
        let queued = !self.outbox.is_empty() || !self.handovers.outbox.is_empty();
        self.turns.is_empty() && self.in_flight.len() == 0 && !queued
    }

    /// Takes the moment at which the host makes a call, just before it does. One that is not told of left when [`Self::on`] answered it:
    /// the second call of an exchange would then begin with the first.
    pub fn leaves(&mut self, id: CallId, now: Now) {
        if let CallId::Shadow(key, leg) = id
            && let Some(waiting) = self.in_flight.get_mut(key)
        {
            waiting.leaves(leg, now.monotonic);
        }
    }

    /// Takes what happened; answers the calls to make now, in this order.
    pub fn on(&mut self, incident: Incident, now: Now, dice: &mut Dice) -> Vec<Call> {
        let Some(incident) = self.turns.admit(incident, now) else { return Vec::new() };
        let mut calls = Vec::new();
        for (earlier, at) in self.turns.due(&incident, now) {
            calls.extend(self.deal_with(earlier, at, dice));
        }
        calls.extend(self.deal_with(incident, now, dice));
        calls
    }

    fn deal_with(&mut self, incident: Incident, now: Now, dice: &mut Dice) -> Vec<Call> {
        // What a stream only notes can carry no call: the farewell waits for the root's next turn.
        let noted = matches!(incident, Incident::GivenUp(_) | Incident::Passed(_));
        let mut calls = self.react(incident, now, dice);
        if !noted {
            calls.extend(self.say_farewell(now));
        }
        calls
    }

    fn react(&mut self, incident: Incident, now: Now, dice: &mut Dice) -> Vec<Call> {
        match incident {
            Incident::GivenUp(bytes) => self.budget.give_back(bytes),
            Incident::Passed(passed) => self.passed(passed),
            Incident::Captured(capture) => return self.captured(capture, now, dice),
            Incident::Answered(id, answer) => return self.answered(id, answer, now),
            Incident::NotSent(id, why) => return self.not_sent(id, why, now),
            Incident::Tick => return self.tick(now, dice),
            Incident::Drain => {
                self.subscription.leave();
                self.farewell =
                    if self.subscription.has_comparator() { Farewell::Due } else { Farewell::Said };
                let observations = self.outbox.flush().and_then(|batch| self.post(batch, now));
                let handovers = self.handovers.outbox.flush().and_then(|batch| self.hand_over(batch));
                return observations.into_iter().chain(handovers).collect();
            }
            Incident::Abandon => self.abandon(),
        }
        Vec::new()
    }

    fn say_farewell(&mut self, now: Now) -> Option<Call> {
        let due = self.farewell == Farewell::Due && self.subscription.has_comparator();
        if !due || !self.is_settled() || self.subscription.is_polling() {
            return None;
        }
        self.subscription.begin_poll();
        self.farewell = Farewell::Said;
        let last = Heartbeat { ends: true, ..self.state(now) };
        Some(self.settings.comparator.as_ref()?.heartbeat(&last))
    }

    fn passed(&mut self, passed: Passed) {
        self.accounts.requests = self.accounts.requests.saturating_add(1);
        let Passed { reason, method } =
            if self.settings.enabled { passed } else { NotMirrored::Disabled.into() };
        self.accounts.not_mirrored.add(reason, 1);
        if let Some(method) = method {
            self.accounts.unsafe_methods.add(method, 1);
        }
    }

    /// Several mirrors make several observations of one request; the accounts count each beyond the first as a request of
    /// its own, so that they still add up.
    fn captured(&mut self, capture: Box<Capture>, now: Now, dice: &mut Dice) -> Vec<Call> {
        self.budget.give_back(capture.reserved);
        let capture: Arc<Capture> = capture.into();
        let mut calls = Vec::new();
        for (mirror, control) in &capture.mirrors {
            let control = mirror.control.as_ref().filter(|_| *control).map(|control| &control.to);
            match self.obstacle(mirror, control, now, dice) {
                Some(reason) => self.passed(reason.into()),
                None if mirror.via == Via::Comparator => {
                    calls.extend(self.handed_over(&capture, mirror, control, now));
                }
                None => calls.extend(self.shadow_calls(&capture, mirror, control, now, dice)),
            }
        }
        calls
    }

    /// Candidate and control are asked together or not at all: a candidate that is alone while the stable version is in trouble
    /// would be compared with nothing.
    fn obstacle(
        &mut self,
        mirror: &Arc<Mirror>,
        control: Option<&Arc<Variant>>,
        now: Now,
        dice: &mut Dice,
    ) -> Option<NotMirrored> {
        let word = dice.next();
        let mut admits = |variant: &Variant| self.breakers.admit(&variant.cluster, word, now.monotonic);
        if self.in_flight.is_full(mirror) || self.handovers.is_full(mirror) {
            Some(NotMirrored::MirrorInFlight)
        } else if !admits(&mirror.to) {
            Some(NotMirrored::Breaker)
        } else {
            control.is_some_and(|control| !admits(control)).then_some(NotMirrored::ControlBreaker)
        }
    }

    fn shadow_calls(
        &mut self,
        capture: &Arc<Capture>,
        mirror: &Arc<Mirror>,
        control: Option<&Arc<Variant>>,
        now: Now,
        dice: &mut Dice,
    ) -> Vec<Call> {
        self.mirrored();
        let mut legs = vec![(LegName::Candidate, &mirror.to)];
        legs.extend(control.map(|control| (LegName::Control, control)));
        if dice.next() & 1 == 1 {
            legs.reverse();
        }
        let count = u8::try_from(legs.len()).unwrap_or(u8::MAX);
        let key = self.in_flight.add(capture, mirror, count, now.monotonic);
        legs.iter().map(|(leg, to)| shadow_call(capture, mirror, CallId::Shadow(key, *leg), to)).collect()
    }

    fn handed_over(
        &mut self,
        capture: &Arc<Capture>,
        mirror: &Arc<Mirror>,
        control: Option<&Arc<Variant>>,
        now: Now,
    ) -> Option<Call> {
        self.mirrored();
        let release = &self.settings.release;
        let batch =
            self.handovers.push(capture, mirror, control, release, now.monotonic, &mut self.accounts)?;
        self.hand_over(batch)
    }

    fn mirrored(&mut self) {
        self.accounts.requests = self.accounts.requests.saturating_add(1);
        self.accounts.mirrored = self.accounts.mirrored.saturating_add(1);
    }

    fn answered(&mut self, id: CallId, answer: Answer, now: Now) -> Vec<Call> {
        match id {
            CallId::Shadow(key, leg) => self.shadow_over(key, leg, Ok(answer), now),
            CallId::Batch(sequence) => {
                let receipt = receipt(&answer);
                match receipt {
                    Receipt::Stored => self.subscription.acknowledged(&answer, now.monotonic),
                    _ => self.subscription.unheard(),
                }
                self.outbox.settle(sequence, receipt, now.monotonic, &mut self.accounts);
                Vec::new()
            }
            CallId::Handovers(sequence) => {
                let receipt = receipt(&answer);
                if receipt == Receipt::Stored {
                    self.subscription.alive(now.monotonic);
                }
                self.handovers.settle(sequence, receipt, now.monotonic, &mut self.accounts);
                Vec::new()
            }
            CallId::Poll => {
                self.subscription.polled(&answer, now.monotonic);
                Vec::new()
            }
        }
    }

    fn not_sent(&mut self, id: CallId, why: Unsent, now: Now) -> Vec<Call> {
        match id {
            CallId::Shadow(key, leg) => return self.shadow_over(key, leg, Err(why), now),
            CallId::Batch(sequence) => {
                self.subscription.unheard();
                self.outbox.settle(sequence, Receipt::NotSent, now.monotonic, &mut self.accounts);
            }
            CallId::Handovers(sequence) => {
                self.handovers.settle(sequence, Receipt::NotSent, now.monotonic, &mut self.accounts);
            }
            CallId::Poll => {
                let cluster = self.settings.comparator.as_ref().map_or("", |comparator| &comparator.cluster);
                self.subscription.unreachable(cluster, now.monotonic);
            }
        }
        Vec::new()
    }

    /// One leg is over; with the last one the observation goes to the outbox.
    fn shadow_over(&mut self, key: u64, leg: LegName, answer: Result<Answer, Unsent>, now: Now) -> Vec<Call> {
        let Some(waiting) = self.in_flight.get_mut(key) else { return Vec::new() };
        let unsent = answer.as_ref().err().copied();
        let outcome = waiting.settle(leg, answer, now.monotonic).outcome;
        if let Some(variant) = waiting.variant(leg) {
            self.breakers.record(&variant.cluster, outcome, now.monotonic);
            self.troubles.under(self.subscription.generation());
            self.troubles.asked(leg, &variant.cluster, unsent);
        }
        let Some(waiting) = self.in_flight.take_complete(key) else { return Vec::new() };
        let mut observation = waiting.observation(&self.settings.release);
        let mut encoded = encode(&observation);
        if encoded.len() > LARGEST_OBSERVATION {
            // Dropping it would drop the differing answers and keep the equal ones, which ship as "same".
            body::cut_all(&mut observation);
            encoded = encode(&observation);
        }
        let batch = self.outbox.push(&encoded, now.monotonic, &mut self.accounts);
        batch.and_then(|batch| self.post(batch, now)).into_iter().collect()
    }

    fn tick(&mut self, now: Now, dice: &mut Dice) -> Vec<Call> {
        let due = self.outbox.due(now.monotonic);
        let mut calls: Vec<Call> = due.into_iter().filter_map(|batch| self.post(batch, now)).collect();
        let due = self.handovers.outbox.due(now.monotonic);
        calls.extend(due.into_iter().filter_map(|batch| self.hand_over(batch)));
        if self.settings.enabled {
            let said = self.said();
            if self.subscription.poll(&said, now.monotonic, dice) {
                calls.extend(self.heartbeat(now));
            }
        }
        calls
    }

    /// No call without a comparator: nothing is captured then either. A poll that is near rides along.
    fn post(&mut self, batch: Batch, now: Now) -> Option<Call> {
        let heartbeat = self.subscription.rides_along(now.monotonic).then(|| self.state(now));
        Some(self.settings.comparator.as_ref()?.batch(self.instance, batch, heartbeat.as_ref()))
    }

    fn hand_over(&self, batch: Batch) -> Option<Call> {
        Some(self.settings.comparator.as_ref()?.handovers(batch, self.handovers.longest))
    }

    fn heartbeat(&mut self, now: Now) -> Option<Call> {
        let state = self.state(now);
        Some(self.settings.comparator.as_ref()?.heartbeat(&state))
    }

    /// What the instance says of itself, now.
    fn state(&mut self, now: Now) -> Heartbeat {
        let said = self.said();
        self.subscription.says(said.clone(), now.monotonic);
        let Said { generation, accounts, troubles } = said;
        let every = self.subscription.longest_silence();
        Heartbeat {
            troubles,
            node: self.node.clone(),
            every_ms: every.and_then(|every| u64::try_from(every.as_millis()).ok()),
            filter_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            ..Heartbeat::new(&self.settings.release, self.instance, generation, accounts)
        }
    }

    fn said(&mut self) -> Said {
        let generation = self.subscription.generation();
        self.troubles.under(generation);
        let troubles = self.subscription.troubles().cloned().chain(self.troubles.all());
        let troubles = troubles.take(MAX_TROUBLES).collect();
        Said { generation, accounts: self.accounts.clone(), troubles }
    }

    fn abandon(&mut self) {
        let cut = self.in_flight.clear();
        self.farewell = Farewell::Said;
        self.subscription.abandon();
        self.accounts.undelivered.add(Undelivered::Shutdown, cut);
        self.outbox.abandon(&mut self.accounts);
        self.handovers.abandon(&mut self.accounts);
    }
}

fn shadow_call(capture: &Capture, mirror: &Mirror, id: CallId, to: &Variant) -> Call {
    Call {
        id,
        cluster: to.cluster.clone(),
        headers: shadow::request_headers(capture, to, mirror),
        body: shadow::request_body(&capture.request).to_vec(),
        trailers: trailers::of_request(capture, to, mirror),
        timeout: mirror.timeout,
    }
}

#[cfg(test)]
mod tests;
