//! One request as the host calls it back. Most are not mirrored: those cost no call but the policy's, and keep only a reason.
//!
//! Nothing is held back, with one exception: where a rule asks for the body of a request, its headers wait for that.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use antumbra_exchange::{Ending, Event, Exchange, Host, Incident, Now, Passed};
use antumbra_observation::{ExchangeId, NotMirrored};
use antumbra_policy::{Decision, Dice, Edit, OwnedEdit, Policy, Variant};

use crate::host::{self, AwaitedBody, Buffer, CurrentRequest, Map};
use crate::instance::FilterInstance;

/// A stream context.
pub(crate) struct Stream {
    instance: Rc<FilterInstance>,
    exchange: Exchange,
    held: Option<Held>,
    /// What the decision tells the client.
    response_edits: Vec<OwnedEdit>,
    /// What the recording under way has reserved of the instance's budget.
    reserved: Option<usize>,
    /// Look at the end whether the proxy has a route for this variant.
    watched: Option<(Arc<Policy>, Arc<Variant>)>,
}

/// A request that waits for its body.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// Decide again when it is there.
    dice: Dice,
    /// Some of it has come.
    begun: bool,
}

/// Whether the host may go on with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    Hold,
}

impl Stream {
    pub(crate) fn new(instance: Rc<FilterInstance>) -> Self {
        Self {
            instance,
            exchange: Exchange::default(),
            held: None,
            response_edits: Vec::new(),
            reserved: None,
            watched: None,
        }
    }

    pub(crate) fn request_headers(&mut self, end: bool) -> Flow {
        let Some(policy) = self.instance.policy() else {
            // Whoever is not told yet where to send requests does not let clients say it either.
            if self.instance.is_enabled() {
                self.edit(Map::RequestHeaders, &Edit::Remove(VARIANT_HEADER));
            }
            self.begin(None, &CurrentRequest::unasked(), end);
            return Flow::Continue;
        };
        let body = match policy.reads_bodies() && !end && self.instance.awaits_bodies() {
            true => AwaitedBody::Within(policy.largest_body()),
            false => AwaitedBody::Ignored,
        };
        let request = CurrentRequest::asked_by(&policy, body);
        let dice = host::dice();
        let decision = policy.decide(&request, dice);
        if decision.awaits_body {
            self.held = Some(Held { dice, begun: false });
            return Flow::Hold;
        }
        self.carry_out(&policy, &decision, &request, end);
        Flow::Continue
    }

    pub(crate) fn request_body(&mut self, size: usize, end: bool) -> Flow {
        if let Some(held) = &mut self.held {
            held.begun = true;
            self.instance.body_came(true);
            if !end {
                return Flow::Hold;
            }
            self.decide_with(AwaitedBody::Here(chunk(Buffer::RequestBody, size)));
        }
        if self.exchange.is_recording() {
            self.drive(Event::RequestBody { chunk: &chunk(Buffer::RequestBody, size), end });
        }
        Flow::Continue
    }

    pub(crate) fn request_trailers(&mut self) {
        if self.held.is_some() {
            self.decide_with(AwaitedBody::Here(chunk(Buffer::RequestBody, LARGEST_HELD)));
            if self.exchange.is_recording() {
                let held = chunk(Buffer::RequestBody, LARGEST_HELD);
                self.drive(Event::RequestBody { chunk: &held, end: false });
            }
        }
        if self.exchange.is_recording() {
            let trailers = host::headers(Map::RequestTrailers).unwrap_or_default();
            self.drive(Event::RequestTrailers { trailers });
        }
    }

    pub(crate) fn response_headers(&mut self, end: bool) {
        if self.exchange.is_recording() {
            let headers = host::headers(Map::ResponseHeaders).unwrap_or_default();
            self.drive(Event::ResponseHeaders { headers, end });
        }
        for edit in &self.response_edits {
            self.edit(Map::ResponseHeaders, &edit.borrowed());
        }
    }

    pub(crate) fn response_body(&mut self, size: usize, end: bool) {
        if self.exchange.is_recording() {
            self.drive(Event::ResponseBody { chunk: &chunk(Buffer::ResponseBody, size), end });
        }
    }

    pub(crate) fn response_trailers(&mut self) {
        if self.exchange.is_recording() {
            let trailers = host::headers(Map::ResponseTrailers).unwrap_or_default();
            self.drive(Event::ResponseTrailers { trailers });
        }
    }

    /// The stream is over; the host shows the request once more.
    pub(crate) fn log(&mut self) {
        self.look_at_the_route();
        let (routed, ending) = match self.exchange.is_recording() {
            true => (host::headers(Map::RequestHeaders), ending()),
            false => (None, Ending::Service),
        };
        match self.exchange.end(routed, ending) {
            Ok(captured) => self.instance.captured(captured),
            Err(passed) => self.pass(passed),
        }
    }

    /// A request that the proxy answered itself has no upstream.
    fn look_at_the_route(&mut self) {
        let Some((policy, variant)) = self.watched.take() else { return };
        let cluster = host::property(&["xds", "cluster_name"]).filter(|name| !name.is_empty());
        self.instance.routed(&policy, &variant, cluster.as_deref());
    }

