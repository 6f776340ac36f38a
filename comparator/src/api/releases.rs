//! What `/v1/releases/{name}` answers, its report aside.

use serde::{Deserialize, Serialize};

/// A session that just began.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Begun {
    /// The policy's name.
    pub(crate) release: String,
    /// Its number.
    pub(crate) session: u64,
    /// The generation that begins it: the same document, so that the filters' observations tell the builds apart.
    pub(crate) generation: u64,
}
