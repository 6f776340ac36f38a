//! Audits that somebody edited by hand, in a real database: each edit is found, named, and stays found while the comparator goes on.

use std::path::{Path, PathBuf};

use antumbra_control::audit::{Checked, Draft, Head, Kept, Key, Keys, Place, SEAL, Sealed};
use antumbra_control::fingerprint::sha256;
use antumbra_control::records::StoredPolicy;
use antumbra_store::{Audits, Store, StoreError, Writing};
use rusqlite::Connection;
use tempfile::TempDir;

/// A database with the releases `shop` and `till`, of three generations each.
struct World {
    dir: TempDir,
    keys: Keys,
}

fn key(byte: u8) -> Key {
    Key::new(&[byte; 32]).unwrap()
}

fn draft(release: &str, generation: u64, document: Option<&str>) -> Draft {
    Draft {
        release: release.to_owned(),
        generation,
        at_ms: 1_000 + generation,
        who: "ana".to_owned(),
        action: if document.is_some() { "put" } else { "read" }.to_owned(),
        reason: "because".to_owned(),
        diff: vec![format!("rules[0].percent: {} → {generation}", generation - 1)],
        document: document.map(|text| sha256(text.as_bytes())),
    }
}

fn put(writing: &Writing<'_>, release: &str, generation: u64) -> Result<(), StoreError> {
    let text = format!("{{\"name\":\"{release}\",\"g\":{generation}}}");
    writing.append_audit(draft(release, generation, Some(&text)))?;
    writing.put_policy(release, &StoredPolicy { generation, at_ms: 1_000 + generation, text })
}

impl World {
    fn new(keys: Keys) -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap(), keys };
        let mut store = world.open();
        for generation in 1..=3 {
            for release in ["shop", "till"] {
                store.transaction(|writing| put(writing, release, generation)).unwrap();
            }
        }
        assert_eq!(store.audits().findings, []);
        drop(store);
        assert_eq!(world.found(), [""; 0]);
        world
    }

    fn of_an_earlier_version() -> Self {
        let world = Self::new(Keys::default());
        // What earlier versions wrote names no document.
        world.edit("UPDATE audit SET document = NULL");
        chain_again(&world.data());
        world.edit(
            "DROP INDEX audit_number; ALTER TABLE audit DROP COLUMN number; ALTER TABLE audit DROP COLUMN document;
             ALTER TABLE audit DROP COLUMN key; DROP TABLE tokens; DROP TABLE sources; ALTER TABLE journal DROP COLUMN source;
             PRAGMA user_version = 3",
        );
        std::fs::remove_file(world.head_file()).unwrap();
        world
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("a.db")
    }

    fn head_file(&self) -> PathBuf {
        self.dir.path().join("a.db.audit-head")
    }

    fn open(&self) -> Store {
        Store::open_with(&self.data(), self.keys.clone()).unwrap()
    }

    fn check(&self, noted: Option<&Head>) -> Checked {
        Audits::beside(&self.data(), self.keys.clone()).check(noted).unwrap()
    }

    fn found(&self) -> Vec<String> {
        self.check(None).findings.iter().map(ToString::to_string).collect()
    }

    fn edit(&self, sql: &str) {
        Connection::open(self.data()).unwrap().execute_batch(sql).unwrap();
    }

    fn head(&self) -> String {
        std::fs::read_to_string(self.head_file()).unwrap()
    }

    /// The edit is found with these words, by whoever looks and by the next start, and after another change and a third start, too.
    #[track_caller]
    fn finds(&self, what: &str, words: &str) {
        let is_found = |found: &[String]| found.iter().any(|finding| finding.contains(words));
        let found = self.found();
        assert!(is_found(&found), "{what}: {words:?} is not in {found:#?}");
        let mut store = self.open();
        let at_start: Vec<String> = store.audits().findings.iter().map(ToString::to_string).collect();
        assert_eq!(at_start, found, "{what}");
        store.transaction(|writing| put(writing, "shop", 9)).unwrap();
        drop(store);
        assert!(!self.check(None).is_intact(), "{what}: one change later it is forgotten");
        assert!(!self.open().audits().is_intact(), "{what}: one start later it is forgotten");
    }
}

