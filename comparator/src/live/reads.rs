//! Who read exchanges of which release, how often and how many: for the audit, which must not grow as fast as somebody can ask.
//!
//! A reader's first capture is audited before a line of it leaves, and nothing counts as audited before it is. What the same reader does within the next minute is counted, and
//! audited together after it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use antumbra_control::Read;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard};

/// What was read since it was audited last.
#[derive(Default)]
pub(crate) struct Reads {
    readers: Mutex<BTreeMap<Reader, Since>>,
    turn: AsyncMutex<()>,
}

/// Release and principal.
pub(crate) type Reader = (String, String);

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
    /// Waits until nobody else audits what was read: what is due in one's turn is audited once.
    pub(crate) async fn turn(&self) -> AsyncMutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Counts a capture that begins; answers as whose. It may send nothing before what is [due](Self::due_of) of them is audited.
    pub(crate) fn begin(&self, release: &str, who: String, now: Instant) -> (Meter, Reader) {
        let mut readers = self.lock();
        readers.retain(|_, since| since.is_needed(now));
        let mut reader = (release.to_owned(), who);
        if readers.len() >= MAX_READERS && !readers.contains_key(&reader) {
            OTHERS.clone_into(&mut reader.1);
        }
        let since = readers.entry(reader.clone()).or_insert_with(Since::new);
        since.captures += 1;
        (Meter(Arc::clone(&since.exchanges)), reader)
    }

    /// What is to be audited of a reader now, if anything is.
    pub(crate) fn due_of(&self, reader: &Reader, now: Instant) -> Option<Read> {
        self.lock().get(reader).and_then(|since| since.due(reader, now))
    }

    /// What is to be audited now.
    pub(crate) fn due(&self, now: Instant) -> Vec<Read> {
        self.lock().iter().filter_map(|(reader, since)| since.due(reader, now)).collect()
    }

    /// What is to be audited at the end.
    pub(crate) fn rest(&self) -> Vec<Read> {
        self.lock().iter().filter_map(|(reader, since)| since.read(reader)).collect()
    }

    /// It is in the audit now. Until then it stays due, so that whoever fails to audit it, or is gone before, loses nothing.
    pub(crate) fn audited(&self, read: &Read, now: Instant) {
        self.with(read, |since| {
            since.take(read);
            since.audited = Some(now);
        });
    }

    /// It can never be audited, because the release is gone. Whoever reads a new one of that name is audited at once.
    pub(crate) fn forget(&self, read: &Read) {
        self.with(read, |since| since.take(read));
    }

    fn with(&self, read: &Read, change: impl FnOnce(&mut Since)) {
        self.lock().get_mut(&(read.release.clone(), read.reader.clone())).map(change);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Reader, Since>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn due(&self, reader: &Reader, now: Instant) -> Option<Read> {
        self.is_due(now).then(|| self.read(reader))?
    }

    fn take(&mut self, read: &Read) {
        self.captures = self.captures.saturating_sub(read.captures);
        // Meters only add, and only one audits at a time: no less than that is there.
        self.exchanges.fetch_sub(read.exchanges, Ordering::Relaxed);
    }

    fn read(&self, (release, who): &Reader) -> Option<Read> {
        let (captures, exchanges) = (self.captures, self.exchanges.load(Ordering::Relaxed));
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
        let (meter, ana) = reads.begin("shop", "ana".to_owned(), at(0));
        assert_eq!(reads.due_of(&ana, at(0)), Some(read(1, 0)));
        reads.audited(&read(1, 0), at(0));
        (0..3).for_each(|_| meter.count());
        reads.begin("shop", "ana".to_owned(), at(59));
        assert_eq!(reads.due_of(&ana, at(59)), None);
        assert_eq!(reads.due(at(59)), []);
        assert_eq!(reads.due(at(60)), [read(1, 3)]);
        meter.count();
        reads.audited(&read(1, 3), at(60));
        assert_eq!(reads.rest(), [read(0, 1)], "what was read while it was audited");
        reads.audited(&read(0, 1), at(61));
        assert_eq!(reads.due(at(600)), [], "nothing was read");
        meter.count();
        assert_eq!(reads.rest(), [read(0, 1)]);
    }

    /// The next capture of the same reader must not begin either, and nothing is left out of the entry that holds.
    #[test]
    fn what_could_not_be_audited_is_still_due() {
        let (reads, now) = (Reads::default(), Instant::now());
        let begin = || reads.begin("shop", "ana".to_owned(), now).1;
        let captures = |read: Option<Read>| read.map(|read| read.captures);
        assert_eq!(captures(reads.due_of(&begin(), now)), Some(1));
        // Writing it failed, or the reader went away first.
        let again = reads.due_of(&begin(), now).unwrap();
        assert_eq!(again.captures, 2);
        reads.forget(&reads.due_of(&begin(), now).unwrap());
        assert_eq!(reads.due(now), [], "the release is gone");
        let again = reads.due_of(&begin(), now).unwrap();
        assert_eq!(again.captures, 1, "and there again");
        reads.audited(&again, now);
        assert_eq!(reads.due_of(&begin(), now), None);
    }

    #[test]
    fn many_names_make_few_entries() {
        let (reads, now) = (Reads::default(), Instant::now());
        let begun = |n: usize| {
            let (_, reader) = reads.begin("shop", format!("reader {n}"), now);
            let read = reads.due_of(&reader, now)?;
            reads.audited(&read, now);
            Some(read)
        };
        let mut entries = (0..1_000).filter_map(begun).count();
        let later = reads.due(now + BETWEEN_ENTRIES);
        later.iter().for_each(|read| reads.audited(read, now + BETWEEN_ENTRIES));
        entries += later.len();
        assert_eq!(entries, MAX_READERS + 2);
        reads.begin("shop", "ana".to_owned(), now + BETWEEN_ENTRIES * 3);
        assert_eq!(reads.lock().len(), 1, "who is gone is forgotten");
    }
}
