//! Whatever the candidate does, the client gets the stable version's answer, byte for byte.

use std::net::SocketAddr;
use std::time::Duration;

use antumbra_e2e::patience::until;
use antumbra_e2e::upstream::{Behaviour, Refusing, Reply, Upstream};
use antumbra_e2e::world::{Versions, World};
use anyhow::Result;
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use hyper::body::Bytes;

/// Everything is mirrored, writes included, and a shadow may take `timeout`, as a policy writes it.
fn mirror_all(timeout: &str) -> String {
    format!(
        "
version: 1
name: shop
variants:
  stable: {{cluster: stable}}
  candidate: {{cluster: canary-shadow}}
  control: {{cluster: control, isolated: true}}
default: stable
rules:
- mirror:
  - {{to: candidate, percent: 100, unsafeMethods: allow, methods: [GET, HEAD, POST], timeout: {timeout}, control: {{to: control, percent: 100}}}}
"
    )
}

/// What a shadow may take where the candidate never answers: short, for the report knows only once it is over.
const BRIEF: &str = "300ms";

/// As many requests as the shipped cluster of the candidate keeps waiting for a connection.
const MAX_PENDING: u64 = 16;

/// What a shadow may take where the candidate answers, if slowly: longer than any machine that is busy with other work delays it.
const AMPLE: &str = "30s";

fn replies() -> Vec<Reply> {
    let reply =
        |status, body: Vec<u8>| Reply { status, headers: vec![("x-raw", vec![b'a', 0xff, b'b'])], body };
    vec![
        Reply::json(r#"{"a": 1}"#),
        reply(200, Vec::new()),
        reply(404, b"not here".to_vec()),
        reply(500, b"broken".to_vec()),
        reply(200, (0..=255).cycle().take(300_000).collect()),
    ]
}

/// Sends each kind of request for each reply of the stable version, and holds the answer against that reply. `outcome`: whether the
/// comparator is to find that the candidate gives no answers; `timeout`: what a shadow may take. Answers how many shadows left the proxy: the filter's breaker keeps most
/// of them back from a candidate that does not answer.
async fn check(candidate: SocketAddr, timeout: &str, outcome: bool) -> Result<u64> {
    let stable = Upstream::start(Behaviour::Hang).await?;
    let control = Upstream::start(Behaviour::Answer(Reply::json("{}"))).await?;
    let versions = Versions { stable: stable.address(), canary: candidate, control: control.address() };
    let world = World::start(versions, &mirror_all(timeout)).await?;
    let mut sent = 0;
    for reply in replies() {
        stable.behave(Behaviour::Answer(reply.clone()));
        for method in [Method::GET, Method::HEAD, Method::POST] {
            for _ in 0..10 {
                let body = if method == Method::POST { Bytes::from_static(b"payload") } else { Bytes::new() };
                let request =
                    Request::builder().method(method.clone()).uri(world.url("/x")).body(Full::new(body))?;
                let answer = world.client.send(request).await?;
                let expected: &[u8] = if method == Method::HEAD { b"" } else { &reply.body };
                assert_eq!((answer.status.as_u16(), &answer.body[..]), (reply.status, expected), "{method}");
                for (name, value) in &reply.headers {
                    assert_eq!(
                        answer.headers.get(*name).map(HeaderValue::as_bytes),
                        Some(&value[..]),
                        "{name}"
                    );
                }
                sent += 1;
            }
        }
    }
    // A breaker spares such a candidate, so that it takes some traffic until there is evidence.
    if outcome {
        sent += until_found(&world).await?;
    }
    let accounts = world.settled(sent).await?;
    assert_eq!((accounts.requests, accounts.mirrored + accounts.not_mirrored), (sent, sent));
    assert_eq!(accounts.delivered, accounts.mirrored);
    assert!(
        outcome || accounts.mirrored == sent,
        "only a candidate that gives no answers is spared: {accounts:?}"
    );
    let report = world.comparator.report("shop").await?;
    assert_eq!(report["exchanges"], accounts.mirrored);
    // The breakers keep back what a hanging candidate cannot take; that is no fault of its answers.
    let left = accounts.mirrored - report["dropped"]["notSent"].as_u64().unwrap_or(0);
    let silent = silent(&report);
    assert_eq!(silent > 0, outcome, "{report}");
    assert!(silent <= left, "{silent} of {left}: {report}");
    world.assert_no_traps().await?;
    Ok(left)
}

/// Sends requests until the report says that the candidate gives no answers; answers how many it took.
async fn until_found(world: &World) -> Result<u64> {
    let mut sent = 0;
    until("the report says that the candidate does not answer", || {
        sent += 20;
        async {
            world.drive(20, 4, |_| "/x".to_owned(), || {}).await?;
            Ok((silent(&world.comparator.report("shop").await?) > 0).then_some(()))
        }
    })
    .await?;
    Ok(sent)
}

/// Exchanges of the report in which the candidate alone gave no answer. So short a time may be a burst.
fn silent(report: &serde_json::Value) -> u64 {
    let of = |part: &str| report[part].as_array().into_iter().flatten();
    let regressions = of("regressions").chain(of("suspected"));
    let outcomes = regressions.filter(|regression| regression["kind"] == "outcome");
    outcomes.filter_map(|regression| regression["candidateOnly"].as_u64()).sum()
}

/// Every shadow that was sent arrives, if not at once: the observation of one that was given up may be here before the service reads it.
async fn all_arrived(candidate: &Upstream, left: u64) -> Result<()> {
    let what = format!("{left} shadows arrived");
    until(&what, || async { Ok((candidate.received().len() as u64 == left).then_some(())) }).await
}

#[tokio::test]
async fn the_candidate_refuses() -> Result<()> {
    check(Refusing::new()?.address(), BRIEF, true).await?;
    Ok(())
}

#[tokio::test]
async fn the_candidate_hangs() -> Result<()> {
    let candidate = Upstream::start(Behaviour::Hang).await?;
    let left = check(candidate.address(), BRIEF, true).await?;
    // Of what was not sent the report counts what it judges, which leaves out a warm-up; and a shadow whose time is over while it waits
    // in Envoy for a connection never reaches the service.
    let arrived = || candidate.received().len() as u64;
    until("most shadows arrived", || async { Ok((arrived() + MAX_PENDING >= left).then_some(())) }).await?;
    assert!(arrived() <= left, "{} of {left}", arrived());
    Ok(())
}

#[tokio::test]
async fn the_candidate_resets() -> Result<()> {
    let candidate = Upstream::start(Behaviour::Reset).await?;
    let left = check(candidate.address(), BRIEF, true).await?;
    all_arrived(&candidate, left).await
}

#[tokio::test]
async fn the_candidate_is_slow() -> Result<()> {
    let candidate = Upstream::start(Behaviour::Slow(Duration::from_millis(200), Reply::json("{}"))).await?;
    let left = check(candidate.address(), AMPLE, false).await?;
    all_arrived(&candidate, left).await
}
