//! The promises once more through the whole engine: bodies in, verdicts out, somebody looking all the while.
//!
//! What `simulations` shows of the formulas must survive all that stands around them: paths that are discovered, endpoints,
//! latency as a further hypothesis, gates.

use crate::world::{Dice, answer, exchange, found};
use antumbra_engine::{Delivery, Evidence, Gates, Report, Rules, Verdict, report};
use antumbra_observation::Leg;

/// A release under way, with gates of its own.
struct Trial {
    dice: Dice,
    evidence: Evidence,
    gates: Gates,
    number: u64,
}

impl Trial {
    fn new(seed: u64, gates: Gates) -> Self {
        Self { dice: Dice(seed), evidence: Evidence::new(), gates, number: 0 }
    }

    fn observe(&mut self, path: &str, primary: Leg, candidate: Leg, control: Leg) {
        self.number += 1;
        let observation = exchange(self.number, path, primary, candidate, Some(control));
        self.evidence.observe(&observation, &Rules::default());
    }

    fn read(&self) -> Report {
        let delivery = Delivery { known: true, mirrored: self.number, ..Delivery::default() };
        report("shop", &self.evidence, &self.gates, &delivery)
    }

    /// After how many exchanges the verdict is first this one, looking after every `pace` of them.
    fn until(
        &mut self,
        verdict: Verdict,
        limit: u64,
        pace: u64,
        exchange: impl Fn(&mut Self),
    ) -> Option<u64> {
        for number in 1..=limit {
            exchange(self);
            if number.is_multiple_of(pace) && self.read().verdict == verdict {
                return Some(number);
            }
        }
        None
    }

    /// A body whose `a` is another one by chance.
    fn noisy(&mut self, noise: f64) -> Leg {
        let value = if self.dice.chance(noise) { 2 + self.dice.next() % 1_000 } else { 1 };
        json(value)
    }

    fn latency(&mut self, sigma: f64) -> f64 {
        50_000.0 * (sigma * self.dice.normal()).exp()
    }
}

fn json(value: u64) -> Leg {
    answer(200, format!("{{\"a\":{value}}}"), 5_000)
}

fn median(mut values: Vec<Option<u64>>) -> u64 {
    values.sort_by_key(|value| value.unwrap_or(u64::MAX));
    values[values.len() / 2].unwrap_or(u64::MAX)
}

/// At most this many of `runs` may err at `alpha`: three standard deviations above the mean.
fn allowed(runs: u64, alpha: f64) -> usize {
    let mean = runs as f64 * alpha;
    (mean + 3.0 * (mean * (1.0 - alpha)).sqrt()) as usize
}

fn at_five_percent() -> Gates {
    Gates { roll_back_alpha: 0.05, ..Gates::default() }
}

#[test]
fn a_clean_release_is_seldom_rolled_back_at_any_noise() {
    for noise in [0.001, 0.01, 0.1, 0.5] {
        let alarms = (0..60).filter(|&seed| {
            let mut trial = Trial::new(seed, at_five_percent());
            let alarm = trial.until(Verdict::RollBack, 600, 60, |trial| {
                let (candidate, control) = (trial.noisy(noise), trial.noisy(noise));
                trial.observe("/", json(1), candidate, control);
            });
            alarm.is_some()
        });
        let alarms = alarms.count();
        assert!(alarms <= allowed(60, 0.05), "noise {noise}: {alarms} alarms");
    }
}

#[test]
fn forty_endpoints_that_appear_one_by_one_raise_no_more_alarms() {
    let alarms = (0..20).filter(|&seed| {
        let mut trial = Trial::new(7_000 + seed, at_five_percent());
        let alarm = trial.until(Verdict::RollBack, 1_200, 100, |trial| {
            let known = (trial.number / 30 + 1).min(40);
            let path = format!("/page-{}", letter(trial.dice.next() % known));
            let (candidate, control) = (trial.noisy(0.1), trial.noisy(0.1));
            trial.observe(&path, json(1), candidate, control);
        });
        alarm.is_some()
    });
    let alarms = alarms.count();
    assert!(alarms <= allowed(20, 0.05), "{alarms} alarms");
}

/// Nine control answers in ten differ as well. That the candidate alone differs would take 77 exchanges in the median, as `simulations` shows;
/// that it is the farther of two that differ shows at once, and in ten blocks of time.
#[test]
fn a_broken_path_under_heavy_noise_is_rolled_back_soon() {
    let runs = (0..21).map(|seed| {
        let mut trial = Trial::new(seed, Gates::default());
        trial.until(Verdict::RollBack, 1_000, 1, |trial| {
            let control = trial.noisy(0.9);
            trial.observe("/", json(1), json(3_000), control);
        })
    });
    let median = median(runs.collect());
    assert!((10..=25).contains(&median), "{median}");
}

