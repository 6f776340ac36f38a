//! Exchanges that one core compares, counts and writes down in a second, beside `serde_json` parsing their three bodies:
//! `cargo bench -p antumbra-engine --bench take`.
//!
//! Comparing runs on all cores and counting on one, so each has a column of its own; what is compared is compared by evidence that is one
//! batch old, as in a comparator. Contenders take turns within each round, and what is printed are medians.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a bench measures time, prints it, and takes arguments"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use antumbra_engine::{Compared, Evidence, Outside, Rules, Taken, compare, encode_compared};
use antumbra_observation::{Body, ExchangeId, Leg, Observation, Outcome, Request, Response, VERSION};
use serde_json::Value;

fn main() {
    println!(
        "{:<34}{:>10}{:>10}{:>10}{:>10}{:>9}{:>11}{:>7}",
        "exchanges a second on one core",
        "compare",
        "take",
        "encode",
        "together",
        "bytes",
        "serde_json",
        "ratio"
    );
    for endpoints in [20, 1_000] {
        for noise in [Noise::Equal, Noise::Three, Noise::Forty] {
            row(noise, endpoints);
        }
    }
}

/// What differs, in candidate and control each time.
#[derive(Clone, Copy)]
enum Noise {
    /// Nothing: the filter sent both bodies as the primary's.
    Equal,
    /// A time, an identifier and a number.
    Three,
    Forty,
}

fn row(noise: Noise, endpoints: u64) {
    let (name, fields) = match noise {
        Noise::Equal => ("equal bodies of 1 KiB", 0),
        Noise::Three => ("3 noisy fields", 3),
        Noise::Forty => ("40 fields differ", 40),
    };
    let name = format!("{name}, {endpoints} endpoints");
    if std::env::args().skip(1).any(|wanted| !wanted.starts_with("--") && !name.contains(&wanted)) {
        return;
    }
    let (rules, outside) = (Rules::default(), Outside::default());
    let mut evidence = Evidence::new();
    let mut rounds: [Vec<f64>; 4] = Default::default();
    let mut bytes = 0;
    for round in 0..ROUNDS {
        let batch: Vec<Observation> =
            (0..BATCH).map(|at| observation(round * BATCH + at, endpoints, fields)).collect();
        let known = evidence.clone();
        let (compare_us, compared) = timed(|| {
            let compared = batch.iter().map(|one| compare(one, &rules, &outside, &known));
            compared.collect::<Vec<Compared>>()
        });
        drop(known);
        let (take_us, ()) = timed(|| {
            compared.iter().for_each(|one| assert!(evidence.take(black_box(one)) == Taken::Compared));
        });
        let (encode_us, encoded) = timed(|| encode_compared(&compared));
        let (parse_us, ()) = timed(|| batch.iter().for_each(parse));
        bytes = encoded.len() as u64 / BATCH;
        // In the first rounds little is known: much is shown, and all is guessed. Of a thousand endpoints that still holds at the end.
        if round >= WARM {
            [compare_us, take_us, encode_us, parse_us]
                .into_iter()
                .zip(&mut rounds)
                .for_each(|(us, all)| all.push(us));
        }
    }
    print(&name, bytes, rounds.map(median));
}

fn print(name: &str, bytes: u64, [compare, take, encode, parse]: [f64; 4]) {
    let rate = |us: f64| BATCH as f64 / us * 1e6;
    let together = compare + take + encode;
    println!(
        "{name:<34}{:>10.0}{:>10.0}{:>10.0}{:>10.0}{bytes:>9}{:>11.0}{:>7.2}",
        rate(compare),
        rate(take),
        rate(encode),
        rate(together),
        rate(parse),
        together / parse
    );
}

fn parse(observation: &Observation) {
    let legs = [&observation.primary, &observation.candidate].into_iter().chain(&observation.control);
    for response in legs.filter_map(|leg| leg.response.as_ref()) {
        if let Body::Whole(body) = &response.body {
            black_box(serde_json::from_slice::<Value>(body).expect("JSON"));
        }
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let began = Instant::now();
    let done = black_box(work());
    (began.elapsed().as_secs_f64() * 1e6, done)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn observation(number: u64, endpoints: u64, fields: u64) -> Observation {
    let path = format!("/api/{}/items/{}?page=2", name(number % endpoints), number % 997);
    let same = fields == 0;
    Observation {
        version: VERSION,
        id: ExchangeId(u128::from(number) << 64 | 7),
        release: "shop".to_owned(),
        generation: 1,
        rule: None,
        at_us: 1_700_000_000_000_000 + number * 30,
        client: Some(u32::try_from(number % 100_000).unwrap_or_default()),
        request: Request { method: "GET".into(), path: path.as_str().into(), ..Request::default() },
        primary: leg(number, 0, fields, false),
        candidate: leg(number, 1, fields, same),
        control: Some(leg(number, 2, fields, same)),
    }
}

fn leg(number: u64, which: u64, fields: u64, same: bool) -> Leg {
    let dice = spread(number * 3 + which);
    let headers = vec![
        ("content-type".into(), "application/json".into()),
        ("date".into(), format!("Wed, 04 Feb 2026 12:00:{:02} GMT", dice % 60).as_str().into()),
        ("server".into(), "nginx".into()),
        ("cache-control".into(), "no-store".into()),
    ];
    let body = if same { Body::Same } else { Body::Whole(body(number, dice, fields).as_str().into()) };
    Leg {
        variant: "v".to_owned(),
        outcome: Outcome::Response,
        sent_us: None,
        latency_us: Some(4_000 + dice % 3_000),
        response: Some(Response { status: 200, headers, body, trailers: vec![] }),
        reason: None,
    }
}

/// About 1 KiB; with forty fields that differ, 2 KiB.
fn body(number: u64, dice: u64, fields: u64) -> String {
    let mut text = format!("{{\"id\":{},\"kind\":\"order\"", number % 997);
    for at in 0..12 {
        let _ = write!(
            text,
            ",\"line-{}\":{{\"name\":\"Espresso cup, white\",\"price\":{}.50,\"count\":2}}",
            name(at),
            at * 7
        );
    }
    for at in 0..fields {
        let value = dice.rotate_left(u32::try_from(at).unwrap_or_default());
        let _ = match at % 3 {
            0 => write!(
                text,
                ",\"at-{}\":\"2026-02-04T12:00:{:02}.{:03}Z\"",
                name(at),
                value % 60,
                value % 1_000
            ),
            1 => write!(text, ",\"trace-{}\":\"{value:016x}\"", name(at)),
            _ => write!(text, ",\"load-{}\":{}.{:03}", name(at), value % 90, value % 1_000),
        };
    }
    text + "}"
}

/// Three letters.
fn name(number: u64) -> String {
    [676, 26, 1]
        .iter()
        .map(|unit| char::from(b'a' + u8::try_from(number / unit % 26).unwrap_or_default()))
        .collect()
}

/// The finalizer of `SplitMix64`.
fn spread(seed: u64) -> u64 {
    let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Exchanges of a round.
const BATCH: u64 = 1_000;
const ROUNDS: u64 = 100;
const WARM: u64 = 60;
