//! What is deleted is gone from the disk: from the database, from its log, and from what was set aside.

use std::time::Duration;

use antumbra_observation::Observation;
use http::Method;

use crate::server::{SHOP, World, observation};

/// A value that is no secret, so that it is stored.
const SHOWN: &str = "lampshade-8842";

fn shown(id: u128) -> Observation {
    let text = |text: &str| format!(r#"{{"note":"{text}"}}"#);
    let leg =
        |variant: &str, note: &str| antumbra_observation::Leg::answer(variant, 200).with_json(&text(note));
    observation(id, 10)
        .with_primary(leg("stable", "x"))
        .with_candidate(leg("canary", SHOWN))
        .with_control(leg("control", "x"))
}

/// The files of the database that hold the value.
fn holding(world: &World) -> Vec<String> {
    let folder = world.data().parent().unwrap().to_owned();
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let holding = files.filter(|file| {
        let bytes = std::fs::read(file).unwrap_or_default();
        memchr::memmem::find(&bytes, SHOWN.as_bytes()).is_some()
    });
    holding.map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

/// A server whose database holds the value.
async fn stored() -> World {
    let world = World::with_shop().await;
    let batch: Vec<Observation> = (1..=40).map(shown).collect();
    assert_eq!(world.batch(1, &batch).await.status, 200);
    assert!(!holding(&world).is_empty(), "an example is stored");
    world
}

async fn until_gone(world: &World) {
    let gone = async {
        while !holding(world).is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), gone).await;
    assert!(waited.is_ok(), "still in {:?}", holding(world));
}

#[tokio::test]
async fn a_reset_of_the_evidence_leaves_nothing() {
    let world = stored().await;
    assert_eq!(world.send(Method::DELETE, "/v1/releases/shop/evidence", &[], "").await.status, 200);
    assert_eq!(holding(&world), [""; 0]);
}

#[tokio::test]
async fn the_deletion_of_a_policy_leaves_nothing() {
    let world = stored().await;
    let answer = world.send(Method::DELETE, "/v1/policies/shop", &[("if-match", "*")], "").await;
    assert!(answer.status.is_success(), "{answer:?}");
    assert_eq!(holding(&world), [""; 0]);
}

#[tokio::test]
async fn a_policy_that_hides_more_leaves_nothing_of_what_was_shown() {
    let world = stored().await;
    let hiding = format!("{SHOP}redact: {{hide: [/note]}}\n");
    assert_eq!(world.put("shop", &hiding).await.json()["newSession"], true);
    assert_eq!(holding(&world), [""; 0]);
    let batch: Vec<Observation> = (101..=140).map(|id| Observation { generation: 2, ..shown(id) }).collect();
    assert_eq!(world.batch(2, &batch).await.status, 200);
    let report = world.get("/v1/releases/shop/report").await.text;
    assert!(report.contains("(redacted: secret of the policy, 14 characters)"), "{report}");
    assert_eq!(holding(&world), [""; 0]);
}

/// The exchanges are years old.
#[tokio::test]
async fn examples_do_not_outlive_their_time() {
    let mut world = stored().await;
    assert!(world.get("/v1/releases/shop/report").await.text.contains(SHOWN));
    world.keep_examples = Duration::from_secs(1);
    world.restart(Vec::new()).await;
    until_gone(&world).await;
    let report = world.get("/v1/releases/shop/report").await;
    assert!(!report.text.contains(SHOWN) && report.json()["exchanges"] == 40, "the counts stay: {report:?}");
}

#[tokio::test]
async fn copies_of_a_damaged_database_do_not_outlive_their_time() {
    let mut world = stored().await;
    world.end().await;
    let copy = world.data().with_file_name("antumbra.db.damaged-1700000000");
    std::fs::copy(world.data(), &copy).unwrap();
    let store = rusqlite::Connection::open(world.data()).unwrap();
    let aside = "INSERT INTO set_aside SELECT release, session, key, bytes, 1 FROM evidence";
    assert!(store.execute(aside, []).unwrap() > 0);
    drop(store);
    world.keep_examples = Duration::from_secs(1);
    world.restart(Vec::new()).await;
    until_gone(&world).await;
    assert!(!copy.exists());
}
