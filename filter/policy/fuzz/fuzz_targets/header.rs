//! Requests against a policy that uses everything: what a client forges does not survive.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| antumbra_policy_fuzz::header::check(bytes));
