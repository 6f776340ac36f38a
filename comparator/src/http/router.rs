//! Which route answers what. The routes that filters call are the intake's own.

use std::sync::Arc;

use antumbra_observation::RUN_HEADER;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};

use crate::api::problem::Problem;
use crate::http::app::App;
use crate::http::{exchanges, generations, policies, releases, status, trying};
use crate::ingest;

/// All routes behind the guard.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .merge(ingest::routes(Arc::clone(&app.intake)))
        .route("/v1/policies", get(policies::list))
        .route("/v1/policies/{name}", get(policies::show).put(policies::put).delete(policies::delete))
        .route("/v1/policies/{name}/mirror", patch(policies::mirror))
        .route("/v1/policies/{name}/weights", patch(policies::weights))
        .route("/v1/policies/{name}/audit", get(policies::audit))
        .route("/v1/policies/{name}/generations", get(generations::history))
        .route("/v1/policies/{name}/generations/{number}", get(generations::show))
        .route("/v1/releases/{name}/report", get(releases::report))
        .route("/v1/releases/{name}/evidence", delete(releases::reset))
        .route("/v1/releases/{name}/exchanges", get(exchanges::stream))
        .route("/v1/releases/{name}/try", post(trying::rules))
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
    match app.guard.check(request.method(), request.uri().path(), request.headers()) {
        Ok(()) => {
            let mut response = next.run(request).await;
            response.headers_mut().insert(RUN_HEADER, app.run.header());
            response
        }
        Err(problem) => problem.into_response(),
    }
}
