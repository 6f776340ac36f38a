//! `POST /v1/releases/{name}/try`: what the verdict would be under other rules, on the exchanges that are kept. Nothing changes.

use std::sync::Arc;

use antumbra_control::Document;
use antumbra_policy::document::{Invalid, Problem as Wrong};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::app::App;
use super::asking::Named;
use super::policies::written;
use crate::api::allowed::{Allowed, Operate};
use crate::api::answer::json;
use crate::api::problem::Problem;
use crate::trial::Trial;

/// The body is a list of rules, what a policy has under `compare`, or a policy, in YAML or JSON. One is tried at a time.
pub(super) async fn rules(
    allowed: Allowed<Operate>,
    State(app): State<Arc<App>>,
    Named(name): Named,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let policies = &app.intake.policies;
    let version = policies.get(&name).ok_or_else(|| Problem::unknown_release(&name))?;
    let given = written(&allowed, &parts, body, LIMIT).await?;
    let (tried, way) = version.document.trying(&given).map_err(Problem::invalid)?;
    let tried = policies.described(tried);
    known(&app, &tried)?;
    let turn = Arc::clone(&app.turn).lock_owned().await;
    allowed.again()?;
    let trial = Trial::of(&version.document, &tried, &app.intake.plugins);
    let sample = app.kept.sample(&name);
    let trying = app.aside.run(move || {
        let _turn = turn;
        let gates = version.document.gates();
        json(StatusCode::OK, &trial.over(&sample, &name, way, gates))
    });
    trying.await.map_err(|error| Problem::unjudged(format!("trying the rules failed: {error}")))
}

/// Whether all plugins that it names are here.
fn known(app: &App, tried: &Document) -> Result<(), Problem> {
    let absent = app.intake.plugins.absent(tried.plugins());
    let problem = |(index, name): (usize, &str)| Wrong {
        path: format!("compare.plugins[{index}].plugin"),
        message: format!("is {name:?}, which the comparator was not started with"),
    };
    let problems: Vec<Wrong> = absent.into_iter().map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(Problem::invalid(Invalid { problems })) }
}

/// Bytes of what is tried.
const LIMIT: usize = 1 << 20;
