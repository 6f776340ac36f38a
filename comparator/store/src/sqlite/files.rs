//! The files of a database: their names, and who may read them.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// The path with something behind its name.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Removes the copies of a damaged database that were made before a moment, in seconds since 1970. Answers how many files these were.
pub(super) fn remove_damaged(path: &Path, before_s: u64) -> io::Result<u64> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned() + DAMAGED_COPY;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut removed = 0;
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        let own = file.file_name();
        let made = own.to_str().and_then(|own| own.strip_prefix(&name));
        let made = made.and_then(|made| made.split('-').next()?.parse::<u64>().ok());
        if made.is_some_and(|made| made < before_s) {
            std::fs::remove_file(file.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Only the owner may read what is created.
pub(super) fn opened(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, OWNER_ONLY);
    options.open(path)
}

/// An empty file where there is none, which only the owner may read.
pub(super) fn create_new(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, OWNER_ONLY);
    options.open(path).map(drop)
}

/// Takes away what others may do with a file that an earlier version created. SQLite gives its own files beside it the same mode.
pub(super) fn private(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Ok(metadata) = std::fs::metadata(path) {
        use std::os::unix::fs::PermissionsExt;
        if metadata.permissions().mode() & OTHERS != 0 {
            std::fs::set_permissions(path, PermissionsExt::from_mode(OWNER_ONLY))?;
        }
    }
    Ok(())
}

/// Stands between a database's name and the moment at which it was found damaged, in seconds since 1970.
pub(super) const DAMAGED_COPY: &str = ".damaged-";
#[cfg(unix)]
const OWNER_ONLY: u32 = 0o600;
#[cfg(unix)]
const OTHERS: u32 = 0o077;
