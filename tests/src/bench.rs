//! Benchmarks: each prints ratios against references that ran in the same rounds on the same machine.

mod chaos;
mod cpu;
mod filter;
mod load;

pub use chaos::run as chaos;
pub use filter::run as filter;
