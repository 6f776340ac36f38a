//! Reading the audits of a database.

use std::path::{Path, PathBuf};
use std::time::Duration;

use antumbra_control::audit::Entry;
use antumbra_control::timestamp;
use rusqlite::{Connection, OpenFlags};

use crate::error::StoreError;

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
        audit(&connection, release)
    }
}

/// The audit of a release, oldest first.
pub(super) fn audit(connection: &Connection, release: &str) -> Result<Vec<Entry>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT seq, release, generation, at, who, action, reason, diff, prev_hash, hash
         FROM audit WHERE release = ?1 ORDER BY seq",
    )?;
    let rows = statement.query_map([release], entry)?;
    Ok(rows.collect::<Result<_, _>>()?)
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

/// How long reading waits for somebody who recovers or truncates the log.
const BUSY: Duration = Duration::from_secs(2);
