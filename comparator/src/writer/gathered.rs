//! The evidence of one release in its current session, as the writer counts it.

use antumbra_control::Session;
use antumbra_engine::Evidence;

/// The evidence of a release in its current session.
pub(crate) struct Gathered {
    /// The session.
    pub(crate) session: Session,
    /// What is known in it.
    pub(crate) evidence: Evidence,
    /// Exchanges in the journal of the session: what the stored evidence lacks.
    pub(super) journalled: u64,
}

impl Gathered {
    /// Evidence that is stored as it is.
    pub(crate) fn new(session: Session, evidence: Evidence) -> Self {
        Self { session, evidence, journalled: 0 }
    }
}
