//! An example of `envoy/examples/` as a user runs it: its Envoy, its policy, and behind each cluster a service that says its name.
//!
//! The files are those that a user copies; only addresses, the module's path and the pace of the polls are others.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use antumbra_policy::document::Tree;
use anyhow::{Context, Result, bail, ensure};
use http::Request;
use http_body_util::Full;
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Answer, Client};
use crate::comparator::Comparator;
use crate::envoy::Envoy;
use crate::envoy_config::EnvoyConfig;
use crate::patience::until;
use crate::upstream::{Behaviour, Upstream};
use crate::world::{Accounts, WORKERS};
use crate::{cache, toolchain};

/// A running example; it ends when this is dropped. If that is because an assertion failed, Envoy's log is shown.
#[derive(Debug)]
pub struct Example {
    /// The proxy.
    pub envoy: Envoy,
    /// `None` if the policy stands in the filter's configuration.
    comparator: Option<Arc<Comparator>>,
    release: String,
    /// By the cluster that leads there.
    services: BTreeMap<String, Upstream>,
    client: Client,
    folder: PathBuf,
    directory: TempDir,
}

/// Who answered, and what it had received.
#[derive(Debug, Clone)]
pub struct Reached {
    /// The service, named as its cluster.
    pub service: String,
    /// What it said, as [`Behaviour::Echo`] has it.
    pub said: Value,
    /// The whole answer.
    pub answer: Answer,
}

impl Example {
    /// Starts `envoy/examples/<name>/` as its README does: a comparator that holds `policy.yaml`, and Envoy with `envoy.yaml`.
    pub async fn start(name: &str) -> Result<Self> {
        let directory = tempdir()?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let comparator = Arc::new(Comparator::start(directory.path(), any, None).await?);
        Self::with_comparator(folder(name), "envoy.yaml", "policy.yaml", comparator, directory).await
    }

    /// A second proxy of the same folder, with files of its own and the same comparator.
    pub async fn second(&self, envoy: &str, policy: &str) -> Result<Self> {
        let comparator = self.comparator.clone().context("there is no comparator")?;
        Self::with_comparator(self.folder.clone(), envoy, policy, comparator, tempdir()?).await
    }

    /// Starts `envoy/examples/<name>/` without a comparator: its policy stands in the filter's configuration.
    pub async fn inline(name: &str) -> Result<Self> {
        let (folder, directory) = (folder(name), tempdir()?);
        let config = Config::read(&folder, "envoy.yaml")?;
        let policy = std::fs::read_to_string(cache::root().join(&folder).join("policy.yaml"))?;
        let plugin = Inline { release: &config.release, policy: serde_saphyr::from_str(&policy)? };
        let envoy = config.envoy.clone().plugin(&plugin)?;
        Self::run(Config { envoy, ..config }, folder, None, directory).await
    }

    async fn with_comparator(
        folder: PathBuf,
        envoy: &str,
        policy: &str,
        comparator: Arc<Comparator>,
        directory: TempDir,
    ) -> Result<Self> {
        let file = cache::root().join(&folder).join(policy);
        comparator.cli(&["policy", "put", "--create", &file.to_string_lossy()]).await?;
        let mut config = Config::read(&folder, envoy)?;
        let mut plugin = config.envoy.plugin_configuration()?;
        plugin["comparator"]["poll"] = json!("250ms");
        plugin["comparator"]["timeout"] = json!("10s");
        config.envoy = config.envoy.plugin(&plugin)?.upstream("antumbra", comparator.address)?;
        let example = Self::run(config, folder, Some(comparator), directory).await?;
        example.converged().await?;
        Ok(example)
    }

    async fn run(
        mut config: Config,
        folder: PathBuf,
        comparator: Option<Arc<Comparator>>,
        directory: TempDir,
    ) -> Result<Self> {
        let module = tokio::task::spawn_blocking(toolchain::filter_module).await??;
        let mut services = BTreeMap::new();
        let mut envoy = config.envoy.module(&module)?;
        for cluster in config.clusters.drain(..).filter(|cluster| cluster != "antumbra") {
            let service = Upstream::start(Behaviour::Echo(cluster.clone())).await?;
            envoy = envoy.upstream(&cluster, service.address())?;
            services.insert(cluster, service);
        }
        let envoy = Envoy::start(envoy, directory.path(), WORKERS).await?;
        let (client, release) = (Client::default(), config.release);
        Ok(Self { envoy, comparator, release, services, client, folder, directory })
    }

