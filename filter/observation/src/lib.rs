//! The wire contract between the filter and the comparator: observations and heartbeats; and what both do alike who make shadow calls.
//!
//! One observation carries all legs of one exchange, so the comparator never joins streams. From the filter they come as a
//! CBOR sequence (RFC 8742, `application/cbor-seq`); people and other producers may send the same structs as JSON or
//! NDJSON. HTTP is bytes: a header value that is not UTF-8 arrives as it was.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects
    )
)]

mod breaker;
mod bytes;
mod codec;
mod collected;
mod headers;
mod hex;
mod hop;
mod unsent;

pub use breaker::Breakers;
pub use bytes::Bytes;
pub use codec::{
    MAX_FIELDS, Malformed, check_version, decode_handovers, decode_heartbeat, decode_heartbeat_header,
    decode_sequence, encode, encode_handover, encode_heartbeat, encode_heartbeat_header,
};
pub use collected::Collected;
pub use headers::MAX_HEADERS;
pub use hex::{ExchangeId, Instance};
pub use hop::stays_behind;
pub use unsent::Unsent;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of this contract. An observation with a higher one is refused, not guessed at.
pub const VERSION: u32 = 1;

/// The JSON Schema (draft 2020-12) of an [`Observation`] in JSON.
pub const SCHEMA: &str = include_str!("../observation.schema.json");

/// The media type of a batch from a filter.
pub const CBOR_SEQUENCE: &str = "application/cbor-seq";
/// Request header of a batch: who sends it, as 32 hexadecimal digits ([`Instance`]).
pub const INSTANCE_HEADER: &str = "x-antumbra-instance";
/// Request header of a batch: its number, counted by the instance from 1. A repeat is acknowledged and not counted again.
pub const SEQUENCE_HEADER: &str = "x-antumbra-sequence";
/// Request header of a batch: how many observations it holds, for the accounts if the body does not decode.
pub const COUNT_HEADER: &str = "x-antumbra-count";
/// Request header of a batch: a [`Heartbeat`], so that a filter that sends batches need not poll.
pub const HEARTBEAT_HEADER: &str = "x-antumbra-heartbeat";
/// The media type of an answer to such a batch that brings the policy, because the filter runs another generation.
pub const POLICY_JSON: &str = "application/vnd.antumbra.policy+json";
/// Response header that names the run of the comparator's process: with another one it has heard of no filter yet.
pub const RUN_HEADER: &str = "x-antumbra-run";
/// Request header that marks a shadow request; a request that carries it is never mirrored.
pub const SHADOW_HEADER: &str = "x-antumbra-shadow";

/// One mirrored exchange: a request, the answer that the client got, and the answers of the shadow calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// Also the value of the shadow requests' `x-antumbra-shadow`.
    pub id: ExchangeId,
    /// The policy's name.
    pub release: String,
    /// The generation of the policy that decided.
    pub generation: u64,
    /// The rule whose `mirror` sampled the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// When the request arrived, in microseconds since 1970, by the proxy's clock.
    pub at_us: u64,
    /// Equal for requests of one client and, but for chance, for no others: a salted hash of what the policy knows clients by
    /// (`idFrom`, else the keys of its first split). Absent if it knows them by nothing, or the request has none of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<u32>,
    /// What the client asked for.
    pub request: Request,
    /// What the client got.
    pub primary: Leg,
    /// What the new version answered.
    pub candidate: Leg,
    /// What the stable version answered the second time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Leg>,
}

/// An exchange whose shadow calls the comparator is to make. A batch of these is answered when the calls are over and their
/// observations are durable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handover {
    /// All but the legs: `candidate` is [`Outcome::NotSent`], there is no `control`.
    pub observation: Observation,
    /// To the new version.
    pub candidate: ShadowRequest,
    /// To the stable version, at the same moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<ShadowRequest>,
    /// For each call, in milliseconds, 1 to 60,000.
    pub timeout_ms: u64,
    /// Bytes of an answer that are kept; of a longer one its length and hash.
    pub kept: u64,
}

