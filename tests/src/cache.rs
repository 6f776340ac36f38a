//! What is fetched or built once under `target/` and then shared by every process that asks.
//!
//! Test binaries run side by side, and any of them may be the first or be killed halfway. So a lock admits one maker at a
//! time, and what it makes appears by a rename: a directory of the cache is whole or not there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The repository's root.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_owned()
}

/// `target/<name>`.
pub fn path(name: &str) -> PathBuf {
    root().join("target").join(name)
}

/// The directory `target/<name>`. If it is not there, `make` fills an empty directory that is then renamed to it; if
/// `make` fails, nothing stays.
pub fn once(name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let place = path(name);
    if place.is_dir() {
        return Ok(place);
    }
    let _lock = lock(name)?;
    if place.is_dir() {
        return Ok(place);
    }
    let partial = place.with_file_name(format!(".{}.partial", file_name(&place)));
    remove(&partial)?;
    fs::create_dir_all(&partial).with_context(|| format!("cannot create {}", partial.display()))?;
    if let Err(error) = make(&partial) {
        remove(&partial)?;
        return Err(error);
    }
    fs::rename(&partial, &place).with_context(|| format!("cannot rename to {}", place.display()))?;
    Ok(place)
}

/// Waits until no other process holds the lock of `name`; it is held until the answer is dropped.
pub fn lock(name: &str) -> Result<File> {
    let place = path(name);
    let file = place.with_file_name(format!(".{}.lock", file_name(&place)));
    let open = || {
        fs::create_dir_all(file.parent().unwrap_or(&file))?;
        let opened = File::options().create(true).truncate(false).write(true).open(&file)?;
        opened.lock()?;
        Ok::<_, std::io::Error>(opened)
    };
    open().with_context(|| format!("cannot lock {}", file.display()))
}

/// One line for a step that takes long.
pub fn say(step: &str) {
    eprintln!("antumbra: {step}");
}

fn file_name(place: &Path) -> String {
    place.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn remove(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", directory.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn many_ask_and_one_makes() {
        let name = format!("cache-test/{}-many", std::process::id());
        let made = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let place = once(&name, |directory| {
                        made.fetch_add(1, Ordering::SeqCst);
                        Ok(fs::write(directory.join("file"), "whole")?)
                    });
                    assert_eq!(fs::read_to_string(place.unwrap().join("file")).unwrap(), "whole");
                });
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
        fs::remove_dir_all(path(&name)).unwrap();
    }

    #[test]
    fn a_failed_making_leaves_nothing_and_may_be_tried_again() {
        let name = format!("cache-test/{}-failed", std::process::id());
        let failed = once(&name, |directory| {
            fs::write(directory.join("file"), "half")?;
            anyhow::bail!("no network")
        });
        assert_eq!(failed.unwrap_err().to_string(), "no network");
        assert!(!path(&name).exists());
        let place = once(&name, |directory| {
            assert_eq!(fs::read_dir(directory)?.count(), 0);
            Ok(())
        });
        fs::remove_dir(place.unwrap()).unwrap();
    }
}
