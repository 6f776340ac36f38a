//! A whole release on one machine: Envoy with the filter, the comparator, and whatever stands behind them.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::client::{Answer, Client};
use crate::comparator::Comparator;
use crate::envoy::Envoy;
use crate::envoy_config::EnvoyConfig;
use crate::patience::until;
use crate::toolchain;

/// Where the versions of the service are.
#[derive(Debug, Clone, Copy)]
pub struct Versions {
    /// Serves the clients.
    pub stable: SocketAddr,
    /// The new version: for the clients that the policy sends there, and for mirrored requests.
    pub canary: SocketAddr,
    /// The stable version once more, for mirrored requests alone.
    pub control: SocketAddr,
}

/// Everything that runs; it ends when this is dropped.
#[derive(Debug)]
pub struct World {
    /// The proxy.
    pub envoy: Envoy,
    /// The comparator.
    pub comparator: Comparator,
    /// Sends requests through the proxy.
    pub client: Client,
    directory: TempDir,
}

impl World {
    /// Starts a comparator with `policy` (YAML or JSON), and the shipped Envoy in front of `versions`; waits until all filters run it.
    pub async fn start(versions: Versions, policy: &str) -> Result<Self> {
        Self::start_with(versions, policy, Ok).await
    }

    /// The same with further changes to Envoy's configuration.
    pub async fn start_with(
        versions: Versions,
        policy: &str,
        change: impl FnOnce(EnvoyConfig) -> Result<EnvoyConfig>,
    ) -> Result<Self> {
        let directory = tempfile::tempdir().context("no temporary directory")?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let targets = [("canary-shadow", versions.canary), ("control", versions.control)];
        let comparator = Comparator::start_with(directory.path(), any, Some(policy), &targets).await?;
        let config = config(versions, comparator.address).await?;
        Self::assemble(change(config)?, comparator, directory).await
    }

    /// Starts an Envoy that knows this comparator and whatever stands behind it; waits until all filters run the policy.
    pub async fn assemble(config: EnvoyConfig, comparator: Comparator, directory: TempDir) -> Result<Self> {
        let envoy = Envoy::start(config, directory.path(), WORKERS).await?;
        let world = Self { envoy, comparator, client: Client::default(), directory };
        world.converged().await?;
        Ok(world)
    }

    /// Waits until every filter runs the newest generation of its policy.
    pub async fn converged(&self) -> Result<()> {
        until("all filters run the newest generation", || async {
            let status = self.comparator.get("/v1/status").await?;
            let release = &status["releases"][0];
            let alive = release["alive"].as_u64().unwrap_or(0);
            Ok((alive > WORKERS as u64 && release["converged"] == json!(true)).then_some(()))
        })
        .await
    }

    /// `http://…` of the proxy with this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.envoy.address)
    }

    /// One `GET` through the proxy.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.client.get(&self.url(path)).await
    }

    /// Sends `count` `GET`s through the proxy, at most `abreast` at a time; `path(i)` is the path of the i-th, and `each` hears of
    /// every answer, whatever its status. No answer is an error.
    pub async fn drive(
        &self,
        count: u64,
        abreast: usize,
        path: impl Fn(u64) -> String + Send + Sync + 'static,
        each: impl Fn() + Send + Sync + 'static,
    ) -> Result<()> {
        let next = Arc::new(AtomicU64::new(0));
        let (path, each) = (Arc::new(path), Arc::new(each));
        let mut workers = JoinSet::new();
        for _ in 0..abreast {
            let (client, base) = (self.client.clone(), self.url(""));
            let (next, path, each) = (Arc::clone(&next), Arc::clone(&path), Arc::clone(&each));
            workers.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return anyhow::Ok(());
                    }
                    client.get(&format!("{base}{}", path(number))).await?;
                    each();
                }
            });
        }
        while let Some(worker) = workers.join_next().await {
            worker??;
        }
        Ok(())
    }

    /// Waits until every mirrored exchange of at least `requests` is delivered or given up, and the comparator has heard so.
    pub async fn settled(&self, requests: u64) -> Result<Accounts> {
        until("the filters' accounts add up", || async {
            let status = self.comparator.get("/v1/status").await?;
            let filters = status["releases"][0]["filters"].as_array().cloned().unwrap_or_default();
            let accounts = filters.iter().map(|filter| Accounts::read(&filter["accounts"])).sum::<Accounts>();
            Ok((accounts.requests >= requests && accounts.in_flight() == 0).then_some(accounts))
        })
        .await
    }

    /// The same by the proxy's own statistics: for a world whose comparator says nothing. All filters share them, those that
    /// ended included.
    pub async fn settled_in_the_proxy(&self, requests: u64) -> Result<Accounts> {
        let last = Cell::default();
        let settled = until("the proxy's statistics add up", || async {
            let accounts = Accounts::of_proxy(&self.envoy, RELEASE).await?;
            last.set(accounts);
            // They are not read at one instant: only what adds up with all requests is final.
            Ok((accounts.requests >= requests && accounts.add_up()).then_some(accounts))
        });
        settled.await.with_context(|| format!("at least {requests} requests, and at last {:?}", last.get()))
    }

    /// The files of all that runs.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// An error if the filter ever failed.
    pub async fn assert_no_traps(&self) -> Result<()> {
        self.envoy.assert_no_traps().await
    }
}

