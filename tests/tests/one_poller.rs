//! A proxy asks for its policy once, not once for each thread: one filter instance asks, and the others hear from it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use antumbra_e2e::envoy::Envoy;
use antumbra_e2e::envoy_config::EnvoyConfig;
use antumbra_e2e::patience::until;
use antumbra_e2e::recorder::Recorder;
use antumbra_e2e::toolchain;
use antumbra_observation::Instance;
use anyhow::{Context, Result};
use serde_json::{Value, json};

const POLICY: &str =
    "{version: 1, name: shop, variants: {stable: {cluster: stable}}, default: stable, rules: []}";
const WORKERS: usize = 2;
/// The main thread has an instance of its own.
const INSTANCES: usize = WORKERS + 1;

#[tokio::test]
async fn an_idle_proxy_asks_once_for_all_its_threads() -> Result<()> {
    let proxy = Proxy::start().await?;
    proxy.all_run_it(INSTANCES).await?;
    assert_one_asks(&proxy.window().await?);

    // A new one reaches all of them by way of the one that asks.
    proxy.recorder.publish(&POLICY.replace("rules: []", "rules: [], lease: 20s"))?;
    proxy.all_run_it(INSTANCES).await?;

    // With a new plugin configuration all instances are new, the one that asked is gone, and another one takes its place.
    let before: Vec<Instance> = proxy.recorder.asked().into_keys().collect();
    proxy.reconfigure()?;
    until("new instances run the policy", || async {
        let speaking = proxy.recorder.asked().into_keys().filter(|one| !before.contains(one)).count();
        Ok((speaking == INSTANCES).then_some(()))
    })
    .await?;
    // The old ones live as long as their listener drains, which is far less than this takes.
    proxy.window().await?;
    let asked = proxy.window().await?;
    assert!(before.iter().all(|gone| asked.get(gone).is_none_or(|times| *times <= 1)), "{asked:?}");
    assert_one_asks(&asked);
    proxy.recorder.publish(POLICY)?;
    proxy.all_run_it(INSTANCES).await?;
    proxy.envoy.assert_no_traps().await
}

/// In the window one asked twenty times. The others speak every ten seconds; on a machine that stands still for seconds another may
/// have begun to ask in between.
fn assert_one_asks(asked: &BTreeMap<Instance, u64>) {
    let most = asked.values().copied().max().unwrap_or(0);
    let others = asked.values().sum::<u64>() - most;
    assert!(others < most, "one instance asked {most} times, the others {others}: {asked:?}");
}

/// Everything that runs.
struct Proxy {
    envoy: Envoy,
    recorder: Recorder,
    shipped: EnvoyConfig,
    directory: tempfile::TempDir,
}

impl Proxy {
    async fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let recorder = Recorder::start(POLICY).await?;
        let module = tokio::task::spawn_blocking(toolchain::filter_module).await??;
        let shipped = EnvoyConfig::shipped()?
            .module(&module)?
            .plugin(&plugin("2s"))?
            .upstream("antumbra", recorder.address())?
            .listener(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let watched = listeners(directory.path());
        let (config, text) = shipped.clone().watched(&watched)?;
        std::fs::write(&watched, text)?;
        let envoy = Envoy::start(config, directory.path(), WORKERS).await?;
        Ok(Self { envoy, recorder, shipped, directory })
    }

    fn reconfigure(&self) -> Result<()> {
        let watched = listeners(self.directory.path());
        let (_, text) = self.shipped.clone().plugin(&plugin("3s"))?.watched(&watched)?;
        let new = watched.with_extension("new");
        std::fs::write(&new, text)?;
        Ok(std::fs::rename(new, watched)?)
    }

    /// Waits until so many instances say that they run the newest policy.
    async fn all_run_it(&self, instances: usize) -> Result<()> {
        let converged = until("all instances run the policy", || async {
            Ok((self.recorder.instances() == instances).then_some(()))
        });
        converged.await.with_context(|| self.envoy.process().log_end())
    }

    /// How often each instance asks while one of them asks twenty times.
    async fn window(&self) -> Result<BTreeMap<Instance, u64>> {
        let before = self.recorder.asked();
        let since = |mut asked: BTreeMap<Instance, u64>| {
            asked.iter_mut().for_each(|(one, times)| *times -= before.get(one).copied().unwrap_or(0));
            asked
        };
        until("one instance asked twenty times", || async {
            let asked = since(self.recorder.asked());
            Ok(asked.values().any(|times| *times >= 20).then_some(asked))
        })
        .await
    }
}

fn listeners(directory: &Path) -> std::path::PathBuf {
    directory.join("listeners.json")
}

fn plugin(timeout: &str) -> Value {
    json!({"release": "shop", "comparator": {"cluster": "antumbra", "poll": "200ms", "timeout": timeout}})
}
