//! The seeds of the fuzzer of merges and the inputs of its findings, without a fuzzer.
#![cfg(not(target_family = "wasm"))]

#[path = "../fuzz/src/merge.rs"]
pub mod merge;

#[test]
#[expect(clippy::disallowed_methods, reason = "the seeds are files")]
fn evidence_of_parts_is_that_of_the_whole() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/merge");
    for seed in std::fs::read_dir(seeds).unwrap() {
        merge::check(&std::fs::read(seed.unwrap().path()).unwrap());
    }
}
