//! Whole releases under traffic as it really comes: requests at random moments, answers that are never the same twice, instances that pause,
//! restart and remember.
//!
//! Most defects here hide behind noise, and most bursts look like defects; somebody looks at the verdict all the while.

use antumbra_engine::{Code, Kind, Report, Verdict};

use crate::services::{Right, SCENARIOS, Scenario};
use crate::traffic::{
    Arrival, Asked, BEGAN_US, CANDIDATE, CONTROL, PRIMARY, Service, Traffic, about, asked, each, json,
};
use crate::world::{Dice, answer};

/// Those of which an honest verdict is such a one.
fn of(wanted: impl Fn(Right) -> bool) -> impl Iterator<Item = Scenario> {
    SCENARIOS.into_iter().filter(move |scenario| wanted(scenario.right))
}

/// The reports on such a release, at ten requests a second.
fn release(scenario: Scenario, seed: u64, exchanges: u64) -> Vec<Report> {
    let mut traffic = Traffic::new(seed, 10.0);
    let service = (scenario.made)(&mut traffic.dice);
    traffic.watch(exchanges, service)
}

/// Noise must not hide a defect: one that stands beside noise, is hidden in it or is spread thin is rolled back, and nobody who looks meanwhile
/// is told to promote.
#[test]
fn a_defect_that_noise_masks_is_rolled_back_and_never_promoted() {
    for scenario in of(|right| right == Right::RollBack) {
        for seed in 1..=3 {
            let run = format!("{}, seed {seed}", scenario.name);
            let looks = release(scenario, seed, 4_000);
            assert!(looks.iter().all(|look| look.verdict != Verdict::Promote), "{run}");
            let end = looks.last().unwrap();
            assert_eq!(end.verdict, Verdict::RollBack, "{run}: {:?}", end.reasons);
        }
    }
}

/// Both versions are alike, and what befalls one instance for a while is no reason to roll the release back.
#[test]
fn bursts_of_a_healthy_release_are_seldom_rolled_back() {
    for scenario in of(|right| matches!(right, Right::Alike { .. })) {
        let mut alarms = Vec::new();
        for seed in 1..=4 {
            let looks = release(scenario, seed, 6_000);
            let alarm = looks.into_iter().find(|look| look.verdict == Verdict::RollBack);
            alarms.extend(alarm.map(|look| (seed, look.exchanges, look.reasons)));
        }
        assert!(alarms.len() <= 1, "{}: {alarms:?}", scenario.name);
    }
}

/// A comparison promotes nothing that was not asked: requests that are all refused alike, and an endpoint so rare that its failures prove
/// nothing yet.
#[test]
fn what_was_not_asked_is_not_promoted() {
    let codes = [Code::Population, Code::AlwaysFails];
    for (scenario, code) in of(|right| right == Right::NeverPromote).zip(codes) {
        let looks = release(scenario, 1, 6_000);
        let promoted = looks.iter().find(|look| look.verdict == Verdict::Promote);
        assert!(promoted.is_none(), "{code:?} after {:?}", promoted.map(|look| look.exchanges));
        let end = looks.last().unwrap();
        assert_eq!(end.verdict, Verdict::Wait, "{:?}", end.reasons);
        assert_eq!(end.reason_details[0].code, code, "{:?}", end.reasons);
    }
}

/// A field that the candidate has wrong, or not.
fn quantity(dice: &mut Dice, wrong: bool) -> Asked {
    let quantity = |which| if wrong && which == CANDIDATE { 3 } else { 2 };
    asked("/basket", each(dice, |_, which| json(format!(r#"{{"quantity":{}}}"#, quantity(which)))))
}

/// An hour of clean answers, or an hour after a burst that passed, does not protect a defect that begins then.
#[test]
fn a_defect_that_begins_late_is_rolled_back_as_soon_as_any_other() {
    for burst in [None, Some(120.0..160.0)] {
        let begins = burst.as_ref().map_or(0.0, |burst| burst.end) + 3_600.0;
        for seed in 1..=3 {
            let mut traffic = Traffic::new(seed, 2.0);
            let in_burst = |seconds| burst.as_ref().is_some_and(|burst| burst.contains(&seconds));
            let mut service = |dice: &mut Dice, Arrival { seconds, .. }| {
                quantity(dice, seconds >= begins || in_burst(seconds))
            };
            while traffic.seconds < begins {
                traffic.ask(&mut service);
                if traffic.sent.is_multiple_of(50) && traffic.seconds < begins {
                    let look = traffic.read();
                    assert_ne!(look.verdict, Verdict::RollBack, "{burst:?}, seed {seed}: {:?}", look.reasons);
                }
            }
            while traffic.read().verdict != Verdict::RollBack {
                let late = traffic.seconds - begins;
                assert!(late < 150.0, "{burst:?}, seed {seed}: {:?}", traffic.read().reasons);
                traffic.ask(&mut service);
            }
        }
    }
}

/// One answer in fifty is wrong and nothing else differs, which takes about two minutes to be sure of.
#[test]
fn a_seldom_defect_without_noise_is_rolled_back_soon() {
    let mut runs: Vec<u64> = (1..=9)
        .map(|seed| {
            let mut traffic = Traffic::new(seed, 10.0);
            let mut service = |dice: &mut Dice, _: Arrival| {
                let wrong = dice.chance(0.02);
                quantity(dice, wrong)
            };
            while traffic.sent < 4_000 {
                traffic.ask(&mut service);
                if traffic.sent.is_multiple_of(10) && traffic.read().verdict == Verdict::RollBack {
                    return traffic.evidence.exchanges();
                }
            }
            u64::MAX
        })
        .collect();
    runs.sort_unstable();
    let median = runs[runs.len() / 2];
    assert!(median <= 1_300, "median {median} of {runs:?}");
}

/// Stamps, counters and names say when an instance answered, how old it is and what it is called: nothing of a candidate that is younger, a little
/// slower and called otherwise is wrong.
#[test]
fn stamps_counters_and_names_are_no_regression() {
    let mut alarms = Vec::new();
    for (served, seed) in
        [[5_000, 0, 0], [5_000, 0, 900]].into_iter().flat_map(|of| (1..=5).map(move |seed| (of, seed)))
    {
        let mut counters: [u64; 3] = served;
        let service: Service = Box::new(move |dice, Arrival { seconds, .. }| {
            let legs = [(PRIMARY, 0), (CANDIDATE, 3_000), (CONTROL, 0)].map(|(which, slower_us)| {
                let latency_us = about(dice, 5.0, 0.1) + slower_us;
                let answered_ms = (BEGAN_US + (seconds * 1e6) as u64 + latency_us) / 1_000;
                counters[which] += 1 + dice.next() % 3;
                let name = ["shop-7d9f8b6c5", "shop-canary-66f7d9", "shop-control"][which];
                let pod = dice.next() % [5, 2, 1][which];
                let served = counters[which];
                let body = format!(r#"{{"answered":{answered_ms},"served":{served},"by":"{name}-{pod}"}}"#);
                answer(200, body, latency_us)
            });
            asked("/stats", legs)
        });
        let looks = Traffic::new(seed, 10.0).watch(6_000, service);
        let wrong = |look: &Report| look.regressions.iter().any(|found| found.kind != Kind::Latency);
        let alarm = looks.into_iter().find(wrong);
        alarms.extend(alarm.map(|look| (served, seed, look.exchanges, look.reasons)));
    }
    assert!(alarms.is_empty(), "{alarms:?}");
}
