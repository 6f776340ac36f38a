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

/// Every command asks for these: a long audit must not make them slow. What earlier versions wrote gets the indexes at the start.
#[test]
fn what_each_command_asks_of_the_audit_takes_no_longer_the_longer_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let mut store = Store::open(&path).unwrap();
    let fill = |store: &mut Store, generations: std::ops::RangeInclusive<u64>| {
        let entry = |generation| Draft {
            release: "shop".to_owned(),
            generation,
            at_ms: 0,
            who: "ana".to_owned(),
            action: if generation % 2 == 0 { change::PUT } else { "mirror" }.to_owned(),
            reason: String::new(),
            diff: Vec::new(),
            document: None,
        };
        let mut all = generations.map(entry);
        store.transaction(|writing| all.try_for_each(|draft| writing.append_audit(draft))).unwrap();
    };
    let asked = |store: &Store, query: &str| {
        let mut statement = store.connection.prepare(query).unwrap();
        let given = [&"shop" as &dyn rusqlite::ToSql, &change::PUT, &change::FILE];
        let given = &given[..statement.parameter_count()];
        statement.query(given).unwrap().next().unwrap();
        let steps = statement.get_status(rusqlite::StatementStatus::VmStep);
        let mut plan = store.connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let plan = plan.query_map(given, |row| row.get::<_, String>(3)).unwrap();
        (steps, plan.collect::<Result<Vec<_>, _>>().unwrap())
    };
    fill(&mut store, 1..=10);
    let short = [LAST_PUT, LAST_GENERATION].map(|query| asked(&store, query));
    fill(&mut store, 11..=1_000);
    store
        .connection
        .execute_batch("DROP INDEX IF EXISTS audit_made; DROP INDEX IF EXISTS audit_generation;")
        .unwrap();
    drop(store);
    let store = Store::open(&path).unwrap();
    assert_eq!([LAST_PUT, LAST_GENERATION].map(|query| asked(&store, query)), short);
    for (_, plan) in short {
        let scans: Vec<_> =
            plan.iter().filter(|step| step.starts_with("SCAN ") && **step != "SCAN CONSTANT ROW").collect();
        assert!(scans.is_empty(), "{plan:?}");
    }
    assert_eq!(store.last_generation("shop").unwrap(), 1_000);
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
    assert_eq!(store.journal(open("shop", 1)).unwrap()[0].1.repeated, 7);
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
            matches!(&read[..], [Ok(kept), Err(unreadable)] if *kept == plain && unreadable.name == "whole"),
            "{altered}"
        );
        let problems = store.problems().unwrap();
        assert!(problems.iter().any(|problem| problem.contains("token \"whole\"")), "{problems:?}");
    }
}
