//! One connection: its requests one after another, each within its time, and an end if it has to give way.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method};
use axum::response::{IntoResponse as _, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tower::ServiceExt as _;

use super::asking::Peer;
use super::guard::HEALTH;
use super::patient::Patient;
use super::places::Place;
use crate::api::body;
use crate::api::problem::Problem;
use crate::live::door::Turned;

/// Serves a connection on a task of its own.
pub(super) fn connect(
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    router: Router,
    graceful: &GracefulShutdown,
) {
    let _ = stream.set_nodelay(true);
    let (asked, place) = (Arc::new(Notify::new()), Arc::new(place));
    let (first, held) = (Arc::clone(&asked), Arc::clone(&place));
    let service = service_fn(move |mut request: Request<Incoming>| {
        asked.notify_one();
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(Arc::clone(&held));
        answer(router.clone(), request, Arc::clone(&held))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(Patient::new(stream, UNREAD_TIME)), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        let mut connection = std::pin::pin!(connection);
        let begun = tokio::select! {
            ended = connection.as_mut() => Err(ended),
            () = first.notified() => Ok(()),
            () = place.left() => return,
            () = tokio::time::sleep(FIRST_HEADER_TIME) => return place.turn_away(Turned::Silent),
        };
        let ended = match begun {
            Err(ended) => ended,
            Ok(()) => tokio::select! {
                ended = connection.as_mut() => ended,
                () = place.left() => return,
                () = tokio::time::sleep(KEPT_TIME), if place.is_kept() => return place.turn_away(Turned::Kept),
            },
        };
        if let Err(error) = ended {
            tracing::debug!(%error, %peer, "a connection ended early");
            if is_late(&error) {
                place.turn_away(Turned::Unread);
            }
        }
    });
}

/// The answer to a request. In a place that is kept for health and operators it is one of theirs, its body has to come first, and the
/// connection ends with it.
async fn answer(
    router: Router,
    request: Request<Incoming>,
    place: Arc<Place>,
) -> Result<Response, Infallible> {
    let mut response = if place.is_kept() {
        let mut response = match short(request, &place).await {
            Ok(request) => router.oneshot(request).await?,
            Err(problem) => problem.into_response(),
        };
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    } else {
        router.oneshot(request.map(Body::new)).await?
    };
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

async fn short(request: Request<Incoming>, place: &Place) -> Result<Request<Body>, Problem> {
    if !is_answered_always(request.method(), request.uri().path()) {
        place.turn_away(Turned::Kept);
        return Err(Problem::unavailable(
            "all connections are taken: only health, metrics, status and policies are answered now",
        ));
    }
    let (parts, body) = request.into_parts();
    let bytes = body::read(Body::new(body), MAX_KEPT_BYTES).await?;
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

fn is_answered_always(method: &Method, path: &str) -> bool {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    (is_read && (HEALTH.contains(&path) || READ.contains(&path))) || path.starts_with(POLICIES_BELOW)
}

/// Whether it is [`Patient`] that lost its patience.
fn is_late(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::TimedOut) {
            return true;
        }
        source = error.source();
    }
    false
}

/// The list of policies is what the command line asks for if nobody names one.
const READ: [&str; 3] = ["/metrics", "/v1/status", "/v1/policies"];
const POLICIES_BELOW: &str = "/v1/policies/";
const MAX_HEADER_BYTES: usize = 64 * 1024;
/// Bytes of a request's body in a place that is kept for operators.
const MAX_KEPT_BYTES: usize = 256 * 1024;
/// From the connection to the end of the first request's headers: a stranger who says nothing must not hold a place.
const FIRST_HEADER_TIME: Duration = Duration::from_secs(5);
/// From one request to the end of the next one's headers; a proxy's pool sends a heartbeat far more often.
const HEADER_TIME: Duration = Duration::from_secs(30);
/// For a whole request in a place that is kept for operators.
const KEPT_TIME: Duration = Duration::from_secs(10);
/// Within which a peer reads more of its answer.
const UNREAD_TIME: Duration = Duration::from_secs(20);
