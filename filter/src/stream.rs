//! One request as the host calls it back. Most are not mirrored: those cost no call but the policy's, and keep only a reason.

use std::rc::Rc;

use antumbra_exchange::{Ending, Event, Exchange, Gate, Incident, Now, Route};
use antumbra_observation::ExchangeId;

use crate::host::{self, Buffer, CurrentRequest, Map};
use crate::root::FilterInstance;

/// A stream context.
pub(crate) struct Stream {
    instance: Rc<FilterInstance>,
    exchange: Exchange,
    /// What the recording under way has reserved of the instance's budget.
    reserved: Option<usize>,
}

impl Stream {
    pub(crate) fn new(instance: Rc<FilterInstance>) -> Self {
        Self { instance, exchange: Exchange::default(), reserved: None }
    }

    pub(crate) fn request_headers(&mut self, end: bool) {
        let policy = self.instance.policy();
        let decision = policy.as_ref().map(|policy| policy.decide(&CurrentRequest, host::dice()));
        let sampled = decision.as_ref().is_some_and(|decision| !decision.mirrors.is_empty());
        let now = if sampled { host::now() } else { Now::default() };
        let event = Event::RequestHeaders {
            decision,
            generation: policy.as_ref().and_then(|policy| policy.generation()).unwrap_or(0),
            request: &CurrentRequest,
            gate: if sampled { self.instance.gate(now) } else { Gate::Open },
            id: if sampled { FilterInstance::exchange_id() } else { ExchangeId(0) },
            end,
        };
        let route = self.exchange.begin(event, now);
        match (route, &policy) {
            (Some(Route::Variant(name)), Some(policy)) => {
                host::set_request_header(policy.variant_header(), name);
            }
            (Some(Route::HostDefault), Some(policy)) => host::remove_request_header(policy.variant_header()),
            _ => {}
        }
        self.reserved = self.exchange.reserved();
        if let Some(bytes) = self.reserved {
            self.instance.note(Incident::Recording(bytes));
        }
    }

    pub(crate) fn request_body(&mut self, size: usize, end: bool) {
        if self.exchange.is_recording() {
            self.drive(Event::RequestBody { chunk: &chunk(Buffer::RequestBody, size), end });
        }
    }

    pub(crate) fn request_trailers(&mut self) {
        if self.exchange.is_recording() {
            self.drive(Event::RequestTrailers);
        }
    }

    pub(crate) fn response_headers(&mut self, end: bool) {
        if self.exchange.is_recording() {
            let headers = host::headers(Map::ResponseHeaders).unwrap_or_default();
            self.drive(Event::ResponseHeaders { headers, end });
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
