//! A look at a database before anything of it is changed: whoever refuses to start leaves all files as they are.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use antumbra_control::records::StoredPolicy;
use rusqlite::{Connection, OpenFlags, Row};

use super::documents::document;
use super::files::with_ending;
use super::lock::Free;
use super::{salvage, schema};
use crate::error::StoreError;

/// What a database holds that whoever opens it must know before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Whether there is a token, or may be one in what cannot be read.
    pub has_tokens: bool,
    /// The generation in force of every policy, by name.
    pub policies: Vec<(String, StoredPolicy)>,
    /// What the last file of each policy said, by name.
    pub files: Vec<(String, String)>,
}

/// Looks at the file at `path`, which no comparator may have. Nothing is found where there is none, and what of it cannot be read is left to
/// [`Store::open_with`](super::Store::open_with).
///
/// # Errors
/// A comparator has it, or a later version wrote it.
pub(super) fn look(path: &Path) -> Result<Found, StoreError> {
    let _free = Free::wait(path)?;
    // Where a start was killed while it replaced a damaged database, the copy is what the next one opens.
    let copy = salvage::finished(path);
    let file = if copy.exists() { copy.as_path() } else { path };
    if std::fs::metadata(file).map_or(0, |metadata| metadata.len()) == 0 {
        return Ok(Found::default());
    }
    let unreadable = Found { has_tokens: true, ..Found::default() };
    let Ok(connection) = opened(file) else { return Ok(unreadable) };
    schema::refuse_newer(&connection, path)?;
    Ok(found(&connection).unwrap_or(unreadable))
}

fn found(connection: &Connection) -> rusqlite::Result<Found> {
    let tokens = "SELECT count(*) FROM tokens";
    let has_tokens = connection.table_exists(None, "tokens")?
        && connection.query_row(tokens, [], |row| row.get::<_, u64>(0)).map_or(true, |tokens| tokens > 0);
    let (mut policies, mut files) = (Vec::new(), Vec::new());
    if connection.table_exists(None, "policies")? {
        // An earlier version has no sums; whoever opens the file looks at them.
        let query = "SELECT name, generation, at, document FROM policies AS p
             WHERE generation = (SELECT max(generation) FROM policies WHERE name = p.name) ORDER BY name";
        policies = each(connection, query, |row| {
            let (generation, at_ms) = (row.get(1)?, row.get(2)?);
            Ok((row.get(0)?, StoredPolicy { generation, at_ms, text: document(row.get_ref(3)?) }))
        })?;
        files = each(connection, "SELECT name, document FROM files ORDER BY name", |row| {
            Ok((row.get(0)?, document(row.get_ref(1)?)))
        })?;
    }
    Ok(Found { has_tokens, policies, files })
}

fn each<T>(
    connection: &Connection,
    query: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = connection.prepare(query)?;
    statement.query_map([], read)?.collect()
}

/// SQLite makes files beside a database that it only reads, too. Where there is no log, it is told that nobody writes, which is so as long as
/// the lock is held, and makes none.
fn opened(file: &Path) -> rusqlite::Result<Connection> {
    let has_log = std::fs::metadata(with_ending(file, "-wal")).is_ok_and(|log| log.len() > 0);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri(file, !has_log), flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// The name of a file as SQLite reads it (RFC 3986): every byte that could mean something else is escaped.
fn uri(file: &Path, is_immutable: bool) -> String {
    let mut uri = "file:".to_owned();
    for byte in file.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'_' | b'-' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => drop(write!(uri, "%{byte:02X}")),
        }
    }
    uri + if is_immutable { "?immutable=1" } else { "" }
}

/// How long looking waits for somebody who recovers the log.
const BUSY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
        let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
        let mut all: Vec<_> =
            files.map(|file| (file.display().to_string(), std::fs::read(&file).unwrap())).collect();
        all.sort();
        all
    }

    #[test]
    fn a_look_leaves_all_files_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a ?#%\u{e9}.db");
        assert_eq!(look(&path).unwrap(), Found::default());
        assert_eq!(files(dir.path()), []);
        let stored = StoredPolicy { generation: 2, at_ms: 7, text: "{}".to_owned() };
        let mut store = Store::open(&path).unwrap();
        assert!(matches!(look(&path), Err(StoreError::InUse(named)) if named == path));
        store
            .transaction(|writing| {
                writing.put_policy("shop", &stored)?;
                writing.put_file("shop", "{a}")
            })
            .unwrap();
        drop(store);
        let expected = Found {
            has_tokens: false,
            policies: vec![("shop".to_owned(), stored)],
            files: vec![("shop".to_owned(), "{a}".to_owned())],
        };
        let before = files(dir.path());
        assert_eq!((look(&path).unwrap(), files(dir.path())), (expected.clone(), before));
        // Of a comparator that was killed the log is left.
        let writer = Connection::open(&path).unwrap();
        writer.execute("UPDATE files SET document = '{b}'", []).unwrap();
        let killed = dir.path().join("killed.db");
        for ending in ["", "-wal"] {
            std::fs::copy(with_ending(&path, ending), with_ending(&killed, ending)).unwrap();
        }
        let of_it = || {
            let ours = files(dir.path()).into_iter();
            ours.filter(|(name, _)| name.ends_with("killed.db") || name.ends_with("killed.db-wal"))
                .collect::<Vec<_>>()
        };
        let before = of_it();
        let files = vec![("shop".to_owned(), "{b}".to_owned())];
        assert_eq!((look(&killed).unwrap(), of_it()), (Found { files, ..expected }, before));
        std::fs::write(&killed, "no database").unwrap();
        std::fs::remove_file(with_ending(&killed, "-wal")).unwrap();
        assert!(look(&killed).unwrap().has_tokens, "whoever opens it says what is wrong");
    }
}
