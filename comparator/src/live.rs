//! What is in force and in memory now, shared by all who serve: policies, tokens, filters, accounts, captures, kept
//! exchanges, bytes in flight.

pub(crate) mod captures;
pub(crate) mod door;
pub(crate) mod kept;
pub(crate) mod known;
pub(crate) mod ledger;
pub(crate) mod metrics;
pub(crate) mod policies;
pub(crate) mod registry;
pub(crate) mod room;
pub(crate) mod size;
pub(crate) mod tokens;

use std::sync::Arc;

use antumbra_store::Accounts;
use captures::Captures;
use kept::Kept;
use known::Known;
use ledger::Ledger;
use policies::Policies;
use registry::Registry;
use tokens::Tokens;

use crate::descriptors::Descriptors;

/// What the writer's thread changes and all others read.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) policies: Arc<Policies>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) captures: Arc<Captures>,
    pub(crate) kept: Arc<Kept>,
    pub(crate) known: Arc<Known>,
    pub(crate) tokens: Arc<Tokens>,
}

impl Live {
    /// Nothing in force yet; the accounts go on from what was stored.
    pub(crate) fn new(descriptors: Descriptors, stored: Accounts) -> Self {
        Self {
            policies: Arc::new(Policies::reading(descriptors)),
            registry: Arc::default(),
            ledger: Arc::new(Ledger::new(stored)),
            captures: Arc::default(),
            kept: Arc::default(),
            known: Arc::default(),
            tokens: Arc::default(),
        }
    }
}
