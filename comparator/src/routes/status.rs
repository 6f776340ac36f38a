//! How things stand: for people, for Prometheus, and for whoever restarts the process.

use std::sync::Arc;

use antumbra_engine::Verdict;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::{App, json};
use crate::accounts::Accounts;
use crate::metrics::Release;
use crate::problem::Problem;
use crate::registry::{Alive, Filter};
use crate::writer::Job;

/// How everything stands.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    /// By name.
    pub(crate) releases: Vec<ReleaseStatus>,
    /// What became of every observation.
    pub(crate) accounts: Accounts,
}

/// How a release stands.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReleaseStatus {
    /// The policy's name.
    pub(crate) name: String,
    /// The generation in force.
    pub(crate) generation: u64,
    /// Whether there are filters and all that are alive run it.
    pub(crate) converged: bool,
    /// Filter instances that spoke within the last minute, at most 100 of them.
    pub(crate) filters: Vec<Filter>,
    /// How many more there are.
    pub(crate) more_filters: usize,
    /// The number of the session of evidence; none while the store fails.
    pub(crate) session: Option<u64>,
    /// Exchanges in it.
    pub(crate) exchanges: Option<u64>,
    /// What they say.
    pub(crate) verdict: Option<Verdict>,
}

/// `GET /v1/status`.
pub(super) async fn show(State(app): State<Arc<App>>) -> Response {
    let mut releases = Vec::new();
    for (name, version) in app.policies.all() {
        let Alive { count, converged, shown } = app.alive(&name, version.generation);
        let standing = app.standing(&name).await.ok();
        releases.push(ReleaseStatus {
            converged: count > 0 && converged == count,
            generation: version.generation,
            session: standing.as_ref().map(|standing| standing.session.number),
            exchanges: standing.as_ref().map(|standing| standing.exchanges),
            verdict: standing.as_ref().map(|standing| standing.verdict),
            more_filters: count - shown.len(),
            filters: shown,
            name,
        });
    }
    json(StatusCode::OK, &Status { releases, accounts: app.ledger.now() })
}

/// `GET /metrics`.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let mut releases = Vec::new();
    for (name, version) in app.policies.all() {
        let Alive { count, converged, .. } = app.alive(&name, version.generation);
        let standing = app.standing(&name).await.ok();
        let judged = standing.as_ref().map(|standing| (standing.exchanges, standing.verdict));
        let (not_sent, plugins) =
            standing.map(|standing| (standing.not_sent, standing.plugins)).unwrap_or_default();
        releases.push(Release {
            generation: version.generation,
            converged,
            filters: count,
            judged,
            not_sent,
            plugins,
            name,
        });
    }
    let mut response = app.metrics.render(&app.ledger.now(), &releases).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
    response
}

/// `GET /readyz`: whether observations can be stored.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    let probed = app.writer.ask(Job::Probe).await?;
    probed.map_err(|error| Problem::unavailable(error.to_string()))?;
    Ok("ready\n")
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
