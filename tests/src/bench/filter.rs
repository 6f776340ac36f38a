//! What the filter adds to a request in Envoy, beside what else an operator could take for the same job.
//!
//! One Envoy per contender, all up at once, the same upstream behind all; in every round each contender gets the same requests,
//! and the order turns. Each has one worker, which is kept busy. Only Envoy's own CPU time counts, so neither the client nor the upstream weighs in.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::contender::{self, Contender};
use super::cpu;
use super::floor;
use super::load::{self, Load};
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
    let upstream = load::service(BODY).await?;
    let floors = tempfile::tempdir()?;
    let mut contenders = Vec::new();
    for (name, config) in configurations(module, floors.path(), upstream)? {
        contenders.push(Contender::start(name, config, tempfile::tempdir()?).await?);
    }
    let load = Load { requests, connections: CONNECTIONS, request, body: BODY };
    contender::alternate(&mut contenders, rounds, load, Duration::ZERO).await?;
    print(&contenders, requests);
    Ok(())
}

/// Half the requests carry the cookie that picks the canary; each has a user id, and the sticky cookie that a user has after the
/// first request, five in a hundred for the canary.
fn request(number: u64) -> String {
    let sticky = if number % 20 == 7 { "canary" } else { "stable" };
    let cookie = format!("uid=u{number}; canary={}; theme=dark; seen={sticky}", number % 2);
    format!(
        "GET /a HTTP/1.1\r\nhost: shop\r\nuser-agent: Mozilla/5.0 (X11; Linux x86_64) bench/1.0\r\naccept: */*\r\n\
         accept-language: en\r\nx-tenant: t{}\r\ncookie: {cookie}\r\n\r\n",
        number % 10
    )
}

fn configurations(
    module: &Path,
    floors: &Path,
    upstream: SocketAddr,
) -> Result<Vec<(&'static str, EnvoyConfig)>> {
    let base = || {
        let clusters = ["stable", "canary", "canary-shadow", "control", "antumbra"];
        clusters
            .iter()
            .try_fold(EnvoyConfig::shipped()?, |config, cluster| config.upstream(cluster, upstream))
    };
    let mut bare = base()?;
    filters(&mut bare)?.remove(0);
    let native = |routes| {
        let mut config = bare.clone();
        *config.at(&format!("{CONNECTION_MANAGER}/route_config/virtual_hosts/0/routes"))? = routes;
        anyhow::Ok(config)
    };
    let (few, many) = (native(native_routes(&[]))?, native(native_routes(&other_native_routes()))?);
    let lua = |code| {
        let mut config = base()?;
        filters(&mut config)?[0] = lua_filter(code);
        anyhow::Ok(config)
    };
    let ours = |plugin: &Value| base()?.module(module)?.plugin(plugin);
    let floor = |module: PathBuf| base()?.module(&module)?.plugin(&json!({}));
    let (simple, twenty) = (policy(&[]), policy(&other_rules()));
    Ok(vec![
        (BARE, bare),
        (NATIVE, few),
        (NATIVE_TWENTY, many),
        (LUA, lua(ONE_COOKIE)?),
        (LUA_ALWAYS, lua(ALWAYS)?),
        (EMPTY, floor(floor::empty(floors)?)?),
        (ONE_HEADER, floor(floor::one_header(floors)?)?),
        (ONE_HEADER_AND_EMPTY, floor(floor::one_header_and_empty(floors)?)?),
        (OFF, ours(&json!({"policy": simple, "enabled": false}))?),
        (OURS, ours(&json!({"policy": simple}))?),
        (OURS_TWENTY, ours(&json!({"policy": twenty}))?),
    ])
}

fn filters(config: &mut EnvoyConfig) -> Result<&mut Vec<Value>> {
    let filters = config.at(&format!("{CONNECTION_MANAGER}/http_filters"))?;
    Ok(filters.as_array_mut().expect("the shipped file lists its filters"))
}

/// The cookie's own route, else a weighted one, with others between them: what Envoy can do by itself, without sticking a user
/// to a side.
fn native_routes(others: &[Value]) -> Value {
    let weighted = json!({"clusters": [{"name": "canary", "weight": 5}, {"name": "stable", "weight": 95}]});
    let first = [to_canary("/", &json!([cookie_is("canary", "1")]))];
    let last = [json!({"match": {"prefix": "/"}, "route": {"weighted_clusters": weighted}})];
    first.iter().chain(others).chain(&last).cloned().collect()
}

/// The rules of [`other_rules`] as routes, but for the list of addresses, which routes cannot hold.
fn other_native_routes() -> Vec<Value> {
    let cookies = (0..6).map(|n| to_canary("/", &json!([cookie_is(&format!("flag{n}"), "on")])));
    let tenant = |n| json!({"name": "x-tenant", "string_match": {"exact": format!("vip{n}")}});
    let tenants = (0..4).map(|n| to_canary("/", &json!([tenant(n)])));
    let agent =
        json!({"name": "user-agent", "string_match": {"safe_regex": {"regex": ".*(Nightly|Canary).*"}}});
    let headers = (0..3).map(|n| {
        to_canary("/", &json!([{"name": format!("x-team{n}"), "string_match": {"prefix": "beta"}}]))
    });
    let paths = (0..3).map(|n| to_canary(&format!("/beta{n}/"), &json!([])));
    cookies.chain(tenants).chain([to_canary("/", &json!([agent]))]).chain(headers).chain(paths).collect()
}

fn to_canary(prefix: &str, headers: &Value) -> Value {
    json!({"match": {"prefix": prefix, "headers": headers}, "route": {"cluster": "canary"}})
}

