//! Keeps a second comparator away from a database, since its evidence in memory would overwrite ours.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::files::{opened, private, with_ending};
use crate::error::StoreError;

/// One comparator's hold on a database, until it is dropped.
///
/// Two locks, both given up by the system if the process dies. A file beside the database says the same to earlier versions and on
/// every system. On Linux the database itself is locked, too (flock(2)): symbolic links, hard links and a renamed file lead to the
/// same one. SQLite's own locks are of another kind there (fcntl(2)) and not affected, as long as this file stays open until the
/// connection is closed: closing it would release them.
pub(super) struct Lock {
    _beside: File,
    database: Option<File>,
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
        Ok(Self { _beside: beside, database })
    }

    /// Goes over to the file that has taken the place of the one at `path`, if one has.
    ///
    /// # Errors
    /// It cannot be opened, or somebody took it at once.
    pub(super) fn follow(&mut self, path: &Path) -> Result<(), StoreError> {
        // The lock of one open file keeps another one of the same process away, too.
        self.database = None;
        self.database = cfg!(target_os = "linux").then(|| locked(path, path)).transpose()?;
        Ok(())
    }
}

/// Takes away what others may do with the database at `path` and with what lies beside it.
///
/// # Errors
/// The system refuses it.
pub(super) fn keep_private(path: &Path) -> Result<(), StoreError> {
    for file in ["", "-wal", "-shm", ".audit-head"].map(|ending| with_ending(path, ending)) {
        private(&file).map_err(|source| StoreError::File { path: file.clone(), source })?;
    }
    Ok(())
}

/// That no comparator has a database, as long as this is held. It changes no file, and makes none.
pub(super) struct Free {
    _beside: Option<File>,
}

impl Free {
    /// Waits a moment for a comparator that is still ending.
    ///
    /// # Errors
    /// Another process has it.
    pub(super) fn wait(path: &Path) -> Result<Self, StoreError> {
        // The database itself is not opened: closed again, it would release the locks of one that this process has.
        let beside = File::open(with_ending(path, ".lock")).ok();
        Ok(Self { _beside: beside.map(|beside| held(beside, path, path)).transpose()? })
    }
}

/// The file at `path`, locked for the database.
fn locked(database: &Path, path: &Path) -> Result<File, StoreError> {
    let file = opened(path).map_err(|source| StoreError::File { path: path.to_owned(), source })?;
    held(file, database, path)
}

fn held(file: File, database: &Path, path: &Path) -> Result<File, StoreError> {
    let failed = |source| StoreError::File { path: path.to_owned(), source };
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

const LOCK_TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(30);
