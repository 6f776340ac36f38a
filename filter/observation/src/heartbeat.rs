//! What a filter instance says of itself: the generation that it runs, and its accounts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::hex::Instance;

/// What a filter instance (one VM of a proxy worker) says about itself while it polls for its policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// The policy's name.
    pub release: String,
    /// Who speaks.
    pub instance: Instance,
    /// The generation it runs; `None` before the first policy and while it runs an inline one.
    pub generation: Option<u64>,
    /// Everything since the instance began.
    pub accounts: Accounts,
}

/// Cumulative counts of one filter instance. `requests = mirrored + Σ not_mirrored`, and
/// `mirrored = delivered + Σ undelivered + unknown + what is still in flight`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Accounts {
    /// Requests that ended at the filter.
    pub requests: u64,
    /// Exchanges that left for the shadows.
    pub mirrored: u64,
    /// Requests that were not mirrored, by reason.
    pub not_mirrored: BTreeMap<String, u64>,
    /// Observations that the comparator acknowledged.
    pub delivered: u64,
    /// Observations that the comparator certainly does not have, by reason.
    pub undelivered: BTreeMap<String, u64>,
    /// Observations whose delivery got no answer, after the retry.
    pub unknown: u64,
}
