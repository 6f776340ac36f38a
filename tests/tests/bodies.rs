//! Bodies of every size pass unharmed through small buffers, both ways, and are captured as the policy says: whole up to the cap,
//! beyond it by length and hash; a request beyond it is not mirrored but counted.

use antumbra_e2e::client::Answer;
use antumbra_e2e::envoy_config::{CONNECTION_MANAGER, EnvoyConfig};
use antumbra_e2e::pieces::Pieces;
use antumbra_e2e::recorded_world::RecordedWorld;
use antumbra_e2e::services::Services;
use antumbra_e2e::upstream::{Behaviour, Received, Reply, Upstream};
use antumbra_observation::{Body, Leg, NotMirrored, Outcome, Response};
use anyhow::{Context, Result};
use http::{HeaderMap, Request};
use hyper::body::Bytes;
use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

#[tokio::test]
async fn answers_around_a_small_cap() -> Result<()> {
    check_answers(CAP, &SIZES).await
}

#[tokio::test]
async fn answers_around_a_large_cap() -> Result<()> {
    check_answers(LARGE_CAP, &LARGE_SIZES).await
}

#[tokio::test]
async fn requests_around_a_small_cap() -> Result<()> {
    check_requests(CAP, &SIZES).await
}

#[tokio::test]
async fn requests_around_a_large_cap() -> Result<()> {
    check_requests(LARGE_CAP, &LARGE_SIZES).await
}

/// Stable and candidate give the same answer; the control's last byte is another one.
async fn check_answers(cap: usize, sizes: &[usize]) -> Result<()> {
    let scene = Scene::start(cap).await?;
    for (size, pieces, path) in messages(sizes) {
        let body = body(size);
        let mut changed = body.to_vec();
        if let Some(last) = changed.last_mut() {
            *last ^= 1;
        }
        let reply = |body: Bytes| Behaviour::Stream(head(), pieces(body));
        scene.services.stable.behave(reply(body.clone()));
        scene.services.canary.behave(reply(body.clone()));
        scene.services.control.behave(reply(changed.clone().into()));

        let request = Request::get(scene.world.url(&path)).header("te", "trailers");
        let answer = scene.world.client.send(request.body(Pieces::announced("").stream())?).await?;
        assert_unharmed(&answer, &body, &pieces(body.clone()), &path);

        let observed = scene.world.observation(&path).await?;
        let primary = response(&observed.primary);
        assert_body(&primary.body, &body, cap, &path);
        assert_eq!(trailers(primary), pieces(body.clone()).trailers(), "{path}");
        assert_eq!(response(&observed.candidate).body, Body::Same, "{path}");
        assert_eq!(trailers(response(&observed.candidate)), trailers(primary), "{path}");
        let control = observed.control.as_ref().context("no control")?;
        match size {
            0 => assert_eq!(response(control).body, Body::Same, "{path}"),
            _ => assert_body(&response(control).body, &changed, cap, &path),
        }
        scene.forget();
    }
    scene.world.settled((sizes.len() * FRAMINGS.len()) as u64).await?;
    scene.world.envoy.assert_no_traps().await
}

/// What the client uploads arrives at the stable version, and at the shadows if it is within the cap.
async fn check_requests(cap: usize, sizes: &[usize]) -> Result<()> {
    let scene = Scene::start(cap).await?;
    for (size, pieces, path) in messages(sizes) {
        let body = body(size);
        let mut request = Request::post(scene.world.url(&path));
        if !pieces(body.clone()).trailers().is_empty() {
            request = request.header("trailer", "x-sum");
        }
        let answer = scene.world.client.send(request.body(pieces(body.clone()).stream())?).await?;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"{}"[..]), "{path}");

        let received = only(&scene.services.stable);
        assert_eq!((received.body.len(), xxh3_64(&received.body)), (size, xxh3_64(&body)), "{path}");
        assert_eq!(received.trailers, pieces(body.clone()).trailers(), "{path}");
        if size <= cap {
            let observed = scene.world.observation(&path).await?;
            assert_body(&observed.request.body, &body, cap, &path);
            for shadow in [only(&scene.services.canary), only(&scene.services.control)] {
                assert_eq!((&*shadow.method, &*shadow.path), ("POST", &*path));
                assert_eq!(xxh3_64(&shadow.body), xxh3_64(&body), "{path}");
                assert!(
                    shadow.trailers.is_empty(),
                    "{path}: Envoy repeats trailers now, and its page says not"
                );
            }
        }
        scene.forget();
    }
    let framings = FRAMINGS.len();
    let accounts = scene.world.settled((sizes.len() * framings) as u64).await?;
    let large = sizes.iter().filter(|size| **size > cap).count() * framings;
    assert_eq!(accounts.not_mirrored, [(NotMirrored::RequestBodyTooLarge, large as u64)].into());
    assert_eq!(scene.services.canary.received(), [], "nothing too large reached the candidate");
    scene.world.envoy.assert_no_traps().await
}

