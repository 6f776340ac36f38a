//! What the journal of a session holds.

/// What was counted in a session by one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Exchanges that only were counted as repeated.
    pub repeated: u64,
    /// The others, compared, as the engine writes them.
    pub compared: Vec<u8>,
}
