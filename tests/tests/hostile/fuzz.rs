//! Made-up hostile traffic against rules of every kind: whatever the bytes, the proxy goes on and the accounts add up.
//!
//! `ANTUMBRA_HOSTILE_REQUESTS` says how many requests, `ANTUMBRA_HOSTILE_SEED` which; the same seed sends the same bytes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use antumbra_e2e::client::Client;
use antumbra_e2e::envoy_config::EnvoyConfig;
use antumbra_e2e::patience::until;
use antumbra_e2e::services::Services;
use antumbra_e2e::upstream::{Behaviour, Reply, Upstream};
use antumbra_e2e::world::World;
use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::made_up::{Attack, Expected, attack};

/// Every kind of rule, each reading what clients send.
const POLICY: &str = r#"
version: 1
name: shop
variants:
  stable: {cluster: stable}
  canary: {cluster: canary, host: canary.test, headers: {set: {x-ui: canary}, remove: [x-team]}}
  listed: {cluster: canary, state: yellow, ids: {in: [u1, 42], ranges: [[1, 100]]}}
  candidate: {cluster: canary-shadow}
  control: {cluster: control, isolated: true}
default: stable
idFrom: ["header:x-user", "cookie:uid", "query:user"]
clientIp: {from: xff, trustedHops: 1}
override: {header: x-force, signedWith: testers}
rules:
- name: mirror
  mirror:
  - {to: candidate, percent: 100, unsafeMethods: allow, timeout: 1s, headers: {remove: [authorization]}, control: {to: control, percent: 100}}
- matches: [{cookies: {canary: "1"}, headers: {x-team: {regex: "q.*a"}}}]
  to: canary
- matches:
  - cookies: {other: {exists: true}}
  - cookies: {pattern: {regex: "[a-z]+"}}
  - path: {regex: "/x.*y"}
  - headers: {x-team: {search: "(a|aa)+$"}}
  - headers: {x-number: {mod: {by: 10, in: [0, 5]}}}
  - headers: {x-number: {range: [-1, 9]}, x-user: {hash: {of: 100, buckets: [[0, 50]]}}}
  - query: {page: {in: ["1", "2"]}}
  - ip: [10.0.0.0/8, "::1"]
  to: canary
- name: gold
  matches: [{json: {/user/plan: gold}}, {form: {plan: gold}}]
  to: canary
- name: version
  select: {by: "cookie:version", map: {v1: canary, v2: listed}}
- name: split
  split: {by: ["cookie:uid", "header:x-user", ip], weights: {canary: 1, stable: 1}, onMissingKey: mint, sticky: {cookie: split}}
propagate:
- {variant: true, as: "baggage:variant"}
- {cookie: version, as: "baggage:version", allow: [v1, v2]}
- {header: x-team, as: "header:x-copied", allow: [qa]}
observe: {responseHeader: x-shown, vary: true, explainHeader: x-explained, metrics: true, accessLog: true}
"#;

fn every_rule(mut config: EnvoyConfig) -> Result<EnvoyConfig> {
    config.filter("antumbra")?["typed_config"]["config"]["allow_on_headers_stop_iteration"] = json!(true);
    config.plugin(&json!({
        "release": "shop",
        "bodies": true,
        "secrets": {"testers": "0123456789abcdef"},
        "comparator": {"cluster": "antumbra", "poll": "250ms", "timeout": "10s"},
    }))
}

#[tokio::test]
async fn made_up_traffic_harms_nobody() -> Result<()> {
    let requests = from_environment("ANTUMBRA_HOSTILE_REQUESTS", 5_000)?;
    let seed = from_environment("ANTUMBRA_HOSTILE_SEED", 1)?;
    let services = Services::alike(Behaviour::Answer(Reply::json("{}"))).await?;
    let world = World::start_with(services.versions(), POLICY, every_rule).await?;
    let mut outcomes = Outcomes::default();
    let mut sent = 0;
    while sent < requests {
        let end = requests.min(sent + BATCH);
        outcomes.add(&batch(world.envoy.address, seed, sent..end).await?);
        sent = end;
        let well_formed = Client::default().get(&world.url("/")).await?;
        assert_eq!((well_formed.status.as_u16(), &well_formed.body[..]), (200, &b"{}"[..]), "after {sent}");
        world.assert_no_traps().await.with_context(|| format!("seed {seed}, before request {sent}"))?;
        services.each().into_iter().for_each(Upstream::forget);
    }
    println!("seed {seed}, {requests} requests: {outcomes:?}");
    // A request that its client broke off may end last of all.
    let accounts = until("both ends tell the same", || async {
        let accounts = world.settled(outcomes.served()).await?;
        Ok((world.settled_in_the_proxy(accounts.requests).await? == accounts).then_some(accounts))
    })
    .await?;
    println!("{accounts:?} {:?}", world.envoy.statistics("antumbra.shop.not_mirrored.").await?);
    let seen = world.envoy.statistic("http.shop.downstream_rq_total").await?;
    assert!((outcomes.served()..=seen).contains(&accounts.requests), "{accounts:?} of {seen}");
    assert!(accounts.mirrored > requests / 10, "{accounts:?}");
    assert_eq!(accounts.delivered, accounts.mirrored, "{accounts:?}");
    world.assert_no_traps().await
}

