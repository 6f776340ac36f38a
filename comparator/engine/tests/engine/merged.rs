//! Two engines that each see a part of the traffic, and somebody who merges what they gathered and looks, again and again: merging makes no
//! verdict less safe.

use antumbra_engine::{Delivery, Evidence, Gates, Report, Rules, Verdict, report};

use crate::services::{field, noisy_fields};
use crate::traffic::{CANDIDATE, Service, Traffic, asked, each, json};

/// Verdicts at 5 %, so that too many errors would show in few runs, and without the spans of time.
fn gates() -> Gates {
    Gates { roll_back_alpha: 0.05, endpoint_margin: 0.1, warm_up_ms: 0, at_least_ms: 0, ..Gates::default() }
}

/// The verdicts on the merged evidence of two engines, looking after every 100 of so many exchanges; each goes to an engine that is drawn.
fn verdicts(seed: u64, exchanges: u64, mut service: Service) -> Vec<Verdict> {
    let mut traffic = Traffic::under(gates(), seed, 10.0);
    let mut engines = [Evidence::new(), Evidence::new()];
    engines.iter_mut().for_each(|engine| engine.set_pace(gates().pace()));
    let looks = (0..exchanges / 100).map(|_| {
        for _ in 0..100 {
            let observation = traffic.next(&mut *service);
            let engine = (traffic.dice.next() % 2) as usize;
            engines[engine].observe(&observation, &Rules::default());
        }
        let [mut merged, other] = engines.clone();
        merged.merge(other);
        read(&merged).verdict
    });
    looks.collect()
}

fn read(evidence: &Evidence) -> Report {
    let delivery = Delivery { known: true, mirrored: evidence.exchanges(), ..Delivery::default() };
    report("shop", evidence, &gates(), &delivery)
}

/// In how many of so many runs a verdict was ever this one.
fn ever(verdict: Verdict, runs: u64, exchanges: u64, made: &dyn Fn() -> Service) -> u64 {
    (1..=runs).filter(|&seed| verdicts(seed, exchanges, made()).contains(&verdict)).count() as u64
}

/// Three standard deviations above one run in twenty.
fn allowed(runs: u64) -> u64 {
    let mean = runs as f64 * 0.05;
    (mean + 3.0 * (mean * 0.95).sqrt()) as u64
}

#[test]
fn two_engines_together_raise_no_more_false_alarms_than_one() {
    for noise in [0.01, 0.1, 1.0] {
        let alarms = ever(Verdict::RollBack, 20, 1_000, &|| noisy_fields(noise));
        assert!(alarms <= allowed(20), "noise {noise}: {alarms}");
    }
}

#[test]
fn two_engines_together_seldom_promote_what_is_worse_by_a_margin() {
    for (of_candidate, of_control) in [(0.005, 0.0), (0.07, 0.02)] {
        let promoted = ever(Verdict::Promote, 20, 2_000, &|| field(of_candidate, of_control));
        assert!(promoted <= allowed(20), "{of_candidate}, {of_control}: {promoted}");
    }
}

/// They are neither blind nor idle: the same traffic with a defect is rolled back, and without noise promoted.
#[test]
fn two_engines_together_come_to_a_verdict() {
    for seed in 1..=3 {
        let broken: Service = Box::new(|dice, _| {
            let wrong = dice.chance(0.05);
            let price = |which| if wrong && which == CANDIDATE { 3 } else { 2 };
            asked("/basket", each(dice, |_, which| json(format!(r#"{{"price":{}}}"#, price(which)))))
        });
        assert_eq!(verdicts(seed, 2_000, broken).last(), Some(&Verdict::RollBack), "seed {seed}");
        assert_eq!(verdicts(seed, 2_000, field(0.0, 0.0)).last(), Some(&Verdict::Promote), "seed {seed}");
    }
}
