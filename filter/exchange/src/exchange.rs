//! One request from its headers to its end: record it if it is to be mirrored, and hand the record over.
//!
//! Nothing here waits and nothing is held back: every event answers with effects that the host can carry out on the spot.
//! The shadows leave only after the primary has ended, because only then does the host show the headers as finally routed.

use std::sync::Arc;
use std::time::Duration;

use antumbra_observation::{
    Body, Bytes, Collected, ExchangeId, Leg, NotMirrored, Outcome, Request, Response, SHADOW_HEADER,
    UnsafeMethod,
};
use antumbra_policy::{Decision, Mirror, Policy, SkippedMirror};

use crate::capture::{Capture, sent_us};
use crate::clock::Now;
use crate::headers::{Headers, first};
use crate::passed::Passed;
use crate::shadow;

/// What the host shows of one request and its response, in order.
pub enum Event<'a> {
    /// The request's headers arrived.
    RequestHeaders {
        /// What the policy decided, if there is a policy.
        decision: Option<&'a Decision<'a>>,
        /// The policy that decided, if there is one.
        policy: Option<&'a Arc<Policy>>,
        /// The request, to ask for single headers; each question may cost a call to the host.
        request: &'a dyn antumbra_policy::Request,
        /// The name of this exchange, in case it is mirrored.
        id: ExchangeId,
        /// Whether no body follows.
        end: bool,
    },
    /// A piece of the request's body went by.
    RequestBody {
        /// The bytes of the piece.
        chunk: &'a [u8],
        /// Whether it was the last piece.
        end: bool,
    },
    /// The request ended with trailers.
    RequestTrailers {
        /// The trailers in order, duplicates kept.
        trailers: Headers,
    },
    /// The response's headers arrived, `:status` among them.
    ResponseHeaders {
        /// The headers in order, duplicates kept.
        headers: Headers,
        /// Whether no body follows.
        end: bool,
    },
    /// A piece of the response's body went by.
    ResponseBody {
        /// The bytes of the piece.
        chunk: &'a [u8],
        /// Whether it was the last piece.
        end: bool,
    },
    /// The response ended with trailers.
    ResponseTrailers {
        /// The trailers in order, duplicates kept.
        trailers: Headers,
    },
}

/// Who gave the answer that the client got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A version of the service gave the answer.
    Service,
    /// The proxy gave the answer itself: no route, no healthy host, a filter's own answer.
    Proxy,
}

/// One request from its headers to its end, recorded if it is to be mirrored.
#[derive(Default)]
pub struct Exchange {
    state: State,
}

#[derive(Default)]
enum State {
    /// No event yet.
    #[default]
    Fresh,
    /// Will not be mirrored.
    Passing(Passed),
    /// Will be mirrored if it ends well.
    Recording(Box<Recording>),
    /// Handed over.
    Ended,
}

impl Exchange {
    /// Whether bodies and response headers are wanted; if not, the host need not read them.
    pub fn is_recording(&self) -> bool {
        matches!(self.state, State::Recording(_))
    }

    /// How many bytes the recording may come to hold, request and response up to the cap; `None` if nothing is recorded.
    pub fn reserved(&self) -> Option<usize> {
        match &self.state {
            State::Recording(recording) => Some(recording.reserved),
            State::Fresh | State::Passing(_) | State::Ended => None,
        }
    }

    /// Takes the request's headers and decides whether to record; [`Self::is_recording`] then says so.
    pub fn begin(&mut self, event: Event<'_>, now: Now) {
        let Event::RequestHeaders { decision, policy, request, id, end } = event else {
            return self.on(event, now);
        };
        self.state = match decision.zip(policy) {
            None => State::Passing(NotMirrored::NoPolicy.into()),
            Some((decision, policy)) => match refusal(decision, request) {
                Some(passed) => State::Passing(passed),
                None => {
                    let before = before(decision, request);
                    State::Recording(Box::new(Recording::new(decision, policy, before, id, end, now)))
                }
            },
        };
    }

