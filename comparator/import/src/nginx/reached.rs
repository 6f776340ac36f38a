//! Where the requests of a place go, with the old version of those of which that cannot be told.

use super::goal::{Goal, Old};
use super::value::{Cases, Outcome, one};

/// Where the requests of a place go, and which version is the old one of those of which that cannot be told.
pub(super) struct Reached {
    pub(super) goals: Cases<Goal>,
    pub(super) old: Old,
}

impl Reached {
    /// An answer of nginx's own.
    pub(super) fn answer() -> Self {
        Self { goals: one(Goal::Answer), old: Old::Nowhere }
    }

    /// What cannot be told, and may be any place of the server.
    pub(super) fn shared() -> Self {
        Self { goals: one(Goal::Old(Old::Shared)), old: Old::Shared }
    }
}

/// Says of requests that keep the old version which one that is.
pub(super) fn settle(outcome: &mut Outcome<Goal>, own: &Old) {
    let settle = |goal: &mut Goal| {
        if *goal == Goal::Old(Old::Own) {
            *goal = Goal::Old(own.clone());
        }
    };
    match outcome {
        Outcome::One(goal) => settle(goal),
        Outcome::Drawn(_, parts) => parts.iter_mut().for_each(|(_, goal)| settle(goal)),
    }
}
