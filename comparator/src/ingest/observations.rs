//! `POST /v1/observations`: a batch in, an acknowledgement out once it is durable.

use std::sync::Arc;
use std::time::Instant;

use antumbra_observation::POLICY_JSON;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::intake::Intake;
use super::{batch, heartbeats};
use crate::api::allowed::{Allowed, Filter};
use crate::api::answer::json;
use crate::api::problem::Problem;
use crate::ingest::decode;
use crate::live::ledger::Settled;

/// What became of a batch.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Acknowledged {
    compared: u64,
    duplicates: u64,
    unknown_release: u64,
    superseded: u64,
    elsewhere: u64,
    repeated: u64,
    same_id: u64,
    one_source_too_many: u64,
}

impl From<Settled> for Acknowledged {
    fn from(settled: Settled) -> Self {
        let Settled { compared, duplicates, unknown_release, superseded, .. } = settled;
        let Settled { elsewhere, repeated, same_id, one_source_too_many, .. } = settled;
        Self {
            compared,
            duplicates,
            unknown_release,
            superseded,
            elsewhere,
            repeated,
            same_id,
            one_source_too_many,
        }
    }
}

/// Takes a batch whole or refuses it whole; either way it is counted. A heartbeat that came with it is answered by the policy if that
/// is news to the filter, by what became of the batch if not.
pub(super) async fn receive(
    allowed: Allowed<Filter>,
    State(intake): State<Arc<Intake>>,
    request: Request,
) -> Result<Response, Problem> {
    let began = Instant::now();
    let batch =
        batch::read(&intake, &allowed, request, decode::observations, |observation| observation).await?;
    let settled = intake.submit(allowed.by.source(), batch.id, batch.items, batch.reserved).await?;
    intake.metrics.acknowledged(began.elapsed());
    Ok(match batch.news {
        Some(version) => heartbeats::policy(&version, POLICY_JSON),
        None => json(StatusCode::OK, &Acknowledged::from(settled)),
    })
}
