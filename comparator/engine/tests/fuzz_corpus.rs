//! The seeds of the fuzzers and the inputs of their findings, without a fuzzer: what `fuzz/` checks holds for each of them.
#![cfg(all(not(target_family = "wasm"), feature = "grpc-messages"))]

#[path = "../fuzz/src/lib.rs"]
pub mod checks;

use checks::replay::replay;

#[test]
fn json() {
    replay(HERE, "json_diff", checks::json_diff::check);
}

#[test]
fn bodies() {
    replay(HERE, "body", checks::body::check);
}

#[test]
fn merges() {
    replay(HERE, "merge", checks::merge::check);
}

const HERE: &str = env!("CARGO_MANIFEST_DIR");
