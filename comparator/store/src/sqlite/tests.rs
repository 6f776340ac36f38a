//! The store against real files.

use antumbra_control::role::{Role, Scope};
use antumbra_control::token::{Deed, Digest};

use super::*;
use antumbra_observation::Instance;

/// What came without a token.
fn open(release: &str, session: u64) -> Gathering<'_> {
    Gathering { release, session, source: "" }
}

#[test]
fn one_comparator_at_a_time_and_no_file_of_the_future() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let store = Store::open(&path).unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::InUse(named)) if named == path));
    store.connection.pragma_update(None, "user_version", 8).unwrap();
    drop(store);
    let error = Store::open(&path).err().unwrap().to_string();
    assert!(error.contains("has schema version 8, must be within 0..=7"), "{error}");
}

#[test]
fn a_batch_is_new_once_and_old_ones_are_forgotten_as_repeats() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(&dir.path().join("a.db")).unwrap();
    let mut note_of = |source, instance, sequence| {
        store.transaction(|writing| writing.note_batch(source, Instance(instance), sequence)).unwrap()
    };
    assert!(
        note_of("edge", 1, 2) && !note_of("edge", 1, 2) && note_of("edge-2", 1, 2),
        "each source for itself"
    );
    let mut note = |instance, sequence| note_of("", instance, sequence);
    assert!(note(1, 2));
    assert!(note(1, 1), "out of order is not a repeat");
    assert!(!note(1, 2));
    assert!(note(2, 2), "another instance counts for itself");
    assert!(note(1, 5_120));
    assert!(!note(1, 3), "below the window");
    assert!(note(1, 5_000), "within the window");
    let kept: u64 = store.connection.query_row("SELECT count(*) FROM batches", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 7, "the batch that moves the window is noted before the next one prunes");
}

#[test]
fn what_is_forgotten_leaves_its_audit_and_numbers_that_are_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(&dir.path().join("a.db")).unwrap();
    let draft = |release: &str, generation, action: &str| Draft {
        release: release.to_owned(),
        generation,
        at_ms: 0,
        who: "ana".to_owned(),
        action: action.to_owned(),
        reason: String::new(),
        diff: Vec::new(),
        document: None,
    };
    let stored = |generation| StoredPolicy { generation, at_ms: 0, text: format!("{{\"g\":{generation}}}") };
    let work = |writing: &Writing<'_>| {
        for release in ["shop", "till"] {
            for (generation, action) in [(1, "put"), (2, "file"), (3, "mirror")] {
                writing.put_policy(release, &stored(generation))?;
                writing.append_audit(draft(release, generation, action))?;
            }
            writing.put_file(release, "{}")?;
            writing.begin_session(release, Session { number: 1, since: 1 }, "", 0)?;
            writing.begin_session(release, Session { number: 2, since: 2 }, "prices=1f", 0)?;
            let row = Row { key: "a".to_owned(), bytes: vec![1] };
            for (place, source) in ["", "edge"].into_iter().enumerate() {
                let of = Gathering { source, ..open(release, 2) };
                writing.put_source(of, place as u64)?;
                writing.put_evidence(of, &row)?;
                writing.append_journal(of, &JournalEntry { repeated: 1, compared: Vec::new() })?;
            }
            writing.put_delivery(release, 2, "{}")?;
        }
        Ok(())
    };
    store.transaction(work).unwrap();
    assert_eq!(store.last_put("shop").unwrap(), Some(stored(2)));
    assert_eq!(store.generation("shop", 1).unwrap(), Some(stored(1)));
    assert_eq!(store.generation("shop", 4).unwrap(), None);
    store.transaction(|writing| writing.forget("shop")).unwrap();
    let left = |store: &Store, release| {
        (
            (store.last_put(release).unwrap(), store.file(release).unwrap()),
            store
                .sources(release, 2)
                .unwrap()
                .iter()
                .map(|source| {
                    let of = Gathering { source, ..open(release, 2) };
                    (store.evidence(of).unwrap().len(), store.journal(of).unwrap().len())
                })
                .collect::<Vec<_>>(),
            (store.files(release).unwrap(), store.delivery(release).unwrap().is_some()),
        )
    };
    assert_eq!(left(&store, "shop"), ((None, None), vec![], (String::new(), false)));
    let kept = ((Some(stored(2)), Some("{}".to_owned())), vec![(1, 1); 2], ("prices=1f".to_owned(), true));
    assert_eq!(left(&store, "till"), kept);
    assert_eq!(store.policies().unwrap().len(), 1);
    let audits = Audits::beside(&dir.path().join("a.db"), Keys::default());
    assert_eq!((audits.of("shop").unwrap().len(), store.last_generation("shop").unwrap()), (3, 3));
    // While somebody writes, what was committed can be read.
    let between = |writing: &Writing<'_>| {
        writing.append_audit(draft("shop", 4, "put"))?;
        audits.of("shop")
    };
    assert_eq!(store.transaction(between).unwrap().len(), 3);
    assert_eq!(audits.of("shop").unwrap().len(), 4);
    assert_eq!(store.session("shop").unwrap(), Some(Session { number: 2, since: 2 }));
    assert_eq!(store.last_generation("never").unwrap(), 0);
}

