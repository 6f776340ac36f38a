//! Policies at the bounds of their budget in a real Envoy: it stays small, it does not trap, and requests with the values that cost most
//! are answered. `just budget` prints what they take.

use std::time::{Duration, Instant};

use antumbra_e2e::client::Client;
use antumbra_e2e::envoy::Envoy;
use antumbra_e2e::envoy_config::EnvoyConfig;
use antumbra_e2e::process;
use antumbra_e2e::toolchain;
use antumbra_e2e::upstream::{Behaviour, Reply, Upstream};
use anyhow::Result;
use http::{HeaderValue, Request};
use http_body_util::Full;
use serde_json::{Value, json};

#[tokio::test]
async fn policies_at_the_bounds_of_their_budget() -> Result<()> {
    let stable = Upstream::start(Behaviour::Answer(Reply::json("{}"))).await?;
    let small = measure("no condition", &stable, &[json!({})]).await?;
    let ids: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
    let of = |count: usize, make: &dyn Fn(usize) -> Value| -> Vec<Value> { (0..count).map(make).collect() };
    let on_path = |pattern: String| json!({"path": {"regex": pattern}});
    let searched = |pattern: String| json!({"headers": {"x-long": {"search": pattern}}});
    for (name, blocks) in [
        ("255 × .*/api/vN/.*", of(255, &|n| on_path(format!(".*/api/v{n}/.*")))),
        ("255 × .*/api/v[0-9]+/N/.*", of(255, &|n| on_path(format!(".*/api/v[0-9]+/{n}/.*")))),
        ("20 × (.*a.*){1,9}N", of(20, &|n| on_path(format!("(.*a.*){{1,9}}{n}")))),
        ("170 searches for v[0-9]+-Nx$", of(170, &|n| searched(format!("v[0-9]+-{n}x$")))),
        (
            "46 × contains of 100",
            of(46, &|n| {
                let parts: Vec<String> = (0..100).map(|m| format!("part-{n}-{m}")).collect();
                json!({"path": {"contains": parts}})
            }),
        ),
        (
            "20 lists of 1,000 prefixes",
            of(20, &|n| {
                let prefixes: Vec<String> = (0..1_000).map(|m| format!("/aaaaaaaaaaaaaaaa{n}/{m}")).collect();
                json!({"path": {"prefix": prefixes}})
            }),
        ),
        ("6,000 conditions", of(6_000, &|n| json!({"headers": {"x-long": format!("v{n}")}}))),
        ("300,000 ids", of(3, &|_| json!({"headers": {"x-long": {"in": ids}}}))),
    ] {
        let memory = measure(name, &stable, &blocks).await?;
        let more = memory.saturating_sub(small) >> 20;
        assert!(more <= MAX_MIB, "{name}: {more} MiB more than a policy without conditions");
    }
    Ok(())
}

/// Bytes that Envoy has in memory with these conditions, after requests whose values cost most.
async fn measure(name: &str, stable: &Upstream, blocks: &[Value]) -> Result<u64> {
    let rules: Vec<Value> = blocks
        .chunks(64)
        .map(|blocks| match blocks {
            [only] if *only == json!({}) => json!({"to": "stable", "enabled": false}),
            _ => json!({"matches": blocks, "to": "stable"}),
        })
        .collect();
    let policy = json!({
        "version": 1, "name": "shop", "variants": {"stable": null, "canary": null}, "default": "stable", "rules": rules
    });
    let module = toolchain::filter_module()?;
    let config = EnvoyConfig::shipped()?.module(&module)?.upstream("stable", stable.address())?;
    let config = config.plugin(&json!({"policy": policy}))?;
    let directory = tempfile::tempdir()?;
    let envoy = Envoy::start(config, directory.path(), 1).await?;
    let client = Client::default();
    let mut fastest = Vec::new();
    for (path, value) in
        [("/".to_owned(), b"a".to_vec()), worst("a"), worst("/api/v0/1"), worst("v1-2"), worst("part-1-")]
    {
        let mut took = Duration::MAX;
        for _ in 0..ROUNDS {
            let request = Request::get(format!("http://{}{path}", envoy.address));
            let request = request.header("x-long", HeaderValue::from_bytes(&value)?);
            let began = Instant::now();
            let answer = client.send(request.body(Full::default())?).await?;
            took = took.min(began.elapsed());
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"{}"[..]), "{name}");
        }
        fastest.push(took);
    }
    let memory = process::memory(envoy.process().id(), "VmRSS")?;
    println!("{name}: {} MiB; fastest answers, by value: {fastest:.2?}", memory >> 20);
    envoy.assert_no_traps().await?;
    Ok(memory)
}

/// A path and a value of about the greatest length that Envoy lets in together.
fn worst(piece: &str) -> (String, Vec<u8>) {
    let filled = piece.repeat(LENGTH / piece.len());
    (format!("/{filled}"), filled.into_bytes())
}

/// How often each request is made.
const ROUNDS: usize = 20;
/// Bytes of a path, and of the header beside it.
const LENGTH: usize = 28 * 1024;
/// What a policy may add to Envoy's memory with one worker: the document, its tree and what is compiled, once in the main thread and once
/// in the worker.
const MAX_MIB: u64 = 96;
