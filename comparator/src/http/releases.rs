//! `/v1/releases/{name}`: what the evidence says, and a new beginning for a new build of the candidate.

use std::sync::Arc;

use antumbra_control::{Command, Reset, Session};
use antumbra_engine::{Report, TextStyle};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::app::App;
use super::asking::{Named, Peer, author, reason};
use crate::api::allowed::{Allowed, Gate, Operate};
use crate::api::answer::json;
use crate::api::problem::Problem;
use crate::api::releases::Begun;
use crate::writer::Job;

/// How to write a report.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Options {
    format: String,
}

enum Format {
    Text,
    Json,
    Markdown,
}

/// `GET /v1/releases/{name}/report`: JSON, or text or Markdown if that is asked for.
pub(super) async fn report(
    _: Allowed<Gate>,
    State(app): State<Arc<App>>,
    Named(name): Named,
    options: Result<Query<Options>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(options) =
        options.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "query", error.body_text()))?;
    let format = match options.format.as_str() {
        "" if prefers_text(&headers) => Format::Text,
        "" | "json" => Format::Json,
        "text" => Format::Text,
        "markdown" => Format::Markdown,
        other => {
            let detail = format!("format is {other:?}, must be text, json or markdown");
            return Err(Problem::new(StatusCode::BAD_REQUEST, "query", detail));
        }
    };
    let report = app.report(&name).await?;
    // A report of many places takes a while to write, too.
    let writing = app.aside.run(move || written(&report, &format));
    writing.await.map_err(|error| Problem::unjudged(format!("writing the report failed: {error}")))
}

fn written(report: &Report, format: &Format) -> Response {
    let (page, media_type) = match format {
        Format::Json => return json(StatusCode::OK, report),
        Format::Text => (report.to_text(TextStyle::default()), "text/plain; charset=utf-8"),
        Format::Markdown => (report.to_markdown(), "text/markdown; charset=utf-8"),
    };
    let mut response = page.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// `DELETE /v1/releases/{name}/evidence`: begins a new session.
pub(super) async fn reset(
    allowed: Allowed<Operate>,
    State(app): State<Arc<App>>,
    Named(name): Named,
    request: Request,
) -> Result<Response, Problem> {
    let author = author(&allowed.by, request.headers(), request.extensions().get::<Peer>());
    let reason = reason(request.headers());
    let command = Command::Reset(Reset { release: name.clone(), author, reason });
    let done =
        app.intake.writer.ask(|reply| Job::Command(Box::new(command), allowed.by.into(), reply)).await???;
    let Some(Session { number: session, since: generation }) = done.begun else {
        return Err(Problem::unavailable("no session began"));
    };
    Ok(json(StatusCode::OK, &Begun { release: name, session, generation }))
}

/// Whether plain text stands in `Accept` before JSON; `*/*` means JSON.
fn prefers_text(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut types = accept.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
    types.find(|range| matches!(*range, "text/plain" | "application/json")) == Some("text/plain")
}