/// Every entry chained anew without a key, as somebody does who edited one and can write the database.
fn chain_again(path: &Path) {
    let entries: Vec<_> = ["shop", "till"]
        .iter()
        .flat_map(|release| Audits::beside(path, Keys::default()).of(release).unwrap())
        .collect();
    let connection = Connection::open(path).unwrap();
    let mut before = String::new();
    for entry in entries {
        if entry.seq == 1 {
            before.clear();
        }
        let place = Place { seq: entry.seq, number: entry.number, prev_hash: before };
        let chained = Draft {
            release: entry.release,
            generation: entry.generation,
            at_ms: entry.at_ms,
            who: entry.who,
            action: entry.action,
            reason: entry.reason,
            diff: entry.diff,
            document: entry.document,
        }
        .chained(place, None);
        connection
            .execute(
                "UPDATE audit SET key = NULL, prev_hash = ?1, hash = ?2 WHERE release = ?3 AND seq = ?4",
                (&chained.prev_hash, &chained.hash, &chained.release, chained.seq),
            )
            .unwrap();
        before = chained.hash;
    }
}

#[test]
fn each_edit_of_the_tables_is_found_and_named() {
    for (what, sql, words) in [
        ("tail cut", "DELETE FROM audit WHERE release = 'shop' AND seq = 3", "shop: head is 2:"),
        (
            "tail cut with its document",
            "DELETE FROM audit WHERE seq = 3; DELETE FROM policies WHERE generation = 3",
            "till: head is 2:",
        ),
        (
            "all of a chain gone",
            "DELETE FROM audit WHERE release = 'till'; DELETE FROM policies WHERE name = 'till'",
            "till: head is no entry at all",
        ),
        ("everything gone", "DELETE FROM audit; DELETE FROM policies", "shop: head is no entry at all"),
        (
            "middle deleted",
            "DELETE FROM audit WHERE release = 'shop' AND seq = 2",
            "shop: entry 3: seq is 3, expected 2",
        ),
        (
            "first deleted",
            "DELETE FROM audit WHERE release = 'shop' AND seq = 1",
            "shop: entry 2: seq is 2, expected 1",
        ),
        (
            "document edited",
            "UPDATE policies SET document = replace(document, '2', '7'), sum = NULL WHERE name = 'shop' AND generation = 2",
            "shop: entry 2: document is ",
        ),
        (
            "generation deleted",
            "DELETE FROM policies WHERE name = 'till' AND generation = 2",
            "till: entry 2: generation is missing",
        ),
        (
            "generation inserted",
            "INSERT INTO policies (name, generation, at, document) VALUES ('shop', 8, 1, '{}')",
            "shop: generation is generation 8, which none made",
        ),
        (
            "seq",
            "UPDATE audit SET seq = 7 WHERE release = 'shop' AND seq = 2",
            "shop: entry 7: seq is 7, expected 2",
        ),
        (
            "release",
            "UPDATE audit SET release = 'shap' WHERE release = 'shop' AND seq = 2",
            "shap: entry 2: seq is 2, expected 1",
        ),
        (
            "generation",
            "UPDATE audit SET generation = 8 WHERE release = 'shop' AND seq = 2",
            "shop: entry 2: hash is ",
        ),
        (
            "generation below 0",
            "UPDATE audit SET generation = -8 WHERE release = 'shop' AND seq = 2",
            "shop: entry 2: hash is ",
        ),
        ("at", "UPDATE audit SET at = at + 1 WHERE release = 'shop' AND seq = 2", "shop: entry 2: hash is "),
        ("who", "UPDATE audit SET who = 'eve' WHERE release = 'shop' AND seq = 2", "shop: entry 2: hash is "),
        (
            "action",
            "UPDATE audit SET action = 'file' WHERE release = 'shop' AND seq = 2",
            "shop: entry 2: hash is ",
        ),
        (
            "reason",
            "UPDATE audit SET reason = '' WHERE release = 'shop' AND seq = 2",
            "shop: entry 2: hash is ",
        ),
        (
            "diff",
            "UPDATE audit SET diff = '[]' WHERE release = 'shop' AND seq = 2",
            "shop: entry 2: hash is ",
        ),
        (
            "prev_hash",
            "UPDATE audit SET prev_hash = hash WHERE release = 'shop' AND seq = 2",
            "shop: entry 2: prevHash is ",
        ),
        (
            "hash",
            "UPDATE audit SET hash = prev_hash WHERE release = 'shop' AND seq = 2",
            "shop: entry 2: hash is ",
        ),
        (
            "number",
            "UPDATE audit SET number = 99 WHERE release = 'shop' AND seq = 2",
            "shop: entry 2: number is 99",
        ),
        ("numbers swapped", "UPDATE audit SET number = 7 - number WHERE seq = 2", "all releases: head is 6:"),
        (
            "document's hash",
            "UPDATE audit SET document = hash WHERE release = 'shop' AND seq = 2",
            "shop: entry 2: hash is ",
        ),
        (
            "document's hash gone",
            "UPDATE audit SET document = NULL WHERE release = 'shop' AND seq = 2",
            "shop: entry 2: hash is ",
        ),
        (
            "key",
            "UPDATE audit SET key = 'made up' WHERE release = 'shop' AND seq = 2",
            "shop: entry 2: key is made up",
        ),
        (
            "two chains swapped",
            "UPDATE audit SET release = CASE release WHEN 'shop' THEN 'till ' ELSE 'shop ' END; UPDATE audit SET release = trim(release)",
            "shop: entry 1: hash is ",
        ),
        (
            "entry inserted at the end",
            "INSERT INTO audit SELECT seq + 1, release, generation, at, 'eve', action, reason, diff, hash, hash, 7, NULL, key FROM audit WHERE release = 'shop' AND seq = 3",
            "shop: head is 4:",
        ),
        (
            "entry of a new release",
            "INSERT INTO audit SELECT 1, 'mine', 1, at, 'eve', 'read', reason, diff, '', hash, 7, NULL, key FROM audit WHERE release = 'shop' AND seq = 3",
            "mine: head is 1:",
        ),
    ] {
        let world = World::new(Keys::new(vec![key(7)]));
        world.edit(sql);
        world.finds(what, words);
    }
}

