//! What `/v1/policies` answers.

use antumbra_control::audit::Entry;
use serde::{Deserialize, Serialize};

/// A policy in a list.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    /// Its name.
    pub(crate) name: String,
    /// The generation in force.
    pub(crate) generation: u64,
    /// Since when, RFC 3339.
    pub(crate) at: String,
}

/// What a change did.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    /// The policy's name.
    pub(crate) name: String,
    /// The generation in force now.
    pub(crate) generation: u64,
    /// False if the document said that already.
    pub(crate) changed: bool,
    /// Whether the evidence begins anew.
    pub(crate) new_session: bool,
    /// One line per changed field.
    pub(crate) diff: Vec<String>,
}

/// The audit of a release.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Audit {
    /// Oldest first.
    pub(crate) entries: Vec<Entry>,
    /// The first entry whose hash is wrong; none if the chain holds.
    pub(crate) broken_at: Option<u64>,
}
