//! Damaged databases: bits that flip, and pages that are lost.

use std::path::Path;

use antumbra_control::audit::Draft;
use antumbra_control::records::{DAMAGED, Session, StoredPolicy};
use antumbra_control::role::{Role, Scope};
use antumbra_control::token::{Deed, Digest, Token};
use antumbra_engine::Row;
use antumbra_observation::Instance;

use crate::sqlite::{Gathering, JournalEntry, Store, Writing};
use crate::{Accounts, StoreError};

/// What came without a token.
fn open(release: &str, session: u64) -> Gathering<'_> {
    Gathering { release, session, source: "" }
}

/// What stands in one: the policies, and evidence and journal of a release.
type Filled = (Vec<(String, StoredPolicy)>, Vec<Row>, Vec<(u64, JournalEntry)>);

/// A database with 40 generations and 300 rows of evidence of each of two releases.
fn filled(path: &Path) -> Filled {
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
            writing.set_aside("shop", 1, at + 5)?;
            writing.begin_session("till", Session { number: 3, since: 42 }, "", at + 6)?;
            writing.set_aside("shop", 2, at + 6)
        })
        .unwrap();
    assert_eq!((aside(&store, "till").0, aside(&store, "shop").0), (0, 0), "what is older is forgotten");
}

/// Which session went on is lost, too. Nothing that is set aside is deleted, and the next session is another one than any before.
#[test]
fn a_database_that_lost_sessions_gives_no_number_twice_and_keeps_what_it_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    filled(&path);
    overwrite_root(Store::open(&path).unwrap(), "sessions");
    let mut store = Store::open(&path).unwrap();
    let lost = store.session("till").unwrap().unwrap();
    assert_eq!(
        lost,
        Session { number: 40, since: 40 },
        "each began with an entry of the audit, of which there are 40"
    );
    assert_eq!(store.session("nobody").unwrap(), None);
    let now = store.salvaged().unwrap().0.at_ms + 5;
    store
        .transaction(|writing| {
            writing.set_aside("till", lost.number, now)?;
            writing.begin_session("till", Session { number: lost.number + 1, since: 41 }, "", now)
        })
        .unwrap();
    let query = "SELECT count(*) FROM set_aside WHERE release = 'till' AND session = 1";
    let kept: u64 = store.connection.query_row(query, [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 256 + 50, "the evidence and the journal");
}

/// A comparator without tokens serves everybody on its machine.
#[test]
fn a_database_that_lost_tokens_is_not_one_without() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let mut store = Store::open(&path).unwrap();
    let token = |number| Token {
        name: format!("t{number}"),
        digest: Digest([7; 32]),
        role: Role::Filter,
        scope: Scope::All,
        created: Deed { at_ms: 1, by: "ana".to_owned() },
        expires_ms: None,
        revoked: None,
    };
    let many: Vec<Token> = (0..200).map(token).collect();
    store.transaction(|writing| many.iter().try_for_each(|token| writing.put_token(token))).unwrap();
    overwrite_root(store, "tokens");
    let store = Store::open(&path).unwrap();
    let tokens = store.tokens().unwrap();
    assert!(tokens.iter().any(Result::is_err), "{tokens:?}");
    assert!(store.salvaged().is_some_and(|(salvaged, _)| !salvaged.lost_evidence()));
}
