//! What became of every observation: `received = compared + refused + duplicates + in flight`, at every instant.
//!
//! All five change under one lock, so that no reader sees them between two states, and what is stored is always a
//! state in which nothing is in flight: after a crash the sums still hold.

use std::sync::{Mutex, MutexGuard, PoisonError};

use antumbra_store::Accounts;

/// Why an observation is not part of the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// A header of the batch is malformed.
    Header,
    /// The media type is none of ours.
    MediaType,
    /// The body is over the limit.
    TooLarge,
    /// The body did not arrive in full.
    Incomplete,
    /// The body does not decode.
    Undecodable,
    /// The sender speaks a newer contract.
    FutureVersion,
    /// No policy of that name.
    UnknownRelease,
    /// Its token is for other releases.
    ForeignRelease,
    /// Handed over although no mirror of the policy has the comparator ask that variant.
    UnmirroredTarget,
    /// Handed over although no mirror of the policy sends that method there.
    UnmirroredMethod,
    /// Handed over for a cluster whose address nobody named.
    UnknownTarget,
    /// Decided under a policy whose evidence ended.
    Superseded,
    /// A variant other than the primary answered the client: the verdict does not speak about such exchanges.
    Elsewhere,
    /// Its client had asked the same endpoint a moment before: a retry is not another exchange.
    Repeated,
    /// It arrived before, by its name: sent again in another batch, or by somebody else.
    SameId,
    /// More sources than may send observations of a release came before the one that sent it.
    OneSourceTooMany,
    /// A token is required, and it is of an instance of which the token's bearer sent no heartbeat.
    UnknownInstance,
    /// Comparing it failed, which is a defect of the comparator.
    Failed,
    /// Comparing it, and what came with it, takes more work than one batch may.
    TooMuchWork,
    /// Too much is in flight already.
    Overloaded,
    /// The store failed.
    Store,
}

impl Reason {
    /// The name in metrics, answers and accounts.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::MediaType => "media_type",
            Self::TooLarge => "too_large",
            Self::Incomplete => "incomplete",
            Self::Undecodable => "undecodable",
            Self::FutureVersion => "future_version",
            Self::UnknownRelease => "unknown_release",
            Self::ForeignRelease => "foreign_release",
            Self::UnmirroredTarget => "unmirrored_target",
            Self::UnmirroredMethod => "unmirrored_method",
            Self::UnknownTarget => "unknown_target",
            Self::Superseded => "superseded",
            Self::Elsewhere => "elsewhere",
            Self::Repeated => "repeated",
            Self::SameId => "same_id",
            Self::OneSourceTooMany => "one_source_too_many",
            Self::UnknownInstance => "unknown_instance",
            Self::Failed => "failed",
            Self::TooMuchWork => "too_much_work",
            Self::Overloaded => "overloaded",
            Self::Store => "store",
        }
    }
}

/// What became of observations that were in flight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Part of the evidence.
    pub(crate) compared: u64,
    /// Seen before.
    pub(crate) duplicates: u64,
    /// Of a policy that was deleted since they arrived.
    pub(crate) unknown_release: u64,
    /// Decided under a policy whose evidence ended.
    pub(crate) superseded: u64,
    /// Answered by a variant that is not compared with.
    pub(crate) elsewhere: u64,
    /// Asked again by the same client within a moment.
    pub(crate) repeated: u64,
    /// Of the same name as one that was counted.
    pub(crate) same_id: u64,
    /// Of one source more than may send observations of a release.
    pub(crate) one_source_too_many: u64,
    /// The store failed.
    pub(crate) unstored: u64,
}

impl Settled {
    /// Both together.
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            compared: self.compared + other.compared,
            duplicates: self.duplicates + other.duplicates,
            unknown_release: self.unknown_release + other.unknown_release,
            superseded: self.superseded + other.superseded,
            elsewhere: self.elsewhere + other.elsewhere,
            repeated: self.repeated + other.repeated,
            same_id: self.same_id + other.same_id,
            one_source_too_many: self.one_source_too_many + other.one_source_too_many,
            unstored: self.unstored + other.unstored,
        }
    }

    fn total(self) -> u64 {
        let uncounted = self.unknown_release
            + self.superseded
            + self.elsewhere
            + self.repeated
            + self.same_id
            + self.one_source_too_many;
        self.compared + self.duplicates + uncounted + self.unstored
    }

    fn apply(self, accounts: &mut Accounts) {
        accounts.compared += self.compared;
        accounts.duplicates += self.duplicates;
        refuse(accounts, Reason::UnknownRelease, self.unknown_release);
        refuse(accounts, Reason::Superseded, self.superseded);
        refuse(accounts, Reason::Elsewhere, self.elsewhere);
        refuse(accounts, Reason::Repeated, self.repeated);
        refuse(accounts, Reason::SameId, self.same_id);
        refuse(accounts, Reason::OneSourceTooMany, self.one_source_too_many);
        refuse(accounts, Reason::Store, self.unstored);
        accounts.in_flight = accounts.in_flight.saturating_sub(self.total());
    }
}

/// The accounts of a running comparator.
#[derive(Debug)]
pub(crate) struct Ledger(Mutex<Accounts>);

impl Ledger {
    /// Goes on from what was stored.
    pub(crate) fn new(stored: Accounts) -> Self {
        Self(Mutex::new(stored))
    }

    /// Observations arrived and wait for their commit.
    pub(crate) fn receive(&self, count: u64) {
        let mut accounts = self.lock();
        accounts.received += count;
        accounts.in_flight += count;
    }

    /// Observations arrived and were turned away at the door.
    pub(crate) fn refuse(&self, reason: Reason, count: u64) {
        let mut accounts = self.lock();
        accounts.received += count;
        refuse(&mut accounts, reason, count);
    }

    /// Observations that were in flight are no more.
    pub(crate) fn settle(&self, settled: Settled) {
        settled.apply(&mut self.lock());
    }

    /// The accounts as they are to be stored together with `settled`: without what is still in flight.
    pub(crate) fn after(&self, settled: Settled) -> Accounts {
        let mut accounts = self.lock().clone();
        settled.apply(&mut accounts);
        accounts.received = accounts.received.saturating_sub(accounts.in_flight);
        accounts.in_flight = 0;
        accounts
    }

    /// The accounts now.
    pub(crate) fn now(&self) -> Accounts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Accounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refuse(accounts: &mut Accounts, reason: Reason, count: u64) {
    if count > 0 {
        *accounts.refused.entry(reason.as_str().to_owned()).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_accounts_add_up_at_every_step() {
        let ledger = Ledger::new(Accounts::default());
        ledger.receive(10);
        ledger.refuse(Reason::TooLarge, 3);
        assert!(ledger.now().add_up());
        let settled = Settled {
            compared: 2,
            duplicates: 1,
            unknown_release: 1,
            superseded: 1,
            elsewhere: 1,
            same_id: 1,
            one_source_too_many: 1,
            ..Settled::default()
        };
        let stored = ledger.after(settled);
        assert!(stored.add_up(), "{stored:?}");
        assert_eq!((stored.received, stored.in_flight), (11, 0));
        ledger.settle(settled);
        let now = ledger.now();
        assert!(now.add_up(), "{now:?}");
        assert_eq!((now.received, now.compared, now.in_flight), (13, 2, 2));
        let refused = [
            ("elsewhere", 1),
            ("one_source_too_many", 1),
            ("same_id", 1),
            ("superseded", 1),
            ("too_large", 3),
            ("unknown_release", 1),
        ];
        assert_eq!(now.refused, BTreeMap::from(refused.map(|(reason, count)| (reason.to_owned(), count))));
    }
}
