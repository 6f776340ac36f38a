//! The folder of the example, with its policy, its data, its requests, and the page that lists what differs.

use std::path::PathBuf;

use crate::cache;

/// A file of the example.
pub(super) fn file(name: &str) -> PathBuf {
    cache::root().join(FOLDER).join(name)
}

/// From the root of the project.
pub(super) const FOLDER: &str = "envoy/examples/real-pair";
