//! On a host that takes calls from the tick alone: the same exchange, one tick later.

use super::*;

#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn running() -> Fixture {
    let configuration = CONFIGURATION.replacen('{', r#"{"host":"generic","#, 1);
    let settings = Settings::from_json(configuration.as_bytes()).unwrap();
    let mut instance = Fixture { mirroring: Mirroring::new(settings, Instance(5), None), dice: Dice(1) };
    assert_eq!(instance.on(Incident::Tick, 0)[0].id, CallId::Poll);
    assert_eq!(instance.on(Incident::Answered(CallId::Poll, answer("200", POLICY)), 1), []);
    assert!(instance.mirroring.policy().is_none(), "the answer waits for the tick");
    assert_eq!(instance.on(Incident::Tick, 2), []);
    instance
}

fn shadow(leg: LegName) -> CallId {
    CallId::Shadow(0, leg)
}

#[test]
fn calls_leave_on_the_tick_and_latency_counts_from_there() {
    let mut instance = running();
    instance.admit(0, 10).unwrap();
    let capture = instance.capture();
    assert_eq!(instance.on(Incident::Captured(capture), 20), []);
    let mut shadows: Vec<CallId> = instance.on(Incident::Tick, 50).iter().map(|call| call.id).collect();
    shadows.sort();
    assert_eq!(shadows, [LegName::Candidate, LegName::Control].map(shadow));

    for (leg, ms) in [(LegName::Candidate, 57), (LegName::Control, 60)] {
        assert_eq!(instance.on(Incident::Answered(shadow(leg), answer("200", "ok")), ms), []);
    }
    assert_eq!(instance.on(Incident::Tick, 100), [], "its observation waits for others");
    let batch = instance.on(Incident::Tick, 200).remove(0);
    let observation = decode_sequence(&batch.body).unwrap().remove(0);
    assert_eq!(observation.candidate.sent_us, Some(50_000));
    assert_eq!(observation.candidate.latency_us, Some(7_000));
    assert_eq!(observation.control.unwrap().latency_us, Some(10_000));
}

#[test]
fn an_answer_that_fills_a_batch_sends_it_on_the_tick() {
    let mut instance = running();
    for _ in 0..32 {
        let capture = instance.capture();
        instance.on(Incident::Captured(capture), 3);
    }
    let left: Vec<usize> = (0..5).map(|_| instance.on(Incident::Tick, 4).len()).collect();
    assert_eq!(left, [16, 16, 16, 16, 0], "a few exchanges at a time, two calls each");
    for key in 0..32 {
        for leg in [LegName::Candidate, LegName::Control] {
            let answered = Incident::Answered(CallId::Shadow(key, leg), answer("200", "ok"));
            assert_eq!(instance.on(answered, 5), []);
        }
    }
    assert_eq!(instance.on(Incident::Tick, 6)[0].id, CallId::Batch(1));
}

#[test]
fn a_call_that_could_not_be_sent_is_over_on_the_same_tick() {
    let mut instance = running();
    let capture = instance.capture();
    instance.on(Incident::Captured(capture), 3);
    instance.on(Incident::Tick, 4);
    for leg in [LegName::Candidate, LegName::Control] {
        instance.on(Incident::NotSent(shadow(leg), Unsent::ProxyRefused), 4);
    }
    assert_eq!(instance.mirroring.in_flight.len(), 0);
}

#[test]
fn what_waits_for_the_tick_holds_its_place_in_the_budget() {
    let mut instance = running();
    for _ in 0..2 {
        assert_eq!(instance.admit(0, 3), Ok(()));
        let capture = instance.capture();
        instance.on(Incident::Captured(capture), 3);
    }
    assert_eq!(instance.admit(0, 3), Err(NotMirrored::ExchangesInFlight));
}

#[test]
fn what_no_tick_came_for_is_counted_as_not_mirrored() {
    let mut instance = running();
    instance.admit(32 << 20, 3).unwrap();
    let mut capture = instance.capture();
    capture.reserved = 32 << 20;
    instance.on(Incident::Captured(capture), 3);
    assert!(!instance.mirroring.is_idle());
    assert_eq!(instance.on(Incident::Abandon, 4), []);
    let accounts = instance.mirroring.accounts();
    assert_eq!(
        (accounts.requests, accounts.mirrored, accounts.not_mirrored.get(NotMirrored::Shutdown)),
        (1, 0, 1)
    );
    assert_eq!(instance.admit(32 << 20, 4), Ok(()), "its place and its bytes are given back");
    assert!(instance.mirroring.is_idle());
}

#[test]
fn an_instance_that_is_to_end_says_farewell_on_a_tick() {
    let mut instance = running();
    assert_eq!(instance.on(Incident::Drain, 10), []);
    assert!(!instance.mirroring.is_idle());
    assert_eq!(instance.on(Incident::Tick, 50)[0].id, CallId::Poll);
    instance.on(Incident::Answered(CallId::Poll, answer("204", "")), 60);
    instance.on(Incident::Tick, 100);
    assert!(instance.mirroring.is_idle());
}
