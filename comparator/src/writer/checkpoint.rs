//! What the store gets of the evidence: with each commit what was counted, in a journal; and now and then, of one source after another, the
//! rows that changed.
//!
//! A row of which one number changed costs a page of the database, twice: in its log and in its place. So rows are written once the journal
//! has grown to a share of what they cost. What a batch has written is then in proportion to its size, whatever it touches. Each source's
//! rows and its journal change in a transaction of their own, and commands are done between two of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use antumbra_control::Session;
use antumbra_store::{Gathering, StoreError, Writing};

use super::gathered::{Brought, Gathered};
use super::thread::Thread;
use crate::api::principal::Source;

impl Thread {
    /// Writes the rows of the sources of which that is due, until somebody asks for something.
    pub(super) fn write_what_is_due(&mut self) {
        let all = || self.releases.values().flat_map(Gathered::sources);
        let full = all().map(|brought| brought.journalled).sum::<u64>() >= MAX_JOURNALLED;
        let now = full || self.checkpointed.elapsed() >= BETWEEN_CHECKPOINTS;
        let due = |brought: &Brought| {
            full || brought.overdue
                || (now || brought.journal_bytes >= LONG_JOURNAL) && is_worth_writing(brought)
        };
        // What a failed commit counted is not the store's.
        if !self.loaded || !now && !all().any(due) {
            return;
        }
        while !self.inbox.is_asked() {
            match self.write_next(due) {
                Ok(true) => {}
                Ok(false) => {
                    if now {
                        self.checkpointed = Instant::now();
                    }
                    return;
                }
                Err(error) => return self.note_unwritten(&error),
            }
        }
    }

    /// Writes all that changed, so that the next start has no journal to read. Without it that start only takes longer.
    pub(super) fn write_all(&mut self) {
        while self.loaded {
            match self.write_next(|_| true) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => self.note_unwritten(&error),
            }
        }
    }

    /// Writes the rows of the first source that has some and is `wanted`; whether there was one.
    fn write_next(&mut self, wanted: impl Fn(&Brought) -> bool) -> Result<bool, StoreError> {
        let Self { store, releases, .. } = self;
        for (release, gathered) in releases {
            let session = gathered.session;
            for (place, brought) in (0..).zip(gathered.sources_mut()) {
                if brought.evidence.dirty_rows() > 0 && wanted(brought) {
                    let write = |writing: &Writing<'_>| put_rows(writing, release, session, place, brought);
                    return store.transaction(write).map(|()| true);
                }
            }
        }
        Ok(false)
    }

    fn note_unwritten(&mut self, error: &StoreError) {
        tracing::warn!(%error, "the evidence was not written whole; its journal is");
        self.checkpointed = Instant::now();
        self.loaded = false;
    }
}

/// Whether its journal is large beside what its rows cost.
fn is_worth_writing(brought: &Brought) -> bool {
    let pages = brought.evidence.dirty_pages() as u64;
    brought.journal_bytes.saturating_mul(MAX_TIMES_THE_JOURNAL) >= pages.saturating_mul(PAGE)
}

/// Writes the rows that changed of those sources that are `wanted`.
pub(super) fn put_those(
    writing: &Writing<'_>,
    releases: &mut BTreeMap<String, Gathered>,
    wanted: impl Fn(&Brought) -> bool,
) -> Result<(), StoreError> {
    for (release, gathered) in releases {
        let session = gathered.session;
        for (place, brought) in (0..).zip(gathered.sources_mut()) {
            if brought.evidence.dirty_rows() > 0 && wanted(brought) {
                put_rows(writing, release, session, place, brought)?;
            }
        }
    }
    Ok(())
}

