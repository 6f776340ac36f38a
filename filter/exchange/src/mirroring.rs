//! What one filter instance does besides single requests: shadow calls, observations, polls, and the accounts of all three.
//!
//! Candidate and control leave together and in random order: the comparator's tests rest on their being exchangeable. The
//! accounts add up: `requests = mirrored + Σ not mirrored`, `mirrored = delivered + Σ undelivered + unknown + in flight`.

use std::sync::Arc;
use std::time::Duration;

use antumbra_observation::{Accounts, Heartbeat, Instance, Leg, Observation, VERSION, encode};
use antumbra_policy::document::{Invalid, Tree};
use antumbra_policy::{Dice, Mirror, Policy};

use crate::body;
use crate::capture::Capture;
use crate::comparator::{receipt, trouble};
use crate::link::Link;
use crate::outbox::{Batch, LARGEST_OBSERVATION, Outbox, Receipt};
use crate::shadow::{self, Answer};
use crate::turns::Turns;
use crate::{Gate, Headers, Host, Now, Settings};

/// Something that happens to the instance.
#[derive(Debug)]
pub enum Incident {
    /// A request begins to be recorded and may come to hold so many bytes.
    Recording(usize),
    /// A recording of so many bytes is given up before the request's end.
    GivenUp(usize),
    /// A request ended and was not mirrored, for this reason.
    Passed(&'static str),
    /// A request ended and is to be mirrored.
    Captured(Box<Capture>),
    /// A call is over.
    Answered(CallId, Answer),
    /// A call could not be sent.
    NotSent(CallId),
    /// Time passed.
    Tick,
    /// The root context is to end: send what is left.
    Drain,
    /// The root context ends now, whatever is left.
    Abandon,
}

/// A call that the host is to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Comes back with the answer.
    pub id: CallId,
    /// A cluster of the proxy.
    pub cluster: String,
    /// With `:method`, `:path` and `:authority`.
    pub headers: Headers,
    /// May be empty.
    pub body: Vec<u8>,
    /// After which the host answers in the service's stead.
    pub timeout: Duration,
}

/// Names a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallId {
    /// To a candidate or a control.
    Shadow(u64, LegName),
    /// Observations to the comparator.
    Batch(u64),
    /// A heartbeat, answered by a policy if there is a newer one.
    Poll,
}

/// Which of the two shadow calls of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LegName {
    /// The new version.
    Candidate,
    /// The stable version, asked a second time.
    Control,
}

/// The state of one filter instance (one root context).
pub struct Mirroring {
    settings: Settings,
    instance: Instance,
    policy: Option<Arc<Policy>>,
    /// The generation that the comparator gave; an inline policy has none.
    generation: Option<u64>,
    rejected: Option<Invalid>,
    /// The hash of the document that was refused last: it comes again with every heartbeat.
    refused: Option<u64>,
    refusals: u64,
    notice: Option<String>,
    link: Option<Link>,
    recording: usize,
    recording_bytes: usize,
    /// By ascending key, for the search.
    waiting: Vec<(u64, Box<Waiting>)>,
    next_exchange: u64,
    waiting_bytes: usize,
    outbox: Outbox,
    accounts: Accounts,
    farewell: Farewell,
    turns: Turns,
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

/// An exchange whose shadow calls are out.
struct Waiting {
    capture: Arc<Capture>,
    mirror: Arc<Mirror>,
    sent: Duration,
    candidate: Option<Leg>,
    /// `None` if the control is not asked, or has answered.
    control: Option<Leg>,
    outstanding: u8,
    /// Bytes that capture and answers may hold.
    bytes: usize,
}

impl Mirroring {
    /// An instance that begins. `previous` is the policy that an earlier instance of the same release ran in this VM: a
    /// change of the plugin configuration then does not interrupt the split.
    pub fn new(mut settings: Settings, instance: Instance, previous: Option<Arc<Policy>>) -> Self {
        let inline = settings.inline.take().map(Arc::new);
        let from_comparator =
            previous.filter(|policy| policy.generation().is_some() && settings.comparator.is_some());
        Self {
            policy: from_comparator.or(inline).filter(|_| settings.enabled),
            // The first heartbeat asks for the policy whatever ran before: the keys may be others, and the comparator.
            generation: None,
            rejected: None,
            refused: None,
            refusals: 0,
            notice: None,
            link: settings.comparator.as_ref().map(|comparator| Link::new(comparator.poll)),
            recording: 0,
            recording_bytes: 0,
            waiting: Vec::new(),
            next_exchange: 0,
            waiting_bytes: 0,
            outbox: Outbox::new(settings.limits.bytes_in_flight),
            accounts: Accounts::default(),
            farewell: Farewell::NotYet,
            turns: Turns::new(settings.host),
            settings,
            instance,
        }
    }

