//! Contenders of one benchmark: one Envoy each, all up at once, and the same requests for each in every round.
//!
//! The order turns from round to round, so that whatever the machine does in the meantime meets all of them alike. Only Envoy's own
//! CPU time counts: neither the client nor the services nor a comparator weigh in.

use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;

use super::cpu;
use super::load::{self, Load};
use crate::envoy::Envoy;
use crate::envoy_config::EnvoyConfig;

/// One configuration of Envoy, and what it cost.
pub(super) struct Contender {
    pub(super) name: &'static str,
    pub(super) envoy: Envoy,
    /// Microseconds of CPU per request, one entry a round.
    pub(super) costs: Vec<f64>,
    _directory: TempDir,
}

impl Contender {
    /// With one worker, its files in `directory`.
    pub(super) async fn start(name: &'static str, config: EnvoyConfig, directory: TempDir) -> Result<Self> {
        let envoy = Envoy::start(config, directory.path(), 1).await?;
        Ok(Self { name, envoy, costs: Vec::new(), _directory: directory })
    }

    async fn measure(&self, load: Load, after: Duration) -> Result<f64> {
        let pid = self.envoy.process().id();
        let before = cpu::spent(pid)?;
        load::drive(self.envoy.address, load).await?;
        tokio::time::sleep(after).await;
        let spent = cpu::spent(pid)?.saturating_sub(before);
        Ok(spent.as_secs_f64() * 1e6 / load.requests as f64)
    }
}

/// Lets each contender carry the load once a round; the first round warms up. `after`: what follows an answer belongs to it for so
/// long, such as mirrored requests and batches.
pub(super) async fn alternate(
    contenders: &mut [Contender],
    rounds: u32,
    load: Load,
    after: Duration,
) -> Result<()> {
    for round in 0..=rounds {
        let shift = round as usize % contenders.len();
        contenders.rotate_left(shift);
        for contender in &mut *contenders {
            let cost = contender.measure(load, after).await?;
            if round > 0 {
                contender.costs.push(cost);
            }
        }
        contenders.rotate_right(shift);
    }
    Ok(())
}
