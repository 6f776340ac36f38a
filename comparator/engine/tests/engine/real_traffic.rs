//! Whole releases under traffic as it really comes: requests at random moments, answers that are never the same twice, instances that pause,
//! restart and remember.
//!
//! Evidence is counted as at a server: after a warm-up, and by blocks of time. Most defects here hide behind noise, and most bursts look
//! like defects; somebody looks at the verdict all the while.

use antumbra_engine::{Code, Delivery, Evidence, Gates, Kind, Report, Rules, Verdict, report};
use antumbra_observation::{Leg, Observation};

use crate::world::{Dice, answer};

/// A release under way, whose requests arrive at so many a second.
struct Traffic {
    dice: Dice,
    rate: f64,
    /// Since the release began.
    seconds: f64,
    sent: u64,
    evidence: Evidence,
}

/// Which request of the release it is, and when it arrives.
#[derive(Clone, Copy)]
struct Arrival {
    number: u64,
    seconds: f64,
}

/// One exchange, with the answers of primary, candidate and control.
struct Asked {
    path: String,
    client: Option<u32>,
    legs: [Leg; 3],
}

/// Both versions of a service, with all that their instances remember.
type Service = Box<dyn FnMut(&mut Dice, Arrival) -> Asked>;

impl Traffic {
    fn new(seed: u64, rate: f64) -> Self {
        let mut evidence = Evidence::new();
        evidence.set_pace(Gates::default().pace());
        Self { dice: Dice(seed), rate, seconds: 0.0, sent: 0, evidence }
    }

    /// Waits for the next request, and counts what becomes of it.
    fn ask(&mut self, service: &mut dyn FnMut(&mut Dice, Arrival) -> Asked) {
        self.seconds -= (1.0 - self.dice.uniform()).ln() / self.rate;
        let arrival = Arrival { number: self.sent, seconds: self.seconds };
        let asked = service(&mut self.dice, arrival);
        self.take(asked);
    }

    fn take(&mut self, Asked { path, client, legs: [primary, candidate, control] }: Asked) {
        self.sent += 1;
        let observation = Observation::new("shop", "GET", &path)
            .with_id(self.sent.into())
            .with_arrival_us(BEGAN_US + (self.seconds * 1e6) as u64)
            .with_primary(primary)
            .with_candidate(candidate)
            .with_control(control);
        self.evidence.observe(&Observation { client, ..observation }, &Rules::default());
    }

    fn read(&self) -> Report {
        let delivery = Delivery { known: true, mirrored: self.sent, ..Delivery::default() };
        report("shop", &self.evidence, &Gates::default(), &delivery)
    }

    /// The reports of somebody who looks after every 250 of so many exchanges.
    fn watch(&mut self, exchanges: u64, mut service: Service) -> Vec<Report> {
        let looks = (0..exchanges / 250).map(|_| {
            (0..250).for_each(|_| self.ask(&mut *service));
            self.read()
        });
        looks.collect()
    }
}

/// The same question to all, from nobody in particular.
fn asked(path: &str, legs: [Leg; 3]) -> Asked {
    Asked { path: path.to_owned(), client: None, legs }
}

/// About so many milliseconds, in microseconds.
fn about(dice: &mut Dice, ms: f64, sigma: f64) -> u64 {
    (ms * 1e3 * (sigma * dice.normal()).exp()) as u64
}

/// What each of the legs answers, all of them in good time.
fn each(dice: &mut Dice, mut leg: impl FnMut(&mut Dice, usize) -> Leg) -> [Leg; 3] {
    [PRIMARY, CANDIDATE, CONTROL].map(|which| leg(dice, which).with_latency_us(about(dice, 5.0, 0.1)))
}

fn json(body: String) -> Leg {
    answer(200, body, 5_000)
}

