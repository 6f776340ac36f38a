//! The instance as a whole, with a clock and dice of the test's own.

mod by_tick;
mod handing_over;
mod telling;
mod together;

use super::*;

use std::time::Duration;

use antumbra_observation::{
    Body, ExchangeId, HEARTBEAT_HEADER, Leg, Outcome, POLICY_JSON, Request, Response, UnsafeMethod,
    decode_handovers, decode_heartbeat, decode_heartbeat_header, decode_sequence,
};

use crate::headers::Headers;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CONFIGURATION: &str =
    r#"{"release":"shop","comparator":{"cluster":"antumbra","token":"t"},"limits":{"exchangesInFlight":2}}"#;
const POLICY: &str = r#"{"version":1,"name":"shop","generation":7,"lease":"15s","default":"stable",
    "variants":{"stable":null,"candidate":{"cluster":"canary-shadow"},"control":null},
    "rules":[{"name":"m","mirror":[{"to":"candidate","percent":100,"control":{"to":"control","percent":100},"timeout":"3s"}]}]}"#;

struct Fixture {
    mirroring: Mirroring,
    dice: Dice,
}

impl Fixture {
    fn new() -> Self {
        let settings = Settings::from_json(CONFIGURATION.as_bytes()).unwrap();
        Self { mirroring: Mirroring::new(settings, Instance(5), None), dice: Dice(1) }
    }

    /// One that has its policy and its lease since 0 ms.
    fn running() -> Self {
        let mut instance = Self::new();
        let poll = instance.on(Incident::Tick, 0);
        assert_eq!(poll[0].id, CallId::Poll);
        instance.on(Incident::Answered(CallId::Poll, answer("200", POLICY)), 0);
        instance
    }

    fn on(&mut self, incident: Incident, ms: u64) -> Vec<Call> {
        self.mirroring.on(incident, at(ms), &mut self.dice)
    }

    fn admit(&mut self, bytes: usize, ms: u64) -> Result<(), NotMirrored> {
        self.mirroring.admit(bytes, at(ms))
    }

    fn capture(&self) -> Box<Capture> {
        let policy = self.mirroring.policy().unwrap();
        let decision = policy.decide(&Get, Dice(1));
        Box::new(Capture {
            id: ExchangeId(77),
            generation: 7,
            policy: Arc::clone(policy),
            before: Vec::new(),
            at_us: 1,
            arrived: Duration::ZERO,
            client: None,
            mirrors: decision.mirrors.iter().map(|m| (Arc::clone(m.mirror), m.control)).collect(),
            request: Request { method: "GET".into(), path: "/a".into(), ..Request::default() },
            reserved: 0,
            trailers: capture_trailers(),
            routed: vec![
                (":method".into(), "GET".into()),
                (":path".into(), "/a".into()),
                (":authority".into(), "h".into()),
            ],
            primary: Leg {
                variant: "stable".to_owned(),
                outcome: Outcome::Response,
                sent_us: Some(0),
                latency_us: Some(900),
                reason: None,
                response: Some(Response {
                    status: 200,
                    body: Body::Whole("ok".into()),
                    ..Response::default()
                }),
            },
        })
    }
}

fn capture_trailers() -> Headers {
    vec![("x-sum".into(), "42".into()), ("authorization".into(), "Bearer x".into())]
}

struct Get;

impl antumbra_policy::Request for Get {
    fn header(&self, name: &str) -> Option<std::borrow::Cow<'_, [u8]>> {
        (name == ":method").then_some(std::borrow::Cow::Borrowed(b"GET"))
    }

    fn peer_address(&self) -> Option<std::net::IpAddr> {
        None
    }

    fn now(&self) -> antumbra_policy::Timestamp {
        antumbra_policy::Timestamp(0)
    }
}

fn at(ms: u64) -> Now {
    Now { monotonic: Duration::from_millis(ms), wall_us: ms * 1_000 }
}

fn answer(status: &str, body: &str) -> Answer {
    let headers = vec![(":status".into(), status.into()), ("date".into(), "now".into())];
    Answer::Complete { headers, body: body.as_bytes().to_vec(), trailers: vec![] }
}

