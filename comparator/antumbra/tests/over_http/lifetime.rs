//! The life of a policy over real HTTP: created only if that is said, its generations, what a put takes back, and its end.

use std::time::Duration;

use antumbra_comparator::Document;
use antumbra_observation::Observation;
use http::Method;
use serde_json::Value;

use crate::command_line::{antumbra, antumbra_with};
use crate::policies::beat;
use crate::server::{Answer, SHOP, World, healthy, observation};

const YAML: (&str, &str) = ("content-type", "application/yaml");

async fn put(world: &World, query: &str, headers: &[(&str, &str)], yaml: &str) -> Answer {
    let headers: Vec<_> = headers.iter().copied().chain([YAML]).collect();
    world.send(Method::PUT, &format!("/v1/policies/shop{query}"), &headers, yaml.to_owned()).await
}

async fn delete(world: &World, query: &str) -> Answer {
    let headers = [("x-antumbra-author", "eve"), ("x-antumbra-reason", "retired")];
    world.send(Method::DELETE, &format!("/v1/policies/shop{query}"), &headers, "").await
}

async fn audit(world: &World) -> Vec<Value> {
    let audit = world.get("/v1/policies/shop/audit").await.json();
    assert_eq!(audit["brokenAt"], Value::Null, "{audit}");
    audit["entries"].as_array().unwrap().clone()
}

fn at_generation(generation: u64, observations: Vec<Observation>) -> Vec<Observation> {
    observations.into_iter().map(|observation| Observation { generation, ..observation }).collect()
}

#[tokio::test]
async fn an_unknown_name_is_created_only_if_that_is_said() {
    let world = World::new(None).await;
    let refused = put(&world, "", &[], SHOP).await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["type"].as_str()),
        (404, Some("urn:antumbra:problem:unknown-release"))
    );
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("?create=true") && detail.contains("If-None-Match: *"), "{detail}");
    assert_eq!(put(&world, "?create=maybe", &[], SHOP).await.status, 400);
    assert_eq!(world.get("/v1/policies").await.json(), Value::Array(Vec::new()));
    let created = put(&world, "", &[("if-none-match", "*")], SHOP).await;
    assert_eq!((created.status.as_u16(), &created.json()["created"]), (201, &true.into()), "{created:?}");
    let again = put(&world, "?create=true", &[], &SHOP.replace("percent: 5,", "percent: 6,")).await;
    assert_eq!((again.status.as_u16(), &again.json()["created"]), (200, &false.into()), "{again:?}");
    assert_eq!(put(&world, "", &[("if-none-match", "*")], SHOP).await.status, 412);
}

