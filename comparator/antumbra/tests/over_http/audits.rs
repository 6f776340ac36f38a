//! Audits that can be checked: what a server, a scrape and the command line say of them, whole, edited, keyed, and after kills.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use antumbra_comparator::{Key, Keys};
use http::Method;
use rusqlite::Connection;
use serde_json::Value;

use crate::command_line::antumbra;
use crate::process::{self, Dice, Process};
use crate::server::{SHOP, World, healthy};

fn edit(world: &World, sql: &str) {
    assert!(Connection::open(world.data()).unwrap().execute(sql, []).unwrap() > 0, "{sql}");
}

/// Writes the file of a secret beside the database, with this mode.
fn secret(world: &World, name: &str, text: &str, mode: u32) {
    let file = world.data().with_file_name(name);
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_audit_is_told_everywhere_and_keeps_nobody_from_being_served() {
    let mut world = World::with_shop().await;
    world.patch("/v1/policies/shop/mirror", r#"{"percent": 50, "reason": "more"}"#).await;
    let verified = antumbra(&world, "audit verify").await;
    assert_eq!((verified.code, verified.err.as_str()), (0, ""), "{}", verified.out);
    let head = verified.out.lines().last().unwrap().strip_prefix("head ").unwrap().to_owned();
    assert!(
        verified.out.starts_with("audits intact (2 entries checked)\n") && head.starts_with("2:"),
        "{}",
        verified.out
    );
    let (number, hash) = head.split_once(':').unwrap();
    let scraped = world.get("/metrics").await.text;
    let line = format!("antumbra_comparator_audit_head{{hash=\"{hash}\"}} {number}\n");
    assert!(scraped.contains(&line) && scraped.contains("antumbra_comparator_audit_intact 1\n"), "{scraped}");
    assert!(scraped.contains("antumbra_comparator_store_rows{table=\"audit\"} 2\n"), "{scraped}");
    assert_eq!(world.get("/v1/status").await.json()["audit"]["head"], head);
    world.end().await;
    edit(&world, "UPDATE audit SET who = 'eve' WHERE seq = 2");
    world.restart(Vec::new()).await;
    let ready = world.get("/readyz").await;
    assert_eq!((ready.status.as_u16(), ready.text.contains("the audit is broken")), (200, true), "{ready:?}");
    assert!(world.get("/metrics").await.text.contains("antumbra_comparator_audit_intact 0\n"));
    let told = "shop: entry 2: hash is ";
    for (line, code) in [
        ("audit", 1),
        ("audit verify", 1),
        ("audit verify --output json", 1),
        ("audit verify --database antumbra.db", 1),
        ("db check antumbra.db", 1),
        ("status", 0),
    ] {
        let ran = antumbra(&world, line).await;
        let json = ran.out.contains("\"field\": \"hash\"") && ran.out.contains("\"entry\": 2");
        assert!(ran.code == code && (json || ran.out.contains(told)), "{line}: {} {}", ran.code, ran.out);
    }
    assert_eq!(world.patch("/v1/policies/shop/mirror", r#"{"percent": 40}"#).await.status, 200);
    assert_eq!(world.batch(1, &healthy(3)).await.json()["compared"], 3);
    assert_eq!(antumbra(&world, "audit verify").await.code, 1, "the next change does not heal it");
}

/// What is edited while the server runs is found by whoever looks, and is told from then on.
/// More is wrong with one release than is told of all: whoever may look at another is told of that one all the same, and of the first nothing.
#[tokio::test]
async fn status_tells_of_each_release_to_those_who_may_look_at_it() {
    let mut world = World::with_shop().await;
    for percent in 1..=25 {
        world.patch("/v1/policies/shop/mirror", &format!("{{\"percent\": {percent}.5}}")).await;
    }
    assert_eq!(world.put("till", &SHOP.replace("name: shop", "name: till")).await.status, 201);
    let json = ("content-type", "application/json");
    let made = |bearer: String, wanted: &'static str| {
        let world = &world;
        async move {
            let headers = [("authorization", bearer.as_str()), json];
            let headers = if bearer.is_empty() { &headers[1..] } else { &headers[..] };
            let created = world.send(Method::POST, "/v1/tokens", headers, wanted).await;
            format!("Bearer {}", created.json()["secret"].as_str().unwrap())
        }
    };
    let root = made(String::new(), r#"{"name": "root", "role": "admin"}"#).await;
    let ana = made(root.clone(), r#"{"name": "ana", "role": "observe", "releases": ["till"]}"#).await;
    world.end().await;
    edit(&world, "UPDATE audit SET reason = 'eve'");
    world.start_again().await;
    // Whoever looks at the audit finds for all: so the one who would miss it comes first.
    for (bearer, of_shop, of_till) in [(&ana, 0, 1), (&root, 20, 0)] {
        let status = world.send(Method::GET, "/v1/status", &[("authorization", bearer)], "").await.json();
        let told = status["audit"]["findings"].as_array().unwrap();
        let of = |release: &str| told.iter().filter(|one| one.as_str().unwrap().starts_with(release)).count();
        assert_eq!((of("shop: "), of("till: ")), (of_shop, of_till), "{status}");
        let verified = world.send(Method::GET, "/v1/audit", &[("authorization", bearer)], "").await.json();
        let wrong =
            verified["findings"].as_array().unwrap().len() as u64 + verified["more"].as_u64().unwrap();
        assert_eq!(wrong, if of_shop > 0 { 27 } else { 1 }, "{verified}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_under_a_running_server_is_found_by_whoever_looks() {
    let world = World::with_shop().await;
    edit(&world, "UPDATE policies SET document = replace(document, '\"percent\":5', '\"percent\":9')");
    assert!(world.get("/metrics").await.text.contains("antumbra_comparator_audit_intact 1\n"));
    let found = antumbra(&world, "audit verify").await;
    assert!(found.code == 1 && found.out.starts_with("shop: entry 1: document is "), "{}", found.out);
    for _ in 0..2 {
        assert!(world.get("/metrics").await.text.contains("antumbra_comparator_audit_intact 0\n"));
        world.patch("/v1/policies/shop/mirror", r#"{"percent": 50}"#).await;
    }
}

/// Entries are read while others are written, and the file is another one before and after.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_amid_changes_raises_no_alarm() {
    let world = World::with_shop().await;
    let changing = async {
        for percent in 10..90 {
            world.patch("/v1/policies/shop/mirror", &format!("{{\"percent\": {percent}}}")).await;
        }
    };
    let checking = async {
        for _ in 0..150 {
            let checked = world.get("/v1/audit").await.json();
            assert_eq!(checked["intact"], true, "{checked}");
        }
    };
    tokio::join!(changing, checking);
    assert!(world.get("/metrics").await.text.contains("antumbra_comparator_audit_intact 1\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_somebody_noted_shows_what_the_file_and_the_table_do_not() {
    let mut world = World::with_shop().await;
    let older = (std::fs::read(world.data().with_file_name("antumbra.db.audit-head")).unwrap(), {
        world.end().await;
        std::fs::read(world.data()).unwrap()
    });
    world.restart(Vec::new()).await;
    world.patch("/v1/policies/shop/mirror", r#"{"percent": 50}"#).await;
    let noted = world.get("/v1/status").await.json()["audit"]["head"].as_str().unwrap().to_owned();
    assert_eq!(antumbra(&world, &format!("audit verify --head {noted}")).await.code, 0);
    world.patch("/v1/policies/shop/mirror", r#"{"percent": 40}"#).await;
    assert_eq!(antumbra(&world, &format!("audit verify --head {noted}")).await.code, 0, "more may follow");
    world.end().await;
    // The database and the file of yesterday agree with each other.
    std::fs::write(world.data().with_file_name("antumbra.db.audit-head"), older.0).unwrap();
    std::fs::write(world.data(), older.1).unwrap();
    world.restart(Vec::new()).await;
    assert_eq!(antumbra(&world, "audit verify").await.code, 0);
    let found = antumbra(&world, &format!("audit verify --head {noted}")).await;
    assert!(found.code == 1 && found.out.starts_with("all releases: head is 1:"), "{}", found.out);
    for (line, why) in [
        ("audit verify --head 17", "must be a number and 64 hexadecimal digits"),
        ("audit verify --database nothing.db", "--database nothing.db: No such file or directory"),
        ("audit verify --audit-key-file key", "--database"),
    ] {
        let refused = antumbra(&world, line).await;
        assert!(refused.code == 2 && refused.err.contains(why), "{line}: {}", refused.err);
    }
    assert_eq!(world.get("/v1/audit?head=17").await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn keyed_audits_need_their_key() {
    let secrets = ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"];
    let [one, other] = secrets.map(|secret| Key::new(secret.as_bytes()).unwrap());
    let mut world = World::with_shop().await;
    secret(&world, "one", &format!("{}\n", secrets[0]), 0o600);
    secret(&world, "other", secrets[1], 0o600);
    secret(&world, "wide", secrets[0], 0o644);
    secret(&world, "short", "0123456789", 0o600);
    world.end().await;
    world.audit_keys = Keys::new(vec![one.clone()]);
    world.restart(Vec::new()).await;
    assert_eq!(antumbra(&world, "audit verify").await.code, 1, "nobody vouches for what is not keyed");
    world.end().await;
    let sealed =
        antumbra(&world, "audit seal --database antumbra.db --audit-key-file one --reason first").await;
    assert_eq!((sealed.code, sealed.err.as_str()), (0, ""), "{}", sealed.out);
    world.restart(Vec::new()).await;
    world.patch("/v1/policies/shop/mirror", r#"{"percent": 50}"#).await;
    assert_eq!(antumbra(&world, "audit verify").await.code, 0);
    let audit = world.get("/v1/policies/shop/audit").await.json();
    let told = |at: usize| {
        let entry = &audit["entries"][at];
        (entry["action"].as_str(), entry["who"].as_str(), entry["key"].as_str())
    };
    assert_eq!(told(0), (Some("put"), Some("ana"), None));
    assert_eq!(told(1), (Some("seal"), Some("dana"), Some(one.id())));
    assert_eq!(told(2), (Some("mirror"), Some("ben"), Some(one.id())));
    for (line, code, shown) in [
        ("--audit-key-file one", 0, "audits intact (3 entries checked)\nhead 3:"),
        ("--audit-key-file other --audit-key-file one", 0, "audits intact"),
        ("", 0, "2 of them are keyed, and without the key only their links and documents were checked"),
        ("--audit-key-file other", 1, "head file is wrong: it is made with the key"),
        ("--audit-key-file wide", 2, "has mode 0644"),
        ("--audit-key-file short", 2, "the key has 10 bytes, must have at least 32"),
        ("--audit-key-file gone", 2, "--audit-key-file gone: No such file"),
    ] {
        let ran = antumbra(&world, &format!("audit verify --database antumbra.db {line}")).await;
        assert!(ran.code == code && (ran.out + &ran.err).contains(shown), "{line}: {}", ran.code);
    }
    let taken = antumbra(&world, "audit seal --database antumbra.db --audit-key-file other").await;
    assert!(taken.code == 4 && taken.err.contains("in use by another comparator"), "{}", taken.err);
    // Another key goes on where the first one ends.
    world.end().await;
    let line = "audit seal --database antumbra.db --audit-key-file other --audit-key-file one";
    assert_eq!(antumbra(&world, line).await.code, 0);
    world.audit_keys = Keys::new(vec![other, one]);
    world.restart(Vec::new()).await;
    assert_eq!(antumbra(&world, "audit verify").await.code, 0);
}

/// The entries of captures in the audit.
async fn reads(world: &World) -> Vec<Value> {
    let audit = world.get("/v1/policies/shop/audit").await.json();
    assert_eq!(audit["findings"], Value::Array(Vec::new()));
    let entries = audit["entries"].as_array().unwrap().iter();
    entries.filter(|entry| entry["action"] == "read").cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_exchanges_is_in_the_audit_once_a_minute() {
    let mut world = World::with_shop().await;
    for round in 0..3 {
        let capturing = antumbra(&world, "capture kept.ndjson --count 3 --output json");
        let sending = async {
            for sequence in 1.. {
                world.batch(round * 100 + sequence, &healthy(1)).await;
                let kept = std::fs::read(world.data().with_file_name("kept.ndjson")).unwrap_or_default();
                if kept.iter().filter(|byte| **byte == b'\n').count() >= 3 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let (captured, ()) = tokio::join!(capturing, sending);
        assert_eq!(captured.code, 0, "{}", captured.err);
        std::fs::remove_file(world.data().with_file_name("kept.ndjson")).unwrap();
    }
    let begun = reads(&world).await;
    assert_eq!(begun.len(), 1, "three captures within a minute: {begun:?}");
    assert_eq!((&begun[0]["who"], &begun[0]["release"]), (&"127.0.0.1".into(), &"shop".into()));
    assert_eq!(begun[0]["diff"], serde_json::json!(["captures begun: 1", "exchanges sent: 0"]));
    world.restart(Vec::new()).await;
    let all = reads(&world).await;
    let told = all[1]["diff"].as_array().unwrap();
    let sent: u64 = told[1].as_str().unwrap().strip_prefix("exchanges sent: ").unwrap().parse().unwrap();
    assert!(all.len() == 2 && told[0] == "captures begun: 2" && sent >= 9, "{all:?}");
    assert_eq!(world.get("/v1/releases/till/exchanges").await.status, 404);
    assert_eq!(antumbra(&world, "audit verify").await.code, 0);
}

/// `ANTUMBRA_KILLS` says how many.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_raises_no_alarm() {
    let kills = process::kills(10);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("shop.yaml"), SHOP).unwrap();
    let mut entries = 0;
    let mut dice = Dice::of_environment();
    for kill in 0..kills {
        let (mut process, address) = Process::start(dir.path());
        let (changed, first) = tokio::sync::oneshot::channel();
        let changing = tokio::spawn(async move {
            let mut changed = Some(changed);
            for percent in (1..=100).cycle() {
                let json = format!("{{\"percent\": {percent}}}");
                let headers = [("content-type", "application/json")];
                let path = "/v1/policies/shop/mirror";
                match crate::server::send(address, Method::PATCH, path, &headers, json).await {
                    // The share may be the one that was in force.
                    Ok(answer) if !answer.text.contains("\"changed\":true") => {}
                    Ok(_) => drop(changed.take().map(|changed| changed.send(()))),
                    Err(_) => break,
                }
            }
        });
        first.await.unwrap();
        tokio::time::sleep(dice.within(Duration::from_millis(40))).await;
        process.kill();
        changing.await.unwrap();
        let verified = verify(dir.path());
        assert_eq!(verified["intact"], true, "kill {kill}: {verified}");
        let now = verified["entries"].as_u64().unwrap();
        assert!(now > entries, "kill {kill}: nothing was changed before it");
        entries = now;
    }
    let (mut process, address) = Process::start(dir.path());
    let status = crate::server::send(address, Method::GET, "/v1/status", &[], "").await.unwrap().json();
    assert_eq!(status["audit"]["findings"], Value::Array(Vec::new()), "{status}");
    process.kill();
    println!("{kills} kills, {entries} entries, no alarm");
}

/// What `antumbra audit verify` says of the database `a.db` in this folder.
pub(crate) fn verify(dir: &Path) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_antumbra"));
    let line = ["audit", "verify", "--database", "a.db", "--output", "json"];
    let output = command.args(line).current_dir(dir).output().unwrap();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}
