//! A server on a free port with a real database in a directory of its own, and observations to send to it.

use std::future::Future;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use antumbra_comparator::{
    Config, Connections, Descriptors, Document, KEEP_EXAMPLES, Keys, Plugins, Targets, serve,
};
use antumbra_observation::{Body, Instance, Leg, Observation, encode};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A policy with a mirror, a control, a split, and a part for the comparator.
pub(crate) const SHOP: &str = "\
version: 1
name: shop
variants:
  stable: {cluster: stable}
  canary: {cluster: canary}
  control: {cluster: control}
default: stable
rules:
  - name: shadow
    mirror: [{to: canary, percent: 5, control: {to: control, percent: 100}}]
  - name: share
    split: {by: cookie:uid, weights: {canary: 5, stable: 95}}
compare: {ignore: [header:x-request-trace]}
gates: {margin: 0.5, warmUp: 0s, atLeast: 0s}
";

/// The database of one test and what runs over it.
pub(crate) struct World {
    dir: TempDir,
    pub(crate) address: SocketAddr,
    connections: Connections,
    targets: Targets,
    pub(crate) plugins: Plugins,
    /// By which the audits are keyed from the next start on.
    pub(crate) audit_keys: Keys,
    /// By which messages of gRPC are read from the next start on.
    pub(crate) descriptors: Descriptors,
    /// How long values of answers are kept, from the next start on.
    pub(crate) keep_examples: Duration,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
}

