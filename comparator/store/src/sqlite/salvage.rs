//! A database whose pages are damaged: what can be read of it is copied to a new one, row by row.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use antumbra_control::audit::{READ, SEAL};
use antumbra_control::records::DAMAGED;
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::files::{DAMAGED_COPY, create_new, opened, with_ending};
use super::schema;
use super::seal::Seal;
use super::sources;
use crate::error::StoreError;

/// What was copied of a damaged database.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Salvaged {
    /// Its tables, in the order of the schema.
    pub tables: Vec<SalvagedTable>,
    /// When, in milliseconds since 1970: what was set aside then has this time.
    #[serde(skip)]
    pub(super) at_ms: u64,
}

/// What was copied of a table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SalvagedTable {
    /// Its name.
    pub name: String,
    /// How many rows were copied.
    pub rows: u64,
    /// Why rows may be missing; none if there are all.
    pub loss: Option<String>,
}

impl Salvaged {
    /// Whether something may be missing that evidence rests on. None of it is used then, but kept in the table `set_aside`.
    pub fn lost_evidence(&self) -> bool {
        EVIDENCE.iter().any(|name| self.lost(name))
    }

    fn lose(&mut self, name: &str, what: &str) {
        for table in self.tables.iter_mut().filter(|table| table.name == name) {
            table.loss.get_or_insert_with(|| what.to_owned());
        }
    }

    fn lost(&self, name: &str) -> bool {
        self.tables.iter().any(|table| table.name == name && table.loss.is_some())
    }
}

/// Puts a copy of what can be read in the place of a damaged database, and answers where that is kept now. Nothing if it is not damaged.
///
/// A kill at any moment loses nothing: the copy has its final name before the damaged files are moved away, and who finds it there goes
/// on with moving.
///
/// # Errors
/// Nothing of the database can be read, or a file cannot be written or moved.
pub(super) fn replace_damaged(path: &Path) -> Result<Option<(Salvaged, PathBuf)>, StoreError> {
    let (unfinished, finished) = (with_ending(path, ".salvage"), finished(path));
    if finished.exists() {
        move_into_place(&finished, path)?;
    }
    let old = open_untouched(path)?;
    schema::refuse_newer(&old, path)?;
    if problems(&old, None).is_empty() {
        return Ok(None);
    }
    let failed = |source| StoreError::File { path: unfinished.clone(), source };
    if unfinished.exists() {
        std::fs::remove_file(&unfinished).map_err(failed)?;
    }
    opened(&unfinished).map_err(failed)?;
    let salvaged = copy(&old, &unfinished)?;
    Seal::carry(path, schema::has_heads(&old), &Connection::open(&unfinished)?, path)?;
    drop(old);
    std::fs::rename(&unfinished, &finished).map_err(failed)?;
    Ok(Some((salvaged, move_into_place(&finished, path)?)))
}

/// The copy of the damaged database at `path`, once it is whole and until it is in the place of that one.
pub(super) fn finished(path: &Path) -> PathBuf {
    with_ending(path, ".salvaged")
}

/// Copies what can be read of the database at `from` to a new file. Where nothing can be, none is left.
pub(super) fn to_new(from: &Path, to: &Path) -> Result<Salvaged, StoreError> {
    let failed = |source| StoreError::File { path: to.to_owned(), source };
    let old = open_untouched(from)?;
    schema::refuse_newer(&old, from)?;
    create_new(to).map_err(failed)?;
    let copied = copy(&old, to);
    if let Err(error @ StoreError::Damaged { .. }) = copied {
        std::fs::remove_file(to).map_err(failed)?;
        return Err(error);
    }
    let salvaged = copied?;
    Seal::carry(from, schema::has_heads(&old), &Connection::open(to)?, to)?;
    Ok(salvaged)
}

/// Moves the files of the database at `path` aside, and the copy to their place. Answers where they are.
fn move_into_place(copy: &Path, path: &Path) -> Result<PathBuf, StoreError> {
    let aside = with_ending(path, &format!("{DAMAGED_COPY}{}", now().as_secs()));
    // The log of the damaged one must not meet the copy. Where it has gone, the lock has left an empty file in its place.
    for ending in ["-wal", "-shm", ""] {
        let file = with_ending(path, ending);
        let there = std::fs::metadata(&file).is_ok_and(|metadata| metadata.len() > 0);
        let moved = if there { std::fs::rename(&file, with_ending(&aside, ending)) } else { Ok(()) };
        moved.map_err(|source| StoreError::File { path: file, source })?;
    }
    std::fs::rename(copy, path).map_err(|source| StoreError::File { path: path.to_owned(), source })?;
    Ok(aside)
}