/// Writes the rows of a source that changed, after which its journal says nothing new.
fn put_rows(
    writing: &Writing<'_>,
    release: &str,
    session: Session,
    place: u64,
    brought: &mut Brought,
) -> Result<(), StoreError> {
    let source = brought.source.clone();
    let of = Gathering { release, session: session.number, source: Source::name_of(source.as_ref()) };
    put_in_place(writing, of, place, brought)?;
    brought.evidence.take_dirty().try_for_each(|row| writing.put_evidence(of, &row))?;
    writing.clear_journal(of)?;
    brought.forget_journal();
    Ok(())
}

/// Appends what was counted to the journals.
pub(super) fn append(
    writing: &Writing<'_>,
    releases: &mut BTreeMap<String, Gathered>,
) -> Result<(), StoreError> {
    for (release, gathered) in releases {
        let session = gathered.session.number;
        for (place, brought) in (0..).zip(gathered.sources_mut()) {
            let Some(entry) = brought.take_counted() else { continue };
            let source = brought.source.clone();
            let of = Gathering { release, session, source: Source::name_of(source.as_ref()) };
            put_in_place(writing, of, place, brought)?;
            writing.append_journal(of, &entry)?;
        }
    }
    Ok(())
}

/// The order in which sources came numbers what they find, so it must stay.
fn put_in_place(
    writing: &Writing<'_>,
    of: Gathering<'_>,
    place: u64,
    brought: &mut Brought,
) -> Result<(), StoreError> {
    if !std::mem::replace(&mut brought.placed, true) {
        writing.put_source(of, place)?;
    }
    Ok(())
}

const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(5);
/// Bytes of a journal that are written over in one transaction, where that pays: whoever asks for something waits until it ends, and a
/// journal of five seconds may have forty million.
const LONG_JOURNAL: u64 = 2 << 20;
/// Exchanges that a start after a crash may have to count again.
const MAX_JOURNALLED: u64 = 200_000;
/// Bytes of a page.
const PAGE: u64 = 4_096;
/// Rows are written once their pages take at most so many times what the journal does. A page is written twice, and a byte of the journal
/// four times, since what is deleted is overwritten: 12 bytes for each of a journal. That has a sixth of the bytes of batches that differ at
/// few places, and about as many as batches in which most fields differ.
const MAX_TIMES_THE_JOURNAL: u64 = 4;

#[cfg(test)]
mod tests {
    use antumbra_engine::{Outside, Pace, Rules, compare};
    use antumbra_observation::{Leg, Observation};
    use antumbra_store::Store;

    use super::*;

    const ENDPOINTS: u64 = 60;
    const PLACES: u64 = 100;

    fn letters(number: u64) -> String {
        [676, 26, 1].iter().map(|unit| char::from(b'a' + (number / unit % 26) as u8)).collect()
    }

    /// One exchange of each endpoint, in which the candidate differs at these places.
    fn count(gathered: &mut Gathered, turn: u64, places: std::ops::Range<u64>) {
        let brought = gathered.of(None, Pace::default()).unwrap();
        for endpoint in 0..ENDPOINTS {
            let number = turn * ENDPOINTS + endpoint;
            let leg = |variant: &str, value: u64| {
                let fields = places.clone().map(|place| format!("\"{}\":{value}", letters(place)));
                Leg::answer(variant, 200).with_json(&format!("{{{}}}", fields.collect::<Vec<_>>().join(",")))
            };
            let observation = Observation::new("shop", "GET", &format!("/{}", letters(endpoint)))
                .with_id(number.into())
                .with_arrival_us(1_700_000_000_000_000 + number * 1_000)
                .with_primary(leg("stable", 1))
                .with_candidate(leg("canary", number + 2))
                .with_control(leg("control", 1));
            brought.take(compare(&observation, &Rules::default(), &Outside::default(), &brought.evidence));
        }
    }

