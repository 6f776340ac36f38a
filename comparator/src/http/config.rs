//! What a server is started with, and whether it starts: decided before anything is written.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use antumbra_control::audit::Keys;
use antumbra_control::refusal::Refusal;
use antumbra_control::{Command, Document, Files, State, Version, decide};
use antumbra_policy::document::Invalid;
use antumbra_store::{Found, Store, StoreError};

use crate::descriptors::Descriptors;
use crate::live::door::Connections;
use crate::plugins::Plugins;
use crate::shadows::targets::Targets;

/// What a server needs to know.
pub struct Config {
    /// The database file; made if it is not there.
    pub data: PathBuf,
    /// By which the audits are keyed; the first one keys what is written.
    pub audit_keys: Keys,
    /// Policies to put in force where they differ from what is stored.
    pub policies: Vec<Document>,
    /// The secret of an administrator's token that is not stored. Without it and without stored tokens only a loopback address is
    /// served, and everybody there may do everything.
    pub token: Option<String>,
    /// Connections that may be open at a time.
    pub connections: Connections,
    /// The services to ask where a mirror leaves that to the comparator.
    pub targets: Targets,
    /// By which the messages of gRPC answers are compared field by field.
    pub descriptors: Descriptors,
    /// What policies may name under `compare.plugins`.
    pub plugins: Plugins,
    /// How long values of answers are kept: examples in reports, exchanges to try rules on, and what could not be read and was set aside.
    pub keep_examples: Duration,
}

/// Settings that a server at some address can start with: what would be refused was, and nothing was written.
pub struct Accepted(pub(super) Config);

impl Config {
    /// Decides whether a server at this address starts, before anything is written: what is refused leaves the database as it is.
    ///
    /// # Errors
    /// [`Error::Open`], [`Error::Policy`], or [`Error::Store`] where another comparator has the database or a later version wrote it.
    pub fn accept(self, address: SocketAddr) -> Result<Accepted, Error> {
        let found = Store::look(&self.data)?;
        refuse_open(address, self.token.is_some() || found.has_tokens)?;
        let at_hand = Files { plugins: self.plugins.digests(), descriptors: self.descriptors.fingerprint() };
        self.policies.iter().try_for_each(|document| refuse_policy(document, &found, &at_hand))?;
        Ok(Accepted(self))
    }
}

/// Nothing is open by default: an address that others can reach needs tokens.
pub(super) fn refuse_open(address: SocketAddr, needs_tokens: bool) -> Result<(), Error> {
    if address.ip().is_loopback() || needs_tokens { Ok(()) } else { Err(Error::Open(address)) }
}

/// What the writer would refuse: only the policy that is stored, and what its last file said, have a part in that.
fn refuse_policy(document: &Document, found: &Found, at_hand: &Files) -> Result<(), Error> {
    let name = document.name();
    let stored = found.policies.iter().find(|(stored, _)| stored == name);
    let current = stored.map(|(_, stored)| Version::restore(name, stored));
    let known_file = found.files.iter().find(|(known, _)| known == name);
    let state = State {
        current: current.as_ref(),
        session: None,
        gathered_with: "",
        known_file: known_file.map(|(_, text)| text.as_str()),
        last_put: None,
        last_generation: 0,
        filters: 0,
        awaited: None,
        at_hand,
    };
    let same = Document::from_tree(document.tree().clone()).map_err(Refusal::from);
    let adopted = same.and_then(|same| decide(&Command::Adopt(Box::new(same)), state, 0));
    adopted.map(drop).map_err(|refusal| refused(name.to_owned(), refusal))
}

pub(super) fn refused(name: String, refusal: Refusal) -> Error {
    match refusal {
        Refusal::Invalid(invalid) => Error::Policy { name, invalid },
        other => Error::Policy { name, invalid: Invalid::single("document", other.to_string()) },
    }
}

/// How long values of answers are kept unless somebody says otherwise: a release seldom takes longer.
pub const KEEP_EXAMPLES: Duration = Duration::from_secs(7 * 86_400);

/// Why a server does not start, or ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store cannot be opened or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A policy cannot be put in force.
    #[error("policy {name:?}: {invalid}")]
    Policy {
        /// Its name.
        name: String,
        /// What is wrong.
        invalid: Invalid,
    },
    /// Everybody could change the policy.
    #[error("{0} is not a loopback address: a token file is required there, or a stored token")]
    Open(SocketAddr),
    /// The listener or a thread failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The writer ended by a panic.
    #[error("the writer's thread ended unexpectedly")]
    Writer,
}
