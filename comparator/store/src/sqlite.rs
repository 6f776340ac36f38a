//! The one door to SQLite: what survives a kill.
//!
//! One file, WAL, `synchronous=FULL`: what a transaction wrote is on the disk when it returns.

mod audits;
mod files;
mod lock;
mod salvage;
mod schema;
mod sums;

pub use audits::Audits;
pub use salvage::{Salvaged, SalvagedTable};

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use antumbra_control::audit::{Draft, broken_at};
use antumbra_control::change;
use antumbra_control::records::{DAMAGED, Session, StoredPolicy};
use antumbra_engine::Row;
use antumbra_observation::Instance;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::accounts::Accounts;
use crate::error::StoreError;
use lock::Lock;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

/// The open store.
pub struct Store {
    connection: Connection,
    /// What was copied of the file, if it was damaged, and where the damaged one is.
    salvaged: Option<(Salvaged, PathBuf)>,
    /// When something was last written, which shows that the store can be written.
    written: Option<Instant>,
    /// Something was deleted that may still stand in the write-ahead log.
    unscrubbed: bool,
    path: PathBuf,
    /// Held as long as the store is open, and given up after the connection.
    _lock: Option<Lock>,
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
    /// Opens or creates the file, which only its owner may read: it holds answers of the services. All of it is checked. What can be
    /// read of a damaged one is copied to a new file, and the damaged one is kept under another name.
    ///
    /// # Errors
    /// Another comparator has the file under whatever name, a later version wrote it, nothing of it can be read, or the system or SQLite
    /// refuses it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut lock = Lock::take(path)?;
        let salvaged = salvage::replace_damaged(path)?;
        lock.follow(path)?;
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        schema::overwrite_deleted(&connection)?;
        schema::bring_up_to_date(&connection, path)?;
        connection.set_prepared_statement_cache_capacity(32);
        let path = path.to_owned();
        // What a process deleted before it was killed may still stand in the log.
        let mut store =
            Self { connection, salvaged, written: None, unscrubbed: true, path, _lock: Some(lock) };
        store.scrub();
        Ok(store)
    }

    /// Opens a file to read it alone, also while a comparator has it.
    ///
    /// # Errors
    /// There is none, a later version wrote it, or SQLite refuses it.
    pub fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(BUSY)?;
        schema::refuse_newer(&connection, path)?;
        let path = path.to_owned();
        Ok(Self { connection, salvaged: None, written: None, unscrubbed: false, path, _lock: None })
    }

    /// Everything that is wrong with the file, one sentence each: with its pages, with rows that are not as they were written, and with
    /// the chain of each audit. It reads all of the file.
    ///
    /// # Errors
    /// SQLite cannot read what it found sound before.
    pub fn problems(&self) -> Result<Vec<String>, StoreError> {
        let pages = salvage::problems(&self.connection, None);
        if !pages.is_empty() {
            return Ok(pages);
        }
        let mut problems = Vec::new();
        let mut tell = |read: Result<(), StoreError>| match read {
            Err(error @ StoreError::Damaged { .. }) => {
                problems.push(error.to_string());
                Ok(())
            }
            other => other,
        };
        tell(self.accounts().map(drop))?;
        let of_release = |query: &str| -> Result<Vec<(String, u64)>, StoreError> {
            let mut statement = self.connection.prepare(query)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        for (name, generation) in of_release("SELECT name, generation FROM policies ORDER BY 1, 2")? {
            let stored = self.generation(&name, generation)?;
            if stored.is_some_and(|stored| stored.text.starts_with(DAMAGED)) {
                let what = format!("generation {generation} of the policy {name:?}");
                tell(Err(StoreError::Damaged { what, message: "its checksum does not match".to_owned() }))?;
            }
        }
        for (release, session) in of_release("SELECT DISTINCT release, session FROM evidence ORDER BY 1, 2")?
        {
            tell(self.evidence(&release, session).map(drop))?;
        }
        for (release, session) in of_release("SELECT DISTINCT release, session FROM journal ORDER BY 1, 2")? {
            tell(self.journal(&release, session).map(drop))?;
        }
        for (release, _) in of_release("SELECT release, max(seq) FROM audit GROUP BY release ORDER BY 1")? {
            if let Some(seq) = broken_at(&audits::audit(&self.connection, &release)?) {
                let what = format!("audit of {release:?}");
                tell(Err(StoreError::Damaged {
                    what,
                    message: format!("its chain is broken at entry {seq}"),
                }))?;
            }
        }
        Ok(problems)
    }

    /// Copies what can be read of the file at `from`, which no comparator may have, to a new one at `to`. The one at `from` stays as it is.
    ///
    /// # Errors
    /// A comparator has it, a later version wrote it, nothing of it can be read, there is a file at `to`, or it cannot be written.
    pub fn salvage(from: &Path, to: &Path) -> Result<Salvaged, StoreError> {
        let _lock = Lock::take(from)?;
        salvage::to_new(from, to)
    }

    /// What was copied of the file, if it was damaged, and where the damaged one is.
    pub fn salvaged(&self) -> Option<&(Salvaged, PathBuf)> {
        self.salvaged.as_ref()
    }

    /// Does `work` in one transaction: all of it is durable when this returns `Ok`, none of it otherwise.
    pub fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Writing<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let before = self.connection.total_changes();
        let (result, changed, deleted) = {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let writing = Writing { transaction, deleted: Cell::new(false) };
            let result = work(&writing)?;
            let (changed, deleted) = (writing.transaction.total_changes(), writing.deleted.get());
            writing.transaction.commit()?;
            (result, changed, deleted)
        };
        if deleted {
            self.unscrubbed = true;
            self.scrub();
        }
        if changed != before {
            self.written = Some(Instant::now());
        }
        Ok(result)
    }

    /// Empties the write-ahead log if something was deleted whose earlier pages may stand in it: deleted content is overwritten in the
    /// file itself. While somebody reads the database the log cannot be emptied; the next call tries again.
    pub fn scrub(&mut self) {
        if self.unscrubbed {
            let busy: rusqlite::Result<i64> =
                self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
            self.unscrubbed = busy != Ok(0);
        }
    }

    /// Forgets what was set aside before a moment, in milliseconds since 1970: rows that could not be read, and copies of a damaged
    /// database. Answers how many there were.
    ///
    /// # Errors
    /// SQLite fails, or a copy cannot be removed.
    pub fn forget_set_aside(&mut self, before_ms: u64) -> Result<u64, StoreError> {
        let rows = self.transaction(|writing| writing.forget_set_aside(before_ms))?;
        let copies = files::remove_damaged(&self.path, before_ms / 1_000)
            .map_err(|source| StoreError::File { path: self.path.clone(), source })?;
        Ok(rows + copies)
    }

    /// Whether the store can be written now: something was written within the last second, or a row is written to see. A transaction
    /// that changes nothing would succeed on a full disk, too.
    ///
    /// # Errors
    /// What keeps it from being written.
    pub fn probe(&mut self) -> Result<(), StoreError> {
        if self.written.is_some_and(|at| at.elapsed() < PROBE_EVERY) {
            return Ok(());
        }
        self.transaction(|writing| {
            let mut statement = writing.transaction.prepare_cached(
                "INSERT INTO probe (id, times) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET times = times + 1",
            )?;
            statement.execute([])?;
            Ok(())
        })
    }

    /// The generation in force of every policy, by name. A document that is damaged is text that cannot be read.
    pub fn policies(&self) -> Result<Vec<(String, StoredPolicy)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT name, generation, at, document, sum FROM policies AS p
             WHERE generation = (SELECT max(generation) FROM policies WHERE name = p.name) ORDER BY name",
        )?;
        let rows = statement.query_map([], policy)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The document of a generation of a policy that is there; none if there is no such generation.
    pub fn generation(&self, name: &str, generation: u64) -> Result<Option<StoredPolicy>, StoreError> {
        self.stored(
            "SELECT name, generation, at, document, sum FROM policies WHERE name = ?1 AND generation = ?2",
            params![name, generation],
        )
    }

    /// The last generation of a policy that a document brought as a whole; none if its audit knows of none.
    pub fn last_put(&self, name: &str) -> Result<Option<StoredPolicy>, StoreError> {
        self.stored(
            "SELECT name, generation, at, document, sum FROM policies WHERE name = ?1 AND generation =
             (SELECT max(generation) FROM audit WHERE release = ?1 AND action IN (?2, ?3))",
            params![name, change::PUT, change::FILE],
        )
    }

    fn stored(&self, query: &str, of: impl rusqlite::Params) -> Result<Option<StoredPolicy>, StoreError> {
        let mut statement = self.connection.prepare_cached(query)?;
        Ok(statement.query_row(of, policy).optional()?.map(|(_, stored)| stored))
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
    ///
    /// # Errors
    /// A row is not as it was written, or SQLite fails.
    pub fn evidence(&self, release: &str, session: u64) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT key, bytes, sum FROM evidence WHERE release = ?1 AND session = ?2 ORDER BY key",
        )?;
        let mut rows = statement.query(params![release, session])?;
        let mut evidence = Vec::new();
        while let Some(row) = rows.next()? {
            let read = Row { key: row.get(0)?, bytes: row.get(1)? };
            sums::check(row, 2, &evidence_values(release, &session.to_le_bytes(), &read), || {
                format!("row {:?} of the evidence of {release:?}", read.key)
            })?;
            evidence.push(read);
        }
        Ok(evidence)
    }

    /// What was counted in a session since its evidence was last written, oldest first.
    ///
    /// # Errors
    /// An entry is not as it was written, or SQLite fails.
    pub fn journal(&self, release: &str, session: u64) -> Result<Vec<JournalEntry>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT repeated, bytes, sum, seq FROM journal WHERE release = ?1 AND session = ?2 ORDER BY seq",
        )?;
        let mut rows = statement.query(params![release, session])?;
        let mut journal = Vec::new();
        while let Some(row) = rows.next()? {
            let (read, number) =
                (JournalEntry { repeated: row.get(0)?, compared: row.get(1)? }, row.get::<_, u64>(3)?);
            let numbers = [session, read.repeated].map(u64::to_le_bytes);
            sums::check(row, 2, &journal_values(release, &numbers, &read), || {
                format!("entry {number} of the journal of {release:?}")
            })?;
            journal.push(read);
        }
        Ok(journal)
    }

    /// The accounts; nothing is in flight in them.
    ///
    /// # Errors
    /// They are not as they were written, or SQLite fails.
    pub fn accounts(&self) -> Result<Accounts, StoreError> {
        let damaged = |message| StoreError::Damaged { what: "accounts".to_owned(), message };
        let mut statement = self.connection.prepare_cached("SELECT text, sum FROM accounts WHERE id = 1")?;
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else { return Ok(Accounts::default()) };
        let text: String = row.get(0)?;
        sums::check(row, 1, &[text.as_bytes()], || "accounts".to_owned())?;
        serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))
    }
}

