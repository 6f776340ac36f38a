//! Made-up services of two versions, each with a trap for whoever judges a release by its traffic, and what an honest verdict on it is.

use antumbra_observation::Leg;

use crate::traffic::{Arrival, Asked, CANDIDATE, Service, about, asked, each, json};
use crate::world::{Dice, answer};

/// A service, and the right answer.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) right: Right,
    pub(crate) made: fn(&mut Dice) -> Service,
}

/// What an honest verdict is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// The candidate is worse: rolled back in the end, and never promoted before.
    RollBack,
    /// Nothing was looked at that could be promoted.
    NeverPromote,
    /// Both versions are alike: promoted within so many exchanges.
    Promote { within: u64 },
    /// Both versions are alike, and their instances are not: of twenty releases at most so many are ever rolled back.
    Alike { alarms_of_20: u64 },
}

const fn scenario(name: &'static str, right: Right, made: fn(&mut Dice) -> Service) -> Scenario {
    Scenario { name, right, made }
}

const RARE: Right = Right::Alike { alarms_of_20: 1 };

/// All of them.
pub(crate) const SCENARIOS: [Scenario; 17] = [
    scenario("nonce", Right::RollBack, |_| masked(|dice, number, wrong| invoice(dice, number, wrong, "\n"))),
    scenario("nonce-on-one-line", Right::RollBack, |_| {
        masked(|dice, number, wrong| invoice(dice, number, wrong, ""))
    }),
    scenario("not-a-number", Right::RollBack, |_| masked(unreadable)),
    scenario("time-of-1970", Right::RollBack, |_| masked(time_of_1970)),
    scenario("undefined", Right::RollBack, |_| {
        masked(|dice, _, wrong| ticket(dice, wrong.then_some("undefined")))
    }),
    scenario("null", Right::RollBack, |_| masked(|dice, _, wrong| ticket(dice, wrong.then_some("null")))),
    scenario("shuffled-records", Right::RollBack, |_| masked(shuffled_records)),
    scenario("spread-thin", Right::RollBack, |_| Box::new(spread_thin)),
    scenario("refused", Right::NeverPromote, |_| Box::new(refused)),
    scenario("rare-and-certain", Right::NeverPromote, |_| Box::new(rare_and_certain)),
    scenario("noisy-fields", Right::Promote { within: 4_000 }, |_| noisy_fields(0.1)),
    scenario("wide-latency", Right::Promote { within: 12_000 }, |_| latencies(1.0)),
    scenario("pauses", RARE, pauses),
    scenario("restarts", RARE, restarts),
    scenario("tables", Right::Alike { alarms_of_20: 3 }, tables),
    scenario("cold-start", RARE, cold_start),
    scenario("sticky-users", RARE, sticky_users),
];

/// Answers that are never the same twice, and a candidate that is always wrong.
fn masked(body: fn(&mut Dice, u64, bool) -> Leg) -> Service {
    Box::new(move |dice, Arrival { number, .. }| {
        let legs = each(dice, |dice, which| body(dice, number, which == CANDIDATE));
        asked(&format!("/orders/{}", number % 40), legs)
    })
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

/// Requests whose credentials nobody knows.
fn refused(dice: &mut Dice, _: Arrival) -> Asked {
    asked("/account", each(dice, |_, _| answer(401, r#"{"message":"who are you?"}"#.to_owned(), 0)))
}

/// An endpoint that is asked once in a thousand requests, and always fails at the candidate.
fn rare_and_certain(dice: &mut Dice, Arrival { number, .. }: Arrival) -> Asked {
    let rare = number % 1_000 == 400;
    let status = |which| if rare && which == CANDIDATE { 500 } else { 200 };
    let path = if rare { "/returns/label" } else { "/menu" };
    asked(path, each(dice, |_, which| answer(status(which), "{}".to_owned(), 0)))
}

/// Ten fields, each of which is another one in so many of the answers of any version.
pub(crate) fn noisy_fields(noise: f64) -> Service {
    Box::new(move |dice, _| {
        let legs = each(dice, |dice, _| {
            let fields = ["ac", "ad", "ae", "af", "ag", "ah", "ai", "ak", "al", "am"].map(|name| {
                let value = if dice.chance(noise) { 1 + dice.next() % 10_000 } else { 0 };
                format!(r#""{name}":{value}"#)
            });
            json(format!("{{{}}}", fields.join(",")))
        });
        asked("/offers", legs)
    })
}

/// A field that is another one in so many answers, of the candidate and of the control.
pub(crate) fn field(of_candidate: f64, of_control: f64) -> Service {
    Box::new(move |dice, _| {
        let legs = each(dice, |dice, which| {
            let differs = dice.chance([0.0, of_candidate, of_control][which]);
            let value = if differs { 2 + dice.next() % 1_000 } else { 1 };
            json(format!(r#"{{"left":{value}}}"#))
        });
        asked("/stock", legs)
    })
}

/// Nothing but latencies, of such a spread around 20 ms.
pub(crate) fn latencies(sigma: f64) -> Service {
    Box::new(move |dice, _| {
        asked("/menu", [(); 3].map(|()| answer(200, "{}".to_owned(), about(dice, 20.0, sigma))))
    })
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
