//! Two bodies of every kind and encoding.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| antumbra_engine_fuzz::body::check(bytes));
