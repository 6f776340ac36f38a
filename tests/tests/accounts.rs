//! Every request and every observation is accounted for, at both ends of the wire, while everything goes wrong at once.
//!
//! What each end must tell: requests = mirrored + not mirrored; mirrored = delivered + undelivered + unknown; received = compared +
//! refused + duplicates. And between the ends: what was delivered is stored, once; what is stored was delivered, or is unknown.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use antumbra_e2e::client::Client;
use antumbra_e2e::clients::{self, Clients};
use antumbra_e2e::comparator::Comparator;
use antumbra_e2e::envoy_config::EnvoyConfig;
use antumbra_e2e::patience::until;
use antumbra_e2e::services::Services;
use antumbra_e2e::upstream::{Behaviour, Reply};
use antumbra_e2e::world::{Accounts, World};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Some writes are mirrored and some are too large, so that there are reasons not to mirror.
const POLICY: &str = "
version: 1
name: shop
variants:
  stable: {cluster: stable}
  candidate: {cluster: canary-shadow}
  control: {cluster: control, isolated: true}
default: stable
lease: 2s
rules:
- mirror:
  - {to: candidate, percent: 90, unsafeMethods: allow, timeout: 300ms, control: {to: control, percent: 100}}
";

/// A release whose candidate is never the same twice.
struct Release {
    world: World,
    services: Services,
    shipped: EnvoyConfig,
    watched: PathBuf,
    _directory: TempDir,
}

