//! What is stored of a policy and of its evidence, whatever the store.

/// A generation of a policy as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPolicy {
    /// The generation, counted from 1.
    pub generation: u64,
    /// When it was stored, in milliseconds since 1970.
    pub at_ms: u64,
    /// The document as JSON, in the document's order.
    pub text: String,
}

/// A session of evidence of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Its number, counted from 1.
    pub number: u64,
    /// The generation that began it: observations decided under an earlier one are not part of it.
    pub since: u64,
}

/// What the text of a [`StoredPolicy`] begins with if it is not as it was written: no document does.
pub const DAMAGED: char = '\u{fffd}';