/// Sources keep their places, in which they first came; what an earlier version wrote came first, and without a token.
#[test]
fn evidence_that_an_earlier_version_wrote_is_that_of_the_source_without_a_token() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let row = |number| Row { key: "release".to_owned(), bytes: vec![number] };
    let mut store = Store::open(&path).unwrap();
    store
        .transaction(|writing| {
            writing.put_evidence(open("shop", 1), &row(1))?;
            writing.append_journal(open("shop", 1), &JournalEntry { repeated: 7, compared: Vec::new() })
        })
        .unwrap();
    store.connection.execute_batch(BEFORE_SOURCES).unwrap();
    drop(store);
    assert_eq!(Store::open_to_read(&path).unwrap().problems().unwrap(), Vec::<String>::new());
    let mut store = Store::open(&path).unwrap();
    assert_eq!(store.sources("shop", 1).unwrap(), [""]);
    assert_eq!(store.evidence(open("shop", 1)).unwrap(), [row(1)]);
    assert_eq!(store.journal(open("shop", 1)).unwrap()[0].repeated, 7);
    store
        .transaction(|writing| {
            for (place, source) in [(1, "west"), (2, "east")] {
                let of = Gathering { source, ..open("shop", 1) };
                writing.put_source(of, place)?;
                writing.put_evidence(of, &row(2))?;
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(store.sources("shop", 1).unwrap(), ["", "west", "east"]);
    assert_eq!(store.evidence(open("shop", 1)).unwrap(), [row(1)]);
    store.connection.execute("UPDATE evidence SET source = 'east' WHERE source = 'west'", []).unwrap_err();
    store.connection.execute("UPDATE evidence SET source = 'north' WHERE source = 'west'", []).unwrap();
    let moved = store.evidence(Gathering { source: "north", ..open("shop", 1) });
    assert!(matches!(moved, Err(StoreError::Damaged { .. })), "{moved:?}");
}

const BEFORE_SOURCES: &str = "
CREATE TABLE earlier (release TEXT NOT NULL, session INTEGER NOT NULL, key TEXT NOT NULL, bytes BLOB NOT NULL, sum INTEGER,
    PRIMARY KEY (release, session, key)) STRICT;
INSERT INTO earlier SELECT release, session, key, bytes, sum FROM evidence;
DROP TABLE evidence;
ALTER TABLE earlier RENAME TO evidence;
ALTER TABLE journal DROP COLUMN source;
DROP TABLE sources;
PRAGMA user_version = 5;
";

#[test]
fn nothing_of_a_failed_transaction_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(&dir.path().join("a.db")).unwrap();
    let failed = store.transaction(|writing| {
        writing.begin_session("shop", Session { number: 1, since: 1 }, "", 0)?;
        Err::<(), _>(StoreError::Damaged { what: "test".to_owned(), message: String::new() })
    });
    assert!(failed.is_err());
    assert_eq!(store.session("shop").unwrap(), None);
}

/// A database with 40 generations and 300 rows of evidence of each of two releases.
fn filled(path: &Path) -> (Vec<(String, StoredPolicy)>, Vec<Row>, Vec<JournalEntry>) {
    let mut store = Store::open(path).unwrap();
    let row = |number: u8| Row {
        key: format!("endpoint GET /{number}"),
        bytes: (0..300_u16).map(|at| (at % 251) as u8 ^ number).collect(),
    };
    let work = |writing: &Writing<'_>| {
        for release in ["shop", "till"] {
            for generation in 1..=40 {
                let text =
                    format!("{{\"name\":\"{release}\",\"g\":{generation},\"pad\":\"{}\"}}", "p".repeat(200));
                writing.put_policy(release, &StoredPolicy { generation, at_ms: generation, text })?;
                writing.append_audit(Draft {
                    release: release.to_owned(),
                    generation,
                    at_ms: generation,
                    who: "ana".to_owned(),
                    action: "put".to_owned(),
                    reason: "r".repeat(100),
                    diff: Vec::new(),
                    document: None,
                })?;
            }
            writing.begin_session(release, Session { number: 1, since: 1 }, "", 0)?;
            for number in 0..=255 {
                writing.put_evidence(open(release, 1), &row(number))?;
            }
            for repeated in 0..50 {
                let entry = JournalEntry { repeated, compared: vec![u8::try_from(repeated).unwrap(); 90] };
                writing.append_journal(open(release, 1), &entry)?;
            }
        }
        for sequence in 1..500 {
            writing.note_batch("", Instance(1), sequence)?;
        }
        writing.put_accounts(&Accounts::default())?;
        Ok(())
    };
    store.transaction(work).unwrap();
    let till = open("till", 1);
    (store.policies().unwrap(), store.evidence(till).unwrap(), store.journal(till).unwrap())
}

