//! Exchanges that break off or have no end: the client gets what there is as it comes, and no place is held for them.

use std::time::Duration;

use antumbra_e2e::patience::until;
use antumbra_e2e::pieces::Pieces;
use antumbra_e2e::upstream::{Behaviour, Reply, Upstream};
use antumbra_observation::NotMirrored;
use anyhow::{Context, Result};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::json;

use super::{Scene, policy};

const EVENT: &[u8] = b"data: {\"price\": 1}\n\n";

fn endless(kind: &str) -> Behaviour {
    let headers = vec![("content-type", kind.as_bytes().to_vec())];
    let reply = Reply { status: 200, headers, body: Vec::new() };
    Behaviour::Stream(reply, Pieces::endless(EVENT, Duration::from_millis(20)))
}

/// One exchange may be recorded at a time, and not for long; rules may look into bodies.
async fn scene_with_one_place(mirror: &str, rules: &str) -> Result<Scene> {
    let policy = policy(mirror).replace("timeout: 30s", "timeout: 500ms") + rules;
    let start = || Upstream::start(Behaviour::Answer(Reply::json("{}")));
    Scene::before([start().await?, start().await?, start().await?], &policy, |mut config| {
        config.filter("antumbra")?["typed_config"]["config"]["allow_on_headers_stop_iteration"] = json!(true);
        let mut plugin = config.plugin_configuration()?;
        plugin["bodies"] = json!(true);
        plugin["limits"] = json!({"exchangesInFlight": 1});
        config.plugin(&plugin)
    })
    .await
}

async fn open(scene: &Scene, path: &str) -> Result<Response<Incoming>> {
    let answer = scene.world.client.open(Request::get(scene.world.url(path)).body(Full::default())?).await?;
    assert_eq!(answer.status(), 200);
    Ok(answer)
}

/// Reads until so many whole events came.
async fn read_events(answer: &mut Response<Incoming>, count: usize) -> Result<()> {
    let mut read = Vec::new();
    while read.len() < count * EVENT.len() {
        let frame = answer.frame().await.context("the stream ended")??;
        read.extend_from_slice(frame.data_ref().context("no data")?);
    }
    let events = read.chunks(EVENT.len()).take(count);
    events.for_each(|event| assert_eq!(event, EVENT));
    Ok(())
}

#[tokio::test]
async fn streams_without_end_flow_and_hold_no_place_for_long() -> Result<()> {
    let scene = scene_with_one_place("", "").await?;
    let mut streams = Vec::new();
    for kind in ["text/event-stream", "application/x-ndjson"] {
        // The place has to be free, or the stream is not even recorded.
        let ended = scene.stable.received().len() - streams.len();
        scene.world.settled(ended as u64).await?;
        scene.stable.behave(endless(kind));
        let mut stream = open(&scene, "/endless").await?;
        read_events(&mut stream, 3).await?;
        streams.push(stream);
        scene.stable.behave(Behaviour::Answer(Reply::json("{}")));
        mirrored_again(&scene, &format!("/after?{kind}")).await?;
        // The next stream is to find the place free.
        let over = scene.stable.received().len() - streams.len();
        scene.world.settled(over as u64).await?;
    }
    for stream in &mut streams {
        read_events(stream, 2).await?;
    }
    drop(streams);
    let sent = scene.stable.received().len() as u64;
    let accounts = scene.world.settled(sent).await?;
    assert_eq!(accounts.not_mirrored.get(NotMirrored::TooLong), 2, "{accounts:?}");
    let shadows = scene.candidate.received();
    assert!(shadows.iter().all(|shadow| shadow.path != "/endless"), "{shadows:?}");
    scene.world.envoy.assert_no_traps().await
}

/// Nothing is called for such a stream, and its recording began only when its body had come.
#[tokio::test]
async fn a_silent_service_holds_no_place_where_the_request_waited_for_its_body() -> Result<()> {
    let rule = "- {matches: [{json: {/kind: urgent}}], to: stable}\n";
    let scene = scene_with_one_place(", unsafeMethods: allow", rule).await?;
    scene.stable.behave(Behaviour::Hang);
    let request = Request::post(scene.world.url("/silent")).header("content-type", "application/json");
    let request = request.body(Full::from(r#"{"kind": "usual"}"#))?;
    let client = scene.world.client.clone();
    let silent = tokio::spawn(async move { client.send(request).await });
    until("the request is at the service", || async { Ok(scene.stable.received().first().map(|_| ())) })
        .await?;
    scene.stable.behave(Behaviour::Answer(Reply::json("{}")));
    mirrored_again(&scene, "/after").await?;
    assert!(!silent.is_finished(), "the place came back only when the silence was over");
    silent.abort();
    let accounts = scene.world.settled(scene.stable.received().len() as u64).await?;
    assert_eq!(accounts.not_mirrored.get(NotMirrored::TooLong), 1, "{accounts:?}");
    scene.world.envoy.assert_no_traps().await
}

/// Asks for this path until a place is free and it is mirrored, while the streams go on.
async fn mirrored_again(scene: &Scene, path: &str) -> Result<()> {
    until("a request is mirrored again", || async {
        scene.world.get(path).await?;
        let observed = scene.world.recorder.observations();
        Ok(observed.iter().any(|o| *o.request.path == *path.as_bytes()).then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_is_not_mirrored() -> Result<()> {
    let scene = Scene::start(Ok).await?;
    let reply = Reply { status: 200, headers: Vec::new(), body: Vec::new() };
    // More than all buffers on the way hold.
    scene.behave(&Behaviour::Stream(reply, Pieces::announced(vec![b'x'; 64 << 20])));
    for number in 0..5 {
        let mut answer = open(&scene, &format!("/{number}")).await?;
        answer.frame().await.context("no body")??;
    }
    let accounts = scene.world.settled(5).await?;
    assert_eq!(accounts.not_mirrored, [(NotMirrored::ResponseIncomplete, 5)].into());
    scene.assert_no_shadows();
    scene.world.envoy.assert_no_traps().await
}
