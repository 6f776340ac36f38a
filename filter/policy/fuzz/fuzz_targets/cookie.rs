//! Cookie headers against a naive parser.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| antumbra_policy_fuzz::cookie::check(bytes));
