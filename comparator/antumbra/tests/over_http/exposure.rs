//! Giving clients more of a candidate while the evidence is against it: asked for by name, audited, and never by the way.

use antumbra_observation::Observation;
use http::Method;
use serde_json::Value;

use crate::command_line::antumbra;
use crate::server::{Answer, SHOP, World, observation};

const WEIGHTS: &str = "/v1/policies/shop/weights";

/// A release whose candidate is shown to be worse.
async fn broken() -> World {
    let world = World::with_shop().await;
    let wrong: Vec<Observation> = (1..=400).map(|id| observation(id, 11)).collect();
    world.batch(1, &wrong).await;
    assert_eq!(world.get("/v1/releases/shop/report").await.json()["verdict"], "roll back");
    world
}

async fn put(world: &World, query: &str, yaml: &str) -> Answer {
    let path = format!("/v1/policies/shop{query}");
    world.send(Method::PUT, &path, &[("content-type", "application/yaml")], yaml.to_owned()).await
}

fn refused(answer: &Answer) -> String {
    let told = answer.json();
    assert_eq!(
        (answer.status.as_u16(), told["type"].as_str()),
        (409, Some("urn:antumbra:problem:against-the-verdict")),
        "{told}"
    );
    told["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn raising_what_is_shown_to_be_worse_has_to_be_said() {
    let world = broken().await;
    let detail = refused(&world.patch(WEIGHTS, r#"{"weights": {"canary": 20}}"#).await);
    assert!(detail.contains("gives 5 % → 17.39 % of its requests to candidates"), "{detail}");
    assert!(detail.contains("despiteVerdict: true") && detail.contains("?despiteVerdict=true"), "{detail}");
    let more = SHOP.replace("canary: 5, stable: 95", "canary: 50, stable: 50");
    refused(&put(&world, "", &more).await);
    refused(&world.patch(WEIGHTS, r#"{"weights": {"canary": 20}, "despiteVerdict": false}"#).await);
    let wrong = world.patch(WEIGHTS, r#"{"weights": {"canary": 20}, "despiteVerdict": "yes"}"#).await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["errors"][0]["path"]), (422, &"despiteVerdict".into()));
    assert_eq!(world.get("/v1/policies/shop").await.header("etag"), "\"1\"", "nothing was changed");
    for free in
        [r#"{"weights": {"canary": 1}}"#, r#"{"weights": {"stable": 200}}"#, r#"{"weights": {"canary": 0}}"#]
    {
        let lowered = world.patch(WEIGHTS, free).await;
        assert_eq!((lowered.status.as_u16(), lowered.json()["warnings"].as_array().unwrap().len()), (200, 0));
    }
    let mirrored = world.patch("/v1/policies/shop/mirror", r#"{"percent": 100}"#).await;
    assert_eq!(mirrored.status, 200, "no client gets more of it");
    let body = r#"{"weights": {"canary": 20}, "despiteVerdict": true, "reason": "known"}"#;
    let raised = world.patch(WEIGHTS, body).await.json();
    assert!(
        raised["warnings"][0].as_str().unwrap().starts_with("the verdict is roll back, and rule"),
        "{raised}"
    );
    assert_eq!(put(&world, "?despiteVerdict=true", &more).await.status, 200);
    let audit = world.get("/v1/policies/shop/audit").await.json();
    let reasons: Vec<&Value> =
        audit["entries"].as_array().unwrap().iter().rev().take(2).map(|e| &e["reason"]).collect();
    assert_eq!(reasons, ["(despite the verdict roll back)", "known (despite the verdict roll back)"]);
}

/// The same shares, and still more clients get the candidate.
#[tokio::test]
async fn what_leads_more_clients_to_it_has_to_be_said_too() {
    let world = broken().await;
    let testers =
        "- name: testers\n    matches: [{cookies: {canary: \"1\"}}]\n    to: canary\n  - name: share";
    let admins = "- name: admins\n    matches: [{path: {prefix: /admin}}]\n    to: stable\n  - name: share";
    let with = |rule: &str| SHOP.replace("- name: share", rule);
    assert_ne!(with(admins), SHOP);
    refused(&put(&world, "", &with(testers)).await);
    assert_eq!(put(&world, "", &with(admins)).await.status, 200, "it keeps clients from the candidate");
    let detail = refused(&put(&world, "", SHOP).await);
    assert!(detail.contains("rule \"share\" may decide requests that rule \"admins\" decided"), "{detail}");
    assert_eq!(put(&world, "?despiteVerdict=true", SHOP).await.status, 200);
}

#[tokio::test]
async fn the_command_line_asks_warns_and_goes_on() {
    let world = broken().await;
    std::fs::write(
        world.data().with_file_name("more.yaml"),
        SHOP.replace("canary: 5, stable", "canary: 50, stable"),
    )
    .unwrap();
    for (line, code, told) in [
        ("weights set canary=20", 2, "--despite-verdict"),
        ("policy put more.yaml", 2, "--despite-verdict"),
        (
            "weights set canary=20 --despite-verdict",
            0,
            "antumbra: the verdict is roll back, and rule \"share\"",
        ),
        (
            "policy put more.yaml --despite-verdict",
            0,
            "antumbra: the verdict is roll back, and rule \"share\"",
        ),
        ("weights set canary=1", 0, ""),
        ("evidence reset", 0, ""),
        (
            "weights set canary=20",
            0,
            "antumbra: the verdict is wait: too little is known of the candidate, and rule",
        ),
    ] {
        let found = antumbra(&world, line).await;
        assert_eq!(found.code, code, "{line}: {}{}", found.out, found.err);
        assert!(found.err.contains(told) && found.err.is_empty() == told.is_empty(), "{line}: {}", found.err);
    }
}