    /// The policy in force. While it is `None` the filter leaves everything to the host's own routing.
    pub fn policy(&self) -> Option<&Arc<Policy>> {
        self.policy.as_ref()
    }

    /// The release's name.
    pub fn release(&self) -> &str {
        &self.settings.release
    }

    /// What the proxy is.
    pub fn host(&self) -> Host {
        self.settings.host
    }

    /// Whether a request may be held until its body is there.
    pub fn awaits_bodies(&self) -> bool {
        self.settings.bodies && self.settings.enabled
    }

    /// Policies that the comparator sent and that could not be taken; the last good one stayed.
    pub fn refusals(&self) -> u64 {
        self.refusals
    }

    /// Whether it does anything at all.
    pub fn is_enabled(&self) -> bool {
        self.settings.enabled
    }

    /// What happened so far.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// What was wrong with the last policy that the comparator sent, once: for the log.
    pub fn take_rejected(&mut self) -> Option<Invalid> {
        self.rejected.take()
    }

    /// That the comparator cannot be reached, does not know the release, refuses the token, or answers again: when it
    /// changes, for the log.
    pub fn take_notice(&mut self) -> Option<String> {
        self.notice.take()
    }

    /// Whether an exchange that begins now may be mirrored.
    pub fn gate(&self, now: Now) -> Gate {
        let (Some(link), Some(policy)) = (&self.link, &self.policy) else {
            return Gate::Closed("no_comparator");
        };
        let limits = self.settings.limits;
        if !link.holds(now.monotonic, policy.lease()) {
            Gate::Closed("lease")
        } else if self.recording.saturating_add(self.waiting.len()) >= limits.exchanges_in_flight {
            Gate::Closed("exchanges_in_flight")
        } else if self.bytes_in_flight() >= limits.bytes_in_flight {
            Gate::Closed("bytes_in_flight")
        } else {
            Gate::Open
        }
    }

    /// Whether nothing is out and nothing is left to send, the farewell of an instance that is to end included.
    pub fn is_idle(&self) -> bool {
        let polling = self.link.as_ref().is_some_and(Link::is_polling);
        self.is_settled() && !polling && self.farewell != Farewell::Due
    }

    fn is_settled(&self) -> bool {
        self.turns.is_empty() && self.waiting.is_empty() && self.outbox.is_empty()
    }

    /// Bodies being recorded and answers being waited for count with the most that they may become.
    fn bytes_in_flight(&self) -> usize {
        self.recording_bytes.saturating_add(self.waiting_bytes).saturating_add(self.outbox.held())
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
        let noted = matches!(incident, Incident::Recording(_) | Incident::GivenUp(_) | Incident::Passed(_));
        let mut calls = self.react(incident, now, dice);
        if !noted {
            calls.extend(self.say_farewell());
        }
        calls
    }

    fn react(&mut self, incident: Incident, now: Now, dice: &mut Dice) -> Vec<Call> {
        match incident {
            Incident::Recording(bytes) => {
                self.recording = self.recording.saturating_add(1);
                self.recording_bytes = self.recording_bytes.saturating_add(bytes);
            }
            Incident::GivenUp(bytes) => self.recorded(bytes),
            Incident::Passed(reason) => self.passed(reason),
            Incident::Captured(capture) => return self.captured(capture, now, dice),
            Incident::Answered(id, answer) => return self.answered(id, answer, now),
            Incident::NotSent(id) => return self.not_sent(id, now),
            Incident::Tick => return self.tick(now, dice),
            Incident::Drain => {
                self.farewell = if self.link.is_some() { Farewell::Due } else { Farewell::Said };
                return self.outbox.flush().and_then(|batch| self.post(batch)).into_iter().collect();
            }
            Incident::Abandon => self.abandon(),
        }
        Vec::new()
    }

    fn say_farewell(&mut self) -> Option<Call> {
        let settled = self.is_settled();
        let link = self.link.as_mut().filter(|link| settled && !link.is_polling())?;
        if self.farewell != Farewell::Due {
            return None;
        }
        link.begin_poll();
        self.farewell = Farewell::Said;
        self.heartbeat()
    }

    /// A recording is over.
    fn recorded(&mut self, bytes: usize) {
        self.recording = self.recording.saturating_sub(1);
        self.recording_bytes = self.recording_bytes.saturating_sub(bytes);
    }

    fn passed(&mut self, reason: &'static str) {
        self.accounts.requests = self.accounts.requests.saturating_add(1);
        let reason = if self.settings.enabled { reason } else { "disabled" };
        let count = match self.accounts.not_mirrored.get_mut(reason) {
            Some(count) => count,
            None => self.accounts.not_mirrored.entry(reason.to_owned()).or_default(),
        };
        *count = count.saturating_add(1);
    }

