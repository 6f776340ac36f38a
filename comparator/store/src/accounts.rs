//! What became of every observation, as it is stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts of observations since the store was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accounts {
    /// All that arrived.
    pub received: u64,
    /// Those that are part of the evidence.
    pub compared: u64,
    /// Those that were turned away, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Those that came again with a batch that was acknowledged before.
    pub duplicates: u64,
    /// Those that wait for their commit.
    pub in_flight: u64,
}

impl Accounts {
    /// Whether every observation is accounted for.
    pub fn add_up(&self) -> bool {
        self.received == self.compared + self.refused.values().sum::<u64>() + self.duplicates + self.in_flight
    }
}