/// Every size in every framing, with a path that names both.
fn messages(sizes: &[usize]) -> impl Iterator<Item = (usize, fn(Bytes) -> Pieces, String)> {
    let framed = |size| FRAMINGS.map(|(name, pieces)| (size, pieces, format!("/{name}/{size}")));
    sizes.iter().copied().flat_map(framed)
}

struct Scene {
    services: Services,
    world: RecordedWorld,
}

impl Scene {
    async fn start(cap: usize) -> Result<Self> {
        let services = Services::alike(Behaviour::Answer(Reply::json("{}"))).await?;
        let world = RecordedWorld::start(services.versions(), &policy(cap), small_buffers).await?;
        Ok(Self { services, world })
    }

    fn forget(&self) {
        self.world.recorder.forget();
        self.services.each().into_iter().for_each(Upstream::forget);
    }
}

fn policy(cap: usize) -> String {
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
  - {{to: candidate, unsafeMethods: allow, maxBodyBytes: {cap}, timeout: 30s, control: {{to: control}}}}
"
    )
}

/// Buffers far smaller than most bodies, trailers for HTTP/1.1, and shadows whose answers may be as large as the largest here.
fn small_buffers(mut config: EnvoyConfig) -> Result<EnvoyConfig> {
    config.at(CONNECTION_MANAGER)?["http_protocol_options"] = json!({"enable_trailers": true});
    config.at("/static_resources/listeners/0")?["per_connection_buffer_limit_bytes"] = json!(32_768);
    config.at("/layered_runtime/layers/0/static_layer")?["http.async_response_buffer_limit"] =
        json!(32 << 20);
    for cluster in ["stable", "canary-shadow", "control"] {
        config = config.speaking(cluster, &json!({"http_protocol_options": {"enable_trailers": true}}))?;
        config.cluster(cluster)?["per_connection_buffer_limit_bytes"] = json!(32_768);
    }
    Ok(config)
}

/// Hyper writes the trailers that this announces.
fn head() -> Reply {
    let headers =
        vec![("content-type", b"application/octet-stream".to_vec()), ("trailer", b"x-sum".to_vec())];
    Reply { status: 200, headers, body: Vec::new() }
}

/// No byte repeats at a distance that a lost or doubled piece could hide in.
fn body(size: usize) -> Bytes {
    let mut dice = antumbra_policy::Dice(7);
    let words = (0..size.div_ceil(8)).flat_map(|_| dice.next().to_le_bytes());
    words.take(size).collect::<Vec<u8>>().into()
}

fn assert_unharmed(answer: &Answer, body: &Bytes, sent: &Pieces, what: &str) {
    assert_eq!(answer.status, 200, "{what}");
    assert_eq!((answer.body.len(), xxh3_64(&answer.body)), (body.len(), xxh3_64(body)), "{what}");
    assert_eq!(answer.trailers, sent.trailers(), "{what}");
    let length = answer.headers.get("content-length").map(|length| length.as_bytes().to_vec());
    let expected = sent.is_announced().then(|| body.len().to_string().into_bytes());
    assert_eq!(length, expected, "{what}");
}

fn assert_body(captured: &Body, sent: &[u8], cap: usize, what: &str) {
    match captured {
        Body::Whole(bytes) => {
            assert!(sent.len() <= cap, "{what}: whole, though beyond the cap of {cap}");
            assert_eq!((bytes.len(), xxh3_64(bytes)), (sent.len(), xxh3_64(sent)), "{what}");
        }
        Body::Cut { length, xxh3 } => {
            assert!(sent.len() > cap, "{what}: cut, though within the cap of {cap}");
            assert_eq!((*length, *xxh3), (sent.len() as u64, xxh3_64(sent)), "{what}");
        }
        Body::Same => panic!("{what}: the same as the primary"),
    }
}

fn response(leg: &Leg) -> &Response {
    assert_eq!(leg.outcome, Outcome::Response);
    leg.response.as_ref().expect("a leg that was answered")
}

fn trailers(response: &Response) -> HeaderMap {
    let parsed = response.trailers.iter().map(|(name, value)| {
        (name.to_text().parse().expect("a name"), value.to_text().parse().expect("a value"))
    });
    parsed.collect()
}

fn only(upstream: &Upstream) -> Received {
    let mut received = upstream.received();
    assert_eq!(received.len(), 1, "{:?}", received.iter().map(|r| &r.path).collect::<Vec<_>>());
    received.remove(0)
}

type Framing = (&'static str, fn(Bytes) -> Pieces);
const FRAMINGS: [Framing; 3] = [
    ("announced", |body| Pieces::announced(body)),
    ("chunked", |body| Pieces::chunked(body)),
    ("trailers", |body| Pieces::chunked(body).trailer("x-sum", "42")),
];
const CAP: usize = 1_000;
const SIZES: [usize; 8] = [0, 1, CAP - 1, CAP, CAP + 1, 64 << 10, 1 << 20, 30_000_000];
const LARGE_CAP: usize = 1 << 20;
const LARGE_SIZES: [usize; 5] = [64 << 10, LARGE_CAP - 1, LARGE_CAP, LARGE_CAP + 1, 30_000_000];
