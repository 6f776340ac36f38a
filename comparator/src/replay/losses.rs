//! Exchanges that a capture says it lost: a line `{"lost": n}` stands before the next exchange that its reader was given.
//!
//! Who captured them twice, or has the same part of a file twice, lost them once. What was lost has no name, so the exchanges around it
//! tell: a loss is known if it stands before the same exchange as an equal one, or between two exchanges that another capture has, which
//! says itself what it lost between them.

use std::collections::BTreeSet;

use antumbra_observation::ExchangeId;
use serde::Deserialize;

/// The losses of captures so far.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Before the next exchange.
    pending: u64,
    /// Whether the exchange before was met before.
    follows_known: bool,
    /// Each with the exchange that it stands before.
    told: BTreeSet<(u128, u64)>,
}

/// A line that is no observation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Loss {
    lost: u64,
}

/// The number that a line says was lost, if it says that.
pub(crate) fn lost(line: &[u8]) -> Option<u64> {
    serde_json::from_slice(line).ok().map(|Loss { lost }| lost)
}

impl Losses {
    /// Notes a loss that stands here.
    pub(crate) fn note(&mut self, lost: u64) {
        self.pending = self.pending.saturating_add(lost);
    }

    /// The number of exchanges that were lost before this one, and are not known to be lost.
    pub(crate) fn before(&mut self, ExchangeId(id): ExchangeId, is_new: bool) -> u64 {
        let lost = std::mem::take(&mut self.pending);
        let between_known = std::mem::replace(&mut self.follows_known, !is_new) && !is_new;
        if lost == 0 {
            return 0;
        }
        let is_told = id != 0 && self.told.len() < MAX_TOLD && !self.told.insert((id, lost));
        if is_told || between_known { 0 } else { lost }
    }

    /// The number of exchanges that were lost behind the last one of a file.
    pub(crate) fn end(&mut self) -> u64 {
        self.follows_known = false;
        std::mem::take(&mut self.pending)
    }
}

/// Losses that are told from each other.
const MAX_TOLD: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// Exchanges by their number, negative if they were met before, and losses.
    fn counted(lines: &[(i64, u64)]) -> u64 {
        let mut losses = Losses::default();
        let counted = lines.iter().map(|(id, lost)| {
            losses.note(*lost);
            losses.before(ExchangeId(u128::from(id.unsigned_abs())), *id >= 0)
        });
        let counted: u64 = counted.sum();
        counted + losses.end()
    }

    #[test]
    fn a_loss_counts_once() {
        assert_eq!(counted(&[(1, 0), (2, 5), (3, 5)]), 10);
        // The same file again.
        assert_eq!(counted(&[(1, 4), (2, 5), (-1, 4), (-2, 5)]), 9);
        // Another capture of the same time lost others, which the first one has.
        assert_eq!(counted(&[(1, 0), (2, 0), (3, 0), (-1, 0), (-3, 1)]), 0);
        // Before, between and behind what is known, it may be anything.
        assert_eq!(counted(&[(3, 0), (4, 0), (2, 7), (-3, 1), (-4, 0), (5, 2)]), 10);
        // Exchanges without a name are not told from each other.
        assert_eq!(counted(&[(0, 5), (0, 5)]), 10);
        let mut losses = Losses::default();
        losses.note(3);
        assert_eq!((losses.end(), losses.end()), (3, 0));
        assert_eq!(
            (lost(br#"{ "lost": 3 }"#), lost(br#"{"lost":3,"a":1}"#), lost(b"{}")),
            (Some(3), None, None)
        );
    }
}
