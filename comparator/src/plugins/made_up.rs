//! Tests: each bound on a component, met by one that does exactly that wrong.

use std::sync::Arc;
use std::time::Duration;

use antumbra_engine::Evidence;
use antumbra_observation::{Body, Bytes, ExchangeId, Leg, Observation, Outcome, Request, Response, VERSION};

use super::call::{Answer, Failure, Limits, Rewritten};
use super::component::{HOG, LOOP, NOTHING, TRAP, bytes, judge, misshapen, normaliser, stranger};
use super::{Assigned, Plugins, Prepared, sandbox::Sandbox};
use crate::accounts::{Accounts, Ledger};
use crate::policies::{Document, Policies, Version};
use crate::writer::{Handle, KIB_IN_FLIGHT};

/// `{"a":1}` and `{"a":2}` in gzip.
const ONE: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x4a\x54\xb2\x32\xac\x05\x00\xaf\xac\x1b\x56\x07\x00\x00\x00";
const TWO: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x4a\x54\xb2\x32\xaa\x05\x00\x6c\xff\x36\x7d\x07\x00\x00\x00";
const ANSWER: Answer<'_> = Answer { status: 200, headers: &[], body: b"{\"a\":1}" };

fn normalised(component: &[u8], limits: Limits) -> Result<Option<Rewritten>, Failure> {
    let sandbox = Sandbox::load(component, limits).unwrap_or_else(|error| panic!("{error}"));
    assert!(sandbox.normalises() && !sandbox.judges());
    let rewritten = sandbox.normalise("GET /", ANSWER);
    let again = sandbox.normalise("GET /", ANSWER);
    let reason = |result: &Result<_, Failure>| result.as_ref().err().map(Failure::reason);
    assert_eq!(reason(&rewritten), reason(&again), "a call leaves nothing to the next");
    rewritten.and_then(|rewritten| rewritten.map(|rewritten| rewritten.bounded(ANSWER.size())).transpose())
}

#[test]
fn each_way_to_fail_has_its_reason() {
    for (instructions, reason) in [
        (LOOP, "fuel"),
        (HOG, "memory"),
        (TRAP, "trap"),
        ("(drop (i32.load (i32.const -8))) unreachable", "trap"),
        // More than it may say, and so much that it is not even copied.
        (&bytes(100_000), "output"),
        (&bytes(3_000_000), "output"),
        // Beyond its memory.
        (&bytes(u32::MAX), "output"),
        // No such case of a result.
        ("(i32.store8 (i32.const 1024) (i32.const 9)) (i32.const 1024)", "output"),
        // An error of which the text is none.
        (
            "(i32.store8 (i32.const 1024) (i32.const 1)) (i32.store (i32.const 1028) (i32.const 1024))
             (i32.store (i32.const 1032) (i32.const 2)) (i32.store8 (i32.const 1025) (i32.const 255)) (i32.const 1024)",
            "output",
        ),
        ("(i32.store8 (i32.const 1024) (i32.const 1)) (i32.const 1024)", "refused"),
    ] {
        let failed = normalised(&normaliser(instructions), Limits::default());
        assert_eq!(failed.as_ref().err().map(Failure::reason), Some(reason), "{instructions}: {failed:?}");
    }
    assert_eq!(normalised(&normaliser(NOTHING), Limits::default()), Ok(None));
    let zeros = normalised(&normaliser(&bytes(9)), Limits::default());
    assert_eq!(zeros, Ok(Some(Rewritten { headers: vec![], body: vec![0; 9] })));
}

/// With fuel for ever there is still the clock.
#[test]
fn time_is_a_bound_of_its_own() {
    let limits = Limits { fuel: u64::MAX, time: Duration::from_millis(30), ..Limits::default() };
    let failed = normalised(&normaliser(LOOP), limits);
    assert_eq!(failed.err(), Some(Failure::Time));
}

