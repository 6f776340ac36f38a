//! The tables of a database, and how an earlier version's are brought up to date.

use std::path::Path;

use rusqlite::Connection;

use crate::error::StoreError;

/// Creates what is missing. Each step is one transaction, so a kill between two of them does no harm.
///
/// # Errors
/// A later version wrote the file, or SQLite fails.
pub(super) fn bring_up_to_date(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let found = refuse_newer(connection, path)?.unwrap_or_default();
    if found < 1 {
        connection.execute_batch(FIRST)?;
    }
    // They came later than version 1, and what came before neither needs nor harms them: an earlier version may still read the file.
    connection.execute_batch(LATER)?;
    if found < 2 {
        // An earlier version would not see what stands in the journal alone: it must refuse the file.
        connection.execute_batch(JOURNAL)?;
    }
    if found < 3 {
        // An earlier version would change rows and leave their sums.
        connection.execute_batch(SUMS)?;
    }
    if found < 4 {
        // An earlier version would let everybody in.
        connection.execute_batch(TOKENS)?;
    }
    if found < WITH_HEADS {
        // An earlier version would append entries that the heads know nothing of.
        connection.execute_batch(&format!("BEGIN; {HEADS} {NUMBERS} COMMIT;"))?;
    }
    if found < 6 {
        // An earlier version would take the evidence of one source for all there is.
        connection.execute_batch(SOURCES)?;
    }
    if found < 7 {
        // An earlier version would not know the rows of an endpoint's places, and set all evidence aside. The rows stay as they are: the
        // engine reads both, and writes them anew as they change.
        connection.pragma_update(None, "user_version", 7)?;
    }
    Ok(())
}

/// Whether the heads of the audits are kept beside the database.
pub(super) fn has_heads(connection: &Connection) -> bool {
    let found = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    found.is_ok_and(|found| found >= WITH_HEADS)
}

/// Numbers the entries that were copied of an earlier version's table, whose rows they still have.
///
/// # Errors
/// SQLite fails.
pub(super) fn number_entries(connection: &Connection) -> Result<(), StoreError> {
    Ok(connection.execute_batch(NUMBERS)?)
}

/// Whether there is a table of audits.
pub(super) fn has_audits(connection: &Connection) -> bool {
    connection.table_exists(None, "audit").unwrap_or(false)
}

/// Has what is deleted or replaced overwritten with zeros: a database holds answers of services, and a file is copied as it is.
///
/// # Errors
/// SQLite refuses it.
pub(super) fn overwrite_deleted(connection: &Connection) -> Result<(), StoreError> {
    // It answers with the new value.
    connection.query_row("PRAGMA secure_delete = ON", [], |_| Ok(()))?;
    Ok(())
}

/// The version of the file; none if that cannot be read.
///
/// # Errors
/// A later version wrote it.
pub(super) fn refuse_newer(connection: &Connection, path: &Path) -> Result<Option<i64>, StoreError> {
    match connection.pragma_query_value(None, "user_version", |row| row.get(0)) {
        Ok(found) if !(0..=VERSION).contains(&found) => {
            Err(StoreError::Newer { path: path.to_owned(), found, most: VERSION })
        }
        found => Ok(found.ok()),
    }
}

/// The version of the schema, in `user_version`.
const VERSION: i64 = 7;
/// The first version that keeps the heads of the audits beside the database.
const WITH_HEADS: i64 = 5;

const FIRST: &str = "
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
CREATE TABLE IF NOT EXISTS probe (id INTEGER PRIMARY KEY CHECK (id = 1), times INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS audit_generation ON audit (release, generation);
CREATE INDEX IF NOT EXISTS audit_made ON audit (release, action, generation);
";

/// Rows of earlier versions have no sum and are taken as they are.
const SUMS: &str = "
BEGIN;
ALTER TABLE policies ADD COLUMN sum INTEGER;
ALTER TABLE evidence ADD COLUMN sum INTEGER;
ALTER TABLE journal ADD COLUMN sum INTEGER;
ALTER TABLE accounts ADD COLUMN sum INTEGER;
CREATE TABLE set_aside (release TEXT NOT NULL, session INTEGER NOT NULL, key TEXT NOT NULL, bytes BLOB NOT NULL,
    at INTEGER NOT NULL) STRICT;
PRAGMA user_version = 3;
COMMIT;
";

const TOKENS: &str = "
BEGIN;
CREATE TABLE tokens (name TEXT PRIMARY KEY, digest BLOB NOT NULL, role TEXT NOT NULL, releases TEXT, created INTEGER NOT NULL,
    created_by TEXT NOT NULL, expires INTEGER, revoked INTEGER, revoked_by TEXT, sum INTEGER) STRICT;
PRAGMA user_version = 4;
COMMIT;
";

/// The table `batches` is as large as before, but its rows
/// are forgotten in the order in which their instances spoke: clocks jump.
const HEADS: &str = "
ALTER TABLE audit ADD COLUMN number INTEGER;
ALTER TABLE audit ADD COLUMN document TEXT;
ALTER TABLE audit ADD COLUMN key TEXT;
CREATE INDEX audit_number ON audit (number);
PRAGMA user_version = 5;
";

/// The entries of earlier versions were written in the order of their rows.
const NUMBERS: &str = "
UPDATE audit SET number = ordered.number
    FROM (SELECT rowid AS id, row_number() OVER (ORDER BY rowid) AS number FROM audit) AS ordered
    WHERE audit.rowid = ordered.id AND audit.number IS NULL;
";

/// What earlier versions wrote came without a token, which is the source without a name.
const SOURCES: &str = "
BEGIN;
CREATE TABLE evidence_by_source (release TEXT NOT NULL, session INTEGER NOT NULL, source TEXT NOT NULL DEFAULT '',
    key TEXT NOT NULL, bytes BLOB NOT NULL, sum INTEGER, PRIMARY KEY (release, session, source, key)) STRICT;
INSERT INTO evidence_by_source (release, session, key, bytes, sum) SELECT release, session, key, bytes, sum FROM evidence;
DROP TABLE evidence;
ALTER TABLE evidence_by_source RENAME TO evidence;
ALTER TABLE journal ADD COLUMN source TEXT NOT NULL DEFAULT '';
CREATE TABLE sources (release TEXT NOT NULL, session INTEGER NOT NULL, place INTEGER NOT NULL, source TEXT NOT NULL,
    PRIMARY KEY (release, session, place)) STRICT;
PRAGMA user_version = 6;
COMMIT;
";
