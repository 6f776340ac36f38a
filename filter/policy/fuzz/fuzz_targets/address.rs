//! Addresses, ranges and x-forwarded-for against std::net.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| antumbra_policy_fuzz::address::check(bytes));
