//! `/v1/policies/{name}/generations`: what a policy was, and how it became what it is.

use std::sync::Arc;

use antumbra_control::{Version, audit};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::app::App;
use super::asking::Named;
use super::policies::{audited, tagged};
use crate::api::allowed::{Allowed, Observe};
use crate::api::answer::{json, json_text};
use crate::api::policies::{Generation, History};
use crate::api::problem::Problem;
use crate::writer::Job;

/// `GET /v1/policies/{name}/generations`: who made each, when and why, and what changed.
pub(super) async fn history(
    _: Allowed<Observe>,
    State(app): State<Arc<App>>,
    Named(name): Named,
) -> Result<Response, Problem> {
    if app.intake.policies.get(&name).is_none() {
        return Err(Problem::unknown_release(&name));
    }
    let made = audit::generations(audited(&app, &name).await?);
    let generations = made.into_iter().map(Generation::from).collect();
    Ok(json(StatusCode::OK, &History { release: name, generations }))
}

/// `GET /v1/policies/{name}/generations/{number}`: the document as it was then.
pub(super) async fn show(
    _: Allowed<Observe>,
    State(app): State<Arc<App>>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let Path((name, number)) =
        path.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "path", error.body_text()))?;
    let current = app.intake.policies.get(&name).ok_or_else(|| Problem::unknown_release(&name))?.generation;
    let unknown = || {
        let detail = format!("the policy {name:?} has no generation {number}; {current} is in force");
        Problem::new(StatusCode::NOT_FOUND, "unknown-generation", detail)
    };
    let generation = number.parse().ok().filter(|generation| (1..=current).contains(generation));
    let generation = generation.ok_or_else(unknown)?;
    let asked = app.intake.writer.ask(|reply| Job::Generation(name.clone(), generation, reply)).await?;
    let stored = asked.map_err(|error| Problem::unavailable(error.to_string()))?.ok_or_else(unknown)?;
    let version = Version::restore(&name, &stored);
    if version.document.is_lost() {
        return Err(Problem::damaged(&name, version.document.problems().to_vec()));
    }
    Ok(tagged(json_text(StatusCode::OK, version.document.text()), &version))
}