/// A flipped bit makes a text that is no UTF-8: that is found like any other edit, and keeps nobody from starting or going on.
#[test]
fn a_text_of_damaged_bytes_is_found_and_named() {
    for (column, words) in [
        ("who", "shop: entry 2: hash is "),
        ("action", "shop: entry 2: hash is "),
        ("reason", "shop: entry 2: hash is "),
        ("diff", "shop: entry 2: hash is "),
        ("prev_hash", "shop: entry 2: prevHash is "),
        ("hash", "shop: entry 2: hash is "),
        ("document", "shop: entry 2: hash is "),
        ("key", "shop: entry 2: key is "),
        ("release", ": entry 2: seq is 2, expected 1"),
    ] {
        let world = World::new(Keys::new(vec![key(7)]));
        world.edit(&format!(
            "UPDATE audit SET {column} = CAST(x'ff' AS TEXT) WHERE release = 'shop' AND seq = 2"
        ));
        world.finds(column, words);
        world.open().seal("ana", "a disk", 5).unwrap();
    }
    let world = World::new(Keys::new(vec![key(7)]));
    world.edit("UPDATE audit SET hash = CAST(x'ff' AS TEXT) WHERE release = 'shop' AND seq = 3");
    world.finds("the last hash", "shop: entry 3: hash is ");
}

#[test]
fn chains_made_anew_without_the_key_are_found() {
    let world = World::new(Keys::new(vec![key(7)]));
    world.edit("UPDATE audit SET who = 'eve' WHERE release = 'shop' AND seq = 2");
    chain_again(&world.data());
    world.finds("chained anew", "shop: entry 1: key is none");
    // Whoever also writes the file anew makes one that holds without a key.
    let world = World::new(Keys::new(vec![key(7)]));
    world.edit("UPDATE audit SET who = 'eve' WHERE release = 'shop' AND seq = 2");
    chain_again(&world.data());
    let heads = Audits::beside(&world.data(), Keys::default()).check(None).unwrap().heads;
    let sealed = Sealed { heads, announced: None };
    std::fs::write(world.head_file(), sealed.written(&Keys::default())).unwrap();
    assert!(world.found().iter().any(|found| found
        == "till: entry 1: key is none, expected a key, or a keyed entry after it that seals it"));
    world.finds("chained anew with the file", "head file is wrong: it is made without a key");
}

