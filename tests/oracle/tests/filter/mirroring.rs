//! From a captured exchange over the calls to candidate and control to the observation, where calls may leave on the tick alone.

use std::time::Duration;

use antumbra_observation::{Body, Observation, Outcome, SHADOW_HEADER, decode_sequence};
use antumbra_oracle::{Call, Exchange, Message, Proxy};
use proxy_wasm_host::abi::v0_2_1::types::MetricType;
use proxy_wasm_host::abi::v0_2_1::{Callback, HttpCallResponse};
use serde_json::{Value, json};

/// A proxy whose filter has its policy.
pub(crate) fn running(host: &str, rule: &Value) -> Proxy {
    let comparator = json!({"cluster": "antumbra", "token": "0123456789"});
    let mut proxy = Proxy::start(&json!({"host": host, "release": "shop", "comparator": comparator}));
    let heartbeat = proxy.tick().remove(0);
    proxy.answer(&heartbeat, 200, policy(7, rule).to_string().as_bytes());
    assert!(proxy.tick().is_empty(), "{:?}", proxy.log());
    proxy
}

pub(crate) fn policy(generation: u64, rule: &Value) -> Value {
    json!({
        "version": 1, "name": "shop", "generation": generation, "lease": "15s", "default": "stable",
        "variants": {
            "stable": {"cluster": "stable"}, "candidate": {"cluster": "canary-shadow"}, "control": {"cluster": "control"},
            "lost": {"cluster": "nowhere"},
        },
        "rules": [rule],
    })
}

pub(crate) fn mirrored() -> Value {
    json!({"name": "m", "mirror": [{
        "to": "candidate", "percent": 100, "timeout": "3s", "control": {"to": "control", "percent": 100},
    }]})
}

pub(crate) fn get() -> Exchange {
    let request = [
        (":method", &b"GET"[..]),
        (":path", b"/cart?x=1"),
        (":authority", b"shop.test"),
        ("x-odd", b"\xff\xfe"),
        ("connection", b"keep-alive"),
        ("x-envoy-retry-on", b"5xx"),
    ];
    let response =
        Message::new([(":status", "200"), ("content-type", "text/plain")]).body(&[b"hello ", b"world"]);
    Exchange::new(Message::new(request), response)
}

/// Answers both shadows, so and so many milliseconds after they left, and waits for the batch.
fn observed(proxy: &mut Proxy, shadows: &[Call], answers: &[(&str, u64, &[u8])]) -> Observation {
    for (cluster, after_ms, body) in answers {
        let call = shadows.iter().find(|call| call.cluster == *cluster).unwrap();
        proxy.pass(Duration::from_millis(*after_ms));
        proxy.answer(call, 200, body);
        assert!(proxy.sent().is_empty(), "a call left from an answer's callback");
    }
    batch(proxy).1
}

/// The next batch, with the one observation in it.
pub(crate) fn batch(proxy: &mut Proxy) -> (Call, Observation) {
    let calls =
        (0..50).flat_map(|_| proxy.tick()).find(|call| call.header(":path") == Some(b"/v1/observations"));
    let call = calls.expect("no batch within half a second");
    let mut observations = decode_sequence(&call.body).unwrap();
    assert_eq!(observations.len(), 1);
    (call, observations.remove(0))
}

