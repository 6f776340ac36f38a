//! Those who listen to the exchanges of a release as they are compared, and what each of them missed.
//!
//! Offered after the commit, on the writer's thread, which must not wait for a slow reader: each has a bounded queue, and what
//! does not fit is lost to that one and counted. Without listeners an offer is one look at an empty list.

use std::hash::{BuildHasher as _, RandomState};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use antumbra_control::Version;
use antumbra_observation::Observation;
use hyper::body::{Body as Streamed, Bytes, Frame};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::reads::Meter;
use super::size;
use crate::redaction::{Left, Named};

/// All who listen.
#[derive(Default)]
pub(crate) struct Captures(Mutex<Listeners>);

#[derive(Default)]
struct Listeners {
    closed: bool,
    each: Vec<Listener>,
}

struct Listener {
    release: String,
    is_welcome: Welcome,
    queue: mpsc::Sender<Captured>,
    kib: Arc<Semaphore>,
    lost: Arc<AtomicU64>,
}

/// Why nobody listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deaf {
    /// There is no such release.
    Unknown,
    /// [`MAX_LISTENERS`] listen already, or the server is about to end.
    Full,
}

/// An observation that was taken in.
pub(crate) struct Offered {
    pub(crate) observation: Observation,
    /// The session of evidence that it is a part of.
    pub(crate) session: u64,
    /// The generation under which it was taken in, which names what is secret in it.
    pub(crate) version: Arc<Version>,
}

/// Whether somebody may still listen: a token may end while its bearer does.
type Welcome = Box<dyn Fn() -> bool + Send>;

/// An observation, and its share of a listener's memory.
type Captured = (Arc<Offered>, OwnedSemaphorePermit);

impl Captures {
    /// Everything of a release from now on, as lines. `is_there` is asked while no stream can be ended: a release that is deleted
    /// before is found not to be there, and one that is deleted later ends the stream. `is_welcome` is asked before every offer; its first
    /// no ends the stream, too.
    pub(crate) fn listen(
        &self,
        release: &str,
        named: Named,
        is_welcome: impl Fn() -> bool + Send + 'static,
        is_there: impl FnOnce() -> bool,
    ) -> Result<Lines, Deaf> {
        let mut listeners = self.lock();
        if !is_there() {
            return Err(Deaf::Unknown);
        }
        listeners.each.retain(|listener| !listener.queue.is_closed());
        if listeners.closed || listeners.each.len() >= MAX_LISTENERS {
            return Err(Deaf::Full);
        }
        let (queue, captured) = mpsc::channel(MAX_QUEUED);
        let lost = Arc::new(AtomicU64::new(0));
        listeners.each.push(Listener {
            release: release.to_owned(),
            is_welcome: Box::new(is_welcome),
            queue,
            kib: Arc::new(Semaphore::new(KIB_QUEUED)),
            lost: Arc::clone(&lost),
        });
        let meter = Meter::default();
        Ok(Lines { captured, lost, named, meter, clients: RandomState::new(), next: None })
    }

    /// Hands observations to those who listen to their release.
    pub(crate) fn offer(&self, all: impl Iterator<Item = Offered>) {
        let mut listeners = self.lock();
        if listeners.each.is_empty() {
            return;
        }
        listeners.each.retain(|listener| !listener.queue.is_closed() && (listener.is_welcome)());
        for offered in all.map(Arc::new) {
            let release = &offered.observation.release;
            for listener in listeners.each.iter().filter(|one| one.release == *release) {
                listener.offer(&offered);
            }
        }
    }

    /// Ends the streams of a release that is not there any more, after what is queued.
    pub(crate) fn end(&self, release: &str) {
        self.lock().each.retain(|listener| listener.release != release);
    }

    /// Ends all streams after what is queued, and lets nobody listen any more.
    pub(crate) fn close(&self) {
        *self.lock() = Listeners { closed: true, each: Vec::new() };
    }

    fn lock(&self) -> MutexGuard<'_, Listeners> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    fn offer(&self, offered: &Arc<Offered>) {
        let room = Arc::clone(&self.kib).try_acquire_many_owned(kib(&offered.observation)).ok();
        let taken = room.is_some_and(|room| self.queue.try_send((Arc::clone(offered), room)).is_ok());
        if !taken {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// About what it holds in memory.
fn kib(observation: &Observation) -> u32 {
    u32::try_from(size::held(observation) / 1024).unwrap_or(u32::MAX).saturating_add(4)
}

/// A line of a capture: an observation, the session of evidence that it is a part of, and what is not in it any more. Who knows only
/// observations passes over the rest.
#[derive(Serialize)]
struct Line<'o> {
    #[serde(flatten)]
    observation: &'o Observation,
    session: u64,
    #[serde(skip_serializing_if = "Left::is_empty")]
    left: Left,
}

/// A body of one observation a line, redacted; a line `{"lost": n}` stands before the next line that is read after a loss.
pub(crate) struct Lines {
    captured: mpsc::Receiver<Captured>,
    lost: Arc<AtomicU64>,
    /// What the reader names.
    named: Named,
    meter: Meter,
    /// Names clients anew for each capture: what observations call them could be traced back by trying.
    clients: RandomState,
    /// What waits behind a line about losses.
    next: Option<Bytes>,
}

impl Lines {
    /// The same, counting what is sent.
    pub(crate) fn metered(self, meter: Meter) -> Self {
        Self { meter, ..self }
    }