fn cookie_is(name: &str, value: &str) -> Value {
    let regex = format!("(.*; *)?{name}={value}(;.*)?");
    json!({"name": "cookie", "string_match": {"safe_regex": {"regex": regex}}})
}

fn lua_filter(code: &str) -> Value {
    json!({"name": "lua", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
        "default_source_code": {"inline_string": code}}})
}

/// One cookie to one header where it is there, and nothing else.
const ONE_COOKIE: &str = r#"
function envoy_on_request(handle)
  local cookie = handle:headers():get("cookie")
  if cookie ~= nil and string.find(cookie, "canary=1", 1, true) then
    handle:headers():replace("x-antumbra-variant", "canary")
  end
end
"#;

/// One cookie to one header that every request gets, as the filter gives one to every request.
const ALWAYS: &str = r#"
function envoy_on_request(handle)
  local cookie = handle:headers():get("cookie")
  if cookie ~= nil and string.find(cookie, "canary=1", 1, true) then
    handle:headers():replace("x-antumbra-variant", "canary")
  else
    handle:headers():replace("x-antumbra-variant", "stable")
  end
end
"#;

/// The cookie's rule and a sticky split that keeps each user on a side, with other rules between them.
fn policy(others: &[Value]) -> Value {
    let first = [json!({"name": "testers", "matches": [{"cookies": {"canary": "1"}}], "to": "canary"})];
    let last = [json!({"name": "split", "split": {
        "by": ["cookie:uid"], "weights": {"canary": 5, "stable": 95}, "sticky": {"cookie": "seen", "maxAge": "24h"}}})];
    let rules: Value = first.iter().chain(others).chain(&last).cloned().collect();
    json!({"version": 1, "name": "shop", "variants": {"stable": null, "canary": null}, "default": "stable", "rules": rules})
}

/// 18 rules that no request of the load meets, so that each is tried: cookies, headers, a pattern, paths, and 10,000 addresses.
fn other_rules() -> Vec<Value> {
    let rule = |name: String, block: Value| json!({"name": name, "matches": [block], "to": "canary"});
    let cookies = (0..6).map(|n| rule(format!("flag{n}"), json!({"cookies": {format!("flag{n}"): "on"}})));
    let tenants =
        (0..4).map(|n| rule(format!("tenant{n}"), json!({"headers": {"x-tenant": format!("vip{n}")}})));
    let agent = json!({"headers": {"user-agent": {"search": "Nightly|Canary"}}});
    let teams = (0..3)
        .map(|n| rule(format!("team{n}"), json!({"headers": {format!("x-team{n}"): {"prefix": "beta"}}})));
    let paths = (0..3).map(|n| rule(format!("path{n}"), json!({"path": {"prefix": format!("/beta{n}")}})));
    let addresses: Vec<String> =
        (0..10_000).map(|n| format!("10.{}.{}.{}", n / 2500, n / 10 % 250, n % 10 * 20)).collect();
    let rules = cookies.chain(tenants).chain([rule("agent".to_owned(), agent)]).chain(teams).chain(paths);
    rules.chain([rule("addresses".to_owned(), json!({"ip": addresses}))]).collect()
}

fn print(contenders: &[Contender], requests: u64) {
    let costs =
        |name: &str| contenders.iter().find(|contender| contender.name == name).map(|found| &found.costs);
    let Some(bare) = costs(BARE) else { return };
    let added =
        |costs: &[f64]| -> Vec<f64> { costs.iter().zip(bare).map(|(cost, bare)| cost - bare).collect() };
    println!(
        "Envoy's CPU per request, {} rounds of {requests} requests each, alternating; medians [95 %]",
        bare.len()
    );
    let columns =
        [("added / Lua", LUA), ("added / Lua always", LUA_ALWAYS), ("added / native 20", NATIVE_TWENTY)];
    print!("{:<40}{:>8}{:>22}", "", "µs", "added µs");
    columns.iter().for_each(|(title, _)| print!("{title:>24}"));
    println!();
    for contender in contenders {
        let ours = added(&contender.costs);
        let (middle, low, high) = cpu::median(&ours);
        print!(
            "{:<40}{:>8.1}{:>22}",
            contender.name,
            cpu::median(&contender.costs).0,
            format!("{middle:+.1} [{low:+.1}, {high:+.1}]"),
        );
        for (_, reference) in columns {
            let text = costs(reference).filter(|_| contender.name != BARE).map(|reference| {
                let (middle, low, high) = cpu::ratio(&ours, &added(reference));
                format!("{middle:.2} [{low:.2}, {high:.2}]")
            });
            print!("{:>24}", text.unwrap_or_default());
        }
        println!();
    }
}

const BARE: &str = "no filter";
const NATIVE: &str = "native: cookie regex, weights";
const NATIVE_TWENTY: &str = "native: 19 of the 20 rules";
const LUA: &str = "Lua: a cookie to a header";
const LUA_ALWAYS: &str = "Lua: the header to every request";
const EMPTY: &str = "wasm: our callbacks, all empty";
const ONE_HEADER: &str = "wasm: one header read, one set";
const ONE_HEADER_AND_EMPTY: &str = "wasm: that, our callbacks else empty";
const OFF: &str = "antumbra: switched off";
const OURS: &str = "antumbra: cookie, sticky split";
const OURS_TWENTY: &str = "antumbra: 20 rules";
/// Enough to keep the one worker of each Envoy busy.
const CONNECTIONS: usize = 64;
const BODY: &[u8] = br#"{"ok":true}"#;
