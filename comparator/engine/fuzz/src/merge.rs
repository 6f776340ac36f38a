//! Exchanges that three engines saw in parts, merged in two ways, against one engine that saw them all: every count, latency and
//! example is the same. Only numbers of discovery may differ, and with them which of the differences are regressions.

use std::collections::BTreeMap;

use antumbra_engine::{Delivery, Evidence, Example, Gates, Report, Rules, Taken, report};
use antumbra_observation::{Leg, Observation, Outcome};

/// Five bytes are an exchange, [`MOST`] at most are taken.
pub fn check(bytes: &[u8]) {
    let mut parts = [Evidence::new(), Evidence::new(), Evidence::new()];
    let mut one = Evidence::new();
    let rules = Rules::default().with_primary(vec!["stable".to_owned()]);
    for (number, exchange) in bytes.chunks_exact(5).take(MOST).enumerate() {
        let observation = observation(number as u64, exchange);
        let part = &mut parts[usize::from(exchange[0] % 3)];
        let taken = one.observe(&observation, &rules);
        assert_eq!(part.observe(&observation, &rules), taken);
        assert_ne!(taken, Taken::Repeated, "nobody says who asks");
    }
    let [first, second, third] = parts;
    let mut from_left = first.clone();
    from_left.merge(second.clone());
    from_left.merge(third.clone());
    let mut inner = third;
    inner.merge(second);
    let mut from_right = inner;
    from_right.merge(first);
    let expected = counts(&read(&one));
    for merged in [&mut from_left, &mut from_right] {
        assert_eq!(counts(&read(merged)), expected);
        let restored = Evidence::restore(merged.take_dirty()).expect("what was written");
        assert_eq!(&restored, merged, "a merge that is not stored in full");
    }
}

fn read(evidence: &Evidence) -> Report {
    let delivery = Delivery { known: true, mirrored: evidence.exchanges(), ..Delivery::default() };
    report("shop", evidence, &Gates::default(), &delivery)
}

/// Candidate only, control only, both, and a sample of those that show it.
type Found = (u64, u64, u64, Vec<Example>);

/// All of a report that does not depend on numbers of discovery.
fn counts(report: &Report) -> (Report, BTreeMap<String, Found>) {
    let mut places = BTreeMap::new();
    let found = report.regressions.iter().chain(&report.suspected);
    for found in found.filter(|found| found.step.is_none()) {
        let key = format!("{} {} {}", found.endpoint, found.path, found.kind);
        places.insert(key, (found.candidate_only, found.control_only, found.both, Vec::new()));
    }
    for found in &report.noise {
        let key = format!("{} {} {}", found.endpoint, found.path, found.kind);
        places.insert(key, (found.candidate_only, found.control_only, found.both, Vec::new()));
    }
    for found in &report.uncontrolled {
        let key = format!("uncontrolled {} {} {}", found.endpoint, found.path, found.kind);
        places.insert(key, (found.exchanges, 0, 0, found.example.clone().into_iter().collect()));
    }
    let mut rest = report.clone();
    rest.verdict = antumbra_engine::Verdict::Wait;
    (rest.needed, rest.forecast) = (None, None);
    (rest.reasons, rest.reason_details, rest.not_covered) = (Vec::new(), Vec::new(), Vec::new());
    (rest.regressions, rest.suspected) = (Vec::new(), Vec::new());
    (rest.noise, rest.uncontrolled) = (Vec::new(), Vec::new());
    // Which places are noisy, and so what is shown by now, depends on the order of what an engine saw.
    rest.excess_at_most = 0.0;
    for endpoint in &mut rest.endpoints {
        (endpoint.regressions, endpoint.covered, endpoint.excess_at_most) = (0, false, 0.0);
    }
    places.retain(|name, _| !name.ends_with(" farther"));
    rest.suggestions.iter_mut().for_each(|suggestion| suggestion.costs = None);
    (rest, places)
}

/// Which engine and which client's variant, endpoint, the answers of both shadows, and how long they took.
fn observation(number: u64, exchange: &[u8]) -> Observation {
    let &[kind, endpoint, candidate, control, pace] = exchange else { unreachable!("chunks of five") };
    let latency = 1_u64 << (pace % 24);
    let variant = if kind & 0x80 == 0 { "stable" } else { "canary" };
    let path = format!("/{}", char::from(b'a' + endpoint % 4));
    let observation = Observation::new("shop", "GET", &path)
        .with_id(u128::from(number) << 8)
        .with_arrival_us(1_700_000_000_000_000 + (number * 7_919 + u64::from(pace)) % 1_000)
        .with_primary(leg(variant, 0, 5_000))
        .with_candidate(leg("canary", candidate, latency));
    if kind & 0x40 == 0 { observation.with_control(leg("control", control, 4_000)) } else { observation }
}

/// Two fields by the low bits; the high ones now and then end the call in another way.
fn leg(variant: &str, answer: u8, latency_us: u64) -> Leg {
    let body = format!("{{\"a\":{},\"b\":{}}}", answer & 3, answer >> 2 & 1);
    let answered = |status| Leg::answer(variant, status).with_json(&body).with_latency_us(latency_us);
    match answer >> 3 {
        31 => Leg::ended(variant, Outcome::Timeout),
        30 => Leg::ended(variant, Outcome::Reset),
        29 => Leg::not_sent(variant, None),
        28 => answered(503),
        _ => answered(200),
    }
}

const MOST: usize = 64;
