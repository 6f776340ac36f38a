//! `GET /v1/releases/{name}/exchanges`: what is compared from now on, redacted, one observation a line.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::app::App;
use super::asking::{Named, Peer, author};
use super::reading;
use crate::api::allowed::{Allowed, Operate};
use crate::api::headers::REDACT_HEADER;
use crate::api::principal::Admits as _;
use crate::api::problem::Problem;
use crate::live::captures::Deaf;
use crate::redaction::{Named as Hidden, Secret};

/// Streams until the client leaves, its token or the policy ends, or the server does, once the audit says who reads. Everything that the
/// request header [`REDACT_HEADER`] names, which may be repeated, is blanked before it leaves the process, beside the list of secrets and what the policy names.
pub(super) async fn stream(
    allowed: Allowed<Operate>,
    State(app): State<Arc<App>>,
    Named(name): Named,
    request: Request,
) -> Result<Response, Problem> {
    let hidden = hidden(request.headers())?;
    let is_there = || app.intake.policies.get(&name).is_some();
    let who = author(&allowed.by, request.headers(), request.extensions().get::<Peer>());
    let (tokens, by) = (Arc::clone(&app.tokens), allowed.by);
    let is_welcome = move || tokens.admit_again(&by).is_ok();
    let lines = app.captures.listen(&name, hidden, is_welcome, is_there).map_err(|deaf| match deaf {
        Deaf::Unknown => Problem::unknown_release(&name),
        Deaf::Full => Problem::unavailable("too many capture already, or the comparator is about to end"),
    })?;
    let meter = reading::begin(&app, &name, who).await?;
    let mut response = Body::new(lines.metered(meter)).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

fn hidden(headers: &HeaderMap) -> Result<Hidden, Problem> {
    let named = headers.get_all(REDACT_HEADER).iter().map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        text.parse::<Secret>().map_err(|error| {
            let detail = format!("the header {REDACT_HEADER} is {text:?}, {error}");
            Problem::new(StatusCode::BAD_REQUEST, "header", detail)
        })
    });
    named.collect()
}
