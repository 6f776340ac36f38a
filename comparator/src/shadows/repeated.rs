//! The body of a shadow request, and what comes after it.
//!
//! With trailers it says nothing of its length: hyper then sends it in chunks, the only framing of HTTP/1.1 that has them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::HeaderMap;
use hyper::body::{Body, Bytes, Frame, SizeHint};

/// All of it is there.
pub(super) struct Repeated {
    body: Bytes,
    trailers: HeaderMap,
}

impl Repeated {
    /// Both may be empty.
    pub(super) fn new(body: Bytes, trailers: HeaderMap) -> Self {
        Self { body, trailers }
    }
}

impl Body for Repeated {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let body = std::mem::take(&mut self.body);
        if !body.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(body))));
        }
        let trailers = std::mem::take(&mut self.trailers);
        Poll::Ready((!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_empty() && self.trailers.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.trailers.is_empty() {
            true => SizeHint::with_exact(self.body.len() as u64),
            false => SizeHint::default(),
        }
    }
}
