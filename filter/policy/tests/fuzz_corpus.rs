//! The seeds of the fuzzers and the inputs of their findings, without a fuzzer: what `fuzz/` checks holds for each of them.
#![cfg(not(target_family = "wasm"))]

#[path = "../fuzz/src/lib.rs"]
pub mod checks;

use checks::replay::replay;

#[test]
fn documents() {
    replay(HERE, "policy", checks::policy::check);
}

#[test]
fn budgets() {
    replay(HERE, "budget", checks::budget::check);
}

#[test]
fn cookies() {
    replay(HERE, "cookie", checks::cookie::check);
}

#[test]
fn queries() {
    replay(HERE, "query", checks::query::check);
}

#[test]
fn requests() {
    replay(HERE, "header", checks::header::check);
}

#[test]
fn addresses() {
    replay(HERE, "address", checks::address::check);
}

const HERE: &str = env!("CARGO_MANIFEST_DIR");