#[test]
fn an_exchange_becomes_one_observation_with_all_legs() {
    let mut instance = Fixture::running();
    let capture = instance.capture();
    instance.admit(0, 10).unwrap();
    let calls = instance.on(Incident::Captured(capture), 20);
    let clusters: Vec<&str> = calls.iter().map(|call| call.cluster.as_str()).collect();
    assert!(clusters.contains(&"canary-shadow") && clusters.contains(&"control"), "{clusters:?}");
    assert!(calls.iter().all(|call| call.timeout == Duration::from_secs(3)));
    assert!(calls.iter().all(|call| call.trailers == capture_trailers()));

    assert_eq!(
        instance.on(Incident::Answered(CallId::Shadow(0, LegName::Candidate), answer("200", "ok")), 25),
        []
    );
    assert_eq!(
        instance.on(Incident::NotSent(CallId::Shadow(0, LegName::Control), Unsent::ProxyRefused), 26),
        []
    );
    let calls = instance.on(Incident::Tick, 126);
    assert_eq!((calls[0].id, calls[0].cluster.as_str()), (CallId::Batch(1), "antumbra"));
    assert!(calls[0].headers.contains(&("authorization".into(), "Bearer t".into())));

    let observation = decode_sequence(&calls[0].body).unwrap().remove(0);
    assert_eq!((observation.release.as_str(), observation.rule.as_deref()), ("shop", Some("m")));
    assert_eq!(observation.candidate.latency_us, Some(5_000));
    assert_eq!(observation.candidate.response.unwrap().body, Body::Same);
    let control = observation.control.unwrap();
    assert_eq!((control.outcome, control.reason), (Outcome::NotSent, Some(Unsent::ProxyRefused)));

    instance.on(Incident::Answered(CallId::Batch(1), answer("200", "{}")), 130);
    let accounts = instance.mirroring.accounts();
    assert_eq!((accounts.requests, accounts.mirrored, accounts.delivered), (1, 1, 1));
    assert!(instance.mirroring.is_idle());
}

/// An exchange whose candidate the host calls at 20 ms and whose control at `control_ms`; both answer at 30 ms.
fn called(control_ms: u64, answers: [Answer; 2]) -> (Leg, Leg) {
    let mut instance = Fixture::running();
    let capture = Box::new(Capture { arrived: Duration::from_millis(8), ..*instance.capture() });
    instance.on(Incident::Captured(capture), 20);
    let [candidate, control] = [LegName::Candidate, LegName::Control].map(|leg| CallId::Shadow(0, leg));
    instance.mirroring.leaves(control, at(control_ms));
    instance.mirroring.leaves(CallId::Shadow(9, LegName::Control), at(25));
    for (id, answer) in [candidate, control].into_iter().zip(answers) {
        assert_eq!(instance.on(Incident::Answered(id, answer), 30), []);
    }
    let batch = instance.on(Incident::Tick, 200).remove(0);
    let observation = decode_sequence(&batch.body).unwrap().remove(0);
    (observation.candidate, observation.control.unwrap())
}

#[test]
fn each_leg_says_when_it_left_and_its_latency_begins_there() {
    let left = |leg: &Leg| (leg.sent_us, leg.latency_us);
    let (candidate, control) = called(21, [answer("200", "ok"), answer("200", "ok")]);
    assert_eq!(
        left(&candidate),
        (Some(12_000), Some(10_000)),
        "it leaves when it is decided, unless the host says more"
    );
    assert_eq!(left(&control), (Some(13_000), Some(9_000)));
    let own = vec![(":status".into(), "503".into())];
    let unsent = Answer::Complete { headers: own, body: b"no healthy upstream".to_vec(), trailers: vec![] };
    let (candidate, control) = called(22, [Answer::Broken, unsent]);
    assert_eq!(left(&candidate), (Some(12_000), Some(10_000)), "an answer that broke off was asked for");
    assert_eq!((control.outcome, left(&control)), (Outcome::NotSent, (None, None)));
}

#[test]
fn candidate_and_control_leave_in_random_order() {
    let mut instance = Fixture::running();
    let mut candidate_first = 0;
    for number in 0..1_000 {
        let capture = instance.capture();
        let calls = instance.on(Incident::Captured(capture), 1);
        candidate_first += u32::from(calls[0].id == CallId::Shadow(number, LegName::Candidate));
    }
    // Six standard deviations.
    assert!(candidate_first.abs_diff(500) < 95, "{candidate_first} of 1000");
}

