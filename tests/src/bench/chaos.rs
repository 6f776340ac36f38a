//! What the primary's clients notice of a candidate that misbehaves: latency with everything mirrored into the fault, beside the
//! same filter and policy that mirror nothing.
//!
//! Two Envoys for each fault, both up at once; a pair is a round at each, and which goes first alternates. Requests leave at their
//! time, whether or not others were answered, so that a stall counts for all that it holds up. The candidate has a thread of its
//! own, but is on the same machine: what it takes of the processor is part of what is measured.

use std::time::Duration;

use anyhow::Result;
use tokio::runtime::{Builder, Handle};

use super::cpu;
use super::load::{self, Load};
use crate::misbehaving::{Misbehaving, Misbehaviour};
use crate::toolchain;
use crate::world::{Versions, World};

/// Runs `pairs` pairs of rounds of `requests` requests, `rate` of them a second, for each fault whose name has `only` in it, and prints a
/// table.
pub fn run(pairs: u32, requests: u64, rate: u64, only: &str) -> Result<()> {
    toolchain::filter_module()?;
    let behind = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    Builder::new_multi_thread().enable_all().build()?.block_on(async {
        println!("The primary's latency with 100 % mirrored, beside the same with 0 %: {pairs} pairs of rounds of {requests}");
        println!("requests, {rate} a second; medians over the pairs, ratios and differences with their 95 % intervals");
        println!(
            "{:<18} {:>16} {:>24} {:>16} {:>24} {:>26}",
            "the candidate", "p50 without/with", "ratio", "p99 without/with", "ratio", "difference, ms"
        );
        for (name, fault) in faults().into_iter().filter(|(name, _)| name.contains(only)) {
            let rounds = Contest::start(fault, behind.handle()).await?.run(pairs, requests, rate).await?;
            rounds.print(name);
        }
        Ok(())
    })
}

/// None is a candidate in good health: what mirroring itself costs.
fn faults() -> Vec<(&'static str, Option<Misbehaviour>)> {
    let names = [
        "refuses",
        "dies",
        "is a black hole",
        "answers after 5 s",
        "drips",
        "never ends",
        "talks nonsense",
        "breaks off",
        "floods headers",
    ];
    let faults = Misbehaviour::all(Duration::from_secs(5)).map(Some);
    [("is well", None)].into_iter().chain(names.into_iter().zip(faults)).collect()
}

/// Two Envoys in front of the same services.
struct Contest {
    mirroring: World,
    quiet: World,
    _candidate: Option<Misbehaving>,
}

impl Contest {
    async fn start(fault: Option<Misbehaviour>, behind: &Handle) -> Result<Self> {
        let (stable, control) = (load::service(BODY).await?, load::service(BODY).await?);
        let (candidate, canary) = match fault {
            Some(fault) => {
                let candidate = behind.spawn(async move { Misbehaving::start(fault) }).await??;
                let address = candidate.address();
                (Some(candidate), address)
            }
            None => (None, behind.spawn(load::service(BODY)).await??),
        };
        let versions = Versions { stable, canary, control };
        let (mirroring, quiet) =
            (World::start(versions, &policy(100)).await?, World::start(versions, &policy(0)).await?);
        Ok(Self { mirroring, quiet, _candidate: candidate })
    }

    async fn run(self, pairs: u32, requests: u64, rate: u64) -> Result<Rounds> {
        let round = async |world: &World| {
            let load = Load { requests, connections: CONNECTIONS, request, body: BODY };
            let mut latencies = load::paced(world.envoy.address, load, rate).await?;
            latencies.sort();
            anyhow::Ok(Round { p50: milliseconds(&latencies, 50), p99: milliseconds(&latencies, 99) })
        };
        let mut rounds = Rounds::default();
        for pair in 0..=pairs {
            let (with, without) = if pair.is_multiple_of(2) {
                let with = round(&self.mirroring).await?;
                (with, round(&self.quiet).await?)
            } else {
                let without = round(&self.quiet).await?;
                (round(&self.mirroring).await?, without)
            };
            // The first pair warms up.
            if pair > 0 {
                rounds.with.push(with);
                rounds.without.push(without);
            }
        }
        self.mirroring.assert_no_traps().await?;
        Ok(rounds)
    }
}

fn request(_: u64) -> String {
    "GET /a HTTP/1.1\r\nhost: shop\r\n\r\n".to_owned()
}

/// Quantiles of one round, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Round {
    p50: f64,
    p99: f64,
}

#[derive(Debug, Default)]
struct Rounds {
    with: Vec<Round>,
    without: Vec<Round>,
}

impl Rounds {
    fn print(&self, name: &str) {
        let series = |of: fn(&Round) -> f64| -> (Vec<f64>, Vec<f64>) {
            (self.with.iter().map(of).collect(), self.without.iter().map(of).collect())
        };
        print!("{name:<18}");
        for (with, without) in [series(|round| round.p50), series(|round| round.p99)] {
            let (ratio, low, high) = cpu::ratio(&with, &without);
            let (with, without) = (cpu::median(&with).0, cpu::median(&without).0);
            print!(
                " {:>16} {:>24}",
                format!("{without:.2} {with:.2}"),
                format!("{ratio:.2} [{low:.2}, {high:.2}]")
            );
        }
        let (with, without) = series(|round| round.p99);
        let differences: Vec<f64> = with.iter().zip(&without).map(|(with, without)| with - without).collect();
        let (difference, low, high) = cpu::median(&differences);
        println!(" {:>26}", format!("{difference:+.2} [{low:+.2}, {high:+.2}]"));
    }
}

/// The smallest that at least this share of them does not exceed.
fn milliseconds(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
}

/// As the shipped one, with its timeouts and budgets.
fn policy(percent: u32) -> String {
    format!(
        "version: 1
name: shop
variants: {{stable: {{cluster: stable}}, candidate: {{cluster: canary-shadow}}, control: {{cluster: control}}}}
default: stable
rules:
- mirror: [{{to: candidate, percent: {percent}, control: {{to: control, percent: 100}}}}]
"
    )
}

/// More than are busy at once, unless the proxy stalls.
const CONNECTIONS: usize = 32;
const BODY: &[u8] = br#"{"ok":true}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_a_round() {
        let latencies: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(milliseconds(&latencies, 50), 100.0);
        assert_eq!(milliseconds(&latencies, 99), 198.0);
        assert_eq!(milliseconds(&latencies[..1], 99), 1.0);
    }

    #[test]
    fn each_fault_has_its_name() {
        assert_eq!(faults().len(), 10);
    }
}
