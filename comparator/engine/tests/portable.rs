//! The same cases natively and under Node: the engine needs nothing of its host.

use antumbra_engine::stats::ln_evidence;
use antumbra_engine::{Delivery, Evidence, Gates, Pattern, Rules, report, template};
use antumbra_observation::{Leg, Observation};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test;

fn leg(body: &str) -> Leg {
    Leg::answer("v", 200).with_json(body).with_latency_us(2_000)
}

fn observation(number: u128, [primary, candidate]: [Leg; 2], control: Option<Leg>) -> Observation {
    let observation = Observation::new("r", "GET", "/").with_id(number).with_primary(primary);
    let observation = observation.with_arrival_us(number as u64 * 10_000_000);
    Observation { control, ..observation.with_candidate(candidate) }
}

/// Primary, candidate, control, what is ignored, and the findings after forty such exchanges.
const CASES: [(&str, &str, &str, &str, &[&str]); 6] = [
    ("{\"a\":1}", "{\"a\":1.0}", "{\"a\":1}", "/none", &[]),
    ("{\"a\":1}", "{\"a\":2}", "{\"a\":1}", "/none", &["/a value"]),
    ("{\"a\":1}", "{\"a\":2}", "{\"a\":1}", "/a", &[]),
    ("{\"a\":1}", "{\"a\":2}", "{\"a\":3}", "/none", &[]),
    ("{\"a\":[1,2]}", "{\"a\":[2,1]}", "{\"a\":[1,2]}", "/none", &["/a order"]),
    ("{\"a\":1", "{\"a\":2", "{\"a\":1", "/none", &[" value"]),
];

#[cfg_attr(not(target_family = "wasm"), test)]
#[cfg_attr(target_family = "wasm", wasm_bindgen_test)]
fn findings() {
    for (primary, candidate, control, ignored, expected) in CASES {
        let rules = Rules::new(vec![Pattern::parse(ignored).unwrap()], vec![]);
        let mut evidence = Evidence::new();
        for number in 0..40 {
            let observed = observation(number, [leg(primary), leg(candidate)], Some(leg(control)));
            evidence.observe(&observed, &rules);
        }
        let stored: Vec<_> = evidence.take_dirty().collect();
        assert_eq!(Evidence::restore(stored), Ok(evidence.clone()));
        let report = report("r", &evidence, &Gates::default(), &Delivery::default());
        let found: Vec<String> =
            report.regressions.iter().map(|r| format!("{} {}", r.path, r.kind)).collect();
        assert_eq!(found, expected, "{primary} {candidate} {control}");
    }
}

/// Type, encoding and two bodies; where they differ.
type Bodies = (&'static str, &'static str, &'static [u8], &'static [u8], &'static [&'static str]);

const BODIES: [Bodies; 6] = [
    ("text/plain", "", b"a\nb", b"a\nc", &[""]),
    ("application/x-ndjson", "", b"{\"a\":1}\n2", b"{\"a\":2}\n2", &["/*/a"]),
    ("application/x-www-form-urlencoded", "", b"a=1&b=%32", b"b=2&a=2", &["/a"]),
    ("text/plain", "br", b"\x0b\x02\x80hello\x03", b"\x0b\x02\x80hallo\x03", &[""]),
    (
        "application/json",
        "zstd",
        b"\x28\xb5\x2f\xfd\x20\x07\x39\0\0{\"a\":1}",
        b"\x28\xb5\x2f\xfd\x20\x07\x39\0\0{\"a\":2}",
        &["/a"],
    ),
    ("application/json", "deflate", b"\x01\x01\0\xfe\xff1", b"\x01\x03\0\xfc\xff1.0", &[]),
];

#[cfg_attr(not(target_family = "wasm"), test)]
#[cfg_attr(target_family = "wasm", wasm_bindgen_test)]
fn kinds_of_bodies() {
    for (media, encoding, left, right, expected) in BODIES {
        let leg = |body: &[u8]| {
            Leg::answer("v", 200).with_body(media, body).with_header("content-encoding", encoding)
        };
        let mut evidence = Evidence::new();
        evidence.observe(&observation(0, [leg(left), leg(right)], None), &Rules::default());
        let report = report("r", &evidence, &Gates::default(), &Delivery::default());
        let found: Vec<&str> = report.uncontrolled.iter().map(|found| found.path.as_str()).collect();
        assert_eq!((found.as_slice(), report.refused.as_slice()), (expected, &[][..]), "{media} {encoding}");
    }
}

#[cfg_attr(not(target_family = "wasm"), test)]
#[cfg_attr(target_family = "wasm", wasm_bindgen_test)]
fn numbers_and_names() {
    for (a, b, expected) in
        [(0, 0, 0.0), (7, 0, 3.980_512_474_917), (1_000_000, 1_000_000, -7.480_120_346_907)]
    {
        assert!((ln_evidence(a, b) - expected).abs() < 1e-9, "{a} {b}");
    }
    assert_eq!(template(b"GET", b"/users/7/orders?page=2"), "GET /users/{id}/orders");
}