    /// Several mirrors make several observations of one request; the accounts count each beyond the first as a request of
    /// its own, so that they still add up.
    fn captured(&mut self, capture: Box<Capture>, now: Now, dice: &mut Dice) -> Vec<Call> {
        self.recorded(capture.reserved);
        let capture: Arc<Capture> = capture.into();
        let mut calls = Vec::new();
        for (mirror, control) in &capture.mirrors {
            if self.is_full(mirror) {
                self.passed("mirror_in_flight");
                continue;
            }
            self.accounts.requests = self.accounts.requests.saturating_add(1);
            self.accounts.mirrored = self.accounts.mirrored.saturating_add(1);
            let control = mirror.control.as_ref().filter(|_| *control);
            let key = self.next_exchange;
            self.next_exchange = key.wrapping_add(1);
            let mut legs = vec![(LegName::Candidate, &mirror.to)];
            legs.extend(control.map(|control| (LegName::Control, &control.to)));
            if dice.next() & 1 == 1 {
                legs.reverse();
            }
            for (leg, variant) in &legs {
                calls.push(self.shadow_call(&capture, mirror, CallId::Shadow(key, *leg), variant));
            }
            let answers =
                usize::try_from(mirror.max_body_bytes).unwrap_or(usize::MAX).saturating_mul(legs.len());
            let bytes = capture.held_bytes().saturating_add(answers);
            self.waiting_bytes = self.waiting_bytes.saturating_add(bytes);
            let waiting = Waiting {
                capture: Arc::clone(&capture),
                mirror: Arc::clone(mirror),
                sent: now.monotonic,
                candidate: None,
                control: None,
                outstanding: u8::try_from(legs.len()).unwrap_or(u8::MAX),
                bytes,
            };
            self.waiting.push((key, Box::new(waiting)));
        }
        calls
    }

    /// Whether a mirror waits for as many answers as it may.
    fn is_full(&self, mirror: &Arc<Mirror>) -> bool {
        let waiting =
            || self.waiting.iter().filter(|(_, waiting)| Arc::ptr_eq(&waiting.mirror, mirror)).count();
        mirror.max_in_flight.is_some_and(|most| waiting() >= most)
    }

    fn shadow_call(
        &self,
        capture: &Capture,
        mirror: &Mirror,
        id: CallId,
        to: &antumbra_policy::Variant,
    ) -> Call {
        Call {
            id,
            cluster: to.cluster.clone(),
            headers: shadow::request_headers(capture, to, mirror),
            body: shadow::request_body(&capture.request).to_vec(),
            timeout: mirror.timeout,
        }
    }

    fn answered(&mut self, id: CallId, answer: Answer, now: Now) -> Vec<Call> {
        match id {
            CallId::Shadow(key, leg) => self.shadow_over(key, leg, Some(answer), now),
            CallId::Batch(sequence) => {
                let receipt = receipt(&answer);
                if receipt == Receipt::Stored {
                    self.alive(now);
                }
                self.outbox.settle(sequence, receipt, now.monotonic, &mut self.accounts);
                Vec::new()
            }
            CallId::Poll => {
                self.polled(answer, now);
                Vec::new()
            }
        }
    }

    fn not_sent(&mut self, id: CallId, now: Now) -> Vec<Call> {
        match id {
            CallId::Shadow(key, leg) => return self.shadow_over(key, leg, None, now),
            CallId::Batch(sequence) => {
                self.outbox.settle(sequence, Receipt::NotSent, now.monotonic, &mut self.accounts);
            }
            CallId::Poll => {
                let cluster = self.settings.comparator.as_ref().map_or("", |comparator| &comparator.cluster);
                let trouble =
                    format!("no call to the comparator is possible: is there a cluster {cluster:?}?");
                self.poll_over(Some(trouble));
            }
        }
        Vec::new()
    }

    /// One leg is over; with the last one the observation goes to the outbox.
    fn shadow_over(&mut self, key: u64, leg: LegName, answer: Option<Answer>, now: Now) -> Vec<Call> {
        let Ok(place) = self.waiting.binary_search_by_key(&key, |(key, _)| *key) else { return Vec::new() };
        let Some((_, waiting)) = self.waiting.get_mut(place) else { return Vec::new() };
        waiting.settle(leg, answer, now.monotonic);
        if waiting.outstanding > 0 {
            return Vec::new();
        }
        let (_, waiting) = self.waiting.remove(place);
        self.waiting_bytes = self.waiting_bytes.saturating_sub(waiting.bytes);
        let mut observation = waiting.observation(&self.settings.release);
        let mut encoded = encode(&observation);
        if encoded.len() > LARGEST_OBSERVATION {
            // Dropping it would drop the differing answers and keep the equal ones, which ship as "same".
            body::cut_all(&mut observation);
            encoded = encode(&observation);
        }
        let batch = self.outbox.push(&encoded, now.monotonic, &mut self.accounts);
        batch.and_then(|batch| self.post(batch)).into_iter().collect()
    }

