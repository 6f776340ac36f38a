//! Whole releases whose legs are sent one after the other: in an order that is drawn, or always in the same.

use antumbra_engine::{Delivery, Evidence, Gates, Kind, Report, Rules, Verdict, report};
use antumbra_observation::{Leg, Observation};

use crate::world::{Dice, answer};

/// How candidate and control are sent.
#[derive(Clone, Copy)]
struct Sent {
    /// The chance of the candidate to be first.
    candidate_first: f64,
    /// Between the two.
    gap_us: u32,
    /// Whether an observation says so.
    told: bool,
    /// How much longer the candidate takes.
    slower_us: u64,
}

/// Always the control first.
const CANDIDATE_SECOND: Sent = Sent { candidate_first: 0.0, gap_us: 20_000, told: true, slower_us: 0 };
const DRAWN: Sent = Sent { candidate_first: 0.5, ..CANDIDATE_SECOND };

/// What a leg answers that is asked so long after the request; `after` is how many legs were asked before it.
type Service = fn(dice: &mut Dice, base: u64, leg: Asked) -> String;

#[derive(Clone, Copy)]
struct Asked {
    candidate: bool,
    after: u64,
    /// Microseconds since 1970.
    answered_us: u64,
}

/// The reports of somebody who looks after every 250 of 4,000 exchanges at ten a second.
fn watch(seed: u64, sent: Sent, service: Service) -> Vec<Report> {
    let mut dice = Dice(seed);
    let mut evidence = Evidence::new();
    let gates = Gates { warm_up_ms: 0, ..Gates::default() };
    evidence.set_pace(gates.pace());
    let mut looks = Vec::new();
    for number in 1..=4_000_u64 {
        let at_us = 1_700_000_000_000_000 + number * 100_000 + dice.next() % 50_000;
        let base = dice.next() % 1_000;
        let candidate_first = dice.chance(sent.candidate_first);
        let mut leg = |candidate: bool, after: u64, sent_us: u32| {
            let latency_us = 5_000 + dice.next() % 1_000 + u64::from(candidate) * sent.slower_us;
            let answered_us = at_us + u64::from(sent_us) + latency_us;
            let body = service(&mut dice, base, Asked { candidate, after, answered_us });
            let leg = answer(200, body, latency_us);
            if sent.told { leg.with_sent_us(sent_us) } else { leg }
        };
        let primary = leg(false, 0, 0);
        let [first, second] = [9_000, 9_000 + sent.gap_us];
        let (candidate, control): (Leg, Leg) = if candidate_first {
            (leg(true, 1, first), leg(false, 2, second))
        } else {
            let control = leg(false, 1, first);
            (leg(true, 2, second), control)
        };
        let observation = Observation::new("shop", "GET", "/stats")
            .with_id(number.into())
            .with_arrival_us(at_us)
            .with_primary(primary)
            .with_candidate(candidate)
            .with_control(control);
        evidence.observe(&observation, &Rules::default());
        if number.is_multiple_of(250) {
            let delivery = Delivery { known: true, mirrored: number, ..Delivery::default() };
            looks.push(report("shop", &evidence, &gates, &delivery));
        }
    }
    looks
}

/// The first look at which something else than latency is said to be worse, or may be.
fn alarm(looks: &[Report]) -> Option<&Report> {
    looks.iter().find(|look| {
        let mut found = look.regressions.iter().chain(&look.suspected);
        found.any(|found| found.kind != Kind::Latency)
    })
}

/// Whether the release is rolled back, among others because the candidate is farther from the primary.
fn is_farther(look: &Report) -> bool {
    let farther = look.regressions.iter().any(|found| found.kind == Kind::Farther);
    look.verdict == Verdict::RollBack && farther
}

fn order_notes(looks: &[Report]) -> Vec<&str> {
    let notes = looks.last().unwrap().notes.iter().map(String::as_str);
    notes.filter(|note| note.contains("was asked first")).collect()
}

fn stamp(_: &mut Dice, _: u64, leg: Asked) -> String {
    format!(r#"{{"answered":{}}}"#, leg.answered_us / 1_000)
}

/// Whoever is asked later stamps its answer later: by the gap, which an observation says.
#[test]
fn stamps_of_a_leg_that_is_always_second_are_no_regression() {
    for seed in 1..=3 {
        let slower = Sent { slower_us: 3_000, ..CANDIDATE_SECOND };
        let looks = watch(seed, slower, stamp);
        assert!(alarm(&looks).is_none(), "seed {seed}: {:?}", alarm(&looks).map(|look| &look.reasons));
        let silent = watch(seed, Sent { told: false, ..slower }, stamp);
        assert!(is_farther(silent.last().unwrap()), "seed {seed}: that is what the gap explains");
        assert_eq!(order_notes(&silent), [""; 0], "seed {seed}: nobody knows");
    }
}

/// Every request that a service has just answered makes its queue longer.
fn queue(dice: &mut Dice, base: u64, leg: Asked) -> String {
    format!(r#"{{"waiting":{}}}"#, 100 + base + leg.after * 20 + dice.next() % 10)
}

#[test]
fn numbers_that_follow_an_uneven_order_hold_a_promotion_and_roll_nothing_back() {
    let note = "The control was asked first in 100 % of 4,000 exchanges, so how far times and numbers are from the client's can hold a \
                promotion, but rolls nothing back. Draw for each exchange which of the two is asked first.";
    for seed in 1..=3 {
        let looks = watch(seed, CANDIDATE_SECOND, queue);
        assert!(alarm(&looks).is_none(), "seed {seed}: {:?}", alarm(&looks).map(|look| &look.reasons));
        let end = looks.last().unwrap();
        let held = end.reason_details.iter().find(|reason| reason.kind == Some(Kind::Farther));
        assert_eq!(held.and_then(|reason| reason.path.as_deref()), Some("/waiting"), "{:?}", end.reasons);
        assert_eq!(order_notes(&looks), [note], "seed {seed}");
        let silent = watch(seed, Sent { told: false, ..CANDIDATE_SECOND }, queue);
        assert!(is_farther(silent.last().unwrap()), "seed {seed}: that is what the order explains");
        let drawn = watch(seed, DRAWN, queue);
        assert!(alarm(&drawn).is_none(), "seed {seed}: {:?}", alarm(&drawn).map(|look| &look.reasons));
        assert_eq!(order_notes(&drawn), [""; 0], "seed {seed}");
    }
}

/// As long as the order is even, a value that is far off is a defect.
#[test]
fn a_defect_of_magnitude_is_rolled_back_where_the_order_is_even() {
    fn far_off(dice: &mut Dice, base: u64, leg: Asked) -> String {
        let wrong = if leg.candidate { 300 } else { 0 };
        format!(r#"{{"waiting":{}}}"#, 100 + base + wrong + dice.next() % 200)
    }
    fn late(_: &mut Dice, _: u64, leg: Asked) -> String {
        let wrong_us = if leg.candidate { 60_000 } else { 0 };
        format!(r#"{{"answered":{}}}"#, (leg.answered_us + wrong_us) / 1_000)
    }
    for service in [far_off, late] {
        for seed in 1..=3 {
            let end = watch(seed, DRAWN, service).pop().unwrap();
            assert!(is_farther(&end), "seed {seed}: {:?}", end.reasons);
        }
    }
}
