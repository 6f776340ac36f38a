//! A generation of a policy: the document, its number, and what filters are given of it.

use antumbra_policy::edit;

use crate::document::Document;

/// One generation of a policy.
pub struct Version {
    /// Counted from 1.
    pub generation: u64,
    /// When it was stored, in milliseconds since 1970.
    pub at_ms: u64,
    /// What it says.
    pub document: Document,
    /// What a filter is given, as JSON.
    pub filter_part: String,
}

impl Version {
    /// A document that became a generation.
    pub fn new(document: Document, generation: u64, at_ms: u64) -> Self {
        let part = edit::filter_part(document.tree(), generation);
        let filter_part = serde_json::to_string(&part).unwrap_or_default();
        Self { generation, at_ms, document, filter_part }
    }

    /// The entity tag.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.generation)
    }
}
