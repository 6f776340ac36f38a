//! What was stored is there again: after an orderly end, and after kill -9 of a real process. `kills.rs` kills it again and again, under load.

use std::net::SocketAddr;
use std::process::Command;

use crate::policies::said;
use crate::process::Process;
use crate::server::{SHOP, World, healthy, observation};
use antumbra_comparator::Document;
use antumbra_observation::{Accounts, Body, Instance, Observation, Request, Undelivered};
use http::Method;

#[tokio::test]
async fn evidence_accounts_policies_and_batches_outlive_the_process() {
    let mut world = World::with_shop().await;
    let six = healthy(6);
    world.batch(1, &six).await;
    world.batch(1, &six).await;
    world.patch("/v1/policies/shop/mirror", r#"{"percent": 50}"#).await;
    let before = (world.get("/v1/releases/shop/report").await.json(), world.accounts().await);
    world.restart(Vec::new()).await;
    assert_eq!((world.get("/v1/releases/shop/report").await.json(), world.accounts().await), before);
    assert_eq!(world.get("/v1/policies/shop").await.header("etag"), "\"2\"");
    assert_eq!(world.batch(1, &six).await.json()["duplicates"], 6);
}

/// A proxy that ended before the comparator did can say nothing again, and what was lost in an earlier session does not matter.
#[tokio::test]
async fn what_filters_lost_outlives_the_process() {
    let mut world = World::with_shop().await;
    let says = async |world: &World, instance: u128, mirrored: u64, lost: u64| {
        let undelivered = [(Undelivered::OutboxFull, lost)].into();
        let accounts = Accounts { requests: mirrored, mirrored, undelivered, ..Accounts::default() };
        let answer = said(world.address, Instance(instance), "shop", None, accounts).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    let delivery = async |world: &World| {
        let delivery = world.get("/v1/releases/shop/report").await.json()["delivery"].clone();
        (delivery["known"] == true, delivery["mirrored"].clone(), delivery["undelivered"].clone())
    };
    says(&world, 1, 10, 5).await;
    world.send(Method::DELETE, "/v1/releases/shop/evidence", &[], "").await;
    says(&world, 1, 20, 6).await;
    says(&world, 2, 7, 0).await;
    world.restart(Vec::new()).await;
    assert!(!delivery(&world).await.0, "nobody said anything since");
    says(&world, 1, 21, 6).await;
    assert_eq!(delivery(&world).await, (true, 18.into(), 1.into()));
}

#[tokio::test]
async fn a_policy_file_makes_a_generation_only_if_it_differs() {
    let mut world = World::with_shop().await;
    for (text, generation) in
        [(SHOP.to_owned(), "\"1\""), (SHOP.replace("percent: 5,", "percent: 6,"), "\"2\"")]
    {
        world.restart(vec![Document::from_yaml(text.as_bytes()).unwrap()]).await;
        assert_eq!(world.get("/v1/policies/shop").await.header("etag"), generation);
    }
}

#[tokio::test]
async fn what_was_changed_at_run_time_outlives_a_restart_with_the_same_file() {
    let mut world = World::with_shop().await;
    let (file, newer) = (SHOP.to_owned(), SHOP.replace("percent: 5,", "percent: 6,"));
    world.restart(vec![Document::from_yaml(file.as_bytes()).unwrap()]).await;
    world.patch("/v1/policies/shop/mirror", r#"{"percent": 50}"#).await;
    // The same file says nothing new, a changed one does, and so does going back to the first.
    for (text, generation, percent) in [(&file, "\"2\"", "50"), (&newer, "\"3\"", "6"), (&file, "\"4\"", "5")]
    {
        world.restart(vec![Document::from_yaml(text.as_bytes()).unwrap()]).await;
        let answer = world.get("/v1/policies/shop").await;
        assert_eq!(answer.header("etag"), generation);
        assert_eq!(answer.json()["rules"][0]["mirror"][0]["percent"].to_string(), percent);
    }
}

#[tokio::test]
async fn a_file_that_says_what_is_in_force_is_known_from_then_on() {
    let mut world = World::new(None).await;
    let file = |text: &str| vec![Document::from_yaml(text.as_bytes()).unwrap()];
    let newer = SHOP.replace("percent: 5,", "percent: 6,");
    world.restart(file(SHOP)).await;
    assert_eq!(world.put("shop", &newer).await.status, 200);
    world.restart(file(&newer)).await;
    world.patch("/v1/policies/shop/mirror", r#"{"percent": 50}"#).await;
    world.restart(file(&newer)).await;
    let answer = world.get("/v1/policies/shop").await;
    assert_eq!(
        (answer.header("etag"), &answer.json()["rules"][0]["mirror"][0]["percent"]),
        ("\"3\"", &50.into())
    );
}

#[tokio::test]
async fn what_was_lost_is_unknown_after_a_restart_until_a_filter_speaks() {
    let mut world = World::with_shop().await;
    const REPORT: &str = "/v1/releases/shop/report";
    let unknown = "no filter has reported";
    world.batch(1, &healthy(3)).await;
    crate::policies::beat(&world, "shop", Some(1)).await;
    assert!(!world.get(REPORT).await.text.contains(unknown));
    world.restart(Vec::new()).await;
    let after = world.get(REPORT).await.text;
    assert!(after.contains(unknown), "{after}");
}

/// A proxy that ended cannot say it again, and what was lost before the session began does not concern it.
#[tokio::test(flavor = "multi_thread")]
async fn kill_9_loses_nothing_of_what_filters_lost() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("shop.yaml"), SHOP).unwrap();
    let (mut process, address) = Process::start(dir.path());
    let says = async |address: SocketAddr, instance: u128, lost: u64| {
        let undelivered = [(Undelivered::OutboxFull, lost)].into();
        let accounts = Accounts { requests: 9, mirrored: 9, undelivered, ..Accounts::default() };
        let answer = said(address, Instance(instance), "shop", None, accounts).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    says(address, 1, 5).await;
    let evidence = "/v1/releases/shop/evidence";
    crate::server::send(address, Method::DELETE, evidence, &[], "").await.unwrap();
    says(address, 1, 6).await;
    // Whatever is asked of the writer is answered after what was queued before.
    get(address, "/v1/releases/shop/report").await;
    process.kill();
    let (_process, address) = Process::start(dir.path());
    says(address, 2, 0).await;
    let delivery = get(address, "/v1/releases/shop/report").await["delivery"].clone();
    assert_eq!((&delivery["mirrored"], &delivery["undelivered"]), (&9.into(), &1.into()), "{delivery}");
}

/// Between two times that the evidence is written whole, a journal says what was counted: once, in the same order, and no more than a
/// report shows.
#[tokio::test]
async fn kill_9_leaves_the_report_as_it_was_and_no_raw_answer() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("shop.yaml"), SHOP).unwrap();
    let (mut process, address) = Process::start(dir.path());
    let marked = "a-word-of-an-answer-that-no-report-shows";
    for batch in 1..=20 {
        let of_batch = |place: u64| {
            let id = u128::from(batch * 100 + place);
            let observation = observation(id, if place < 3 { 12 } else { 10 });
            let request = Request {
                headers: vec![("x-marked".into(), marked.into())],
                body: Body::Whole(marked.into()),
                ..observation.request.clone()
            };
            // Two of five ask again within a moment, also across batches.
            let client = u32::try_from(if place < 2 { 7 } else { id }).unwrap();
            // All within a moment.
            let at_us = 1_700_000_000_000_000 + batch * 100 + place;
            Observation { request, client: Some(client), at_us, ..observation }
        };
        let observations: Vec<Observation> = (0..5).map(of_batch).collect();
        assert_eq!(crate::server::send_batch(address, batch, &observations).await.unwrap().status, 200);
    }
    let report = get(address, "/v1/releases/shop/report").await;
    let accounts = get(address, "/v1/status").await["accounts"].clone();
    process.kill();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let holds = bytes.windows(marked.len()).any(|window| window == marked.as_bytes());
        assert!(!holds, "an answer is stored as it came");
    }
    let (_process, address) = Process::start(dir.path());
    assert_eq!(get(address, "/v1/releases/shop/report").await, report);
    assert_eq!(get(address, "/v1/status").await["accounts"], accounts);
    assert_eq!(
        (&report["exchanges"], &accounts["refused"]["repeated"]),
        (&61.into(), &39.into()),
        "{accounts}"
    );
}

