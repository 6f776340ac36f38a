//! What filters delivered, as far as a report needs it: sums that go on over restarts.

use antumbra_engine::Delivery;
use antumbra_observation::{Accounts, Counts, NotMirrored, Undelivered, UnsafeMethod};
use serde::{Deserialize, Serialize};

/// What one filter instance delivered, or several of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Delivered {
    pub(super) mirrored: u64,
    pub(super) undelivered: u64,
    pub(super) not_sent: u64,
    /// What is written down knows no reasons where an earlier version wrote it.
    #[serde(default)]
    pub(super) undelivered_by: Counts<Undelivered>,
    #[serde(default)]
    pub(super) not_mirrored_by: Counts<NotMirrored>,
    #[serde(default)]
    pub(super) unsafe_methods: Counts<UnsafeMethod>,
}

impl Delivered {
    pub(super) fn of(accounts: &Accounts) -> Self {
        let Delivery {
            mirrored, undelivered, not_sent, undelivered_by, not_mirrored_by, unsafe_methods, ..
        } = Delivery::of(accounts);
        Self {
            mirrored: mirrored.min(MAX_COUNT),
            undelivered: undelivered.min(MAX_COUNT),
            not_sent: not_sent.min(MAX_COUNT),
            undelivered_by: undelivered_by.at_most(MAX_COUNT),
            not_mirrored_by: not_mirrored_by.at_most(MAX_COUNT),
            unsafe_methods: unsafe_methods.at_most(MAX_COUNT),
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            mirrored: self.mirrored.saturating_add(other.mirrored),
            undelivered: self.undelivered.saturating_add(other.undelivered),
            not_sent: self.not_sent.saturating_add(other.not_sent),
            undelivered_by: self.undelivered_by.plus(other.undelivered_by),
            not_mirrored_by: self.not_mirrored_by.plus(other.not_mirrored_by),
            unsafe_methods: self.unsafe_methods.plus(other.unsafe_methods),
        }
    }

    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            mirrored: self.mirrored.saturating_sub(earlier.mirrored),
            undelivered: self.undelivered.saturating_sub(earlier.undelivered),
            not_sent: self.not_sent.saturating_sub(earlier.not_sent),
            undelivered_by: self.undelivered_by.since(earlier.undelivered_by),
            not_mirrored_by: self.not_mirrored_by.since(earlier.not_mirrored_by),
            unsafe_methods: self.unsafe_methods.since(earlier.unsafe_methods),
        }
    }
}

/// Of one instance's count: what nobody counts in a lifetime would drown all others.
pub(super) const MAX_COUNT: u64 = 1 << 48;