    /// Takes everything after the request's headers while [`Self::is_recording`]; it may end the recording.
    pub fn on(&mut self, event: Event<'_>, now: Now) {
        let State::Recording(recording) = &mut self.state else { return };
        let age = now.monotonic.saturating_sub(recording.arrived.monotonic);
        match event {
            Event::RequestHeaders { .. } => {}
            Event::RequestBody { chunk, end } => {
                recording.request_body.push(chunk);
                if end {
                    recording.request_complete(now);
                }
            }
            Event::RequestTrailers { trailers } => {
                recording.request_trailers = shadow::observed(trailers);
                recording.request_complete(now);
            }
            Event::ResponseHeaders { headers, end } => recording.response_headers(headers, end, now),
            Event::ResponseBody { chunk, end } => {
                recording.response_body.push(chunk);
                if end {
                    recording.response_complete(now);
                }
            }
            Event::ResponseTrailers { trailers } => {
                recording.trailers = shadow::observed(trailers);
                recording.response_complete(now);
            }
        }
        let over = if recording.request_body.is_cut() {
            Some(NotMirrored::RequestBodyTooLarge)
        } else {
            (age > recording.longest).then_some(NotMirrored::TooLong)
        };
        if let Some(reason) = over {
            self.give_up(reason);
        }
    }

    /// Ends the recording, if there is one, for this reason: there is no place for it, or time passed and nothing came.
    pub fn give_up(&mut self, reason: NotMirrored) {
        if self.is_recording() {
            self.state = State::Passing(reason.into());
        }
    }

    /// Whether the exchange has lasted longer than it may be recorded.
    pub fn is_overdue(&self, now: Duration) -> bool {
        match &self.state {
            State::Recording(recording) => {
                now.saturating_sub(recording.arrived.monotonic) > recording.longest
            }
            State::Fresh | State::Passing(_) | State::Ended => false,
        }
    }

    /// Takes the end of the stream: the request's headers as finally routed, `None` if the host cannot show them, and who
    /// answered. Answers the record to mirror.
    ///
    /// # Errors
    /// Why the exchange is not mirrored.
    pub fn end(&mut self, routed: Option<Headers>, ending: Ending) -> Result<Box<Capture>, Passed> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Fresh => Err(NotMirrored::NoRequest.into()),
            State::Ended => Err(NotMirrored::EndedTwice.into()),
            State::Passing(passed) => Err(passed),
            State::Recording(recording) => Ok(recording.finish(routed, ending)?),
        }
    }
}

/// Why a request is not even recorded.
fn refusal(decision: &Decision<'_>, request: &dyn antumbra_policy::Request) -> Option<Passed> {
    if decision.mirrors.is_empty() {
        let reason = decision.skipped_mirror.map_or(NotMirrored::NoRule, skipped);
        return Some(Passed { reason, method: decision.unsafe_method.as_deref().map(UnsafeMethod::of) });
    }
    if request.header(SHADOW_HEADER).is_some() {
        return Some(NotMirrored::Shadow.into());
    }
    request.header("upgrade").is_some().then(|| NotMirrored::Upgrade.into())
}

/// The policy's reason among those of a request that was not mirrored.
fn skipped(by_policy: SkippedMirror) -> NotMirrored {
    match by_policy {
        SkippedMirror::NoRule => NotMirrored::NoRule,
        SkippedMirror::Red => NotMirrored::Red,
        SkippedMirror::UnsafeMethod => NotMirrored::UnsafeMethod,
        SkippedMirror::NotSampled => NotMirrored::NotSampled,
    }
}

/// What the client sent under the names that the chosen variant changes: a shadow goes to another one.
fn before(decision: &Decision<'_>, request: &dyn antumbra_policy::Request) -> Vec<(String, Option<Bytes>)> {
    let Some(variant) = decision.variant else { return Vec::new() };
    let changes = &variant.headers;
    let set = changes.set.iter().chain(&changes.add).map(|(name, _)| name.as_str());
    let names = set.chain(changes.remove.iter().map(String::as_str));
    names
        .chain(variant.host.iter().map(|_| ":authority"))
        .map(|name| (name.to_owned(), request.header(name).map(|value| (&*value).into())))
        .collect()
}

