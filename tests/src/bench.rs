//! Benchmarks: each prints ratios against references that ran in the same rounds on the same machine.

mod brake;
mod chaos;
mod contender;
mod cpu;
mod delivery;
mod exchanges;
mod filter;
mod floor;
mod ingest;
mod load;
mod mirror;
mod reference;
mod viewers;

pub use brake::run as brake;
pub use chaos::run as chaos;
pub use filter::run as filter;
pub use ingest::run as ingest;
pub use mirror::run as mirror;
pub use viewers::run as viewers;
