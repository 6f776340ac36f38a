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

#[test]
fn tokens() {
    replay(HERE, "tokens", checks::tokens::check);
}

/// Texts of pieces that make secrets, without what coverage would tell of them.
#[test]
fn tokens_of_made_up_texts() {
    let mut random: u64 = 7;
    for _ in 0..5_000 {
        let mut bytes = vec![1];
        bytes.extend((0..24).map(|_| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random.to_be_bytes()[0]
        }));
        checks::tokens::check(&bytes);
    }
}

const HERE: &str = env!("CARGO_MANIFEST_DIR");
