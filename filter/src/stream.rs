//! One request as the host calls it back; every callback answers "go on" at once.

use std::rc::Rc;

use antumbra_exchange::{Ending, Event, Exchange, Gate, Incident, Now, Route};
use antumbra_observation::ExchangeId;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::host::{self, Buffer, CurrentRequest, Map};
use crate::root::FilterInstance;

/// A stream context.
pub(crate) struct Stream {
    root: u32,
    instance: Option<Rc<FilterInstance>>,
    exchange: Exchange,
    /// What the recording under way has reserved of the instance's budget.
    reserved: Option<usize>,
}

impl Stream {
    pub(crate) fn new(root: u32, instance: Option<Rc<FilterInstance>>) -> Self {
        Self { root, instance, exchange: Exchange::default(), reserved: None }
    }

    fn begin(&mut self, instance: &FilterInstance, end: bool) {
        let policy = instance.policy();
        let decision = policy.as_ref().map(|policy| policy.decide(&CurrentRequest, host::dice()));
        let sampled = decision.as_ref().is_some_and(|decision| !decision.mirrors.is_empty());
        let now = if sampled { host::now() } else { Now::default() };
        let event = Event::RequestHeaders {
            decision,
            generation: policy.as_ref().and_then(|policy| policy.generation()).unwrap_or(0),
            request: &CurrentRequest,
            gate: if sampled { instance.gate(now) } else { Gate::Open },
            id: if sampled { FilterInstance::exchange_id() } else { ExchangeId(0) },
            end,
        };
        let route = self.exchange.begin(event, now);
        match (route, &policy) {
            (Some(Route::Variant(name)), Some(policy)) => {
                host::set_request_header(policy.variant_header(), &name);
            }
            (Some(Route::HostDefault), Some(policy)) => host::remove_request_header(policy.variant_header()),
            _ => {}
        }
        self.reserved = self.exchange.reserved();
        if let Some(bytes) = self.reserved {
            instance.note(Incident::Recording(bytes));
        }
    }

    fn drive(&mut self, event: Event<'_>) -> Action {
        self.exchange.on(event, host::now());
        if !self.exchange.is_recording() {
            self.release();
        }
        Action::Continue
    }

    /// Gives back what a recording that is over had reserved.
    fn release(&mut self) {
        if let (Some(bytes), Some(instance)) = (self.reserved.take(), &self.instance) {
            instance.note(Incident::GivenUp(bytes));
        }
    }

    fn end(&mut self) -> Result<Incident, &'static str> {
        let event = if self.exchange.is_recording() {
            Event::Ended { request: host::headers(Map::RequestHeaders), ending: ending() }
        } else {
            Event::Ended { request: None, ending: Ending::Service }
        };
        self.exchange.end(event).map(Incident::Captured)
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        if let Some(instance) = self.instance.clone() {
            self.begin(&instance, end);
        }
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        if !self.exchange.is_recording() {
            return Action::Continue;
        }
        let chunk = chunk(Buffer::RequestBody, size);
        self.drive(Event::RequestBody { chunk: &chunk, end })
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.drive(Event::RequestTrailers)
    }

    fn on_http_response_headers(&mut self, _count: usize, end: bool) -> Action {
        if !self.exchange.is_recording() {
            return Action::Continue;
        }
        let headers = host::headers(Map::ResponseHeaders).unwrap_or_default();
        self.drive(Event::ResponseHeaders { headers, end })
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        if !self.exchange.is_recording() {
            return Action::Continue;
        }
        let chunk = chunk(Buffer::ResponseBody, size);
        self.drive(Event::ResponseBody { chunk: &chunk, end })
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        if !self.exchange.is_recording() {
            return Action::Continue;
        }
        let trailers = host::headers(Map::ResponseTrailers).unwrap_or_default();
        self.drive(Event::ResponseTrailers { trailers })
    }

    fn on_log(&mut self) {
        let Some(instance) = self.instance.clone() else { return };
        match self.end() {
            Ok(captured) => instance.hand_over(self.root, captured),
            Err(reason) => {
                self.release();
                instance.note(Incident::Passed(reason));
            }
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
