//! How long a promotion takes, foretold and held against what it took.

use crate::world::{Dice, answer, exchange, found, read};
use antumbra_engine::{Code, Evidence, Rules, Verdict};
use antumbra_observation::{Leg, Observation};

/// An answer whose three fields are noise in the share `noise` of the answers; latency is lognormal with `sigma`.
fn leg(dice: &mut Dice, noise: f64, sigma: f64) -> Leg {
    let fields: Vec<String> = (0..3)
        .map(|field| {
            let value = if dice.chance(noise) { dice.next() % 100_000 } else { 0 };
            format!("\"f{field}\":\"v{value}\"")
        })
        .collect();
    let latency_us = (20_000.0 * (sigma * dice.normal()).exp()) as u64;
    answer(200, format!("{{{}}}", fields.join(",")), latency_us)
}

/// Alike versions: what is foretold at 1,000 exchanges, and what it took; `None` if it was promoted by then.
fn foretold(seed: u64, noise: f64, sigma: f64) -> Option<(u64, u64, u64)> {
    let mut dice = Dice(seed);
    let mut evidence = Evidence::new();
    let mut forecast = None;
    for number in 1..=30_000 {
        let (primary, candidate, control) =
            (leg(&mut dice, noise, sigma), leg(&mut dice, noise, sigma), leg(&mut dice, noise, sigma));
        let observation = exchange(number, "/", primary, candidate, Some(control));
        evidence.observe(&observation, &Rules::default());
        if number >= LOOK && number.is_multiple_of(100) {
            let report = read(&evidence);
            assert_eq!(found(&report), [""; 0], "seed {seed}");
            match report.verdict {
                Verdict::Promote => {
                    let (lower, upper) = forecast?;
                    return Some((lower, upper, number - LOOK));
                }
                _ if number == LOOK => {
                    let exchanges = report.forecast.map(|forecast| forecast.exchanges);
                    forecast = exchanges.map(|further| (further.lower, further.upper));
                    assert!(forecast.is_some(), "a chance excess forbids nothing: {:?}", report.reasons);
                }
                _ => {}
            }
        }
    }
    panic!("seed {seed}, noise {noise}, sigma {sigma}: never promoted");
}

#[test]
fn what_is_foretold_comes_true_in_four_of_five() {
    let (mut inside, mut all) = (0, 0);
    for (noise, sigma) in [(0.1, 0.1), (0.5, 0.1), (0.0, 0.6)] {
        for seed in 1..=8 {
            let Some((lower, upper, took)) = foretold(seed, noise, sigma) else { continue };
            assert!(lower <= upper && upper <= 5 * lower + 5, "{lower} {upper}");
            all += 1;
            // It is looked at each 100 exchanges.
            inside += u64::from(lower <= took + 100 && took <= upper + 100);
        }
    }
    assert!(all >= 16, "{all}");
    assert!(5 * inside >= 4 * all, "{inside} of {all}");
}

/// What a client asks again is part of what one waits for.
#[test]
fn repeated_exchanges_are_foretold_too() {
    let mut evidence = Evidence::new();
    for number in 1..=400 {
        let leg = answer(200, "{}".to_owned(), 5_000);
        let once = exchange(number, "/", leg.clone(), leg.clone(), Some(leg));
        let again = Observation { client: Some(7), ..once };
        evidence.observe(&again, &Rules::default());
        evidence.observe(&again, &Rules::default());
    }
    let report = read(&evidence);
    assert_eq!((report.exchanges, report.dropped.repeated), (400, 400));
    let forecast = report.forecast.unwrap();
    assert!(forecast.exchanges.lower > 600 && forecast.exchanges.upper >= 950, "{forecast:?}");
    let (soonest, latest) = forecast.seconds.unwrap();
    assert!(soonest > 3_000.0 && latest < 15_000.0, "800 exchanges in 4,000 s: {forecast:?}");
}

/// The candidate errs in a hundredth, where the control never does.
#[test]
fn a_roll_back_that_is_nearer_than_a_promotion_is_said() {
    let mut evidence = Evidence::new();
    let mut said = None;
    for number in 1..=2_000 {
        let leg = |value: u64| answer(200, format!("{{\"a\":{value}}}"), 5_000);
        let candidate = leg(1 + u64::from(number % 100 == 0));
        evidence.observe(&exchange(number, "/", leg(1), candidate, Some(leg(1))), &Rules::default());
        if number % 100 == 0 {
            let report = read(&evidence);
            let nearer = report.reason_details.first().filter(|reason| reason.code == Code::RollBackNearer);
            match report.verdict {
                Verdict::RollBack => break,
                _ => said = said.or(nearer.map(|reason| (number, reason.path.clone()))),
            }
        }
    }
    assert_eq!(read(&evidence).verdict, Verdict::RollBack);
    let (number, path) = said.expect("said before it is proven");
    assert!(number < evidence.exchanges() && path.as_deref() == Some("/a"), "{number}");
}

const LOOK: u64 = 1_000;