/// What the filters counted, all together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accounts {
    /// Requests that ended.
    pub requests: u64,
    /// Exchanges that left for the shadows.
    pub mirrored: u64,
    /// Requests that did not, for all reasons together.
    pub not_mirrored: u64,
    /// Observations that the comparator acknowledged.
    pub delivered: u64,
    /// Observations that it certainly does not have.
    pub undelivered: u64,
    /// Observations that it may have.
    pub unknown: u64,
}

impl Accounts {
    /// Mirrored exchanges whose fate is open.
    pub fn in_flight(&self) -> u64 {
        self.mirrored - self.delivered - self.undelivered - self.unknown
    }

    /// Whether every request and every mirrored exchange is accounted for, none of them open.
    pub fn add_up(&self) -> bool {
        self.requests == self.mirrored + self.not_mirrored
            && self.mirrored == self.delivered + self.undelivered + self.unknown
    }

    /// What the filters of a release published as statistics of the proxy.
    pub async fn of_proxy(envoy: &Envoy, release: &str) -> Result<Self> {
        let statistics = envoy.statistics(&format!("antumbra.{release}.")).await?;
        let count = |name: &str| statistics.get(name).copied().unwrap_or(0);
        let sum = |prefix: &str| {
            statistics.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, count)| count).sum()
        };
        Ok(Self {
            requests: count("requests"),
            mirrored: count("mirrored"),
            not_mirrored: sum("not_mirrored."),
            delivered: count("delivered"),
            undelivered: sum("undelivered."),
            unknown: count("unknown"),
        })
    }

    /// What a filter told the comparator, as `/v1/status` shows it.
    pub fn read(accounts: &Value) -> Self {
        let count = |name: &str| accounts[name].as_u64().unwrap_or(0);
        let sum = |name: &str| {
            accounts[name].as_object().into_iter().flatten().filter_map(|(_, n)| n.as_u64()).sum()
        };
        Self {
            requests: count("requests"),
            mirrored: count("mirrored"),
            not_mirrored: sum("notMirrored"),
            delivered: count("delivered"),
            undelivered: sum("undelivered"),
            unknown: count("unknown"),
        }
    }
}

impl std::iter::Sum for Accounts {
    fn sum<I: Iterator<Item = Self>>(each: I) -> Self {
        each.fold(Self::default(), |sum, one| Self {
            requests: sum.requests + one.requests,
            mirrored: sum.mirrored + one.mirrored,
            not_mirrored: sum.not_mirrored + one.not_mirrored,
            delivered: sum.delivered + one.delivered,
            undelivered: sum.undelivered + one.undelivered,
            unknown: sum.unknown + one.unknown,
        })
    }
}

/// The shipped Envoy in front of `versions`, with the filter and this comparator.
pub(crate) async fn config(versions: Versions, comparator: SocketAddr) -> Result<EnvoyConfig> {
    let module = tokio::task::spawn_blocking(toolchain::filter_module).await??;
    EnvoyConfig::shipped()?
        .module(&module)?
        .plugin(&plugin())?
        .upstream("stable", versions.stable)?
        .upstream("canary", versions.canary)?
        .upstream("canary-shadow", versions.canary)?
        .upstream("control", versions.control)?
        .upstream("antumbra", comparator)
}

/// The shipped plugin configuration with a faster poll, and with patience for slow machines.
fn plugin() -> Value {
    json!({"release": RELEASE, "comparator": {"cluster": "antumbra", "poll": "250ms", "timeout": "10s"}})
}

const RELEASE: &str = "shop";

/// Worker threads of the proxy; each has a filter instance of its own, and so has the main thread.
pub(crate) const WORKERS: usize = 2;
