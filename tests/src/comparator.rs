//! The comparator as a process of its own: the harness's binary executes itself as `antumbra`.
//!
//! Cargo builds the binary of another crate only if that crate is asked for, so a test of this crate alone could not
//! count on it. This crate links the comparator's library instead, and its own binary becomes `antumbra` by its first argument. It has no
//! WebAssembly runtime, which would take as long to compile as all the rest; so it refuses plugins.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::client::Client;
use crate::patience::until;
use crate::process::Process;

/// A running comparator.
#[derive(Debug)]
pub struct Comparator {
    process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    directory: PathBuf,
    client: Client,
}

impl Comparator {
    /// Starts one whose database and policy file lie in `directory`; port 0 is a free one.
    pub async fn start(directory: &Path, listen: SocketAddr, policy: Option<&str>) -> Result<Self> {
        Self::start_with(directory, listen, policy, &[]).await
    }

    /// The same with services that it asks itself, by the names of their clusters.
    pub async fn start_with(
        directory: &Path,
        listen: SocketAddr,
        policy: Option<&str>,
        targets: &[(&str, SocketAddr)],
    ) -> Result<Self> {
        let options: Vec<String> =
            targets.iter().map(|(cluster, address)| format!("--target={cluster}=http://{address}")).collect();
        Self::start_as(directory, listen, policy, &options).await
    }

    /// Starts one that runs on these cores alone, by their numbers; `taskset` (util-linux) sees to that.
    pub async fn start_on(directory: &Path, policy: &str, cores: &str) -> Result<Self> {
        let antumbra = antumbra()?;
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", cores]).arg(antumbra.get_program()).args(antumbra.get_args());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_by(command, directory, any, Some(policy), &[]).await
    }

    /// Starts one on a free port that asks everybody for this secret, which is an administrator's.
    pub async fn start_guarded(directory: &Path, policy: &str, secret: &str) -> Result<Self> {
        let file = directory.join("token");
        let mut open = OpenOptions::new();
        let mut written = open.write(true).create(true).truncate(true).mode(0o600).open(&file)?;
        written.write_all(secret.as_bytes())?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_as(directory, any, Some(policy), &[format!("--token-file={}", file.display())]).await
    }

    async fn start_as(
        directory: &Path,
        listen: SocketAddr,
        policy: Option<&str>,
        options: &[String],
    ) -> Result<Self> {
        Self::start_by(antumbra()?, directory, listen, policy, options).await
    }

    async fn start_by(
        mut command: Command,
        directory: &Path,
        listen: SocketAddr,
        policy: Option<&str>,
        options: &[String],
    ) -> Result<Self> {
        command
            .arg("serve")
            .args(["--listen", &listen.to_string()])
            .arg("--data")
            .arg(directory.join("antumbra.db"));
        if let Some(policy) = policy {
            let file = directory.join("policy.yaml");
            std::fs::write(&file, policy).with_context(|| format!("cannot write {}", file.display()))?;
            command.arg("--policy").arg(file);
        }
        command.args(options);
        let mut process = Process::spawn(command, "antumbra", directory)?;
        let address = until("the comparator names its address", || {
            let found = announced(&process.log());
            let alive = process.check();
            async move { alive.map(|()| found) }
        })
        .await?;
        Ok(Self { process, address, directory: directory.to_owned(), client: Client::default() })
    }

    /// `http://…`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Runs `antumbra <arguments>` against it and answers what it printed; an error if it fails.
    pub async fn cli(&self, arguments: &[&str]) -> Result<String> {
        let output = self.cli_output(arguments).await?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("antumbra {} ended with {}: {said}", arguments.join(" "), output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs `antumbra <arguments>` against it.
    pub async fn cli_output(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = antumbra()?;
        command.args(arguments).env("ANTUMBRA_SERVER", self.url());
        tokio::process::Command::from(command).output().await.context("cannot run antumbra")
    }

    /// The report as JSON.
    pub async fn report(&self, release: &str) -> Result<Value> {
        self.get(&format!("/v1/releases/{release}/report")).await
    }

    /// A path of its interface as JSON.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.client.get(&format!("{}{path}", self.url())).await?.json()
    }

    /// Ends it as an operator would (SIGTERM).
    pub fn terminate(&mut self) -> Result<()> {
        self.process.terminate()
    }

    /// Ends it as a failing machine would (SIGKILL).
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// The process, for its log and its id.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// A command that runs as `antumbra`.
pub fn antumbra() -> Result<Command> {
    let mut command = Command::new(harness()?);
    command.arg(AS_ANTUMBRA);
    Ok(command)
}

/// The first argument that makes the harness's binary `antumbra`.
pub const AS_ANTUMBRA: &str = "antumbra";

/// The harness's binary: this process, or, from a test, the binary that cargo built beside it.
fn harness() -> Result<PathBuf> {
    let this = std::env::current_exe().context("the own executable has no path")?;
    if this.file_stem().is_some_and(|name| name == HARNESS) {
        return Ok(this);
    }
    let profile = this.parent().and_then(Path::parent).context("the test has no target directory")?;
    let built = profile.join(HARNESS);
    if !built.is_file() {
        bail!("{} is not there; cargo builds it with the tests of this crate", built.display());
    }
    Ok(built)
}

fn announced(log: &str) -> Option<SocketAddr> {
    let (_, after) = log.rsplit_once("listening on http://")?;
    after.lines().next()?.trim().parse().ok()
}

const HARNESS: &str = "antumbra-demo";
