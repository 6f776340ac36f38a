//! Promotions under real traffic: what is worse by exactly a margin is seldom promoted, and what is alike is promoted in time.

use antumbra_engine::{Gates, Verdict};

use crate::services::{field, latencies, noisy_fields};
use crate::traffic::{Arrival, CANDIDATE, CONTROL, PRIMARY, Service, Traffic, asked, each, json};
use crate::world::{Dice, answer};

/// Without the spans of time, which are the same for every release.
fn gates() -> Gates {
    Gates { warm_up_ms: 0, at_least_ms: 0, ..Gates::default() }
}

/// After how many exchanges of at most so many the release was promoted; one that is rolled back ends there. Looks after
/// every 100.
fn promoted(gates: Gates, seed: u64, limit: u64, mut service: Service) -> Option<u64> {
    let mut traffic = Traffic::under(gates, seed, 10.0);
    while traffic.sent < limit {
        (0..100).for_each(|_| traffic.ask(&mut *service));
        match traffic.read().verdict {
            Verdict::Promote => return Some(traffic.sent),
            Verdict::RollBack => return None,
            Verdict::Wait => {}
        }
    }
    None
}

/// Three standard deviations above one run in twenty.
fn allowed(runs: u64) -> u64 {
    let mean = runs as f64 * 0.05;
    (mean + 3.0 * (mean * 0.95).sqrt()) as u64
}

/// Every answer has another number, and the candidate's is far off in one answer of ten.
fn farther(_: &mut Dice) -> Service {
    Box::new(|dice, _| {
        let legs = each(dice, |dice, which| {
            let far = if which == CANDIDATE && dice.chance(0.1) { 500_000 } else { 0 };
            json(format!(r#"{{"load":{}}}"#, 100_000 + far + dice.next() % 100_000))
        });
        asked("/load", legs)
    })
}

/// The slowest share of the candidate's answers takes so many times as long, and 1 ms more.
fn slower(slowest: f64, ratio: f64) -> Service {
    Box::new(move |dice, _| {
        let legs = [PRIMARY, CANDIDATE, CONTROL].map(|which| {
            // The answer's rank decides which of them are slow: of two normal numbers, one makes the rank and the size.
            let size = dice.normal();
            let us = 20_000.0 * (0.3 * size).exp();
            let slow = which == CANDIDATE && size >= slowest;
            answer(200, "{}".to_owned(), if slow { us * ratio + 1_000.0 } else { us } as u64)
        });
        asked("/menu", legs)
    })
}

#[test]
fn what_is_worse_by_a_margin_is_seldom_promoted() {
    type Made = fn(&mut Dice) -> Service;
    // A normal number is above -0.52, 0.84 and 1.64 in 70, 20 and 5 of 100 draws.
    let at_the_margin: [(&str, Made); 6] = [
        ("0.5 % at a quiet place", |_| field(0.005, 0.0)),
        ("5 % at a noisy place", |_| field(0.07, 0.02)),
        ("10 % farther", farther),
        ("p50 by 10 %", |_| slower(-0.52, 1.1)),
        ("p90 by 15 %", |_| slower(0.84, 1.15)),
        ("p99 by 25 %", |_| slower(1.64, 1.25)),
    ];
    let gates = Gates { endpoint_margin: 0.1, ..gates() };
    for (name, made) in at_the_margin {
        let runs = 30;
        let wrong = (1..=runs).filter(|&seed| promoted(gates, seed, 2_000, made(&mut Dice(seed))).is_some());
        let wrong = wrong.count() as u64;
        assert!(wrong <= allowed(runs), "{name}: {wrong} of {runs}");
    }
}

/// The control is wrong for a while, or the primary is, so that both legs differ. That neither pays for the candidate's defect nor makes it
/// noise, however long it lasts and whenever it began.
#[test]
fn a_defect_that_follows_an_incident_of_the_control_is_never_promoted() {
    let incidents =
        [(70.0, 4.0), (70.0, 15.0), (70.0, 40.0), (200.0, 2.0), (200.0, 8.0), (200.0, 20.0), (200.0, 40.0)];
    for (began, lasting) in incidents {
        for (seed, whose) in [(1, CONTROL), (2, CONTROL), (3, PRIMARY)] {
            let incident = began..began + lasting;
            let service: Service = Box::new(move |dice, Arrival { seconds, .. }| {
                let of_candidate = seconds >= incident.end && dice.chance(0.01);
                let mut wrong = [false, of_candidate, false];
                wrong[whose] = incident.contains(&seconds);
                let quantity = |which: usize| 2 + u8::from(wrong[which]);
                asked(
                    "/basket",
                    each(dice, |_, which| json(format!(r#"{{"quantity":{}}}"#, quantity(which)))),
                )
            });
            let promoted = promoted(Gates::default(), seed, 8_000, service);
            assert_eq!(promoted, None, "{lasting} s from {began} s on, seed {seed}");
        }
    }
}

fn median(mut runs: Vec<u64>) -> u64 {
    runs.sort_unstable();
    runs[runs.len() / 2]
}

#[test]
fn alike_versions_are_promoted_in_time_at_any_noise_and_spread() {
    let check = |name: String, runs: u64, bound: u64, made: &dyn Fn() -> Service| {
        let took = (1..=runs).map(|seed| promoted(gates(), seed, 2 * bound, made()).unwrap_or(u64::MAX));
        let median = median(took.collect());
        assert!(median <= bound, "{name}: {median}");
    };
    let noises = [(0.0, 1_000), (0.001, 12_000), (0.01, 2_500), (0.1, 2_200), (0.5, 5_500), (1.0, 2_800)];
    for (noise, bound) in noises {
        check(format!("noise {noise}"), 5, bound, &|| noisy_fields(noise));
    }
    // The wider the spread, the more one run differs from another.
    for (sigma, runs, bound) in [(0.1, 5, 1_200), (0.3, 9, 1_500), (0.6, 9, 3_500), (1.0, 15, 11_000)] {
        check(format!("sigma {sigma}"), runs, bound, &|| latencies(sigma));
    }
}
