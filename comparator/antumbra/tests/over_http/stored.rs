//! What was stored was valid once: a document that today's rules refuse runs on, read-only, and keeps no other release from running.

use crate::command_line::antumbra;
use crate::policies::beat;
use crate::server::{SHOP, World, healthy, observation};
use antumbra_observation::Observation;
use http::Method;

const REPORT: &str = "/v1/releases/shop/report";

/// A server with the releases `shop` and `till` that starts again after the stored document of `shop` was altered.
async fn altered(evidence: &[Observation], alter: impl Fn(&str) -> String) -> World {
    let mut world = World::with_shop().await;
    assert_eq!(world.put("till", &SHOP.replace("name: shop", "name: till")).await.status, 201);
    world.batch(1, evidence).await;
    let stored = world.get("/v1/policies/shop").await.text;
    let changed = alter(&stored);
    assert_ne!(changed, stored);
    world.end().await;
    let store = rusqlite::Connection::open(world.data()).unwrap();
    // As an earlier version left it, which had no checksums.
    store.execute("UPDATE policies SET document = ?1, sum = NULL WHERE name = 'shop'", [changed]).unwrap();
    drop(store);
    world.restart(Vec::new()).await;
    world
}

fn wrong(count: u128) -> Vec<Observation> {
    (1..=count).map(|id| observation(id, 11)).collect()
}

#[tokio::test]
async fn a_document_that_todays_rules_refuse_runs_on_until_it_is_replaced() {
    let world = altered(&wrong(400), |stored| stored.replace("\"margin\"", "\"margn\"")).await;
    assert_eq!(world.patch("/v1/policies/till/mirror", r#"{"percent": 50}"#).await.status, 200);
    let part = beat(&world, "shop", None).await;
    assert_eq!((part.status.as_u16(), &part.json()["generation"]), (200, &1.into()));
    assert!(world.get("/v1/policies/shop").await.text.contains("margn"), "what is stored is shown");
    assert_eq!(world.batch(2, &[observation(401, 11)]).await.json()["compared"], 1);
    let report = world.get(REPORT).await.json();
    assert_eq!((&report["exchanges"], &report["verdict"]), (&401.into(), &"wait".into()));
    assert_eq!(report["reasonDetails"][0]["code"], "policy-unreadable", "{report}");
    let shown = world.get("/v1/status").await.json()["releases"][0].clone();
    let problem = "gates.margn is not a known field; did you mean \"margin\"?";
    assert_eq!((&shown["problems"][0], &shown["verdict"]), (&problem.into(), &"wait".into()), "{shown}");
    assert!(world.get("/metrics").await.text.contains("release=\"shop\""));
    for (method, path, body) in [
        (Method::PATCH, "/v1/policies/shop/mirror", r#"{"percent": 50}"#),
        (Method::PATCH, "/v1/policies/shop/weights", r#"{"weights": {"canary": 9}}"#),
        (Method::DELETE, "/v1/releases/shop/evidence", ""),
    ] {
        let answer = world.send(method, path, &[("content-type", "application/json")], body).await;
        let told = answer.json();
        assert_eq!(
            (answer.status.as_u16(), &told["errors"][0]["path"]),
            (409, &"gates.margn".into()),
            "{told}"
        );
        assert!(told["detail"].as_str().unwrap().contains("PUT a corrected document"), "{told}");
    }
    let mended = world.put("shop", SHOP).await.json();
    assert_eq!((&mended["generation"], &mended["newSession"]), (&2.into(), &false.into()), "{mended}");
    let report = world.get(REPORT).await.json();
    assert_eq!((&report["exchanges"], &report["verdict"]), (&401.into(), &"roll back".into()));
    assert_eq!(world.patch("/v1/policies/shop/mirror", r#"{"percent": 50}"#).await.status, 200);
    assert!(world.get("/v1/status").await.json()["releases"][0].get("problems").is_none());
}

/// The usual rules would count what the policy wanted left out.
#[tokio::test]
async fn what_is_compared_by_the_usual_rules_is_no_evidence_of_the_release() {
    let mut world = altered(&healthy(6), |stored| stored.replace("\"ignore\"", "\"ignroe\"")).await;
    assert_eq!(world.get(REPORT).await.json()["exchanges"], 0);
    assert_eq!(world.batch(2, &healthy(3)).await.json()["compared"], 3);
    world.restart(Vec::new()).await;
    assert_eq!(world.get(REPORT).await.json()["exchanges"], 3, "the next start begins nothing");
    let mended = world.put("shop", SHOP).await.json();
    assert_eq!((&mended["generation"], &mended["newSession"]), (&2.into(), &true.into()), "{mended}");
}

#[tokio::test]
async fn a_damaged_row_keeps_no_other_release_from_running() {
    for damaged in ["{", "", "[1]"] {
        let mut world = altered(&healthy(3), |_| damaged.to_owned()).await;
        assert_eq!(world.get("/v1/policies/till").await.status, 200);
        assert_eq!(beat(&world, "till", None).await.status, 200);
        assert_eq!(beat(&world, "shop", Some(1)).await.status, 204);
        assert_eq!(beat(&world, "shop", None).await.status, 204, "nothing is left to answer");
        let shown = world.get("/v1/policies/shop").await;
        assert_eq!((shown.status.as_u16(), &shown.json()["errors"][0]["path"]), (500, &"document".into()));
        let told = antumbra(&world, "policy show --policy shop --output json").await;
        let problem: serde_json::Value = serde_json::from_str(&told.err).unwrap();
        assert_eq!((told.code, &problem["type"]), (4, &"urn:antumbra:problem:damaged-policy".into()));
        assert_eq!(world.patch("/v1/policies/shop/mirror", r#"{"percent": 50}"#).await.status, 409);
        assert_eq!(world.get(REPORT).await.json()["verdict"], "wait");
        world.restart(Vec::new()).await;
        let mended = world.put("shop", SHOP).await;
        assert_eq!((mended.status.as_u16(), &mended.json()["generation"]), (200, &2.into()), "{mended:?}");
        assert_eq!(beat(&world, "shop", None).await.json()["generation"], 2);
    }
}
