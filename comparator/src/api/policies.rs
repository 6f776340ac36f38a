//! What `/v1/policies` answers.

use antumbra_control::audit::{Entry, Finding};
use antumbra_control::difference::Undone;
use serde::{Deserialize, Serialize};

/// A policy in a list.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    /// Its name.
    pub(crate) release: String,
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
    pub(crate) release: String,
    /// The generation in force now.
    pub(crate) generation: u64,
    /// False if the document said that already.
    pub(crate) changed: bool,
    /// Whether there was no policy of that name before.
    pub(crate) created: bool,
    /// Whether the evidence begins anew.
    pub(crate) new_session: bool,
    /// One line per changed field.
    pub(crate) diff: Vec<String>,
    /// What was changed at run time since a document was put last, and is not so any more.
    pub(crate) undone: Vec<Undone>,
    /// What the author of the change should know, in words.
    pub(crate) warnings: Vec<String>,
}

/// A policy that is not there any more.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deleted {
    /// Its name.
    pub(crate) release: String,
    /// Its last generation: a policy of the same name goes on from there.
    pub(crate) generation: u64,
}

/// All generations of a policy.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct History {
    /// The policy's name.
    pub(crate) release: String,
    /// Oldest first; the last one is in force.
    pub(crate) generations: Vec<Generation>,
}

/// How a generation came about.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Generation {
    /// Its number.
    pub(crate) generation: u64,
    /// When, RFC 3339.
    pub(crate) at: String,
    /// The author.
    pub(crate) who: String,
    /// `put`, `file`, `mirror`, `weights` or `reset`.
    pub(crate) action: String,
    /// Why; may be empty.
    pub(crate) reason: String,
    /// One line per changed field.
    pub(crate) diff: Vec<String>,
}

impl From<Entry> for Generation {
    fn from(entry: Entry) -> Self {
        let Entry { generation, at, who, action, reason, diff, .. } = entry;
        Self { generation, at, who, action, reason, diff }
    }
}

/// The audit of a release.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Audit {
    /// Oldest first.
    pub(crate) entries: Vec<Entry>,
    /// The first entry that is not as it was written; none if all are.
    pub(crate) broken_at: Option<u64>,
    /// What is not as it was written, in the audit of the release or in what is kept of all audits together; usually nothing.
    #[serde(default)]
    pub(crate) findings: Vec<Finding>,
}