/// One shadow call, complete but for the body, which is the observed request's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShadowRequest {
    /// The variant that is asked.
    pub variant: String,
    /// The variant's cluster; the comparator knows its address.
    pub target: String,
    /// With `:method`, `:path` and `:authority`, in order, duplicates kept.
    #[serde(deserialize_with = "headers::bounded")]
    pub headers: Vec<(Bytes, Bytes)>,
    /// After the body, without pseudo headers.
    #[serde(default, deserialize_with = "headers::bounded", skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<(Bytes, Bytes)>,
}

/// A request as finally routed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// `GET`, …
    pub method: Bytes,
    /// Path and query as the client sent them (`x-envoy-original-path` where the route rewrote the path).
    pub path: Bytes,
    /// `:authority`.
    #[serde(default)]
    pub authority: Bytes,
    /// Without pseudo headers, in order, duplicates kept.
    #[serde(default, deserialize_with = "headers::bounded")]
    pub headers: Vec<(Bytes, Bytes)>,
    /// The body, if any.
    #[serde(default)]
    pub body: Body,
}

/// One answer, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Leg {
    /// The variant that was asked.
    #[serde(default)]
    pub variant: String,
    /// How the call ended.
    pub outcome: Outcome,
    /// Microseconds. Primary: request fully received → last byte of the response at the filter. Candidate and control:
    /// call dispatched → answer complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
    /// The answer; present exactly if `outcome` is [`Outcome::Response`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
    /// Why the call never left, if `outcome` is [`Outcome::NotSent`] and whoever was to make it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Unsent>,
}

impl Leg {
    /// A leg whose call never left.
    pub fn not_sent(variant: &str, reason: Option<Unsent>) -> Self {
        Self {
            variant: variant.to_owned(),
            outcome: Outcome::NotSent,
            latency_us: None,
            response: None,
            reason,
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// With an answer of the service.
    Response,
    /// No complete answer within the mirror's timeout.
    Timeout,
    /// Refused or reset before any header.
    Refused,
    /// Reset in the body, or a body over the proxy's limit.
    Reset,
    /// Never sent; [`Leg::reason`] says why.
    NotSent,
}

/// An answer of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// 100 to 999.
    pub status: u16,
    /// Without pseudo headers, in order, duplicates kept.
    #[serde(default, deserialize_with = "headers::bounded")]
    pub headers: Vec<(Bytes, Bytes)>,
    /// The body as sent, content encoding included.
    #[serde(default)]
    pub body: Body,
    /// Trailers, if any.
    #[serde(default, deserialize_with = "headers::bounded", skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<(Bytes, Bytes)>,
}

/// A body, or what is kept of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Body {
    /// Byte for byte the primary's. Never in the primary itself.
    Same,
    /// All of it.
    Whole(Bytes),
    /// Longer than the capture's cap: its length in bytes and XXH3-64 (seed 0) of the whole.
    Cut {
        /// Bytes.
        length: u64,
        /// XXH3-64, seed 0.
        xxh3: u64,
    },
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Bytes::default())
    }
}

/// What a filter instance (one VM of a proxy worker) says about itself while it polls for its policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// The policy's name.
    pub release: String,
    /// Who speaks.
    pub instance: Instance,
    /// The generation it runs; `None` before the first policy and while it runs an inline one.
    pub generation: Option<u64>,
    /// Everything since the instance began.
    pub accounts: Accounts,
}

/// Cumulative counts of one filter instance. `requests = mirrored + Σ not_mirrored`, and
/// `mirrored = delivered + Σ undelivered + unknown + what is still in flight`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Accounts {
    /// Requests that ended at the filter.
    pub requests: u64,
    /// Exchanges that left for the shadows.
    pub mirrored: u64,
    /// Requests that were not mirrored, by reason.
    pub not_mirrored: BTreeMap<String, u64>,
    /// Observations that the comparator acknowledged.
    pub delivered: u64,
    /// Observations that the comparator certainly does not have, by reason.
    pub undelivered: BTreeMap<String, u64>,
    /// Observations whose delivery got no answer, after the retry.
    pub unknown: u64,
}
