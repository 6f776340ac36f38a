//! A real pair: two published versions of a service that others wrote, side by side behind a real Envoy.
//!
//! The seeded defects of the demo show that what was put in is found. Here nobody put anything in: `envoy/examples/real-pair/` has
//! the policy, the data and the requests, its page lists what differs, and the report is held against that list.

mod datasette;
mod folder;
mod listed;
mod outcome;
mod traffic;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;
use tempfile::TempDir;

pub use datasette::{CANDIDATE, Datasette, STABLE, data};
pub use listed::Listed;

use crate::comparator::Comparator;
use crate::envoy_config::EnvoyConfig;
use crate::showing::Showing;
use crate::world::World;
use crate::{cache, showing, toolchain};
use folder::{FOLDER, file};
use outcome::Outcome;

/// Two published versions of Datasette side by side: what differs, and what their page lists.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The stable version as the candidate, too: nothing is to be found.
    #[arg(long)]
    same: bool,
    /// Seeds the order of the requests.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    #[command(flatten)]
    showing: Showing,
}

/// Runs the pair to the report, or until it is interrupted.
pub fn run(options: &Options) -> Result<()> {
    showing::run(release(options))
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
    options.showing.report(&world, RELEASE, |report| Outcome::new(&listed, report)).await
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

const RELEASE: &str = "datasette";
/// Requests under way at a time. Clients wait for the primary alone: with more, the shadows fall behind on two cores, and are not sent.
const ABREAST: usize = 1;

/// Examples for the command line's help.
pub const EXAMPLES: &str = "\
Examples:
  cargo demo pair                  what differs between two versions, and whether their page lists it
  cargo demo pair --same           one version against itself
  cargo demo pair --keep           stay up, to ask both versions by hand";
