//! Benchmarks: each prints ratios against references that ran in the same rounds on the same machine.

mod chaos;
mod contender;
mod cpu;
mod filter;
mod floor;
mod load;
mod mirror;

pub use chaos::run as chaos;
pub use filter::run as filter;
pub use mirror::run as mirror;
