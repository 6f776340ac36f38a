//! The demo: a release that goes wrong, or right, in front of one's eyes.
//!
//! Two versions of a small shop, a second instance of the stable one as control, the comparator, and a real Envoy with the
//! shipped configuration. Real traffic goes through Envoy, the mirrored share is raised on the way, and the comparator says
//! what it found. Everything started here ends with it.

mod outcome;
mod traffic;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::builder::ArgPredicate;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::net::TcpListener;

use crate::service::{self, Defect, Shop, Unrest};
use crate::showing::Showing;
use crate::world::{Versions, World};
use crate::{cache, showing};
use outcome::Outcome;

/// Shows a release behind a real Envoy: traffic is mirrored, the answers are compared, and a verdict is given.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Requests to send through Envoy; six times as many with `--healthy`, since it takes more to show that nothing is wrong.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    #[arg(default_value_t = 4000, default_value_if("healthy", ArgPredicate::IsPresent, "24000"))]
    requests: u64,
    /// A candidate without defects.
    #[arg(long)]
    healthy: bool,
    /// Instances that have state: each pauses, restarts or loses its cache about once a second, for less than half of the policy's
    /// shortest block of time.
    #[arg(long)]
    unrest: bool,
    /// Seeds traffic and services; the same seed sends the same requests.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    #[command(flatten)]
    showing: Showing,
}

/// Runs the demo to its end, or until it is interrupted.
pub fn run(options: &Options) -> Result<()> {
    showing::run(release(options))
}

async fn release(options: &Options) -> Result<()> {
    let defects = if options.healthy { Vec::new() } else { Defect::ALL.to_vec() };
    let versions = Versions {
        stable: shop("v1", Vec::new(), options, 1).await?,
        canary: shop("v2", defects.clone(), options, 2).await?,
        control: shop("v1", Vec::new(), options, 3).await?,
    };
    let policy =
        std::fs::read_to_string(cache::root().join("envoy/policy.yaml")).context("envoy/policy.yaml")?;
    let world = World::start(versions, &(policy + GATES)).await?;
    say_where(&world, versions);

    send_traffic(&world, options).await?;
    world.settled(options.requests).await?;

    options.showing.report(&world, "shop", |report| Outcome::new(&defects, report)).await
}

/// A version of the service on a free port, in a task of this process.
async fn shop(version: &str, defects: Vec<Defect>, options: &Options, instance: u64) -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    // Instances draw consecutive numbers from their seed: the seeds have to lie far apart.
    let seed = options.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(instance << 48);
    let unrest = options.unrest.then_some(Unrest { seed, longest: UNREST });
    let shop = Shop { version: version.to_owned(), defects, seed, unrest };
    tokio::spawn(service::serve(listener, shop, std::future::pending()));
    Ok(address)
}

fn say_where(world: &World, versions: Versions) {
    cache::say(&format!("shop through Envoy: {}", world.url("/")));
    cache::say(&format!("Envoy's admin interface: http://{}", world.envoy.admin));
    cache::say(&format!("comparator: {}", world.comparator.url()));
    let Versions { stable, canary, control } = versions;
    cache::say(&format!("stable {stable}, candidate {canary}, control {control}"));
}

/// In three parts: 10 % mirrored as the shipped policy says, then half, then all.
async fn send_traffic(world: &World, options: &Options) -> Result<()> {
    let bar = ProgressBar::new(options.requests).with_style(
        ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} requests {eta} left")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.set_message("mirroring 10%");
    let (first, second) = (options.requests / 20, options.requests / 5);
    let parts = [(0, first, "10%"), (first, second, "50%"), (second, options.requests, "100%")];
    for (from, to, share) in parts {
        if from > 0 {
            let said = world.comparator.cli(&["mirror", "set", share, "--reason", "demo"]).await?;
            world.converged().await?;
            bar.suspend(|| cache::say(&format!("$ antumbra mirror set {share}\n{}", said.trim_end())));
            bar.set_message(format!("mirroring {share}"));
        }
        let (seed, progress) = (options.seed, bar.clone());
        world
            .drive(
                to - from,
                ABREAST,
                move |number| traffic::path(seed, from + number),
                move || progress.inc(1),
            )
            .await?;
    }
    bar.finish_and_clear();
    Ok(())
}

/// Requests under way at a time: few enough that three services, a proxy and a comparator do not wait for each other on
/// two cores.
const ABREAST: usize = 8;

/// The spans of time of the demo's policy.
const GATES: &str = include_str!("demo/gates.yaml");

/// The longest pause, restart or cold cache of an instance: less than half of the shortest block of [`GATES`].
const UNREST: Duration = Duration::from_millis(45);

/// Examples for the command line's help.
pub const EXAMPLES: &str = "\
Examples:
  cargo demo                                   4000 requests, a candidate with six seeded defects
  cargo demo --healthy                         24000 requests, a candidate without defects
  cargo demo --healthy --unrest                the same, and every instance pauses, restarts and loses its cache
  cargo demo --requests 20000 --output json    machine-readable
  cargo demo --keep                            stay up, to look around and to tune by hand";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unrest_is_shorter_than_half_a_block() {
        let gates: serde_json::Value = serde_saphyr::from_str(GATES).unwrap();
        let block = gates["gates"]["block"].as_str().and_then(|block| block.strip_suffix("ms")).unwrap();
        assert!(2 * UNREST < Duration::from_millis(block.parse().unwrap()), "{block} ms");
    }
}
