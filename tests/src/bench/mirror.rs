//! What a mirrored exchange costs in Envoy: recorded, sent to the candidate, and to the control, and the observation delivered in
//! batches to a real comparator; beside Envoy's own mirror to as many clusters, which throws the answers away, and beside a module that
//! makes the same calls to the host and does nothing else.
//!
//! An exchange that a budget drops would make the filter look cheap, so budgets and breakers are wide, and the share that really was
//! mirrored and delivered is printed.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::contender::{self, Contender};
use super::cpu;
use super::floor;
use super::load::{self, Load};
use crate::comparator::Comparator;
use crate::envoy_config::{CONNECTION_MANAGER, EnvoyConfig};
use crate::patience::until;
use crate::toolchain;
use crate::world::Accounts;

/// Runs `rounds` rounds of `requests` requests for each contender and prints a table.
pub fn run(rounds: u32, requests: u64) -> Result<()> {
    let module = toolchain::filter_module()?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(compare(&module, rounds, requests))
}

async fn compare(module: &Path, rounds: u32, requests: u64) -> Result<()> {
    let upstream = load::service(&JSON).await?;
    let mut contenders = Vec::new();
    for (name, clusters) in
        [(BARE, &[][..]), (NATIVE, &["canary-shadow"]), (NATIVE_TWO, &["canary-shadow", "control"])]
    {
        contenders.push(Contender::start(name, native(upstream, clusters)?, tempfile::tempdir()?).await?);
    }
    let floors = tempfile::tempdir()?;
    let floor = wide(upstream)?.module(&floor::mirroring(floors.path())?)?.plugin(&json!({}))?;
    contenders.push(Contender::start(FLOOR, floor, tempfile::tempdir()?).await?);
    let mut comparators = Vec::new();
    for (name, mirror) in [
        (IDLE, json!({"to": "candidate", "percent": 0})),
        (UNSENT, json!({"to": "nowhere", "percent": 100})),
        (OURS, json!({"to": "candidate", "percent": 100})),
        (OURS_TWO, json!({"to": "candidate", "percent": 100, "control": {"to": "control"}})),
    ] {
        let (contender, comparator) = ours(name, module, upstream, &mirror).await?;
        contenders.push(contender);
        comparators.push(comparator);
    }
    let load = Load { requests, connections: CONNECTIONS, request, body: &JSON };
    contender::alternate(&mut contenders, rounds, load, AFTER).await?;
    let mut table = Vec::new();
    for contender in &contenders {
        table.push(Row { contender, shares: shares(contender, requests * u64::from(rounds + 1)).await? });
    }
    print!("{}", rendered(&table, requests));
    Ok(())
}

fn request(number: u64) -> String {
    format!(
        "GET /items/{number} HTTP/1.1\r\nhost: shop\r\nuser-agent: Mozilla/5.0 (X11; Linux x86_64) bench/1.0\r\naccept: */*\r\n\
         accept-language: en\r\ncookie: uid=u{number}; theme=dark\r\n\r\n"
    )
}

/// The shipped configuration with breakers that no load here reaches.
fn wide(upstream: SocketAddr) -> Result<EnvoyConfig> {
    let clusters = ["stable", "canary", "canary-shadow", "control"];
    let mut config = EnvoyConfig::shipped()?;
    for name in clusters {
        config = config.upstream(name, upstream)?;
        let most = json!({"max_connections": 1024, "max_pending_requests": 1024, "max_requests": 1024});
        config.cluster(name)?["circuit_breakers"] = json!({"thresholds": [most]});
    }
    Ok(config)
}

/// Without the filter; the stable version's requests are mirrored to these clusters.
fn native(upstream: SocketAddr, clusters: &[&str]) -> Result<EnvoyConfig> {
    let mut config = wide(upstream)?;
    let filters = config.at(&format!("{CONNECTION_MANAGER}/http_filters"))?.as_array_mut();
    filters.context("the shipped file lists its filters")?.remove(0);
    let policies: Value = clusters.iter().map(|cluster| json!({"cluster": cluster})).collect();
    config.at(&format!("{CONNECTION_MANAGER}/route_config/virtual_hosts/0/routes/1/route"))?["request_mirror_policies"] =
        policies;
    Ok(config)
}