#[test]
fn one_of_forty_fields_is_found_and_no_other() {
    for seed in 0..10 {
        let mut trial = Trial::new(seed, Gates::default());
        for _ in 0..3_000 {
            let mut fields = |broken: f64| {
                let values: Vec<String> = (0..40)
                    .map(|at| {
                        let noise = if at == 25 { broken } else { 0.05 };
                        format!("\"{}\":{}", letter(at), u8::from(trial.dice.chance(noise)))
                    })
                    .collect();
                answer(200, format!("{{{}}}", values.join(",")), 5_000)
            };
            let (candidate, control) = (fields(0.15), fields(0.05));
            let primary: Vec<String> = (0..40).map(|at| format!("\"{}\":0", letter(at))).collect();
            trial.observe("/", answer(200, format!("{{{}}}", primary.join(",")), 5_000), candidate, control);
        }
        assert_eq!(found(&trial.read()), [format!("GET / /{} value", letter(25))], "seed {seed}");
    }
}

/// Three requests in a hundred take fifty times as long. That a tail is longer shows after the numbers that `simulations` holds; that it
/// is longer by more than the margin and in several blocks of time, without which nobody is rolled back, takes two or three times as many
/// exchanges.
#[test]
fn a_slow_tail_is_rolled_back_under_any_spread() {
    for (sigma, bound) in [(0.1, 600), (0.3, 650), (0.6, 950), (1.0, 4_000)] {
        let runs = (0..9).map(|seed| {
            let mut trial = Trial::new(seed, at_five_percent());
            trial.until(Verdict::RollBack, 8_000, 50, |trial| {
                let slow = if trial.dice.chance(0.03) { 50.0 } else { 1.0 };
                let (candidate, control) = (trial.latency(sigma) * slow, trial.latency(sigma));
                let leg = |latency| answer(200, "{}".to_owned(), latency as u64);
                trial.observe("/", leg(5_000.0), leg(candidate), leg(control));
            })
        });
        let median = median(runs.collect());
        assert!(median <= bound, "sigma {sigma}: {median}");
    }
}

/// Slower in exactly the share of exchanges that is tolerated: certain soon, and never too much.
#[test]
fn latency_at_the_margin_is_seldom_rolled_back() {
    let alarms = (0..60).filter(|&seed| {
        let mut trial = Trial::new(400 + seed, at_five_percent());
        let alarm = trial.until(Verdict::RollBack, 3_000, 50, |trial| {
            let slow = if trial.dice.chance(0.01) { 50.0 } else { 1.0 };
            let leg = |latency: f64| answer(200, "{}".to_owned(), latency as u64);
            trial.observe("/", leg(50_000.0), leg(50_000.0 * slow), leg(50_000.0));
        });
        alarm.is_some()
    });
    let alarms = alarms.count();
    assert!(alarms <= allowed(60, 0.05), "{alarms} alarms");
}

/// Fields, of which the excess is exactly the margin, and endpoints' margins out of the way: at a quiet place, and at one where the control
/// differs in two of a hundred, which may be worse in five.
#[test]
fn an_excess_at_the_margin_is_seldom_promoted() {
    let gates = Gates { margin: 0.01, endpoint_margin: 0.1, ..Gates::default() };
    for (of_candidate, of_control) in [(0.01, 0.0), (0.07, 0.02)] {
        let promoted = (0..60).filter(|&seed| {
            let mut trial = Trial::new(900 + seed, gates);
            let promoted = trial.until(Verdict::Promote, 2_000, 40, |trial| {
                let (candidate, control) = (trial.noisy(of_candidate), trial.noisy(of_control));
                trial.observe("/", json(1), candidate, control);
            });
            promoted.is_some()
        });
        let promoted = promoted.count();
        assert!(promoted <= allowed(60, 0.05), "{of_candidate}, {of_control}: {promoted} promoted");
    }
}

/// Without noise the number of exchanges is no matter of chance. Half of the stake is kept for later, should a place turn noisy.
#[test]
fn a_clean_release_is_promoted_after_what_its_margin_takes() {
    for (margin, expected) in [(0.005, 860..=910), (0.001, 4_300..=4_400)] {
        let gates = Gates { margin, ..Gates::default() };
        let mut trial = Trial::new(1, gates);
        let promoted = trial.until(Verdict::Promote, 5_000, 2, |trial| {
            trial.observe("/", json(1), json(1), json(1));
        });
        assert!(
            promoted.is_some_and(|promoted| expected.contains(&promoted)),
            "margin {margin}: {promoted:?}"
        );
    }
}

/// Both shadows fail alike in ten exchanges of a hundred, whatever else is clean: the control speaks for too little.
#[test]
fn shadows_that_fail_alike_are_never_promoted() {
    for (share, expected) in [(0.1, Verdict::Wait), (0.02, Verdict::Promote)] {
        let mut trial = Trial::new(3, Gates::default());
        let promoted = trial.until(Verdict::Promote, 4_000, 200, |trial| {
            let status = if trial.dice.chance(share) { 503 } else { 200 };
            let shadow = || answer(status, "{}".to_owned(), 5_000);
            trial.observe("/", answer(200, "{}".to_owned(), 5_000), shadow(), shadow());
        });
        assert_eq!(promoted.is_some(), expected == Verdict::Promote, "{share}");
    }
}

/// Two letters, that no rule of thumb takes for an identifier.
fn letter(number: u64) -> String {
    [26, 1].iter().map(|unit| char::from(b'a' + (number / unit % 26) as u8)).collect()
}
