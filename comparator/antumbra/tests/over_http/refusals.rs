//! What is refused at the start leaves every file as it was: a database that somebody else goes on with, or that a start with other
//! settings takes over.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::server::{SHOP, World, healthy};

/// Name, mode and bytes of each file.
fn files(dir: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap());
    let each = files.map(|file| {
        let mode = file.metadata().unwrap().permissions().mode();
        (file.file_name().into_string().unwrap(), (mode, std::fs::read(file.path()).unwrap()))
    });
    each.collect()
}

fn write(dir: &Path, name: &str, text: &str, mode: u32) {
    std::fs::write(dir.join(name), text).unwrap();
    std::fs::set_permissions(dir.join(name), PermissionsExt::from_mode(mode)).unwrap();
}

/// As a version before tokens, heads and sources left it.
const EARLIER: &str = "
DROP INDEX audit_number; ALTER TABLE audit DROP COLUMN number; ALTER TABLE audit DROP COLUMN document;
ALTER TABLE audit DROP COLUMN key; DROP TABLE tokens; DROP TABLE sources; ALTER TABLE journal DROP COLUMN source;
DROP INDEX audit_generation; DROP INDEX audit_made; PRAGMA user_version = 3;
";

#[tokio::test]
async fn what_is_refused_at_the_start_leaves_all_files_as_they_are() {
    let mut world = World::with_shop().await;
    world.batch(1, &healthy(3)).await;
    world.end().await;
    let data = world.data();
    let dir = data.parent().unwrap();
    std::fs::copy(&data, dir.join("newer.db")).unwrap();
    std::fs::set_permissions(dir.join("newer.db"), PermissionsExt::from_mode(0o644)).unwrap();
    for (file, change) in [(&data, EARLIER), (&dir.join("newer.db"), "PRAGMA user_version = 99")] {
        let database = rusqlite::Connection::open(file).unwrap();
        database.execute_batch(change).unwrap();
    }
    std::fs::remove_file(dir.join("antumbra.db.audit-head")).unwrap();
    let till = SHOP.replace("name: shop", "name: till");
    write(dir, "till.yaml", &till, 0o644);
    write(dir, "bad.yaml", &SHOP.replace("percent: 5,", "percent: 101,"), 0o644);
    let absent = SHOP.replace("compare: {", "compare: {plugins: [{plugin: nobody}], ");
    write(dir, "absent.yaml", &absent, 0o644);
    write(dir, "short.token", "short", 0o600);
    write(dir, "open.token", "correct-horse-battery", 0o644);
    write(dir, "short.key", "short", 0o600);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken =
        format!("serve --data antumbra.db --policy till.yaml --listen {}", taken.local_addr().unwrap());
    let before = files(dir);
    for (line, told) in [
        ("serve --data antumbra.db --listen 0.0.0.0:0", "a --token-file is required"),
        ("serve --data antumbra.db --listen 0.0.0.0:0 --policy till.yaml", "a --token-file is required"),
        ("serve --data none.db --listen 0.0.0.0:0", "a --token-file is required"),
        (
            "serve --data antumbra.db --listen 127.0.0.1:0 --policy till.yaml --policy bad.yaml",
            "percent is 101",
        ),
        (
            "serve --data antumbra.db --listen 127.0.0.1:0 --policy till.yaml --policy absent.yaml",
            "start with --plugin nobody=FILE",
        ),
        ("serve --data antumbra.db --listen 127.0.0.1:0 --token-file short.token", "at least 16"),
        ("serve --data antumbra.db --listen 127.0.0.1:0 --token-file open.token", "must be 0600"),
        ("serve --data antumbra.db --listen 127.0.0.1:0 --audit-key-file short.key", "short.key"),
        (
            "serve --data antumbra.db --listen 127.0.0.1:0 --target canary=http://10.0.0.5:8080",
            "--target canary",
        ),
        (&taken, "Address already in use"),
        ("serve --data newer.db --listen 127.0.0.1:0 --policy till.yaml", "schema version 99"),
        ("audit seal --database newer.db", "schema version 99"),
        ("db salvage newer.db --to new.db", "schema version 99"),
        ("db salvage bad.yaml --to new.db", "list of the database's tables"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_antumbra"));
        let output = command.args(line.split_whitespace()).current_dir(dir).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && err.contains(told), "{line}: {err}");
        let mut after = files(dir);
        // The mark of who salvages is no part of a database.
        after.retain(|name, _| !name.ends_with(".lock") || before.contains_key(name));
        let changed: Vec<_> = after.iter().filter(|(name, file)| before.get(*name) != Some(file)).collect();
        let names: Vec<_> = changed.iter().map(|(name, _)| name).collect();
        assert!(names.is_empty() && after.len() == before.len(), "{line}: {names:?}");
    }
    world.restart(Vec::new()).await;
    assert_eq!(world.get("/v1/releases/shop/report").await.json()["exchanges"], 3, "it was worth keeping");
}