fn from_environment(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is {text:?}, must be a whole number")),
        Err(_) => Ok(default),
    }
}

/// What became of the requests: how many got which status, and how many none.
#[derive(Debug, Clone, Default)]
struct Outcomes {
    answered: BTreeMap<u16, u64>,
    closed: u64,
    silent: u64,
}

impl Outcomes {
    fn add(&mut self, more: &Self) {
        for (status, count) in &more.answered {
            *self.answered.entry(*status).or_default() += count;
        }
        self.closed += more.closed;
        self.silent += more.silent;
    }

    /// Those that came through to a service.
    fn served(&self) -> u64 {
        self.answered.get(&200).copied().unwrap_or(0)
    }
}

async fn batch(address: SocketAddr, seed: u64, numbers: std::ops::Range<u64>) -> Result<Outcomes> {
    let next = Arc::new(AtomicU64::new(numbers.start));
    let mut workers = JoinSet::new();
    for _ in 0..ABREAST {
        let next = Arc::clone(&next);
        workers.spawn(async move {
            let (mut outcomes, mut connection) = (Outcomes::default(), None);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= numbers.end {
                    return anyhow::Ok(outcomes);
                }
                let stream = match connection.take() {
                    Some(stream) => stream,
                    None => TcpStream::connect(address).await?,
                };
                let sent = send(stream, &attack(seed, number), &mut outcomes).await;
                connection = sent.with_context(|| format!("seed {seed}, request {number}"))?;
            }
        });
    }
    let mut outcomes = Outcomes::default();
    while let Some(worker) = workers.join_next().await {
        outcomes.add(&worker??);
    }
    Ok(outcomes)
}

/// Sends one and waits for what is due; answers the connection if it can take another request.
async fn send(mut stream: TcpStream, attack: &Attack, outcomes: &mut Outcomes) -> Result<Option<TcpStream>> {
    // The proxy may have seen enough and closed.
    let _ = stream.write_all(&attack.bytes).await;
    let patience = if attack.expected == Expected::Answer { PATIENCE } else { GLANCE };
    match timeout(patience, answer(&mut stream, attack.head)).await {
        Err(_) if attack.expected == Expected::Answer => {
            bail!("no answer in {PATIENCE:?} to {:?}", String::from_utf8_lossy(&attack.bytes))
        }
        Err(_) => {
            outcomes.silent += 1;
            Ok(None)
        }
        Ok(Err(_)) => {
            outcomes.closed += 1;
            Ok(None)
        }
        Ok(Ok((status, stays))) => {
            *outcomes.answered.entry(status).or_default() += 1;
            // What is left of other bytes would be the beginning of the next request.
            Ok((stays && attack.expected == Expected::Answer).then_some(stream))
        }
    }
}

/// The status of one whole answer, and whether the connection stays; an error if it ends before.
async fn answer(stream: &mut TcpStream, head_only: bool) -> Result<(u16, bool)> {
    let mut bytes = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break bytes.drain(..end + 4).collect::<Vec<u8>>();
            }
            ensure!(stream.read_buf(&mut bytes).await? > 0, "the connection ended");
        };
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let status: u16 = head.split(' ').nth(1).context("no status")?.parse()?;
        if status < 200 {
            continue;
        }
        let length = head.split("\r\ncontent-length: ").nth(1).and_then(|rest| rest.split('\r').next());
        let length: usize = length.map_or(Ok(0), str::parse)?;
        while !head_only && bytes.len() < length {
            ensure!(stream.read_buf(&mut bytes).await? > 0, "the connection ended");
        }
        return Ok((status, !head.contains("\r\nconnection: close")));
    }
}

const BATCH: u64 = 500;
const ABREAST: usize = 8;
/// Longer than any timeout of the proxy.
const PATIENCE: Duration = Duration::from_secs(30);
/// For bytes to which nothing is due.
const GLANCE: Duration = Duration::from_millis(50);
