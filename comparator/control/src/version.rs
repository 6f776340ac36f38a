//! A generation of a policy: the document, its number, and what filters are given of it.

use antumbra_policy::document::Invalid;
use antumbra_policy::edit;

use crate::document::Document;
use crate::records::StoredPolicy;
use crate::refusal::Refusal;

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

    /// A generation as it was stored for the policy `name`, whatever today's rules say of it.
    pub fn restore(name: &str, stored: &StoredPolicy) -> Self {
        Self::new(Document::restore(name, &stored.text), stored.generation, stored.at_ms)
    }

    /// A document that today's rules refuse cannot be edited into one that they take.
    pub(crate) fn refuse_read_only(&self) -> Result<(), Refusal> {
        match self.document.problems() {
            [] => Ok(()),
            problems => {
                let invalid = Invalid { problems: problems.to_vec() };
                Err(Refusal::ReadOnly { generation: self.generation, invalid })
            }
        }
    }

    /// The entity tag.
    pub fn etag(&self) -> String {
        format!("\"{}\"", self.generation)
    }
}