/// The rows of a program that had one for an endpoint with all its places, which an update finds.
#[tokio::test]
async fn evidence_of_before_there_were_pieces_goes_on() {
    let mut world = World::with_shop().await;
    world.end().await;
    let store = rusqlite::Connection::open(world.data()).unwrap();
    for line in include_str!("../../../engine/tests/engine/rows-of-version-6.txt").lines() {
        let (key, hex) = line.split_once('\t').unwrap();
        let row = "INSERT INTO evidence (release, session, key, bytes) VALUES ('shop', 1, ?1, unhex(?2))";
        store.execute(row, [key, hex]).unwrap();
    }
    store.pragma_update(None, "user_version", 6).unwrap();
    drop(store);
    world.restart(Vec::new()).await;
    let before = world.get("/v1/releases/shop/report").await.json();
    assert_eq!(before["exchanges"], 80);
    world.batch(1, &healthy(3)).await;
    let mut reports = Vec::new();
    for _ in 0..2 {
        reports.push(world.get("/v1/releases/shop/report").await.json());
        world.restart(Vec::new()).await;
    }
    let noisy = |report: &serde_json::Value| report["noise"].as_array().unwrap().len();
    assert_eq!((&reports[0]["exchanges"], noisy(&reports[0])), (&83.into(), noisy(&before)));
    assert_eq!(reports[0], reports[1]);
    let store = rusqlite::Connection::open(world.data()).unwrap();
    let rows = |like: &str| -> u64 {
        let count = "SELECT count(*) FROM evidence WHERE key LIKE ?1";
        store.query_row(count, [like], |row| row.get(0)).unwrap()
    };
    assert_eq!((rows("endpoint %"), rows("release")), (6, 1), "each takes the place of the one before");
    assert!(rows("places %") > 5 && rows("noise %") > 0);
    let version: i64 = store.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 7, "an earlier version must not read it");
}