struct Recording {
    id: ExchangeId,
    policy: Arc<Policy>,
    before: Vec<(String, Option<Bytes>)>,
    variant: String,
    client: Option<u32>,
    mirrors: Vec<(Arc<Mirror>, bool)>,
    arrived: Now,
    request_done: Option<Now>,
    request_body: Collected,
    request_trailers: Headers,
    status: Option<u16>,
    response_headers: Headers,
    response_body: Collected,
    trailers: Headers,
    response_done: Option<Now>,
    reserved: usize,
    /// A primary that lasts longer than its shadows may has nothing to be compared with: an event stream, say.
    longest: Duration,
}

impl Recording {
    fn new(
        decision: &Decision<'_>,
        policy: &Arc<Policy>,
        before: Vec<(String, Option<Bytes>)>,
        id: ExchangeId,
        end: bool,
        now: Now,
    ) -> Self {
        let mirrors: Vec<_> = decision.mirrors.iter().map(|m| (Arc::clone(m.mirror), m.control)).collect();
        let cap = mirrors.iter().map(|(mirror, _)| mirror.max_body_bytes).max().unwrap_or(0);
        Self {
            id,
            policy: Arc::clone(policy),
            before,
            variant: decision.variant.map(|variant| variant.name.clone()).unwrap_or_default(),
            client: decision.client,
            mirrors,
            arrived: now,
            request_done: end.then_some(now),
            request_body: Collected::new(cap),
            request_trailers: Headers::new(),
            status: None,
            response_headers: Headers::new(),
            response_body: Collected::new(cap),
            trailers: Headers::new(),
            response_done: None,
            reserved: usize::try_from(cap.saturating_mul(2)).unwrap_or(usize::MAX),
            longest: decision.mirrors.iter().map(|m| m.mirror.timeout).max().unwrap_or_default(),
        }
    }

    fn request_complete(&mut self, now: Now) {
        self.request_done.get_or_insert(now);
    }

    fn response_headers(&mut self, headers: Headers, end: bool, now: Now) {
        self.status = shadow::status(&headers);
        self.response_headers = shadow::observed(headers);
        if end {
            self.response_complete(now);
        }
    }

    fn response_complete(&mut self, now: Now) {
        self.response_done.get_or_insert(now);
    }

    /// Whatever the proxy says of an exchange that broke off, it answered nothing itself. A shadow of a request whose end never
    /// came would ask for something else.
    fn finish(self: Box<Self>, routed: Option<Headers>, ending: Ending) -> Result<Box<Capture>, NotMirrored> {
        let response_done = self.response_done.ok_or(NotMirrored::ResponseIncomplete)?;
        if ending == Ending::Proxy {
            return Err(NotMirrored::LocalReply);
        }
        let request_done = self.request_done.ok_or(NotMirrored::RequestIncomplete)?;
        let routed = routed.ok_or(NotMirrored::HeadersUnreadable)?;
        let status = self.status.ok_or(NotMirrored::HeadersUnreadable)?;
        // A service may answer before the request is complete: then the answer's clock starts with the request's headers.
        let asked = Some(request_done).filter(|done| done.monotonic <= response_done.monotonic);
        let sent = asked.unwrap_or(self.arrived).monotonic;
        let latency = response_done.monotonic.saturating_sub(sent);
        let response = Response {
            status,
            headers: self.response_headers,
            body: self.response_body.finish(),
            trailers: self.trailers,
        };
        Ok(Box::new(Capture {
            id: self.id,
            generation: self.policy.generation().unwrap_or(0),
            policy: self.policy,
            before: self.before,
            at_us: self.arrived.wall_us,
            arrived: self.arrived.monotonic,
            client: self.client,
            mirrors: self.mirrors,
            request: observed_request(&routed, self.request_body.finish()),
            routed,
            trailers: self.request_trailers,
            reserved: self.reserved,
            primary: Leg {
                variant: self.variant,
                outcome: Outcome::Response,
                sent_us: sent_us(self.arrived.monotonic, sent),
                latency_us: u64::try_from(latency.as_micros()).ok(),
                response: Some(response),
                reason: None,
            },
        }))
    }
}

