//! A real Envoy with the shipped configuration, on free ports.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::client::Client;
use crate::envoy_binary;
use crate::envoy_config::EnvoyConfig;
use crate::patience::until;
use crate::process::Process;

/// A running Envoy.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    /// Where clients come in.
    pub address: SocketAddr,
    /// The admin interface.
    pub admin: SocketAddr,
    client: Client,
}

impl Envoy {
    /// Starts Envoy with `config`, listener and admin on free ports, its files in `directory`; waits until it serves with
    /// that many worker threads.
    pub async fn start(config: EnvoyConfig, directory: &Path, workers: usize) -> Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = if config.has_listeners() { config.listener(any)? } else { config };
        let config = config.admin(any)?;
        let file = directory.join("envoy.json");
        let admin_file = directory.join("envoy-admin.txt");
        std::fs::write(&file, config.text()).with_context(|| format!("cannot write {}", file.display()))?;
        let mut command = Command::new(envoy_binary::find()?.path);
        command.arg("-c").arg(&file).arg("--admin-address-path").arg(&admin_file);
        command.args(["--concurrency", &workers.to_string(), "--disable-hot-restart", "-l", "info"]);
        // A listener that is replaced says so with its next answer on each connection, before the drain time cuts what is left.
        command.args(["--drain-time-s", "1", "--drain-strategy", "immediate"]);
        let mut process = Process::spawn(command, "envoy", directory)?;

        let client = Client::default();
        let admin: SocketAddr = until("Envoy names its admin address", || {
            let found = std::fs::read_to_string(&admin_file).ok().and_then(|text| text.trim().parse().ok());
            let alive = process.check();
            async move { alive.map(|()| found) }
        })
        .await?;
        let ready = format!("http://{admin}/ready");
        until("Envoy is ready", || {
            let alive = process.check();
            let (client, ready) = (&client, &ready);
            async move {
                alive?;
                Ok(client.get(ready).await.ok().filter(|answer| answer.status == 200))
            }
        })
        .await?;
        let listeners = client.get(&format!("http://{admin}/listeners?format=json")).await?.json()?;
        Ok(Self { process, address: listener_address(&listeners["listener_statuses"][0])?, admin, client })
    }

    /// Where each listener listens, by its name.
    pub async fn listeners(&self) -> Result<BTreeMap<String, SocketAddr>> {
        let url = format!("http://{}/listeners?format=json", self.admin);
        let listeners: Value = self.client.get(&url).await?.json()?;
        let all = listeners["listener_statuses"].as_array().into_iter().flatten();
        let named = |listener: &Value| {
            let name = listener["name"].as_str().unwrap_or_default().to_owned();
            Ok((name, listener_address(listener)?))
        };
        all.map(named).collect()
    }

    /// The value of one of Envoy's statistics; 0 if there is none of that name.
    pub async fn statistic(&self, name: &str) -> Result<u64> {
        let filter = name.replace('.', "\\.");
        let stats =
            self.client.get(&format!("http://{}/stats?filter=^{filter}$&format=json", self.admin)).await?;
        Ok(stats.json()?["stats"][0]["value"].as_u64().unwrap_or(0))
    }

    /// The counters and gauges with this word in their names, by what follows it.
    pub async fn statistics(&self, word: &str) -> Result<BTreeMap<String, u64>> {
        let filter = word.replace('.', "\\.");
        let stats =
            self.client.get(&format!("http://{}/stats?filter={filter}&format=json", self.admin)).await?;
        let stats = stats.json()?;
        let stats = stats["stats"].as_array().into_iter().flatten();
        Ok(stats
            .filter_map(|stat| {
                let (_, name) = stat["name"].as_str()?.split_once(word)?;
                Some((name.to_owned(), stat["value"].as_u64()?))
            })
            .collect())
    }

    /// How often the filter's VM failed since the start: what Envoy counted when it made a new one, and, since it does so
    /// only at the next request, the failures that its log names.
    pub async fn traps(&self) -> Result<u64> {
        let logged = self
            .process
            .log()
            .lines()
            .filter(|line| TRAP_LINES.iter().any(|text| line.contains(text)))
            .count();
        let stats = self.client.get(&format!("http://{}/stats?format=json", self.admin)).await?.json()?;
        let counts = stats["stats"].as_array().into_iter().flatten().filter(|stat| {
            let name = stat["name"].as_str().unwrap_or_default();
            name.starts_with("wasm.") && name.contains(".vm_reload")
        });
        Ok(counts.filter_map(|stat| stat["value"].as_u64()).sum::<u64>() + logged as u64)
    }

    /// An error with the end of Envoy's log if the filter ever failed.
    pub async fn assert_no_traps(&self) -> Result<()> {
        let traps = self.traps().await?;
        ensure!(traps == 0, "the filter failed {traps} times; Envoy's log ends\n{}", self.process.log_end());
        Ok(())
    }

    /// All statistics in the text form of Prometheus.
    pub async fn prometheus(&self) -> Result<String> {
        Ok(self.client.get(&format!("http://{}/stats/prometheus", self.admin)).await?.text())
    }

    /// The process, for its log and its id.
    pub fn process(&self) -> &Process {
        &self.process
    }
}

/// Of one listener as the admin interface shows it.
fn listener_address(listener: &Value) -> Result<SocketAddr> {
    let socket = &listener["local_address"]["socket_address"];
    let text = format!("{}:{}", socket["address"].as_str().unwrap_or_default(), socket["port_value"]);
    text.parse().with_context(|| format!("Envoy's listener: {listener}"))
}

/// What Envoy's log says of a VM that trapped.
const TRAP_LINES: [&str; 1] = ["Uncaught RuntimeError"];
