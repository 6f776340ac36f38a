//! Every answer that is not a success: problem details (RFC 9457), with what a client needs to mend its request.

use antumbra_engine::secrets::discreet;
use antumbra_observation::Malformed;
use antumbra_policy::document::{self, Invalid};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Problem {
    /// A URN that names the kind; never changes.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The kind in words.
    pub(crate) title: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What is wrong with this request.
    pub(crate) detail: String,
    /// Each problem of a document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<Error>,
}

/// One problem of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Error {
    /// The field.
    pub(crate) path: String,
    /// Its value and the bound that it breaks.
    pub(crate) message: String,
}

impl Problem {
    /// A refusal of a kind, in words for this request. What it quotes loses what is a secret by its form.
    pub(crate) fn new(status: StatusCode, kind: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:antumbra:problem:{kind}"),
            title: kind.replace('-', " "),
            status: status.as_u16(),
            detail: discreet(&detail.into()).into_owned(),
            errors: Vec::new(),
        }
    }

    /// A document that breaks its rules, with every problem.
    pub(crate) fn invalid(invalid: Invalid) -> Self {
        let count = invalid.problems.len();
        let detail = format!("the document has {count} problem{}", if count == 1 { "" } else { "s" });
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-document", detail).with(invalid.problems)
    }

    /// A change of a stored document that today's rules refuse, with every problem of it.
    pub(crate) fn read_only(generation: u64, problems: Vec<document::Problem>) -> Self {
        let detail = format!(
            "generation {generation} was valid once and is refused by today's rules: PUT a corrected document, until then it can \
             be neither edited nor reset"
        );
        Self::new(StatusCode::CONFLICT, "read-only-policy", detail).with(problems)
    }

    /// A stored policy of which nothing can be read.
    pub(crate) fn damaged(name: &str, problems: Vec<document::Problem>) -> Self {
        let detail = format!("the stored policy {name:?} cannot be read: PUT it again");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged-policy", detail).with(problems)
    }

    fn with(self, problems: Vec<document::Problem>) -> Self {
        let error = |problem: document::Problem| Error {
            path: discreet(&problem.path).into_owned(),
            message: discreet(&problem.message).into_owned(),
        };
        Self { errors: problems.into_iter().map(error).collect(), ..self }
    }

    /// No policy has the name.
    pub(crate) fn unknown_release(name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown-release", format!("there is no policy {name:?}"))
    }

    /// A defect of ours: the same request would fail again.
    pub(crate) fn unjudged(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", detail)
    }

    /// The store fails, or the comparator is about to end.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }
}

/// What the sender wrote does not decode, or only a later version could decode it.
impl From<&Malformed> for Problem {
    fn from(malformed: &Malformed) -> Self {
        let (status, kind) = match malformed {
            Malformed::Undecodable { .. } => (StatusCode::BAD_REQUEST, "undecodable"),
            Malformed::FutureVersion { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "future-version"),
        };
        Self::new(status, kind, malformed.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