#[test]
fn no_exchange_is_admitted_beyond_the_budget_or_the_lease() {
    let mut instance = Fixture::new();
    assert_eq!(instance.admit(0, 0), Err(NotMirrored::NoComparator), "no policy yet");
    instance = Fixture::running();
    assert_eq!(instance.admit(0, 15_001), Err(NotMirrored::Lease));
    assert_eq!(instance.admit(0, 15_000), Ok(()));
    instance = Fixture::running();
    instance.admit(0, 1).unwrap();
    let capture = instance.capture();
    instance.admit(0, 1).unwrap();
    assert_eq!(instance.admit(0, 1), Err(NotMirrored::ExchangesInFlight));
    instance.on(Incident::Captured(capture), 1);
    assert_eq!(instance.admit(0, 1), Err(NotMirrored::ExchangesInFlight), "now it waits for its shadows");
    instance.on(Incident::GivenUp(0), 1);
    instance.on(Incident::Passed(NotMirrored::LocalReply.into()), 1);
    assert_eq!(instance.admit(0, 1), Ok(()));
    assert_eq!(instance.mirroring.accounts().not_mirrored, [(NotMirrored::LocalReply, 1)].into());
}

#[test]
fn bytes_count_with_the_most_that_they_may_become() {
    let mut instance = Fixture::running();
    instance.admit(32 << 20, 1).unwrap();
    assert_eq!(instance.admit(1, 1), Err(NotMirrored::BytesInFlight));
    instance.on(Incident::GivenUp((32 << 20) - 1), 1);
    let capture = instance.capture();
    instance.on(Incident::Captured(capture), 1);
    assert_eq!(instance.admit((32 << 20) - 1, 1), Ok(()), "two answers of 64 KiB may come");
    assert_eq!(instance.admit(1, 1), Err(NotMirrored::ExchangesInFlight));
}

#[test]
fn what_may_write_is_counted_by_its_method() {
    let mut instance = Fixture::running();
    let passed = |method| Passed { reason: NotMirrored::UnsafeMethod, method };
    for method in [Some(UnsafeMethod::Put), Some(UnsafeMethod::Other), Some(UnsafeMethod::Put), None] {
        instance.on(Incident::Passed(passed(method)), 1);
    }
    let accounts = instance.mirroring.accounts();
    assert_eq!(accounts.not_mirrored, [(NotMirrored::UnsafeMethod, 4)].into());
    assert_eq!(accounts.unsafe_methods, [(UnsafeMethod::Put, 2), (UnsafeMethod::Other, 1)].into());
}

#[test]
fn a_service_that_does_not_answer_is_spared_until_it_answers_again() {
    for (silent, reason) in
        [(LegName::Candidate, NotMirrored::Breaker), (LegName::Control, NotMirrored::ControlBreaker)]
    {
        let mut instance = Fixture::running();
        for ms in (0..3_000).step_by(10) {
            let capture = instance.capture();
            for call in instance.on(Incident::Captured(capture), ms) {
                let failed = matches!(call.id, CallId::Shadow(_, leg) if leg == silent);
                let answer = if failed { Answer::Broken } else { answer("500", "") };
                instance.on(Incident::Answered(call.id, answer), ms);
            }
        }
        let mut tried = |ms| {
            let before = instance.mirroring.accounts().not_mirrored.get(reason);
            for _ in 0..1_000 {
                let capture = instance.capture();
                instance.on(Incident::Captured(capture), ms);
            }
            instance.mirroring.accounts().not_mirrored.get(reason) - before
        };
        // Two always leave, and six in a hundred of the rest after a second without a failure; six standard deviations.
        assert!((893..=984).contains(&tried(4_500)), "{reason:?}");
        assert_eq!(tried(30_000), 0, "{reason:?}");
    }
}

#[test]
fn a_poll_rides_along_with_a_batch_and_the_answer_brings_the_policy() {
    let mut instance = Fixture::running();
    let send = |instance: &mut Fixture, key, ms| {
        let capture = instance.capture();
        instance.on(Incident::Captured(capture), ms);
        instance.on(Incident::NotSent(CallId::Shadow(key, LegName::Candidate), Unsent::ProxyRefused), ms);
        instance.on(Incident::NotSent(CallId::Shadow(key, LegName::Control), Unsent::ProxyRefused), ms);
        let mut calls = instance.on(Incident::Tick, ms + 150);
        assert_eq!(calls.len(), 1, "no poll beside it");
        calls.remove(0)
    };
    let heartbeat = |call: &Call| {
        let value = call.headers.iter().find(|(name, _)| &name[..] == HEARTBEAT_HEADER.as_bytes())?;
        Some(decode_heartbeat_header(&value.1).unwrap())
    };
    assert_eq!(heartbeat(&send(&mut instance, 0, 1)), None, "the last poll is too young");
    let batch = send(&mut instance, 1, 700);
    let said = heartbeat(&batch).unwrap();
    assert_eq!((said.generation, said.accounts.mirrored), (Some(7), 2));

    let Answer::Complete { mut headers, body, .. } = answer("200", &POLICY.replace(":7", ":8")) else {
        panic!()
    };
    headers.push(("content-type".into(), POLICY_JSON.into()));
    let brought = Answer::Complete { headers, body, trailers: vec![] };
    instance.on(Incident::Answered(batch.id, brought), 900);
    assert_eq!(instance.mirroring.policy().unwrap().generation(), Some(8));
    assert_eq!(instance.mirroring.accounts().delivered, 1);
    assert_eq!(heartbeat(&send(&mut instance, 2, 1_300)).map(|said| said.generation), Some(Some(8)));
}

