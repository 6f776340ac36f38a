//! Which exchanges were met a while ago: one counts once, however often and by whomever it is sent.
//!
//! A filter draws the 128 bits of a name for each exchange, so that two exchanges share one as good as never. Zero is no name. Memory is
//! bounded: when the younger half is full the older one is forgotten, and who comes again after that long counts again. Nothing of it
//! is stored: after a restart batches are still known by their numbers, single exchanges are not.

use std::collections::HashSet;

use antumbra_observation::ExchangeId;

/// The names of the latest exchanges, in two halves by age.
#[derive(Debug)]
pub(crate) struct Seen {
    young: HashSet<u128>,
    old: HashSet<u128>,
    half: usize,
}

impl Seen {
    /// Knows the last `half` names at least, and twice as many at most.
    pub(crate) fn new(half: usize) -> Self {
        Self { young: HashSet::new(), old: HashSet::new(), half }
    }

    /// Whether the exchange was not met before, or has no name to tell it by.
    pub(crate) fn is_new(&mut self, ExchangeId(id): ExchangeId) -> bool {
        if id == 0 {
            return true;
        }
        if self.young.contains(&id) || self.old.contains(&id) {
            return false;
        }
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_again_is_known_unless_nobody_says_who_it_is() {
        let mut seen = Seen::new(2);
        let found = [1, 2, 1, 0, 0, 3, 2, 4, 5, 1, 4].map(|id| seen.is_new(ExchangeId(id)));
        assert_eq!(found, [true, true, false, true, true, true, false, true, true, true, false]);
        assert!((6..1_000).all(|id| seen.is_new(ExchangeId(id))));
        assert!(seen.young.len() <= 2 && seen.old.len() <= 2);
    }
}
