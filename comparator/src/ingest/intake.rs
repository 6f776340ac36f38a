//! The way of observations to the writer, whoever made the shadow calls.

use std::sync::Arc;

use antumbra_observation::{Instance, Observation};

use crate::live::ledger::Settled;
use crate::live::metrics::Metrics;
use crate::live::policies::Policies;
use crate::live::registry::Registry;
use crate::live::room::{Reserved, Room};
use crate::plugins::Plugins;
use crate::shadows::targets::Targets;
use crate::writer::{Handle, Stopped};

/// What taking observations in needs.
pub(crate) struct Intake {
    pub(crate) writer: Handle,
    pub(crate) room: Room,
    pub(crate) policies: Arc<Policies>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) metrics: Metrics,
    pub(crate) targets: Targets,
    pub(crate) plugins: Plugins,
}

impl Intake {
    /// Has the plugins run over observations and hands them to the writer; answers once they are durable.
    pub(crate) async fn submit(
        &self,
        id: Option<(Instance, u64)>,
        observations: Vec<Observation>,
        mut reserved: Reserved,
    ) -> Result<Result<Settled, String>, Stopped> {
        let (observations, prepared) =
            self.plugins.prepare_all(&self.policies, observations, &mut reserved).await;
        self.writer.submit(id, observations, prepared, reserved).await
    }
}
