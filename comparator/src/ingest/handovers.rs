//! `POST /v1/handovers`: exchanges whose shadow calls are still to be made; answered when they are made and the observations durable.
//!
//! So an acknowledgement means the same here as for observations, and a crash in between loses nothing that was acknowledged.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::batch;
use super::intake::Intake;
use super::observations::Acknowledged;
use crate::api::allowed::{Allowed, Filter};
use crate::api::answer::json;
use crate::api::problem::Problem;
use crate::ingest::decode;
use crate::live::ledger::Reason;
use crate::shadows::targets::Targets;

/// Takes a batch whole or refuses it whole; either way it is counted.
pub(super) async fn receive(
    allowed: Allowed<Filter>,
    State(intake): State<Arc<Intake>>,
    request: Request,
) -> Result<Response, Problem> {
    let mut batch =
        batch::read(&intake, &allowed.by, request, decode::handovers, |handover| &handover.observation)
            .await?;
    let count = batch.items.len() as u64;
    if let Some(cluster) = intake.targets.unknown(&batch.items) {
        intake.writer.refuse(Reason::UnknownTarget, count);
        return Err(unknown(cluster));
    }
    if !batch.reserved.grow(Targets::most_held(&batch.items)) {
        intake.writer.refuse(Reason::Overloaded, count);
        return Err(Problem::unavailable("too many answers are being waited for"));
    }
    let settled = intake.carry_out(allowed.by.source(), batch.items, batch.reserved).await;
    let settled = settled.map_err(|untaken| unstored(untaken.words()))?;
    Ok(json(StatusCode::OK, &Acknowledged::from(settled)))
}

/// The services were asked: an answer that invites to try again would have them asked twice.
fn unstored(why: impl Into<String>) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unstored", why)
}

fn unknown(cluster: &str) -> Problem {
    tracing::warn!(cluster, "shadow calls were handed over for a cluster that no --target names");
    let detail = format!("the cluster {cluster:?} has no address here: start with --target {cluster}=URL");
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unknown-target", detail)
}
