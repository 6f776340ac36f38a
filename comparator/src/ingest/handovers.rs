//! `POST /v1/handovers`: exchanges whose shadow calls are still to be made; answered when they are made and the observations durable.
//!
//! So an acknowledgement means the same here as for observations, and a crash in between loses nothing that was acknowledged.

use std::sync::Arc;

use antumbra_control::handed_over::{Asked, HandedOver, NotHandedOver};
use antumbra_observation::{Handover, ShadowRequest};
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
use crate::shadows::method;
use crate::shadows::targets::Targets;

/// Takes a batch whole or refuses it whole; either way it is counted.
pub(super) async fn receive(
    allowed: Allowed<Filter>,
    State(intake): State<Arc<Intake>>,
    request: Request,
) -> Result<Response, Problem> {
    let mut batch =
        batch::read(&intake, &allowed, request, decode::handovers, |handover| &handover.observation).await?;
    let count = batch.items.len() as u64;
    if let Some(refused) = unmirrored(&intake, &batch.items) {
        let reason = match refused {
            NotHandedOver::Target { .. } => Reason::UnmirroredTarget,
            NotHandedOver::Method { .. } => Reason::UnmirroredMethod,
        };
        intake.writer.refuse(reason, count);
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not-mirrored", refused.to_string()));
    }
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

/// What is handed over although no mirror of the policies in force says so. A filter that has not heard yet that a mirror ended hands over
/// for a moment what it says then.
fn unmirrored(intake: &Intake, handovers: &[Handover]) -> Option<NotHandedOver> {
    handovers.iter().find_map(|handover| {
        let calls = HandedOver {
            candidate: asked(&handover.candidate),
            control: handover.control.as_ref().map(asked),
        };
        let version = intake.policies.get(&handover.observation.release);
        // A policy that was deleted a moment ago has no mirrors.
        let held = version.map_or_else(
            || calls.refuse_unmirrored(&[]),
            |version| version.document.refuse_unmirrored(&calls),
        );
        held.err()
    })
}

fn asked(shadow: &ShadowRequest) -> Asked<'_> {
    Asked { variant: &shadow.variant, cluster: &shadow.target, method: method(shadow) }
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