    /// One `GET` with these headers.
    pub async fn ask(&self, path: &str, headers: &[(&str, &str)]) -> Result<Reached> {
        self.ask_by(&self.client, path, headers).await
    }

    /// One `GET` with these headers by a client of one's own.
    pub async fn ask_by(&self, client: &Client, path: &str, headers: &[(&str, &str)]) -> Result<Reached> {
        let mut request = Request::get(format!("http://{}{path}", self.envoy.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = client.send(request.body(Full::default())?).await;
        let reached = answer.and_then(Reached::read);
        reached.with_context(|| format!("GET {path} with {headers:?}; Envoy's log ends\n{}", self.log_end()))
    }

    /// The service behind a cluster.
    pub fn service(&self, cluster: &str) -> &Upstream {
        self.services.get(cluster).unwrap_or_else(|| panic!("no cluster {cluster}"))
    }

    /// Drops what all services have received so far.
    pub fn forget(&self) {
        self.services.values().for_each(Upstream::forget);
    }

    /// Runs `antumbra <arguments>` in the example's folder against its comparator, as its README says; waits until every filter
    /// runs what came of it. Answers what was printed.
    pub async fn antumbra(&self, arguments: &[&str]) -> Result<String> {
        let printed = self.comparator()?.cli(arguments).await?;
        self.converged().await?;
        Ok(printed)
    }

    /// `antumbra policy put` of a file of the example's folder.
    pub async fn put(&self, file: &str) -> Result<()> {
        let file = cache::root().join(&self.folder).join(file);
        self.antumbra(&["policy", "put", &file.to_string_lossy()]).await?;
        Ok(())
    }

    /// `antumbra policy put` of such a file with a change that an editor would make; it has to be there once.
    pub async fn put_edited(&self, file: &str, from: &str, to: &str) -> Result<()> {
        let text = std::fs::read_to_string(cache::root().join(&self.folder).join(file))?;
        ensure!(text.matches(from).count() == 1, "{file} does not have {from:?} once");
        let edited = self.directory.path().join("edited.yaml");
        std::fs::write(&edited, text.replace(from, to))?;
        self.antumbra(&["policy", "put", &edited.to_string_lossy()]).await?;
        Ok(())
    }

    /// Waits until the filters have told the comparator of at least `requests`, and every mirrored one is delivered or given up.
    pub async fn settled(&self, requests: u64) -> Result<Accounts> {
        until("the filters' accounts add up", || async {
            let release = self.status().await?;
            let filters = release["filters"].as_array().cloned().unwrap_or_default();
            let accounts = filters.iter().map(|filter| Accounts::read(&filter["accounts"])).sum::<Accounts>();
            Ok((accounts.requests >= requests && accounts.in_flight() == 0).then_some(accounts))
        })
        .await
    }

    /// An error if the filter ever failed.
    pub async fn assert_no_traps(&self) -> Result<()> {
        match self.envoy.traps().await? {
            0 => Ok(()),
            traps => bail!("the filter failed {traps} times; Envoy's log ends\n{}", self.log_end()),
        }
    }

    /// The lines `curl … # header: value` of the README, each with what it claims.
    pub fn claims(&self) -> Result<Vec<Claim>> {
        let text = std::fs::read_to_string(cache::root().join(&self.folder).join("README.md"))?;
        text.lines().filter(|line| line.starts_with("curl ")).map(Claim::read).collect()
    }

    async fn converged(&self) -> Result<()> {
        let converged = until("all filters run the newest generation", || async {
            let release = self.status().await?;
            let filters = release["filters"].as_array().map_or(0, Vec::len);
            Ok((filters > WORKERS && release["converged"] == json!(true)).then_some(()))
        });
        converged.await.with_context(|| format!("Envoy's log ends\n{}", self.log_end()))
    }

    async fn status(&self) -> Result<Value> {
        let status = self.comparator()?.get("/v1/status").await?;
        let mut releases = status["releases"].as_array().into_iter().flatten();
        let found = releases.find(|release| release["release"] == self.release.as_str());
        found.cloned().with_context(|| format!("no release {} in {status}", self.release))
    }

    fn comparator(&self) -> Result<&Comparator> {
        self.comparator.as_deref().context("there is no comparator")
    }

    fn log_end(&self) -> String {
        self.envoy.process().log_end()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: Envoy's log ends\n{}", self.folder.display(), self.log_end());
        }
    }
}

impl Reached {
    /// The values of a header that the service received, with a comma between them.
    pub fn received(&self, header: &str) -> Option<&str> {
        self.said["headers"][header].as_str()
    }

