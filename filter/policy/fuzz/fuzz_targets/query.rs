//! Request targets and form bodies against a naive decoder.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| antumbra_policy_fuzz::query::check(bytes));
