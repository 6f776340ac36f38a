//! Reading and checking the audits: of one release, and of all together.

use std::sync::Arc;

use antumbra_control::audit::{Checked, Entry, Head};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::app::App;
use super::asking::Named;
use crate::api::allowed::{Allowed, Observe};
use crate::api::answer::json;
use crate::api::audits::Verified;
use crate::api::policies::Audit;
use crate::api::problem::Problem;

/// What the query of a check says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// A head of all audits that was noted earlier, as `17:9f86…`.
    head: Option<String>,
}

/// `GET /v1/audit`: all audits are checked, and that a head which was noted earlier, as `?head=17:9f86…`, is a part of them. What is said of a
/// release is for those alone who reach it.
pub(super) async fn verify(
    allowed: Allowed<Observe>,
    State(app): State<Arc<App>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let bad = |detail| Problem::new(StatusCode::BAD_REQUEST, "query", detail);
    let Query(Asked { head }) = asked.map_err(|error| bad(error.body_text()))?;
    let noted = head.map(|head| head.parse().map_err(|error| bad(format!("head is {head:?}, {error}"))));
    let checked = checked(&app, noted.transpose()?).await?.of(|release| allowed.by.reaches(release));
    Ok(json(StatusCode::OK, &Verified::from(checked)))
}

/// `GET /v1/policies/{name}/audit`, which outlives the policy.
pub(super) async fn show(
    _: Allowed<Observe>,
    State(app): State<Arc<App>>,
    Named(name): Named,
) -> Result<Response, Problem> {
    let entries = audited(&app, &name).await?;
    if entries.is_empty() && app.intake.policies.get(&name).is_none() {
        return Err(Problem::unknown_release(&name));
    }
    let findings = checked(&app, None).await?.of(|release| release == name).findings;
    let broken_at = findings.iter().find_map(|finding| finding.entry);
    Ok(json(StatusCode::OK, &Audit { entries, broken_at, findings }))
}

/// All that was ever done under this name, read where nobody waits for it who writes.
pub(super) async fn audited(app: &App, name: &str) -> Result<Vec<Entry>, Problem> {
    let (audits, release) = (Arc::clone(&app.audits), name.to_owned());
    let entries = app.aside.run(move || audits.of(&release)).await;
    let entries =
        entries.map_err(|error| Problem::unavailable(format!("reading the audit failed: {error}")))?;
    entries.map_err(|error| Problem::unavailable(error.to_string()))
}

/// All that was looked at, to be cut by [`Checked::of`] to what is told to whom.
async fn checked(app: &App, noted: Option<Head>) -> Result<Checked, Problem> {
    let (audits, is_alone) = (Arc::clone(&app.audits), noted.is_none());
    let checked = app.aside.run(move || audits.check_uncut(noted.as_ref())).await;
    let checked =
        checked.map_err(|error| Problem::unavailable(format!("checking the audits failed: {error}")))?;
    let checked = checked.map_err(|error| Problem::unavailable(error.to_string()))?;
    // What a head says that somebody brings is between them and the audit.
    if is_alone {
        app.audited.find(&checked.findings);
    }
    Ok(checked)
}
