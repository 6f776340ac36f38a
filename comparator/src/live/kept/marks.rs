//! In which samples an exchange could be: that of its endpoint, and those of the places where its answers differ.

use antumbra_engine::{Compared, Kind, Whose};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Which samples an exchange could be in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marks {
    pub(super) endpoint: u64,
    pub(super) places: Vec<(u64, Whose)>,
}

impl Marks {
    /// None of an exchange whose answers were not compared.
    pub(crate) fn of(compared: &Compared) -> Option<Self> {
        let endpoint = endpoint(compared.endpoint()?);
        let places = compared.differs().map(|one| (within(endpoint, one.path, one.kind), one.whose));
        Some(Self { endpoint, places: places.collect() })
    }
}

/// Names a place of an endpoint, and how answers differ there.
pub(crate) fn place(name: &str, path: &str, kind: Kind) -> u64 {
    within(endpoint(name), path, kind)
}

fn endpoint(name: &str) -> u64 {
    xxh3_64_with_seed(name.as_bytes(), 0)
}

fn within(endpoint: u64, path: &str, kind: Kind) -> u64 {
    xxh3_64_with_seed(path.as_bytes(), endpoint.wrapping_add(kind as u64))
}
