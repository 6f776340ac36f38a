//! A long run on a real Envoy and comparator: mixed traffic at a bounded rate, a candidate that sometimes misbehaves, clients that
//! leave, and policies that change. What grows shows in the memory of both processes; what is lost shows in the accounts.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http::Request;
use http_body_util::{BodyExt as _, Full};

use crate::clients::{self, Clients};
use crate::process;
use crate::services::Services;
use crate::upstream::{Behaviour, Reply, Upstream};
use crate::world::World;

/// Runs for so long with about `rate` requests in a second. An error if an answer was not the stable version's, the filter failed,
/// or the accounts do not add up.
pub fn run(length: Duration, rate: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { Soak::start().await?.run(length, rate).await })
}

struct Soak {
    services: Services,
    world: World,
    sent: u64,
    memory: Vec<Memory>,
}

/// Resident set sizes in bytes.
struct Memory {
    envoy: u64,
    comparator: u64,
}

impl Soak {
    async fn start() -> Result<Self> {
        let made = Behaviour::Made(clients::stable);
        let services = Services::start([made.clone(), sometimes_misbehaving(&made), made]).await?;
        let world = World::start(services.versions(), POLICY).await?;
        Ok(Self { services, world, sent: 0, memory: Vec::new() })
    }

    async fn run(mut self, length: Duration, rate: u64) -> Result<()> {
        let begin = Instant::now();
        let mut second = tokio::time::interval(Duration::from_secs(1));
        for number in 0_u64.. {
            second.tick().await;
            if begin.elapsed() >= length {
                break;
            }
            self.one_second(rate).await?;
            if number % POLICY_EVERY == POLICY_EVERY - 1 {
                self.change_policy(number / POLICY_EVERY).await?;
            }
            if number % REPORT_EVERY == REPORT_EVERY - 1 {
                self.report(begin.elapsed())?;
            }
        }
        self.finish().await
    }

    /// Clients that know what they are to get, and some that leave in the middle.
    async fn one_second(&mut self, rate: u64) -> Result<()> {
        Clients::of(&self.world).drive(self.sent..self.sent + rate).await?;
        self.sent += rate;
        for number in 0..LEAVING {
            let request = Request::get(self.world.url(&format!("/large/{number}"))).body(Full::default())?;
            let mut answer = self.world.client.open(request).await?;
            answer.frame().await.context("an answer without a body")??;
            self.sent += 1;
        }
        Ok(())
    }

    async fn change_policy(&self, turn: u64) -> Result<()> {
        let percent = ["20%", "100%", "50%", "100%"][usize::try_from(turn % 4)?];
        self.world.comparator.cli(&["mirror", "set", percent]).await?;
        Ok(())
    }

    fn report(&mut self, age: Duration) -> Result<()> {
        // What the services remember would otherwise grow for the whole run.
        self.services.each().into_iter().for_each(Upstream::forget);
        let memory = Memory {
            envoy: process::memory(self.world.envoy.process().id(), "VmRSS")?,
            comparator: process::memory(self.world.comparator.process().id(), "VmRSS")?,
        };
        println!(
            "{:>6} s {:>9} requests   Envoy {:>6.1} MiB   comparator {:>6.1} MiB",
            age.as_secs(),
            self.sent,
            mebibytes(memory.envoy),
            mebibytes(memory.comparator)
        );
        self.memory.push(memory);
        Ok(())
    }

    async fn finish(self) -> Result<()> {
        let accounts = self.world.settled(self.sent).await?;
        growth("Envoy", &self.memory.iter().map(|memory| memory.envoy).collect::<Vec<_>>());
        growth("comparator", &self.memory.iter().map(|memory| memory.comparator).collect::<Vec<_>>());
        let traps = self.world.envoy.traps().await?;
        println!("{accounts:?}, {traps} traps");
        ensure!(
            accounts.add_up() && accounts.requests == self.sent,
            "{} requests were sent, and the accounts do not add up: {accounts:?}",
            self.sent
        );
        self.world.assert_no_traps().await
    }
}

/// Of 40 shadows one hangs, one is reset, and one takes its time.
fn sometimes_misbehaving(made: &Behaviour) -> Behaviour {
    let slow = Behaviour::Slow(Duration::from_millis(100), Reply::json("{}"));
    let well = std::iter::repeat_n(made.clone(), 37);
    Behaviour::InTurn(well.chain([Behaviour::Hang, Behaviour::Reset, slow]).collect())
}

/// Prints the medians of the second and the last quarter, and their ratio: what still grows after a quarter grows for good.
fn growth(name: &str, sizes: &[u64]) {
    let quarter = sizes.len() / 4;
    let median = |sizes: &[u64]| {
        let mut sorted = sizes.to_vec();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    };
    let (second, last) = (median(&sizes[quarter..quarter * 2]), median(&sizes[sizes.len() - quarter..]));
    println!(
        "{name}: {:.1} MiB in the second quarter, {:.1} MiB in the last: ratio {:.3}",
        mebibytes(second),
        mebibytes(last),
        last as f64 / second as f64
    );
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Writes included, to control as well.
const POLICY: &str = "
version: 1
name: shop
variants:
  stable: {cluster: stable}
  candidate: {cluster: canary-shadow}
  control: {cluster: control, isolated: true}
default: stable
rules:
- mirror: [{to: candidate, percent: 100, unsafeMethods: allow, timeout: 1s, control: {to: control}}]
";
/// Seconds.
const POLICY_EVERY: u64 = 20;
/// Seconds.
const REPORT_EVERY: u64 = 5;
/// Clients that leave in the middle of a large answer, each second.
const LEAVING: u64 = 2;
