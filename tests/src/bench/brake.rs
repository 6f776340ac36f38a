//! Whether a comparator can be asked and a release be braked while somebody attacks it: how long answers take, how much memory it needs,
//! how long its end takes, and whether all that it acknowledged is there after a restart.
//!
//! Every attack has a comparator of its own. Attackers, probes and the comparator share the machine, so part of what a probe waits is the
//! machine's: the attackers have threads of the lowest priority, the first row has no attack, and one probe asks a service that does
//! nothing.

mod attack;
mod heavy;
mod probe;
mod sending;
mod site;
mod strangers;
mod table;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;

use self::attack::Attack;
use self::probe::{Answers, Probe};
use self::sending::Sent;
use self::site::Site;
use self::table::{Kept, Row};
use super::exchanges::RELEASE;
use super::load;
use crate::cache;
use crate::comparator::Comparator;
use crate::process::memory;

/// Attacks for `length` in each of the ways whose name has `only` in it, and prints tables. An error if a question had no answer, or if
/// anything is lost that was acknowledged.
pub fn run(length: Duration, only: &str) -> Result<()> {
    let attacks: Vec<Attack> = Attack::ALL.into_iter().filter(|one| one.name().contains(only)).collect();
    ensure!(!attacks.is_empty(), "no attack has {only:?} in its name");
    let bench = Bench { attackers: elsewhere()?, machine: threads(1)?, length };
    let probing = threads(1)?;
    let mut rows = Vec::new();
    for attack in attacks {
        cache::say(attack.name());
        rows.push(probing.block_on(bench.row(attack))?);
    }
    print!("{}", table::rendered(&rows));
    table::judged(&rows)
}

fn threads(count: usize) -> Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(count).enable_all().build()?)
}

/// Threads that get what the others leave of the processor, as if they were on another machine.
fn elsewhere() -> Result<Runtime> {
    let meek = || {
        let _ = rustix::process::nice(LEAST_PRIORITY);
    };
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().on_thread_start(meek).build()?)
}

struct Bench {
    attackers: Runtime,
    machine: Runtime,
    length: Duration,
}

impl Bench {
    async fn row(&self, attack: Attack) -> Result<Row> {
        let directory = tempfile::tempdir()?;
        let (mut comparator, site) = start(directory.path(), attack).await?;
        let sends = attack.sends();
        let usual = Sent::new(RELEASE, attack::ordinary(3));
        let mut sent = attack.prepare(site, POLICY).await?;
        sent.extend(sends.iter().map(|(_, sent)| Arc::clone(sent)).chain([Arc::clone(&usual)]));
        let attacking = attack.begin(site, &sends, self.length + LONGEST_END, self.attackers.handle());
        let filter = self.attackers.spawn(usual.trickle(site));
        let answers = watch(site, self.machine.handle(), self.length).await?;
        let peak = memory(comparator.process().id(), "VmHWM")?;
        let began = Instant::now();
        comparator.terminate()?;
        let end = began.elapsed();
        filter.abort();
        drop(attacking);
        let (_comparator, site) = start(directory.path(), attack).await?;
        let kept = Kept::of(site, &sent).await?;
        Ok(Row { name: attack.name(), answers, peak, end, kept })
    }
}

async fn start(directory: &Path, attack: Attack) -> Result<(Comparator, Site)> {
    if attack.is_guarded() {
        let comparator = Comparator::start_guarded(directory, POLICY, SECRET).await?;
        let site = Site { address: comparator.address, secret: Some(SECRET) };
        return Ok((comparator, site));
    }
    let comparator = Comparator::start(directory, ([127, 0, 0, 1], 0).into(), Some(POLICY)).await?;
    let site = Site { address: comparator.address, secret: None };
    Ok((comparator, site))
}

/// Asks all questions at once, for so long.
async fn watch(site: Site, machine: &Handle, length: Duration) -> Result<Vec<(Probe, Answers)>> {
    let idle = machine.spawn(load::service(b"{}")).await??;
    let mut probes = JoinSet::new();
    for probe in Probe::ALL {
        let site = if probe == Probe::Machine { Site { address: idle, secret: None } } else { site };
        probes.spawn(async move { (probe, probe.watch(site, length).await) });
    }
    let mut answers = probes.join_all().await;
    answers.sort_by_key(|(probe, _)| Probe::ALL.iter().position(|one| one == probe));
    Ok(answers)
}

const LEAST_PRIORITY: i32 = 19;
/// After which an attack ends although the comparator does not.
const LONGEST_END: Duration = Duration::from_secs(120);
const SECRET: &str = "correct-horse-battery";
/// No filter runs it: the batches are made up.
const POLICY: &str = "
version: 1
name: shop
variants:
  stable: {cluster: stable}
  canary: {cluster: canary}
  candidate: {cluster: canary-shadow}
  control: {cluster: control}
default: stable
rules:
- name: mirror
  mirror: [{to: candidate, percent: 100, control: {to: control, percent: 100}}]
- name: split
  split: {by: [\"cookie:uid\"], weights: {canary: 1000000, stable: 1000000}}
compare:
  unordered: [/items]
";
