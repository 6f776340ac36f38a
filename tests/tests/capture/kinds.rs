//! Answers that are not the usual 200 with a body.

use antumbra_e2e::envoy_config::CONNECTION_MANAGER;
use antumbra_e2e::upstream::{Behaviour, Refusing, Reply, Upstream};
use antumbra_e2e::world::Versions;
use antumbra_observation::{Body, NotMirrored};
use anyhow::Result;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::json;

use super::{RecordedWorld, Scene, assert_same, header, policy, primary};

#[tokio::test]
async fn an_answer_without_a_body_is_captured_as_such() -> Result<()> {
    let scene = Scene::start(Ok).await?;
    let mut sent = 0;
    for (method, status, body) in
        [(Method::HEAD, 200, &b"seen by GET alone"[..]), (Method::GET, 204, b""), (Method::GET, 304, b"")]
    {
        let headers = vec![("etag", b"\"x\"".to_vec())];
        scene.behave(&Behaviour::Answer(Reply { status, headers, body: body.to_vec() }));
        let path = format!("/{method}/{status}");
        let request = Request::builder().method(&method).uri(scene.world.url(&path));
        let answer = scene.world.client.send(request.body(Full::default())?).await?;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0), "{path}");
        sent += 1;

        let observed = scene.world.observation(&path).await?;
        assert_eq!(
            (&*observed.request.method.to_text(), primary(&observed).status),
            (method.as_str(), status)
        );
        assert_eq!(primary(&observed).body, Body::default(), "{path}");
        assert_eq!(header(primary(&observed), "etag"), Some(&b"\"x\""[..]), "{path}");
        assert_same(&observed);
        if method == Method::HEAD {
            assert_eq!(header(primary(&observed), "content-length"), Some(&b"17"[..]));
        }
    }
    scene.world.settled(sent).await?;
    scene.world.envoy.assert_no_traps().await
}

#[tokio::test]
async fn a_compressed_body_is_captured_as_it_is() -> Result<()> {
    let scene = Scene::start(Ok).await?;
    let headers = vec![("content-encoding", b"gzip".to_vec()), ("content-type", b"text/plain".to_vec())];
    scene.behave(&Behaviour::Answer(Reply { status: 200, headers, body: GZIPPED.to_vec() }));
    let request = Request::get(scene.world.url("/gzip")).header("accept-encoding", "gzip");
    let answer = scene.world.client.send(request.body(Full::default())?).await?;
    assert_eq!((answer.headers["content-encoding"].as_bytes(), &answer.body[..]), (&b"gzip"[..], GZIPPED));
    let observed = scene.world.observation("/gzip").await?;
    assert_eq!(primary(&observed).body, Body::Whole(GZIPPED.into()));
    assert_eq!(header(primary(&observed), "content-encoding"), Some(&b"gzip"[..]));
    assert_same(&observed);
    assert_eq!(scene.candidate.received()[0].header("accept-encoding").as_deref(), Some("gzip"));
    scene.world.settled(1).await?;
    Ok(())
}

/// The proxy's own answers say nothing of the service.
#[tokio::test]
async fn what_the_proxy_answers_itself_is_not_mirrored() -> Result<()> {
    let shadow = Upstream::start(Behaviour::Answer(Reply::json("{}"))).await?;
    let refusing = Refusing::new()?;
    let versions =
        Versions { stable: refusing.address(), canary: shadow.address(), control: shadow.address() };
    let world = RecordedWorld::start(versions, &policy(""), |mut config| {
        let routes = config.at(&format!("{CONNECTION_MANAGER}/route_config/virtual_hosts/0/routes"))?;
        let routes = routes.as_array_mut().expect("the shipped file lists its routes");
        let direct = json!({"status": 200, "body": {"inline_string": "from the proxy"}});
        routes.insert(0, json!({"match": {"path": "/direct"}, "direct_response": direct}));
        routes.insert(0, json!({"match": {"path": "/empty"}, "route": {"cluster": "canary"}}));
        config.cluster("canary")?["load_assignment"]["endpoints"] = json!([]);
        Ok(config)
    })
    .await?;
    for (path, status) in [("/direct", 200), ("/empty", 503), ("/refused", 503)] {
        assert_eq!(world.get(path).await?.status, status, "{path}");
    }
    let accounts = world.settled(3).await?;
    assert_eq!(accounts.not_mirrored, [(NotMirrored::LocalReply, 3)].into());
    assert_eq!(shadow.received(), []);
    world.envoy.assert_no_traps().await
}

/// `printf antumbra | gzip -n`
const GZIPPED: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x4b, 0xcc, 0x2b, 0x29, 0xcd, 0x4d, 0x2a,
    0x4a, 0x04, 0x00, 0xb6, 0x12, 0xc8, 0xa6, 0x08, 0x00, 0x00, 0x00,
];