/// A comparator that asks for tokens takes no observations of an instance that it does not know, such as after a restart.
#[test]
fn a_batch_that_was_refused_is_sent_again_with_a_heartbeat() {
    let mut instance = Fixture::running();
    let capture = instance.capture();
    instance.on(Incident::Captured(capture), 1);
    for leg in [LegName::Candidate, LegName::Control] {
        instance.on(Incident::NotSent(CallId::Shadow(0, leg), Unsent::ProxyRefused), 1);
    }
    let carries = |calls: &[Call]| {
        let headers = calls.iter().filter(|call| call.id == CallId::Batch(1)).map(|call| &call.headers);
        let mut names = headers.flatten().map(|(name, _)| &name[..]);
        names.any(|name| name == HEARTBEAT_HEADER.as_bytes())
    };
    assert!(!carries(&instance.on(Incident::Tick, 150)), "the last poll is too young");
    let Answer::Complete { mut headers, .. } = answer("503", "") else { panic!() };
    headers.push(("retry-after".into(), "1".into()));
    let refused = Answer::Complete { headers, body: vec![], trailers: vec![] };
    instance.on(Incident::Answered(CallId::Batch(1), refused), 160);
    assert!(carries(&instance.on(Incident::Tick, 700)));
}

#[test]
fn an_observation_that_is_too_large_keeps_lengths_and_hashes() {
    let mut instance = Fixture::running();
    let mut capture = instance.capture();
    capture.request.body = Body::Whole(vec![7; 8 << 20].into());
    instance.on(Incident::Captured(capture), 1);
    instance.on(Incident::NotSent(CallId::Shadow(0, LegName::Control), Unsent::ProxyRefused), 1);
    instance.on(Incident::Answered(CallId::Shadow(0, LegName::Candidate), answer("200", "no")), 1);
    let batch = instance.on(Incident::Tick, 200).remove(0);
    let observation = decode_sequence(&batch.body).unwrap().remove(0);
    assert!(matches!(observation.request.body, Body::Cut { length: 8_388_608, .. }));
    let candidate = observation.candidate.response.unwrap().body;
    assert!(matches!(candidate, Body::Cut { length: 2, .. }), "{candidate:?}");
}

