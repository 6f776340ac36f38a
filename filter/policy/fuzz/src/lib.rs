//! What must hold for every input, as one function for each fuzz target. The targets feed them what libFuzzer finds, and
//! `tests/fuzz_corpus.rs` of the policy crate feeds them the seeds, so that a finding stays found without a fuzzer.

pub mod address;
pub mod asked;
pub mod budget;
pub mod cookie;
pub mod header;
pub mod policy;
pub mod query;
pub mod replay;
