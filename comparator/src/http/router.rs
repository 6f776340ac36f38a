//! Which route answers what. The routes that filters call are the intake's own.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use antumbra_observation::RUN_HEADER;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONNECTION};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use crate::api::allowed::LetIn;
use crate::api::problem::Problem;
use crate::api::route::{Route, Verb};
use crate::clock;
use crate::http::app::App;
use crate::http::asking::Peer;
use crate::http::guard::HEALTH;
use crate::http::places::Place;
use crate::http::{audits, exchanges, generations, policies, releases, status, tokens, trying};
use crate::ingest;
use crate::live::tokens::Tokens;

/// All routes behind the guard.
pub(crate) fn router(app: Arc<App>) -> Router {
    let routes = routes(&app).into_iter().fold(Router::new(), |router, route| route.add_to(router));
    routes
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "the route has other methods")
        })
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "not-found", "there is no such route") })
        .layer(middleware::from_fn_with_state(app, guarded))
}

/// Every route there is.
fn routes(app: &Arc<App>) -> Vec<Route> {
    let of_filters = ingest::routes().map(|route| route.with_state(Arc::clone(&app.intake)));
    let others = of_people().into_iter().map(|route| route.with_state(Arc::clone(app)));
    of_filters.into_iter().chain(others).collect()
}

fn of_people() -> Vec<Route<Arc<App>>> {
    vec![
        Route::new(Verb::Get, "/v1/policies", policies::list),
        Route::new(Verb::Get, "/v1/policies/{name}", policies::show),
        Route::new(Verb::Put, "/v1/policies/{name}", policies::put),
        Route::new(Verb::Delete, "/v1/policies/{name}", policies::delete),
        Route::new(Verb::Patch, "/v1/policies/{name}/mirror", policies::mirror),
        Route::new(Verb::Patch, "/v1/policies/{name}/weights", policies::weights),
        Route::new(Verb::Get, "/v1/policies/{name}/audit", audits::show),
        Route::new(Verb::Get, "/v1/policies/{name}/generations", generations::history),
        Route::new(Verb::Get, "/v1/policies/{name}/generations/{number}", generations::show),
        Route::new(Verb::Get, "/v1/releases/{name}/report", releases::report),
        Route::new(Verb::Delete, "/v1/releases/{name}/evidence", releases::reset),
        Route::new(Verb::Get, "/v1/releases/{name}/exchanges", exchanges::stream),
        Route::new(Verb::Post, "/v1/releases/{name}/try", trying::rules),
        Route::new(Verb::Get, "/v1/audit", audits::verify),
        Route::new(Verb::Get, "/v1/tokens", tokens::list),
        Route::new(Verb::Post, "/v1/tokens", tokens::create),
        Route::new(Verb::Delete, "/v1/tokens/{token}", tokens::revoke),
        Route::new(Verb::Get, "/v1/status", status::show),
        Route::new(Verb::Get, "/metrics", status::metrics),
        Route::open(Verb::Get, "/healthz", || async { "ok\n" }),
        Route::open(Verb::Get, "/readyz", status::ready),
    ]
}

async fn guarded(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let place = request.extensions().get::<Arc<Place>>();
    match app.guard.check(request.method(), path, request.headers(), clock::now_ms()) {
        Ok(by) => {
            // What everybody may ask proves nothing.
            if let Some(place) = place.filter(|_| !HEALTH.contains(&path)) {
                place.prove();
            }
            if let Some(by) = by {
                request.extensions_mut().insert(LetIn { by, tokens: Arc::<Tokens>::clone(&app.tokens) });
            }
            let peer = peer(&request);
            let mut response = next.run(request).await;
            match response.status() {
                StatusCode::FORBIDDEN => app.intake.metrics.door.forbidden(),
                // Its token ended since.
                StatusCode::UNAUTHORIZED => {
                    app.intake.metrics.door.wrong_token(peer);
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                _ => {}
            }
            response.headers_mut().insert(RUN_HEADER, app.run.header());
            response
        }
        Err(problem) if problem.status == StatusCode::UNAUTHORIZED => {
            app.intake.metrics.door.wrong_token(peer(&request));
            // Guessing is slow. The kept places are few, and an operator's mistake should not have others wait for them.
            if request.headers().contains_key(AUTHORIZATION) && !place.is_some_and(|place| place.is_kept()) {
                tokio::time::sleep(AFTER_WRONG_TOKEN).await;
            }
            let mut response = problem.into_response();
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            response
        }
        Err(problem) => {
            if problem.status == StatusCode::FORBIDDEN {
                app.intake.metrics.door.forbidden();
            }
            problem.into_response()
        }
    }
}

fn peer(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<Peer>().map(|Peer(peer)| peer.ip())
}

/// The connections of an address are bounded, so a thousand guesses a second are about the most that it has.
const AFTER_WRONG_TOKEN: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests;
