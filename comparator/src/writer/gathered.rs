//! The evidence of one release in its current session, as the writer counts it.

use antumbra_control::Session;
use antumbra_engine::{Compared, Evidence, Taken, encode_compared};
use antumbra_store::JournalEntry;

use crate::seen::Seen;

/// The evidence of a release in its current session.
pub(crate) struct Gathered {
    /// The session.
    pub(crate) session: Session,
    /// What is known in it.
    pub(crate) evidence: Evidence,
    /// Which exchanges of the session were met since this process began or last lost a commit.
    pub(super) seen: Seen,
    /// Exchanges in the journal of the session: what the stored evidence lacks.
    pub(super) journalled: u64,
    /// What was counted since the last commit.
    compared: Vec<Compared>,
    repeated: u64,
}

impl Gathered {
    /// Evidence that is stored as it is.
    pub(crate) fn new(session: Session, evidence: Evidence) -> Self {
        let seen = Seen::new(MAX_SEEN);
        Self { session, evidence, seen, journalled: 0, compared: Vec::new(), repeated: 0 }
    }

    /// Counts an exchange.
    pub(super) fn take(&mut self, compared: Compared) -> Taken {
        let taken = self.evidence.take(&compared);
        match taken {
            Taken::Repeated => self.repeated += 1,
            Taken::Compared | Taken::WarmingUp | Taken::Elsewhere => self.compared.push(compared.anonymous()),
        }
        taken
    }

    /// What was counted since this was asked last, for the journal; none if nothing was.
    pub(super) fn take_counted(&mut self) -> Option<JournalEntry> {
        let (compared, repeated) = (std::mem::take(&mut self.compared), std::mem::take(&mut self.repeated));
        self.journalled += compared.len() as u64;
        let any = !compared.is_empty() || repeated > 0;
        any.then(|| JournalEntry { repeated, compared: encode_compared(&compared) })
    }
}

/// Names of exchanges, of 16 bytes and some more each: two minutes at a thousand mirrored exchanges a second.
const MAX_SEEN: usize = 131_072;
