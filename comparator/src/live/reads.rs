//! Who read exchanges of which release, how often and how many: for the audit, which must not grow as fast as somebody can ask.
//!
//! A reader's first capture is audited before a line of it leaves. What the same reader does within the next minute is counted, and
//! audited together after it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use antumbra_control::Read;

/// What was read since it was audited last.
#[derive(Default)]
pub(crate) struct Reads(Mutex<BTreeMap<Reader, Since>>);

/// Release and principal.
type Reader = (String, String);

struct Since {
    captures: u64,
    exchanges: Arc<AtomicU64>,
    audited: Option<Instant>,
}

/// Counts the exchanges that are sent to one reader.
#[derive(Clone, Default)]
pub(crate) struct Meter(Arc<AtomicU64>);

impl Meter {
    /// One more was sent.
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Reads {
    /// Counts a capture that begins; answers what is to be audited before it may.
    pub(crate) fn begin(&self, release: &str, who: String, now: Instant) -> (Meter, Option<Read>) {
        let mut readers = self.lock();
        readers.retain(|_, since| since.is_needed(now));
        let mut reader = (release.to_owned(), who);
        if readers.len() >= MAX_READERS && !readers.contains_key(&reader) {
            OTHERS.clone_into(&mut reader.1);
        }
        let since = readers.entry(reader.clone()).or_insert_with(Since::new);
        since.captures += 1;
        (Meter(Arc::clone(&since.exchanges)), since.due(&reader, now))
    }

    /// What is to be audited now.
    pub(crate) fn due(&self, now: Instant) -> Vec<Read> {
        self.lock().iter_mut().filter_map(|(reader, since)| since.due(reader, now)).collect()
    }

    /// What is to be audited at the end.
    pub(crate) fn rest(&self) -> Vec<Read> {
        self.lock().iter_mut().filter_map(|(reader, since)| since.take(reader)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Reader, Since>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Since {
    fn new() -> Self {
        Self { captures: 0, exchanges: Arc::default(), audited: None }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.audited.is_none_or(|audited| now.saturating_duration_since(audited) >= BETWEEN_ENTRIES)
    }

    /// Whether it says something yet, or bounds what may be said.
    fn is_needed(&self, now: Instant) -> bool {
        let is_read = Arc::strong_count(&self.exchanges) > 1;
        is_read || self.captures > 0 || self.exchanges.load(Ordering::Relaxed) > 0 || !self.is_due(now)
    }

    fn due(&mut self, reader: &Reader, now: Instant) -> Option<Read> {
        if !self.is_due(now) {
            return None;
        }
        let read = self.take(reader)?;
        self.audited = Some(now);
        Some(read)
    }

    fn take(&mut self, (release, who): &Reader) -> Option<Read> {
        let (captures, exchanges) =
            (std::mem::take(&mut self.captures), self.exchanges.swap(0, Ordering::Relaxed));
        let (release, reader) = (release.clone(), who.clone());
        (captures > 0 || exchanges > 0).then_some(Read { release, reader, captures, exchanges })
    }
}

/// Between two entries of one reader and release.
pub(crate) const BETWEEN_ENTRIES: Duration = Duration::from_secs(60);
/// Those who read under names of their own within a minute; any more are audited together, once for each release.
const MAX_READERS: usize = 16;
const OTHERS: &str = "(others)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_audited_at_once_and_then_once_a_minute() {
        let (reads, began) = (Reads::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        let read = |captures, exchanges| Read {
            release: "shop".to_owned(),
            reader: "ana".to_owned(),
            captures,
            exchanges,
        };
        let (meter, first) = reads.begin("shop", "ana".to_owned(), at(0));
        assert_eq!(first, Some(read(1, 0)));
        (0..3).for_each(|_| meter.count());
        assert_eq!(reads.begin("shop", "ana".to_owned(), at(59)).1, None);
        assert_eq!(reads.due(at(59)), []);
        assert_eq!(reads.due(at(60)), [read(1, 3)]);
        assert_eq!(reads.due(at(600)), [], "nothing was read");
        meter.count();
        assert_eq!(reads.rest(), [read(0, 1)]);
    }

    #[test]
    fn many_names_make_few_entries() {
        let (reads, now) = (Reads::default(), Instant::now());
        let begun = |n: usize| reads.begin("shop", format!("reader {n}"), now).1;
        let mut entries = (0..1_000).filter_map(begun).count();
        entries += reads.due(now + BETWEEN_ENTRIES).len();
        assert_eq!(entries, MAX_READERS + 2);
        reads.begin("shop", "ana".to_owned(), now + BETWEEN_ENTRIES * 3);
        assert_eq!(reads.lock().len(), 1, "who is gone is forgotten");
    }
}
