//! Reading and checking the audits of a database.

use std::path::{Path, PathBuf};
use std::time::Duration;

use antumbra_control::audit::{Check, Checked, Entry, Head, Kept, Keys};
use antumbra_control::{fingerprint, timestamp};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::documents::document;
use super::{head_file, schema};
use crate::error::StoreError;

/// Reads the audits beside the store that writes them: a long one keeps nobody waiting who writes.
pub struct Audits {
    path: PathBuf,
    keys: Keys,
}

impl Audits {
    /// Those of the store in this file, which is open as long as they are read, checked by these keys.
    pub fn beside(path: &Path, keys: Keys) -> Self {
        Self { path: path.to_owned(), keys }
    }

    /// The audit of a release, oldest first, as of the last commit.
    ///
    /// # Errors
    /// SQLite cannot read it.
    pub fn of(&self, release: &str) -> Result<Vec<Entry>, StoreError> {
        let connection = self.connection()?;
        let mut statement = connection.prepare(&format!(
            "SELECT {} FROM audit WHERE release = ?1 ORDER BY seq",
            columns(&connection)
        ))?;
        let rows = statement.query_map([release], entry)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Checks all audits as of the last commit: the entries, the documents that they made, and the heads that are kept in the file
    /// beside the database. `noted` is a head of all of them that somebody noted earlier.
    ///
    /// # Errors
    /// A later version wrote the file, or SQLite cannot read it.
    pub fn check(&self, noted: Option<&Head>) -> Result<Checked, StoreError> {
        Ok(self.check_uncut(noted)?.of(|_| true))
    }

    /// As [`Self::check`], with everything that was looked at: whoever tells it cuts it by [`Checked::of`].
    ///
    /// # Errors
    /// As there.
    pub fn check_uncut(&self, noted: Option<&Head>) -> Result<Checked, StoreError> {
        let connection = self.connection()?;
        schema::refuse_newer(&connection, &self.path)?;
        check_uncut(&connection, &self.path, &self.keys, noted)
    }

    /// How many rows each of the tables has that grow, by name.
    ///
    /// # Errors
    /// SQLite cannot read them.
    pub fn rows(&self) -> Result<Vec<(&'static str, u64)>, StoreError> {
        let connection = self.connection()?;
        let count = |table: &&'static str| {
            let query = format!("SELECT count(*) FROM {table}");
            Ok((*table, connection.query_row(&query, [], |row| row.get(0))?))
        };
        GROWING.iter().map(count).collect()
    }

    fn connection(&self) -> Result<Connection, StoreError> {
        let connection = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(BUSY)?;
        Ok(connection)
    }
}

/// Checks all audits of a database that others may write meanwhile.
pub(super) fn check(
    connection: &Connection,
    path: &Path,
    keys: &Keys,
    noted: Option<&Head>,
) -> Result<Checked, StoreError> {
    Ok(check_uncut(connection, path, keys, noted)?.of(|_| true))
}

fn check_uncut(
    connection: &Connection,
    path: &Path,
    keys: &Keys,
    noted: Option<&Head>,
) -> Result<Checked, StoreError> {
    let file = head_file::beside(path);
    if !schema::has_heads(connection) {
        return uncut(connection, keys, &Kept::Never, noted, || Kept::Never);
    }
    // The heads of before must be among the entries, and the entries must not go beyond those of after.
    let before = head_file::read(&file, keys);
    uncut(connection, keys, &before, noted, || head_file::read(&file, keys))
}

/// Checks the audits against the heads that were kept before and, once all is read, after. Of each release as much is found wrong as is told
/// of all.
pub(super) fn checked(
    connection: &Connection,
    keys: &Keys,
    before: &Kept,
    noted: Option<&Head>,
    after: impl FnOnce() -> Kept,
) -> Result<Checked, StoreError> {
    Ok(uncut(connection, keys, before, noted, after)?.of_each())
}

fn uncut(
    connection: &Connection,
    keys: &Keys,
    before: &Kept,
    noted: Option<&Head>,
    after: impl FnOnce() -> Kept,
) -> Result<Checked, StoreError> {
    let mut check = Check::new(keys, before, noted);
    // One transaction reads one state.
    let reading = connection.unchecked_transaction()?;
    if !schema::has_audits(&reading) {
        return Ok(check.end_uncut(before));
    }
    let order = if schema::has_heads(&reading) { "number, release, seq" } else { "rowid" };
    let mut statement =
        reading.prepare(&format!("SELECT {} FROM audit ORDER BY {order}", columns(&reading)))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        check.entry(&entry(row)?);
    }
    let mut statement =
        reading.prepare("SELECT name, generation, document FROM policies ORDER BY name, generation")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (release, generation) = (text(row, 0)?, number(row, 1)?);
        let hash = fingerprint::sha256(document(row.get_ref(2)?).as_bytes());
        check.generation(&release, generation, &hash);
    }
    drop(rows);
    drop(statement);
    let after = after();
    Ok(check.end_uncut(&after))
}

/// The number of the last entry of all; 0 if there is none.
pub(super) fn last_number(connection: &Connection) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached("SELECT coalesce(max(number), 0) FROM audit")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// Those of [`entry`]. An earlier version numbered entries by their rows alone, and knew of neither documents nor keys.
fn columns(connection: &Connection) -> &'static str {
    if schema::has_heads(connection) {
        "seq, release, generation, at, who, action, reason, diff, prev_hash, hash, coalesce(number, 0), document, key"
    } else {
        "seq, release, generation, at, who, action, reason, diff, prev_hash, hash,
         row_number() OVER (ORDER BY rowid), NULL, NULL"
    }
}

fn entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<Entry> {
    let at_ms = number(row, 3)?;
    let diff = text(row, 7)?;
    Ok(Entry {
        seq: number(row, 0)?,
        release: text(row, 1)?,
        generation: number(row, 2)?,
        at_ms,
        at: timestamp::rfc3339(at_ms),
        who: text(row, 4)?,
        action: text(row, 5)?,
        reason: text(row, 6)?,
        // A damaged list of differences reads as one that nobody wrote, and then the hash does not match.
        diff: serde_json::from_str(&diff).unwrap_or_else(|_| vec![diff]),
        prev_hash: text(row, 8)?,
        hash: text(row, 9)?,
        number: number(row, 10)?,
        document: optional_text(row, 11)?,
        key: optional_text(row, 12)?,
    })
}

/// A text whose bytes are damaged is found wrong, and does not keep the store from opening.
fn text(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<String> {
    Ok(document(row.get_ref(at)?))
}

fn optional_text(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Option<String>> {
    Ok(match row.get_ref(at)? {
        ValueRef::Null => None,
        stored => Some(document(stored)),
    })
}

/// A number that nobody ever wrote is none: it is found wrong, and does not keep the store from opening.
fn number(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(at)?).unwrap_or_default())
}

/// The tables that grow with what happens.
const GROWING: [&str; 7] = ["audit", "batches", "evidence", "journal", "policies", "sessions", "set_aside"];
/// How long reading waits for somebody who recovers or truncates the log.
const BUSY: Duration = Duration::from_secs(2);
