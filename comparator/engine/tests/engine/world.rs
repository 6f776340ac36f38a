//! Two versions of a small service without a network: observations as a filter would send them, from a seed.

use antumbra_engine::{Delivery, Evidence, Gates, Report, Rules, report};
use antumbra_observation::{Leg, Observation};

/// `SplitMix64` (Steele, Lea & Flood 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, (self.next() % (at as u64 + 1)) as usize);
        }
    }
}

/// An answer with JSON body, as the service gives it.
pub(crate) fn answer(status: u16, body: String, latency_us: u64) -> Leg {
    Leg::answer("v", status).with_body("application/json", body.into_bytes()).with_latency_us(latency_us)
}

/// An exchange; the `number` is its identifier and its block of 10 s.
pub(crate) fn exchange(
    number: u64,
    path: &str,
    primary: Leg,
    candidate: Leg,
    control: Option<Leg>,
) -> Observation {
    let observation = Observation::new("shop", "GET", path)
        .with_id(number.into())
        .with_arrival_us(1_700_000_000_000_000 + number * 10_000_000)
        .with_primary(primary);
    Observation { control, ..observation.with_candidate(candidate) }
}

/// What the candidate does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defects {
    None,
    Seeded,
}

/// The paths of the service, asked in turn.
const PATHS: [&str; 5] = ["/search?q=a", "/items/17", "/cart", "/quotes", "/status"];

/// Drives `exchanges` through both versions. Both are noisy: timestamps, random identifiers, shuffled arrays, objects in
/// shuffled arrays with noise of their own, a set of tags that is there half of the time.
pub(crate) fn drive(seed: u64, exchanges: u64, defects: Defects) -> Evidence {
    let mut dice = Dice(seed);
    let mut evidence = Evidence::new();
    for number in 1..=exchanges {
        let path = PATHS[(dice.next() % PATHS.len() as u64) as usize];
        let primary = serve(&mut dice, path, false);
        let candidate = serve(&mut dice, path, defects == Defects::Seeded);
        let control = serve(&mut dice, path, false);
        evidence.observe(&exchange(number, path, primary, candidate, Some(control)), &Rules::default());
    }
    evidence
}

/// The report with default gates and everything delivered.
pub(crate) fn read(evidence: &Evidence) -> Report {
    report(
        "shop",
        evidence,
        &Gates::default(),
        &Delivery { known: true, mirrored: evidence.exchanges(), ..Delivery::default() },
    )
}

/// The verdict's findings as `endpoint path kind`, sorted.
pub(crate) fn found(report: &Report) -> Vec<String> {
    let line = |r: &antumbra_engine::Regression| format!("{} {} {}", r.endpoint, r.path, r.kind);
    let mut lines: Vec<String> = report.regressions.iter().map(line).collect();
    lines.sort();
    lines
}

fn serve(dice: &mut Dice, path: &str, broken: bool) -> Leg {
    let mut latency = 4_000.0 * (0.3 * dice.normal()).exp();
    let mut status = 200;
    let (stamp, request) = (dice.next() >> 20, dice.next());
    let body = match path {
        "/search?q=a" => {
            let mut items: Vec<String> = (1..=8)
                .map(|id| {
                    let price = if broken && id == 3 { 31 } else { id * 10 };
                    format!(r#"{{"id":{id},"price":{price},"seen":{}}}"#, dice.next() % 3)
                })
                .collect();
            dice.shuffle(&mut items);
            format!(r#"{{"at":{stamp},"items":[{}]}}"#, items.join(","))
        }
        "/items/17" => {
            let stock = if broken { r#""12""# } else { "12" };
            format!(r#"{{"id":17,"stock":{stock},"trace":"{request:016x}"}}"#)
        }
        "/cart" => {
            let total = if broken { "" } else { r#","total":99"# };
            let tags = if dice.chance(0.5) { r#","tags":["a"]"# } else { "" };
            format!(r#"{{"lines":[1,2,3]{total}{tags}}}"#)
        }
        "/quotes" => {
            let mut quotes = ["a", "b", "c", "d"];
            dice.shuffle(&mut quotes);
            if broken && dice.chance(0.1) {
                status = 500;
            }
            format!(r#"{{"quotes":{quotes:?}}}"#)
        }
        _ => {
            if broken && dice.chance(0.06) {
                latency *= 50.0;
            }
            r#"{"ok":true}"#.to_owned()
        }
    };
    answer(status, body, latency as u64)
}
