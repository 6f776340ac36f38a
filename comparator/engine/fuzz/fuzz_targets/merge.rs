//! Evidence of parts against that of the whole.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| antumbra_engine_fuzz::merge::check(bytes));