fn invoice(dice: &mut Dice, number: u64, wrong: bool, line_end: &str) -> Leg {
    let amount = if wrong { "1.00" } else { "23.90" };
    let lines = [
        "<!doctype html><title>Invoice</title>".to_owned(),
        format!(r#"<script nonce="{:016x}{:08x}">count()</script>"#, dice.next(), dice.next() >> 32),
        format!("<td>To pay: {amount} EUR"),
        format!("<td>Articles: {}", number % 9),
    ];
    Leg::answer("v", 200).with_body("text/html", lines.join(line_end).into_bytes())
}

fn unreadable(dice: &mut Dice, number: u64, wrong: bool) -> Leg {
    let stock = if wrong { 0 } else { 40 + number % 6 };
    json(format!(r#"{{"measured":{:.6},"trend":NaN,"stock":{stock}}}"#, 1.7e9 + 90.0 * dice.uniform()))
}

fn time_of_1970(dice: &mut Dice, _: u64, wrong: bool) -> Leg {
    let (minute, second, us) = (dice.next() % 60, dice.next() % 60, dice.next() % 1_000_000);
    let time = format!("2025-06-03T17:{minute:02}:{second:02}.{us:06}Z");
    let time = if wrong { "1970-01-01T00:00:00.000000Z" } else { &time };
    json(format!(r#"{{"size":"L","changed":"{time}"}}"#))
}

fn ticket(dice: &mut Dice, word: Option<&str>) -> Leg {
    let hex = format!("{:016x}{:016x}", dice.next(), dice.next());
    let id = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
    json(format!(r#"{{"open":true,"ticket":"{}"}}"#, word.unwrap_or(&id)))
}

fn shuffled_records(dice: &mut Dice, _: u64, wrong: bool) -> Leg {
    let mut records = [2, 3, 4, 5, 6, 7, 8].map(|stars| {
        let given = if wrong { 1 } else { stars };
        format!(r#"{{"hit":{{"sku":"s{stars}","stars":{given},"score":{}}}}}"#, dice.uniform())
    });
    dice.shuffle(&mut records);
    json(format!(r#"{{"hits":[{}]}}"#, records.join(",")))
}

fn spread_thin(dice: &mut Dice, _: Arrival) -> Asked {
    let at = dice.next() % 200;
    let name: String = [100, 10, 1].map(|unit| char::from(b'k' + (at / unit % 10) as u8)).iter().collect();
    let wrong = dice.chance(0.03);
    let fee = |which| if wrong && which == CANDIDATE { 9 } else { 4 };
    asked(&format!("/about-{name}"), each(dice, |_, which| json(format!(r#"{{"fee":{}}}"#, fee(which)))))
}

/// Noise must not hide a defect: one that stands beside noise, is hidden in it or is spread thin is rolled back, and nobody who looks meanwhile
/// is told to promote.
#[test]
fn a_defect_that_noise_masks_is_rolled_back_and_never_promoted() {
    type Body = fn(&mut Dice, u64, bool) -> Leg;
    let masked: [(&str, Body); 7] = [
        ("nonce, many lines", |dice, number, wrong| invoice(dice, number, wrong, "\n")),
        ("nonce, one line", |dice, number, wrong| invoice(dice, number, wrong, "")),
        ("NaN", unreadable),
        ("1970", time_of_1970),
        ("undefined", |dice, _, wrong| ticket(dice, wrong.then_some("undefined"))),
        ("null", |dice, _, wrong| ticket(dice, wrong.then_some("null"))),
        ("shuffled", shuffled_records),
    ];
    let check = |name: &str, service: &dyn Fn() -> Service| {
        for seed in 1..=3 {
            let looks = Traffic::new(seed, 10.0).watch(4_000, service());
            assert!(looks.iter().all(|look| look.verdict != Verdict::Promote), "{name}, seed {seed}");
            let end = looks.last().unwrap();
            assert_eq!(end.verdict, Verdict::RollBack, "{name}, seed {seed}: {:?}", end.reasons);
        }
    };
    for (name, body) in masked {
        check(name, &|| {
            Box::new(move |dice, Arrival { number, .. }| {
                let legs = each(dice, |dice, which| body(dice, number, which == CANDIDATE));
                asked(&format!("/orders/{}", number % 40), legs)
            })
        });
    }
    check("spread thin", &|| Box::new(spread_thin));
}

/// What befalls an instance now and then, and for how long.
struct Spells {
    every: f64,
    lasting: f64,
    next: f64,
    until: f64,
}

impl Spells {
    /// The first comes within ten minutes, so that every run has one.
    fn new(dice: &mut Dice, every: f64, lasting: f64) -> Self {
        Self { every, lasting, next: 600.0 * dice.uniform(), until: 0.0 }
    }

    fn now(&mut self, dice: &mut Dice, seconds: f64) -> bool {
        while self.next <= seconds {
            self.until = self.next + self.lasting;
            self.next -= self.every * (1.0 - dice.uniform()).ln();
        }
        seconds < self.until
    }
}

/// A neighbour takes the processor of one shadow away for a quarter of a minute: answers take four times as long.
fn pauses(dice: &mut Dice) -> Service {
    let mut shadows = [(); 2].map(|()| Spells::new(dice, 600.0, 15.0));
    Box::new(move |dice, Arrival { seconds, .. }| {
        let [candidate, control] =
            shadows.each_mut().map(|spells| if spells.now(dice, seconds) { 20.0 } else { 5.0 });
        let legs = [5.0, candidate, control].map(|ms| answer(200, "{}".to_owned(), about(dice, ms, 0.3)));
        asked("/menu", legs)
    })
}

/// One shadow restarts, and for five seconds its proxy has nobody to ask.
fn restarts(dice: &mut Dice) -> Service {
    let mut shadows = [(); 2].map(|()| Spells::new(dice, 1_800.0, 5.0));
    Box::new(move |dice, Arrival { seconds, .. }| {
        let [candidate, control] =
            shadows.each_mut().map(|spells| if spells.now(dice, seconds) { 503 } else { 200 });
        let legs = [200, candidate, control];
        asked("/menu", each(dice, |_, which| answer(legs[which], "{}".to_owned(), 0)))
    })
}

/// A table of rates changes every five minutes or so, and each of five instances looks once a minute: three primaries, and the shadows.
fn tables(dice: &mut Dice) -> Service {
    let offsets = [(); 5].map(|()| 60.0 * dice.uniform());
    let mut changes = vec![0.0];
    Box::new(move |dice, Arrival { seconds, .. }| {
        while changes.last().is_some_and(|last| *last <= seconds) {
            changes.push(changes[changes.len() - 1] - 300.0 * (1.0 - dice.uniform()).ln());
        }
        let instances = [(dice.next() % 3) as usize, 3, 4];
        let edition = |which: usize| {
            let looked = seconds - (seconds - offsets[instances[which]]).rem_euclid(60.0);
            changes.iter().filter(|change| **change <= looked).count()
        };
        let legs = each(dice, |_, which| json(format!(r#"{{"from":"EUR","edition":{}}}"#, edition(which))));
        asked("/rates", legs)
    })
}

/// The candidate begins three times slower than it will be within a minute.
fn cold_start(_: &mut Dice) -> Service {
    Box::new(|dice, Arrival { seconds, .. }| {
        let cold = 1.0 + 2.0 * (-seconds / 20.0).exp();
        let legs = [5.0, 5.0 * cold, 5.0].map(|ms| answer(200, "{}".to_owned(), about(dice, ms, 0.3)));
        asked("/menu", legs)
    })
}

/// Thirty users, the first of whom ask most; an instance keeps giving one in five of them another variant.
fn sticky_users(dice: &mut Dice) -> Service {
    let stuck = [(); 3].map(|()| [(); 30].map(|()| dice.chance(0.2)));
    Box::new(move |dice, _| {
        let user = 31_f64.powf(dice.uniform()) as u32;
        let variant = |which: usize| if stuck[which][user as usize - 1] { "b" } else { "a" };
        let legs = each(dice, |_, which| json(format!(r#"{{"variant":"{}"}}"#, variant(which))));
        Asked { client: Some(user), ..asked("/home", legs) }
    })
}

/// Both versions are alike, and what befalls one instance for a while is no reason to roll the release back.
#[test]
fn bursts_of_a_healthy_release_are_seldom_rolled_back() {
    type Made = fn(&mut Dice) -> Service;
    let healthy: [(&str, Made); 5] = [
        ("pauses", pauses),
        ("restarts", restarts),
        ("tables", tables),
        ("cold start", cold_start),
        ("sticky users", sticky_users),
    ];
    for (name, made) in healthy {
        let mut alarms = Vec::new();
        for seed in 1..=4 {
            let mut traffic = Traffic::new(seed, 10.0);
            let service = made(&mut traffic.dice);
            let looks = traffic.watch(6_000, service);
            let alarm = looks.into_iter().find(|look| look.verdict == Verdict::RollBack);
            alarms.extend(alarm.map(|look| (seed, look.exchanges, look.reasons)));
        }
        assert!(alarms.len() <= 1, "{name}: {alarms:?}");
    }
}

/// A comparison promotes nothing that was not asked: requests that are all refused alike, and an endpoint so rare that its failures prove
/// nothing yet.
#[test]
fn what_was_not_asked_is_not_promoted() {
    let refused: Service = Box::new(|dice, _| {
        asked("/account", each(dice, |_, _| answer(401, r#"{"message":"who are you?"}"#.to_owned(), 0)))
    });
    let rare: Service = Box::new(|dice, Arrival { number, .. }| {
        let rare = number % 1_000 == 400;
        let status = |which| if rare && which == CANDIDATE { 500 } else { 200 };
        let path = if rare { "/returns/label" } else { "/menu" };
        asked(path, each(dice, |_, which| answer(status(which), "{}".to_owned(), 0)))
    });
    for (service, code) in [(refused, Code::Population), (rare, Code::AlwaysFails)] {
        let looks = Traffic::new(1, 10.0).watch(6_000, service);
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

/// Where the legs are in an exchange.
const PRIMARY: usize = 0;
const CANDIDATE: usize = 1;
const CONTROL: usize = 2;
/// When each release begins, in microseconds since 1970.
const BEGAN_US: u64 = 1_700_000_000_000_000;
