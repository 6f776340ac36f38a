//! What the filter adds to a request in Envoy, beside what else an operator could take for the same job.
//!
//! One Envoy per contender, all up at once, the same upstream behind all; in every round each contender gets the same requests,
//! and the order turns. Each has one worker, which is kept busy. Only Envoy's own CPU time counts, so neither the client nor the upstream weighs in.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{cpu, load};
use crate::envoy::Envoy;
use crate::envoy_config::{CONNECTION_MANAGER, EnvoyConfig};
use crate::toolchain;

/// Runs `rounds` rounds of `requests` requests for each contender and prints a table.
pub fn run(rounds: u32, requests: u64) -> Result<()> {
    let module = toolchain::filter_module()?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(compare(&module, rounds, requests))
}

async fn compare(module: &Path, rounds: u32, requests: u64) -> Result<()> {
    let upstream = load::service().await?;
    let mut contenders = Vec::new();
    for (name, config) in configurations(module, upstream)? {
        contenders.push(Contender::start(name, config).await?);
    }
    for round in 0..=rounds {
        let shift = round as usize % contenders.len();
        contenders.rotate_left(shift);
        for contender in &mut contenders {
            let cost = contender.measure(requests).await?;
            // The first round warms up.
            if round > 0 {
                contender.costs.push(cost);
            }
        }
        contenders.rotate_right(shift);
    }
    print(&contenders, requests);
    Ok(())
}

struct Contender {
    name: &'static str,
    envoy: Envoy,
    /// Microseconds of CPU per request, one entry a round.
    costs: Vec<f64>,
    _directory: TempDir,
}

impl Contender {
    async fn start(name: &'static str, config: EnvoyConfig) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let envoy = Envoy::start(config, directory.path(), 1).await?;
        Ok(Self { name, envoy, costs: Vec::new(), _directory: directory })
    }

    async fn measure(&self, requests: u64) -> Result<f64> {
        let pid = self.envoy.process().id();
        let before = cpu::spent(pid)?;
        load::drive(self.envoy.address, requests, CONNECTIONS, request).await?;
        let spent = cpu::spent(pid)?.saturating_sub(before);
        Ok(spent.as_secs_f64() * 1e6 / requests as f64)
    }
}

/// Half the requests carry the cookie that picks the canary, each a user id.
fn request(number: u64) -> String {
    let cookie = format!("uid=u{number}; canary={}", number % 2);
    format!("GET /a HTTP/1.1\r\nhost: shop\r\nuser-agent: bench\r\naccept: */*\r\ncookie: {cookie}\r\n\r\n")
}

fn configurations(module: &Path, upstream: SocketAddr) -> Result<Vec<(&'static str, EnvoyConfig)>> {
    let base = || {
        let clusters = ["stable", "canary", "canary-shadow", "control", "antumbra"];
        clusters
            .iter()
            .try_fold(EnvoyConfig::shipped()?, |config, cluster| config.upstream(cluster, upstream))
    };
    let mut bare = base()?;
    filters(&mut bare)?.remove(0);
    let mut native = bare.clone();
    *native.at(&format!("{CONNECTION_MANAGER}/route_config/virtual_hosts/0/routes"))? = native_routes();
    let mut lua = base()?;
    filters(&mut lua)?[0] = lua_filter();
    let off = base()?.module(module)?.plugin(&json!({"policy": policy(), "enabled": false}))?;
    let ours = base()?.module(module)?.plugin(&json!({"policy": policy()}))?;
    Ok(vec![(BARE, bare), (NATIVE, native), (LUA, lua), (OFF, off), (OURS, ours)])
}

fn filters(config: &mut EnvoyConfig) -> Result<&mut Vec<Value>> {
    let filters = config.at(&format!("{CONNECTION_MANAGER}/http_filters"))?;
    Ok(filters.as_array_mut().expect("the shipped file lists its filters"))
}

/// The cookie's own route, else a weighted one: what Envoy can do by itself, without sticking a user to a side.
fn native_routes() -> Value {
    let weighted = json!({"clusters": [{"name": "canary", "weight": 5}, {"name": "stable", "weight": 95}]});
    let cookie =
        json!({"name": "cookie", "string_match": {"safe_regex": {"regex": "(.*; *)?canary=1(;.*)?"}}});
    json!([
        {"match": {"prefix": "/", "headers": [cookie]}, "route": {"cluster": "canary"}},
        {"match": {"prefix": "/"}, "route": {"weighted_clusters": weighted}},
    ])
}

/// One cookie to one header, and nothing else.
fn lua_filter() -> Value {
    let code = r#"
function envoy_on_request(handle)
  local cookie = handle:headers():get("cookie")
  if cookie ~= nil and string.find(cookie, "canary=1", 1, true) then
    handle:headers():replace("x-antumbra-variant", "canary")
  end
end
"#;
    json!({"name": "lua", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
        "default_source_code": {"inline_string": code}}})
}

/// The cookie's rule and a split that keeps each user on a side.
fn policy() -> Value {
    json!({"version": 1, "name": "shop", "variants": {"stable": null, "canary": null}, "default": "stable", "rules": [
        {"name": "testers", "matches": [{"cookies": {"canary": "1"}}], "to": "canary"},
        {"name": "split", "split": {"by": ["cookie:uid"], "weights": {"canary": 5, "stable": 95}}}]})
}

fn print(contenders: &[Contender], requests: u64) {
    let costs =
        |name: &str| contenders.iter().find(|contender| contender.name == name).map(|found| &found.costs);
    let (Some(bare), Some(lua), Some(native)) = (costs(BARE), costs(LUA), costs(NATIVE)) else { return };
    println!(
        "Envoy's CPU per request, {} rounds of {requests} requests each, alternating; medians [95 %]",
        bare.len()
    );
    println!("{:<34}{:>10}{:>24}{:>16}{:>16}", "", "µs", "added µs", "added / Lua's", "added / native");
    for contender in contenders {
        let added: Vec<f64> = contender.costs.iter().zip(bare).map(|(cost, bare)| cost - bare).collect();
        let ratio = |to: &[f64]| {
            let reference: Vec<f64> = to.iter().zip(bare).map(|(cost, bare)| cost - bare).collect();
            format!("{:.2}", cpu::median(&added).0 / cpu::median(&reference).0)
        };
        let (middle, low, high) = cpu::median(&added);
        let (to_lua, to_native) =
            if contender.name == BARE { (String::new(), String::new()) } else { (ratio(lua), ratio(native)) };
        println!(
            "{:<34}{:>10.1}{:>24}{to_lua:>16}{to_native:>16}",
            contender.name,
            cpu::median(&contender.costs).0,
            format!("{middle:+.1} [{low:+.1}, {high:+.1}]"),
        );
    }
}

const BARE: &str = "no filter";
const NATIVE: &str = "native: cookie regex, weights";
const LUA: &str = "Lua: cookie to header";
const OFF: &str = "antumbra: switched off";
const OURS: &str = "antumbra: cookie, sticky split";
/// Enough to keep the one worker of each Envoy busy.
const CONNECTIONS: usize = 64;
