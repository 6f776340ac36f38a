//! One request as the host calls it back. Most are not mirrored: those cost no call but the policy's, and keep only a reason.
//!
//! Nothing is held back, with one exception: where a rule asks for the body of a request, its headers wait for that.

use std::rc::Rc;
use std::sync::Arc;

use antumbra_exchange::{Ending, Event, Exchange, Gate, Incident, Now};
use antumbra_observation::ExchangeId;
use antumbra_policy::{Decision, Dice, Edit, OwnedEdit, Policy};

use crate::host::{self, AwaitedBody, Buffer, CurrentRequest, Map};
use crate::root::FilterInstance;

/// A stream context.
pub(crate) struct Stream {
    instance: Rc<FilterInstance>,
    exchange: Exchange,
    /// The request waits for its body; these dice decide again when it is there.
    held: Option<Dice>,
    /// What the decision tells the client.
    response_edits: Vec<OwnedEdit>,
    /// What the recording under way has reserved of the instance's budget.
    reserved: Option<usize>,
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
        }
    }

    pub(crate) fn request_headers(&mut self, end: bool) -> Flow {
        let Some(policy) = self.instance.policy() else {
            self.begin(None, 0, &CurrentRequest::new(0, AwaitedBody::Ignored), end);
            return Flow::Continue;
        };
        let body = match policy.reads_bodies() && !end {
            true => AwaitedBody::Within(policy.largest_body()),
            false => AwaitedBody::Ignored,
        };
        let request = CurrentRequest::new(policy.header_count(), body);
        let dice = host::dice();
        let decision = policy.decide(&request, dice);
        if decision.awaits_body {
            self.held = Some(dice);
            return Flow::Hold;
        }
        self.carry_out(&policy, &decision, &request, end);
        Flow::Continue
    }

    pub(crate) fn request_body(&mut self, size: usize, end: bool) -> Flow {
        if let Some(dice) = self.held {
            if !end {
                return Flow::Hold;
            }
            self.decide_with_body(dice, size);
        }
        if self.exchange.is_recording() {
            self.drive(Event::RequestBody { chunk: &chunk(Buffer::RequestBody, size), end });
        }
        Flow::Continue
    }

    pub(crate) fn request_trailers(&mut self) {
        if let Some(dice) = self.held {
            self.decide_with_body(dice, LARGEST_HELD);
            if self.exchange.is_recording() {
                let held = chunk(Buffer::RequestBody, LARGEST_HELD);
                self.drive(Event::RequestBody { chunk: &held, end: false });
            }
        }
        if self.exchange.is_recording() {
            self.drive(Event::RequestTrailers);
        }
    }

    pub(crate) fn response_headers(&mut self, end: bool) {
        if self.exchange.is_recording() {
            let headers = host::headers(Map::ResponseHeaders).unwrap_or_default();
            self.drive(Event::ResponseHeaders { headers, end });
        }
        for edit in &self.response_edits {
            host::edit(Map::ResponseHeaders, &edit.borrowed());
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
        let event = if self.exchange.is_recording() {
            Event::Ended { request: host::headers(Map::RequestHeaders), ending: ending() }
        } else {
            Event::Ended { request: None, ending: Ending::Service }
        };
        match self.exchange.end(event) {
            Ok(captured) => self.instance.captured(captured),
            Err(reason) => self.pass(reason),
        }
    }

    /// The stream is over, and the host never showed the request again.
    pub(crate) fn give_up(&mut self) {
        self.pass("unlogged");
    }

    /// The body of a held request is there: the policy decides again, and the request goes on.
    fn decide_with_body(&mut self, dice: Dice, size: usize) {
        self.held = None;
        let Some(policy) = self.instance.policy() else { return };
        let body = AwaitedBody::Here(chunk(Buffer::RequestBody, size));
        let request = CurrentRequest::new(policy.header_count(), body);
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
        for edit in &decision.request_edits {
            host::edit(Map::RequestHeaders, edit);
        }
        if policy.logs_decisions() {
            host::set_property("antumbra_variant", decision.variant.map_or("", |variant| &variant.name));
            host::set_property("antumbra_rule", decision.rule.unwrap_or(decision.reason.as_str()));
        }
        if policy.counts_decisions() {
            self.instance.decided(policy, decision);
        }
        self.response_edits = decision.response_edits.iter().cloned().map(Edit::into_owned).collect();
        self.begin(Some(decision), policy.generation().unwrap_or(0), request, end);
    }

    fn begin(
        &mut self,
        decision: Option<&Decision<'_>>,
        generation: u64,
        request: &CurrentRequest,
        end: bool,
    ) {
        let sampled = decision.is_some_and(|decision| !decision.mirrors.is_empty());
        let now = if sampled { host::now() } else { Now::default() };
        let event = Event::RequestHeaders {
            decision,
            generation,
            request,
            gate: if sampled { self.instance.gate(now) } else { Gate::Open },
            id: if sampled { FilterInstance::exchange_id() } else { ExchangeId(0) },
            end,
        };
        self.exchange.begin(event, now);
        self.reserved = self.exchange.reserved();
        if let Some(bytes) = self.reserved {
            self.instance.note(Incident::Recording(bytes));
        }
    }

    fn drive(&mut self, event: Event<'_>) {
        self.exchange.on(event, host::now());
        if !self.exchange.is_recording() {
            self.release();
        }
    }

    fn pass(&mut self, reason: &'static str) {
        self.release();
        self.instance.note(Incident::Passed(reason));
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

/// Bytes of a body that a policy may wait for at the most.
const LARGEST_HELD: usize = 1024 * 1024;
