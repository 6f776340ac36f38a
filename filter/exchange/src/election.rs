//! Which of a proxy's filter instances asks the comparator for the policy: one of them all, elected through what they share.
//!
//! They share a small record, at which each looks with every tick. Clocks are never compared, since hosts give each VM its own:
//! what counts is whether the record changes. Whoever holds it writes it anew twice an interval, and where it stays the same for
//! too long another takes it by compare-and-swap. Until an instance has seen somebody else at it, it asks for itself: so it does
//! on hosts that share nothing, or share it with nobody. A poller whose own polls get no answer gives the record up, and tries again
//! if nobody else takes it for an interval.

use std::time::Duration;

use antumbra_observation::Instance;

use crate::reach::Reach;
use crate::settings::Comparator;

/// What a host has under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// There is a value, with the number by which a write can tell whether it is still that one; the number is never 0.
    Value(Vec<u8>, u32),
    /// There is no value under the key.
    Nothing,
    /// The host shares nothing between its instances.
    Unavailable,
}

/// What an instance does after a look at the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The instance has nothing to do.
    Wait,
    /// The instance reads the document, which is new to it.
    Read,
    /// The instance writes the record, so that the others see that it polls.
    Write {
        /// The document, to be written before the record, over whatever is there; `None` if it stays as it is.
        document: Option<Vec<u8>>,
        /// The record to be written.
        record: Vec<u8>,
        /// Write the record only over the value of this number; 0 is over whatever is there.
        over: u32,
    },
}

/// The part of one instance.
pub(crate) struct Election {
    me: Instance,
    comparator: u64,
    interval: Duration,
    seen: Option<Seen>,
    part: Part,
    /// Before then nothing is written again.
    next_write: Duration,
    leaving: bool,
    reach: Reach,
}

/// Which part it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Asks for itself and tells nobody.
    Alone,
    /// Asks for all.
    Poller,
    /// Hears from the poller.
    Follower,
}

/// What an instance knows of the comparator, and a poller tells the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Known {
    /// How long ago it answered.
    pub(crate) silent: Option<Duration>,
    /// Names the run of its process; 0: it did not say.
    pub(crate) run: u64,
    /// The hash of the document that it gave last; 0: none.
    pub(crate) document: u64,
}

/// What a follower hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) known: Known,
    /// It was not there when this instance looked last, or is better than none.
    pub(crate) new_document: bool,
    /// The comparator is another process than before, and has heard of nobody.
    pub(crate) restarted: bool,
}

/// The record as this instance saw it last, and since when it is the same.
struct Seen {
    record: Record,
    since: Duration,
}

/// The record. Fixed in size; a key has one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    /// Which comparator is asked, as a hash: instances with another one neither follow nor lead.
    comparator: u64,
    /// 0: nobody.
    holder: Instance,
    /// Counts the writes.
    beats: u64,
    known: Known,
}

impl Election {
    /// Nobody was seen yet. `interval` is that between two polls.
    pub(crate) fn new(me: Instance, comparator: &Comparator) -> Self {
        Self {
            me,
            comparator: identity(comparator),
            interval: comparator.poll,
            seen: None,
            part: Part::Alone,
            next_write: Duration::ZERO,
            leaving: false,
            reach: Reach::default(),
        }
    }

    /// Whether another instance asks for this one too.
    pub(crate) fn follows(&self) -> bool {
        self.part == Part::Follower
    }

    /// The document that the poller announced last.
    pub(crate) fn announced(&self) -> Option<u64> {
        self.seen.as_ref().map(|seen| seen.record.known.document)
    }

    /// The comparator answered a call of this instance's own.
    pub(crate) fn reached(&mut self) {
        self.reach.reached();
    }

    /// A poll of this instance's own met nobody.
    pub(crate) fn missed(&mut self, now: Duration) {
        self.reach.missed(now);
    }

    /// The instance is to end: it neither becomes the poller nor stays it.
    pub(crate) fn leave(&mut self) {
        self.leaving = true;
    }

    /// Looks at the record; `own` is what this instance knows by itself. Answers the record to write and over which, and what there
    /// is to hear.
    pub(crate) fn look(
        &mut self,
        found: &Found,
        own: Known,
        now: Duration,
    ) -> (Option<(Vec<u8>, u32)>, Option<News>) {
        let (bytes, over) = match found {
            Found::Value(bytes, over) => (bytes, *over),
            Found::Nothing => return (self.begin(own, now), None),
            Found::Unavailable => {
                self.part = Part::Alone;
                return (None, None);
            }
        };
        let Some(record) = Record::read(bytes) else {
            self.part = Part::Alone;
            return (None, None);
        };
        let news = self.note(record, own, now);
        self.part = self.part_beside(&record);
        let written = self.next(&record, own, now).map(|record| (record.written(), over));
        (written, news.filter(|_| self.part == Part::Follower))
    }

