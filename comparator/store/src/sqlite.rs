//! The one door to SQLite: what survives a kill.
//!
//! One file, WAL, `synchronous=FULL`: what a transaction wrote is on the disk when it returns.

mod audits;
mod batches;
mod documents;
mod files;
mod head_file;
mod lock;
mod looking;
mod salvage;
mod schema;
mod seal;
mod sources;
mod sums;
mod tokens;
mod writing;

pub use audits::Audits;
pub use looking::Found;
pub use salvage::{Salvaged, SalvagedTable};
pub use sources::{Gathering, JournalEntry};
pub use writing::Writing;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use antumbra_control::audit::{Checked, Draft, Keys, SEAL};
use antumbra_control::change;
use antumbra_control::records::{DAMAGED, Session, StoredPolicy};
use antumbra_control::token::Token;
use antumbra_engine::Row;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use crate::accounts::Accounts;
use crate::error::{StoreError, UnreadableToken};
use documents::document;
use lock::Lock;
use seal::Seal;
use sums::policy_values;
use writing::{Appended, Appending};

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
    /// Something was deleted that may still stand in the write-ahead log.
    unscrubbed: bool,
    /// Held as long as the store is open, and given up after the connection.
    _lock: Option<Lock>,
}

impl Store {
    /// Looks at the file at `path` and changes nothing of it: what must be known by whoever may refuse to open it.
    ///
    /// # Errors
    /// Another comparator has it, or a later version wrote it.
    pub fn look(path: &Path) -> Result<Found, StoreError> {
        looking::look(path)
    }

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
        // What is refused stays as it is, with the mode that it has.
        looking::look(path)?;
        let mut lock = Lock::take(path)?;
        lock::keep_private(path)?;
        let salvaged = salvage::replace_damaged(path)?;
        lock.follow(path)?;
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        schema::overwrite_deleted(&connection)?;
        schema::refuse_newer(&connection, path)?;
        // Whoever finds a database that should have heads, and none, would raise an alarm: so they come first.
        Seal::begin(&connection, path, &keys)?;
        schema::bring_up_to_date(&connection, path)?;
        connection.set_prepared_statement_cache_capacity(32);
        let seal = Some(RefCell::new(Seal::open(&connection, path, keys)?));
        let path = path.to_owned();
        // What a process deleted before it was killed may still stand in the log.
        let mut store =
            Self { connection, path, seal, salvaged, written: None, unscrubbed: true, _lock: Some(lock) };
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
        sources::read_earlier(&connection)?;
        let path = path.to_owned();
        Ok(Self {
            connection,
            path,
            seal: None,
            salvaged: None,
            written: None,
            unscrubbed: false,
            _lock: None,
        })
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
        for of in sources::all(&self.connection)? {
            tell(self.evidence(of.as_ref()).map(drop))?;
            tell(self.journal(of.as_ref()).map(drop))?;
        }
        for token in tokens::those_of_any_version(&self.connection)? {
            tell(token.map(drop).map_err(|unreadable| unreadable.error))?;
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
        looking::look(from)?;
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
        let Self { connection, seal, salvaged, .. } = &mut *self;
        let (seal, salvaged_ms) = (seal.as_ref(), salvaged.as_ref().map(|(salvaged, _)| salvaged.at_ms));
        if let Some(seal) = seal {
            seal.borrow_mut().before(connection)?;
        }
        let before = connection.total_changes();
        let (result, changed, deleted) = {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let appending = Appending { seal, done: RefCell::default() };
            let writing = Writing { transaction, appending, deleted: Cell::new(false), salvaged_ms };
            let result = work(&writing)?;
            let Writing { transaction, appending: Appending { done, seal: _ }, deleted, .. } = writing;
            let (Appended { entries, contradiction }, deleted) = (done.into_inner(), deleted.get());
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
            (result, changed, deleted)
        };
        if changed != before {
            self.written = Some(Instant::now());
        }
        if deleted {
            self.unscrubbed = true;
            self.scrub();
        }
        Ok(result)
    }

    /// What is wrong with the audits since the store was opened, the first [`antumbra_control::audit::MAX_FINDINGS`] things of each
    /// release, and their heads as of the last commit.
    pub fn audits(&self) -> Checked {
        self.seal.as_ref().map(|seal| seal.borrow().checked().clone()).unwrap_or_default()
    }

