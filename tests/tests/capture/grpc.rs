//! HTTP/2 on both sides of the proxy, and a unary gRPC call over it.

use antumbra_e2e::client::Client;
use antumbra_e2e::envoy_config::EnvoyConfig;
use antumbra_e2e::pieces::Pieces;
use antumbra_e2e::upstream::{Behaviour, Reply, Upstream};
use antumbra_observation::Body;
use anyhow::Result;
use http::Request;
use http_body_util::Full;
use serde_json::json;

use super::{Scene, assert_same, header, only, policy, primary, shadows};

async fn scene() -> Result<Scene> {
    let start = || Upstream::start_http2(Behaviour::Answer(Reply::json("{}")));
    let services = [start().await?, start().await?, start().await?];
    let writes = policy(", unsafeMethods: allow")
        .replace("control: {cluster: control}", "control: {cluster: control, isolated: true}");
    Scene::before(services, &writes, speaking_http2).await
}

fn speaking_http2(config: EnvoyConfig) -> Result<EnvoyConfig> {
    let http2 = json!({"http2_protocol_options": {}});
    ["stable", "canary-shadow", "control"]
        .into_iter()
        .try_fold(config, |config, name| config.speaking(name, &http2))
}

#[tokio::test]
async fn http2_on_both_sides_is_captured_like_http1() -> Result<()> {
    let scene = scene().await?;
    let body = Pieces::chunked(vec![b'y'; 20_000]);
    for (client, path) in [(Client::http2(), "/both"), (Client::default(), "/upstream")] {
        let answer = client.send(Request::post(scene.world.url(path)).body(body.stream())?).await?;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"{}"[..]));
        let observed = scene.world.observation(path).await?;
        assert_eq!(observed.request.body, Body::Whole(vec![b'y'; 20_000].into()));
        assert_eq!(primary(&observed).body, Body::Whole("{}".into()));
        assert_same(&observed);
    }
    for service in [&scene.stable, &scene.candidate, &scene.control] {
        assert!(service.received().iter().all(|request| request.body == vec![b'y'; 20_000]));
    }
    scene.world.settled(2).await?;
    scene.world.envoy.assert_no_traps().await
}

#[tokio::test]
async fn a_grpc_call_is_captured_with_frames_and_trailers() -> Result<()> {
    let scene = scene().await?;
    let reply = || Reply {
        status: 200,
        headers: vec![("content-type", b"application/grpc".to_vec())],
        body: Vec::new(),
    };
    let found = Pieces::chunked(frame(b"\x08\x2a")).trailer("grpc-status", "0");
    scene.behave(&Behaviour::Stream(reply(), found));
    // The candidate has the message, and another word about it.
    let lost =
        Pieces::chunked(frame(b"\x08\x2a")).trailer("grpc-status", "5").trailer("grpc-message", "gone");
    scene.candidate.behave(Behaviour::Stream(reply(), lost));

    let asked = frame(b"\x0a\x03one");
    let request = Request::post(scene.world.url("/shop.Cart/Get"));
    let request = request.header("content-type", "application/grpc").header("te", "trailers");
    let answer = Client::http2().send(request.body(Full::from(asked.clone()))?).await?;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &frame(b"\x08\x2a")[..]));
    assert_eq!(answer.trailers["grpc-status"], "0");

    let observed = scene.world.observation("/shop.Cart/Get").await?;
    assert_eq!(observed.request.body, Body::Whole(asked.clone().into()));
    assert_eq!(primary(&observed).body, Body::Whole(frame(b"\x08\x2a").into()));
    assert_eq!(header(primary(&observed), "content-type"), Some(&b"application/grpc"[..]));
    assert_eq!(primary(&observed).trailers, [("grpc-status".into(), "0".into())]);
    let [candidate, control] = shadows(&observed);
    let gone = [("grpc-status".into(), "5".into()), ("grpc-message".into(), "gone".into())];
    assert_eq!((&candidate.body, &candidate.trailers[..]), (&Body::Same, &gone[..]));
    assert_eq!((&control.body, &control.trailers), (&Body::Same, &primary(&observed).trailers));
    // What a gRPC server insists on.
    for service in [&scene.stable, &scene.candidate, &scene.control] {
        let received = only(service);
        assert_eq!((&*received.method, &received.body[..]), ("POST", &asked[..]));
        assert_eq!(received.header("te").as_deref(), Some("trailers"));
        assert_eq!(received.header("content-type").as_deref(), Some("application/grpc"));
    }
    scene.world.settled(1).await?;
    scene.world.envoy.assert_no_traps().await
}

/// Not compressed; the length in four bytes, big endian. (gRPC over HTTP2, "Length-Prefixed-Message".)
fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a short message");
    [&[0][..], &length.to_be_bytes(), message].concat()
}