#[test]
fn an_exchange_is_mirrored_with_the_next_tick_and_observed() {
    let mut proxy = running("generic", &mirrored());
    proxy.serve(get());
    assert_eq!(proxy.sent(), [], "a call left from a stream's callback");

    let shadows = proxy.tick();
    let mut clusters: Vec<&str> = shadows.iter().map(|call| call.cluster.as_str()).collect();
    clusters.sort_unstable();
    assert_eq!(clusters, ["canary-shadow", "control"]);
    for shadow in &shadows {
        assert_eq!((shadow.from, shadow.timeout), (Some(Callback::Tick), Duration::from_secs(3)));
        assert_eq!(shadow.header(":method"), Some(&b"GET"[..]));
        assert_eq!(shadow.header(":path"), Some(&b"/cart?x=1"[..]));
        assert_eq!(shadow.header(":authority"), Some(&b"shop.test"[..]));
        assert_eq!(shadow.header("x-odd"), Some(&b"\xff\xfe"[..]), "bytes go through as they are");
        for hop in ["connection", "x-envoy-retry-on"] {
            assert_eq!(shadow.header(hop), None, "{hop}");
        }
    }
    let name = shadows[0].header(SHADOW_HEADER).unwrap().to_vec();
    assert_eq!(shadows[1].header(SHADOW_HEADER), Some(&name[..]));

    let observation = observed(
        &mut proxy,
        &shadows,
        &[("control", 7, b"hello world"), ("canary-shadow", 2, b"hello candidate")],
    );
    assert_eq!(observation.id.to_string().as_bytes(), name);
    assert_eq!((observation.release.as_str(), observation.generation), ("shop", 7));
    assert_eq!((observation.rule.as_deref(), observation.primary.variant.as_str()), (Some("m"), "stable"));
    assert_eq!(observation.primary.response.unwrap().body, Body::Whole("hello world".into()));
    let (candidate, control) = (observation.candidate, observation.control.unwrap());
    assert_eq!((candidate.outcome, candidate.latency_us), (Outcome::Response, Some(9_000)));
    assert_eq!(candidate.response.unwrap().body, Body::Whole("hello candidate".into()));
    assert_eq!((control.outcome, control.latency_us), (Outcome::Response, Some(7_000)));
    assert_eq!(control.response.unwrap().body, Body::Same);
}

#[test]
fn a_shadow_that_fails_or_cannot_leave_is_observed_too() {
    let rule = json!({"name": "m", "mirror": [{
        "to": "candidate", "percent": 100, "control": {"to": "lost", "percent": 100},
    }]});
    let mut proxy = running("generic", &rule);
    proxy.serve(get());
    let shadows = proxy.tick();
    assert_eq!(shadows.len(), 1, "the host knows no cluster of the other");
    proxy.deliver(&shadows[0], HttpCallResponse::failed()).unwrap();
    let (_, observation) = batch(&mut proxy);
    assert_eq!(observation.candidate.outcome, Outcome::Reset);
    assert_eq!(observation.control.unwrap().outcome, Outcome::NotSent);
}

/// What the profile is for: under Envoy's the calls leave earlier, and this host ends a call with the stream that made it.
#[test]
fn under_the_profile_of_envoy_shadows_leave_with_the_streams_log_and_are_lost() {
    let mut proxy = running("envoy", &mirrored());
    proxy.serve(get());
    let from: Vec<_> = proxy.sent().into_iter().map(|call| call.from).collect();
    assert_eq!(from, [Some(Callback::Log); 2]);
    assert_eq!(batch(&mut proxy).1.candidate.outcome, Outcome::Reset);
    assert!(!proxy.metrics(MetricType::Gauge).is_empty());
}

/// Some hosts trap at a gauge, or if ticks are asked for again.
#[test]
fn the_generic_profile_has_no_gauges_and_asks_for_ticks_once() {
    let mut proxy = running("generic", &mirrored());
    proxy.serve(get());
    proxy.tick();
    assert_eq!(proxy.metrics(MetricType::Gauge), Vec::<String>::new());
    assert!(proxy.metrics(MetricType::Counter).contains(&"antumbra.shop.requests".to_owned()));
    let root = proxy.root();
    assert!(!proxy.guest().enter_root().on_done(root).unwrap(), "what is out is waited for");
    for _ in 0..4 {
        for call in proxy.tick() {
            proxy.answer(&call, 204, b"");
        }
    }
    assert!(proxy.guest().take_changes().tick_periods.is_empty());
}
