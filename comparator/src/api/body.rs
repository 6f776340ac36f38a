//! Reading a request's body within a size and a time, so that nobody can fill the memory or hold a connection.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::api::problem::Problem;

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// More bytes than allowed.
    TooLarge(usize),
    /// It did not come within [`READ_TIME`], or ended early.
    Incomplete,
    /// The bodies that are held already leave no room.
    NoRoom,
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
            Unread::NoRoom => {
                Self::unavailable("too many observations are waiting for their commit; try again in a second")
            }
        }
    }
}

/// The whole body, at most `limit` bytes of it.
pub(crate) async fn read(body: Body, limit: usize) -> Result<Vec<u8>, Unread> {
    read_with(body, limit, |_| true).await
}

/// The same; before each further part is kept, `room` is asked whether so many bytes in all may be.
pub(crate) async fn read_with(
    body: Body,
    limit: usize,
    mut room: impl FnMut(usize) -> bool,
) -> Result<Vec<u8>, Unread> {
    let reading = async {
        let mut body = Limited::new(body, limit);
        let mut whole = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                if error.is::<LengthLimitError>() { Unread::TooLarge(limit) } else { Unread::Incomplete }
            })?;
            let Ok(part) = frame.into_data() else { continue };
            if !room(whole.len() + part.len()) {
                return Err(Unread::NoRoom);
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole)
    };
    tokio::time::timeout(READ_TIME, reading).await.unwrap_or(Err(Unread::Incomplete))
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
