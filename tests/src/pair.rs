//! A real pair: two published versions of a service that others wrote, side by side behind a real Envoy.
//!
//! The seeded defects of the demo show that what was put in is found. Here nobody put anything in: `envoy/examples/real-pair/` has
//! the policy, the data and the requests, its page lists what differs, and the report is held against that list.

mod datasette;
mod listed;
mod outcome;
mod traffic;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde_json::json;
use tempfile::TempDir;

pub use datasette::{CANDIDATE, Datasette, STABLE, data};
pub use listed::Listed;

use crate::comparator::Comparator;
use crate::envoy_config::EnvoyConfig;
use crate::world::World;
use crate::{cache, envoy_binary, toolchain};
use outcome::Outcome;

/// Two published versions of Datasette side by side: what differs, and what their page lists.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The stable version as the candidate, too: nothing is to be found.
    #[arg(long)]
    same: bool,
    /// What to print on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// Seeds the order of the requests.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Stay up after the report until interrupted, and print the addresses.
    #[arg(long)]
    keep: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The report as the comparator's command line prints it.
    Text,
    /// `{verdict, listed, not_found, not_listed, slower, report}`.
    Json,
}

/// Runs the pair to the report, or until it is interrupted.
pub fn run(options: &Options) -> Result<()> {
    toolchain::filter_module()?;
    envoy_binary::find()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            done = release(options) => done,
            interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
        }
    })
}

async fn release(options: &Options) -> Result<()> {
    let directory = tempfile::tempdir().context("no temporary directory")?;
    let candidate = if options.same { STABLE } else { CANDIDATE };
    let pair = Pair::start(candidate, directory.path()).await?;
    let world = pair.behind_envoy(directory).await?;
    say_where(&pair, &world);

    let requests = traffic::requests(&file("requests.txt"), options.seed)?;
    let count = requests.len() as u64;
    let path = move |number| usize::try_from(number).ok().and_then(|at| requests.get(at).cloned());
    world.drive(count, ABREAST, move |number| path(number).unwrap_or_default(), || {}).await?;
    world.settled(count).await?;

    let listed = if options.same { Vec::new() } else { Listed::all()? };
    let outcome = Outcome::new(&listed, world.comparator.report(RELEASE).await?);
    match options.output {
        Format::Json => println!("{:#}", serde_json::to_value(&outcome)?),
        Format::Text => println!("{}\n{outcome}", world.comparator.cli(&["report"]).await?),
    }
    if options.keep {
        cache::say("staying up; press Ctrl-C to end everything");
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// The three instances.
struct Pair {
    stable: Datasette,
    candidate: Datasette,
    control: Datasette,
}

impl Pair {
    async fn start(candidate: &str, directory: &Path) -> Result<Self> {
        // One file for all: its path is in their answers.
        let data = data(directory).await?;
        let (stable, candidate, control) = tokio::try_join!(
            Datasette::start(STABLE, "stable", &data),
            Datasette::start(candidate, "candidate", &data),
            Datasette::start(STABLE, "control", &data),
        )?;
        Ok(Self { stable, candidate, control })
    }

    /// The example's Envoy and policy in front of them.
    async fn behind_envoy(&self, directory: TempDir) -> Result<World> {
        let policy = std::fs::read_to_string(file("policy.yaml")).context("the example's policy.yaml")?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let comparator = Comparator::start(directory.path(), any, Some(&policy)).await?;
        let module = tokio::task::spawn_blocking(toolchain::filter_module).await??;
        let plugin = json!({"release": RELEASE, "comparator": {"cluster": "antumbra", "poll": "250ms", "timeout": "10s"}});
        let envoy = EnvoyConfig::read(&format!("{FOLDER}/envoy.yaml"))?
            .module(&module)?
            .plugin(&plugin)?
            .upstream("stable", self.stable.address)?
            .upstream("candidate", self.candidate.address)?
            .upstream("control", self.control.address)?
            .upstream("antumbra", comparator.address)?;
        World::assemble(envoy, comparator, directory).await
    }
}

fn say_where(pair: &Pair, world: &World) {
    cache::say(&format!("Datasette through Envoy: {}", world.url("/")));
    cache::say(&format!("comparator: {}", world.comparator.url()));
    for (name, service) in
        [("stable", &pair.stable), ("candidate", &pair.candidate), ("control", &pair.control)]
    {
        cache::say(&format!("{name}: Datasette {} at http://{}/", service.version, service.address));
    }
}

/// A file of the example.
fn file(name: &str) -> PathBuf {
    cache::root().join(FOLDER).join(name)
}

const FOLDER: &str = "envoy/examples/real-pair";
const RELEASE: &str = "datasette";
/// Requests under way at a time. Clients wait for the primary alone: with more, the shadows fall behind on two cores, and are not sent.
const ABREAST: usize = 1;

/// Examples for the command line's help.
pub const EXAMPLES: &str = "\
Examples:
  cargo demo pair                  what differs between two versions, and whether their page lists it
  cargo demo pair --same           one version against itself
  cargo demo pair --keep           stay up, to ask both versions by hand";
