//! Whether the comparator can be reached by an instance's own calls: who cannot reach it is no poller for others.
//!
//! A worker of a proxy has connections of its own, and they may be dead where those of the others are not. After some polls in a row
//! without an answer it stands aside for a while, so that another one gets to try first.

use std::time::Duration;

/// One instance's.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    missed: u32,
    aside_until: Option<Duration>,
}

impl Reach {
    /// The comparator answered a call of this instance.
    pub(crate) fn reached(&mut self) {
        *self = Self::default();
    }

    /// A poll of this instance met nobody.
    pub(crate) fn missed(&mut self, now: Duration) {
        self.missed = self.missed.saturating_add(1);
        if self.missed >= MAX_MISSED {
            self.aside_until = Some(now.saturating_add(ASIDE));
        }
    }

    /// It gets another try, whatever was.
    pub(crate) fn begin_anew(&mut self) {
        *self = Self::default();
    }

    /// Whether others had better try first.
    pub(crate) fn stands_aside(&self, now: Duration) -> bool {
        self.aside_until.is_some_and(|until| now < until)
    }
}

/// Polls in a row: with the timeout and the lease that are the default, fewer than a lease has room for.
const MAX_MISSED: u32 = 3;
/// Longer than it takes all instances of a proxy to try.
const ASIDE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn stands_aside_after_some_misses_in_a_row_and_for_a_while() {
        let second = Duration::from_secs;
        let mut reach = Reach::default();
        reach.missed(second(1));
        reach.missed(second(2));
        reach.reached();
        reach.missed(second(3));
        reach.missed(second(4));
        assert!(!reach.stands_aside(second(4)), "an answer came in between");
        reach.missed(second(5));
        assert!(reach.stands_aside(second(5)) && reach.stands_aside(second(34)));
        assert!(!reach.stands_aside(second(35)));
        reach.missed(second(36));
        assert!(reach.stands_aside(second(36)), "still in a row");
        reach.begin_anew();
        assert!(!reach.stands_aside(second(36)));
    }
}
