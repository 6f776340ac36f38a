//! The one door to SQLite: what survives a kill.
//!
//! One file, WAL, `synchronous=FULL`: what a transaction wrote is on the disk when it returns. A lock file beside the
//! database keeps a second comparator away, whose evidence in memory would overwrite ours.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use antumbra_control::audit::{Draft, Entry};
use antumbra_control::change;
use antumbra_control::records::{Session, StoredPolicy};
use antumbra_control::timestamp;
use antumbra_engine::Row;
use antumbra_observation::Instance;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::accounts::Accounts;
use crate::error::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

/// The open store.
pub struct Store {
    connection: Connection,
    /// Held as long as the store is open.
    _lock: File,
}

/// What was counted in a session by one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Exchanges that only were counted as repeated.
    pub repeated: u64,
    /// The others, compared, as the engine writes them.
    pub compared: Vec<u8>,
}

impl Store {
    /// Opens or creates the file.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = lock(path)?;
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if !(0..=SCHEMA).contains(&found) {
            return Err(StoreError::Newer { path: path.to_owned(), found, most: SCHEMA });
        }
        if found == 0 {
            connection.execute_batch(TABLES)?;
        }
        // They came later than version 1 and are of no use to what came before: an earlier version may still read the file.
        connection.execute_batch(LATER)?;
        if found < JOURNALLED {
            // An earlier version would not see what stands in the journal alone: it must refuse the file.
            connection.execute_batch(JOURNAL)?;
        }
        connection.set_prepared_statement_cache_capacity(32);
        Ok(Self { connection, _lock: lock })
    }

    /// Does `work` in one transaction: all of it is durable when this returns `Ok`, none of it otherwise.
    pub fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Writing<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let writing = Writing(transaction);
        let result = work(&writing)?;
        writing.0.commit()?;
        Ok(result)
    }

    /// Whether the store can be written now.
    pub fn probe(&mut self) -> Result<(), StoreError> {
        self.transaction(|_| Ok(()))
    }

    /// The generation in force of every policy, by name. A document that is damaged is text that cannot be read.
    pub fn policies(&self) -> Result<Vec<(String, StoredPolicy)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT generation, at, document, name FROM policies AS p
             WHERE generation = (SELECT max(generation) FROM policies WHERE name = p.name) ORDER BY name",
        )?;
        let rows = statement.query_map([], |row| {
            let text = document(row.get_ref(2)?);
            Ok((row.get(3)?, StoredPolicy { generation: row.get(0)?, at_ms: row.get(1)?, text }))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The document of a generation of a policy that is there; none if there is no such generation.
    pub fn generation(&self, name: &str, generation: u64) -> Result<Option<StoredPolicy>, StoreError> {
        self.stored(
            "SELECT generation, at, document FROM policies WHERE name = ?1 AND generation = ?2",
            params![name, generation],
        )
    }

    /// The last generation of a policy that a document brought as a whole; none if its audit knows of none.
    pub fn last_put(&self, name: &str) -> Result<Option<StoredPolicy>, StoreError> {
        self.stored(
            "SELECT generation, at, document FROM policies WHERE name = ?1 AND generation =
             (SELECT max(generation) FROM audit WHERE release = ?1 AND action IN (?2, ?3))",
            params![name, change::PUT, change::FILE],
        )
    }

    fn stored(&self, query: &str, of: impl rusqlite::Params) -> Result<Option<StoredPolicy>, StoreError> {
        let mut statement = self.connection.prepare_cached(query)?;
        let row = statement.query_row(of, |row| {
            let text = document(row.get_ref(2)?);
            Ok(StoredPolicy { generation: row.get(0)?, at_ms: row.get(1)?, text })
        });
        Ok(row.optional()?)
    }

    /// The highest generation that a policy of this name ever had, deleted ones included; 0 if there never was one.
    pub fn last_generation(&self, name: &str) -> Result<u64, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT max(coalesce((SELECT max(generation) FROM policies WHERE name = ?1), 0),
                        coalesce((SELECT max(generation) FROM audit WHERE release = ?1), 0))",
        )?;
        Ok(statement.query_row([name], |row| row.get(0))?)
    }

    /// What the last file of a policy said; none if there never was one.
    pub fn file(&self, name: &str) -> Result<Option<String>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT document FROM files WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| row.get(0)).optional()?)
    }

    /// What the filters of a release said they delivered, as text, and during which session they did; none before they did.
    pub fn delivery(&self, release: &str) -> Result<Option<(u64, String)>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT session, text FROM deliveries WHERE release = ?1")?;
        Ok(statement.query_row([release], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
    }

    /// The current session of a release; none before its first policy.
    pub fn session(&self, release: &str) -> Result<Option<Session>, StoreError> {
        session(&self.connection, release)
    }

    /// By which files the answers of a release are read, rewritten and judged in its current session; empty without any.
    pub fn files(&self, release: &str) -> Result<String, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT files FROM plugins WHERE release = ?1")?;
        Ok(statement.query_row([release], |row| row.get(0)).optional()?.unwrap_or_default())
    }

    /// The evidence of a session.
    pub fn evidence(&self, release: &str, session: u64) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT key, bytes FROM evidence WHERE release = ?1 AND session = ?2 ORDER BY key",
        )?;
        let rows = statement
            .query_map(params![release, session], |row| Ok(Row { key: row.get(0)?, bytes: row.get(1)? }))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What was counted in a session since its evidence was last written, oldest first.
    pub fn journal(&self, release: &str, session: u64) -> Result<Vec<JournalEntry>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT repeated, bytes FROM journal WHERE release = ?1 AND session = ?2 ORDER BY seq",
        )?;
        let rows = statement.query_map(params![release, session], |row| {
            Ok(JournalEntry { repeated: row.get(0)?, compared: row.get(1)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The accounts; nothing is in flight in them.
    pub fn accounts(&self) -> Result<Accounts, StoreError> {
        let text: Option<String> = self
            .connection
            .query_row("SELECT text FROM accounts WHERE id = 1", [], |row| row.get(0))
            .optional()?;
        let Some(text) = text else { return Ok(Accounts::default()) };
        serde_json::from_str(&text)
            .map_err(|error| StoreError::Damaged { what: "accounts".to_owned(), message: error.to_string() })
    }
}

/// Reads the audits beside the store that writes them: a long one keeps nobody waiting who writes.
pub struct Audits(PathBuf);

impl Audits {
    /// Those of the store in this file, which is open as long as they are read.
    pub fn beside(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The audit of a release, oldest first, as of the last commit.
    pub fn of(&self, release: &str) -> Result<Vec<Entry>, StoreError> {
        let connection = Connection::open_with_flags(&self.0, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(BUSY)?;
        let mut statement = connection.prepare(
            "SELECT seq, release, generation, at, who, action, reason, diff, prev_hash, hash
             FROM audit WHERE release = ?1 ORDER BY seq",
        )?;
        let rows = statement.query_map([release], entry)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// An open transaction.
pub struct Writing<'c>(Transaction<'c>);

impl Writing<'_> {
    /// Notes a batch as acknowledged. False if it was before, or is so old that it can only be a repeat.
    pub fn note_batch(&self, instance: Instance, sequence: u64, now_ms: u64) -> Result<bool, StoreError> {
        let instance = instance.to_string();
        let highest: Option<u64> = self
            .0
            .prepare_cached("SELECT max(sequence) FROM batches WHERE instance = ?1")?
            .query_row([&instance], |row| row.get(0))?;
        let oldest_kept = highest.unwrap_or(0).saturating_sub(BATCHES_KEPT);
        if highest.is_some() && sequence <= oldest_kept {
            return Ok(false);
        }
        let inserted = self
            .0
            .prepare_cached("INSERT OR IGNORE INTO batches (instance, sequence, at) VALUES (?1, ?2, ?3)")?
            .execute(params![instance, sequence, now_ms])?;
        if sequence.is_multiple_of(PRUNE_EVERY) {
            self.prune(&instance, oldest_kept, now_ms)?;
        }
        Ok(inserted == 1)
    }

    fn prune(&self, instance: &str, oldest_kept: u64, now_ms: u64) -> Result<(), StoreError> {
        self.0
            .prepare_cached("DELETE FROM batches WHERE instance = ?1 AND sequence <= ?2")?
            .execute(params![instance, oldest_kept])?;
        let forgotten = now_ms.saturating_sub(INSTANCE_FORGOTTEN_MS);
        self.0.prepare_cached("DELETE FROM batches WHERE at < ?1")?.execute([forgotten])?;
        Ok(())
    }

    /// Writes one row of evidence.
    pub fn put_evidence(&self, release: &str, session: u64, row: &Row) -> Result<(), StoreError> {
        self.0
            .prepare_cached(
                "INSERT INTO evidence (release, session, key, bytes) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (release, session, key) DO UPDATE SET bytes = excluded.bytes",
            )?
            .execute(params![release, session, row.key, row.bytes])?;
        Ok(())
    }

    /// Appends what was counted in a session to its journal.
    pub fn append_journal(
        &self,
        release: &str,
        session: u64,
        entry: &JournalEntry,
    ) -> Result<(), StoreError> {
        self.0
            .prepare_cached(
                "INSERT INTO journal (release, session, repeated, bytes) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![release, session, entry.repeated, entry.compared])?;
        Ok(())
    }

    /// Forgets the journal of a session, whose evidence is written in the same transaction.
    pub fn clear_journal(&self, release: &str, session: u64) -> Result<(), StoreError> {
        self.0
            .prepare_cached("DELETE FROM journal WHERE release = ?1 AND session = ?2")?
            .execute(params![release, session])?;
        Ok(())
    }

    /// Writes the accounts.
    pub fn put_accounts(&self, accounts: &Accounts) -> Result<(), StoreError> {
        let text = serde_json::to_string(accounts).unwrap_or_default();
        self.0
            .prepare_cached(
                "INSERT INTO accounts (id, text) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET text = excluded.text",
            )?
            .execute([text])?;
        Ok(())
    }

    /// Writes a generation.
    pub fn put_policy(&self, name: &str, policy: &StoredPolicy) -> Result<(), StoreError> {
        self.0
            .prepare_cached("INSERT INTO policies (name, generation, at, document) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![name, policy.generation, policy.at_ms, policy.text])?;
        Ok(())
    }

    /// Notes what the file of a policy said, whether or not it changed anything.
    pub fn put_file(&self, name: &str, document: &str) -> Result<(), StoreError> {
        self.0
            .prepare_cached(
                "INSERT INTO files (name, document) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET document = excluded.document",
            )?
            .execute(params![name, document])?;
        Ok(())
    }

    /// Begins a session of a release. The evidence of the one before is kept, older evidence is not.
    /// `files` says by which files answers are read, rewritten and judged in it.
    pub fn begin_session(
        &self,
        release: &str,
        session: Session,
        files: &str,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let Session { number, since } = session;
        self.0
            .prepare_cached("INSERT INTO sessions (release, session, since, at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![release, number, since, now_ms])?;
        for ended in [
            "DELETE FROM evidence WHERE release = ?1 AND session < ?2",
            "DELETE FROM journal WHERE release = ?1 AND session < ?2",
        ] {
            self.0.prepare_cached(ended)?.execute(params![release, number.saturating_sub(1)])?;
        }
        self.0
            .prepare_cached(
                "INSERT INTO plugins (release, files) VALUES (?1, ?2)
                 ON CONFLICT (release) DO UPDATE SET files = excluded.files",
            )?
            .execute(params![release, files])?;
        Ok(())
    }

    /// Forgets a policy and all that is known of its release. Its audit stays, and so does the number of its last session: neither
    /// generations nor sessions are numbered twice under one name.
    pub fn forget(&self, name: &str) -> Result<(), StoreError> {
        for of_release in [
            "DELETE FROM policies WHERE name = ?1",
            "DELETE FROM files WHERE name = ?1",
            "DELETE FROM evidence WHERE release = ?1",
            "DELETE FROM journal WHERE release = ?1",
            "DELETE FROM plugins WHERE release = ?1",
            "DELETE FROM deliveries WHERE release = ?1",
            "DELETE FROM sessions WHERE release = ?1 AND session <
             (SELECT max(session) FROM sessions WHERE release = ?1)",
        ] {
            self.0.prepare_cached(of_release)?.execute([name])?;
        }
        Ok(())
    }

    /// Keeps what the filters of a release said they delivered.
    pub fn put_delivery(&self, release: &str, session: u64, text: &str) -> Result<(), StoreError> {
        self.0
            .prepare_cached(
                "INSERT INTO deliveries (release, session, text) VALUES (?1, ?2, ?3)
                 ON CONFLICT (release) DO UPDATE SET session = excluded.session, text = excluded.text",
            )?
            .execute(params![release, session, text])?;
        Ok(())
    }

    /// Appends to the audit of a release.
    pub fn append_audit(&self, draft: Draft) -> Result<(), StoreError> {
        let last: Option<(u64, String)> = self
            .0
            .prepare_cached("SELECT seq, hash FROM audit WHERE release = ?1 ORDER BY seq DESC LIMIT 1")?
            .query_row([&draft.release], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (seq, prev_hash) = last.unwrap_or_default();
        let e = draft.chained(seq + 1, prev_hash);
        self.0
            .prepare_cached(
                "INSERT INTO audit (seq, release, generation, at, who, action, reason, diff, prev_hash, hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                e.seq,
                e.release,
                e.generation,
                e.at_ms,
                e.who,
                e.action,
                e.reason,
                serde_json::to_string(&e.diff).unwrap_or_default(),
                e.prev_hash,
                e.hash,
            ])?;
        Ok(())
    }
}

/// What is no UTF-8 is marked by a first character that begins no document, so that it cannot be taken for what was written.
fn document(stored: ValueRef<'_>) -> String {
    let (ValueRef::Text(bytes) | ValueRef::Blob(bytes)) = stored else { return String::new() };
    std::str::from_utf8(bytes)
        .map_or_else(|_| format!("\u{fffd}{}", String::from_utf8_lossy(bytes)), str::to_owned)
}

fn session(connection: &Connection, release: &str) -> Result<Option<Session>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT session, since FROM sessions WHERE release = ?1 ORDER BY session DESC LIMIT 1",
        )?
        .query_row([release], |row| Ok(Session { number: row.get(0)?, since: row.get(1)? }))
        .optional()?;
    Ok(found)
}

fn entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<Entry> {
    let at_ms = row.get(3)?;
    let diff: String = row.get(7)?;
    Ok(Entry {
        seq: row.get(0)?,
        release: row.get(1)?,
        generation: row.get(2)?,
        at_ms,
        at: timestamp::rfc3339(at_ms),
        who: row.get(4)?,
        action: row.get(5)?,
        reason: row.get(6)?,
        // A damaged list of differences reads as none, and then the hash does not match.
        diff: serde_json::from_str(&diff).unwrap_or_default(),
        prev_hash: row.get(8)?,
        hash: row.get(9)?,
    })
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let beside = PathBuf::from(name);
    let failed = |source| StoreError::File { path: beside.clone(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&beside).map_err(failed)?;
    let mut tries = LOCK_TRIES;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // The one before may still be ending, or a process that it just started may not have closed its copy yet.
            Err(TryLockError::WouldBlock) if tries > 0 => std::thread::sleep(BETWEEN_TRIES),
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        tries -= 1;
    }
}

/// How long a write waits for somebody who reads or copies the file.
const BUSY: Duration = Duration::from_secs(2);
const LOCK_TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(30);
/// Batches of one instance that are remembered; one repeats at most its last few.
const BATCHES_KEPT: u64 = 1_024;
const PRUNE_EVERY: u64 = 256;
/// An instance that was silent for a day repeats nothing.
const INSTANCE_FORGOTTEN_MS: u64 = 86_400_000;
const SCHEMA: i64 = 2;
/// The version that brought the journal.
const JOURNALLED: i64 = 2;
const TABLES: &str = "
BEGIN;
CREATE TABLE policies (name TEXT NOT NULL, generation INTEGER NOT NULL, at INTEGER NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (name, generation)) STRICT;
CREATE TABLE files (name TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
CREATE TABLE sessions (release TEXT NOT NULL, session INTEGER NOT NULL, since INTEGER NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (release, session)) STRICT;
CREATE TABLE audit (seq INTEGER NOT NULL, release TEXT NOT NULL, generation INTEGER NOT NULL, at INTEGER NOT NULL,
    who TEXT NOT NULL, action TEXT NOT NULL, reason TEXT NOT NULL, diff TEXT NOT NULL, prev_hash TEXT NOT NULL,
    hash TEXT NOT NULL, PRIMARY KEY (release, seq)) STRICT;
CREATE TABLE evidence (release TEXT NOT NULL, session INTEGER NOT NULL, key TEXT NOT NULL, bytes BLOB NOT NULL,
    PRIMARY KEY (release, session, key)) STRICT;
CREATE TABLE batches (instance TEXT NOT NULL, sequence INTEGER NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (instance, sequence)) STRICT, WITHOUT ROWID;
CREATE INDEX batches_at ON batches (at);
CREATE TABLE accounts (id INTEGER PRIMARY KEY CHECK (id = 1), text TEXT NOT NULL) STRICT;
PRAGMA user_version = 1;
COMMIT;
";

const JOURNAL: &str = "
BEGIN;
CREATE TABLE journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, release TEXT NOT NULL, session INTEGER NOT NULL,
    repeated INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;
CREATE INDEX journal_of ON journal (release, session);
PRAGMA user_version = 2;
COMMIT;
";

const LATER: &str = "
CREATE TABLE IF NOT EXISTS plugins (release TEXT PRIMARY KEY, files TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS deliveries (release TEXT PRIMARY KEY, session INTEGER NOT NULL, text TEXT NOT NULL) STRICT;
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comparator_at_a_time_and_no_file_of_the_future() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let store = Store::open(&path).unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::InUse(named)) if named == path));
        store.connection.pragma_update(None, "user_version", 7).unwrap();
        drop(store);
        let error = Store::open(&path).err().unwrap().to_string();
        assert!(error.contains("has schema version 7, must be within 0..=2"), "{error}");
    }

    #[test]
    fn a_batch_is_new_once_and_old_ones_are_forgotten_as_repeats() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("a.db")).unwrap();
        let mut note = |instance, sequence| {
            store.transaction(|writing| writing.note_batch(Instance(instance), sequence, 0)).unwrap()
        };
        assert!(note(1, 2));
        assert!(note(1, 1), "out of order is not a repeat");
        assert!(!note(1, 2));
        assert!(note(2, 2), "another instance counts for itself");
        assert!(note(1, 5_120));
        assert!(!note(1, 3), "below the window");
        assert!(note(1, 5_000), "within the window");
        let kept: u64 =
            store.connection.query_row("SELECT count(*) FROM batches", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 5, "the batch that moves the window is noted before the next one prunes");
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
        };
        let stored =
            |generation| StoredPolicy { generation, at_ms: 0, text: format!("{{\"g\":{generation}}}") };
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
                writing.put_evidence(release, 2, &row)?;
                writing.append_journal(release, 2, &JournalEntry { repeated: 1, compared: Vec::new() })?;
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
                (store.evidence(release, 2).unwrap().len(), store.journal(release, 2).unwrap().len()),
                (store.files(release).unwrap(), store.delivery(release).unwrap().is_some()),
            )
        };
        assert_eq!(left(&store, "shop"), ((None, None), (0, 0), (String::new(), false)));
        let kept = ((Some(stored(2)), Some("{}".to_owned())), (1, 1), ("prices=1f".to_owned(), true));
        assert_eq!(left(&store, "till"), kept);
        assert_eq!(store.policies().unwrap().len(), 1);
        let audits = Audits::beside(&dir.path().join("a.db"));
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
}