    /// The values of a header that the client got.
    pub fn got(&self, header: &str) -> Vec<String> {
        let values = self.answer.headers.get_all(header).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    }

    fn read(answer: Answer) -> Result<Self> {
        let said = answer.json()?;
        let service = said["service"].as_str().context("nobody's name is in the answer")?.to_owned();
        Ok(Self { service, said, answer })
    }
}

/// A line of a README that asks with curl, and the header that it says the answer has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Path and query.
    pub path: String,
    /// To send.
    pub headers: Vec<(String, String)>,
    /// To be in the answer.
    pub expected: (String, String),
}

impl Claim {
    fn read(line: &str) -> Result<Self> {
        let read = || {
            let (command, expected) = line.split_once(" # ")?;
            let (_, target) = command.split_once("localhost:10000")?;
            let path = target.split([' ', '\'']).next()?;
            let given = command.split(" -H '").skip(1).map(|rest| pair(rest.split('\'').next()?));
            let headers = given.collect::<Option<Vec<_>>>()?;
            Some(Self { path: path.to_owned(), headers, expected: pair(expected)? })
        };
        read().with_context(|| {
            format!("not curl -si 'localhost:10000/…' -H 'name: value' # name: value: {line}")
        })
    }
}

fn pair(header: &str) -> Option<(String, String)> {
    let (name, value) = header.trim().split_once(": ")?;
    Some((name.to_owned(), value.to_owned()))
}

/// What of an example's files matters to start it.
struct Config {
    envoy: EnvoyConfig,
    release: String,
    clusters: Vec<String>,
}

impl Config {
    fn read(folder: &std::path::Path, file: &str) -> Result<Self> {
        let mut envoy = EnvoyConfig::read(&folder.join(file).to_string_lossy())?;
        let plugin = envoy.plugin_configuration()?;
        let release = plugin["release"].as_str().context("the filter's configuration names no release")?;
        Ok(Self { release: release.to_owned(), clusters: envoy.clusters()?, envoy })
    }
}

/// A filter's configuration without a comparator; the policy in the order in which it is written.
#[derive(Serialize)]
struct Inline<'a> {
    release: &'a str,
    policy: Tree,
}

/// Relative to the repository's root.
fn folder(name: &str) -> PathBuf {
    PathBuf::from("envoy/examples").join(name)
}

fn tempdir() -> Result<TempDir> {
    tempfile::tempdir().context("no temporary directory")
}

/// Whether so many of `of` independent draws is what a share of `percent` gives: within four standard deviations of the
/// binomial count.
pub fn is_share(count: usize, of: usize, percent: f64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand draws")]
    let (count, of) = (count as f64, of as f64);
    let share = percent / 100.0;
    (count - of * share).abs() <= 4.0 * (of * share * (1.0 - share)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares() {
        for (count, of, percent, expected) in [
            (0, 100, 0.0, true),
            (1, 100, 0.0, false),
            (100, 100, 100.0, true),
            (250, 1000, 25.0, true),
            (304, 1000, 25.0, true),
            (305, 1000, 25.0, false),
            (195, 1000, 25.0, false),
        ] {
            assert_eq!(is_share(count, of, percent), expected, "{count} of {of} as {percent} %");
        }
    }

    #[test]
    fn a_line_of_a_readme() {
        let line =
            "curl -si 'localhost:10000/a?b=1' -H 'cookie: c=d' -H 'x-e: f g'   # x-antumbra-variant: pre";
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let claim = Claim {
            path: "/a?b=1".to_owned(),
            headers: vec![header("cookie", "c=d"), header("x-e", "f g")],
            expected: header("x-antumbra-variant", "pre"),
        };
        assert_eq!(Claim::read(line).unwrap(), claim);
        assert_eq!(Claim::read("curl -si localhost:10000/ # x-a: b").unwrap().path, "/");
        assert!(Claim::read("curl -si localhost:10000/").is_err());
    }
}
