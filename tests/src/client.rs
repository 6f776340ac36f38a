//! A small HTTP client that keeps its connections and takes any bytes that HTTP allows.

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Sends requests and reads whole answers.
#[derive(Clone, Debug)]
pub struct Client(Pool<HttpConnector, UnsyncBoxBody<Bytes, Infallible>>);

/// A whole answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The trailers, if any.
    pub trailers: HeaderMap,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("no JSON: {} {}", self.status, self.text()))
    }
}

impl Default for Client {
    fn default() -> Self {
        Self(Pool::builder(TokioExecutor::new()).build_http())
    }
}

impl Client {
    /// One whose connections come from this address of the machine.
    pub fn from(address: IpAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_local_address(Some(address));
        Self(Pool::builder(TokioExecutor::new()).build(connector))
    }

    /// One that speaks HTTP/2 from the first byte, without TLS.
    pub fn http2() -> Self {
        Self(Pool::builder(TokioExecutor::new()).http2_only(true).build_http())
    }

    /// Sends one request; waits at most [`PATIENCE`].
    pub async fn send<B>(&self, request: Request<B>) -> Result<Answer>
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let what = format!("{} {}", request.method(), request.uri());
        let exchange = async {
            let (parts, body) = self.open(request).await?.into_parts();
            let body = body.collect().await?;
            let trailers = body.trailers().cloned().unwrap_or_default();
            let body = body.to_bytes();
            anyhow::Ok(Answer { status: parts.status, headers: parts.headers, body, trailers })
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await;
        answer.with_context(|| format!("{what}: no answer in {PATIENCE:?}"))?.with_context(|| what)
    }

    /// Sends one request and waits for the head of its answer. Whoever drops the rest goes away in the middle.
    pub async fn open<B>(&self, request: Request<B>) -> Result<Response<Incoming>>
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        Ok(self.0.request(request.map(UnsyncBoxBody::new)).await?)
    }

    /// `GET` without further headers.
    pub async fn get(&self, uri: &str) -> Result<Answer> {
        self.send(Request::get(uri).body(Full::default())?).await
    }
}

/// Longer than any timeout that a test provokes.
const PATIENCE: Duration = Duration::from_secs(30);