    /// Of a release that knows much, of which each batch asks every endpoint once.
    #[test]
    fn rows_are_written_once_the_journal_is_no_trifle_beside_them() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("a.db")).unwrap();
        let session = Session { number: 1, since: 1 };
        let mut releases = BTreeMap::from([("shop".to_owned(), Gathered::new(session))]);
        count(releases.get_mut("shop").unwrap(), 0, 0..PLACES);
        store.transaction(|writing| put_those(writing, &mut releases, |_| true)).unwrap();
        let of = Gathering { release: "shop", session: 1, source: "" };
        let all: usize = store.evidence(of).unwrap().iter().map(|row| row.bytes.len()).sum();
        let mut written = 0;
        for turn in 1..100 {
            let place = turn / 50;
            count(releases.get_mut("shop").unwrap(), turn, place..place + 1);
            store.transaction(|writing| append(writing, &mut releases)).unwrap();
            let brought = &mut releases.get_mut("shop").unwrap().sources_mut()[0];
            assert_eq!(brought.journalled % ENDPOINTS, 0);
            if is_worth_writing(brought) {
                let journal: usize =
                    store.journal(of).unwrap().iter().map(|(_, entry)| entry.compared.len()).sum();
                assert_eq!(brought.journal_bytes, journal as u64);
                let mut dirty = brought.evidence.clone();
                let rows: usize = dirty.take_dirty().map(|row| row.key.len() + row.bytes.len()).sum();
                assert!(turn > 3 && rows * 3 < all, "{rows} of {all} bytes after {turn} batches");
                written += 1;
                let write = |writing: &Writing<'_>| put_rows(writing, "shop", session, 0, brought);
                store.transaction(write).unwrap();
                assert!(store.journal(of).unwrap().is_empty());
            }
        }
        assert!((2..20).contains(&written), "{written} times");
        let restored = antumbra_engine::Evidence::restore(store.evidence(of).unwrap()).unwrap();
        assert!(restored.exchanges() > 50 * ENDPOINTS, "{}", restored.exchanges());
    }

    #[test]
    fn what_was_counted_by_another_pace_is_written_at_once() {
        let mut gathered = Gathered::new(Session { number: 1, since: 1 });
        let overdue = |gathered: &Gathered| gathered.sources()[0].overdue;
        count(&mut gathered, 0, 0..1);
        gathered.note_pace(Pace { warm_up_us: 7, ..Pace::default() });
        assert!(!overdue(&gathered), "nothing is journalled yet");
        assert!(gathered.sources_mut()[0].take_counted().is_some());
        gathered.note_pace(Pace::default());
        assert!(!overdue(&gathered));
        gathered.note_pace(Pace { warm_up_us: 7, ..Pace::default() });
        assert!(overdue(&gathered));
        gathered.sources_mut()[0].forget_journal();
        assert!(!overdue(&gathered));
    }

    /// An example may stand in the store alone, where another one took its place in the evidence.
    #[test]
    fn a_source_of_which_the_store_shows_what_is_to_be_forgotten_is_overdue() {
        let mut gathered = Gathered::new(Session { number: 1, since: 1 });
        count(&mut gathered, 0, 0..1);
        let brought = &mut gathered.sources_mut()[0];
        let first_us = 1_700_000_000_000_000;
        assert!(brought.take_counted().is_some());
        assert_eq!((brought.expire(first_us), brought.overdue), (false, false));
        assert_eq!(brought.oldest_us, Some(first_us));
        assert!(brought.expire(first_us + ENDPOINTS * 1_000) && brought.overdue);
        brought.overdue = false;
        assert_eq!((brought.expire(first_us + 1), brought.overdue), (false, true), "in the store alone");
        brought.forget_journal();
        assert_eq!((brought.expire(first_us + 1), brought.overdue, brought.oldest_us), (false, false, None));
        count(&mut gathered, 1, 0..1);
        let brought = &mut gathered.sources_mut()[0];
        brought.forget_journal();
        let second_us = first_us + ENDPOINTS * 1_000;
        assert_eq!(brought.oldest_us, Some(second_us), "in rows that were written");
    }
}