#[test]
fn a_bad_policy_leaves_the_last_good_one() {
    let mut instance = Fixture::running();
    for (status, body) in [("200", "nonsense"), ("200", r#"{"version":9}"#), ("404", "{}"), ("503", "")] {
        instance.on(Incident::Answered(CallId::Poll, answer(status, body)), 5);
        assert_eq!(instance.mirroring.policy().unwrap().generation(), Some(7), "{status} {body}");
        assert_eq!(instance.mirroring.take_rejected().is_some(), status == "200");
        let notice = instance.mirroring.take_notice();
        assert_eq!(notice.is_some(), status != "200", "{notice:?}");
    }
    instance.on(Incident::Answered(CallId::Poll, answer("200", &POLICY.replace(":7", ":8"))), 5);
    let heartbeat = instance.on(Incident::Tick, 2_000).pop().unwrap();
    assert_eq!(decode_heartbeat(&heartbeat.body).unwrap().generation, Some(8));
}

#[test]
fn what_is_left_at_the_end_is_counted() {
    let mut instance = Fixture::running();
    for _ in 0..2 {
        let capture = instance.capture();
        instance.on(Incident::Captured(capture), 1);
    }
    instance.on(Incident::NotSent(CallId::Shadow(0, LegName::Candidate), Unsent::ProxyRefused), 2);
    instance.on(Incident::NotSent(CallId::Shadow(0, LegName::Control), Unsent::ProxyRefused), 2);
    let drained = instance.on(Incident::Drain, 3);
    assert_eq!(drained[0].id, CallId::Batch(1), "what is complete leaves at once");
    assert_eq!(drained.len(), 1, "the farewell waits for what is out");
    assert!(!instance.mirroring.is_idle());
    instance.on(Incident::Abandon, 4);
    let accounts = instance.mirroring.accounts();
    assert_eq!(
        (accounts.mirrored, accounts.undelivered.get(Undelivered::Shutdown), accounts.unknown),
        (2, 1, 1)
    );
    assert!(instance.mirroring.is_idle());
}

#[test]
fn the_last_heartbeat_tells_the_last_accounts() {
    let mut instance = Fixture::running();
    let capture = instance.capture();
    instance.on(Incident::Captured(capture), 1);
    assert_eq!(instance.on(Incident::Drain, 2), []);
    instance.on(Incident::NotSent(CallId::Shadow(0, LegName::Candidate), Unsent::ProxyRefused), 2);
    instance.on(Incident::NotSent(CallId::Shadow(0, LegName::Control), Unsent::ProxyRefused), 2);
    let batch = instance.on(Incident::Tick, 500);
    assert_eq!(batch[0].id, CallId::Batch(1));
    let farewell = instance.on(Incident::Answered(CallId::Batch(1), answer("200", "{}")), 510).remove(0);
    assert_eq!(decode_heartbeat(&farewell.body).unwrap().accounts.delivered, 1);
    assert!(!instance.mirroring.is_idle());
    assert_eq!(instance.on(Incident::Answered(CallId::Poll, answer("204", "")), 520), []);
    assert!(instance.mirroring.is_idle());
}

#[test]
fn a_stream_that_only_notes_does_not_swallow_the_farewell() {
    let mut instance = Fixture::running();
    instance.on(Incident::Tick, 2_000);
    assert_eq!(instance.on(Incident::Drain, 2_001), [], "the poll under way comes first");
    instance.on(Incident::Answered(CallId::Poll, answer("204", "")), 2_002);
    let mut instance = Fixture::running();
    instance.mirroring.farewell = Farewell::Due;
    assert_eq!(instance.on(Incident::Passed(NotMirrored::NoRule.into()), 1), []);
    assert_eq!(instance.on(Incident::Tick, 2)[0].id, CallId::Poll);
}

#[test]
fn a_new_instance_of_the_release_keeps_the_policy_of_the_last() {
    let policy = Arc::clone(Fixture::running().mirroring.policy().unwrap());
    let settings = |text: &str| Settings::from_json(text.as_bytes()).unwrap();
    let next = Mirroring::new(settings(CONFIGURATION), Instance(6), Some(Arc::clone(&policy)));
    assert_eq!(next.policy().and_then(|policy| policy.generation()), Some(7));
    // Keys and comparator may be others now: it asks for the policy as if it had none.
    let mut next = Fixture { mirroring: next, dice: Dice(1) };
    let heartbeat = next.on(Incident::Tick, 0).pop().unwrap();
    assert_eq!(decode_heartbeat(&heartbeat.body).unwrap().generation, None);
    let off = CONFIGURATION.replacen('{', r#"{"enabled":false,"#, 1);
    assert!(Mirroring::new(settings(&off), Instance(6), Some(policy)).policy().is_none());
}

#[test]
fn a_policy_that_cannot_be_taken_is_said_once() {
    let mut instance = Fixture::running();
    let signed =
        POLICY.replace("\"lease\"", r#""override":{"header":"x-force","signedWith":"testers"},"lease""#);
    for (round, body) in [&signed, &signed, &signed.replace(":7", ":8")].into_iter().enumerate() {
        instance.on(Incident::Answered(CallId::Poll, answer("200", body)), 5);
        assert_eq!(instance.mirroring.take_rejected().is_some(), round != 1, "{round}");
    }
    assert_eq!(instance.mirroring.refusals(), 2);
    assert_eq!(instance.mirroring.policy().unwrap().generation(), Some(7));
}

#[test]
fn a_mirror_waits_for_no_more_answers_than_it_may() {
    let settings = Settings::from_json(CONFIGURATION.as_bytes()).unwrap();
    let mut instance = Fixture { mirroring: Mirroring::new(settings, Instance(5), None), dice: Dice(1) };
    instance.on(Incident::Tick, 0);
    let policy =
        POLICY.replace("\"percent\":100,\"control\"", "\"percent\":100,\"maxInFlight\":1,\"control\"");
    instance.on(Incident::Answered(CallId::Poll, answer("200", &policy)), 0);
    for calls in [2, 0] {
        let capture = instance.capture();
        assert_eq!(instance.on(Incident::Captured(capture), 1).len(), calls);
    }
    let accounts = instance.mirroring.accounts();
    assert_eq!((accounts.requests, accounts.mirrored), (2, 1));
    assert_eq!(accounts.not_mirrored.get(NotMirrored::MirrorInFlight), 1);
}
