//! A server in the comparator's place that keeps every observation as it came, so that a test can hold it against what was sent.
//!
//! The comparator itself keeps what it concluded, not what it was told.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use antumbra_observation::{Accounts, Heartbeat, Instance, Observation, decode_heartbeat, decode_sequence};
use antumbra_policy::document::Tree;
use antumbra_policy::edit;
use anyhow::Result;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// The server; it ends when this is dropped.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    accepting: AbortHandle,
}

#[derive(Debug, Default)]
struct Kept {
    /// What filters are given, as JSON.
    policy: Bytes,
    generation: u64,
    observations: Vec<Observation>,
    heartbeats: BTreeMap<Instance, Heartbeat>,
    /// How often each instance asked for the policy.
    asked: BTreeMap<Instance, u64>,
}

impl Recorder {
    /// On a free port of the loopback interface, with a policy in YAML for every filter that asks.
    pub async fn start(policy: &str) -> Result<Self> {
        let kept = Kept { policy: document(policy, 1)?, generation: 1, ..Kept::default() };
        let kept = Arc::new(Mutex::new(kept));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, Arc::clone(&kept))).abort_handle();
        Ok(Self { address, kept, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came so far, in the order of arrival.
    pub fn observations(&self) -> Vec<Observation> {
        lock(&self.kept).observations.clone()
    }

    /// Drops the observations that came so far.
    pub fn forget(&self) {
        lock(&self.kept).observations.clear();
    }

    /// Has another policy, in YAML, as the next generation.
    pub fn publish(&self, policy: &str) -> Result<()> {
        let mut kept = lock(&self.kept);
        kept.generation += 1;
        kept.policy = document(policy, kept.generation)?;
        Ok(())
    }

    /// Filter instances that run the policy.
    pub fn instances(&self) -> usize {
        let kept = lock(&self.kept);
        let running = |beat: &&Heartbeat| beat.generation == Some(kept.generation);
        kept.heartbeats.values().filter(running).count()
    }

    /// How often each instance asked for the policy.
    pub fn asked(&self) -> BTreeMap<Instance, u64> {
        lock(&self.kept).asked.clone()
    }

    /// What all filter instances together said last.
    pub fn accounts(&self) -> Accounts {
        let mut sum = Accounts::default();
        for Heartbeat { accounts, .. } in lock(&self.kept).heartbeats.values() {
            sum.requests += accounts.requests;
            sum.mirrored += accounts.mirrored;
            sum.delivered += accounts.delivered;
            sum.unknown += accounts.unknown;
            sum.not_mirrored = sum.not_mirrored.plus(accounts.not_mirrored);
            sum.unsafe_methods = sum.unsafe_methods.plus(accounts.unsafe_methods);
            sum.undelivered = sum.undelivered.plus(accounts.undelivered);
        }
        sum
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Connections belong to the set of tasks of this one, so they end with it.
async fn accept(listener: TcpListener, kept: Arc<Mutex<Kept>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(converse(stream, Arc::clone(&kept)));
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(stream: TcpStream, kept: Arc<Mutex<Kept>>) {
    let service = service_fn(move |request| {
        let kept = Arc::clone(&kept);
        async move { answer(request, &kept).await }
    });
    let server = hyper::server::conn::http1::Builder::new();
    // An error here is a proxy that left.
    drop(server.serve_connection(TokioIo::new(stream), service).await);
}

async fn answer(request: Request<Incoming>, kept: &Mutex<Kept>) -> io::Result<Response<Full<Bytes>>> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let mut kept = lock(kept);
    match path.as_str() {
        "/v1/heartbeats" => {
            let beat = decode_heartbeat(&body).map_err(io::Error::other)?;
            let current = beat.generation == Some(kept.generation);
            *kept.asked.entry(beat.instance).or_default() += 1;
            kept.heartbeats.insert(beat.instance, beat);
            match current {
                true => Ok(status(StatusCode::NO_CONTENT)),
                false => Ok(Response::new(Full::new(kept.policy.clone()))),
            }
        }
        "/v1/observations" => {
            kept.observations.extend(decode_sequence(&body).map_err(io::Error::other)?);
            Ok(status(StatusCode::OK))
        }
        _ => Ok(status(StatusCode::NOT_FOUND)),
    }
}

/// What filters are given of a policy.
fn document(policy: &str, generation: u64) -> Result<Bytes> {
    let tree: Tree = serde_saphyr::from_str(policy)?;
    Ok(serde_json::to_vec(&edit::filter_part(&tree, generation))?.into())
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
