//! Documents against what they say that they cost.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| antumbra_policy_fuzz::budget::check(bytes));
