//! Reading a request's body within a size and a time, so that nobody can fill the memory or hold a connection.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::problem::Problem;

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// More bytes than allowed.
    TooLarge(usize),
    /// It did not come within [`READ_TIME`], or ended early.
    Incomplete,
}

impl From<Unread> for Problem {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLarge(limit) => {
                let detail = format!("the body is larger than {limit} bytes");
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
            }
            Unread::Incomplete => {
                let detail = format!("the body did not arrive in full within {} s", READ_TIME.as_secs());
                Self::new(StatusCode::REQUEST_TIMEOUT, "incomplete", detail)
            }
        }
    }
}

/// The whole body, at most `limit` bytes of it.
pub(crate) async fn read(body: Body, limit: usize) -> Result<Vec<u8>, Unread> {
    let collected = tokio::time::timeout(READ_TIME, Limited::new(body, limit).collect()).await;
    match collected {
        Ok(Ok(whole)) => Ok(whole.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Unread::TooLarge(limit)),
        Ok(Err(_)) | Err(_) => Err(Unread::Incomplete),
    }
}

/// The length that the sender announced, if it did.
pub(crate) fn announced_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The media type in lower case, without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let whole = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The refusal of a media type.
pub(crate) fn unsupported(media_type: &str, known: &str) -> Problem {
    let detail = format!("content-type is {media_type:?}, must be {known}");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", detail)
}

/// For one body from its first byte to its last.
const READ_TIME: Duration = Duration::from_secs(15);
