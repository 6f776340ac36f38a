//! How things stand: for people, for Prometheus, and for whoever restarts the process.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::app::App;
use crate::api::allowed::{Allowed, Observe};
use crate::api::answer::json;
use crate::api::problem::Problem;
use crate::api::status::{AuditStatus, ReleaseStatus, Status, Versions};
use crate::live::metrics::{Release, Stored};
use crate::live::registry::Present;
use crate::writer::Job;

/// `GET /v1/status`.
pub(super) async fn show(allowed: Allowed<Observe>, State(app): State<Arc<App>>) -> Response {
    let mut releases = Vec::new();
    for (name, version) in app.policies_of(&allowed.by) {
        let present = app.present(&name, version.generation);
        let troubles = app.troubles(&version, &present);
        let Present { alive, converged, gone, shown, more, versions, .. } = present;
        let versions = versions.into_iter().map(|(version, filters)| Versions { version, filters });
        let standing = app.standing(&name).await.ok();
        releases.push(ReleaseStatus {
            converged: alive > 0 && converged == alive,
            troubles,
            alive,
            gone,
            versions: versions.collect(),
            generation: version.generation,
            problems: version.document.problems().iter().map(ToString::to_string).collect(),
            session: standing.as_ref().map(|standing| standing.session.number),
            exchanges: standing.as_ref().map(|standing| standing.exchanges),
            verdict: standing.as_ref().and_then(|standing| standing.verdict),
            sources: standing.map(|standing| standing.sources).unwrap_or_default(),
            more_filters: more,
            filters: shown,
            release: name,
        });
    }
    let version = Some(env!("CARGO_PKG_VERSION").to_owned());
    let audit = AuditStatus::from(&app.audited.now().of(|release| allowed.by.reaches(release)));
    json(StatusCode::OK, &Status { version, releases, accounts: app.ledger.now(), audit })
}

/// `GET /metrics`.
pub(super) async fn metrics(allowed: Allowed<Observe>, State(app): State<Arc<App>>) -> Response {
    let mut releases = Vec::new();
    for (name, version) in app.policies_of(&allowed.by) {
        let Present { alive, converged, .. } = app.present(&name, version.generation);
        let standing = app.standing(&name).await.ok();
        let judged = standing.as_ref().and_then(|standing| Some((standing.exchanges, standing.verdict?)));
        let (not_sent, plugins, sources) = standing
            .map(|standing| (standing.not_sent, standing.plugins, standing.sources))
            .unwrap_or_default();
        releases.push(Release {
            generation: version.generation,
            converged,
            filters: alive,
            judged,
            not_sent,
            plugins,
            sources,
            name,
        });
    }
    let audits = Arc::clone(&app.audits);
    let rows = app.aside.run(move || audits.rows()).await;
    let rows = rows.ok().and_then(Result::ok).unwrap_or_default();
    let mut audits = app.audited.now();
    audits.heads.chains.retain(|release, _| allowed.by.reaches(release));
    let stored = Stored { audits, rows };
    let mut response = app.intake.metrics.render(&app.ledger.now(), &releases, &stored).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
    response
}

/// `GET /readyz`: whether observations can be stored. An audit that is broken is told, and keeps nobody from being served.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    app.readiness.ask(async || app.intake.writer.ask(Job::Probe).await).await?;
    let intact = app.audited.now().is_intact();
    Ok(if intact { "ready\n" } else { "ready; the audit is broken: `antumbra audit verify` says where\n" })
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