impl Release {
    async fn start() -> Result<Self> {
        let stable = Behaviour::Made(clients::stable);
        let candidate = Behaviour::InTurn(vec![
            stable.clone(),
            Behaviour::Answer(Reply::json(r#"{"another": "answer"}"#)),
            Behaviour::Reset,
            Behaviour::Slow(Duration::from_millis(100), Reply::json("{}")),
            stable.clone(),
            Behaviour::Hang,
        ]);
        let services = Services::start([stable.clone(), candidate, stable]).await?;
        let directory = tempfile::tempdir()?;
        let watched = directory.path().join("listeners.json");
        let mut shipped = None;
        let world = World::start_with(services.versions(), POLICY, |config| {
            let config = config.listener(SocketAddr::from(([127, 0, 0, 1], 0)))?.plugin(&plugin(250))?;
            shipped = Some(config.clone());
            let (config, listeners) = config.watched(&watched)?;
            std::fs::write(&watched, listeners)?;
            Ok(config)
        })
        .await?;
        let shipped = shipped.context("the configuration was changed on the way")?;
        Ok(Self { world, services, shipped, watched, _directory: directory })
    }

    /// Kills the comparator, and starts it again when the filters had to give up some observations.
    async fn lose_the_comparator(&mut self) -> Result<()> {
        let lost = |accounts: Accounts| accounts.undelivered + accounts.unknown;
        let before = lost(self.counted_by_the_proxy().await?);
        let (address, directory) = (self.world.comparator.address, self.world.directory().to_owned());
        self.world.comparator.kill()?;
        until("observations are lost", || async {
            Ok((lost(self.counted_by_the_proxy().await?) > before).then_some(()))
        })
        .await?;
        self.world.comparator = Comparator::start(&directory, address, None).await?;
        self.world.converged().await
    }

    /// Gives the proxy another plugin configuration, and waits until the new filters speak.
    async fn reconfigure(&self, poll_ms: u64) -> Result<()> {
        let old = self.filters().await?.len();
        let config = self.shipped.clone().plugin(&plugin(poll_ms))?;
        replace(&self.watched, &config.watched(&self.watched)?.1)?;
        until("the new filters speak", || async { Ok((self.filters().await?.len() > old).then_some(())) })
            .await
    }

    async fn filters(&self) -> Result<Vec<Value>> {
        let status = self.world.comparator.get("/v1/status").await?;
        Ok(status["releases"][0]["filters"].as_array().cloned().unwrap_or_default())
    }

    async fn counted_by_the_proxy(&self) -> Result<Accounts> {
        Accounts::of_proxy(&self.world.envoy, "shop").await
    }
}

fn plugin(poll_ms: u64) -> Value {
    let comparator = json!({"cluster": "antumbra", "poll": format!("{poll_ms}ms"), "timeout": "1s"});
    json!({"release": "shop", "comparator": comparator})
}

fn replace(file: &Path, text: &str) -> Result<()> {
    let new = file.with_extension("new");
    std::fs::write(&new, text)?;
    Ok(std::fs::rename(new, file)?)
}

#[tokio::test]
async fn both_ends_account_for_everything() -> Result<()> {
    let mut release = Release::start().await?;
    let mut load = Clients::of(&release.world).go_on();
    load.goes_on(200).await?;
    release.lose_the_comparator().await?;
    load.goes_on(200).await?;
    release.reconfigure(260).await?;
    load.goes_on(200).await?;
    let sent = load.end().await?;

    let filters = release.world.settled(sent).await?;
    let proxy = release.world.settled_in_the_proxy(sent).await?;
    check_filters(&release, &filters, sent).await?;
    assert_eq!(proxy, filters, "filters that ended are still told of by both");
    check_comparator(&release.world, &filters).await?;
    release.world.assert_no_traps().await
}

/// The comparator knows filters from their heartbeats alone; what those that ended counted before it started is with the proxy.
#[tokio::test]
async fn the_proxy_still_counts_for_filters_that_ended_before_the_comparator_started_again() -> Result<()> {
    let mut release = Release::start().await?;
    let mut load = Clients::of(&release.world).go_on();
    load.goes_on(200).await?;
    release.reconfigure(260).await?;
    load.goes_on(200).await?;
    release.lose_the_comparator().await?;
    release.reconfigure(270).await?;
    load.goes_on(200).await?;
    let sent = load.end().await?;

    let proxy = release.world.settled_in_the_proxy(sent).await?;
    check_filters(&release, &proxy, sent).await?;
    check_comparator(&release.world, &proxy).await?;
    release.world.assert_no_traps().await
}

async fn check_filters(release: &Release, accounts: &Accounts, sent: u64) -> Result<()> {
    assert_eq!(release.services.stable.received().len() as u64, sent, "every request was served, and once");
    assert_eq!(release.world.envoy.statistic("http.shop.downstream_rq_total").await?, sent);
    assert_eq!(accounts.requests, sent, "{accounts:?}");
    assert!(accounts.add_up(), "{accounts:?}");
    let nothing_happened =
        [accounts.mirrored, accounts.not_mirrored, accounts.undelivered + accounts.unknown];
    assert!(!nothing_happened.contains(&0), "{accounts:?}");
    Ok(())
}

async fn check_comparator(world: &World, filters: &Accounts) -> Result<()> {
    let accounts = world.comparator.get("/v1/status").await?["accounts"].clone();
    let count = |name: &str| accounts[name].as_u64().unwrap_or(0);
    let refused: BTreeMap<String, u64> = serde_json::from_value(accounts["refused"].clone())?;
    let all_refused: u64 = refused.values().sum();
    assert_eq!(count("inFlight"), 0, "{accounts}");
    assert_eq!(count("received"), count("compared") + all_refused + count("duplicates"), "{accounts}");

    let acknowledged = ["superseded", "elsewhere", "repeated", "same_id"]
        .iter()
        .filter_map(|reason| refused.get(*reason))
        .sum::<u64>();
    let stored = count("compared") + acknowledged;
    let at_most = filters.delivered + filters.unknown;
    assert!((filters.delivered..=at_most).contains(&stored), "{accounts} {filters:?}");
    assert_eq!(world.comparator.report("shop").await?["exchanges"], count("compared"));

    let metrics = Client::default().get(&format!("{}/metrics", world.comparator.url())).await?.text();
    let metric = |name: &str| {
        let line =
            metrics.lines().find_map(|line| line.strip_prefix(&format!("antumbra_comparator_{name} ")));
        line.and_then(|value| value.parse::<u64>().ok())
    };
    for (name, shown) in
        [("received_total", "received"), ("compared_total", "compared"), ("duplicates_total", "duplicates")]
    {
        assert_eq!(metric(name), Some(count(shown)), "{name}");
    }
    Ok(())
}