/// What is wrong with the pages, records and indexes of a table, or of all of the database, in SQLite's words; nothing if nothing is. It
/// reads all of them.
pub(super) fn problems(connection: &Connection, table: Option<&str>) -> Vec<String> {
    // Tables are those of our own schema, and a number is how many problems are told.
    let found = connection.prepare(&format!("PRAGMA integrity_check({})", table.unwrap_or("20")));
    let found = found.and_then(|mut statement| {
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        rows.collect::<Result<Vec<String>, _>>()
    });
    match found {
        Ok(lines) if lines == ["ok"] => Vec::new(),
        Ok(lines) => lines.iter().flat_map(|line| line.lines()).map(str::to_owned).collect(),
        Err(error) => vec![error.to_string()],
    }
}

/// Opens a database that may be damaged, and leaves all of its files as they are when it is closed.
fn open_untouched(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// Copies what can be read of a damaged database to a new one at `to`.
///
/// A table is read from its beginning until SQLite cannot read on, and then from its end: what lies between is lost.
///
/// # Errors
/// Nothing of the database can be read, not even which tables it has; or the new one cannot be written.
fn copy(old: &Connection, to: &Path) -> Result<Salvaged, StoreError> {
    let unreadable =
        |message| StoreError::Damaged { what: "list of the database's tables".to_owned(), message };
    let known = tables(old).map_err(|error| unreadable(error.to_string()))?;
    if !known.contains_key("policies") {
        return Err(unreadable("it names no table of policies".to_owned()));
    }
    let mut new = Connection::open(to)?;
    schema::overwrite_deleted(&new)?;
    schema::bring_up_to_date(&new, to)?;
    let wanted = tables(&new)?;
    let transaction = new.transaction()?;
    let at_ms = u64::try_from(now().as_millis()).unwrap_or(u64::MAX);
    let mut salvaged = Salvaged { tables: Vec::new(), at_ms };
    for (name, columns) in wanted {
        // An earlier version did not have all of them.
        let Some(had) = known.get(&name) else { continue };
        let columns: Vec<&str> =
            columns.iter().map(String::as_str).filter(|column| had.iter().any(|had| had == column)).collect();
        // Entries of earlier versions are numbered by their rows, also where some are lost and the rest was read from the end.
        let columns = if name == AUDIT { [&["rowid"], &columns[..]].concat() } else { columns };
        let loss = problems(old, Some(&name)).into_iter().find(|problem| costs_rows(problem));
        let table = SalvagedTable { name, rows: 0, loss };
        salvaged.tables.push(copied(old, &transaction, table, &columns)?);
    }
    if let Some(altered) = altered(&transaction)? {
        // It may have been the row of another release or source than it now names, which nobody would miss.
        salvaged.lose("evidence", &altered);
    }
    if salvaged.lost_evidence() {
        set_evidence_aside(&transaction, at_ms)?;
    }
    if salvaged.lost(TOKENS) {
        transaction.execute_batch(KEEP_THE_DOOR_SHUT)?;
    }
    transaction.execute(MARK_LOST_GENERATIONS, [&DAMAGED.to_string(), SEAL, READ])?;
    if salvaged.lost(SESSIONS) {
        transaction.execute(MARK_LOST_SESSIONS, [at_ms])?;
    }
    transaction.commit()?;
    Ok(salvaged)
}

/// Takes all evidence out of the way: what is missing of it is not known.
fn set_evidence_aside(connection: &Connection, at_ms: u64) -> rusqlite::Result<()> {
    for copied in [
        "INSERT INTO set_aside (release, session, key, bytes, at)
         SELECT release, session, trim(source || ' ' || key), bytes, ?1 FROM evidence",
        "INSERT INTO set_aside (release, session, key, bytes, at)
         SELECT release, session, trim(source || ' journal ' || seq), bytes, ?1 FROM journal",
    ] {
        connection.execute(copied, [at_ms])?;
    }
    connection.execute_batch("DELETE FROM evidence; DELETE FROM journal; DELETE FROM sources;")
}

/// The time since 1970.
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// What is wrong with the first row of evidence, or entry of a journal, that is not as it was written.
fn altered(connection: &Connection) -> Result<Option<String>, StoreError> {
    for of in sources::all(connection)? {
        let read = sources::evidence(connection, of.as_ref()).map(drop);
        if let Err(altered) = read.and_then(|()| sources::journal(connection, of.as_ref()).map(drop)) {
            return Ok(Some(altered.to_string()));
        }
    }
    Ok(None)
}

/// Whether a problem may have cost rows: indexes are made anew, and so is the list of free pages.
fn costs_rows(problem: &str) -> bool {
    !REMADE.iter().any(|part| problem.contains(part))
}

/// The tables of a database and their columns.
fn tables(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Vec<String>>> {
    let mut statement = connection.prepare(
        "SELECT m.name, c.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid",
    )?;
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        tables.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    Ok(tables)
}

/// Copies the rows of a table; the names are those of our own schema.
fn copied(
    old: &Connection,
    new: &Connection,
    mut table: SalvagedTable,
    columns: &[&str],
) -> Result<SalvagedTable, StoreError> {
    let list = columns.join(", ");
    let places = vec!["?"; columns.len()].join(", ");
    let mut insert =
        new.prepare(&format!("INSERT OR IGNORE INTO {} ({list}) VALUES ({places})", table.name))?;
    let orders = match table.name.as_str() {
        "batches" => ["instance, sequence", "instance DESC, sequence DESC"],
        _ => ["rowid", "rowid DESC"],
    };
    for order in orders {
        let outcome: rusqlite::Result<()> = (|| {
            let select = format!("SELECT {list} FROM {} NOT INDEXED ORDER BY {order}", table.name);
            let mut statement = old.prepare(&select)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let values: Vec<Value> =
                    (0..columns.len()).map(|at| row.get(at)).collect::<Result<_, _>>()?;
                match insert.execute(params_from_iter(values)) {
                    // From the end on it meets rows again, which are there.
                    Ok(inserted) => table.rows += inserted as u64,
                    // A value that the column cannot have.
                    Err(error) => table.loss = Some(error.to_string()),
                }
            }
            Ok(())
        })();
        match outcome {
            Ok(()) => break,
            Err(error) => table.loss = Some(error.to_string()),
        }
    }
    Ok(table)
}

/// The tables without which evidence says less, or something else, than was counted.
const EVIDENCE: [&str; 4] = ["policies", "sessions", "evidence", "journal"];
/// The table without which numbers of sessions would be given twice.
const SESSIONS: &str = "sessions";
/// The table whose rows stay where they were.
const AUDIT: &str = "audit";
/// The table without which everybody would be let in.
const TOKENS: &str = "tokens";
/// A row without a sum lets nobody in, and with any row every request needs a token.
const KEEP_THE_DOOR_SHUT: &str = "
INSERT OR IGNORE INTO tokens (name, digest, role, created, created_by)
VALUES ('lost tokens', x'', 'observe', 0, 'antumbra serve');
";
/// What SQLite says of what is not copied but made anew.
const REMADE: [&str; 6] = [
    "missing from index",
    "entries in index",
    "non-unique entry in index",
    "Freelist:",
    "never used",
    "rowid not at end-of-record for row",
];
/// Where the audit knows of a later generation than the policies do, the one before must not come into force again. Who sealed the audit
/// of a deleted policy, or read exchanges of it, did not bring it back.
const MARK_LOST_GENERATIONS: &str = "
INSERT INTO policies (name, generation, at, document)
SELECT a.release, a.generation, a.at, ?1 FROM audit AS a
WHERE a.seq = (SELECT max(seq) FROM audit WHERE release = a.release AND action NOT IN (?2, ?3)) AND a.action <> 'delete'
  AND a.generation > coalesce((SELECT max(generation) FROM policies WHERE name = a.release), 0)
";
/// The next session of a release gets a higher number than any that is known of: those of rows that are there, and, since each session began
/// with an entry of the audit, at most as many as there are entries. Numbers that no comparator gave are damaged themselves.
const MARK_LOST_SESSIONS: &str = "
INSERT OR IGNORE INTO sessions (release, session, since, at)
SELECT release, max(session), (SELECT coalesce(max(generation), 0) FROM policies WHERE name = release), ?1 FROM (
    SELECT release, session FROM sessions UNION ALL
    SELECT release, session FROM set_aside UNION ALL
    SELECT release, session FROM deliveries UNION ALL
    SELECT release, seq FROM audit
) WHERE session BETWEEN 1 AND 1 << 52 GROUP BY release
";

#[cfg(test)]
mod tests;
