//! Keeps a second comparator away from a database, since its evidence in memory would overwrite ours.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::StoreError;

/// One comparator's hold on a database, until it is dropped.
///
/// Two locks, both given up by the system if the process dies. A file beside the database says the same to earlier versions and on
/// every system. On Linux the database itself is locked, too (flock(2)): symbolic links, hard links and a renamed file lead to the
/// same one. SQLite's own locks are of another kind there (fcntl(2)) and not affected, as long as this file stays open until the
/// connection is closed: closing it would release them.
pub(super) struct Lock {
    _beside: File,
    _database: Option<File>,
}

impl Lock {
    /// Takes the lock of the database at `path`, which is created if it is missing.
    ///
    /// # Errors
    /// Another process has it, or a file cannot be opened.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let beside = locked(path, &with_ending(path, ".lock"))?;
        // Where this lock is one with SQLite's, it would keep ours away, too.
        let database = cfg!(target_os = "linux").then(|| locked(path, path)).transpose()?;
        for file in ["", "-wal", "-shm"].map(|ending| with_ending(path, ending)) {
            private(&file).map_err(|source| StoreError::File { path: file.clone(), source })?;
        }
        Ok(Self { _beside: beside, _database: database })
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The file at `path`, locked for the database.
fn locked(database: &Path, path: &Path) -> Result<File, StoreError> {
    let failed = |source| StoreError::File { path: path.to_owned(), source };
    let file = opened(path).map_err(failed)?;
    let mut tries = LOCK_TRIES;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // The one before may still be ending, or a process that it just started may not have closed its copy yet.
            Err(TryLockError::WouldBlock) if tries > 0 => std::thread::sleep(BETWEEN_TRIES),
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(database.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        tries -= 1;
    }
}

/// Only the owner may read what is created.
fn opened(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, OWNER_ONLY);
    options.open(path)
}

/// Takes away what others may do with a file that an earlier version created. SQLite gives its own files beside it the same mode.
fn private(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Ok(metadata) = std::fs::metadata(path) {
        use std::os::unix::fs::PermissionsExt;
        if metadata.permissions().mode() & OTHERS != 0 {
            std::fs::set_permissions(path, PermissionsExt::from_mode(OWNER_ONLY))?;
        }
    }
    Ok(())
}

#[cfg(unix)]
const OWNER_ONLY: u32 = 0o600;
#[cfg(unix)]
const OTHERS: u32 = 0o077;
const LOCK_TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(30);
