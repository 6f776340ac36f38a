//! A connection whose peer reads its answers, or loses it: without a bound, one that asks and never reads holds its place for ever.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A stream whose writes fail with [`io::ErrorKind::TimedOut`] once the peer has not read for too long.
pub(super) struct Patient<S> {
    stream: S,
    unread_time: Duration,
    /// How long it still waits for the peer, and what the peer took meanwhile.
    waiting: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S: AsyncWrite + Unpin> Patient<S> {
    /// The peer has to take [`AT_LEAST`] bytes, or all there are, within `unread_time`.
    pub(super) fn new(stream: S, unread_time: Duration) -> Self {
        Self { stream, unread_time, waiting: None }
    }

    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match (&written, &mut self.waiting) {
            (Poll::Ready(Ok(bytes)), Some((_, taken))) => {
                *taken = taken.saturating_add(*bytes);
                if *taken >= AT_LEAST {
                    self.waiting = None;
                }
            }
            (Poll::Ready(_), _) => {}
            (Poll::Pending, waiting) => {
                let time = self.unread_time;
                let (late, _) = waiting.get_or_insert_with(|| (Box::pin(tokio::time::sleep(time)), 0));
                ready!(late.as_mut().poll(context));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.wrote(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Who flushes has nothing left that the peer did not take.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if flushed.is_ready() {
            self.waiting = None;
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Bytes that a peer takes within the time, or it only pretends to read.
const AT_LEAST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    const TIME: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_peer_that_does_not_read_loses_the_connection() {
        let (ours, mut theirs) = duplex(1_000);
        let mut ours = Patient::new(ours, TIME);
        let error = ours.write_all(&[7; 100_000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(ours);
        let mut read = Vec::new();
        theirs.read_to_end(&mut read).await.unwrap();
        assert_eq!(read.len(), 1_000);
    }

    #[tokio::test]
    async fn a_peer_that_takes_a_byte_now_and_then_does_not_read() {
        let (ours, mut theirs) = duplex(1_000);
        let mut ours = Patient::new(ours, TIME);
        let trickle = tokio::spawn(async move {
            while theirs.read_u8().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let error = ours.write_all(&[7; 100_000]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(ours);
        trickle.await.unwrap();
    }

    #[tokio::test]
    async fn a_peer_that_reads_may_take_its_time() {
        let (ours, mut theirs) = duplex(AT_LEAST);
        let mut ours = Patient::new(ours, TIME);
        let reading = tokio::spawn(async move {
            let mut part = vec![0; AT_LEAST];
            let mut parts = 0;
            while theirs.read_exact(&mut part).await.is_ok() {
                parts += 1;
                tokio::time::sleep(TIME / 5).await;
            }
            parts
        });
        ours.write_all(&[7; 20 * AT_LEAST]).await.unwrap();
        drop(ours);
        assert_eq!(reading.await.unwrap(), 20);
    }
}
