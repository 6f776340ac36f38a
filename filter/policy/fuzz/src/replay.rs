//! The seeds of a fuzz target and the inputs of its findings, without a fuzzer: its check must hold for each of them.
//!
//! The tests of every crate that is fuzzed use this one file, the engine's by its path: the fuzz crates are workspaces of their
//! own, and a crate for thirty lines would have to be built with each.

use std::fs;
use std::path::Path;

/// Feeds a target's check with each file of `fuzz/seeds/<target>` below the directory of the crate that is fuzzed.
///
/// # Panics
///
/// Panics with the file's path if the check does not hold for it, and if there are no seeds at all.
#[expect(clippy::disallowed_methods, reason = "the seeds are files")]
pub fn replay(fuzzed: &str, target: &str, check: fn(&[u8])) {
    let directory = Path::new(fuzzed).join("fuzz/seeds").join(target);
    let mut files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no seeds in {}", directory.display());
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let checked = std::panic::catch_unwind(|| check(&bytes));
        assert!(checked.is_ok(), "{}", file.display());
    }
}