/// With the filter and a comparator of its own; waits until the filter runs the policy.
async fn ours(
    name: &'static str,
    module: &Path,
    upstream: SocketAddr,
    mirror: &Value,
) -> Result<(Contender, Comparator)> {
    let directory = tempfile::tempdir()?;
    let clusters = [
        ("stable", "stable"),
        ("candidate", "canary-shadow"),
        ("control", "control"),
        ("nowhere", "no-such-cluster"),
    ];
    let variants: Value =
        clusters.map(|(name, cluster)| (name.to_owned(), json!({"cluster": cluster}))).into_iter().collect();
    let policy = json!({"version": 1, "name": "shop", "variants": variants, "default": "stable", "rules": [{"mirror": [mirror]}]});
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let comparator = Comparator::start(directory.path(), any, Some(&policy.to_string())).await?;
    let limits =
        json!({"exchangesInFlight": 4096, "bytesInFlight": 512 << 20, "mirroredPerSecond": 1_000_000});
    let plugin = json!({"release": "shop", "comparator": {"cluster": "antumbra"}, "limits": limits});
    let config = wide(upstream)?.upstream("antumbra", comparator.address)?.module(module)?.plugin(&plugin)?;
    let contender = Contender::start(name, config, directory).await?;
    until("the filter runs the policy", || async {
        let status = comparator.get("/v1/status").await?;
        let release = &status["releases"][0];
        // The main thread has an instance of its own.
        let filters = release["filters"].as_array().map_or(0, Vec::len);
        Ok((filters > 1 && release["converged"] == json!(true)).then_some(()))
    })
    .await?;
    Ok((contender, comparator))
}

struct Row<'c> {
    contender: &'c Contender,
    shares: Shares,
}

/// Per request that a client sent.
struct Shares {
    candidate: f64,
    control: f64,
    delivered: f64,
}

async fn shares(contender: &Contender, requests: u64) -> Result<Shares> {
    let share = |count: u64| count as f64 / requests as f64;
    let calls = |cluster: &str| format!("cluster.{cluster}.upstream_rq_completed");
    let accounts = Accounts::of_proxy(&contender.envoy, "shop").await?;
    Ok(Shares {
        candidate: share(contender.envoy.statistic(&calls("canary-shadow")).await?),
        control: share(contender.envoy.statistic(&calls("control")).await?),
        delivered: share(accounts.delivered),
    })
}

fn rendered(table: &[Row<'_>], requests: u64) -> String {
    let costs = |name: &str| {
        table.iter().find(|row| row.contender.name == name).map_or(&[][..], |row| &row.contender.costs)
    };
    let bare = costs(BARE);
    let added =
        |costs: &[f64]| -> Vec<f64> { costs.iter().zip(bare).map(|(cost, bare)| cost - bare).collect() };
    let mut text = format!(
        "Envoy's CPU per request with a body of {} bytes, {} rounds of {requests} requests each, alternating; medians [95 %]\n\
         {:<40}{:>8}{:>24}{:>24}{:>24}{:>11}{:>9}{:>11}\n",
        JSON.len(),
        bare.len(),
        "",
        "µs",
        "added µs",
        "added / native",
        "added / native two",
        "candidate",
        "control",
        "delivered"
    );
    for Row { contender, shares } in table {
        let ours = added(&contender.costs);
        let (middle, low, high) = cpu::median(&ours);
        let _ = write!(
            text,
            "{:<40}{:>8.1}{:>24}",
            contender.name,
            cpu::median(&contender.costs).0,
            format!("{middle:+.1} [{low:+.1}, {high:+.1}]")
        );
        for reference in [NATIVE, NATIVE_TWO] {
            let (middle, low, high) = cpu::ratio(&ours, &added(costs(reference)));
            let ratio = format!("{middle:.2} [{low:.2}, {high:.2}]");
            let _ = write!(text, "{:>24}", if contender.name == BARE { String::new() } else { ratio });
        }
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let Shares { candidate, control, delivered } = shares;
        let _ =
            writeln!(text, "{:>11}{:>9}{:>11}", percent(*candidate), percent(*control), percent(*delivered));
    }
    text
}

/// 1 KiB, as an interface of a shop answers.
static JSON: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let item = |n: usize| json!({"id": 1000 + n, "name": format!("Lamp {n}"), "price": 19.99, "tags": ["home", "light"], "stock": n});
    let mut text = json!({"items": (0..11).map(item).collect::<Vec<_>>(), "more": ""}).to_string();
    let missing = 1024_usize.saturating_sub(text.len());
    text.insert_str(text.len() - 2, &"x".repeat(missing));
    text.into_bytes()
});

const BARE: &str = "no mirror";
const NATIVE: &str = "Envoy's mirror: one cluster";
const NATIVE_TWO: &str = "Envoy's mirror: two clusters";
const FLOOR: &str = "a module that only makes the calls";
const IDLE: &str = "antumbra: nothing mirrored";
/// Everything but the shadow: the proxy has no such cluster, and says so at once.
const UNSENT: &str = "antumbra: recorded and delivered alone";
const OURS: &str = "antumbra: candidate";
const OURS_TWO: &str = "antumbra: candidate and control";
/// Enough to keep the one worker of each Envoy busy.
const CONNECTIONS: usize = 64;
/// Longer than shadows, the wait for a batch to fill, and its delivery take.
const AFTER: Duration = Duration::from_millis(400);
