//! Packages of Debian, unpacked under `target/` but not installed: apt finds and fetches them, dpkg takes them apart.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{cache, command};

/// What a person would type so that packages can be had; for an error.
pub const COMMAND: &str = "apt-get update    # as root, on Debian 12; the rest happens by itself";

/// The version of a package that apt would install.
///
/// # Errors
/// There is no apt.
pub fn candidate(package: &str) -> Result<Option<String>> {
    let policy = command::run(&mut apt("apt-cache", &["policy", package]))?;
    Ok(candidate_of(&policy).map(str::to_owned))
}

/// Fetches packages, named as apt takes them, and unpacks them into `place`.
///
/// # Errors
/// They cannot be had.
pub fn unpack(names: &[String], place: &Path) -> Result<()> {
    download(names, place)?;
    for archive in archives(place)? {
        let arguments = [OsString::from("-x"), archive.clone().into(), place.into()];
        command::run(Command::new("dpkg").args(arguments))?;
        fs::remove_file(&archive).with_context(|| format!("cannot remove {}", archive.display()))?;
    }
    Ok(())
}

/// Updates apt's lists, one process at a time.
///
/// # Errors
/// They cannot be had.
pub fn update() -> Result<()> {
    let _lock = cache::lock("apt")?;
    cache::say("updating apt's lists (apt-get update)");
    command::run(&mut apt("apt-get", &["update"])).map(drop)
}

/// A program of apt. Its words are read, so they must not be translated.
pub fn apt(name: &str, arguments: &[&str]) -> Command {
    let mut command = command::program(name, arguments, &cache::root());
    command.env("LC_ALL", "C");
    command
}

/// Whether this process may update apt's lists.
pub fn is_root() -> bool {
    command::run(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// Lists that are too old name files that are gone: as root they are updated and the download tried once more.
fn download(names: &[String], place: &Path) -> Result<()> {
    let arguments: Vec<&str> = std::iter::once("download").chain(names.iter().map(String::as_str)).collect();
    match command::run(apt("apt-get", &arguments).current_dir(place)) {
        Err(_) if is_root() => {
            command::run(&mut apt("apt-get", &["update"]))?;
            command::run(apt("apt-get", &arguments).current_dir(place)).map(drop)
        }
        other => other.map(drop).context("apt's lists may be old: run `apt-get update` as root"),
    }
}

/// `  Candidate: 1.96.0+dfsg1-1~deb12u2`
fn candidate_of(policy: &str) -> Option<&str> {
    let mut lines = policy.lines().filter_map(|line| line.trim().strip_prefix("Candidate: "));
    lines.next().filter(|version| *version != "(none)")
}

fn archives(place: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(place).with_context(|| format!("cannot read {}", place.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let found: Vec<PathBuf> = paths.collect::<Result<_>>()?;
    Ok(found
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_says_which_version_it_would_install() {
        let policy =
            "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+dfsg1-1~deb12u2\n  Version table:\n";
        assert_eq!(candidate_of(policy), Some("1.96.0+dfsg1-1~deb12u2"));
        assert_eq!(candidate_of("rustc-web:\n  Installed: (none)\n  Candidate: (none)\n"), None);
        assert_eq!(candidate_of(""), None);
    }
}
