//! The one door to SQLite: what survives a kill.
//!
//! One file, WAL, `synchronous=FULL`: what a transaction wrote is on the disk when it returns.

mod audits;
mod batches;
mod documents;
mod files;
mod head_file;
mod lock;
mod salvage;
mod schema;
mod seal;
mod sums;

pub use audits::Audits;
pub use salvage::{Salvaged, SalvagedTable};

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use antumbra_control::audit::{Checked, Draft, Entry, Field, Finding, Head, Keys, Place, SEAL};
use antumbra_control::change;
use antumbra_control::records::{DAMAGED, Session, StoredPolicy};
use antumbra_engine::Row;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::accounts::Accounts;
use crate::error::StoreError;
use documents::document;
use lock::Lock;
use seal::Seal;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Box::new(error))
    }
}

/// The open store.
pub struct Store {
    connection: Connection,
    path: PathBuf,
    /// The heads of the audits; none of a store that is only read.
    seal: Option<RefCell<Seal>>,
    /// What was copied of the file, if it was damaged, and where the damaged one is.
    salvaged: Option<(Salvaged, PathBuf)>,
    /// When something was last written, which shows that the store can be written.
    written: Option<Instant>,
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
    /// Opens or creates the file, without a key for its audits. See [`Self::open_with`].
    ///
    /// # Errors
    /// As there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, Keys::default())
    }

    /// Opens or creates the file, which only its owner may read: it holds answers of the services. All of it is checked. What can be
    /// read of a damaged one is copied to a new file, and the damaged one is kept under another name. What is wrong with the audits
    /// keeps nobody from opening it: [`Self::audits`] says it.
    ///
    /// # Errors
    /// Another comparator has the file under whatever name, a later version wrote it, nothing of it can be read, or the system or SQLite
    /// refuses it.
    pub fn open_with(path: &Path, keys: Keys) -> Result<Self, StoreError> {
        let mut lock = Lock::take(path)?;
        let salvaged = salvage::replace_damaged(path)?;
        lock.follow(path)?;
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        schema::refuse_newer(&connection, path)?;
        // Whoever finds a database that should have heads, and none, would raise an alarm: so they come first.
        Seal::begin(&connection, path, &keys)?;
        schema::bring_up_to_date(&connection, path)?;
        connection.set_prepared_statement_cache_capacity(32);
        let seal = Some(RefCell::new(Seal::open(&connection, path, keys)?));
        Ok(Self { connection, path: path.to_owned(), seal, salvaged, written: None, _lock: Some(lock) })
    }

    /// Opens a file to read it alone, also while a comparator has it.
    ///
    /// # Errors
    /// There is none, a later version wrote it, or SQLite refuses it.
    pub fn open_to_read(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(BUSY)?;
        schema::refuse_newer(&connection, path)?;
        Ok(Self { connection, path: path.to_owned(), seal: None, salvaged: None, written: None, _lock: None })
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
        let Checked { findings, more, .. } =
            audits::check(&self.connection, &self.path, &Keys::default(), None)?;
        problems.extend(findings.iter().map(|finding| format!("the audit of {finding}")));
        problems.extend((more > 0).then(|| format!("the audits: {more} more things are wrong")));
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
        let Self { connection, seal, written, .. } = self;
        let seal = seal.as_ref();
        if let Some(seal) = seal {
            seal.borrow_mut().before(connection)?;
        }
        let before = connection.total_changes();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let writing = Writing(transaction, Appending { seal, done: RefCell::default() });
        let result = work(&writing)?;
        let Writing(transaction, Appending { done, .. }) = writing;
        let Appended { entries, contradiction } = done.into_inner();
        if let Some(seal) = seal {
            let mut seal = seal.borrow_mut();
            contradiction.into_iter().for_each(|finding| seal.contradicted(finding));
            if !entries.is_empty() {
                seal.announce(&entries)?;
            }
        }
        let changed = transaction.total_changes();
        transaction.commit()?;
        if let Some(seal) = seal {
            seal.borrow_mut().settle(entries.len() as u64);
        }
        if changed != before {
            *written = Some(Instant::now());
        }
        Ok(result)
    }

    /// What is wrong with the audits since the store was opened, and their heads as of the last commit.
    pub fn audits(&self) -> Checked {
        self.seal.as_ref().map(|seal| seal.borrow().checked().clone()).unwrap_or_default()
    }

    /// Takes the audits as they stand: each gets an entry that says who did so and why, under the current key if there is one, and the
    /// file beside the database says where they end. Links that are broken stay so. Answers what is wrong after it.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn seal(&mut self, who: &str, reason: &str, now_ms: u64) -> Result<Checked, StoreError> {
        let mut statement = self
            .connection
            .prepare("SELECT release, max(seq), generation FROM audit GROUP BY release ORDER BY release")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(2)?)))?;
        let chains: Vec<(String, u64)> = rows.collect::<Result<_, _>>()?;
        drop(statement);
        self.transaction(|writing| {
            for (release, generation) in chains {
                let (who, action, reason) = (who.to_owned(), SEAL.to_owned(), reason.to_owned());
                let (at_ms, diff, document) = (now_ms, Vec::new(), None);
                writing.append_audit(Draft {
                    release,
                    generation,
                    at_ms,
                    who,
                    action,
                    reason,
                    diff,
                    document,
                })?;
            }
            Ok(())
        })?;
        if let Some(seal) = &self.seal {
            seal.borrow_mut().renew(&self.connection)?;
        }
        Ok(self.audits())
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
            let mut statement = writing.0.prepare_cached(
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
pub struct Writing<'c>(Transaction<'c>, Appending<'c>);

/// What a transaction appends to the audits.
struct Appending<'s> {
    seal: Option<&'s RefCell<Seal>>,
    done: RefCell<Appended>,
}

