//! What was known of each release a while ago: comparing needs a part of it, and need not wait for the writer to get it.
//!
//! Made anew as evidence grows, by a share of it rather than by time, so that all of it together costs next to nothing. What is older
//! than it could be makes comparing find out more than is kept, and nothing wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use antumbra_control::Session;
use antumbra_engine::Evidence;

/// The outlines of the evidence, by release. Written by the writer's thread alone.
#[derive(Default)]
pub(crate) struct Known(RwLock<BTreeMap<String, Arc<Outline>>>);

/// What was known of a release.
#[derive(Default)]
pub(crate) struct Outline {
    /// The number of the session: of another one it says nothing.
    pub(crate) session: u64,
    /// The outline of its evidence.
    pub(crate) evidence: Evidence,
    exchanges: u64,
}

impl Known {
    /// What was known of a release; nothing before its first session.
    pub(crate) fn get(&self, release: &str) -> Arc<Outline> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(release).cloned().unwrap_or_default()
    }

    /// Takes over what is known now, whether or not it grew: a session began, or evidence was read back.
    pub(crate) fn replace(&self, release: &str, session: Session, evidence: &Evidence) {
        let exchanges = evidence.exchanges();
        let outline = Outline { session: session.number, evidence: evidence.outline(), exchanges };
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(release.to_owned(), Arc::new(outline));
    }

    /// Forgets a release that is not there any more.
    pub(crate) fn forget(&self, release: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(release);
    }

    /// Takes over what is known now if that is more by a good part.
    pub(crate) fn refresh(&self, release: &str, session: Session, evidence: &Evidence) {
        let before = self.get(release).exchanges;
        if evidence.exchanges() >= before + before / 4 + FIRST {
            self.replace(release, session, evidence);
        }
    }
}

/// Exchanges that make a difference while there are few.
const FIRST: u64 = 64;
