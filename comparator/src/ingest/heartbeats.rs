//! `POST /v1/heartbeats`: a filter says what it runs and gets the policy if that is another one.

use std::sync::Arc;
use std::time::Instant;

use antumbra_control::Version;
use antumbra_observation::Heartbeat;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::intake::Intake;
use crate::api::allowed::{Allowed, Filter};
use crate::api::answer::json_text;
use crate::api::body;
use crate::api::principal::Principal;
use crate::api::problem::Problem;
use crate::ingest::decode::{self, Format};

/// 200 with the filter's part of the policy, or 204 if it runs that already.
pub(super) async fn receive(
    allowed: Allowed<Filter>,
    State(intake): State<Arc<Intake>>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let media_type = body::media_type(&parts.headers);
    let format = Format::of(&media_type)
        .ok_or_else(|| body::unsupported(&media_type, "application/cbor or application/json"))?;
    let bytes = allowed.read(body, LIMIT).await?;
    let heartbeat = decode::heartbeat(format, &bytes).map_err(|error| Problem::from(&error))?;
    let news = heard(&intake, &allowed.by, heartbeat)?;
    Ok(news.map_or_else(
        || StatusCode::NO_CONTENT.into_response(),
        |version| policy(&version, "application/json"),
    ))
}

/// Notes what a filter says of a release that its token is for; answers the policy if the filter runs another generation.
pub(super) fn heard(
    intake: &Intake,
    by: &Principal,
    heartbeat: Heartbeat,
) -> Result<Option<Arc<Version>>, Problem> {
    intake.refuse_foreign(by, &heartbeat.release)?;
    let version = intake
        .policies
        .get(&heartbeat.release)
        .ok_or_else(|| Problem::unknown_release(&heartbeat.release))?;
    let same = heartbeat.generation == Some(version.generation);
    let (release, now) = (heartbeat.release.clone(), Instant::now());
    intake.registry.note(by.source().as_ref(), heartbeat, now);
    if intake.registry.is_due(&release, now) {
        intake.writer.keep(release);
    }
    // Of a stored policy that is damaged nothing is left to answer: the filter goes on with what it has.
    Ok((!same && !version.document.is_lost()).then_some(version))
}

/// The part of a policy that filters need.
pub(super) fn policy(version: &Version, media_type: &'static str) -> Response {
    let mut response = json_text(StatusCode::OK, version.filter_part.clone());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    if let Ok(etag) = version.etag().parse() {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

const LIMIT: usize = 64 * 1024;
