//! The one file that sends shadow calls: HTTP/1.1 over plain TCP, measured from the dispatch to the last byte.
//!
//! The URLs hold addresses, so the connector resolves nothing; redirects are answers like any other. What goes wrong is told
//! apart as Envoy's host calls tell it: before the headers of an answer it was refused, after them it was reset.

use std::sync::Arc;
use std::time::{Duration, Instant};

use antumbra_observation::{Bytes, Collected, Leg, Outcome, Response, Unsent};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::began::Began;
use super::call::Call;
use super::repeated::Repeated;

/// Bounds of one answer, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// A body is kept up to here, or up to what its call says; beyond it only its length and its hash.
    pub(crate) kept: usize,
    /// A longer body is not read to its end; its call ended with a reset.
    pub(crate) read: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { kept: 1 << 20, read: 32 << 20 }
    }
}

/// Sends calls over connections that are kept.
#[derive(Clone)]
pub(crate) struct Client {
    pool: Arc<Pool<HttpConnector, Repeated>>,
    limits: Limits,
}

impl Client {
    pub(crate) fn new(limits: Limits) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .http1_max_headers(MAX_HEADERS)
            .http1_max_buf_size(MAX_HEADER_BYTES)
            .set_host(false)
            .build(connector);
        Self { pool: Arc::new(pool), limits }
    }

    /// The call's leg, of an exchange that began then.
    pub(crate) async fn send(&self, call: Call, began: Began) -> Leg {
        let variant = call.target.variant.clone();
        let Some(request) = request(&call) else { return unsendable(&variant) };
        let dispatched = Instant::now();
        let sent_us = began.until(dispatched);
        let answered = tokio::time::timeout(call.timeout, self.answer(request, call.kept)).await;
        let latency_us = Some(u64::try_from(dispatched.elapsed().as_micros()).unwrap_or(u64::MAX));
        match answered.unwrap_or(Err(Outcome::Timeout)) {
            Ok(response) => Leg {
                variant,
                outcome: Outcome::Response,
                sent_us,
                latency_us,
                response: Some(response),
                reason: None,
            },
            Err(outcome) => Leg { variant, outcome, sent_us, latency_us, response: None, reason: None },
        }
    }

    async fn answer(&self, request: Request<Repeated>, kept: Option<usize>) -> Result<Response, Outcome> {
        let answer = self.pool.request(request).await.map_err(|error| {
            tracing::debug!(%error, "a shadow call got no answer");
            Outcome::Refused
        })?;
        let (head, body) = answer.into_parts();
        let (collected, trailers) = self.read(body, kept).await?;
        Ok(Response {
            status: head.status.as_u16(),
            headers: observed(&head.headers),
            body: collected.finish(),
            trailers: observed(&trailers),
        })
    }

    async fn read(&self, mut body: Incoming, kept: Option<usize>) -> Result<(Collected, HeaderMap), Outcome> {
        let mut collected =
            Collected::new(kept.map_or(self.limits.kept, |kept| kept.min(self.limits.kept)) as u64);
        let mut trailers = HeaderMap::new();
        while let Some(frame) = body.frame().await {
            match frame.map_err(|_| Outcome::Reset)?.into_data() {
                Ok(chunk) => collected.push(&chunk),
                Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
            }
            if collected.length() > self.limits.read {
                return Err(Outcome::Reset);
            }
        }
        Ok((collected, trailers))
    }
}

fn unsendable(variant: &str) -> Leg {
    Leg::not_sent(variant, Some(Unsent::Unsendable))
}

fn request(call: &Call) -> Option<Request<Repeated>> {
    let asked = &call.message;
    let mut request = Request::new(Repeated::new(asked.body.clone(), asked.trailers.clone()));
    *request.method_mut() = asked.method.clone();
    *request.uri_mut() = call.target.uri(&asked.path)?;
    *request.headers_mut() = asked.headers_for(&call.target);
    Some(request)
}

/// In an order that is the same for all legs, duplicates kept.
fn observed(headers: &HeaderMap) -> Vec<(Bytes, Bytes)> {
    headers.iter().map(|(name, value)| (name.as_str().into(), value.as_bytes().into())).collect()
}

/// As many as an observation carries of one message.
const MAX_HEADERS: usize = 1_024;
const MAX_HEADER_BYTES: usize = 256 * 1024;
/// Shorter than services usually keep a connection: a call over one that is about to close would be refused.
const IDLE_TIME: Duration = Duration::from_secs(4);
