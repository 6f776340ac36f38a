//! What `/v1/audit` answers.

use antumbra_control::audit::Checked;
use serde::{Deserialize, Serialize};

/// Whether the audits of all releases are as they were written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Verified {
    /// Whether nothing is wrong.
    pub(crate) intact: bool,
    /// What is, and where the audits end.
    #[serde(flatten)]
    pub(crate) checked: Checked,
}

impl From<Checked> for Verified {
    fn from(checked: Checked) -> Self {
        Self { intact: checked.is_intact(), checked }
    }
}