#[test]
fn without_a_key_only_what_is_kept_elsewhere_shows_that_all_was_made_anew() {
    let world = World::new(Keys::default());
    let noted = world.check(None).heads.all;
    world.edit("UPDATE audit SET who = 'eve' WHERE release = 'shop' AND seq = 2");
    chain_again(&world.data());
    assert!(!world.check(None).is_intact(), "the file is elsewhere already");
    let heads = world.check(None).heads;
    std::fs::write(world.head_file(), Sealed { heads, announced: None }.written(&Keys::default())).unwrap();
    assert_eq!(world.found(), [""; 0]);
    let found = world.check(Some(&noted)).findings;
    assert!(found[0].to_string().starts_with("all releases: head is 6:"), "{found:?}");
}

#[test]
fn a_head_that_was_noted_earlier_must_be_among_the_entries() {
    let world = World::new(Keys::default());
    let noted = world.check(None).heads.all;
    world.open().transaction(|writing| put(writing, "shop", 4)).unwrap();
    assert!(world.check(Some(&noted)).is_intact(), "more may have followed");
    let later = world.check(None).heads.all;
    assert_eq!((noted.seq, later.seq), (6, 7));
    for wrong in [Head { seq: 6, hash: later.hash.clone() }, Head { seq: 8, ..later }] {
        assert!(!world.check(Some(&wrong)).is_intact(), "{wrong}");
    }
}

#[test]
fn a_head_file_that_is_older_newer_edited_or_gone_is_found() {
    for keys in [Keys::default(), Keys::new(vec![key(7)])] {
        let world = World::new(keys.clone());
        let older = world.head();
        world.open().transaction(|writing| put(writing, "shop", 4)).unwrap();
        std::fs::write(world.head_file(), &older).unwrap();
        world.finds("older", "shop: head is 4:");

        // A database that was put back while the file was not.
        let world = World::new(keys.clone());
        let before = std::fs::read(world.data()).unwrap();
        world.open().transaction(|writing| put(writing, "shop", 4)).unwrap();
        std::fs::write(world.data(), before).unwrap();
        world.finds("newer", "shop: head is 3:");

        let world = World::new(keys.clone());
        std::fs::write(world.head_file(), world.head().replace("\"seq\": 3", "\"seq\": 2")).unwrap();
        world.finds("edited", "head file is wrong: its own hash does not hold");

        let world = World::new(keys.clone());
        std::fs::write(world.head_file(), "{").unwrap();
        world.finds("no JSON", "head file is wrong: it cannot be read");

        let world = World::new(keys.clone());
        std::fs::remove_file(world.head_file()).unwrap();
        world.finds("gone", "all releases: head file is missing");
    }
}

/// The moments at which a process can end between announcing a commit, doing it, and saying so.
#[test]
fn where_a_crash_leaves_the_file_is_no_alarm() {
    let world = World::new(Keys::new(vec![key(7)]));
    let before = world.check(None).heads;
    let mut store = world.open();
    store.transaction(|writing| put(writing, "shop", 4)).unwrap();
    drop(store);
    let after = world.check(None).heads;
    let announced = Sealed { heads: before.clone(), announced: Some(after.clone()) }.written(&world.keys);
    // Committed, and not said yet.
    std::fs::write(world.head_file(), &announced).unwrap();
    assert_eq!(world.found(), [""; 0]);
    assert_eq!(world.open().audits().findings, []);
    let said = Kept::Sealed(Sealed { heads: after.clone(), announced: None });
    assert_eq!(Sealed::read(&world.head(), &world.keys), said, "a start says it");
    // Announced, and never committed.
    let mut next = after.clone();
    let place = Place { seq: 5, number: 8, prev_hash: after.of("shop").hash };
    next.append(&draft("shop", 5, None).chained(place, Some(&key(7))));
    let announced = Sealed { heads: after.clone(), announced: Some(next) }.written(&world.keys);
    std::fs::write(world.head_file(), announced).unwrap();
    assert_eq!(world.found(), [""; 0]);
    let mut store = world.open();
    assert_eq!(store.audits().findings, []);
    store.transaction(|writing| put(writing, "till", 4)).unwrap();
    drop(store);
    assert_eq!(world.found(), [""; 0]);
}