    /// The stream is over, and the host never showed the request again: only what would have been mirrored is missed for that.
    pub(crate) fn give_up(&mut self) {
        let passed = match self.exchange.end(None, Ending::Service) {
            Ok(_) | Err(Passed { reason: NotMirrored::HeadersUnreadable, .. }) => {
                NotMirrored::Unlogged.into()
            }
            Err(passed) => passed,
        };
        self.pass(passed);
    }

    /// Whether the request waits for its body.
    pub(crate) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Whether the request waits for its body, of which nothing has come.
    pub(crate) fn is_held_in_vain(&self) -> bool {
        self.held.is_some_and(|held| !held.begun)
    }

    /// The host ends the stream: nothing is to be continued.
    pub(crate) fn stop_waiting(&mut self) {
        self.held = None;
    }

    /// Nothing of the body came in time: the request goes on without. Outside the stream's own callbacks. Once some of it came,
    /// the rest is waited for: hosts do not take back what they buffer, and the service needs all of it anyway.
    pub(crate) fn give_up_body(&mut self) {
        if self.is_held_in_vain() {
            self.instance.body_came(false);
            self.decide_with(AwaitedBody::Ignored);
            host::continue_request();
        }
    }

    /// The policy decides about a held request again, which then goes on.
    fn decide_with(&mut self, body: AwaitedBody) {
        let Some(Held { dice, .. }) = self.held.take() else { return };
        let Some(policy) = self.instance.policy() else { return };
        let request = CurrentRequest::asked_by(&policy, body);
        let decision = policy.decide(&request, dice);
        self.carry_out(&policy, &decision, &request, false);
    }

    fn carry_out(
        &mut self,
        policy: &Arc<Policy>,
        decision: &Decision<'_>,
        request: &CurrentRequest,
        end: bool,
    ) {
        // First, so that it sees what the client sent.
        self.begin(Some((policy, decision)), request, end);
        for edit in &decision.request_edits {
            self.edit(Map::RequestHeaders, edit);
        }
        let variant = decision.variant.filter(|variant| self.instance.wants_route(policy, variant));
        self.watched = variant.map(|variant| (Arc::clone(policy), Arc::clone(variant)));
        if policy.logs_decisions() {
            host::set_property("antumbra_variant", decision.variant.map_or("", |variant| &variant.name));
            host::set_property("antumbra_rule", decision.rule.unwrap_or(decision.reason.as_str()));
        }
        if policy.counts_decisions() {
            self.instance.decided(policy, decision);
        }
        self.response_edits = decision.response_edits.iter().cloned().map(Edit::into_owned).collect();
    }

    /// Some hosts only say that they removed a header: there what the client sent is emptied first.
    fn edit(&self, map: Map, edit: &Edit<'_>) {
        if let (Host::Generic, Edit::Remove(name)) = (self.instance.host(), edit)
            && host::header(map, name).is_some()
        {
            host::edit(map, &Edit::Set(name, b"".into()));
        }
        host::edit(map, edit);
    }

    fn begin(&mut self, decided: Option<(&Arc<Policy>, &Decision<'_>)>, request: &CurrentRequest, end: bool) {
        let decision = decided.map(|(_, decision)| decision);
        let sampled = decision.is_some_and(|decision| !decision.mirrors.is_empty());
        let now = if sampled { host::arrival() } else { Now::default() };
        let event = Event::RequestHeaders {
            decision,
            policy: decided.map(|(policy, _)| policy),
            request,
            id: if sampled { FilterInstance::exchange_id() } else { ExchangeId(0) },
            end,
        };
        self.exchange.begin(event, now);
        if let Some(bytes) = self.exchange.reserved() {
            match self.instance.admit(bytes, now) {
                Ok(()) => self.reserved = Some(bytes),
                Err(reason) => self.exchange.give_up(reason),
            }
        }
    }

    /// Whether something is being recorded, which may have to be given up although the host calls nothing.
    pub(crate) fn is_recording(&self) -> bool {
        self.exchange.is_recording()
    }

    /// Gives up a recording that lasts too long.
    pub(crate) fn look_at_the_clock(&mut self, now: Duration) {
        if self.exchange.is_overdue(now) {
            self.exchange.give_up(NotMirrored::TooLong);
            self.release();
        }
    }

    fn drive(&mut self, event: Event<'_>) {
        self.exchange.on(event, host::now());
        if !self.exchange.is_recording() {
            self.release();
        }
    }

    fn pass(&mut self, passed: Passed) {
        self.release();
        self.instance.note(Incident::Passed(passed));
    }

    /// Gives back what a recording that is over had reserved.
    fn release(&mut self) {
        if let Some(bytes) = self.reserved.take() {
            self.instance.note(Incident::GivenUp(bytes));
        }
    }
}

fn chunk(buffer: Buffer, size: usize) -> Vec<u8> {
    if size == 0 { Vec::new() } else { host::buffer(buffer, size).unwrap_or_default() }
}

/// Envoy names every answer that it gave itself; a host without such names is taken at its word.
fn ending() -> Ending {
    match host::property(&["response", "code_details"]) {
        Some(details) if !details.is_empty() && details != b"via_upstream" => Ending::Proxy,
        _ => Ending::Service,
    }
}

/// The header of a policy that names no other.
const VARIANT_HEADER: &str = "x-antumbra-variant";
/// Bytes of a body that a policy may wait for at the most.
const LARGEST_HELD: usize = 1024 * 1024;
