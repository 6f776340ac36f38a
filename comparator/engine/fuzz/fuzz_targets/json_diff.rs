//! Two texts of JSON against a naive reader and comparison of it.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| antumbra_engine_fuzz::json_diff::check(bytes));