    /// Takes the audits as they stand: each gets an entry that says who did so and why, and what was wrong, under the current key if
    /// there is one, and the file beside the database says where they end. What was wrong is known from then on. Answers what still is
    /// news after it: of more than [`antumbra_control::audit::MAX_FINDINGS`] things, only so many are taken at once.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn seal(&mut self, who: &str, reason: &str, now_ms: u64) -> Result<Checked, StoreError> {
        let mut statement = self
            .connection
            .prepare("SELECT release, max(seq), generation FROM audit GROUP BY release ORDER BY release")?;
        // Under a name whose bytes are damaged nothing can be appended; what is wrong with its entries is named in the others.
        let rows = statement.query_map([], |row| Ok((document(row.get_ref(0)?), row.get(2)?)))?;
        let mut chains: Vec<(String, u64)> = rows.collect::<Result<_, _>>()?;
        chains.retain(|(release, _)| !release.starts_with(DAMAGED));
        drop(statement);
        let wrong: Vec<String> =
            self.audits().of(|_| true).findings.iter().map(ToString::to_string).collect();
        self.transaction(|writing| {
            for (release, generation) in chains {
                let (who, action, reason) = (who.to_owned(), SEAL.to_owned(), reason.to_owned());
                let (at_ms, diff, document) = (now_ms, wrong.clone(), None);
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
        Ok(self.audits().of(|_| true))
    }

    /// Empties the write-ahead log if something was deleted whose earlier pages may stand in it: deleted content is overwritten in the
    /// file itself. While somebody reads the database the log cannot be emptied; the next call tries again.
    pub fn scrub(&mut self) {
        if self.unscrubbed {
            // Whoever waits for the writer does not wait for somebody who reads.
            let emptied = self.connection.busy_timeout(Duration::ZERO).and_then(|()| {
                self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
            });
            self.unscrubbed = emptied != Ok(0) || self.connection.busy_timeout(BUSY).is_err();
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
        self.stored(LAST_PUT, params![name, change::PUT, change::FILE])
    }

    fn stored(&self, query: &str, of: impl rusqlite::Params) -> Result<Option<StoredPolicy>, StoreError> {
        let mut statement = self.connection.prepare_cached(query)?;
        Ok(statement.query_row(of, policy).optional()?.map(|(_, stored)| stored))
    }

    /// The highest generation that a policy of this name ever had, deleted ones included; 0 if there never was one.
    pub fn last_generation(&self, name: &str) -> Result<u64, StoreError> {
        let mut statement = self.connection.prepare_cached(LAST_GENERATION)?;
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

    /// Whether evidence of the current session of a release was set aside, as salvaging does, and the session still goes on.
    pub fn is_set_aside(&self, release: &str) -> Result<bool, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM set_aside WHERE release = ?1 AND session >=
             (SELECT max(session) FROM sessions WHERE release = ?1))",
        )?;
        Ok(statement.query_row([release], |row| row.get(0))?)
    }

    /// By which files the answers of a release are read, rewritten and judged in its current session; empty without any.
    pub fn files(&self, release: &str) -> Result<String, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT files FROM plugins WHERE release = ?1")?;
        Ok(statement.query_row([release], |row| row.get(0)).optional()?.unwrap_or_default())
    }

    /// Who sent the exchanges of a session, in the order in which each first did; nobody before the first.
    pub fn sources(&self, release: &str, session: u64) -> Result<Vec<String>, StoreError> {
        sources::of_session(&self.connection, release, session)
    }

    /// The evidence of one source in a session.
    ///
    /// # Errors
    /// A row is not as it was written, or SQLite fails.
    pub fn evidence(&self, of: Gathering<'_>) -> Result<Vec<Row>, StoreError> {
        sources::evidence(&self.connection, of)
    }

    /// All tokens that ever were, oldest first: each as it was written, or as what is wrong with its row.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn tokens(&self) -> Result<Vec<Result<Token, UnreadableToken>>, StoreError> {
        tokens::all(&self.connection)
    }

    /// What was counted of one source in a session since its evidence was last written, oldest first, each entry with its number: those of
    /// all releases are numbered in one order.
    ///
    /// # Errors
    /// An entry is not as it was written, or SQLite fails.
    pub fn journal(&self, of: Gathering<'_>) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        sources::journal(&self.connection, of)
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

fn session(connection: &Connection, release: &str) -> Result<Option<Session>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT session, since FROM sessions WHERE release = ?1 ORDER BY session DESC LIMIT 1",
        )?
        .query_row([release], |row| Ok(Session { number: row.get(0)?, since: row.get(1)? }))
        .optional()?;
    Ok(found)
}

/// Each command asks this: an index answers each part with one row, however long the audit is.
const LAST_PUT: &str = "
SELECT name, generation, at, document, sum FROM policies WHERE name = ?1 AND generation =
    max(coalesce((SELECT max(generation) FROM audit WHERE release = ?1 AND action = ?2), 0),
        coalesce((SELECT max(generation) FROM audit WHERE release = ?1 AND action = ?3), 0))";
/// As [`LAST_PUT`].
const LAST_GENERATION: &str = "
SELECT max(coalesce((SELECT max(generation) FROM policies WHERE name = ?1), 0),
           coalesce((SELECT max(generation) FROM audit WHERE release = ?1), 0))";
/// How long a write waits for somebody who reads or copies the file.
const BUSY: Duration = Duration::from_secs(2);
/// How often a probe writes at most: whoever asks whether the store is ready must not keep it busy.
const PROBE_EVERY: Duration = Duration::from_secs(1);
#[cfg(test)]
mod tests;