/// The request as the comparator sees it: named by the path that the client asked for, and without credentials, which
/// nobody needs to compare two answers.
fn observed_request(routed: &Headers, body: Body) -> Request {
    let value = |name| first(routed, name).unwrap_or_default().into();
    let path = first(routed, "x-envoy-original-path").or_else(|| first(routed, ":path")).unwrap_or_default();
    let shown =
        |name: &[u8]| !name.starts_with(b":") && !CREDENTIALS.iter().any(|c| name.eq_ignore_ascii_case(c));
    Request {
        method: value(":method"),
        path: path.into(),
        authority: value(":authority"),
        headers: routed.iter().filter(|(name, _)| shown(name)).take(shadow::MAX_OBSERVED).cloned().collect(),
        body,
    }
}

/// Request headers that no observation carries. (A shadow request that is handed over does, as one that the proxy sends.)
const CREDENTIALS: [&[u8]; 4] = [b"authorization", b"proxy-authorization", b"cookie", b"x-api-key"];

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use antumbra_policy::document::Tree;
    use antumbra_policy::{Dice, Policy};

    struct Asked(&'static [(&'static str, &'static str)]);

    impl antumbra_policy::Request for Asked {
        fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
            self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| Cow::Borrowed(value.as_bytes()))
        }

        fn peer_address(&self) -> Option<std::net::IpAddr> {
            None
        }

        fn now(&self) -> antumbra_policy::Timestamp {
            antumbra_policy::Timestamp(0)
        }
    }

    fn policy() -> Arc<Policy> {
        let text =
            br#"{"version":1,"generation":4,"name":"shop","variants":{"stable":null,"canary":null},"default":"stable","idFrom":"header:x-id",
            "rules":[{"mirror":[{"to":"canary","percent":100,"maxBodyBytes":8,"timeout":"2s"}]}]}"#;
        Arc::new(Policy::from_tree(&Tree::from_json(text).unwrap()).unwrap())
    }

    fn at(ms: u64) -> Now {
        Now { monotonic: Duration::from_millis(ms), wall_us: ms * 1000 }
    }

    const GET: Asked = Asked(&[(":method", "GET"), (":path", "/a")]);

    fn begun(request: &Asked, end: bool) -> Exchange {
        let policy = policy();
        let decision = policy.decide(request, Dice(1));
        let decision = Some(&decision);
        let mut exchange = Exchange::default();
        let event =
            Event::RequestHeaders { decision, policy: Some(&policy), request, id: ExchangeId(9), end };
        exchange.begin(event, at(0));
        exchange
    }

    fn ended(exchange: &mut Exchange, ending: Ending) -> Result<Box<Capture>, NotMirrored> {
        let routed =
            [(":method", "GET"), (":path", "/rewritten"), ("x-envoy-original-path", "/a"), ("cookie", "s=1")];
        let routed = Some(routed.map(|(n, v)| (n.into(), v.into())).to_vec());
        exchange.end(routed, ending).map_err(|passed| passed.reason)
    }

    #[test]
    fn a_whole_exchange_is_captured_with_its_latency() {
        let mut exchange = begun(&GET, false);
        exchange.on(Event::RequestBody { chunk: b"ask", end: true }, at(5));
        let headers = vec![(":status".into(), "201".into()), ("x-a".into(), "b".into())];
        exchange.on(Event::ResponseHeaders { headers, end: false }, at(8));
        exchange.on(Event::ResponseBody { chunk: b"answer is long", end: false }, at(9));
        exchange.on(Event::ResponseBody { chunk: b"", end: true }, at(12));
        let capture = ended(&mut exchange, Ending::Service).unwrap();
        assert_eq!(capture.request.path, "/a".into());
        assert_eq!(capture.client, None);
        assert_eq!(capture.request.body, Body::Whole("ask".into()));
        assert!(!capture.request.headers.iter().any(|(name, _)| &name[..] == b"cookie"));
        assert_eq!((capture.generation, capture.primary.latency_us), (4, Some(7_000)));
        assert_eq!(capture.primary.sent_us, Some(5_000), "when the request was complete");
        let response = capture.primary.response.unwrap();
        assert_eq!((response.status, response.headers.len()), (201, 1));
        assert!(matches!(response.body, Body::Cut { length: 14, .. }));
        assert_eq!(ended(&mut exchange, Ending::Service).unwrap_err(), NotMirrored::EndedTwice);
    }

    #[test]
    fn the_observation_says_who_asked() {
        let asked = Asked(&[(":method", "GET"), (":path", "/a"), ("x-id", "anna")]);
        let mut exchange = begun(&asked, true);
        exchange
            .on(Event::ResponseHeaders { headers: vec![(":status".into(), "200".into())], end: true }, at(8));
        let capture = ended(&mut exchange, Ending::Service).unwrap();
        let known = policy().decide(&asked, Dice(1)).client;
        let mirror = Arc::clone(&capture.mirrors[0].0);
        let leg = capture.primary.clone();
        let observation = capture.observation("shop", &mirror, leg, None);
        assert!(observation.client.is_some());
        assert_eq!(observation.client, known);
    }

    #[test]
    fn what_is_not_mirrored_has_a_reason() {
        let shadow = Asked(&[(":method", "GET"), (":path", "/a"), ("x-antumbra-shadow", "1")]);
        let upgrade = Asked(&[(":method", "GET"), (":path", "/a"), ("upgrade", "websocket")]);
        let write = Asked(&[(":method", "POST"), (":path", "/a")]);
        let cases = [
            (&shadow, NotMirrored::Shadow),
            (&upgrade, NotMirrored::Upgrade),
            (&write, NotMirrored::UnsafeMethod),
            (&GET, NotMirrored::ResponseIncomplete),
        ];
        for (request, reason) in cases {
            let mut exchange = begun(request, true);
            assert_eq!(ended(&mut exchange, Ending::Service).unwrap_err(), reason);
        }
        let passed = begun(&write, true).end(None, Ending::Service).unwrap_err();
        assert_eq!(passed.method, Some(UnsafeMethod::Post));
        let whole = |end| {
            let mut exchange = begun(&GET, end);
            exchange.on(Event::ResponseHeaders { headers: vec![], end: true }, at(1));
            exchange
        };
        assert_eq!(ended(&mut whole(true), Ending::Proxy).unwrap_err(), NotMirrored::LocalReply);
        assert_eq!(ended(&mut whole(false), Ending::Service).unwrap_err(), NotMirrored::RequestIncomplete);
        // An answer without a status cannot be compared.
        assert_eq!(ended(&mut whole(true), Ending::Service).unwrap_err(), NotMirrored::HeadersUnreadable);
        assert_eq!(
            ended(&mut begun(&GET, true), Ending::Proxy).unwrap_err(),
            NotMirrored::ResponseIncomplete
        );
        let mut exchange = begun(&GET, false);
        exchange.on(Event::RequestBody { chunk: b"123456789", end: false }, at(1));
        assert_eq!((exchange.is_recording(), exchange.reserved()), (false, None));
        assert_eq!(ended(&mut exchange, Ending::Service).unwrap_err(), NotMirrored::RequestBodyTooLarge);
    }

    /// Longer than its shadows may take, it has nothing to be compared with.
    #[test]
    fn what_has_no_end_is_given_up_while_it_lasts() {
        let mut exchange = begun(&GET, true);
        assert_eq!(exchange.reserved(), Some(16), "request and response, 8 bytes each");
        exchange.on(Event::ResponseBody { chunk: b"x", end: false }, at(2_000));
        assert!(exchange.is_recording() && !exchange.is_overdue(at(2_000).monotonic));
        assert!(exchange.is_overdue(at(2_001).monotonic));
        exchange.on(Event::ResponseBody { chunk: b"x", end: false }, at(2_001));
        assert_eq!(ended(&mut exchange, Ending::Service).unwrap_err(), NotMirrored::TooLong);
        let mut exchange = begun(&GET, true);
        exchange.give_up(NotMirrored::Lease);
        exchange.give_up(NotMirrored::Rate);
        assert_eq!(ended(&mut exchange, Ending::Service).unwrap_err(), NotMirrored::Lease);
    }

    #[test]
    fn without_a_policy_the_host_routes() {
        let mut exchange = Exchange::default();
        let event = Event::RequestHeaders {
            decision: None,
            policy: None,
            request: &GET,
            id: ExchangeId(1),
            end: true,
        };
        exchange.begin(event, at(0));
        assert_eq!(ended(&mut exchange, Ending::Service).unwrap_err(), NotMirrored::NoPolicy);
    }
}
