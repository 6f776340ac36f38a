//! What a filter instance says of itself: the generation that it runs, and its accounts.

use serde::{Deserialize, Serialize};

use crate::contract::VERSION;
use crate::counts::Counts;
use crate::hex::Instance;
use crate::not_mirrored::NotMirrored;
use crate::reason::Meaning;
use crate::trouble::Trouble;
use crate::undelivered::Undelivered;
use crate::unsafe_method::UnsafeMethod;

/// What a filter instance (one VM of a proxy worker) says about itself while it polls for its policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    /// The [`VERSION`](crate::VERSION) of the sender.
    pub version: u32,
    /// The name of the policy.
    pub release: String,
    /// The filter instance that speaks.
    pub instance: Instance,
    /// The generation that the instance runs; `None` before the first policy and while it runs an inline one.
    pub generation: Option<u64>,
    /// What the instance counted since it began.
    pub accounts: Accounts,
    /// What keeps it from doing what the policy says, at most [`MAX_TROUBLES`](crate::MAX_TROUBLES). Earlier filters do not say it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub troubles: Vec<Trouble>,
    /// The proxy's name for itself, if it has one. Earlier filters do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Milliseconds within which the instance speaks again, if all is well. Earlier filters do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_ms: Option<u64>,
    /// The version of the filter, such as `0.1.0`. Earlier filters do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_version: Option<String>,
    /// The instance ends, and says nothing any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends: bool,
}

impl Heartbeat {
    /// A heartbeat of an instance that has nothing else to say.
    pub fn new(release: &str, instance: Instance, generation: Option<u64>, accounts: Accounts) -> Self {
        Self {
            version: VERSION,
            release: release.to_owned(),
            instance,
            generation,
            accounts,
            troubles: Vec::new(),
            node: None,
            every_ms: None,
            filter_version: None,
            ends: false,
        }
    }
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
    pub not_mirrored: Counts<NotMirrored>,
    /// Of the requests in `not_mirrored` with [`NotMirrored::UnsafeMethod`], the methods. Earlier filters do not say them.
    pub unsafe_methods: Counts<UnsafeMethod>,
    /// Observations that the comparator acknowledged.
    pub delivered: u64,
    /// Observations that the comparator certainly does not have, by reason.
    pub undelivered: Counts<Undelivered>,
    /// Observations whose delivery got no answer, after the retry.
    pub unknown: u64,
}

impl Accounts {
    /// Sampled exchanges that were kept from the shadows, so that what is compared is a thinned sample.
    pub fn thinned(&self) -> u64 {
        self.not_mirrored.that_mean(Meaning::Thinned)
    }

    /// Observations that are lost, or may be: `undelivered` and `unknown` together.
    pub fn lost(&self) -> u64 {
        self.undelivered.that_mean(Meaning::Lost).saturating_add(self.unknown)
    }
}
