//! A batch of whatever a filter sends: read whole or refused whole, and what is refused is counted.

use std::sync::Arc;

use antumbra_control::Version;
use antumbra_observation::{
    COUNT_HEADER, HEARTBEAT_HEADER, Heartbeat, INSTANCE_HEADER, Instance, Malformed, Observation,
    SEQUENCE_HEADER, decode_heartbeat_header,
};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};

use super::heartbeats;
use super::intake::Intake;
use crate::api::allowed::{Allowed, Filter};
use crate::api::body::{self, Unread};
use crate::api::principal::Principal;
use crate::api::problem::Problem;
use crate::ingest::decode::Format;
use crate::live::ledger::Reason;
use crate::live::room::Reserved;
use crate::live::size;

/// A batch that can be dealt with.
pub(super) struct Batch<T> {
    /// Who sent it and which one it is.
    pub(super) id: Option<(Instance, u64)>,
    /// What it holds.
    pub(super) items: Vec<T>,
    /// Its share of the memory that may be in use.
    pub(super) reserved: Reserved,
    /// What came with it, unless it was heard already.
    heartbeat: Option<Heartbeat>,
    /// A policy that is news to the instance whose heartbeat that was.
    pub(super) news: Option<Arc<Version>>,
}

/// Reads a batch that somebody sent, of releases that are known and that its token is for; one that is refused is counted.
pub(super) async fn read<T: Send + 'static>(
    intake: &Intake,
    allowed: &Allowed<Filter>,
    request: Request,
    decode: fn(Format, &[u8]) -> Result<Vec<T>, Malformed>,
    observation: fn(&T) -> &Observation,
) -> Result<Batch<T>, Problem> {
    let count = announced_count(request.headers());
    let (by, read) = (&allowed.by, unchecked(intake, request, decode).await);
    // What comes from somebody who is not let in any more is turned away as at the door, where nothing of it is counted.
    allowed.again()?;
    let batch = match read {
        Ok(batch) => own(intake, by, &batch, observation)
            .and_then(|()| known(intake, &batch.items, observation))
            .and_then(|()| introduced(intake, by, batch, observation))
            .and_then(|batch| weighed(batch, observation)),
        Err(refused) => Err(refused),
    };
    batch.map_err(|refused| {
        intake.writer.refuse(refused.reason, refused.count.unwrap_or(count));
        *refused.problem
    })
}

/// Why a batch is refused, how many items it holds if that is known, and the answer.
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

async fn unchecked<T: Send + 'static>(
    intake: &Intake,
    request: Request,
    decode: fn(Format, &[u8]) -> Result<Vec<T>, Malformed>,
) -> Result<Batch<T>, Refused> {
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
    let mut reserved = intake.room.reserve();
    let bytes = body::read_with(body, LIMIT, |length| reserved.grow(length)).await.map_err(|unread| {
        let reason = match unread {
            Unread::TooLarge(_) => Reason::TooLarge,
            Unread::Incomplete => Reason::Incomplete,
            Unread::NoRoom => Reason::Overloaded,
        };
        Refused::new(reason, unread)
    })?;
    let decoded = intake.decoding.run(bytes, move |bytes| decode(format, bytes)).await;
    let items = decoded.map_err(|error| match error {
        Malformed::Undecodable { .. } => Refused::new(Reason::Undecodable, &error),
        Malformed::FutureVersion { .. } => Refused::new(Reason::FutureVersion, &error),
    })?;
    Ok(Batch { id, items, reserved, heartbeat, news: None })
}

/// Has what the instance says of itself heard, and looks whether it ever said anything where a token tells whose it is: observations are
/// held against that. A filter that is not known sends a heartbeat along with the batch that it sends again.
fn introduced<T>(
    intake: &Intake,
    by: &Principal,
    mut batch: Batch<T>,
    observation: fn(&T) -> &Observation,
) -> Result<Batch<T>, Refused> {
    // Nothing about it may make the batch look refused.
    let heartbeat = batch.heartbeat.take();
    batch.news = heartbeat.and_then(|heartbeat| heartbeats::heard(intake, by, heartbeat).ok().flatten());
    let Some(source) = by.source() else { return Ok(batch) };
    let instance = batch.id.map(|(instance, _)| instance);
    let mut releases = batch.items.iter().map(|item| observation(item).release.as_str());
    let Some(stranger) = releases.find(|release| !intake.registry.knows(release, &source, instance)) else {
        return Ok(batch);
    };
    let detail = format!(
        "no heartbeat of this filter instance for {stranger:?} came with the token {:?}",
        source.to_string()
    );
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unknown-instance", detail);
    let refused = Refused::new(Reason::UnknownInstance, problem);
    Err(Refused { count: Some(batch.items.len() as u64), ..refused })
}

/// Whether all of it, and the heartbeat that came with it, is of releases that its token is for.
fn own<T>(
    intake: &Intake,
    by: &Principal,
    batch: &Batch<T>,
    observation: fn(&T) -> &Observation,
) -> Result<(), Refused> {
    let releases = batch.items.iter().map(|item| observation(item).release.as_str());
    let mut releases = releases.chain(batch.heartbeat.iter().map(|heartbeat| heartbeat.release.as_str()));
    releases.try_for_each(|release| intake.refuse_foreign(by, release)).map_err(|problem| {
        let refused = Refused::new(Reason::ForeignRelease, problem);
        Refused { count: Some(batch.items.len() as u64), ..refused }
    })
}

fn known<T>(intake: &Intake, items: &[T], observation: fn(&T) -> &Observation) -> Result<(), Refused> {
    let mut releases = items.iter().map(|item| observation(item).release.as_str());
    match releases.find(|release| intake.policies.get(release).is_none()) {
        None => Ok(()),
        Some(stranger) => {
            let refused = Refused::new(Reason::UnknownRelease, Problem::unknown_release(stranger));
            Err(Refused { count: Some(items.len() as u64), ..refused })
        }
    }
}

/// Has the batch hold what it takes now that it is decoded: a header of four bytes takes a hundred.
fn weighed<T>(mut batch: Batch<T>, observation: fn(&T) -> &Observation) -> Result<Batch<T>, Refused> {
    let each = batch.items.iter().map(|item| size::held(observation(item)).saturating_add(size_of::<T>()));
    if batch.reserved.grow(each.fold(0, usize::saturating_add)) {
        return Ok(batch);
    }
    let refused = Refused::new(Reason::Overloaded, Unread::NoRoom);
    Err(Refused { count: Some(batch.items.len() as u64), ..refused })
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
    let sequence = sequence.filter(|sequence| (1..=MAX_SEQUENCE).contains(sequence));
    let sequence = sequence.ok_or_else(|| malformed(SEQUENCE_HEADER, "must be a whole number from 1"))?;
    Ok(Some((instance, sequence)))
}

/// What the sender says it sent, for the accounts of a body that is not read; 1 if it says nothing credible.
fn announced_count(headers: &HeaderMap) -> u64 {
    let count =
        headers.get(COUNT_HEADER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    count.filter(|count| (1..=MAX_COUNT).contains(count)).unwrap_or(1)
}

const MEDIA_TYPES: &str = "application/cbor-seq, application/json or application/x-ndjson";
/// Bytes of one batch.
const LIMIT: usize = 8 << 20;
/// The smallest observation is some 80 bytes.
const MAX_COUNT: u64 = 100_000;
/// SQLite's integers are signed.
const MAX_SEQUENCE: u64 = i64::MAX as u64;