    fn line(&self, offered: &Offered) -> Bytes {
        let Offered { observation, session, version } = offered;
        let (mut observation, session) = (observation.clone(), *session);
        let left = self.named.and(version.document.rules().secrets()).apply(&mut observation);
        observation.client = observation.client.and_then(|client| {
            let name = self.clients.hash_one(client) >> u32::BITS;
            u32::try_from(name).ok()
        });
        // The contract has no type that JSON lacks.
        let mut line =
            serde_json::to_vec(&Line { observation: &observation, session, left }).unwrap_or_default();
        line.push(b'\n');
        line.into()
    }

    fn losses(&self) -> Option<Bytes> {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        (lost > 0).then(|| format!("{{\"lost\":{lost}}}\n").into())
    }
}

impl Streamed for Lines {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let lines = self.get_mut();
        if let Some(line) = lines.next.take() {
            return Poll::Ready(Some(Ok(Frame::data(line))));
        }
        let captured = ready!(lines.captured.poll_recv(context));
        lines.next = captured.map(|(offered, _room)| lines.line(&offered));
        if lines.next.is_some() {
            lines.meter.count();
        }
        let line = lines.losses().or_else(|| lines.next.take());
        Poll::Ready(line.map(|line| Ok(Frame::data(line))))
    }
}

/// Most who listen at a time.
const MAX_LISTENERS: usize = 4;
/// Observations that wait for one listener.
const MAX_QUEUED: usize = 4_096;
/// KiB that wait for one listener.
const KIB_QUEUED: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use antumbra_control::Document;
    use antumbra_observation::{Body, Leg, Outcome, Request};
    use http_body_util::BodyExt;

    fn offered(release: &str, body: usize) -> Offered {
        let refused = || Leg::ended("", Outcome::Refused);
        let asked =
            Observation::new(release, "", "").with_id(7).with_primary(refused()).with_candidate(refused());
        let request = Request { body: Body::Whole(vec![b'x'; body].into()), ..Request::default() };
        let document =
            Document::from_yaml(b"{version: 1, name: shop, variants: {a: null}, default: a, rules: []}")
                .unwrap();
        let version = Arc::new(Version::new(document, 1, 0));
        Offered { observation: Observation { request, ..asked }, session: 3, version }
    }

    async fn texts(lines: Lines) -> Vec<String> {
        let text = lines.collect().await.unwrap().to_bytes();
        String::from_utf8(text.to_vec()).unwrap().lines().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_listener_hears_its_release_and_what_it_missed() {
        let captures = Captures::default();
        captures.offer([offered("shop", 0)].into_iter());
        let lines = captures.listen("shop", Named::default(), || true, || true).ok().unwrap();
        captures.offer([offered("shop", 1), offered("till", 2), offered("shop", 64 << 20)].into_iter());
        captures.offer([offered("shop", 3)].into_iter());
        captures.close();
        assert!(captures.listen("shop", Named::default(), || true, || true).is_err());
        let found = texts(lines).await;
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0], "{\"lost\":1}");
        assert!(found[1].contains("\"x\"") && found[2].contains("\"xxx\""), "{found:?}");
        assert!(found[1].ends_with(",\"session\":3}"), "{found:?}");
    }

    /// A release may be deleted between the look and the listening: nothing would ever end that stream.
    #[tokio::test]
    async fn nobody_listens_to_a_release_that_is_gone() {
        let captures = Captures::default();
        let gone = captures.listen(
            "shop",
            Named::default(),
            || true,
            || {
                assert!(captures.0.try_lock().is_err(), "streams are not ended meanwhile");
                false
            },
        );
        assert_eq!(gone.err(), Some(Deaf::Unknown));
        let lines = captures.listen("shop", Named::default(), || true, || true).ok().unwrap();
        captures.end("shop");
        assert_eq!(texts(lines).await, [""; 0]);
    }

    #[tokio::test]
    async fn who_is_not_welcome_any_more_hears_nothing_more() {
        let (captures, welcome) = (Captures::default(), Arc::new(AtomicU64::new(1)));
        let asked = Arc::clone(&welcome);
        let is_welcome = move || asked.load(Ordering::Relaxed) == 1;
        let lines = captures.listen("shop", Named::default(), is_welcome, || true).ok().unwrap();
        captures.offer([offered("shop", 1)].into_iter());
        welcome.store(0, Ordering::Relaxed);
        captures.offer([offered("shop", 2)].into_iter());
        welcome.store(1, Ordering::Relaxed);
        captures.offer([offered("shop", 3)].into_iter());
        assert_eq!(texts(lines).await.len(), 1);
    }

    #[tokio::test]
    async fn listeners_and_what_waits_for_them_are_bounded() {
        let captures = Captures::default();
        let mut all: Vec<Lines> = (0..MAX_LISTENERS)
            .map(|_| captures.listen("shop", Named::default(), || true, || true).ok().unwrap())
            .collect();
        assert!(captures.listen("shop", Named::default(), || true, || true).is_err());
        let last = all.pop().unwrap();
        drop(all);
        assert!(
            captures.listen("shop", Named::default(), || true, || true).is_ok(),
            "those who left free their places"
        );
        captures.offer((0..MAX_QUEUED + 5).map(|_| offered("shop", 0)));
        captures.offer((0..9).map(|_| offered("shop", 4 << 20)));
        captures.close();
        let found = texts(last).await;
        assert_eq!((found.len(), found[0].as_str()), (MAX_QUEUED + 1, "{\"lost\":14}"));
    }
}
