//! What must hold for every input, as one function for each fuzz target. The targets feed them what libFuzzer finds, and
//! `tests/fuzz_corpus.rs` of the engine feeds them the seeds, so that a finding stays found without a fuzzer.

pub mod body;
pub mod json_diff;
pub mod made_up;
pub mod merge;
pub mod naive;
#[path = "../../../../filter/policy/fuzz/src/replay.rs"]
pub mod replay;
pub mod tokens;
