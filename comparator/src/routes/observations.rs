//! `POST /v1/observations`: a batch in, an acknowledgement out once it is durable.

use std::sync::Arc;
use std::time::Instant;

use antumbra_observation::{
    COUNT_HEADER, HEARTBEAT_HEADER, Heartbeat, INSTANCE_HEADER, Instance, Malformed, Observation,
    POLICY_JSON, SEQUENCE_HEADER, decode_heartbeat_header,
};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::{App, heartbeats, json};
use crate::accounts::{Reason, Settled};
use crate::body::{self, Unread};
use crate::decode::{self, Format};
use crate::problem::Problem;
use crate::writer::Reserved;

/// What became of a batch.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Acknowledged {
    compared: u64,
    duplicates: u64,
    superseded: u64,
    elsewhere: u64,
}

/// Takes a batch whole or refuses it whole; either way it is counted. A heartbeat that came with it is answered by the policy if that
/// is news to the filter, by what became of the batch if not.
pub(super) async fn receive(State(app): State<Arc<App>>, request: Request) -> Result<Response, Problem> {
    let began = Instant::now();
    let count = announced_count(request.headers());
    let batch = match read(&app, request).await {
        Ok(batch) => batch,
        Err(refused) => {
            app.writer.refuse(refused.reason, refused.count.unwrap_or(count));
            return Err(*refused.problem);
        }
    };
    let settled = app.writer.submit(batch.id, batch.observations, batch.reserved).await?;
    let settled = settled.map_err(Problem::unavailable)?;
    app.metrics.acknowledged(began.elapsed());
    // The batch is stored: nothing about the heartbeat may make it look refused.
    let news = batch.heartbeat.and_then(|heartbeat| heartbeats::heard(&app, heartbeat).ok().flatten());
    if let Some(version) = news {
        return Ok(heartbeats::policy(&version, POLICY_JSON));
    }
    let Settled { compared, duplicates, superseded, elsewhere, .. } = settled;
    Ok(json(StatusCode::OK, &Acknowledged { compared, duplicates, superseded, elsewhere }))
}

struct Read {
    id: Option<(Instance, u64)>,
    observations: Vec<Observation>,
    reserved: Reserved,
    heartbeat: Option<Heartbeat>,
}

/// Why a batch is refused, how many observations it holds if that is known, and the answer.
struct Refused {
    reason: Reason,
    count: Option<u64>,
    problem: Box<Problem>,
}

impl Refused {
    fn new(reason: Reason, problem: impl Into<Problem>) -> Self {
        Self { reason, count: None, problem: Box::new(problem.into()) }
    }
}

async fn read(app: &App, request: Request) -> Result<Read, Refused> {
    let (parts, body) = request.into_parts();
    let id = id(&parts.headers).map_err(|problem| Refused::new(Reason::Header, problem))?;
    let heartbeat = heartbeat(&parts.headers).map_err(|problem| Refused::new(Reason::Header, problem))?;
    let media_type = body::media_type(&parts.headers);
    let format = Format::of(&media_type)
        .ok_or_else(|| Refused::new(Reason::MediaType, body::unsupported(&media_type, MEDIA_TYPES)))?;
    let length = body::announced_length(&parts.headers);
    if length.is_some_and(|length| length > LIMIT) {
        return Err(Refused::new(Reason::TooLarge, Unread::TooLarge(LIMIT)));
    }
    let mut reserved = app.writer.reserve();
    let bytes = body::read_with(body, LIMIT, |length| reserved.grow(length)).await.map_err(|unread| {
        let reason = match unread {
            Unread::TooLarge(_) => Reason::TooLarge,
            Unread::Incomplete => Reason::Incomplete,
            Unread::NoRoom => Reason::Overloaded,
        };
        Refused::new(reason, unread)
    })?;
    let observations = decode::observations(format, &bytes).map_err(|error| match error {
        Malformed::Undecodable { .. } => Refused::new(Reason::Undecodable, &error),
        Malformed::FutureVersion { .. } => Refused::new(Reason::FutureVersion, &error),
    })?;
    known(app, &observations)?;
    Ok(Read { id, observations, reserved, heartbeat })
}

fn known(app: &App, observations: &[Observation]) -> Result<(), Refused> {
    match observations.iter().find(|observation| app.policies.get(&observation.release).is_none()) {
        None => Ok(()),
        Some(stranger) => {
            let refused = Refused::new(Reason::UnknownRelease, Problem::unknown_release(&stranger.release));
            Err(Refused { count: Some(observations.len() as u64), ..refused })
        }
    }
}

fn heartbeat(headers: &HeaderMap) -> Result<Option<Heartbeat>, Problem> {
    let value = headers.get(HEARTBEAT_HEADER).map(|value| decode_heartbeat_header(value.as_bytes()));
    value.transpose().map_err(|error| malformed(HEARTBEAT_HEADER, &format!("must be a heartbeat: {error}")))
}

fn malformed(name: &str, must: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "header", format!("the header {name} {must}"))
}

/// Who sent the batch and which one it is; both headers or neither.
fn id(headers: &HeaderMap) -> Result<Option<(Instance, u64)>, Problem> {
    let (instance, sequence) = match (headers.get(INSTANCE_HEADER), headers.get(SEQUENCE_HEADER)) {
        (None, None) => return Ok(None),
        (Some(instance), Some(sequence)) => (instance, sequence),
        (None, Some(_)) => return Err(malformed(INSTANCE_HEADER, "is missing beside the sequence")),
        (Some(_), None) => return Err(malformed(SEQUENCE_HEADER, "is missing beside the instance")),
    };
    let instance = instance.to_str().ok().and_then(|text| text.parse().ok());
    let sequence = sequence.to_str().ok().and_then(|text| text.parse().ok());
    let instance = instance.ok_or_else(|| malformed(INSTANCE_HEADER, "must be 32 hexadecimal digits"))?;
    let sequence = sequence.filter(|sequence| (1..=MOST_SEQUENCE).contains(sequence));
    let sequence = sequence.ok_or_else(|| malformed(SEQUENCE_HEADER, "must be a whole number from 1"))?;
    Ok(Some((instance, sequence)))
}

/// What the sender says it sent, for the accounts of a body that is not read; 1 if it says nothing credible.
fn announced_count(headers: &HeaderMap) -> u64 {
    let count =
        headers.get(COUNT_HEADER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    count.filter(|count| (1..=MOST_COUNT).contains(count)).unwrap_or(1)
}

const MEDIA_TYPES: &str = "application/cbor-seq, application/json or application/x-ndjson";
/// Bytes of one batch.
const LIMIT: usize = 8 << 20;
/// The smallest observation is some 80 bytes.
const MOST_COUNT: u64 = 100_000;
/// SQLite's integers are signed.
const MOST_SEQUENCE: u64 = i64::MAX as u64;
