//! Comparing on all cores, before the one thread that counts.
//!
//! What a batch was compared by goes with it: the writer looks whether that still holds, and compares anew what was overtaken by another
//! policy or another session.

use std::sync::Arc;

use antumbra_observation::Observation;
use tokio::sync::Semaphore;

use crate::live::known::Known;
use crate::live::policies::Policies;
use crate::plugins::{Preparations, Prepared};
use crate::writer::Under;

/// Compares batches, as many at a time as there are processors.
pub(crate) struct Comparing {
    policies: Arc<Policies>,
    known: Arc<Known>,
    places: Arc<Semaphore>,
}

/// A batch whose answers are compared.
pub(crate) struct Compared {
    /// As they came.
    pub(crate) observations: Vec<Observation>,
    /// What plugins made of them.
    pub(crate) prepared: Preparations,
    /// What comparing made of each; none of what nobody has a policy for.
    pub(crate) compared: Vec<Option<Under>>,
}

/// Comparing ended by a panic, which is a defect of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failed;

impl Comparing {
    /// Compares by the policies in force and by what is known when a batch comes.
    pub(crate) fn new(policies: Arc<Policies>, known: Arc<Known>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { policies, known, places: Arc::new(Semaphore::new(processors)) }
    }

    /// Compares a batch, on a thread on which that may take its time.
    pub(crate) async fn batch(
        &self,
        observations: Vec<Observation>,
        prepared: Preparations,
    ) -> Result<Compared, Failed> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let (policies, known) = (Arc::clone(&self.policies), Arc::clone(&self.known));
        let running = tokio::task::spawn_blocking(move || {
            let _place = place;
            let each = observations.iter().enumerate();
            let compared = each.map(|(at, one)| under(&policies, &known, one, prepared.get(&at))).collect();
            Compared { observations, prepared, compared }
        });
        running.await.map_err(|error| {
            tracing::error!(%error, "comparing a batch ended unexpectedly");
            Failed
        })
    }
}

/// The outline is read first: if a session begins in between, the policy is the newer one, and the writer sees that they do not fit.
fn under(
    policies: &Policies,
    known: &Known,
    observation: &Observation,
    prepared: Option<&Prepared>,
) -> Option<Under> {
    let known = known.get(&observation.release);
    let version = policies.get(&observation.release)?;
    let compared = Prepared::compare(prepared, observation, version.document.rules(), &known.evidence);
    Some(Under { generation: version.generation, session: known.session, compared })
}
