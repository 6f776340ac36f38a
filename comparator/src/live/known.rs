//! What was known of each release a while ago: comparing needs a part of it, and need not wait for the writer to get it.
//!
//! Made anew as evidence grows, by a share of it rather than by time, so that all of it together costs next to nothing. What is older
//! than it could be makes comparing find out more than is kept, and nothing wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use antumbra_engine::Evidence;

use crate::api::principal::Source;

/// The outlines of the evidence, by release and source. Written by the writer's thread alone.
#[derive(Default)]
pub(crate) struct Known(RwLock<BTreeMap<String, Session>>);

/// What was known in a session.
#[derive(Default)]
struct Session {
    number: u64,
    sources: BTreeMap<Option<Source>, Arc<Outline>>,
}

/// What was known of a release from one source.
#[derive(Default)]
pub(crate) struct Outline {
    /// The number of the session: of another one it says nothing.
    pub(crate) session: u64,
    /// The outline of its evidence.
    pub(crate) evidence: Evidence,
    exchanges: u64,
}

impl Known {
    /// What was known of a release from a source; nothing before its first session, or before the source sent anything in it.
    pub(crate) fn get(&self, release: &str, source: &Option<Source>) -> Arc<Outline> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(session) = all.get(release) else { return Arc::default() };
        let nothing = || Arc::new(Outline { session: session.number, ..Outline::default() });
        session.sources.get(source).cloned().unwrap_or_else(nothing)
    }

    /// A session began, or evidence was read back: nothing else is known any more.
    pub(crate) fn begin(&self, release: &str, number: u64) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(release.to_owned(), Session { number, ..Session::default() });
    }

    /// Forgets a release that is not there any more.
    pub(crate) fn forget(&self, release: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(release);
    }

    /// Takes over what is known now if that is more by a good part.
    pub(crate) fn refresh(&self, release: &str, source: &Option<Source>, evidence: &Evidence) {
        let before = self.get(release, source).exchanges;
        if evidence.exchanges() >= before + before / 4 + FIRST {
            self.replace(release, source, evidence);
        }
    }

    /// Takes over what is known now in the session, whether or not it grew.
    pub(crate) fn replace(&self, release: &str, source: &Option<Source>, evidence: &Evidence) {
        let (exchanges, evidence) = (evidence.exchanges(), evidence.outline());
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = all.get_mut(release) {
            let outline = Outline { session: session.number, evidence, exchanges };
            session.sources.insert(source.clone(), Arc::new(outline));
        }
    }
}

/// Exchanges that make a difference while there are few.
const FIRST: u64 = 64;