/// Two comparators on one database would each write what the other one does not know.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_database_has_one_comparator_under_whatever_name() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("shop.yaml"), SHOP).unwrap();
    let (_process, address) = Process::start(dir.path());
    let there = |name: &str| dir.path().join(name);
    std::os::unix::fs::symlink(there("a.db"), there("symbolic.db")).unwrap();
    std::fs::hard_link(there("a.db"), there("hard.db")).unwrap();
    std::fs::create_dir(there("below")).unwrap();
    std::fs::hard_link(there("a.db"), there("below/a.db")).unwrap();
    std::fs::rename(there("a.db"), there("renamed.db")).unwrap();
    for name in ["symbolic.db", "hard.db", "below/a.db", "renamed.db"] {
        // What the symbolic link leads to has gone by now.
        if name == "symbolic.db" {
            std::fs::rename(there("renamed.db"), there("a.db")).unwrap();
        }
        let second = Command::new(env!("CARGO_BIN_EXE_antumbra"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data", name])
            .current_dir(dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8(second.stderr).unwrap();
        assert!(said.contains(&format!("{name} is in use by another comparator")), "{name}: {said}");
        if name == "below/a.db" {
            std::fs::rename(there("a.db"), there("renamed.db")).unwrap();
        }
    }
    assert_eq!(get(address, "/v1/status").await["releases"].as_array().map(Vec::len), Some(1));
}

/// What is stored is of the services' answers.
#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_reads_what_is_stored() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("shop.yaml"), SHOP).unwrap();
    let modes = || -> Vec<(String, u32)> {
        let files = std::fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap());
        let stored = files.filter(|file| file.file_name().to_string_lossy().starts_with("a.db"));
        stored
            .map(|file| {
                let mode = file.metadata().unwrap().permissions().mode();
                (file.file_name().to_string_lossy().into_owned(), mode & 0o777)
            })
            .collect()
    };
    let (mut process, address) = Process::start(dir.path());
    assert_eq!(crate::server::send_batch(address, 1, &healthy(4)).await.unwrap().status, 200);
    assert!(modes().iter().any(|(name, _)| name == "a.db-wal"), "{:?}", modes());
    assert!(modes().iter().all(|(_, mode)| *mode == 0o600), "{:?}", modes());
    process.kill();
    // As an earlier version left them.
    for (name, _) in modes() {
        let wide = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(dir.path().join(name), wide).unwrap();
    }
    let (_process, _) = Process::start(dir.path());
    let wide: Vec<_> =
        modes().into_iter().filter(|(name, mode)| name != "a.db.lock" && *mode != 0o600).collect();
    assert!(wide.is_empty(), "{wide:?}");
}

/// A load balancer sends observations to whoever says it is ready.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn who_cannot_write_is_not_ready() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("shop.yaml"), SHOP).unwrap();
    // No file may grow beyond 1 MiB, and who tries is told so instead of being ended.
    let (_process, address) = Process::start_after("trap '' XFSZ; ulimit -f 2048", dir.path());
    let ready = async || crate::server::send(address, Method::GET, "/readyz", &[], "").await.unwrap().status;
    assert_eq!(ready().await, 200);
    let mut refused = None;
    for number in 1..=500 {
        let answer = crate::server::send_batch(address, number, &healthy(4)).await.unwrap();
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("1 MiB holds 500 transactions");
    assert_eq!(refused.status, 503, "{refused:?}");
    // Within a second of a commit nothing is tried.
    let waited = std::time::Instant::now();
    while ready().await == 200 {
        assert!(waited.elapsed().as_secs() < 30, "the store cannot be written and says that it is ready");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(ready().await, 503);
}

async fn get(address: SocketAddr, path: &str) -> serde_json::Value {
    crate::server::send(address, http::Method::GET, path, &[], "").await.unwrap().json()
}
