//! Policies over real HTTP: generations, preconditions, all errors at once, the audit, and what the filters are told.

use std::net::SocketAddr;

use crate::server::{Answer, SHOP, World, healthy, send};
use antumbra_observation::{Accounts, Heartbeat, Instance, encode_heartbeat};
use http::Method;

#[tokio::test]
async fn a_policy_has_a_tag_and_preconditions_hold() {
    let world = World::with_shop().await;
    let shown = world.get("/v1/policies/shop").await;
    assert_eq!(shown.header("etag"), "\"1\"");
    assert!(shown.text.contains(r#""weights":{"canary":5,"stable":95}"#), "{}", shown.text);
    let same = world.send(Method::GET, "/v1/policies/shop", &[("if-none-match", "\"1\"")], "").await;
    assert_eq!((same.status.as_u16(), same.text.as_str()), (304, ""));
    for (name, value, percent, expected) in [
        ("if-match", "\"1\"", "6", 200),
        ("if-match", "\"1\"", "7", 412),
        ("if-match", "\"1\", \"2\"", "8", 200),
        ("if-match", "*", "9", 200),
        ("if-none-match", "*", "10", 412),
    ] {
        let headers = [("content-type", "text/yaml"), (name, value)];
        let body = SHOP.replace("percent: 5,", &format!("percent: {percent},"));
        let answer = world.send(Method::PUT, "/v1/policies/shop", &headers, body).await;
        assert_eq!(answer.status.as_u16(), expected, "{name}: {value} {answer:?}");
    }
    let listed = world.get("/v1/policies").await.json();
    assert_eq!((&listed[0]["release"], &listed[0]["generation"]), (&"shop".into(), &4.into()));
    assert_eq!(world.get("/v1/policies/till").await.status, 404);
}

#[tokio::test]
async fn all_errors_come_at_once_and_the_last_good_policy_stays() {
    let world = World::with_shop().await;
    let bad = SHOP
        .replace("percent: 5,", "percent: 101,")
        .replace("default: stable", "default: stabel")
        .replace("margin: 0.5", "margn: 0.5");
    let answer = world.put("shop", &bad).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (422, "application/problem+json"));
    let errors = answer.json()["errors"].clone();
    let message = |path: &str| {
        let found = errors.as_array().unwrap().iter().find(|error| error["path"] == path);
        found.unwrap_or_else(|| panic!("{path} is not in {errors}"))["message"].as_str().unwrap().to_owned()
    };
    assert!(message("rules[0].mirror[0].percent").contains("101"));
    assert!(message("default").contains("did you mean \"stable\"?"));
    assert!(message("gates.margn").contains("did you mean \"margin\"?"));
    for (body, path) in [("{", "document"), ("[]", "document")] {
        let answer = world.put("shop", body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["errors"][0]["path"]),
            (422, &path.into()),
            "{body}"
        );
    }
    let elsewhere = world.put("till", SHOP).await;
    assert_eq!(elsewhere.json()["errors"][0]["path"], "name", "{elsewhere:?}");
    assert_eq!(world.get("/v1/policies/shop").await.header("etag"), "\"1\"");
}