#[tokio::test]
async fn each_generation_can_be_read_and_says_how_it_came_about() {
    let mut world = World::with_shop().await;
    let long = format!("{}/x", "/checkout".repeat(60));
    let other =
        SHOP.replace("name: shadow", &format!("name: shadow\n    matches: [{{path: {{prefix: {long}}}}}]"));
    assert_eq!(put(&world, "", &[("x-antumbra-reason", "only the checkout")], &other).await.status, 200);
    world.patch("/v1/policies/shop/mirror", r#"{"percent": 50, "reason": "more"}"#).await;
    world.restart(Vec::new()).await;
    let history = world.get("/v1/policies/shop/generations").await.json();
    assert_eq!(history["release"], "shop");
    let told = |at: usize| {
        let made = &history["generations"][at];
        (made["generation"].as_u64(), made["who"].as_str(), made["action"].as_str(), made["reason"].as_str())
    };
    assert_eq!(told(0), (Some(1), Some("ana"), Some("put"), Some("")));
    assert_eq!(told(1), (Some(2), Some("127.0.0.1"), Some("put"), Some("only the checkout")));
    assert_eq!(told(2), (Some(3), Some("ben"), Some("mirror"), Some("more")));
    let diff = history["generations"][1]["diff"].as_array().unwrap();
    assert!(diff.iter().any(|line| line.as_str().unwrap().contains(&long)), "a value is whole: {diff:?}");
    let first = world.get("/v1/policies/shop/generations/1").await;
    assert_eq!(first.header("etag"), "\"1\"");
    assert!(first.text.contains(r#""percent":5"#) && !first.text.contains("checkout"), "{}", first.text);
    assert!(world.get("/v1/policies/shop/generations/2").await.text.contains("checkout"));
    for unknown in ["0", "4", "-1", "x"] {
        let answer = world.get(&format!("/v1/policies/shop/generations/{unknown}")).await;
        let detail = format!("the policy \"shop\" has no generation {unknown}; 3 is in force");
        assert_eq!((answer.status.as_u16(), &answer.json()["detail"]), (404, &detail.into()));
    }
    assert_eq!(world.get("/v1/policies/till/generations").await.status, 404);
    assert_eq!(world.get("/v1/policies/shop/generations/%ff").await.status, 400);
}

#[tokio::test]
async fn a_put_says_what_it_takes_back_and_does_it() {
    let world = World::with_shop().await;
    world.patch("/v1/policies/shop/mirror", r#"{"percent": 50}"#).await;
    world.patch("/v1/policies/shop/weights", r#"{"weights": {"canary": 20}}"#).await;
    std::fs::write(world.data().with_file_name("shop.yaml"), SHOP).unwrap();
    let line = antumbra(&world, "policy put shop.yaml --output json").await;
    let outcome: Value = serde_json::from_str(&line.out).unwrap();
    let undone = serde_json::json!([
        {"field": "rules[0].mirror[0].percent", "from": 50, "to": 5},
        {"field": "rules[1].split.weights.canary", "from": 20, "to": 5},
    ]);
    assert_eq!((line.code, &outcome["undone"], &outcome["changed"]), (0, &undone, &true.into()), "{outcome}");
    let told = "changed at run time since the policy was put last:\n  rules[0].mirror[0].percent goes back from 50 to 5\n";
    assert!(line.err.contains(told), "{}", line.err);
    assert!(world.get("/v1/policies/shop").await.text.contains(r#""percent":5,"#));
    let other = SHOP.replace("margin: 0.5", "margin: 0.4");
    assert_eq!(put(&world, "", &[], &other).await.json()["undone"], Value::Array(Vec::new()));
    // What is put as it is in force already has been put: it is no change at run time any more.
    world.patch("/v1/policies/shop/mirror", r#"{"percent": 50}"#).await;
    let same = put(&world, "", &[], &other.replace("percent: 5,", "percent: 50,")).await.json();
    assert_eq!((&same["changed"], &same["undone"]), (&false.into(), &Value::Array(Vec::new())), "{same}");
    let last = audit(&world).await.pop().unwrap();
    assert_eq!((&last["action"], &last["generation"]), (&"put".into(), &same["generation"]), "{last}");
    assert_eq!(put(&world, "", &[], &other).await.json()["undone"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn a_deleted_policy_leaves_nothing_but_its_audit() {
    let mut world = World::with_shop().await;
    world.put("till", &SHOP.replace("name: shop", "name: till")).await;
    world.batch(1, &at_generation(1, healthy(5))).await;
    beat(&world, "shop", Some(1)).await;
    let refused = delete(&world, "").await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["type"].as_str()),
        (409, Some("urn:antumbra:problem:running-policy"))
    );
    assert!(refused.json()["detail"].as_str().unwrap().contains("1 filter runs the policy"), "{refused:?}");
    let deleted = delete(&world, "?force=true").await;
    assert_eq!((deleted.status.as_u16(), &deleted.json()["generation"]), (200, &1.into()), "{deleted:?}");
    for restarted in [false, true] {
        if restarted {
            world.restart(Vec::new()).await;
        }
        for gone in
            ["policies/shop", "policies/shop/generations", "releases/shop/report", "releases/shop/exchanges"]
        {
            assert_eq!(world.get(&format!("/v1/{gone}")).await.status, 404, "{gone}");
        }
        assert_eq!(world.get("/v1/policies").await.json().as_array().unwrap().len(), 1);
        let entries = audit(&world).await;
        let last = entries.last().unwrap();
        assert_eq!(
            (&last["who"], &last["action"], &last["reason"]),
            (&"eve".into(), &"delete".into(), &"retired".into())
        );
        let diff = last["diff"].to_string();
        assert!(
            diff.contains("header:x-request-trace") && diff.contains("removed"),
            "the whole document: {diff}"
        );
        assert_eq!(beat(&world, "shop", Some(1)).await.status, 404, "a filter is not told that all is well");
    }
    let before = world.accounts().await;
    let late = world.batch(2, &at_generation(1, healthy(3))).await;
    assert_eq!(
        (late.status.as_u16(), late.json()["type"].as_str()),
        (404, Some("urn:antumbra:problem:unknown-release"))
    );
    let after = world.accounts().await;
    assert_eq!((&after["refused"]["unknown_release"], &after["compared"]), (&3.into(), &before["compared"]));
    assert_eq!(delete(&world, "").await.status, 404);
}

/// Right after a restart nobody has spoken yet, and the filters that ran the policy before still do.
#[tokio::test]
async fn a_policy_that_filters_ran_before_a_restart_is_not_deleted_unasked() {
    let mut world = World::with_shop().await;
    world.put("till", &SHOP.replace("name: shop", "name: till")).await;
    beat(&world, "shop", Some(1)).await;
    world.restart(Vec::new()).await;
    let refused = delete(&world, "").await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["type"].as_str()),
        (409, Some("urn:antumbra:problem:running-policy"))
    );
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("filters ran the policy \"shop\" before the comparator started"), "{detail}");
    assert_eq!(antumbra(&world, "policy delete --policy till").await.code, 0, "nobody ever ran it");
    assert_eq!(delete(&world, "?force=true").await.status, 200);
}

/// Nothing that is in memory outlives a deletion: not the report, the sample, the filters or the exchanges' numbers.
#[tokio::test]
async fn a_name_that_is_created_again_at_once_begins_at_nothing() {
    let world = World::with_shop().await;
    world.batch(1, &at_generation(1, healthy(50))).await;
    beat(&world, "shop", Some(1)).await;
    assert_eq!(world.get("/v1/releases/shop/report").await.json()["exchanges"], 50);
    std::fs::write(world.data().with_file_name("rules.yaml"), "ignore: [/took]").unwrap();
    assert_eq!(delete(&world, "?force=true").await.status, 200);
    assert_eq!(world.put("shop", SHOP).await.status, 201);
    let status = world.get("/v1/status").await.json()["releases"][0].clone();
    assert_eq!(
        (&status["exchanges"], &status["filters"]),
        (&0.into(), &Value::Array(Vec::new())),
        "{status}"
    );
    let report = world.get("/v1/releases/shop/report").await.json();
    assert_eq!((&report["exchanges"], &report["delivery"]["known"]), (&0.into(), &false.into()), "{report}");
    let kept = antumbra(&world, "try rules.yaml --output json").await;
    let kept: Value = serde_json::from_str(&kept.out).unwrap();
    assert_eq!((&kept["kept"]["exchanges"], &kept["kept"]["of"]), (&0.into(), &0.into()), "{kept}");
}

#[tokio::test]
async fn a_name_that_was_deleted_begins_anew_above_its_last_generation() {
    let mut world = World::with_shop().await;
    world.batch(1, &at_generation(1, healthy(5))).await;
    world.patch("/v1/policies/shop/mirror", r#"{"percent": 50}"#).await;
    delete(&world, "").await;
    world.restart(Vec::new()).await;
    let again = world.put("shop", SHOP).await;
    let outcome = again.json();
    assert_eq!(
        (again.status.as_u16(), &outcome["generation"], &outcome["undone"]),
        (201, &3.into(), &Value::Array(Vec::new()))
    );
    assert_eq!(world.get("/v1/releases/shop/report").await.json()["exchanges"], 0);
    let late = world.batch(2, &at_generation(2, healthy(3))).await;
    assert_eq!(late.json()["superseded"], 3, "decided by the policy that was deleted: {late:?}");
    world.batch(3, &at_generation(3, vec![observation(1, 10)])).await;
    assert_eq!(world.get("/v1/releases/shop/report").await.json()["exchanges"], 1);
    assert_eq!(
        beat(&world, "shop", Some(2)).await.json()["generation"],
        3,
        "a filter of before takes it for newer"
    );
    let history = world.get("/v1/policies/shop/generations").await.json();
    let generations = history["generations"].as_array().unwrap();
    assert_eq!((generations.len(), &generations[0]["generation"]), (1, &3.into()));
    assert_eq!(audit(&world).await.len(), 4);
}

#[tokio::test]
async fn a_policy_file_creates_what_it_names() {
    let mut world = World::new(None).await;
    world.restart(vec![Document::from_yaml(SHOP.as_bytes()).unwrap()]).await;
    assert_eq!(world.get("/v1/policies/shop").await.header("etag"), "\"1\"");
    delete(&world, "").await;
    world.restart(vec![Document::from_yaml(SHOP.as_bytes()).unwrap()]).await;
    assert_eq!(world.get("/v1/policies/shop").await.header("etag"), "\"2\"", "the file brings it back");
}

/// Who captures is not left waiting for exchanges that can never come.
#[tokio::test]
async fn a_capture_of_a_deleted_policy_ends() {
    let world = World::with_shop().await;
    let listening = antumbra(&world, "capture kept.ndjson --output json");
    let deleting = async {
        // The capture may not have begun yet; the batch is in its file only if it had.
        for sequence in 1.. {
            world.batch(sequence, &healthy(1)).await;
            let length =
                std::fs::metadata(world.data().with_file_name("kept.ndjson")).map_or(0, |file| file.len());
            if length > 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        delete(&world, "").await
    };
    let (line, deleted) = tokio::join!(listening, deleting);
    assert_eq!((line.code, deleted.status.as_u16()), (0, 200), "{}", line.err);
}

/// A file where a name is needed is told, and a policy that is called as files are is found.
#[tokio::test]
async fn a_file_in_the_place_of_a_name_is_told() {
    let world = World::with_shop().await;
    std::fs::write(world.data().with_file_name("mine.yaml"), SHOP).unwrap();
    for (line, name) in [
        ("report --policy mine.yaml", "\"shop\", as that file says"),
        ("mirror set 5 --policy ./mine.yaml", "\"shop\", as that file says"),
        ("status --policy gone.yaml", "the `name` in the file"),
    ] {
        let ran = antumbra(&world, line).await;
        let why =
            format!("which is no stored policy and looks like a file; needed is the policy's name: {name}\n");
        assert!(ran.code == 2 && ran.err.ends_with(&why), "{line}: {}", ran.err);
    }
    world.put("mine.yaml", &SHOP.replace("name: shop", "name: mine.yaml")).await;
    assert_eq!(antumbra(&world, "report --policy mine.yaml").await.code, 0);
    let doctor = antumbra(&world, "doctor --policy till").await;
    let told = "FAILED   policy till: the comparator has no policy of that name; there are mine.yaml, shop\n";
    assert!(doctor.code == 1 && doctor.out.contains(told), "{}", doctor.out);
}

#[tokio::test]
async fn an_empty_list_says_so() {
    let world = World::new(None).await;
    let listed = antumbra(&world, "policy list").await;
    let why = "antumbra: no policy is stored; `antumbra policy put FILE --create` stores one\n";
    assert_eq!((listed.code, listed.out.as_str(), listed.err.as_str()), (0, "", why));
    let json = antumbra(&world, "policy list --output json").await;
    assert_eq!((json.code, json.out.trim()), (0, "[]"));
}

#[tokio::test]
async fn the_environment_names_the_policy() {
    let world = World::with_shop().await;
    world.put("till", &SHOP.replace("name: shop", "name: till")).await;
    let till = [("ANTUMBRA_POLICY", "till")];
    for line in ["report", "mirror set 7", "policy history", "evidence reset", "policy show", "verdict"] {
        let unnamed = antumbra(&world, line).await;
        assert_eq!(unnamed.code, 2, "{line}");
        assert!(
            unnamed.err.contains("--policy or ANTUMBRA_POLICY is needed: there are shop, till"),
            "{}",
            unnamed.err
        );
        let named = antumbra_with(&world, &till, line).await;
        assert!([0, 3].contains(&named.code), "{line}: {}", named.err);
    }
    let other = antumbra_with(&world, &till, "policy delete --policy shop").await;
    assert!(other.out.contains("shop: deleted"), "an argument is stronger: {}{}", other.out, other.err);
    let status = antumbra_with(&world, &till, "status").await.out;
    assert!(status.starts_with("till  generation 3"), "{status}");
}
