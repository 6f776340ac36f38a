//! A message's body in pieces, as services and clients send them: of announced length or in chunks, with trailers, or without end.
//!
//! hyper frames HTTP/1.1 by what a body says of itself: an exact length becomes `content-length`, anything else is chunked. It
//! writes trailers only if the message's `trailer` header lists them and, in an answer, if the request said `te: trailers`.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::Interval;

/// What is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    body: Bytes,
    announced: bool,
    trailers: Option<HeaderMap>,
    every: Option<Duration>,
}

impl Pieces {
    /// Of a length that is known from the start.
    pub fn announced(body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), announced: true, trailers: None, every: None }
    }

    /// Of a length that nobody knows before the end.
    pub fn chunked(body: impl Into<Bytes>) -> Self {
        Self { announced: false, ..Self::announced(body) }
    }

    /// The same piece again and again, until the reader goes away.
    pub fn endless(piece: impl Into<Bytes>, every: Duration) -> Self {
        Self { every: Some(every), ..Self::chunked(piece) }
    }

    /// With a trailer after the body.
    pub fn trailer(mut self, name: &'static str, value: &'static str) -> Self {
        let trailers = self.trailers.get_or_insert_default();
        trailers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    /// Whether the length is known from the start.
    pub fn is_announced(&self) -> bool {
        self.announced
    }

    /// What comes after the body.
    pub fn trailers(&self) -> HeaderMap {
        self.trailers.clone().unwrap_or_default()
    }

    /// Ready to be sent.
    pub fn stream(&self) -> PieceStream {
        PieceStream { rest: self.clone(), clock: None }
    }
}

/// A body that is being sent.
#[derive(Debug)]
pub struct PieceStream {
    rest: Pieces,
    clock: Option<Interval>,
}

impl PieceStream {
    fn poll_clock(&mut self, every: Duration, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.get_or_insert_with(|| tokio::time::interval(every));
        clock.poll_tick(context).map(|_| ())
    }
}

impl Body for PieceStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(every) = self.rest.every {
            return self.poll_clock(every, context).map(|()| Some(Ok(Frame::data(self.rest.body.clone()))));
        }
        if !self.rest.body.is_empty() {
            let size = self.rest.body.len().min(PIECE);
            return Poll::Ready(Some(Ok(Frame::data(self.rest.body.split_to(size)))));
        }
        Poll::Ready(self.rest.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.announced && self.rest.body.is_empty() && self.rest.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.rest.announced {
            true => SizeHint::with_exact(self.rest.body.len() as u64),
            false => SizeHint::default(),
        }
    }
}

/// Odd, so that no buffer's size is a multiple of it.
const PIECE: usize = 10_007;