#[tokio::test]
async fn shares_and_weights_change_one_field_and_leave_an_audit() {
    let world = World::with_shop().await;
    world.batch(1, &healthy(3)).await;
    let mirror = world.patch("/v1/policies/shop/mirror", r#"{"percent": 50, "reason": "more"}"#).await;
    assert_eq!(mirror.status, 200, "{mirror:?}");
    assert_eq!(mirror.json()["diff"][0], "rules[0].mirror[0].percent: 5 → 50");
    assert_eq!((&mirror.json()["generation"], &mirror.json()["newSession"]), (&2.into(), &false.into()));
    let weights = r#"{"weights": {"stable": 80, "canary": 20}, "rule": "share"}"#;
    let weights = world.patch("/v1/policies/shop/weights", weights).await;
    assert_eq!(weights.json()["generation"], 3, "{weights:?}");
    let shown = world.get("/v1/policies/shop").await.text;
    assert!(shown.contains(r#""weights":{"canary":20,"stable":80}"#), "the order stays: {shown}");
    for (path, body, field) in [
        ("mirror", r#"{"percent": 101}"#, "percent"),
        ("mirror", r#"{"percnt": 1}"#, "percnt"),
        ("mirror", r#"{"percent": 1, "rule": "none"}"#, "rules"),
        ("weights", r#"{"weights": {"canary": -1}}"#, "weights.canary"),
        ("weights", r#"{"weights": {"unheard": 1}}"#, "rules[1].split.weights.unheard"),
    ] {
        let answer = world.patch(&format!("/v1/policies/shop/{path}"), body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["errors"][0]["path"]),
            (422, &field.into()),
            "{answer:?}"
        );
    }
    let same = world.patch("/v1/policies/shop/mirror", r#"{"percent": 50}"#).await;
    assert_eq!((&same.json()["changed"], &same.json()["generation"]), (&false.into(), &3.into()));
    let audit = world.get("/v1/policies/shop/audit").await.json();
    assert_eq!(audit["brokenAt"], serde_json::Value::Null);
    let entries = audit["entries"].as_array().unwrap();
    let told: Vec<String> = entries
        .iter()
        .map(|e| format!("{} {} {} {}", e["generation"], e["who"], e["action"], e["reason"]))
        .collect();
    assert_eq!(told, [r#"1 "ana" "put" """#, r#"2 "ben" "mirror" "more""#, r#"3 "ben" "weights" """#]);
    assert_eq!(entries[1]["prevHash"], entries[0]["hash"]);
    assert_eq!(world.get("/v1/releases/shop/report").await.json()["exchanges"], 3, "the evidence goes on");
}

#[tokio::test]
async fn a_session_ends_with_what_is_compared_and_not_with_what_is_off() {
    let world = World::with_shop().await;
    let off = "rules:\n  - {name: off, enabled: false, mirror: [{to: canary, percent: 1}]}";
    for (from, to, new_session) in [
        ("canary: {cluster: canary}", "canary: {cluster: canary, host: beta.test}", true),
        ("rules:", off, true),
        ("rules:", &off.replace("percent: 1", "percent: 2, host: beta.test"), false),
        ("gates:", "gates:", false),
    ] {
        let changed = world.put("shop", &SHOP.replace(from, to)).await.json();
        assert_eq!(
            (&changed["changed"], &changed["newSession"]),
            (&true.into(), &new_session.into()),
            "{to}: {changed}"
        );
    }
}

#[tokio::test]
async fn an_altered_audit_is_shown() {
    let mut world = World::with_shop().await;
    world.patch("/v1/policies/shop/mirror", r#"{"percent": 50}"#).await;
    world.end().await;
    let store = rusqlite::Connection::open(world.data()).unwrap();
    store.execute("UPDATE audit SET who = 'somebody else' WHERE seq = 1", []).unwrap();
    drop(store);
    world.restart(Vec::new()).await;
    assert_eq!(world.get("/v1/policies/shop/audit").await.json()["brokenAt"], 1);
}

#[tokio::test]
async fn a_filter_gets_its_part_until_it_runs_it() {
    let world = World::with_shop().await;
    let fresh = beat(&world, "shop", None).await;
    assert_eq!((fresh.status.as_u16(), fresh.header("etag")), (200, "\"1\""));
    let part = fresh.json();
    assert_eq!((&part["generation"], &part["name"]), (&1.into(), &"shop".into()));
    assert!(part.get("compare").is_none() && part.get("gates").is_none(), "{part}");
    assert_eq!(converged(&world).await, false);
    assert_eq!(beat(&world, "shop", Some(1)).await.status, 204);
    assert_eq!(converged(&world).await, true);
    world.patch("/v1/policies/shop/mirror", r#"{"percent": 50}"#).await;
    assert_eq!(converged(&world).await, false);
    assert_eq!(beat(&world, "shop", Some(1)).await.json()["generation"], 2);
    assert_eq!(beat(&world, "till", Some(1)).await.status, 404);
    let status = world.get("/v1/status").await.json();
    let filter = &status["releases"][0]["filters"][0];
    assert_eq!((&filter["generation"], &filter["accounts"]["requests"]), (&1.into(), &9.into()), "{status}");
    for (body, expected) in [("\u{0}", 400), ("", 400)] {
        let headers = [("content-type", "application/cbor")];
        let answer = world.send(Method::POST, "/v1/heartbeats", &headers, body).await;
        assert_eq!(answer.status.as_u16(), expected, "{answer:?}");
    }
}

#[tokio::test]
async fn a_reset_begins_anew_and_says_who_and_why() {
    let world = World::with_shop().await;
    world.batch(1, &healthy(3)).await;
    let headers = [("x-antumbra-author", "cy"), ("x-antumbra-reason", "build 1.4.1")];
    let begun = world.send(Method::DELETE, "/v1/releases/shop/evidence", &headers, "").await;
    assert_eq!((&begun.json()["session"], &begun.json()["generation"]), (&2.into(), &2.into()), "{begun:?}");
    assert_eq!(world.get("/v1/policies/shop").await.header("etag"), "\"2\"", "the filters are told");
    let late = world.batch(2, &healthy(3)).await;
    assert_eq!(late.json()["superseded"], 3, "decided before the reset: {late:?}");
    assert_eq!(world.get("/v1/releases/shop/report").await.json()["exchanges"], 0);
    let last = world.get("/v1/policies/shop/audit").await.json()["entries"][1].clone();
    assert_eq!(
        (&last["who"], &last["action"], &last["reason"]),
        (&"cy".into(), &"reset".into(), &"build 1.4.1".into())
    );
    assert_eq!(last["generation"], 2);
    assert_eq!(world.send(Method::DELETE, "/v1/releases/till/evidence", &[], "").await.status, 404);
}

pub(crate) async fn beat(world: &World, release: &str, generation: Option<u64>) -> Answer {
    let accounts = Accounts { requests: 9, ..Accounts::default() };
    said(world.address, Instance(7), release, generation, accounts).await
}

/// A filter's heartbeat.
pub(crate) async fn said(
    address: SocketAddr,
    instance: Instance,
    release: &str,
    generation: Option<u64>,
    accounts: Accounts,
) -> Answer {
    tell(address, &Heartbeat::new(release, instance, generation, accounts)).await
}

pub(crate) async fn tell(address: SocketAddr, heartbeat: &Heartbeat) -> Answer {
    let headers = [("content-type", "application/cbor"), ("host", "antumbra")];
    send(address, Method::POST, "/v1/heartbeats", &headers, encode_heartbeat(heartbeat)).await.unwrap()
}

async fn converged(world: &World) -> serde_json::Value {
    world.get("/v1/status").await.json()["releases"][0]["converged"].clone()
}