/// A bit of a disk flips: the store opens, and what it says is what was written, is marked, or is missing and said to be.
#[test]
fn a_flipped_bit_is_never_taken_for_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let (policies, evidence, journal) = filled(&path);
    let whole = std::fs::read(&path).unwrap();
    let (mut unseen, mut salvaged, mut marked, mut refused) = (0, 0, 0, Vec::new());
    // A linear congruential generator (Knuth's MMIX), so that each run tries the same bits.
    let mut random: u64 = 1;
    for _ in 0..FLIPS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bit = usize::try_from(random >> 20).unwrap() % (whole.len() * 8);
        let flipped = dir.path().join("flipped.db");
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let file = file.unwrap();
            if file.file_name().to_string_lossy().starts_with("flipped.db") {
                std::fs::remove_file(file.path()).unwrap();
            }
        }
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&flipped, &bytes).unwrap();
        let store = match Store::open(&flipped) {
            Ok(store) => store,
            Err(error) => {
                refused.push((bit / 8, error.to_string()));
                continue;
            }
        };
        let lost = store.salvaged().is_some_and(|(salvaged, _)| salvaged.lost_evidence());
        let found = store.policies().unwrap();
        for wanted in &policies {
            let is_marked = |stored: &StoredPolicy| stored.text.starts_with(DAMAGED);
            let told = found.iter().any(|read| read == wanted || (read.0 == wanted.0 && is_marked(&read.1)));
            assert!(
                told || lost,
                "byte {}: {:?}",
                bit / 8,
                found.iter().map(|(name, p)| (name, p.generation)).collect::<Vec<_>>()
            );
            marked += u32::from(found.iter().any(|read| is_marked(&read.1)));
        }
        let read = (store.evidence(open("till", 1)), store.journal(open("till", 1)));
        match read {
            (Ok(rows), Ok(entries)) => {
                assert!(lost || (rows == evidence && entries == journal), "byte {}", bit / 8);
                unseen += u32::from(!lost);
            }
            (Err(error), _) | (_, Err(error)) => {
                assert!(matches!(error, StoreError::Damaged { .. }), "byte {}: {error}", bit / 8);
                marked += 1;
            }
        }
        salvaged += u32::from(store.salvaged().is_some());
    }
    println!(
        "{FLIPS} flips: {salvaged} salvaged, {marked} rows marked, {unseen} without harm to `till`, refused {refused:?}"
    );
    // The first page says what the file is and which tables it has: without it nothing can be read.
    assert!(refused.iter().all(|(byte, _)| *byte < 4_096), "{refused:?}");
}

const FLIPS: u32 = 60;

