//! Documents: any bytes, and a rich policy with pieces changed.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| antumbra_policy_fuzz::policy::check(bytes));
