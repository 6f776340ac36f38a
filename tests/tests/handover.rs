//! Shadow calls that the comparator makes: the same observation and report, and the proxy meets neither candidate nor control.

use std::time::Duration;

use antumbra_e2e::envoy_config::CONNECTION_MANAGER;
use antumbra_e2e::pieces::Pieces;
use antumbra_e2e::services::Services;
use antumbra_e2e::upstream::{Behaviour, Refusing, Reply};
use antumbra_e2e::world::World;
use anyhow::Result;
use http::{HeaderValue, Method, Request};
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::json;

/// A shadow that is answered has so long that no other work on the machine makes it late.
const POLICY: &str = "
version: 1
name: shop
variants:
  stable: {cluster: stable}
  candidate: {cluster: canary-shadow}
  control: {cluster: control, isolated: true}
default: stable
rules:
- mirror:
  - {to: candidate, percent: 100, via: comparator, timeout: 30s, unsafeMethods: allow, pathPrefix: /v2,
     headers: {remove: [authorization, x-secret]}, control: {to: control, percent: 100}}
gates: {block: 100ms, warmUp: 0s, atLeast: 0s}
";

/// In Envoy's own configuration nobody is where candidate and control should be: only the comparator knows them.
async fn world(services: &Services, policy: &str) -> Result<World> {
    let nobody = Refusing::new()?.address();
    World::start_with(services.versions(), policy, |mut config| {
        let trailers = json!({"enable_trailers": true});
        config.at(CONNECTION_MANAGER)?["http_protocol_options"] = trailers.clone();
        let config = config.speaking("stable", &json!({"http_protocol_options": trailers}))?;
        config.upstream("canary-shadow", nobody)?.upstream("control", nobody)
    })
    .await
}

fn answering(price: u32) -> Behaviour {
    Behaviour::Answer(Reply::json(&format!(r#"{{"price": {price}}}"#)))
}

#[tokio::test]
async fn a_defect_is_found_by_the_comparators_own_calls() -> Result<()> {
    let services = Services::start([10, 11, 10].map(answering)).await?;
    let world = world(&services, POLICY).await?;
    for _ in 0..60 {
        let request = Request::post(world.url("/cart?a=1")).header("authorization", "Bearer secret");
        let answer = world.client.send(request.body(Full::new(Bytes::from_static(b"payload")))?).await?;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, r#"{"price": 10}"#.to_owned()));
        // They fill more than the eight blocks that a roll back takes.
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let accounts = world.settled(60).await?;
    assert_eq!((accounts.mirrored, accounts.delivered), (60, 60));
    for (service, variant) in [(&services.canary, "candidate"), (&services.control, "control")] {
        let received = service.received();
        assert_eq!(received.len(), 60, "{variant}");
        for shadow in &received {
            assert_eq!(
                (&*shadow.method, &*shadow.path, &shadow.body[..]),
                ("POST", "/v2/cart?a=1", &b"payload"[..])
            );
            assert_eq!(shadow.header("x-antumbra-variant").as_deref(), Some(variant));
            assert!(shadow.header("x-antumbra-shadow").is_some() && shadow.header("authorization").is_none());
        }
    }
    let report = world.comparator.report("shop").await?;
    assert_eq!((&report["verdict"], &report["exchanges"]), (&"roll back".into(), &60.into()), "{report}");
    assert_eq!(report["regressions"][0]["path"], "/price");
    world.assert_no_traps().await
}

/// Trailers go along as headers do: not those that the mirror removes.
#[tokio::test]
async fn the_trailers_of_a_request_are_repeated() -> Result<()> {
    let services = Services::alike(answering(10)).await?;
    let world = world(&services, POLICY).await?;
    for (method, path) in [(Method::POST, "/cart"), (Method::GET, "/search")] {
        let body = Pieces::chunked("payload").trailer("x-sum", "42").trailer("x-secret", "s");
        let request =
            Request::builder().method(method).uri(world.url(path)).header("trailer", "x-sum, x-secret");
        let request = request.header("transfer-encoding", "chunked").body(body.stream())?;
        assert_eq!(world.client.send(request).await?.status, 200, "{path}");
    }
    let accounts = world.settled(2).await?;
    assert_eq!((accounts.mirrored, accounts.delivered), (2, 2));
    assert!(services.stable.received().iter().all(|received| received.trailers["x-secret"] == "s"));
    for service in [&services.canary, &services.control] {
        let received = service.received();
        assert_eq!(received.len(), 2);
        for shadow in &received {
            let trailers: Vec<_> =
                shadow.trailers.iter().map(|(name, value)| (name.as_str(), value)).collect();
            assert_eq!(trailers, [("x-sum", &HeaderValue::from_static("42"))], "{}", shadow.path);
            assert_eq!(&shadow.body[..], b"payload", "{}", shadow.path);
        }
    }
    world.assert_no_traps().await
}

#[tokio::test]
async fn a_candidate_that_hangs_is_the_comparators_trouble_alone() -> Result<()> {
    let services = Services::start([answering(10), Behaviour::Hang, answering(10)]).await?;
    let world = world(&services, &POLICY.replace("30s", "300ms")).await?;
    world.drive(100, 8, |number| format!("/{number}"), || {}).await?;
    let accounts = world.settled(100).await?;
    assert_eq!((accounts.mirrored, accounts.delivered), (100, 100), "{accounts:?}");
    let report = world.comparator.report("shop").await?;
    // So short a time may be a burst.
    let found = report["regressions"].get(0).or(report["suspected"].get(0));
    assert_eq!(found.map(|found| &found["kind"]), Some(&"outcome".into()), "{report}");
    world.assert_no_traps().await
}