    fn tick(&mut self, now: Now, dice: &mut Dice) -> Vec<Call> {
        let mut calls: Vec<Call> =
            self.outbox.due(now.monotonic).into_iter().filter_map(|batch| self.post(batch)).collect();
        if self.settings.enabled && self.link.as_mut().is_some_and(|link| link.poll(now.monotonic, dice)) {
            calls.extend(self.heartbeat());
        }
        calls
    }

    /// No call without a comparator: nothing is captured then either.
    fn post(&self, batch: Batch) -> Option<Call> {
        Some(self.settings.comparator.as_ref()?.batch(self.instance, batch))
    }

    fn heartbeat(&self) -> Option<Call> {
        let heartbeat = Heartbeat {
            version: VERSION,
            release: self.settings.release.clone(),
            instance: self.instance,
            generation: self.generation,
            accounts: self.accounts.clone(),
        };
        Some(self.settings.comparator.as_ref()?.heartbeat(&heartbeat))
    }

    /// 200 brings a policy, 204 says that ours is the newest; anything else leaves all as it is.
    fn polled(&mut self, answer: Answer, now: Now) {
        self.poll_over(trouble(&answer, &self.settings.release));
        let Answer::Complete { headers, body, .. } = answer else { return };
        match shadow::status(&headers) {
            Some(200) => self.install(&body),
            Some(204) => {}
            _ => return,
        }
        self.alive(now);
    }

    fn poll_over(&mut self, trouble: Option<String>) {
        let told = self.link.as_mut().and_then(|link| link.polled(trouble));
        self.notice = told.or(self.notice.take());
    }

    fn install(&mut self, document: &[u8]) {
        let hash = xxhash_rust::xxh3::xxh3_64(document);
        if self.refused == Some(hash) {
            return;
        }
        let compiled = Tree::from_json(document)
            .and_then(|tree| Policy::from_tree(&tree))
            .and_then(|policy| policy.bind(&self.settings.secrets));
        match compiled {
            Ok(policy) => {
                self.generation = policy.generation();
                self.policy = Some(Arc::new(policy));
                self.refused = None;
            }
            Err(invalid) => {
                self.rejected = Some(invalid);
                self.refused = Some(hash);
                self.refusals = self.refusals.saturating_add(1);
            }
        }
    }

    fn alive(&mut self, now: Now) {
        if let Some(link) = &mut self.link {
            link.alive(now.monotonic);
        }
    }

    fn abandon(&mut self) {
        let cut = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.farewell = Farewell::Said;
        self.poll_over(None);
        self.notice = None;
        if cut > 0 {
            let count = self.accounts.undelivered.entry("shutdown".to_owned()).or_default();
            *count = count.saturating_add(cut);
        }
        self.outbox.abandon(&mut self.accounts);
    }
}

impl Waiting {
    fn settle(&mut self, name: LegName, answer: Option<Answer>, now: Duration) {
        let (slot, variant) = match name {
            LegName::Candidate => (&mut self.candidate, Some(&self.mirror.to)),
            LegName::Control => (&mut self.control, self.mirror.control.as_ref().map(|control| &control.to)),
        };
        let variant = variant.map_or("", |variant| variant.name.as_str());
        let latency = u64::try_from(now.saturating_sub(self.sent).as_micros()).unwrap_or(u64::MAX);
        let leg = match answer {
            None => shadow::not_sent(variant),
            Some(answer) => {
                let Capture { request, primary, .. } = &*self.capture;
                shadow::leg(answer, request, variant, latency, self.mirror.max_body_bytes, primary)
            }
        };
        if slot.replace(leg).is_none() {
            self.outstanding = self.outstanding.saturating_sub(1);
        }
    }

    fn observation(self, release: &str) -> Observation {
        let candidate = self.candidate.unwrap_or_else(|| shadow::not_sent(&self.mirror.to.name));
        let capture = Arc::unwrap_or_clone(self.capture);
        Observation {
            version: VERSION,
            id: capture.id,
            release: release.to_owned(),
            generation: capture.generation,
            rule: Some(self.mirror.rule.clone()),
            at_us: capture.at_us,
            request: capture.request,
            primary: capture.primary,
            candidate,
            control: self.control,
        }
    }
}

#[cfg(test)]
mod tests;
