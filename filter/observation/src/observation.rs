//! One mirrored exchange with all its legs, as the comparator gets it.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::headers;
use crate::hex::ExchangeId;
use crate::unsent::Unsent;

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
