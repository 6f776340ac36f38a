//! The way of observations to the writer, whoever made the shadow calls.

use std::sync::Arc;

use antumbra_observation::{Instance, Observation};

use crate::api::problem::Problem;
use crate::ingest::comparing::{Compared, Comparing, Failed};
use crate::live::ledger::{Reason, Settled};
use crate::live::metrics::Metrics;
use crate::live::policies::Policies;
use crate::live::registry::Registry;
use crate::live::room::{Reserved, Room};
use crate::plugins::Plugins;
use crate::shadows::targets::Targets;
use crate::writer::{Batch, Handle};

/// What taking observations in needs.
pub(crate) struct Intake {
    pub(crate) writer: Handle,
    pub(crate) room: Room,
    pub(crate) policies: Arc<Policies>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) metrics: Metrics,
    pub(crate) targets: Targets,
    pub(crate) plugins: Plugins,
    pub(crate) comparing: Comparing,
}

/// Why observations were not taken in.
pub(crate) enum Untaken {
    /// The comparator is about to end.
    Stopped,
    /// The store failed, in its words.
    Unstored(String),
    /// Comparing them failed.
    Failed,
}

impl Intake {
    /// Has the plugins run over observations, compares them, and hands them to the writer; answers once they are durable.
    pub(crate) async fn submit(
        &self,
        id: Option<(Instance, u64)>,
        observations: Vec<Observation>,
        mut reserved: Reserved,
    ) -> Result<Settled, Untaken> {
        let count = observations.len() as u64;
        let (observations, prepared) =
            self.plugins.prepare_all(&self.policies, observations, &mut reserved).await;
        let compared = self.comparing.batch(observations, prepared).await.map_err(|Failed| {
            self.writer.refuse(Reason::Failed, count);
            Untaken::Failed
        })?;
        let Compared { observations, prepared, compared } = compared;
        let submitted =
            self.writer.submit(|reply| Batch { id, observations, prepared, compared, reserved, reply });
        submitted.await.map_err(|_| Untaken::Stopped)?.map_err(Untaken::Unstored)
    }
}

impl Untaken {
    /// The reason in words.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Stopped => "the comparator is about to end".to_owned(),
            Self::Unstored(why) => why,
            Self::Failed => "comparing the batch failed; the log of the comparator says more".to_owned(),
        }
    }
}

impl From<Untaken> for Problem {
    fn from(untaken: Untaken) -> Self {
        match untaken {
            // Sent again it would fail again.
            Untaken::Failed => Self::unjudged(untaken.words()),
            _ => Self::unavailable(untaken.words()),
        }
    }
}
