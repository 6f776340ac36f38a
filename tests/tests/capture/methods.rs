//! Which methods are mirrored, and that a mirror never mirrors itself.

use antumbra_e2e::patience::until;
use antumbra_e2e::upstream::{Behaviour, Reply, Upstream};
use antumbra_e2e::world::Versions;
use antumbra_observation::NotMirrored;
use anyhow::Result;
use http::{Method, Request};
use http_body_util::Full;
use tokio::net::{TcpListener, TcpStream};

use super::{RecordedWorld, Scene, policy};

const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];

#[tokio::test]
async fn only_safe_methods_are_mirrored_unless_writes_are_allowed() -> Result<()> {
    let scene = Scene::start(Ok).await?;
    check(&scene, &METHODS[..3], &METHODS[..3]).await
}

/// Nobody writes twice into production.
#[tokio::test]
async fn a_control_gets_no_writes() -> Result<()> {
    let scene = Scene::mirroring(", unsafeMethods: allow", Ok).await?;
    check(&scene, &METHODS, &METHODS[..3]).await
}

#[tokio::test]
async fn an_isolated_control_gets_writes() -> Result<()> {
    let start = || Upstream::start(Behaviour::Answer(Reply::json("{}")));
    let isolated = policy(", unsafeMethods: allow")
        .replace("control: {cluster: control}", "control: {cluster: control, isolated: true}");
    let scene = Scene::before([start().await?, start().await?, start().await?], &isolated, Ok).await?;
    check(&scene, &METHODS, &METHODS).await
}

/// Sends each method once, and holds what each service got against these.
async fn check(scene: &Scene, candidate: &[&str], control: &[&str]) -> Result<()> {
    for method in METHODS {
        let request = Request::builder().method(Method::from_bytes(method.as_bytes())?);
        let answer =
            scene.world.client.send(request.uri(scene.world.url("/")).body(Full::default())?).await?;
        assert_eq!(answer.status, 200, "{method}");
    }
    let accounts = scene.world.settled(METHODS.len() as u64).await?;
    assert_eq!(accounts.mirrored, candidate.len() as u64);
    let passed = METHODS.len() - candidate.len();
    assert_eq!(accounts.not_mirrored.get(NotMirrored::UnsafeMethod), passed as u64);
    assert_eq!(accounts.unsafe_methods.total(), passed as u64);
    assert_eq!(methods(&scene.stable), sorted(&METHODS));
    assert_eq!(methods(&scene.candidate), sorted(candidate));
    assert_eq!(methods(&scene.control), sorted(control));
    for observation in scene.world.recorder.observations() {
        let method = observation.request.method.to_text().into_owned();
        assert_eq!(observation.control.is_some(), control.contains(&method.as_str()), "{method}");
    }
    Ok(())
}

/// Shadows of different requests may overtake each other.
fn methods(upstream: &Upstream) -> Vec<String> {
    let mut methods: Vec<_> = upstream.received().into_iter().map(|received| received.method).collect();
    methods.sort();
    methods
}

fn sorted(methods: &[&str]) -> Vec<String> {
    let mut methods: Vec<_> = methods.iter().map(|method| (*method).to_owned()).collect();
    methods.sort();
    methods
}

#[tokio::test]
async fn a_shadow_request_is_never_mirrored_whoever_sent_it() -> Result<()> {
    let scene = Scene::start(Ok).await?;
    let request = Request::get(scene.world.url("/")).header("x-antumbra-shadow", "anything");
    assert_eq!(scene.world.client.send(request.body(Full::default())?).await?.status, 200);
    let accounts = scene.world.settled(1).await?;
    assert_eq!(accounts.not_mirrored, [(NotMirrored::Shadow, 1)].into());
    scene.assert_no_shadows();
    Ok(())
}

#[tokio::test]
async fn a_candidate_that_is_the_proxy_itself_makes_one_hop() -> Result<()> {
    let stable = Upstream::start(Behaviour::Answer(Reply::json("{}"))).await?;
    let back = TcpListener::bind(("127.0.0.1", 0)).await?;
    let versions =
        Versions { stable: stable.address(), canary: back.local_addr()?, control: stable.address() };
    let only_candidate = policy("").replace(", control: {to: control}", "");
    let world = RecordedWorld::start(versions, &only_candidate, Ok).await?;
    let proxy = world.envoy.address;
    let relay = tokio::spawn(async move {
        while let Ok((mut from, _)) = back.accept().await {
            tokio::spawn(async move {
                let mut to = TcpStream::connect(proxy).await?;
                tokio::io::copy_bidirectional(&mut from, &mut to).await
            });
        }
    });
    assert_eq!(world.get("/loop").await?.status, 200);
    until("the hop is over", || async { Ok((world.recorder.accounts().requests >= 2).then_some(())) })
        .await?;
    let accounts = world.settled(2).await?;
    assert_eq!((accounts.mirrored, accounts.not_mirrored), (1, [(NotMirrored::Shadow, 1)].into()));
    let marked: Vec<bool> =
        stable.received().iter().map(|request| request.header("x-antumbra-shadow").is_some()).collect();
    assert_eq!(marked, [false, true], "the client's request, and the shadow that came round");
    relay.abort();
    world.envoy.assert_no_traps().await
}
