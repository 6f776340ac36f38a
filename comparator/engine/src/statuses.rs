//! What the legs answered with: whether what was compared is what users ask for, or one failure over and over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::compared::{Call, Exchange};
use crate::wording::count;

/// Answers of each status, by leg, over exchanges of which no shadow was kept back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Statuses {
    primary: BTreeMap<u16, u64>,
    candidate: BTreeMap<u16, u64>,
    control: BTreeMap<u16, u64>,
    /// Exchanges, answered or not.
    exchanges: u64,
}

/// How many answers of each leg have a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCount {
    /// The status of HTTP, as the answer has it.
    pub status: u16,
    /// Answers of the primary.
    pub primary: u64,
    /// Answers of the candidate.
    pub candidate: u64,
    /// Answers of the control.
    pub control: u64,
}

impl Statuses {
    pub(crate) fn count(&mut self, exchange: &Exchange) {
        if exchange.unsent.is_some() {
            return;
        }
        self.exchanges += 1;
        let count = |of: &mut BTreeMap<u16, u64>, call: Call| {
            if let Some(status) = call.status {
                *of.entry(status).or_default() += 1;
            }
        };
        count(&mut self.primary, exchange.primary);
        count(&mut self.candidate, exchange.candidate.call);
        if let Some(control) = &exchange.control {
            count(&mut self.control, control.call);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let Self { primary, candidate, control, exchanges } = other;
        self.exchanges += exchanges;
        let legs =
            [(&mut self.primary, primary), (&mut self.candidate, candidate), (&mut self.control, control)];
        for (own, other) in legs {
            for (status, answers) in other {
                *own.entry(*status).or_default() += answers;
            }
        }
    }

    /// The failure with which the primary answers most often, in how many of how many exchanges.
    pub(crate) fn failure(&self) -> Option<(u16, u64, u64)> {
        let failures = self.primary.iter().filter(|(status, _)| **status >= FIRST_FAILURE);
        let (status, answers) = failures.max_by_key(|(_, answers)| **answers)?;
        Some((*status, *answers, self.exchanges))
    }

    /// By status.
    pub(crate) fn report(&self) -> Vec<StatusCount> {
        let of = |leg: &BTreeMap<u16, u64>, status: u16| leg.get(&status).copied().unwrap_or_default();
        let mut all: Vec<u16> = [&self.primary, &self.candidate, &self.control]
            .into_iter()
            .flat_map(BTreeMap::keys)
            .copied()
            .collect();
        all.sort_unstable();
        all.dedup();
        let count = |status| StatusCount {
            status,
            primary: of(&self.primary, status),
            candidate: of(&self.candidate, status),
            control: of(&self.control, status),
        };
        all.into_iter().map(count).collect()
    }
}

/// `answers by status (primary, candidate, control): 200 990, 980, 991; 500 10, 20, 9`.
pub(crate) fn worded(all: &[StatusCount]) -> String {
    let each = all.iter().take(MAX_NAMED).map(|StatusCount { status, primary, candidate, control }| {
        format!("{status} {}, {}, {}", count(*primary), count(*candidate), count(*control))
    });
    let each: Vec<String> = each.collect();
    let more = if all.len() > MAX_NAMED { "; …" } else { "" };
    format!("answers by status (primary, candidate, control): {}{more}", each.join("; "))
}

/// Statuses that a line names.
const MAX_NAMED: usize = 12;
/// From here on a status says that the client or the server failed (RFC 9110, section 15).
const FIRST_FAILURE: u16 = 400;
