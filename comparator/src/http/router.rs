//! Which route answers what. The routes that filters call are the intake's own.

use std::sync::Arc;
use std::time::Duration;

use antumbra_observation::RUN_HEADER;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONNECTION};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};

use crate::api::problem::Problem;
use crate::http::app::App;
use crate::http::asking::Peer;
use crate::http::guard::HEALTH;
use crate::http::places::Place;
use crate::http::{audits, exchanges, generations, policies, releases, status, trying};
use crate::ingest;

/// All routes behind the guard.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .merge(ingest::routes(Arc::clone(&app.intake)))
        .route("/v1/policies", get(policies::list))
        .route("/v1/policies/{name}", get(policies::show).put(policies::put).delete(policies::delete))
        .route("/v1/policies/{name}/mirror", patch(policies::mirror))
        .route("/v1/policies/{name}/weights", patch(policies::weights))
        .route("/v1/policies/{name}/audit", get(audits::show))
        .route("/v1/policies/{name}/generations", get(generations::history))
        .route("/v1/policies/{name}/generations/{number}", get(generations::show))
        .route("/v1/releases/{name}/report", get(releases::report))
        .route("/v1/releases/{name}/evidence", delete(releases::reset))
        .route("/v1/releases/{name}/exchanges", get(exchanges::stream))
        .route("/v1/releases/{name}/try", post(trying::rules))
        .route("/v1/audit", get(audits::verify))
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

async fn guarded(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let place = request.extensions().get::<Arc<Place>>();
    match app.guard.check(request.method(), path, request.headers()) {
        Ok(()) => {
            // What everybody may ask proves nothing.
            if let Some(place) = place.filter(|_| !HEALTH.contains(&path)) {
                place.prove();
            }
            let mut response = next.run(request).await;
            response.headers_mut().insert(RUN_HEADER, app.run.header());
            response
        }
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED => {
            app.intake
                .metrics
                .door
                .wrong_token(request.extensions().get::<Peer>().map(|Peer(peer)| peer.ip()));
            // Guessing is slow. The kept places are few, and an operator's mistake should not have others wait for them.
            if request.headers().contains_key(AUTHORIZATION) && !place.is_some_and(|place| place.is_kept()) {
                tokio::time::sleep(AFTER_WRONG_TOKEN).await;
            }
            let mut response = problem.into_response();
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            response
        }
        Err(problem) => problem.into_response(),
    }
}

/// The connections of an address are bounded, so a thousand guesses a second are about the most that it has.
const AFTER_WRONG_TOKEN: Duration = Duration::from_millis(250);