#[derive(Default)]
struct Appended {
    entries: Vec<Entry>,
    /// An audit that does not end where the last commit left it.
    contradiction: Option<Finding>,
}

impl Writing<'_> {
    /// Writes one row of evidence.
    pub fn put_evidence(&self, release: &str, session: u64, row: &Row) -> Result<(), StoreError> {
        let sum = sums::sum(&evidence_values(release, &session.to_le_bytes(), row));
        self.0
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
        self.0
            .prepare_cached(
                "INSERT INTO journal (release, session, repeated, bytes, sum) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![release, session, entry.repeated, entry.compared, sum])?;
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
        self.0
            .prepare_cached(
                "INSERT INTO policies (name, generation, at, document, sum) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![name, policy.generation, policy.at_ms, policy.text, sum])?;
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
        for (ended, kept) in [
            ("DELETE FROM evidence WHERE release = ?1 AND session < ?2", 1),
            ("DELETE FROM journal WHERE release = ?1 AND session < ?2", 1),
            ("DELETE FROM sessions WHERE release = ?1 AND session < ?2", SESSIONS_KEPT),
        ] {
            self.0.prepare_cached(ended)?.execute(params![release, number.saturating_sub(kept)])?;
        }
        self.0
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
        self.0.prepare_cached("DELETE FROM set_aside WHERE release = ?1")?.execute([release])?;
        self.0
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
            self.0.prepare_cached(table)?.execute(params![release, session])?;
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
        self.1.compare(&draft.release, &Head { seq, hash: prev_hash.clone() });
        let place = Place { seq: seq + 1, number: audits::last_number(&self.0)? + 1, prev_hash };
        let seal = self.1.seal.map(RefCell::borrow);
        let e = draft.chained(place, seal.as_ref().and_then(|seal| seal.keys.current()));
        self.0
            .prepare_cached(
                "INSERT INTO audit (seq, release, generation, at, who, action, reason, diff, prev_hash, hash, number, document, key)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
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
                e.number,
                e.document,
                e.key,
            ])?;
        self.1.done.borrow_mut().entries.push(e);
        Ok(())
    }
}

impl Appending<'_> {
    /// Whether an audit ends where the last commit left it, or this transaction.
    fn compare(&self, release: &str, found: &Head) {
        let mut done = self.done.borrow_mut();
        let own = done.entries.iter().rev().find(|entry| entry.release == release);
        let own = own.map(|entry| Head { seq: entry.seq, hash: entry.hash.clone() });
        let Some(expected) = own.or_else(|| self.seal.map(|seal| seal.borrow().head(release))) else {
            return;
        };
        if expected != *found {
            done.contradiction = Some(Finding {
                release: Some(release.to_owned()),
                entry: None,
                field: Field::Head,
                expected: expected.to_string(),
                found: found.to_string(),
            });
        }
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
/// Sessions of a release whose numbers are remembered, though nothing but the last one is in use.
const SESSIONS_KEPT: u64 = 100;

#[cfg(test)]
mod tests;
