//! The seeds of the fuzzers and the inputs of their findings, without a fuzzer: what `fuzz/` checks holds for each of them.
#![cfg(all(not(target_family = "wasm"), feature = "grpc-messages"))]

use std::fs;
use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
pub mod checks;

/// Feeds a target's check with each of its files.
#[expect(clippy::disallowed_methods, reason = "the seeds are files")]
fn replay(target: &str, check: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no seeds in {}", directory.display());
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let checked = std::panic::catch_unwind(|| check(&bytes));
        assert!(checked.is_ok(), "{}", file.display());
    }
}

#[test]
fn json() {
    replay("json_diff", checks::json_diff::check);
}

#[test]
fn bodies() {
    replay("body", checks::body::check);
}

#[test]
fn merges() {
    replay("merge", checks::merge::check);
}
