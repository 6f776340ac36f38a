//! Two texts by tokens, and what of them is hidden.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| antumbra_engine_fuzz::tokens::check(bytes));