#[test]
fn components_that_are_no_plugins() {
    let module = wat::parse_str("(module)").unwrap();
    for (bytes, said) in [
        (
            stranger(),
            "exports neither antumbra:plugin/normaliser@0.1.0 nor antumbra:plugin/judge@0.1.0, but greet",
        ),
        (misshapen(), "antumbra:plugin/judge@0.1.0 is not as antumbra has it"),
        (module, "is a core module, must be a component"),
        (b"\0asm\x0d\0\x01\0nonsense".to_vec(), "is no component"),
    ] {
        let error = Plugins::default().with("p", &bytes, Limits::default()).err().unwrap().to_string();
        assert!(error.contains(said), "{error}");
    }
}

fn leg(status: u16, body: Body) -> Leg {
    let headers = vec![(Bytes::from("content-type"), Bytes::from("application/json"))];
    let response = Some(Response { status, headers, body, trailers: Vec::new() });
    Leg { variant: String::new(), outcome: Outcome::Response, latency_us: None, response, reason: None }
}

fn observation(candidate: Leg) -> Observation {
    let whole = |text: &str| Body::Whole(text.into());
    Observation {
        version: VERSION,
        id: ExchangeId(1),
        release: "shop".to_owned(),
        generation: 1,
        rule: None,
        at_us: 1,
        client: None,
        request: Request { method: "GET".into(), path: "/items/7".into(), ..Request::default() },
        primary: leg(200, whole("{\"a\":1}")),
        candidate,
        control: Some(leg(200, Body::Same)),
    }
}

fn prepared(component: &[u8], observation: &Observation) -> Prepared {
    let plugins = Plugins::default().with("p", component, Limits::default()).unwrap();
    plugins.prepare(&antumbra_engine::Rules::default(), &Assigned::everywhere("p"), observation, None)
}

#[test]
fn all_answers_are_rewritten_or_none() {
    let other = leg(200, Body::Whole("{\"a\":2}".into()));
    let zeros =
        |leg: &Leg| leg.response.as_ref().is_some_and(|answer| answer.body == Body::Whole(vec![0; 9].into()));
    let done = prepared(&normaliser(&bytes(9)), &observation(other.clone()));
    let rewritten = done.rewritten.unwrap();
    assert!(
        [Some(&rewritten.primary), Some(&rewritten.candidate), rewritten.control.as_ref()]
            .into_iter()
            .flatten()
            .all(zeros)
    );
    assert_eq!(done.outside.plugins["p"], None);

    let broken = prepared(&normaliser(TRAP), &observation(other));
    assert!(broken.rewritten.is_none());
    assert_eq!(broken.outside.plugins["p"], Some("trap"));

    let cut = prepared(&normaliser(&bytes(9)), &observation(leg(200, Body::Cut { length: 9, xxh3: 9 })));
    assert!(cut.rewritten.is_none());
    assert_eq!(cut.outside.plugins["p"], Some("cut"));

    // What has another status is not compared, so nobody minds what is left of it.
    let failed = prepared(&normaliser(&bytes(9)), &observation(leg(500, Body::Cut { length: 9, xxh3: 9 })));
    assert!(
        failed.rewritten.is_some_and(|rewritten| zeros(&rewritten.primary) && !zeros(&rewritten.candidate))
    );
}

/// What plugins make of small answers may be large: it is part of what may be in flight, and what finds no room there is compared as it
/// came.
#[test]
fn what_plugins_make_has_its_part_in_the_bytes_in_flight() {
    let plugins = Plugins::default().with("p", &normaliser(&bytes(60_000)), Limits::default()).unwrap();
    let policies = Policies::default();
    let policy = b"{version: 1, name: shop, variants: {stable: null, canary: null}, default: stable,
        rules: [{name: shadow, mirror: [{to: canary, percent: 5}]}], compare: {plugins: [{at: GET /items/7, plugin: p}]}}";
    policies.put(Version::new(Document::from_yaml(policy).unwrap(), 1, 0));
    let (handle, _jobs) = Handle::new(Arc::new(Ledger::new(Accounts::default())));
    let mut others = handle.reserve();
    assert!(others.grow(KIB_IN_FLIGHT * 1024 - 256 * 1024), "a batch may make 256 KiB");
    let batch = vec![observation(leg(200, Body::Whole("{\"a\":2}".into()))); 3];
    let prepared = plugins.prepare_each(&policies, &batch, None, &mut handle.reserve());
    let kept: Vec<_> =
        prepared.values().map(|one| (one.rewritten.is_some(), one.outside.plugins["p"])).collect();
    assert_eq!(kept, [(true, None), (false, Some("room")), (false, Some("room"))]);
    drop(others);
    let prepared = plugins.prepare_each(&policies, &batch, None, &mut handle.reserve());
    assert!(prepared.len() == 3 && prepared.values().all(|one| one.rewritten.is_some()));
}

