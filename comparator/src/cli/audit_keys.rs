//! The files with the keys of the audits.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use antumbra_control::audit::{Key, Keys};

use super::Failure;
use super::secret_files::too_open;

/// The keys in these files, of which the first one keys what is written.
pub(super) fn read(files: &[PathBuf]) -> Result<Keys, Failure> {
    Ok(Keys::new(files.iter().map(|file| key(file)).collect::<Result<_, _>>()?))
}

/// What the file holds without blanks around it, so that an editor's last line end is no part of it.
fn key(file: &Path) -> Result<Key, Failure> {
    let refused = |why: String| Failure::Usage(format!("--audit-key-file {}: {why}", file.display()));
    let metadata = std::fs::metadata(file).map_err(|error| refused(error.to_string()))?;
    if let Some(why) = too_open(metadata.mode(), metadata.uid() == rustix::process::geteuid().as_raw()) {
        return Err(refused(why));
    }
    if metadata.len() > MAX_BYTES {
        return Err(refused(format!("has {} bytes, must have at most {MAX_BYTES}", metadata.len())));
    }
    let bytes = std::fs::read(file).map_err(|error| refused(error.to_string()))?;
    Key::new(bytes.trim_ascii()).map_err(|error| refused(error.to_string()))
}

const MAX_BYTES: u64 = 4_096;