/// An answer, read in full.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl World {
    /// A running server with the policy [`SHOP`].
    pub(crate) async fn with_shop() -> Self {
        let world = Self::new(None).await;
        let answer = world.put("shop", SHOP).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        world
    }

    /// A running server without any policy.
    pub(crate) async fn new(token: Option<&str>) -> Self {
        Self::started(token, Connections::default(), Targets::default()).await
    }

    /// A running server without any policy that asks these services itself.
    pub(crate) async fn with_targets(targets: Targets) -> Self {
        Self::started(None, Connections::default(), targets).await
    }

    /// A running server that takes few connections.
    pub(crate) async fn with_places(token: Option<&str>, connections: Connections) -> Self {
        Self::started(token, connections, Targets::default()).await
    }

    async fn started(token: Option<&str>, connections: Connections, targets: Targets) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut world = Self {
            dir,
            address,
            connections,
            targets,
            plugins: Plugins::default(),
            audit_keys: Keys::default(),
            descriptors: Descriptors::default(),
            keep_examples: KEEP_EXAMPLES,
            stop: None,
            served: None,
        };
        world.start(token, Vec::new()).await;
        world
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("antumbra.db")
    }

    /// Ends the server and starts another one over the same database.
    pub(crate) async fn restart(&mut self, policies: Vec<Document>) {
        self.end().await;
        self.start(None, policies).await;
    }

    /// Starts a server that ended, at the address that it had.
    pub(crate) async fn start_again(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.listen(listener, None, Vec::new());
    }

    async fn start(&mut self, token: Option<&str>, policies: Vec<Document>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.listen(listener, token, policies);
    }

    fn listen(&mut self, listener: TcpListener, token: Option<&str>, policies: Vec<Document>) {
        self.address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let config = Config {
            data: self.data(),
            audit_keys: self.audit_keys.clone(),
            policies,
            token: token.map(str::to_owned),
            connections: self.connections,
            targets: self.targets.clone(),
            descriptors: self.descriptors.clone(),
            plugins: self.plugins.clone(),
            keep_examples: self.keep_examples,
        };
        let served = serve(listener, config, async {
            let _ = stopped.await;
        });
        self.served = Some(tokio::spawn(async move { served.await.unwrap() }));
        self.stop = Some(stop);
    }

    /// Ends the server as SIGTERM does.
    pub(crate) async fn end(&mut self) {
        drop(self.stop.take());
        if let Some(served) = self.served.take() {
            served.await.unwrap();
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn put(&self, name: &str, yaml: &str) -> Answer {
        let headers = [("content-type", "application/yaml"), ("x-antumbra-author", "ana")];
        self.send(Method::PUT, &format!("/v1/policies/{name}?create=true"), &headers, yaml.to_owned()).await
    }

    pub(crate) async fn patch(&self, path: &str, json: &str) -> Answer {
        let headers = [("content-type", "application/json"), ("x-antumbra-author", "ben")];
        self.send(Method::PATCH, path, &headers, json.to_owned()).await
    }

    /// A batch as a filter sends it.
    pub(crate) async fn batch(&self, sequence: u64, observations: &[Observation]) -> Answer {
        send_batch(self.address, sequence, observations).await.unwrap()
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        send(self.address, method, path, headers, body).await.unwrap()
    }

    /// The accounts, which must add up.
    pub(crate) async fn accounts(&self) -> Value {
        accounts(self.address).await
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// The accounts of the server there, which must add up.
pub(crate) async fn accounts(address: SocketAddr) -> Value {
    let status = send(address, Method::GET, "/v1/status", &[], "").await.unwrap().json();
    let accounts = status["accounts"].clone();
    let refused: u64 = accounts["refused"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    let parts = ["compared", "duplicates", "inFlight"].map(|name| accounts[name].as_u64().unwrap());
    let sum = refused + parts.iter().sum::<u64>();
    assert_eq!(accounts["received"], sum, "{accounts}");
    accounts
}

/// One request over a connection of its own.
pub(crate) fn send(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> impl Future<Output = Result<Answer, hyper_util::client::legacy::Error>> {
    let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).unwrap();
    async move {
        let client: Client<HttpConnector, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).build(HttpConnector::new());
        let (parts, body) = client.request(request).await?.into_parts();
        // A body that breaks off belongs to an answer that never was.
        let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Ok(Answer { status: parts.status, headers: parts.headers, text })
    }
}

/// A batch of the instance 1.
pub(crate) async fn send_batch(
    address: SocketAddr,
    sequence: u64,
    observations: &[Observation],
) -> Result<Answer, hyper_util::client::legacy::Error> {
    send_batch_of(Instance(1), address, sequence, observations).await
}

/// A batch of this instance.
pub(crate) async fn send_batch_of(
    instance: Instance,
    address: SocketAddr,
    sequence: u64,
    observations: &[Observation],
) -> Result<Answer, hyper_util::client::legacy::Error> {
    let body: Vec<u8> = observations.iter().flat_map(encode).collect();
    let (instance, sequence, count) =
        (instance.to_string(), sequence.to_string(), observations.len().to_string());
    let headers = [
        ("content-type", "application/cbor-seq"),
        ("x-antumbra-instance", &instance),
        ("x-antumbra-sequence", &sequence),
        ("x-antumbra-count", &count),
    ];
    send(address, Method::POST, "/v1/observations", &headers, body).await
}

/// One exchange in which the candidate says `price` and the others say 10.
pub(crate) fn observation(id: u128, price: u32) -> Observation {
    Observation::new("shop", "GET", "/products/7")
        .with_id(id)
        .with_rule("shadow")
        .with_arrival_us(1_700_000_000_000_000 + u64::try_from(id).unwrap() * 10_000_000)
        .with_primary(leg("stable", 10))
        .with_candidate(leg("canary", price))
        .with_control(leg("control", 10))
}

/// `count` exchanges whose candidate is right, none of which was made before.
pub(crate) fn healthy(count: u128) -> Vec<Observation> {
    static MADE: AtomicU64 = AtomicU64::new(1 << 32);
    let id = || MADE.fetch_add(1, Ordering::Relaxed).into();
    (1..=count).map(|number| observation(number, 10).with_id(id())).collect()
}

/// One exchange of two kilobytes whose answers decode to a quarter of a million nodes each.
pub(crate) fn bomb(id: u128) -> Observation {
    packed(id, "application/json", |last| format!("[{}{last}]", "0,".repeat(240_000)))
}

/// One exchange of two kilobytes whose answers decode to half a million lines each.
pub(crate) fn lines(id: u128) -> Observation {
    packed(id, "text/plain", |line| format!("{line}\n").repeat(1 << 19))
}

fn packed(id: u128, media: &str, text: impl Fn(u8) -> String) -> Observation {
    let leg = |variant: &str, number: u8| {
        let text = text(number);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(text.as_bytes()).unwrap();
        let body = Body::Whole(packed.finish().unwrap().into());
        Leg::answer(variant, 200)
            .with_kept(body)
            .with_header("content-type", media)
            .with_header("content-encoding", "gzip")
    };
    observation(id, 10)
        .with_primary(leg("stable", 1))
        .with_candidate(leg("canary", 2))
        .with_control(leg("control", 1))
}

fn leg(variant: &str, price: u32) -> Leg {
    let body = format!(r#"{{"id":7,"price":{price}}}"#);
    Leg::answer(variant, 200).with_json(&body).with_latency_us(2_000)
}