/// Closes a store, and overwrites the page that leads to all rows of a table.
fn overwrite_root(store: Store, table: &str) {
    let query =
        "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE name = ?1";
    let (root, size): (u64, u64) =
        store.connection.query_row(query, [table], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let path = store.path.clone();
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    let from = usize::try_from((root - 1) * size).unwrap();
    bytes[from..from + usize::try_from(size).unwrap()].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
}

/// A start salvages evidence and begins new sessions at once; whoever wants to look into it still can, until the next session.
#[test]
fn what_salvaging_set_aside_outlives_the_start_that_did() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    filled(&path);
    overwrite_root(Store::open(&path).unwrap(), "evidence");
    let mut store = Store::open(&path).unwrap();
    assert!(store.salvaged().is_some_and(|(salvaged, _)| salvaged.lost_evidence()));
    let aside = |store: &Store, release| -> (u64, u64) {
        let query = "SELECT count(*), coalesce(max(at), 0) FROM set_aside WHERE release = ?1";
        store.connection.query_row(query, [release], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    let (rows, at) = aside(&store, "till");
    assert_eq!(rows, 50, "the journal");
    // As a start does for each release.
    let start_over = |writing: &Writing<'_>| {
        writing.set_aside("till", 1, at + 5)?;
        writing.begin_session("till", Session { number: 2, since: 41 }, "", at + 5)
    };
    store.transaction(start_over).unwrap();
    assert_eq!((aside(&store, "till"), aside(&store, "shop")), ((50, at + 5), (50, at)));
    store
        .transaction(|writing| {
            writing.begin_session("till", Session { number: 3, since: 42 }, "", at + 6)?;
            writing.set_aside("shop", 2, at + 6)
        })
        .unwrap();
    assert_eq!((aside(&store, "till").0, aside(&store, "shop").0), (0, 0), "what is older is forgotten");
}

/// A token with everything that one can have.
fn token(name: &str) -> Token {
    Token {
        name: name.to_owned(),
        digest: Digest([7; 32]),
        role: Role::Filter,
        scope: Scope::Named(["shop", "till"].map(str::to_owned).into()),
        created: Deed { at_ms: 1, by: "ana".to_owned() },
        expires_ms: Some(9),
        revoked: Some(Deed { at_ms: 5, by: "ben".to_owned() }),
    }
}

#[test]
fn tokens_come_back_as_they_were_and_altered_ones_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(&dir.path().join("a.db")).unwrap();
    let plain =
        Token { role: Role::Admin, scope: Scope::All, expires_ms: None, revoked: None, ..token("plain") };
    let written = [plain.clone(), token("whole")];
    let put = |writing: &Writing<'_>| written.iter().try_for_each(|token| writing.put_token(token));
    store.transaction(put).unwrap();
    let read: Vec<Token> = store.tokens().unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(read, written);
    for altered in [
        "role = 'admin'",
        "releases = NULL",
        "releases = '[\"shop\"]'",
        "expires = 10",
        "expires = NULL",
        "revoked = NULL, revoked_by = NULL",
        "digest = x'00'",
        "sum = NULL",
    ] {
        store.transaction(put).unwrap();
        store.connection.execute(&format!("UPDATE tokens SET {altered} WHERE name = 'whole'"), []).unwrap();
        let read = store.tokens().unwrap();
        assert!(
            matches!(&read[..], [Ok(kept), Err(StoreError::Damaged { .. })] if *kept == plain),
            "{altered}"
        );
        let problems = store.problems().unwrap();
        assert!(problems.iter().any(|problem| problem.contains("token \"whole\"")), "{problems:?}");
    }
}

/// A comparator without tokens serves everybody on its machine.
#[test]
fn a_database_that_lost_tokens_is_not_one_without() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let mut store = Store::open(&path).unwrap();
    let many: Vec<Token> = (0..200).map(|number| token(&format!("t{number}"))).collect();
    store.transaction(|writing| many.iter().try_for_each(|token| writing.put_token(token))).unwrap();
    overwrite_root(store, "tokens");
    let store = Store::open(&path).unwrap();
    let tokens = store.tokens().unwrap();
    assert!(tokens.iter().any(Result::is_err), "{tokens:?}");
    assert!(store.salvaged().is_some_and(|(salvaged, _)| !salvaged.lost_evidence()));
}