/// An open transaction.
pub struct Writing<'c> {
    transaction: Transaction<'c>,
    /// Something was deleted of which nothing may be left.
    deleted: Cell<bool>,
}

impl Writing<'_> {
    /// Notes a batch as acknowledged. False if it was before, or is so old that it can only be a repeat.
    pub fn note_batch(&self, instance: Instance, sequence: u64, now_ms: u64) -> Result<bool, StoreError> {
        let instance = instance.to_string();
        let highest: Option<u64> = self
            .transaction
            .prepare_cached("SELECT max(sequence) FROM batches WHERE instance = ?1")?
            .query_row([&instance], |row| row.get(0))?;
        let oldest_kept = highest.unwrap_or(0).saturating_sub(BATCHES_KEPT);
        if highest.is_some() && sequence <= oldest_kept {
            return Ok(false);
        }
        let inserted = self
            .transaction
            .prepare_cached("INSERT OR IGNORE INTO batches (instance, sequence, at) VALUES (?1, ?2, ?3)")?
            .execute(params![instance, sequence, now_ms])?;
        if sequence.is_multiple_of(PRUNE_EVERY) {
            self.prune(&instance, oldest_kept, now_ms)?;
        }
        Ok(inserted == 1)
    }

    fn prune(&self, instance: &str, oldest_kept: u64, now_ms: u64) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("DELETE FROM batches WHERE instance = ?1 AND sequence <= ?2")?
            .execute(params![instance, oldest_kept])?;
        let forgotten = now_ms.saturating_sub(INSTANCE_FORGOTTEN_MS);
        self.transaction.prepare_cached("DELETE FROM batches WHERE at < ?1")?.execute([forgotten])?;
        Ok(())
    }

    /// Writes one row of evidence.
    pub fn put_evidence(&self, release: &str, session: u64, row: &Row) -> Result<(), StoreError> {
        let sum = sums::sum(&evidence_values(release, &session.to_le_bytes(), row));
        self.transaction
            .prepare_cached(
                "INSERT INTO evidence (release, session, key, bytes, sum) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (release, session, key) DO UPDATE SET bytes = excluded.bytes, sum = excluded.sum",
            )?
            .execute(params![release, session, row.key, row.bytes, sum])?;
        Ok(())
    }

    /// Appends what was counted in a session to its journal.
    pub fn append_journal(
        &self,
        release: &str,
        session: u64,
        entry: &JournalEntry,
    ) -> Result<(), StoreError> {
        let numbers = [session, entry.repeated].map(u64::to_le_bytes);
        let sum = sums::sum(&journal_values(release, &numbers, entry));
        self.transaction
            .prepare_cached(
                "INSERT INTO journal (release, session, repeated, bytes, sum) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![release, session, entry.repeated, entry.compared, sum])?;
        Ok(())
    }

    /// Forgets the journal of a session, whose evidence is written in the same transaction.
    pub fn clear_journal(&self, release: &str, session: u64) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("DELETE FROM journal WHERE release = ?1 AND session = ?2")?
            .execute(params![release, session])?;
        Ok(())
    }

    /// Writes the accounts.
    pub fn put_accounts(&self, accounts: &Accounts) -> Result<(), StoreError> {
        let text = serde_json::to_string(accounts).unwrap_or_default();
        self.transaction
            .prepare_cached(
                "INSERT INTO accounts (id, text, sum) VALUES (1, ?1, ?2)
                 ON CONFLICT (id) DO UPDATE SET text = excluded.text, sum = excluded.sum",
            )?
            .execute(params![text, sums::sum(&[text.as_bytes()])])?;
        Ok(())
    }

    /// Writes a generation.
    pub fn put_policy(&self, name: &str, policy: &StoredPolicy) -> Result<(), StoreError> {
        let numbers = [policy.generation, policy.at_ms].map(u64::to_le_bytes);
        let sum = sums::sum(&policy_values(name, &numbers, &policy.text));
        self.transaction
            .prepare_cached(
                "INSERT INTO policies (name, generation, at, document, sum) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![name, policy.generation, policy.at_ms, policy.text, sum])?;
        Ok(())
    }

    /// Notes what the file of a policy said, whether or not it changed anything.
    pub fn put_file(&self, name: &str, document: &str) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO files (name, document) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET document = excluded.document",
            )?
            .execute(params![name, document])?;
        Ok(())
    }

    /// Begins a session of a release. Of the evidence before it nothing is kept: it may hold what must not be shown any more.
    /// `files` says by which files answers are read, rewritten and judged in it.
    pub fn begin_session(
        &self,
        release: &str,
        session: Session,
        files: &str,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let Session { number, since } = session;
        self.transaction
            .prepare_cached("INSERT INTO sessions (release, session, since, at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![release, number, since, now_ms])?;
        for ended in [
            "DELETE FROM evidence WHERE release = ?1 AND session < ?2",
            "DELETE FROM journal WHERE release = ?1 AND session < ?2",
        ] {
            self.transaction.prepare_cached(ended)?.execute(params![release, number])?;
        }
        self.transaction
            .prepare_cached("DELETE FROM set_aside WHERE release = ?1 AND at < ?2")?
            .execute(params![release, now_ms])?;
        self.deleted.set(true);
        self.transaction
            .prepare_cached(
                "INSERT INTO plugins (release, files) VALUES (?1, ?2)
                 ON CONFLICT (release) DO UPDATE SET files = excluded.files",
            )?
            .execute(params![release, files])?;
        Ok(())
    }

    /// Takes the evidence of a session that cannot be read out of the way, and keeps it for whoever wants to look into it. What was set
    /// aside of the release before is forgotten.
    pub fn set_aside(&self, release: &str, session: u64, now_ms: u64) -> Result<(), StoreError> {
        self.transaction.prepare_cached("DELETE FROM set_aside WHERE release = ?1")?.execute([release])?;
        self.deleted.set(true);
        self.transaction
            .prepare_cached(
                "INSERT INTO set_aside (release, session, key, bytes, at)
                 SELECT release, session, key, bytes, ?3 FROM evidence WHERE release = ?1 AND session = ?2
                 UNION ALL
                 SELECT release, session, 'journal ' || seq, bytes, ?3 FROM journal WHERE release = ?1 AND session = ?2",
            )?
            .execute(params![release, session, now_ms])?;
        for table in [
            "DELETE FROM evidence WHERE release = ?1 AND session = ?2",
            "DELETE FROM journal WHERE release = ?1 AND session = ?2",
        ] {
            self.transaction.prepare_cached(table)?.execute(params![release, session])?;
        }
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
            "DELETE FROM set_aside WHERE release = ?1",
            "DELETE FROM sessions WHERE release = ?1 AND session <
             (SELECT max(session) FROM sessions WHERE release = ?1)",
        ] {
            self.transaction.prepare_cached(of_release)?.execute([name])?;
        }
        self.deleted.set(true);
        Ok(())
    }

    /// Notes that rows are written anew because something in them must go: what stood there is overwritten with the commit.
    pub fn forgets(&self) {
        self.deleted.set(true);
    }

    fn forget_set_aside(&self, before_ms: u64) -> Result<u64, StoreError> {
        let rows =
            self.transaction.prepare_cached("DELETE FROM set_aside WHERE at < ?1")?.execute([before_ms])?;
        if rows > 0 {
            self.deleted.set(true);
        }
        Ok(rows as u64)
    }

    /// Keeps what the filters of a release said they delivered.
    pub fn put_delivery(&self, release: &str, session: u64, text: &str) -> Result<(), StoreError> {
        self.transaction
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
            .transaction
            .prepare_cached("SELECT seq, hash FROM audit WHERE release = ?1 ORDER BY seq DESC LIMIT 1")?
            .query_row([&draft.release], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (seq, prev_hash) = last.unwrap_or_default();
        let e = draft.chained(seq + 1, prev_hash);
        self.transaction
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

/// Name and generation of a row of `name, generation, at, document, sum`. A document that is not as it was written is marked by a first
/// character that begins none, so that it cannot be taken for what was written.
fn policy(row: &rusqlite::Row<'_>) -> rusqlite::Result<(String, StoredPolicy)> {
    let (name, generation, at_ms): (String, u64, u64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let mut text = document(row.get_ref(3)?);
    let numbers = [generation, at_ms].map(u64::to_le_bytes);
    if sums::check(row, 4, &policy_values(&name, &numbers, &text), String::new).is_err() {
        text.insert(0, DAMAGED);
    }
    Ok((name, StoredPolicy { generation, at_ms, text }))
}

fn policy_values<'a>(name: &'a str, numbers: &'a [[u8; 8]; 2], text: &'a str) -> [&'a [u8]; 4] {
    [name.as_bytes(), &numbers[0], &numbers[1], text.as_bytes()]
}

fn evidence_values<'a>(release: &'a str, session: &'a [u8; 8], row: &'a Row) -> [&'a [u8]; 4] {
    [release.as_bytes(), session, row.key.as_bytes(), &row.bytes]
}

fn journal_values<'a>(release: &'a str, numbers: &'a [[u8; 8]; 2], entry: &'a JournalEntry) -> [&'a [u8]; 4] {
    [release.as_bytes(), &numbers[0], &numbers[1], &entry.compared]
}

/// What is no UTF-8 is marked in the same way.
fn document(stored: ValueRef<'_>) -> String {
    let (ValueRef::Text(bytes) | ValueRef::Blob(bytes)) = stored else { return String::new() };
    std::str::from_utf8(bytes)
        .map_or_else(|_| format!("{DAMAGED}{}", String::from_utf8_lossy(bytes)), str::to_owned)
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

/// How long a write waits for somebody who reads or copies the file.
const BUSY: Duration = Duration::from_secs(2);
/// How often a probe writes at most: whoever asks whether the store is ready must not keep it busy.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// Batches of one instance that are remembered; one repeats at most its last few.
const BATCHES_KEPT: u64 = 1_024;
const PRUNE_EVERY: u64 = 256;
/// An instance that was silent for a day repeats nothing.
const INSTANCE_FORGOTTEN_MS: u64 = 86_400_000;
#[cfg(test)]
mod tests;
