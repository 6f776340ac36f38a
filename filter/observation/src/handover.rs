//! An exchange whose shadow calls are written out, for the comparator to make them.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::headers;
use crate::observation::Observation;

/// An exchange whose shadow calls the comparator is to make. A batch of these is answered when the calls are over and their
/// observations are durable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handover {
    /// The observation but for its legs: `candidate` is [`Outcome::NotSent`](crate::Outcome::NotSent), and there is no
    /// `control`.
    pub observation: Observation,
    /// The call to the new version.
    pub candidate: ShadowRequest,
    /// The call to the stable version, at the same moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<ShadowRequest>,
    /// How long each call may take, in milliseconds, 1 to 60,000.
    pub timeout_ms: u64,
    /// How many bytes of an answer are kept; of a longer one its length and hash are.
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
    /// The headers of the request, `:method`, `:path` and `:authority` among them, in order, duplicates kept.
    #[serde(deserialize_with = "headers::bounded")]
    pub headers: Vec<(Bytes, Bytes)>,
    /// The trailers of the request, without pseudo headers.
    #[serde(default, deserialize_with = "headers::bounded", skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<(Bytes, Bytes)>,
}