    /// Nobody ever wrote a record, or the host keeps none.
    fn begin(&mut self, own: Known, now: Duration) -> Option<(Vec<u8>, u32)> {
        self.part = Part::Alone;
        let nobody = Record { comparator: self.comparator, holder: NOBODY, beats: 0, known: own };
        (!self.leaving && now >= self.next_write).then(|| (self.mine(&nobody, own, now).written(), 0))
    }

    fn part_beside(&self, record: &Record) -> Part {
        if record.comparator != self.comparator {
            Part::Alone
        } else if record.holder == self.me {
            Part::Poller
        } else {
            Part::Follower
        }
    }

    /// What becomes of the record, if it is this instance's to change.
    fn next(&mut self, record: &Record, own: Known, now: Duration) -> Option<Record> {
        if self.part == Part::Poller {
            if self.leaving || self.reach.stands_aside(now) {
                return Some(given_up(record, own));
            }
            let news = own.document != 0 && own.document != record.known.document;
            return (news || now >= self.next_write).then(|| self.mine(record, own, now));
        }
        if self.leaving || !self.is_free(record, now) {
            return None;
        }
        self.reach.begin_anew();
        Some(self.mine(record, own, now))
    }

    /// Whether this instance may take the record; who stands aside lets the others look first.
    fn is_free(&self, record: &Record, now: Duration) -> bool {
        let since = self.seen.as_ref().map_or(now, |seen| seen.since);
        let same = now.saturating_sub(since);
        let precedence = if self.reach.stands_aside(now) { self.interval } else { Duration::ZERO };
        let unclaimed = record.holder == NOBODY && same >= precedence;
        unclaimed || same > self.patience().saturating_add(precedence)
    }

    fn mine(&mut self, record: &Record, own: Known, now: Duration) -> Record {
        self.next_write = now.saturating_add(self.interval.checked_div(2).unwrap_or_default());
        let same = record.comparator == self.comparator;
        let document = if own.document == 0 && same { record.known.document } else { own.document };
        Record {
            comparator: self.comparator,
            holder: self.me,
            beats: record.beats.wrapping_add(1),
            known: Known { document, ..own },
        }
    }

    /// Remembers the record; answers what is new if it changed since the last look.
    fn note(&mut self, record: Record, own: Known, now: Duration) -> Option<News> {
        let before = self.seen.as_ref().map(|seen| seen.record);
        if before == Some(record) {
            return None;
        }
        self.seen = Some(Seen { record, since: now });
        let known = record.known;
        let Some(before) = before else {
            // It may have been lying there for long.
            let known = Known { silent: None, ..known };
            return Some(News { known, new_document: own.document == 0, restarted: false });
        };
        let restarted = before.known.run != known.run && before.known.run != 0 && known.run != 0;
        Some(News { known, new_document: before.known.document != known.document, restarted })
    }

    /// How long a record stays the same before its holder is taken for gone: six beats, and what a busy machine may need.
    fn patience(&self) -> Duration {
        self.interval.saturating_mul(3).saturating_add(Duration::from_secs(1))
    }
}

impl Record {
    fn written(&self) -> Vec<u8> {
        let silent = self
            .known
            .silent
            .map_or(u64::MAX, |silent| u64::try_from(silent.as_millis()).unwrap_or(u64::MAX));
        let words = [self.comparator, self.beats, silent, self.known.run, self.known.document];
        let words = words.iter().flat_map(|word| word.to_le_bytes());
        self.holder.0.to_le_bytes().into_iter().chain(words).collect()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (holder, rest) = bytes.split_first_chunk::<16>()?;
        let mut words = [0_u64; 5];
        let mut rest = rest;
        for word in &mut words {
            let (bytes, after) = rest.split_first_chunk::<8>()?;
            *word = u64::from_le_bytes(*bytes);
            rest = after;
        }
        let [comparator, beats, silent, run, document] = words;
        let silent = (silent != u64::MAX).then(|| Duration::from_millis(silent));
        let known = Known { silent, run, document };
        rest.is_empty().then_some(Self {
            comparator,
            holder: Instance(u128::from_le_bytes(*holder)),
            beats,
            known,
        })
    }
}

/// The silence as of now: that of the last write would seem to begin only now.
fn given_up(record: &Record, own: Known) -> Record {
    let known = Known { silent: own.silent, ..record.known };
    Record { holder: NOBODY, beats: record.beats.wrapping_add(1), known, ..*record }
}

/// Whoever asks another comparator, or as somebody else, may get another policy of the same name.
fn identity(comparator: &Comparator) -> u64 {
    let token = comparator.token.as_deref().unwrap_or_default();
    let parts = [comparator.cluster.as_str(), &comparator.authority, token];
    xxhash_rust::xxh3::xxh3_64(parts.join("\0").as_bytes())
}

const NOBODY: Instance = Instance(0);
