//! What is in force and in memory now, shared by all who serve: policies, filters, accounts, captures, bytes in flight.

pub(crate) mod captures;
pub(crate) mod known;
pub(crate) mod ledger;
pub(crate) mod metrics;
pub(crate) mod policies;
pub(crate) mod registry;
pub(crate) mod room;
