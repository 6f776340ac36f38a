//! A database whose content is not what was written: what cannot be read is set aside and told, and the rest goes on.

use std::io::{Seek, SeekFrom, Write};

use crate::command_line::antumbra;
use crate::server::{SHOP, World, healthy, observation};
use antumbra_observation::Observation;

/// A server with the releases `shop` and `till`, three exchanges of each, that starts again after `change` was made to its database.
async fn changed(change: &str) -> World {
    let mut world = World::with_shop().await;
    assert_eq!(world.put("till", &SHOP.replace("name: shop", "name: till")).await.status, 201);
    world.batch(1, &healthy(3)).await;
    let of_till = |id| Observation { release: "till".to_owned(), ..observation(id, 10) };
    world.batch(2, &[of_till(11), of_till(12), of_till(13)]).await;
    world.end().await;
    let store = rusqlite::Connection::open(world.data()).unwrap();
    assert!(store.execute(change, []).unwrap() > 0, "{change}");
    drop(store);
    world.restart(Vec::new()).await;
    world
}

/// The same where the first page of a table is overwritten.
async fn overwritten(table: &str) -> World {
    let mut world = changed("UPDATE accounts SET id = 1").await;
    world.end().await;
    let store = rusqlite::Connection::open(world.data()).unwrap();
    let page: u64 = store
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [table], |row| row.get(0))
        .unwrap();
    let size: u64 = store.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
    drop(store);
    let mut file = std::fs::OpenOptions::new().write(true).open(world.data()).unwrap();
    file.seek(SeekFrom::Start((page - 1) * size)).unwrap();
    file.write_all(&vec![0x5a; usize::try_from(size).unwrap()]).unwrap();
    drop(file);
    world.restart(Vec::new()).await;
    world
}

async fn problems(world: &World) -> Vec<String> {
    let status = world.get("/v1/status").await.json();
    let each = status["releases"].as_array().unwrap().iter();
    let told = each.filter_map(|release| Some(release["problems"][0].as_str()?.to_owned()));
    told.collect()
}

