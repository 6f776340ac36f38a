//! The demo's service: a small shop over HTTP, in a stable version and in one with seeded defects.
//!
//! What an answer says follows from the request's path alone, so all instances agree. What real services add on top varies
//! from call to call in *every* version: timestamps, request ids, the order of unordered arrays, latency; and with [`Unrest`],
//! from time to time. Only a [`Defect`] tells two versions apart, which is what a comparison has to find.

mod catalogue;
mod defect;
mod dice;
mod unrest;

pub use defect::{Defect, Description};
pub use unrest::Unrest;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

pub(crate) use dice::Dice;
use unrest::Mood;

/// One version of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shop {
    /// What `GET /version` says; no other answer tells.
    pub version: String,
    /// What is wrong with this version.
    pub defects: Vec<Defect>,
    /// Seeds the noise and the latency. Two instances should differ in it.
    pub seed: u64,
    /// When it pauses, restarts or loses its cache; `None`: never, and no answer speaks of a cache.
    pub unrest: Option<Unrest>,
}

/// Serves until `shutdown` resolves; answers under way then get a second to end.
pub async fn serve(listener: TcpListener, shop: Shop, shutdown: impl Future<Output = ()>) -> Result<()> {
    let instance = Arc::new(Instance { dice: AtomicU64::new(shop.seed), began: Instant::now(), shop });
    let connections = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                converse(stream, Arc::clone(&instance), &connections);
            }
            () = &mut shutdown => break,
        }
    }
    drop(tokio::time::timeout(Duration::from_secs(1), connections.shutdown()).await);
    Ok(())
}

type Answer = Response<Full<Bytes>>;

fn converse(stream: TcpStream, instance: Arc<Instance>, connections: &GracefulShutdown) {
    // Without it, an answer may wait 40 ms for an acknowledgement; a socket that refuses is closed already.
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request| {
        let instance = Arc::clone(&instance);
        async move { instance.answer_or_break(&request).await }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    let connection = builder.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    // An error here is a client that left, or an instance that restarts.
    tokio::spawn(async move { drop(connection.await) });
}

struct Instance {
    shop: Shop,
    /// Counts on with each request, so that each gets dice of its own.
    dice: AtomicU64,
    began: Instant,
}

impl Instance {
    /// The error breaks the connection.
    async fn answer_or_break(&self, request: &Request<Incoming>) -> Result<Answer, Restarts> {
        let mut dice = Dice::new(self.dice.fetch_add(1, Ordering::Relaxed));
        if request.uri().path() == "/health" {
            return Ok(answer(StatusCode::OK, PLAIN, "ok\n".to_owned(), &mut dice));
        }
        let mood = self.mood();
        tokio::time::sleep(self.latency(mood, &mut dice)).await;
        // What began before a pause or a restart meets it as well.
        match self.mood() {
            Some(Mood::Paused(rest)) => tokio::time::sleep(rest).await,
            Some(Mood::Gone) => return Err(Restarts),
            Some(Mood::Unavailable) => {
                return Ok(json(StatusCode::SERVICE_UNAVAILABLE, &catalogue::unavailable(), &mut dice));
            }
            Some(Mood::Warm | Mood::Cold) | None => {}
        }
        Ok(self.answer(request, mood, &mut dice))
    }

    fn answer(&self, request: &Request<Incoming>, mood: Option<Mood>, dice: &mut Dice) -> Answer {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return answer(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "GET or HEAD\n".to_owned(), dice);
        }
        let query = request.uri().query().unwrap_or_default();
        let mut answer = self.page(request.uri().path(), query, mood, dice);
        if let Some(mood) = mood {
            mood.label(&mut answer);
        }
        answer
    }

    fn mood(&self) -> Option<Mood> {
        self.shop.unrest.map(|unrest| unrest.mood(self.began.elapsed()))
    }

    fn page(&self, path: &str, query: &str, mood: Option<Mood>, dice: &mut Dice) -> Answer {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let mut page = match segments[..] {
            ["products", id] => catalogue::product(id, dice),
            ["search"] => catalogue::search(query, dice),
            ["cart", id] => catalogue::cart(id, dice),
            ["orders", id] => catalogue::order(id, dice),
            ["recommendations"] => catalogue::recommendations(query, dice),
            ["version"] => return answer(StatusCode::OK, PLAIN, format!("{}\n", self.shop.version), dice),
            [""] => {
                let cents = if self.shop.defects.contains(&Defect::FreeOffer) { 0 } else { OFFER_CENTS };
                return answer(StatusCode::OK, HTML, catalogue::front_page(cents, dice), dice);
            }
            _ => return json(StatusCode::NOT_FOUND, &catalogue::not_found(), dice),
        };
        if let Some(mood) = mood {
            mood.mark(&mut page);
        }
        self.spoil(page, segments[0], dice)
    }

    /// What the version's defects make of a good answer.
    fn spoil(&self, mut page: Value, endpoint: &str, dice: &mut Dice) -> Answer {
        for defect in &self.shop.defects {
            if !defect.spoil(endpoint, &mut page, dice) {
                return json(StatusCode::INTERNAL_SERVER_ERROR, &catalogue::failure(), dice);
            }
        }
        json(StatusCode::OK, &page, dice)
    }

    /// Lognormal around 2 ms.
    fn latency(&self, mood: Option<Mood>, dice: &mut Dice) -> Duration {
        let milliseconds = MEDIAN_MS * (SIGMA * dice.normal()).exp();
        let slower = self.shop.defects.iter().map(|defect| defect.slower(dice)).product::<f64>();
        let colder = mood.map_or(1.0, Mood::slower);
        Duration::from_secs_f64(milliseconds * slower * colder / 1000.0)
    }
}

/// An instance that restarts breaks its connections.
#[derive(Debug)]
struct Restarts;

impl std::fmt::Display for Restarts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the instance restarts")
    }
}

impl std::error::Error for Restarts {}

fn json(status: StatusCode, body: &Value, dice: &mut Dice) -> Answer {
    answer(status, "application/json", body.to_string(), dice)
}

fn answer(status: StatusCode, kind: &'static str, body: String, dice: &mut Dice) -> Answer {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    if let Ok(trace) = http::HeaderValue::from_str(&dice.hex()) {
        answer.headers_mut().insert("x-request-trace", trace);
    }
    answer
}

const PLAIN: &str = "text/plain";
const HTML: &str = "text/html; charset=utf-8";
/// The price of the offer on the front page.
const OFFER_CENTS: u64 = 1_250;
const MEDIAN_MS: f64 = 2.0;
const SIGMA: f64 = 0.3;

#[cfg(test)]
mod tests;
