//! Shadow calls that the comparator makes: the same observation and report, and the proxy meets neither candidate nor control.

use antumbra_e2e::upstream::{Behaviour, Refusing, Reply, Upstream};
use antumbra_e2e::world::{Versions, World};
use anyhow::Result;
use http::Request;
use http_body_util::Full;
use hyper::body::Bytes;

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
  - {to: candidate, percent: 100, via: comparator, timeout: 300ms, unsafeMethods: allow, pathPrefix: /v2,
     headers: {remove: [authorization]}, control: {to: control, percent: 100}}
";

/// In Envoy's own configuration nobody is where candidate and control should be: only the comparator knows them.
async fn world(stable: &Upstream, candidate: &Upstream, control: &Upstream) -> Result<World> {
    let nobody = Refusing::new()?.address();
    let versions =
        Versions { stable: stable.address(), canary: candidate.address(), control: control.address() };
    World::start_with(versions, POLICY, |config| {
        config.upstream("canary-shadow", nobody)?.upstream("control", nobody)
    })
    .await
}

async fn answering(price: u32) -> Result<Upstream> {
    Upstream::start(Behaviour::Answer(Reply::json(&format!(r#"{{"price": {price}}}"#)))).await
}

#[tokio::test]
async fn a_defect_is_found_by_the_comparators_own_calls() -> Result<()> {
    let (stable, candidate, control) = (answering(10).await?, answering(11).await?, answering(10).await?);
    let world = world(&stable, &candidate, &control).await?;
    for _ in 0..60 {
        let request = Request::post(world.url("/cart?a=1")).header("authorization", "Bearer secret");
        let answer = world.client.send(request.body(Full::new(Bytes::from_static(b"payload")))?).await?;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, r#"{"price": 10}"#.to_owned()));
    }
    let accounts = world.settled(60).await?;
    assert_eq!((accounts.mirrored, accounts.delivered), (60, 60));
    for (service, variant) in [(&candidate, "candidate"), (&control, "control")] {
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

#[tokio::test]
async fn a_candidate_that_hangs_is_the_comparators_trouble_alone() -> Result<()> {
    let (stable, control) = (answering(10).await?, answering(10).await?);
    let candidate = Upstream::start(Behaviour::Hang).await?;
    let world = world(&stable, &candidate, &control).await?;
    world.drive(100, 8, |number| format!("/{number}"), || {}).await?;
    let accounts = world.settled(100).await?;
    assert_eq!((accounts.mirrored, accounts.delivered), (100, 100), "{accounts:?}");
    let report = world.comparator.report("shop").await?;
    assert_eq!(report["regressions"][0]["kind"], "outcome", "{report}");
    world.assert_no_traps().await
}