#[tokio::test]
async fn of_a_damaged_database_what_can_be_read_goes_on() {
    for (table, kept, generation) in
        [("evidence", 0, 2), ("audit", 3, 1), ("batches", 3, 1), ("sessions", 0, 2)]
    {
        let mut world = overwritten(table).await;
        let folder = world.data().parent().unwrap().to_owned();
        let damaged = || {
            let files = std::fs::read_dir(&folder).unwrap();
            files
                .filter(|file| {
                    file.as_ref()
                        .unwrap()
                        .file_name()
                        .to_string_lossy()
                        .rsplit_once(".damaged-")
                        .is_some_and(|(_, rest)| rest.parse::<u64>().is_ok())
                })
                .count()
        };
        assert_eq!(
            (exchanges(&world, "shop").await, exchanges(&world, "till").await),
            (kept.into(), kept.into()),
            "{table}"
        );
        assert_eq!(damaged(), 1, "{table}");
        let etag = world.get("/v1/policies/till").await.header("etag").to_owned();
        assert_eq!(etag, format!("\"{generation}\""), "{table}");
        assert_eq!(problems(&world).await, [""; 0], "{table}");
        assert_eq!(world.patch("/v1/policies/shop/mirror", r#"{"percent": 50}"#).await.status, 200);
        let session = world.get("/v1/status").await.json()["releases"][0]["session"].clone();
        assert_eq!(session, if kept == 0 { 2 } else { 1 }, "{table}");
        world.restart(Vec::new()).await;
        let set_aside = "SELECT count(*) FROM set_aside WHERE release = 'till'";
        let set_aside =
            rusqlite::Connection::open(world.data()).unwrap().query_row(set_aside, [], |row| row.get(0));
        assert_eq!(set_aside.unwrap_or(0) > 0, table == "sessions", "{table}: what was not lost is kept");
        assert_eq!(damaged(), 1, "{table}: the copy is sound");
        assert_eq!(exchanges(&world, "till").await, kept, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_checked_and_salvaged_without_a_server() {
    let mut world = World::with_shop().await;
    world.batch(1, &healthy(3)).await;
    let file = world.data().display().to_string();
    let sound = antumbra(&world, &format!("db check {file}")).await;
    assert_eq!((sound.code, sound.out), (0, format!("{file}: sound\n")), "while a comparator has it");
    world.end().await;
    let store = rusqlite::Connection::open(world.data()).unwrap();
    store.execute("UPDATE evidence SET sum = 1 WHERE key = 'release'", []).unwrap();
    store.execute("UPDATE audit SET who = 'eve'", []).unwrap();
    drop(store);
    let told = antumbra(&world, &format!("db check {file}")).await;
    let wrong = [
        "the stored row \"release\" of the evidence of \"shop\" cannot be read: its checksum does not match",
        "the audit of shop: entry 1: hash is ",
    ];
    let lines: Vec<&str> = told.out.lines().collect();
    assert_eq!((told.code, lines.len()), (1, wrong.len()), "{}", told.out);
    for (line, wrong) in lines.iter().zip(wrong) {
        assert!(line.starts_with(&format!("{file}: {wrong}")), "{line}");
    }
    let to = world.data().with_file_name("new.db").display().to_string();
    let told = antumbra(&world, &format!("db salvage {file} --to {to}")).await;
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.out.contains("\npolicies: 1 row, all there are\n"), "{}", told.out);
    let again = antumbra(&world, &format!("db salvage {file} --to {to}")).await;
    assert_eq!((again.code, again.err), (4, format!("antumbra: {to}: File exists (os error 17)\n")));
    // Who goes on with the copy is told that nothing is known yet of the session that it begins, and can look into what was.
    for ending in ["", ".audit-head"] {
        std::fs::rename(format!("{to}{ending}"), format!("{file}{ending}")).unwrap();
    }
    world.restart(Vec::new()).await;
    let status = world.get("/v1/status").await.json()["releases"][0].clone();
    assert_eq!((&status["session"], &status["exchanges"]), (&2.into(), &0.into()), "{status}");
    let audit = world.get("/v1/policies/shop/audit").await.json();
    let last = audit["entries"].as_array().and_then(|entries| entries.last()).unwrap().clone();
    assert_eq!((&last["action"], &last["who"]), (&"reset".into(), &"antumbra serve".into()), "{audit}");
    world.restart(Vec::new()).await;
    assert_eq!(world.get("/v1/status").await.json()["releases"][0]["session"], 2, "once");
    let set_aside = "SELECT count(*) FROM set_aside WHERE release = 'shop' AND session = 1";
    let kept = rusqlite::Connection::open(world.data()).unwrap();
    assert!(kept.query_row(set_aside, [], |row| row.get::<_, u64>(0)).unwrap() > 0);
    let none = antumbra(&world, "db check nothing.db").await;
    assert_eq!(
        (none.code, none.err),
        (2, "antumbra: nothing.db: No such file or directory (os error 2)\n".to_owned())
    );
}

/// An earlier generation must not come into force in its place.
#[tokio::test]
async fn a_policy_whose_last_generation_is_lost_is_read_only() {
    let world = overwritten("policies").await;
    let told = "document is damaged: its checksum does not match, or it is not UTF-8";
    assert_eq!(problems(&world).await, [told, told]);
    assert_eq!(world.put("shop", SHOP).await.json()["generation"], 2);
    assert_eq!(problems(&world).await, [told]);
}

async fn exchanges(world: &World, release: &str) -> serde_json::Value {
    world.get(&format!("/v1/releases/{release}/report")).await.json()["exchanges"].clone()
}

#[tokio::test]
async fn evidence_that_is_not_as_it_was_written_starts_over_for_its_release_alone() {
    for (change, told) in [
        // One byte of a count, and one of a name.
        (
            "UPDATE evidence SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || x'07' AS BLOB) WHERE release = 'shop'",
            "checksum",
        ),
        (
            "UPDATE evidence SET key = 'endpoint GET /itemt' WHERE release = 'shop' AND key LIKE 'endpoint %'",
            "checksum",
        ),
        // One that is not there at all.
        (
            "DELETE FROM evidence WHERE release = 'shop' AND key LIKE 'endpoint %'",
            "the endpoints that are stored have 0 exchanges, and the release 3",
        ),
        // As an earlier version left it, which had no checksums.
        (
            "UPDATE evidence SET bytes = x'00', sum = NULL WHERE release = 'shop' AND key = 'release'",
            "does not decode",
        ),
    ] {
        let mut world = changed(change).await;
        assert_eq!(
            (exchanges(&world, "shop").await, exchanges(&world, "till").await),
            (0.into(), 3.into()),
            "{change}"
        );
        let audit = world.get("/v1/policies/shop/audit").await.json();
        let last = audit["entries"].as_array().and_then(|entries| entries.last()).unwrap().clone();
        assert_eq!(
            (&last["who"], &last["action"], &last["generation"]),
            (&"antumbra serve".into(), &"reset".into(), &2.into())
        );
        let reason = last["reason"].as_str().unwrap();
        assert!(
            reason.starts_with("the stored evidence cannot be read: ") && reason.contains(told),
            "{reason}"
        );
        // What was decided before is no evidence of the new session, and what comes now counts.
        assert_eq!(world.batch(3, &[observation(21, 10)]).await.json()["superseded"], 1);
        let now = Observation { generation: 2, ..observation(22, 10) };
        assert_eq!(world.batch(4, &[now]).await.json()["compared"], 1);
        world.end().await;
        let store = rusqlite::Connection::open(world.data()).unwrap();
        let kept: u64 = store
            .query_row("SELECT count(*) FROM set_aside WHERE release = 'shop'", [], |row| row.get(0))
            .unwrap();
        assert!(kept > 0, "nothing is kept to look into");
        world.restart(Vec::new()).await;
        assert_eq!(exchanges(&world, "shop").await, 1, "the next start begins nothing");
    }
}

#[tokio::test]
async fn a_policy_that_is_not_as_it_was_written_is_read_only() {
    let world = changed("UPDATE policies SET document = replace(document, '\"percent\":5', '\"percent\":9') WHERE name = 'shop'").await;
    let status = world.get("/v1/status").await.json();
    let problem = status["releases"][0]["problems"][0].as_str().unwrap();
    assert_eq!(problem, "document is damaged: its checksum does not match, or it is not UTF-8");
    assert_eq!(world.patch("/v1/policies/shop/mirror", r#"{"percent": 50}"#).await.status, 409);
    assert_eq!(world.put("shop", SHOP).await.status, 200);
    assert_eq!(exchanges(&world, "till").await, 3);
}

#[tokio::test]
async fn accounts_that_are_not_as_they_were_written_start_at_nothing() {
    let world = changed("UPDATE accounts SET text = replace(text, '6', '7')").await;
    assert_eq!((exchanges(&world, "shop").await, exchanges(&world, "till").await), (3.into(), 3.into()));
    assert_eq!(world.get("/v1/status").await.json()["accounts"]["received"], 0);
}