/// Whoever wants to look into an answer would have to bring a decoder for each encoding.
#[test]
fn plugins_get_bodies_without_their_encodings() {
    let encoded = |body: &[u8]| {
        let mut leg = leg(200, Body::Whole(body.to_vec().into()));
        let headers = leg.response.iter_mut().flat_map(|response| &mut response.headers);
        headers.for_each(|header| header.1 = "application/json".into());
        leg.response.as_mut().unwrap().headers.push(("Content-Encoding".into(), "gzip".into()));
        leg
    };
    let exchange = |candidate: Leg| Observation {
        primary: encoded(ONE),
        control: Some(encoded(ONE)),
        ..observation(candidate)
    };
    for component in [normaliser(NOTHING), normaliser(&bytes(9))] {
        let other = exchange(encoded(TWO));
        let done = prepared(&component, &other);
        let rewritten = done.rewritten.clone().unwrap();
        let shown = |leg: &Leg| leg.response.as_ref().map(|response| response.body.clone());
        let expected = |plain: &str| {
            if component == normaliser(NOTHING) {
                Body::Whole(plain.into())
            } else {
                Body::Whole(vec![0; 9].into())
            }
        };
        assert_eq!(shown(&rewritten.primary), Some(expected("{\"a\":1}")));
        assert_eq!(shown(&rewritten.candidate), Some(expected("{\"a\":2}")));
    }
    let other = exchange(encoded(TWO));
    let done = prepared(&normaliser(NOTHING), &other);
    let mut evidence = Evidence::new();
    let compared = done.rewritten.as_ref().unwrap();
    evidence.observe_with(compared, &antumbra_engine::Rules::default(), &done.outside);
    let report = antumbra_engine::report("shop", &evidence, &Default::default(), &Default::default());
    assert_eq!(report.noise.iter().map(|found| found.path.as_str()).collect::<Vec<_>>(), ["/a"]);
    assert_eq!(report.refused, []);

    let broken = prepared(&normaliser(NOTHING), &exchange(encoded(&TWO[..20])));
    assert!(broken.rewritten.is_none() && !broken.outside.decoded);
    assert_eq!(broken.outside.plugins["p"], Some("encoding"));
}

#[test]
fn a_judge_has_the_word_about_answers_of_the_same_status() {
    let other = leg(200, Body::Whole("{\"a\":2}".into()));
    let differs = |done: &Prepared, observation: &Observation| {
        let mut evidence = Evidence::new();
        evidence.observe_with(observation, &antumbra_engine::Rules::default(), &done.outside);
        let report = antumbra_engine::report("shop", &evidence, &Default::default(), &Default::default());
        (report.noise.len(), report.plugins[0].failed.clone())
    };
    for (instructions, candidate, differences, failed) in
        [(NOTHING, other.clone(), 0, ""), (TRAP, other, 1, "trap"), (NOTHING, leg(500, Body::Same), 1, "")]
    {
        let observation = observation(candidate);
        let done = prepared(&judge(instructions), &observation);
        let (found, reasons) = differs(&done, &observation);
        assert_eq!(found, differences, "{instructions}");
        assert_eq!(reasons.keys().map(String::as_str).collect::<String>(), failed);
    }
}
