//! Bursts count once: what is discordant in one span of time, or for one client, is one coin and not many.
//!
//! The test of a hypothesis takes exchanges to be independent. Those of one pause, of one restart, of one cache that is refilled are not,
//! and neither are those of a client whose result sticks to it. So a regression also has to show in several separate blocks of time,
//! and for several clients where these are known. This is a guard beside the test, which alone keeps the level α; what passes the test
//! and not yet the guard is suspected.

mod blocks;
mod clients;
mod confirmation;

use serde::{Deserialize, Serialize};

pub(crate) use self::blocks::Blocks;
pub(crate) use self::clients::{Bucket, Clients, Known, bucket};
pub(crate) use self::confirmation::Confirmation;
use crate::kind::Sign;
use crate::sparse::is_default;

/// The coins of one hypothesis.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Coins {
    #[serde(skip_serializing_if = "is_default")]
    blocks: Blocks,
    #[serde(skip_serializing_if = "is_default")]
    clients: Clients,
}

/// When an exchange was and who asked, as far as coins need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The number of the block of time since 1970, modulo 2^32.
    pub(crate) block: u32,
    pub(crate) bucket: Option<Bucket>,
    /// Which of the exchanges with a control it is, of those that are counted together.
    pub(crate) nth: u64,
}

impl Coins {
    /// Counts one discordant exchange of a hypothesis of which `lead` says how far the candidate is ahead of the control, among how many.
    pub(crate) fn count(&mut self, moment: Moment, sign: Sign, lead: Lead) {
        self.blocks.count(moment.block, sign, moment.nth);
        if let Some(bucket) = moment.bucket.filter(|_| lead.is_remarkable()) {
            self.clients.count(bucket, sign);
        }
    }

    /// Adds what another engine counted, of other exchanges.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.blocks.merge(&other.blocks);
        self.clients.merge(&other.clients);
    }

    /// Whether the hypothesis shows in enough blocks that are over by the block `now`, after so many exchanges `in_all`, and for enough of
    /// the clients that are `known`, each at the level `alpha`.
    pub(crate) fn confirm(&self, now: u32, in_all: u64, known: &Known, alpha: f64) -> Confirmation {
        match self.blocks.confirm(now, in_all, alpha) {
            Confirmation::Confirmed => self.clients.confirm(known, alpha),
            lacking => lacking,
        }
    }

    /// Forgets all blocks: their length changed.
    pub(crate) fn forget_blocks(&mut self) {
        self.blocks = Blocks::default();
    }
}

/// How often only the candidate differed, and only the control.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lead {
    pub(crate) candidate: u64,
    pub(crate) control: u64,
}

impl Lead {
    /// The candidate is ahead by more than chance does in one of about 25 cases. Evidence of ten or more implies it: n·KL(p‖½) ≤
    /// n·(2p − 1)²·ln 2, and ln 10/ln 2 > 3.
    fn is_remarkable(self) -> bool {
        let ahead = self.candidate.saturating_sub(self.control);
        ahead.saturating_mul(ahead) >= self.candidate.saturating_add(self.control).saturating_mul(3)
    }
}
