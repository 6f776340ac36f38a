//! The evidence of a session and its journal, each source's by itself.

use antumbra_engine::Row;
use rusqlite::{Connection, params};

use super::sums;
use crate::error::StoreError;

/// Whose evidence it is: a release's, in one of its sessions, from one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gathering<'a> {
    /// The release.
    pub release: &'a str,
    /// The number of the session.
    pub session: u64,
    /// The name of the source's token; empty for what came without one.
    pub source: &'a str,
}

/// What was counted in a session by one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Exchanges that only were counted as repeated.
    pub repeated: u64,
    /// The others, compared, as the engine writes them.
    pub compared: Vec<u8>,
}

/// Whose it is, as it is read.
pub(super) struct Gathered {
    release: String,
    session: u64,
    source: String,
}

impl Gathered {
    pub(super) fn as_ref(&self) -> Gathering<'_> {
        Gathering { release: &self.release, session: self.session, source: &self.source }
    }
}

/// Has a file that an earlier version wrote, and that stays as it is, read as if its rows said that they came without a token.
pub(super) fn read_earlier(connection: &Connection) -> rusqlite::Result<()> {
    let knows = "SELECT count(*) FROM pragma_table_info('evidence') WHERE name = 'source'";
    if connection.query_row(knows, [], |row| row.get::<_, u64>(0))? > 0 {
        return Ok(());
    }
    connection.execute_batch(
        "CREATE TEMP VIEW evidence AS SELECT *, '' AS source FROM main.evidence;
         CREATE TEMP VIEW journal AS SELECT *, '' AS source FROM main.journal;",
    )
}

/// All there is evidence or a journal of.
pub(super) fn all(connection: &Connection) -> rusqlite::Result<Vec<Gathered>> {
    let mut statement = connection.prepare(
        "SELECT release, session, source FROM evidence UNION SELECT release, session, source FROM journal ORDER BY 1, 2, 3",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Gathered { release: row.get(0)?, session: row.get(1)?, source: row.get(2)? })
    })?;
    rows.collect()
}

/// The sources of a session by their places, and behind them those that have none: what an earlier version wrote has one source without
/// a place.
pub(super) fn of_session(
    connection: &Connection,
    release: &str,
    session: u64,
) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT source, min(place) FROM (
             SELECT source, place FROM sources WHERE release = ?1 AND session = ?2
             UNION ALL SELECT source, iif(source = '', -1, 1 << 32) FROM evidence WHERE release = ?1 AND session = ?2
             UNION ALL SELECT source, iif(source = '', -1, 1 << 32) FROM journal WHERE release = ?1 AND session = ?2
         ) GROUP BY source ORDER BY 2, 1",
    )?;
    let rows = statement.query_map(params![release, session], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn evidence(connection: &Connection, of: Gathering<'_>) -> Result<Vec<Row>, StoreError> {
    let Gathering { release, session, source } = of;
    let mut statement = connection.prepare_cached(
        "SELECT key, bytes, sum FROM evidence WHERE release = ?1 AND session = ?2 AND source = ?3 ORDER BY key",
    )?;
    let mut rows = statement.query(params![release, session, source])?;
    let mut evidence = Vec::new();
    while let Some(row) = rows.next()? {
        let read = Row { key: row.get(0)?, bytes: row.get(1)? };
        sums::check(row, 2, &evidence_values(of, &session.to_le_bytes(), &read), || {
            format!("row {:?} of the evidence of {release:?}", read.key)
        })?;
        evidence.push(read);
    }
    Ok(evidence)
}

pub(super) fn journal(
    connection: &Connection,
    of: Gathering<'_>,
) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
    let Gathering { release, session, source } = of;
    let mut statement = connection.prepare_cached(
        "SELECT repeated, bytes, sum, seq FROM journal WHERE release = ?1 AND session = ?2 AND source = ?3 ORDER BY seq",
    )?;
    let mut rows = statement.query(params![release, session, source])?;
    let mut journal = Vec::new();
    while let Some(row) = rows.next()? {
        let (read, number) =
            (JournalEntry { repeated: row.get(0)?, compared: row.get(1)? }, row.get::<_, u64>(3)?);
        let numbers = [session, read.repeated].map(u64::to_le_bytes);
        sums::check(row, 2, &journal_values(of, &numbers, &read), || {
            format!("entry {number} of the journal of {release:?}")
        })?;
        journal.push((number, read));
    }
    Ok(journal)
}

pub(super) fn put(connection: &Connection, of: Gathering<'_>, place: u64) -> Result<(), StoreError> {
    let Gathering { release, session, source } = of;
    connection
        .prepare_cached(
            "INSERT INTO sources (release, session, place, source) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (release, session, place) DO UPDATE SET source = excluded.source",
        )?
        .execute(params![release, session, place, source])?;
    Ok(())
}

pub(super) fn put_evidence(connection: &Connection, of: Gathering<'_>, row: &Row) -> Result<(), StoreError> {
    let Gathering { release, session, source } = of;
    let sum = sums::sum(&evidence_values(of, &session.to_le_bytes(), row));
    connection
        .prepare_cached(
            "INSERT INTO evidence (release, session, source, key, bytes, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (release, session, source, key) DO UPDATE SET bytes = excluded.bytes, sum = excluded.sum",
        )?
        .execute(params![release, session, source, row.key, row.bytes, sum])?;
    Ok(())
}

pub(super) fn append_journal(
    connection: &Connection,
    of: Gathering<'_>,
    entry: &JournalEntry,
) -> Result<(), StoreError> {
    let Gathering { release, session, source } = of;
    let numbers = [session, entry.repeated].map(u64::to_le_bytes);
    let sum = sums::sum(&journal_values(of, &numbers, entry));
    connection
        .prepare_cached(
            "INSERT INTO journal (release, session, source, repeated, bytes, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![release, session, source, entry.repeated, entry.compared, sum])?;
    Ok(())
}

pub(super) fn clear_journal(connection: &Connection, of: Gathering<'_>) -> Result<(), StoreError> {
    let Gathering { release, session, source } = of;
    connection
        .prepare_cached("DELETE FROM journal WHERE release = ?1 AND session = ?2 AND source = ?3")?
        .execute(params![release, session, source])?;
    Ok(())
}

/// Without a name the source has no part in the sum: such rows are as earlier versions wrote them.
fn evidence_values<'a>(of: Gathering<'a>, session: &'a [u8; 8], row: &'a Row) -> Vec<&'a [u8]> {
    let values = [of.release.as_bytes(), session, row.key.as_bytes(), &row.bytes];
    values.into_iter().chain(named(of.source)).collect()
}

fn journal_values<'a>(
    of: Gathering<'a>,
    numbers: &'a [[u8; 8]; 2],
    entry: &'a JournalEntry,
) -> Vec<&'a [u8]> {
    let values = [of.release.as_bytes(), &numbers[0], &numbers[1], &entry.compared];
    values.into_iter().chain(named(of.source)).collect()
}

fn named(source: &str) -> Option<&[u8]> {
    (!source.is_empty()).then_some(source.as_bytes())
}
