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
    /// The [`VERSION`](crate::VERSION) of the sender.
    pub version: u32,
    /// The name of the exchange, which is also the value of the shadow requests' `x-antumbra-shadow`.
    pub id: ExchangeId,
    /// The name of the policy.
    pub release: String,
    /// The generation of the policy that decided.
    pub generation: u64,
    /// The name of the rule whose `mirror` sampled the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// When the request arrived, in microseconds since 1970, by the proxy's clock.
    pub at_us: u64,
    /// A number that is equal for requests of one client and, but for chance, for no others: a salted hash of what the policy
    /// knows clients by (`idFrom`, else the keys of its first split). Absent if the policy knows clients by nothing, or the
    /// request has none of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<u32>,
    /// The request of the client.
    pub request: Request,
    /// The answer that the client got.
    pub primary: Leg,
    /// The answer of the new version.
    pub candidate: Leg,
    /// The second answer of the stable version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Leg>,
}

/// A request as finally routed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The method, such as `GET`.
    pub method: Bytes,
    /// The path and query as the client sent them (`x-envoy-original-path` where the route rewrote the path).
    pub path: Bytes,
    /// The `:authority`, which is the host that the client asked.
    #[serde(default)]
    pub authority: Bytes,
    /// The headers without pseudo headers, in order, duplicates kept.
    #[serde(default, deserialize_with = "headers::bounded")]
    pub headers: Vec<(Bytes, Bytes)>,
    /// The body, if there is one.
    #[serde(default)]
    pub body: Body,
}

/// The answer to one call of an exchange, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Leg {
    /// The variant that was asked.
    #[serde(default)]
    pub variant: String,
    /// How the call ended.
    pub outcome: Outcome,
    /// When the call left, in microseconds after [`Observation::at_us`], which is where its latency begins: for the primary the
    /// request's last byte. The leg that left earlier was asked first. Where the comparator makes the calls, its wall clock says how long
    /// after the request that was; between candidate and control no clock has to agree with another. Absent if the call never left,
    /// left more than 71 minutes later, or the sender does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_us: Option<u32>,
    /// How long the answer took, in microseconds. For the primary, from the request's last byte to the response's last byte at
    /// the filter; for candidate and control, from the call's dispatch to the complete answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
    /// The answer, which is present exactly if `outcome` is [`Outcome::Response`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
    /// Why the call never left, if `outcome` is [`Outcome::NotSent`] and whoever was to make it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Unsent>,
}

impl Leg {
    /// A leg of this variant whose call never left, and why, if that is known.
    pub fn not_sent(variant: &str, reason: Option<Unsent>) -> Self {
        Self {
            variant: variant.to_owned(),
            outcome: Outcome::NotSent,
            sent_us: None,
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
    /// The service answered.
    Response,
    /// The service did not answer completely within the mirror's timeout.
    Timeout,
    /// The call was refused, or reset before any header.
    Refused,
    /// The answer was reset in its body, or its body was over the proxy's limit.
    Reset,
    /// The call was never sent; [`Leg::reason`] says why.
    NotSent,
}

/// The complete answer of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// The status, 100 to 999.
    pub status: u16,
    /// The headers without pseudo headers, in order, duplicates kept.
    #[serde(default, deserialize_with = "headers::bounded")]
    pub headers: Vec<(Bytes, Bytes)>,
    /// The body as sent, content encoding included.
    #[serde(default)]
    pub body: Body,
    /// The trailers, if there are any.
    #[serde(default, deserialize_with = "headers::bounded", skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<(Bytes, Bytes)>,
}

/// A body, or what is kept of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Body {
    /// The body is the primary's, byte for byte. The primary itself never has this.
    Same,
    /// The whole body.
    Whole(Bytes),
    /// The body is longer than what is kept, so that only its length and hash are known.
    Cut {
        /// The length of the whole body, in bytes.
        length: u64,
        /// The XXH3-64 hash (seed 0) of the whole body.
        xxh3: u64,
    },
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Bytes::default())
    }
}