/// A disk that is full for the file lets nothing be committed, and is no alarm later.
#[test]
fn what_the_file_cannot_announce_is_not_committed() {
    let world = World::new(Keys::default());
    let mut store = world.open();
    let in_the_way = world.dir.path().join("a.db.audit-head.new");
    std::fs::create_dir(&in_the_way).unwrap();
    assert!(store.transaction(|writing| put(writing, "shop", 4)).is_err());
    std::fs::remove_dir(&in_the_way).unwrap();
    assert_eq!(store.generation("shop", 4).unwrap(), None);
    store.transaction(|writing| put(writing, "shop", 4)).unwrap();
    assert_eq!(store.audits().findings, []);
    drop(store);
    assert_eq!(world.found(), [""; 0]);
}

/// An edit while the comparator runs is found with the next change of the same release, and stays found.
#[test]
fn an_edit_while_the_store_is_open_is_found() {
    let world = World::new(Keys::default());
    let mut store = world.open();
    world.edit("DELETE FROM audit WHERE release = 'shop' AND seq = 3; DELETE FROM policies WHERE name = 'shop' AND generation = 3");
    store.transaction(|writing| put(writing, "shop", 4)).unwrap();
    let found = store.audits().findings;
    assert!(found[0].to_string().starts_with("shop: head is 2:"), "{found:?}");
    drop(store);
    world.finds("tail cut and gone on", "shop: entry 3: head is ");
}

#[test]
fn a_seal_takes_what_stands_under_a_new_key() {
    let mut world = World::new(Keys::default());
    world.keys = Keys::new(vec![key(7)]);
    assert!(!world.open().audits().is_intact(), "nobody vouches for what is not keyed");
    assert_eq!(world.open().seal("ana", "the first key", 5).unwrap().findings, []);
    assert_eq!(world.found(), [""; 0]);
    // Another key: the one before still checks what it made.
    world.keys = Keys::new(vec![key(8), key(7)]);
    assert_eq!(world.open().seal("ana", "the second key", 6).unwrap().findings, []);
    world.open().transaction(|writing| put(writing, "shop", 4)).unwrap();
    assert_eq!(world.found(), [""; 0]);
    let shop = Audits::beside(&world.data(), world.keys.clone()).of("shop").unwrap();
    let told: Vec<_> = shop.iter().map(|entry| (entry.action.as_str(), entry.key.as_deref())).collect();
    let (seven, eight) = (key(7), key(8));
    let (first, second) = (Some(seven.id()), Some(eight.id()));
    let puts = [("put", None); 3];
    assert_eq!(told, [&puts[..], &[(SEAL, first), (SEAL, second), ("put", second)]].concat());
    world.keys = Keys::new(vec![key(8)]);
    assert!(world.found().iter().any(|finding| finding.contains("key is ")), "{:?}", world.found());
    // Who has no key sees the links alone, and how much that leaves out.
    world.keys = Keys::default();
    let checked = world.check(None);
    assert!(checked.is_intact() && checked.unchecked == 5, "{checked:?}");
}

