//! Traffic that would make a careless filter trap: it is answered normally, and Envoy counts no failure of the VM.

mod budget;
mod comparator;
mod fuzz;
mod made_up;

use antumbra_e2e::client::Client;
use antumbra_e2e::envoy::Envoy;
use antumbra_e2e::envoy_config::{CONNECTION_MANAGER, EnvoyConfig};
use antumbra_e2e::services::Services;
use antumbra_e2e::upstream::{Behaviour, Reply, Upstream};
use antumbra_e2e::world::World;
use anyhow::Result;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;
use serde_json::json;

/// Rules of every kind, so that every reader of headers and cookies runs.
const POLICY: &str = r#"
version: 1
name: shop
variants:
  stable: {cluster: stable}
  canary: {cluster: canary}
  candidate: {cluster: canary-shadow}
  control: {cluster: control}
default: stable
rules:
- mirror: [{to: candidate, percent: 100, control: {to: control, percent: 100}}]
- matches: [{cookies: {canary: "1"}, headers: {x-team: {regex: "q.*a"}}}]
  to: canary
- matches: [{cookies: {other: {exists: true}}}, {cookies: {pattern: {regex: "[a-z]+"}}}, {path: {regex: "/x.*y"}}]
  to: canary
- name: split
  split: {by: ["cookie:uid", "header:x-user", "ip"], weights: {canary: 1, stable: 1}}
"#;

async fn world() -> Result<(World, Services)> {
    let services = Services::alike(Behaviour::Answer(Reply::json("{}"))).await?;
    let world = World::start_with(services.versions(), POLICY, many_headers).await?;
    Ok((world, services))
}

/// The shipped file answers 431 beyond 100 headers; here all of them have to reach the filter.
fn many_headers(mut config: EnvoyConfig) -> Result<EnvoyConfig> {
    let manager = config.at(CONNECTION_MANAGER)?;
    manager["max_request_headers_kb"] = json!(8192);
    manager["common_http_protocol_options"]["max_headers_count"] = json!(20_000);
    Ok(config)
}

#[tokio::test]
async fn strange_headers_and_cookies_are_answered_normally() -> Result<()> {
    let (world, _services) = world().await?;
    let cookies: [&[u8]; 14] = [
        b"",
        b";",
        b";;;=;",
        b"=",
        b"canary",
        b"canary=",
        b"canary=1; canary=2",
        b"canary=\xff\xfe",
        b"\xff\x80=1",
        b"canary=\"1",
        b"  canary = 1 ",
        b"uid=; uid=2",
        b"pattern=\xc3(",
        b"other=\xf0\x28\x8c\x28; uid=\xff",
    ];
    let headers: [(&str, &[u8]); 8] = [
        ("x-team", b"\xff"),
        ("x-team", b"q\xffa"),
        ("x-user", b""),
        ("x-user", b"\x80\x81"),
        ("x-antumbra-variant", b"\xff"),
        ("x-antumbra-shadow", b"\xff\xff"),
        ("traceparent", b"\xfe"),
        ("x-envoy-original-path", b"\xff"),
    ];
    let cookies = cookies.iter().map(|value| ("cookie", *value));
    let mut sent = 0;
    for (name, value) in cookies.chain(headers) {
        for path in ["/", "/x%fe%ffy", "/?a=%zz&&=", "//..;/x"] {
            let request = Request::get(world.url(path)).header(name, HeaderValue::from_bytes(value)?);
            let answer = world.client.send(request.body(Full::default())?).await?;
            assert_eq!(
                (answer.status.as_u16(), &answer.body[..]),
                (200, &b"{}"[..]),
                "{name}: {value:?} {path}"
            );
            sent += 1;
        }
    }
    let accounts = world.settled(sent).await?;
    assert_eq!(accounts.requests, accounts.mirrored + accounts.not_mirrored);
    assert_eq!(accounts.delivered, accounts.mirrored);
    world.assert_no_traps().await
}

/// The other tests rest on `traps` seeing one.
#[tokio::test]
async fn a_module_that_traps_is_seen() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let module = directory.path().join("trap.wasm");
    std::fs::write(&module, antumbra_components::module(TRAPPING)?)?;
    let stable = Upstream::start(Behaviour::Answer(Reply::json("{}"))).await?;
    let config = EnvoyConfig::shipped()?.module(&module)?.upstream("stable", stable.address())?;
    let envoy = Envoy::start(config, directory.path(), 1).await?;
    assert_eq!(envoy.traps().await?, 0);
    let client = Client::default();
    assert_eq!(client.get(&format!("http://{}/", envoy.address)).await?.status, 503);
    assert!(envoy.traps().await? > 0, "{}", envoy.process().log_end());
    Ok(())
}

/// The least that Envoy takes for a filter; it traps on a request's headers.
const TRAPPING: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) i32.const 1)
  (func (export "proxy_on_configure") (param i32 i32) (result i32) i32.const 1)
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable))"#;

#[tokio::test]
async fn ten_thousand_headers_are_answered_normally() -> Result<()> {
    let (world, services) = world().await?;
    let mut request = Request::get(world.url("/")).body(Full::default())?;
    for number in 0..10_000 {
        let name = HeaderName::from_bytes(format!("x-h-{number}").as_bytes())?;
        request.headers_mut().insert(name, HeaderValue::from_static("v"));
    }
    assert_eq!(world.client.send(request).await?.status, 200);
    let served = [&services.stable, &services.canary]
        .into_iter()
        .flat_map(Upstream::received)
        .map(|request| request.headers.len())
        .max()
        .unwrap_or(0);
    assert!(served >= 10_000, "{served} headers reached the service");
    let accounts = world.settled(1).await?;
    assert_eq!((accounts.mirrored, accounts.delivered), (1, 1));
    world.assert_no_traps().await
}
