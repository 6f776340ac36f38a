//! What chance says of an exchange before it is offered, and what of it may be kept.

use std::sync::Arc;

use antumbra_observation::Observation;

use super::marks::Marks;

/// What chance says of an exchange that was compared.
#[derive(Debug, PartialEq)]
pub(crate) struct Drawn {
    pub(super) marks: Marks,
    /// None of what is only counted: it was compared anew by the writer, or while nothing of its release was offered.
    pub(super) rank: Option<Rank>,
    /// About how many it takes in memory; 0 if no sample wants it.
    pub(super) bytes: usize,
    /// What may be kept of it, redacted; none where no sample wants it, or it is too large.
    pub(super) redacted: Option<Arc<Observation>>,
}

/// Chance gives each exchange one.
pub(super) type Rank = u64;

impl Drawn {
    /// Of an exchange that is only counted.
    pub(crate) fn counted(marks: Marks) -> Self {
        Self { marks, rank: None, bytes: 0, redacted: None }
    }

    /// Bytes of what may be kept of it.
    pub(crate) fn held(&self) -> usize {
        if self.redacted.is_some() { self.bytes } else { 0 }
    }

    /// There is no memory for what may be kept of it.
    pub(crate) fn drop_copy(&mut self) {
        self.redacted = None;
    }
}
