//! A real Envoy with the filter, and a recorder in the comparator's place: what a test sends, and what was captured of it.
//!
//! One worker, so that budgets and counts are those of one filter instance.

use antumbra_observation::{Accounts, Observation};
use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::client::{Answer, Client};
use crate::envoy::Envoy;
use crate::envoy_config::EnvoyConfig;
use crate::patience::until;
use crate::recorder::Recorder;
use crate::world::{self, Versions};

/// Everything that runs; it ends when this is dropped.
#[derive(Debug)]
pub struct RecordedWorld {
    /// The proxy.
    pub envoy: Envoy,
    /// Where observations go.
    pub recorder: Recorder,
    /// Sends requests through the proxy.
    pub client: Client,
    _directory: TempDir,
}

impl RecordedWorld {
    /// Starts a recorder with `policy` (YAML), and the shipped Envoy, changed by `change`, in front of `versions`; waits until its
    /// worker runs the policy.
    pub async fn start(
        versions: Versions,
        policy: &str,
        change: impl FnOnce(EnvoyConfig) -> Result<EnvoyConfig>,
    ) -> Result<Self> {
        let directory = tempfile::tempdir().context("no temporary directory")?;
        let recorder = Recorder::start(policy).await?;
        let config = world::config(versions, recorder.address()).await?;
        let envoy = Envoy::start(change(config)?, directory.path(), 1).await?;
        // The main thread has an instance of its own.
        until("the filters run the policy", || async { Ok((recorder.instances() > 1).then_some(())) })
            .await
            .with_context(|| envoy.process().log_end())?;
        Ok(Self { envoy, recorder, client: Client::default(), _directory: directory })
    }

    /// `http://…` of the proxy with this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.envoy.address)
    }

    /// One `GET` through the proxy.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.client.get(&self.url(path)).await
    }

    /// The one observation of a request for this path, as soon as it is there.
    pub async fn observation(&self, path: &str) -> Result<Observation> {
        let what = format!("{path} is observed");
        let found = until(&what, || async {
            let observations = self.recorder.observations();
            Ok(observations.into_iter().find(|observation| *observation.request.path == *path.as_bytes()))
        });
        found.await.with_context(|| format!("{:?}", self.recorder.accounts()))
    }

    /// The accounts as soon as they speak of `requests` requests and nothing is open. More requests are an error, and so are
    /// accounts that do not add up, and observations that did not arrive.
    pub async fn settled(&self, requests: u64) -> Result<Accounts> {
        let what = format!("{requests} requests are settled");
        let accounts = until(&what, || async {
            let accounts = self.recorder.accounts();
            let lost = accounts.lost();
            let open = accounts.mirrored - accounts.delivered - lost;
            Ok((accounts.requests >= requests && open == 0).then_some(accounts))
        });
        let accounts = accounts.await.with_context(|| format!("{:?}", self.recorder.accounts()))?;
        let passed: u64 = accounts.not_mirrored.total();
        ensure!(accounts.requests == requests, "not {requests} requests: {accounts:?}");
        ensure!(accounts.requests == accounts.mirrored + passed, "does not add up: {accounts:?}");
        ensure!(accounts.mirrored == accounts.delivered, "not all arrived: {accounts:?}");
        Ok(accounts)
    }
}