/// What somebody who sealed the audit knew of is no news, and hides nothing else.
#[test]
fn what_a_seal_names_is_known_and_nothing_besides() {
    let world = World::new(Keys::new(vec![key(7)]));
    world.edit("UPDATE audit SET who = 'eve' WHERE release = 'shop' AND seq = 2");
    let sealed = world.open().seal("ana", "eve did it", 5).unwrap();
    assert_eq!((sealed.findings, sealed.sealed), (Vec::new(), 1));
    let shop = Audits::beside(&world.data(), world.keys.clone()).of("shop").unwrap();
    assert!(shop[3].diff[0].starts_with("shop: entry 2: hash is "), "{:?}", shop[3].diff);
    world.open().transaction(|writing| put(writing, "shop", 4)).unwrap();
    let checked = world.check(None);
    assert!(checked.is_intact() && checked.sealed == 1, "{checked:?}");
    world.edit("UPDATE audit SET who = 'mallory' WHERE release = 'shop' AND seq = 1");
    assert!(world.found()[0].starts_with("shop: entry 1: hash is "), "{:?}", world.found());
    // Who lacks the key cannot say that all is known.
    let world = World::new(Keys::new(vec![key(7)]));
    world.edit("UPDATE audit SET who = 'eve' WHERE release = 'shop' AND seq = 2");
    let mut known = world.found();
    known.push(
        "shop: entry 4: key is none, expected a key, or a keyed entry after it that seals it".to_owned(),
    );
    let seal = Draft { action: SEAL.to_owned(), diff: known, ..draft("shop", 3, None) };
    let mut without = Store::open(&world.data()).unwrap();
    without.transaction(|writing| writing.append_audit(seal)).unwrap();
    drop(without);
    world.finds("sealed without the key", "shop: entry 2: hash is ");
}

/// A seal is an entry of each audit, also of one whose policy is gone: it makes no generation, and brings none back.
#[test]
fn a_deleted_policy_stays_deleted_when_its_audit_is_sealed_and_salvaged() {
    let world = World::new(Keys::default());
    let deleted = Draft { action: "delete".to_owned(), ..draft("shop", 3, None) };
    let mut store = world.open();
    store
        .transaction(|writing| {
            writing.append_audit(deleted)?;
            writing.append_audit(draft("shop", 3, None))?;
            writing.forget("shop")
        })
        .unwrap();
    assert_eq!(store.seal("ana", "as every year", 5).unwrap().findings, []);
    drop(store);
    assert_eq!(world.found(), [""; 0]);
    let to = world.dir.path().join("copy.db");
    Store::salvage(&world.data(), &to).unwrap();
    assert_eq!(Audits::beside(&to, Keys::default()).check(None).unwrap().findings, []);
    let kept = Store::open(&to).unwrap().policies().unwrap();
    assert_eq!(kept.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["till"]);
}

/// A database of before the heads were kept: it gets them, and its entries hold.
#[test]
fn a_database_of_an_earlier_version_is_taken_over() {
    let world = World::of_an_earlier_version();
    let before = world.check(None);
    assert!(before.is_intact() && before.entries == 6, "{before:?}");
    let store = world.open();
    assert_eq!((store.audits().findings, store.audits().heads), (Vec::new(), before.heads));
    drop(store);
    world.edit("DELETE FROM policies WHERE name = 'shop' AND generation = 2");
    world.finds("generation of an earlier version deleted", "shop: entry 2: generation is missing");
}

/// What is copied of a damaged database has the heads of before, so that lost entries are missed, and what is whole raises no alarm.
#[test]
fn a_salvaged_copy_has_the_heads_of_what_it_was_copied_from() {
    let world = World::new(Keys::new(vec![key(7)]));
    let copied = |to: &str| {
        let to = world.dir.path().join(to);
        Store::salvage(&world.data(), &to).unwrap();
        Audits::beside(&to, world.keys.clone()).check(None).unwrap()
    };
    assert_eq!(copied("whole.db").findings, []);
    world.edit("DELETE FROM audit WHERE release = 'shop' AND seq = 3");
    assert!(!copied("cut.db").is_intact());
}

/// The copy has the present tables, and numbers for the entries that had none.
#[test]
fn a_salvaged_copy_of_an_earlier_version_has_its_entries_numbered() {
    let world = World::of_an_earlier_version();
    let before = world.check(None);
    let to = world.dir.path().join("copy.db");
    Store::salvage(&world.data(), &to).unwrap();
    let after = Audits::beside(&to, Keys::default()).check(None).unwrap();
    assert_eq!((after.findings, after.heads), (Vec::new(), before.heads));
    assert_eq!(Store::open(&to).unwrap().audits().findings, []);
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_the_heads() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new(Keys::default());
    assert_eq!(std::fs::metadata(world.head_file()).unwrap().permissions().mode() & 0o777, 0o600);
}
