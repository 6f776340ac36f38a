//! What `/v1/status` answers.

use antumbra_control::audit::Checked;
use antumbra_engine::{SourceReport, Verdict};
use antumbra_observation as observation;
use antumbra_store::Accounts;
use serde::{Deserialize, Serialize};

use crate::api::trouble::Trouble;

/// How everything stands.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    /// The comparator's version; an earlier one does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<String>,
    /// By name.
    pub(crate) releases: Vec<ReleaseStatus>,
    /// What became of every observation.
    pub(crate) accounts: Accounts,
    /// How the audits stand; an earlier version does not say it.
    #[serde(default)]
    pub(crate) audit: AuditStatus,
}

/// How the audits stand, as of the start and what was written since.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditStatus {
    /// The number of the last entry of all, and the hash over all up to it, as `17:9f86…`; none before the first entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) head: Option<String>,
    /// What is not as it was written; usually nothing.
    #[serde(default)]
    pub(crate) findings: Vec<String>,
}

impl From<&Checked> for AuditStatus {
    fn from(Checked { heads, findings, .. }: &Checked) -> Self {
        Self {
            head: (heads.all.seq > 0).then(|| heads.all.to_string()),
            findings: findings.iter().map(ToString::to_string).collect(),
        }
    }
}

/// How a release stands.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReleaseStatus {
    /// The policy's name.
    pub(crate) release: String,
    /// The generation in force.
    pub(crate) generation: u64,
    /// What today's rules have against the stored policy, which runs on and can only be replaced; usually nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) problems: Vec<String>,
    /// Whether there are filters and all that are alive run it.
    pub(crate) converged: bool,
    /// What keeps filters from doing what the policy says; usually nothing.
    #[serde(default)]
    pub(crate) troubles: Vec<Trouble>,
    /// How many filter instances speak as often as they should.
    #[serde(default)]
    pub(crate) alive: usize,
    /// How many missed three heartbeats within the last ten minutes, without having said that they end.
    #[serde(default)]
    pub(crate) gone: usize,
    /// The versions of those that are alive, by how many have each.
    #[serde(default)]
    pub(crate) versions: Vec<Versions>,
    /// Those, and those that ended within the last minute: at most 100, the alive first, by node.
    pub(crate) filters: Vec<Filter>,
    /// How many more there are.
    pub(crate) more_filters: usize,
    /// The number of the session of evidence; none while the store fails.
    pub(crate) session: Option<u64>,
    /// Exchanges in it.
    pub(crate) exchanges: Option<u64>,
    /// What they say.
    pub(crate) verdict: Option<Verdict>,
    /// Who sent the observations of the session; empty where no token tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sources: Vec<SourceReport>,
}

/// Filter instances of one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Versions {
    /// As in `0.1.0`; none where they do not say it, as those of before that version.
    pub(crate) version: Option<String>,
    /// How many there are.
    pub(crate) filters: usize,
}

/// One filter instance as shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Filter {
    /// 32 hexadecimal digits. Each thread of a proxy has one.
    pub(crate) instance: String,
    /// The name of the token that it bears, if one is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    /// What its proxy calls itself, if it said.
    #[serde(default)]
    pub(crate) node: Option<String>,
    /// Its version, if it said.
    #[serde(default)]
    pub(crate) version: Option<String>,
    /// Whether it is there.
    #[serde(default)]
    pub(crate) state: State,
    /// The generation it runs; none while it runs an inline policy or no policy.
    pub(crate) generation: Option<u64>,
    /// Seconds since its last heartbeat.
    pub(crate) seconds_since_seen: f64,
    /// Its own counts since it began.
    pub(crate) accounts: observation::Accounts,
    /// What keeps it from doing what the policy says.
    #[serde(default)]
    pub(crate) troubles: Vec<observation::Trouble>,
}

/// Whether a filter instance is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum State {
    /// It speaks as often as it should.
    #[default]
    Alive,
    /// It missed three heartbeats.
    Gone,
    /// It said that it ends.
    Ended,
}
