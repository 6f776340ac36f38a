//! The file beside a database that keeps the heads of its audits, `antumbra.db.audit-head`.
//!
//! It is replaced at once and is on the disk before this returns: a crash leaves the one before or the one after.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use antumbra_control::audit::{Kept, Keys, Sealed};

use super::files::{opened, with_ending};
use crate::error::StoreError;

/// Where the heads of the audits of the database at `path` are kept.
pub(super) fn beside(path: &Path) -> PathBuf {
    with_ending(path, ENDING)
}

/// What the file says, as far as the keys can tell.
pub(super) fn read(file: &Path, keys: &Keys) -> Kept {
    match std::fs::metadata(file) {
        Ok(metadata) if metadata.len() > MAX_BYTES => {
            return Kept::Wrong(format!("it has {} bytes, must have at most {MAX_BYTES}", metadata.len()));
        }
        _ => {}
    }
    match std::fs::read_to_string(file) {
        Ok(text) => Sealed::read(&text, keys),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::Missing,
        Err(error) => Kept::Wrong(format!("it cannot be read: {error}")),
    }
}

/// Puts these heads in the place of those before.
///
/// # Errors
/// The system cannot write or replace the file; then it is the one before, or this one.
pub(super) fn write(file: &Path, sealed: &Sealed, keys: &Keys) -> Result<(), StoreError> {
    replace(file, sealed.written(keys).as_bytes())
        .map_err(|source| StoreError::File { path: file.to_owned(), source })
}

fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = with_ending(file, ".new");
    let mut written = opened(&new)?;
    written.set_len(0)?;
    written.write_all(bytes)?;
    written.sync_all()?;
    std::fs::rename(&new, file)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Only then the new name is on the disk, too.
    File::open(folder)?.sync_all()
}

const ENDING: &str = ".audit-head";
/// About 100,000 releases.
const MAX_BYTES: u64 = 64 << 20;
