//! A set of exchanges, all of a release or those of an endpoint.

use serde::{Deserialize, Serialize};

use crate::coins::{Coins, Known, Lead};
use crate::compared::{Difference, Exchange};
use crate::hypothesis::Counting;
use crate::kind::{Differing, Kind};
use crate::latency::{Ladder, Legs};
use crate::quiet::Quiet;
use crate::sparse::is_default;
use crate::stats::Paired;

/// A set of exchanges.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Group {
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) exchanges: u64,
    /// Those of which the proxy did not send a shadow. Whether a breaker opens depends on the candidate's own load, so
    /// such an exchange says nothing about its answers.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) not_sent: u64,
    /// Those with a control leg, all shadows sent.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) controlled: u64,
    /// Controlled ones whose control answered with the primary's outcome and status.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) effective: u64,
    /// Controlled ones where only the candidate differs in something, …
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) worse: u64,
    /// … where only the control does.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) better: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) first_us: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) last_us: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) legs: Legs,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) ladder: Ladder,
    /// In how many only the candidate differs at a quiet place, or only the control.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) quiet: Quiet,
    /// Which clients asked.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) known: Known,
    /// In which blocks of time, and for which clients, one leg alone differs in anything.
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) coins: Coins,
}

impl Group {
    pub(super) fn take(&mut self, exchange: &Exchange, counting: &mut Counting<'_>) {
        self.exchanges += 1;
        self.first_us = if self.first_us == 0 { exchange.at_us } else { self.first_us.min(exchange.at_us) };
        self.last_us = self.last_us.max(exchange.at_us);
        self.legs.record(exchange);
        if exchange.unsent.is_some() {
            self.not_sent += 1;
            return;
        }
        let Some(control) = &exchange.control else { return };
        self.controlled += 1;
        counting.moment.nth = self.controlled;
        self.effective += u64::from(control.comparable);
        self.known.count(counting.moment.bucket);
        self.tally(exchange, counting);
        if let Some((candidate_us, control_us)) = exchange.latencies() {
            self.ladder.observe(candidate_us, control_us, counting);
        }
    }

    /// X = 1{only the candidate differs in something} − 1{only the control does}, each over its own hypotheses.
    ///
    /// Of every controlled exchange, deliberately not of the effective ones alone, which the control's answer selects: a
    /// random error of the candidate would count as worse, the same error of the control would drop the exchange, and no
    /// service with errors of its own could ever be promoted. Fields count where both answered as the primary did, which
    /// is as symmetric.
    fn tally(&mut self, exchange: &Exchange, counting: &Counting<'_>) {
        let of_itself = |difference: &&Difference| difference.subject.1 != Kind::Farther;
        let alone =
            |leg| exchange.differences.iter().filter(of_itself).any(|difference| difference.of == leg);
        let sign = match (alone(Differing::Candidate), alone(Differing::Control)) {
            (true, false) => 1,
            (false, true) => -1,
            _ => return,
        };
        self.worse += u64::from(sign > 0);
        self.better += u64::from(sign < 0);
        self.coins.count(counting.moment, sign, Lead { candidate: self.worse, control: self.better });
    }

    pub(super) fn forget_blocks(&mut self) {
        self.coins.forget_blocks();
        self.ladder.coins.iter_mut().for_each(Coins::forget_blocks);
    }

    /// X of the controlled exchanges.
    pub(crate) fn paired(&self) -> Paired {
        Paired::new(self.controlled, self.worse, self.better)
    }
}
