//! A shop on a free port, in a stable version and in worse ones, that counts who asks.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

/// What a version does with every request.
#[derive(Clone)]
pub(crate) enum Version {
    /// Answers a product at this price, under a number that no other answer has.
    Price(u32),
    /// The same after a while that makes little of what the machine adds to it.
    Slowly(u32),
    /// Answers a product to those who say `key` alone.
    Locked,
    /// Never answers.
    Hangs,
    /// Sends the client to another address.
    Redirects(SocketAddr),
}

/// A running service.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    asked: Arc<AtomicU64>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Method and target.
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Service {
    pub(crate) async fn start(version: Version) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicU64::new(0));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (count, all) = (Arc::clone(&asked), Arc::clone(&seen));
        let router = Router::new().fallback(move |request: Request| {
            count.fetch_add(1, Ordering::Relaxed);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let (version, all) = (version.clone(), Arc::clone(&all));
            async move {
                let (head, body) = request.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                let line = format!("{} {}", head.method, head.uri);
                let body = String::from_utf8_lossy(&body).into_owned();
                all.lock().unwrap().push(Seen { line, headers: head.headers.clone(), body });
                version.answer(number, &head.headers).await
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, asked, seen }
    }

    /// The requests that came, ordered by method and target.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let mut seen = self.seen.lock().unwrap().clone();
        seen.sort_by(|one, other| one.line.cmp(&other.line));
        seen
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests came.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Version {
    async fn answer(&self, number: u64, headers: &HeaderMap) -> Response {
        assert!(headers.contains_key("x-antumbra-shadow"), "{headers:?}");
        match self {
            Self::Price(price) => product(*price, number),
            Self::Slowly(price) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                product(*price, number)
            }
            Self::Locked if headers.get(AUTHORIZATION).is_some_and(|key| key == "key") => product(10, number),
            Self::Locked => StatusCode::UNAUTHORIZED.into_response(),
            Self::Hangs => std::future::pending().await,
            Self::Redirects(to) => (StatusCode::FOUND, [(LOCATION, format!("http://{to}/"))]).into_response(),
        }
    }
}

fn product(price: u32, number: u64) -> Response {
    let body = format!(r#"{{"price":{price},"number":{number}}}"#);
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

/// The next answer's, over all services: what differs on every answer is noise.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// An address that nobody listens at.
pub(crate) async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
