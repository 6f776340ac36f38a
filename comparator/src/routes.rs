//! Which route answers what. Each file below holds the routes of one noun; what is shared stands here.

mod batch;
mod exchanges;
mod handovers;
mod heartbeats;
mod observations;
mod policies;
mod releases;
mod status;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use antumbra_engine::Report;
use antumbra_observation::{Instance, Observation, RUN_HEADER};
use axum::Router;
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use serde::Serialize;

use crate::accounts::{Ledger, Settled};
use crate::captures::Captures;
use crate::change::ChangeError;
use crate::guard::Guard;
use crate::metrics::Metrics;
use crate::plugins::Plugins;
use crate::policies::Policies;
use crate::problem::Problem;
use crate::registry::{Alive, Registry};
use crate::targets::Targets;
use crate::writer::{Handle, Job, Reserved, Standing, Stopped};

pub(crate) use exchanges::REDACT_HEADER;
pub(crate) use policies::{Audit, Listed, Outcome};
pub(crate) use releases::Begun;
pub(crate) use status::{ReleaseStatus, Status};

/// What every route may use.
pub(crate) struct App {
    pub(crate) writer: Handle,
    pub(crate) policies: Arc<Policies>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) metrics: Metrics,
    pub(crate) captures: Arc<Captures>,
    pub(crate) targets: Targets,
    pub(crate) plugins: Plugins,
    pub(crate) guard: Guard,
    pub(crate) run: Run,
}

/// Names this run of the process, for filters: what they said before, another one heard.
pub(crate) struct Run(HeaderValue);

impl Run {
    /// Another one every time.
    pub(crate) fn new() -> Self {
        Self(RandomState::new().build_hasher().finish().into())
    }
}

/// The other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The name in a route's path.
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(error) => Err(Problem::new(StatusCode::BAD_REQUEST, "path", error.body_text())),
        }
    }
}

/// All routes behind the guard.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/v1/observations", post(observations::receive))
        .route("/v1/handovers", post(handovers::receive))
        .route("/v1/heartbeats", post(heartbeats::receive))
        .route("/v1/policies", get(policies::list))
        .route("/v1/policies/{name}", get(policies::show).put(policies::put))
        .route("/v1/policies/{name}/mirror", patch(policies::mirror))
        .route("/v1/policies/{name}/weights", patch(policies::weights))
        .route("/v1/policies/{name}/audit", get(policies::audit))
        .route("/v1/releases/{name}/report", get(releases::report))
        .route("/v1/releases/{name}/evidence", delete(releases::reset))
        .route("/v1/releases/{name}/exchanges", get(exchanges::stream))
        .route("/v1/status", get(status::show))
        .route("/metrics", get(status::metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(status::ready))
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "the route has other methods")
        })
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "not-found", "there is no such route") })
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guarded))
        .with_state(app)
}

impl App {
    /// Has the plugins run over observations and hands them to the writer; answers once they are durable.
    async fn submit(
        &self,
        id: Option<(Instance, u64)>,
        observations: Vec<Observation>,
        mut reserved: Reserved,
    ) -> Result<Result<Settled, String>, Stopped> {
        let (observations, prepared) =
            self.plugins.prepare_all(&self.policies, observations, &mut reserved).await;
        self.writer.submit(id, observations, prepared, reserved).await
    }

    /// The report of a release as of now.
    async fn judge(&self, release: &str) -> Result<Report, Problem> {
        let delivery = self.registry.delivery(release);
        Ok(self.writer.ask(|reply| Job::Report(release.to_owned(), delivery, reply)).await??)
    }

    /// What the writer makes of a release, without its report.
    async fn standing(&self, release: &str) -> Result<Standing, Problem> {
        let delivery = self.registry.delivery(release);
        Ok(self.writer.ask(|reply| Job::Standing(release.to_owned(), delivery, reply)).await??)
    }

    /// The filters of a release that are alive, and how many of them run the generation.
    fn alive(&self, release: &str, generation: u64) -> Alive {
        self.registry.alive(release, generation, Instant::now())
    }
}

impl From<Stopped> for Problem {
    fn from(_: Stopped) -> Self {
        Self::unavailable("the comparator is about to end")
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Unknown(name) => Self::unknown_release(&name),
            ChangeError::Precondition(_) => {
                Self::new(StatusCode::PRECONDITION_FAILED, "precondition-failed", error.to_string())
            }
            ChangeError::Invalid(invalid) => Self::invalid(invalid),
            ChangeError::Store(error) => Self::unavailable(error.to_string()),
        }
    }
}

async fn guarded(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match app.guard.check(request.method(), request.uri().path(), request.headers()) {
        Ok(()) => {
            let mut response = next.run(request).await;
            response.headers_mut().insert(RUN_HEADER, app.run.0.clone());
            response
        }
        Err(problem) => problem.into_response(),
    }
}

/// Who asks: as the client names itself, else its address.
fn author(headers: &HeaderMap, peer: Option<&Peer>) -> String {
    let named = header_line(headers, AUTHOR_HEADER, MAX_AUTHOR);
    match (named.as_str(), peer) {
        ("", Some(Peer(address))) => address.ip().to_string(),
        ("", None) => "unknown".to_owned(),
        _ => named,
    }
}

/// Why a client makes a change whose body has no place for it.
fn reason(headers: &HeaderMap) -> String {
    header_line(headers, REASON_HEADER, MAX_REASON)
}

fn header_line(headers: &HeaderMap, name: &str, most: usize) -> String {
    let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    one_line(value.as_deref().unwrap_or_default(), most)
}

/// Without control characters, which would make lines of their own in a log, and at most so many characters.
fn one_line(text: &str, most: usize) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(most).collect()
}

/// A value as JSON, with what the status says.
fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => json_text(status, body),
        Err(error) => {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unwritable", error.to_string()).into_response()
        }
    }
}

/// Text that is JSON already.
fn json_text(status: StatusCode, body: impl Into<axum::body::Body>) -> Response {
    let mut response = (status, body.into()).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Request header in which a client names who makes a change.
pub(crate) const AUTHOR_HEADER: &str = "x-antumbra-author";
/// Request header with the reason of a change whose body has no place for it.
pub(crate) const REASON_HEADER: &str = "x-antumbra-reason";
const MAX_AUTHOR: usize = 100;
const MAX_REASON: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_is_one_line_or_an_address() {
        let peer = Peer(SocketAddr::from(([10, 0, 0, 9], 4711)));
        for (header, expected) in [
            (Some(&b"ana"[..]), "ana"),
            (Some(b"  "), "10.0.0.9"),
            (Some(b"a\xff\tb"), "a\u{fffd}b"),
            (None, "10.0.0.9"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = header {
                headers.insert(AUTHOR_HEADER, HeaderValue::from_bytes(value).unwrap());
            }
            assert_eq!(author(&headers, Some(&peer)), expected);
        }
    }
}
