//! Which of candidate and control was asked first, over the exchanges of a release.
//!
//! The tests rest on legs that are exchangeable, and who sends them draws which one is asked first. Where one leg always is, the other finds
//! a service that was just asked: a queue is longer there, a balance smaller, a clock later. Then the farther of two times or numbers says
//! who was asked second, not which version is wrong.

use serde::{Deserialize, Serialize};

use crate::farther::Side;
use crate::stats::{self, ratio};

/// In how many exchanges each leg was asked first, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Order {
    candidate: u64,
    control: u64,
}

impl Order {
    pub(crate) fn count(&mut self, first: Option<Side>) {
        match first {
            Some(Side::Candidate) => self.candidate += 1,
            Some(Side::Control) => self.control += 1,
            None => {}
        }
    }

    /// Whether the legs are shown not to be asked first alike: the time-uniform interval of the candidate's share excludes one half.
    pub(crate) fn is_uneven(self) -> bool {
        stats::ln_against_rate(self.candidate, self.exchanges(), 0.5) >= -LEVEL.ln()
    }

    /// The leg that is asked first more often, the share of the exchanges in which it is, and their number.
    pub(crate) fn favours(self) -> (Side, f64, u64) {
        let (side, more) = if self.candidate > self.control {
            (Side::Candidate, self.candidate)
        } else {
            (Side::Control, self.control)
        };
        (side, ratio(more, self.exchanges()), self.exchanges())
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.candidate += other.candidate;
        self.control += other.control;
    }

    fn exchanges(self) -> u64 {
        self.candidate + self.control
    }
}

/// The chance of ever taking an even order for an uneven one. As small as that of a roll back: an order that always favours one leg is seen
/// before a place that follows it can be condemned.
const LEVEL: f64 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;

    fn order(candidate: u64, control: u64) -> Order {
        Order { candidate, control }
    }

    #[test]
    fn an_order_is_even_until_it_is_shown_not_to_be() {
        for (candidate, control, uneven) in [
            (0, 0, false),
            (9, 0, false),
            (10, 0, true),
            (0, 10, true),
            (9, 1, false),
            (500, 500, false),
            (520, 480, false),
            (600, 400, true),
            (3_920, 80, true),
        ] {
            assert_eq!(order(candidate, control).is_uneven(), uneven, "{candidate} {control}");
        }
    }

    #[test]
    fn it_is_seen_before_a_place_that_follows_it_can_be_condemned() {
        let unseen = (0..).take_while(|n| !order(*n, 0).is_uneven()).last().unwrap();
        assert!(stats::ln_evidence(unseen, 0) + stats::ln_weight(1) < -LEVEL.ln(), "{unseen} exchanges");
    }

    #[test]
    fn counts_add() {
        let mut counted = Order::default();
        [Some(Side::Candidate), None, Some(Side::Control), Some(Side::Control)]
            .into_iter()
            .for_each(|first| counted.count(first));
        counted.merge(order(1, 5));
        assert_eq!(counted, order(2, 7));
        assert_eq!(counted.favours(), (Side::Control, 7.0 / 9.0, 9));
    }
}
