//! The demo's service: a small shop over HTTP, in a stable version and in one with seeded defects.
//!
//! What an answer says follows from the request's path alone, so all instances agree. What real services add on top varies
//! from call to call in *every* version: timestamps, request ids, the order of unordered arrays, latency. Only a
//! [`Defect`] tells two versions apart, which is what a comparison has to find.

mod catalogue;
mod defect;
mod dice;

pub use defect::{Defect, Description};

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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

/// One version of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shop {
    /// What `GET /version` says; no other answer tells.
    pub version: String,
    /// What is wrong with this version.
    pub defects: Vec<Defect>,
    /// Seeds the noise and the latency. Two instances should differ in it.
    pub seed: u64,
}

/// Serves until `shutdown` resolves; answers under way then get a second to end.
pub async fn serve(listener: TcpListener, shop: Shop, shutdown: impl Future<Output = ()>) -> Result<()> {
    let instance = Arc::new(Instance { dice: AtomicU64::new(shop.seed), shop });
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
        async move { Ok::<_, Infallible>(instance.answer(&request).await) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    let connection = builder.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    // An error here is a client that left.
    tokio::spawn(async move { drop(connection.await) });
}

struct Instance {
    shop: Shop,
    /// Counts on with each request, so that each gets dice of its own.
    dice: AtomicU64,
}

impl Instance {
    async fn answer(&self, request: &Request<Incoming>) -> Answer {
        let mut dice = Dice::new(self.dice.fetch_add(1, Ordering::Relaxed));
        let path = request.uri().path();
        if path == "/health" {
            return answer(StatusCode::OK, PLAIN, "ok\n".to_owned(), &mut dice);
        }
        tokio::time::sleep(self.latency(&mut dice)).await;
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return answer(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "GET or HEAD\n".to_owned(), &mut dice);
        }
        let query = request.uri().query().unwrap_or_default();
        self.page(path, query, &mut dice)
    }

    fn page(&self, path: &str, query: &str, dice: &mut Dice) -> Answer {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let page = match segments[..] {
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
    fn latency(&self, dice: &mut Dice) -> Duration {
        let milliseconds = MEDIAN_MS * (SIGMA * dice.normal()).exp();
        let slower = self.shop.defects.iter().map(|defect| defect.slower(dice)).product::<f64>();
        Duration::from_secs_f64(milliseconds * slower / 1000.0)
    }
}

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
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn instance(seed: u64, defects: &[Defect]) -> Instance {
        let shop = Shop { version: "v".to_owned(), defects: defects.to_vec(), seed };
        Instance { dice: AtomicU64::new(seed), shop }
    }

    async fn page(instance: &Instance, path: &str, call: u64) -> (u16, Value) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let answer = instance.page(path, query, &mut Dice::new(instance.shop.seed + call));
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// The answer without what is noise: the fields below, and the order of arrays.
    fn essence(mut value: Value) -> Value {
        match &mut value {
            Value::Object(fields) => {
                fields.retain(|name, _| !["generatedAt", "requestId", "tookMs"].contains(&name.as_str()));
                fields.values_mut().for_each(|field| *field = essence(field.take()));
            }
            Value::Array(items) => {
                items.iter_mut().for_each(|item| *item = essence(item.take()));
                items.sort_by_key(Value::to_string);
            }
            _ => {}
        }
        value
    }

    const PATHS: [&str; 6] = [
        "/products/17",
        "/search?q=lamp",
        "/cart/0b6f7c8e-6a2b-4f5e-9b1d-3c2a1f0e9d8c",
        "/orders/99",
        "/recommendations?user=7",
        "/nowhere",
    ];

    #[tokio::test]
    async fn instances_agree_but_for_noise() {
        let (one, two) = (instance(1, &[]), instance(2, &[]));
        for path in PATHS {
            let (left, right) = (page(&one, path, 0).await, page(&two, path, 0).await);
            assert_eq!((left.0, essence(left.1.clone())), (right.0, essence(right.1.clone())), "{path}");
            assert!(left.0 == 404 || left.1 != right.1, "{path} has no noise");
        }
        assert_ne!(
            essence(page(&one, "/products/17", 0).await.1),
            essence(page(&one, "/products/18", 0).await.1)
        );
    }

    #[tokio::test]
    async fn each_defect_shows_at_its_endpoint_and_nowhere_else() {
        let stable = instance(1, &[]);
        let of_fields = |defect: &Defect| !matches!(defect, Defect::SlowTail | Defect::FreeOffer);
        for defect in Defect::ALL.into_iter().filter(of_fields) {
            let broken = instance(1, &[defect]);
            let mut spoilt = std::collections::BTreeMap::<&str, u32>::new();
            for number in 0..200 {
                for path in
                    ["/products/{}", "/search?q={}", "/cart/{}", "/orders/{}", "/recommendations?user={}"]
                {
                    let call = path.replace("{}", &number.to_string());
                    let (good, bad) =
                        (page(&stable, &call, number).await, page(&broken, &call, number).await);
                    let differs = (good.0, essence(good.1)) != (bad.0, essence(bad.1));
                    *spoilt
                        .entry(path.split(['?', '{']).next().unwrap().trim_end_matches('/'))
                        .or_default() += u32::from(differs);
                }
            }
            let description = defect.describe();
            for (endpoint, count) in spoilt {
                let here =
                    description.endpoint.trim_start_matches("GET ").trim_end_matches("/{id}") == endpoint;
                assert_eq!(here, count > 0, "{} at {endpoint}: {count}", description.name);
                assert!(!here || count >= 30, "{} is too rare: {count} of 200", description.name);
            }
        }
    }

    #[tokio::test]
    async fn the_offer_is_free_on_the_front_page_alone() {
        let page = async |defects: &[Defect], seed| {
            let answer = instance(seed, defects).page("/", "", &mut Dice::new(seed));
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            String::from_utf8(body.to_vec()).unwrap()
        };
        let (good, other, bad) =
            (page(&[], 1).await, page(&[], 2).await, page(&[Defect::FreeOffer], 1).await);
        assert!(good.contains("<b>12.5</b>") && bad.contains("<b>0.0</b>"), "{good}{bad}");
        assert_ne!(good, other, "the nonce is another one");
    }

    #[test]
    fn three_in_a_hundred_are_fifty_times_slower() {
        let (stable, slow) = (instance(1, &[]), instance(1, &[Defect::SlowTail]));
        let late = |instance: &Instance| {
            (0..10_000)
                .filter(|call| instance.latency(&mut Dice::new(*call)) > Duration::from_millis(20))
                .count()
        };
        assert_eq!(late(&stable), 0);
        assert!((250..350).contains(&late(&slow)), "{}", late(&slow));
    }

    #[tokio::test]
    async fn it_serves_and_ends() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let shop = Shop { version: "one".to_owned(), defects: Vec::new(), seed: 1 };
        let served = tokio::spawn(serve(listener, shop, async { drop(ended.await) }));
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut send, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        for (path, expected) in [("/version", "one\n"), ("/health", "ok\n")] {
            let request = Request::get(path).header("host", "shop").body(Full::<Bytes>::default()).unwrap();
            let answer = send.send_request(request).await.unwrap();
            assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), expected);
        }
        end.send(()).unwrap();
        served.await.unwrap().unwrap();
    }
}
