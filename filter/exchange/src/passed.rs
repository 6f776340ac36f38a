//! Why a request passes without being mirrored, as it is counted.

use antumbra_observation::{NotMirrored, UnsafeMethod};

/// Why a request passes without being mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// The reason under which it is counted.
    pub reason: NotMirrored,
    /// Its method, where that is the reason.
    pub method: Option<UnsafeMethod>,
}

impl From<NotMirrored> for Passed {
    fn from(reason: NotMirrored) -> Self {
        Self { reason, method: None }
    }
}
