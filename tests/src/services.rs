//! The three versions of a service that stand behind a release, each an upstream that does what a test says.

use anyhow::Result;

use crate::upstream::{Behaviour, Upstream};
use crate::world::Versions;

/// They end when this is dropped.
#[derive(Debug)]
pub struct Services {
    /// Serves the clients.
    pub stable: Upstream,
    /// The new version, for mirrored requests and for the clients that the policy sends there.
    pub canary: Upstream,
    /// The stable version once more, for mirrored requests.
    pub control: Upstream,
}

impl Services {
    /// Starts the stable version, the new one, and the control, in this order.
    pub async fn start([stable, canary, control]: [Behaviour; 3]) -> Result<Self> {
        Ok(Self {
            stable: Upstream::start(stable).await?,
            canary: Upstream::start(canary).await?,
            control: Upstream::start(control).await?,
        })
    }

    /// Starts three that behave alike.
    pub async fn alike(behaviour: Behaviour) -> Result<Self> {
        Self::start([behaviour.clone(), behaviour.clone(), behaviour]).await
    }

    /// Where they are.
    pub fn versions(&self) -> Versions {
        let Self { stable, canary, control } = self;
        Versions { stable: stable.address(), canary: canary.address(), control: control.address() }
    }

    /// The three of them, in the order of [`Services::start`].
    pub fn each(&self) -> [&Upstream; 3] {
        [&self.stable, &self.canary, &self.control]
    }
}
