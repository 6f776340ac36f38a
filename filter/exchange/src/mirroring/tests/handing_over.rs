//! Exchanges whose shadow calls the comparator makes.

use super::*;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn handing_over() -> Fixture {
    handing_over_with("")
}

fn handing_over_with(more: &str) -> Fixture {
    let mut instance = Fixture::new();
    instance.on(Incident::Tick, 0);
    let via = format!(r#""timeout":"3s",{more}"via":"comparator","headers":{{"remove":["authorization"]}}"#);
    let policy = POLICY.replace(r#""timeout":"3s""#, &via);
    instance.on(Incident::Answered(CallId::Poll, answer("200", &policy)), 0);
    instance
}

#[test]
fn the_comparator_gets_the_calls_written_out_and_time_to_make_them() {
    let mut instance = handing_over();
    let capture = instance.capture();
    assert_eq!(instance.on(Incident::Captured(capture), 1), []);
    let call = instance.on(Incident::Tick, 101).remove(0);
    assert_eq!((call.id, call.timeout), (CallId::Handovers(1), Duration::from_secs(3 + 2)));
    let handover = decode_handovers(&call.body).unwrap().remove(0);
    assert_eq!((handover.timeout_ms, handover.kept), (3_000, 65_536));
    assert_eq!(
        (handover.observation.candidate.outcome, handover.observation.control),
        (Outcome::NotSent, None)
    );
    let targets = [Some(&handover.candidate), handover.control.as_ref()];
    let targets = targets.map(|shadow| shadow.map(|shadow| shadow.target.as_str()));
    assert_eq!(targets, [Some("canary-shadow"), Some("control")]);
    assert!(handover.candidate.headers.contains(&(":path".into(), "/a".into())));
    assert_eq!(handover.candidate.trailers, [("x-sum".into(), "42".into())]);

    instance.on(Incident::Answered(call.id, answer("200", "{}")), 900);
    let accounts = instance.mirroring.accounts();
    assert_eq!((accounts.requests, accounts.mirrored, accounts.delivered), (1, 1, 1));
    assert!(instance.mirroring.is_idle());
}

#[test]
fn services_are_not_asked_twice_because_the_comparator_is_silent() {
    let mut instance = handing_over();
    let capture = instance.capture();
    instance.on(Incident::Captured(capture), 1);
    let call = instance.on(Incident::Tick, 101).remove(0);
    instance.on(Incident::Answered(call.id, answer("504", "")), 900);
    assert_eq!(instance.mirroring.accounts().unknown, 1);
    assert!(instance.mirroring.is_idle());
}

#[test]
fn a_handover_that_is_too_large_keeps_the_request() {
    let mut instance = handing_over();
    let mut capture = instance.capture();
    capture.request.body = Body::Whole("ask".into());
    if let Some(response) = &mut capture.primary.response {
        response.body = Body::Whole(vec![7; 8 << 20].into());
    }
    instance.on(Incident::Captured(capture), 1);
    let call = instance.on(Incident::Tick, 101).remove(0);
    let handover = decode_handovers(&call.body).unwrap().remove(0);
    assert_eq!((handover.kept, handover.observation.request.body), (0, Body::Whole("ask".into())));
    let primary = handover.observation.primary.response.unwrap().body;
    assert!(matches!(primary, Body::Cut { length: 8_388_608, .. }));
}

#[test]
fn what_finds_no_room_in_the_outbox_is_not_in_flight() {
    let instance = handing_over_with("\"maxInFlight\":2,");
    let capture: Arc<Capture> = Arc::from(instance.capture());
    let mirror = &Arc::clone(&capture.mirrors[0].0);
    let mut accounts = Accounts::default();
    let mut push = |handovers: &mut Handovers| {
        handovers.push(&capture, mirror, None, "shop", Duration::ZERO, &mut accounts);
    };
    let mut one = Handovers::new(usize::MAX);
    push(&mut one);
    let mut handovers = Handovers::new(one.outbox.held());
    push(&mut handovers);
    push(&mut handovers);
    assert!(!handovers.is_full(mirror), "one is in flight");
    assert_eq!(accounts.undelivered.get(Undelivered::OutboxFull), 1);
}

#[test]
fn a_mirror_hands_over_no_more_than_it_may_have_in_flight() {
    let mut instance = handing_over_with("\"maxInFlight\":1,");
    let hand_over = |instance: &mut Fixture, ms| {
        let capture = instance.capture();
        instance.on(Incident::Captured(capture), ms);
        instance.mirroring.accounts().mirrored
    };
    assert_eq!(hand_over(&mut instance, 1), 1);
    assert_eq!(hand_over(&mut instance, 2), 1, "the first waits for its batch");
    let call = instance.on(Incident::Tick, 101).remove(0);
    assert_eq!(hand_over(&mut instance, 102), 1, "it is out");
    instance.on(Incident::NotSent(call.id, Unsent::ProxyRefused), 103);
    assert_eq!(hand_over(&mut instance, 104), 1, "it is to be sent again");
    let again = instance.on(Incident::Tick, 700).remove(0);
    instance.on(Incident::Answered(again.id, answer("200", "{}")), 800);
    assert_eq!(hand_over(&mut instance, 801), 2);
    assert_eq!(instance.mirroring.accounts().not_mirrored.get(NotMirrored::MirrorInFlight), 3);
}
