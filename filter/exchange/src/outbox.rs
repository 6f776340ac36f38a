//! What is on its way to the comparator: numbered batches, one retry, and an account of each observation.
//!
//! A batch keeps its number over the retry, so the comparator can tell a repeat. What was never sent, or was refused, is
//! certainly not there; what got no answer twice may be: it is counted apart.

use std::time::Duration;

use antumbra_observation::{Accounts, Undelivered};

/// A batch to post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) sequence: u64,
    pub(crate) count: u64,
    pub(crate) bytes: Vec<u8>,
}

/// How the comparator answered a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// 2xx: it is stored.
    Stored,
    /// 4xx: it is not, and never will be.
    Refused,
    /// 429 or 5xx of the comparator itself: it is not stored.
    Later,
    /// The host could not send it.
    NotSent,
    /// No answer: it may be stored.
    Silence,
}

/// Whether what may have arrived can be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// The receiver tells a repeat by its number.
    Told,
    /// A repeat would be dealt with twice.
    NotTold,
}

/// A queue of one filter instance.
pub(crate) struct Outbox {
    capacity: usize,
    repeats: Repeats,
    next_sequence: u64,
    open: Vec<u8>,
    open_count: u64,
    open_since: Duration,
    /// A handful: only a comparator that hangs lets it grow, and then to the capacity.
    sent: Vec<Sent>,
    waiting: Vec<(Duration, Sent)>,
}

#[derive(Debug)]
struct Sent {
    batch: Batch,
    retried: bool,
    /// An attempt got no answer.
    silent: bool,
}

impl Outbox {
    /// An empty one that holds at most `capacity` bytes.
    pub(crate) fn new(capacity: usize, repeats: Repeats) -> Self {
        Self {
            capacity,
            repeats,
            next_sequence: 1,
            open: Vec::new(),
            open_count: 0,
            open_since: Duration::ZERO,
            sent: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// Bytes of everything that is not acknowledged.
    pub(crate) fn held(&self) -> usize {
        let queued = self.sent.iter().chain(self.waiting.iter().map(|(_, sent)| sent));
        queued.map(|sent| sent.batch.bytes.len()).fold(self.open.len(), usize::saturating_add)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open_count == 0 && self.sent.is_empty() && self.waiting.is_empty()
    }

    /// The batch that the next item goes into, and how many there are in it.
    pub(crate) fn open(&self) -> (u64, u64) {
        (self.next_sequence, self.open_count)
    }

    /// Whether anything of the batch with this number is not settled yet.
    pub(crate) fn holds(&self, sequence: u64) -> bool {
        let mut queued = self.sent.iter().chain(self.waiting.iter().map(|(_, sent)| sent));
        (sequence == self.next_sequence && self.open_count > 0)
            || queued.any(|sent| sent.batch.sequence == sequence)
    }

    /// Adds an encoded item; answers a batch if one is full.
    pub(crate) fn push(&mut self, encoded: &[u8], now: Duration, accounts: &mut Accounts) -> Option<Batch> {
        let reason = match encoded.len() {
            0 => Some(Undelivered::Unencodable),
            size if size > LARGEST_OBSERVATION => Some(Undelivered::TooLarge),
            size if self.held().saturating_add(size) > self.capacity => Some(Undelivered::OutboxFull),
            _ => None,
        };
        if let Some(reason) = reason {
            accounts.undelivered.add(reason, 1);
            return None;
        }
        if self.open_count == 0 {
            self.open_since = now;
        }
        self.open.extend_from_slice(encoded);
        self.open_count = self.open_count.saturating_add(1);
        (self.open_count >= FULL_COUNT || self.open.len() >= FULL_BYTES).then(|| self.seal())
    }

    /// Batches that are due by their age, or for their retry.
    pub(crate) fn due(&mut self, now: Duration) -> Vec<Batch> {
        let mut due = Vec::new();
        if self.open_count > 0 && now.saturating_sub(self.open_since) >= LONGEST_WAIT {
            due.push(self.seal());
        }
        let ready: Vec<_> = self.waiting.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, sent) in ready {
            due.push(sent.batch.clone());
            self.sent.push(sent);
        }
        due
    }

    /// What is open, due or not: for the end of a root context.
    pub(crate) fn flush(&mut self) -> Option<Batch> {
        (self.open_count > 0).then(|| self.seal())
    }

    /// The answer to a batch.
    pub(crate) fn settle(&mut self, sequence: u64, receipt: Receipt, now: Duration, accounts: &mut Accounts) {
        let Some(place) = self.sent.iter().position(|sent| sent.batch.sequence == sequence) else { return };
        let mut sent = self.sent.swap_remove(place);
        let count = sent.batch.count;
        match receipt {
            Receipt::Stored => accounts.delivered = accounts.delivered.saturating_add(count),
            Receipt::Refused => accounts.undelivered.add(Undelivered::Refused, count),
            Receipt::Silence if self.repeats == Repeats::NotTold => {
                accounts.unknown = accounts.unknown.saturating_add(count);
            }
            Receipt::Later | Receipt::NotSent | Receipt::Silence if !sent.retried => {
                sent.retried = true;
                sent.silent = receipt == Receipt::Silence;
                self.waiting.push((now.saturating_add(RETRY_AFTER), sent));
            }
            Receipt::Silence => accounts.unknown = accounts.unknown.saturating_add(count),
            Receipt::Later | Receipt::NotSent if sent.silent => {
                accounts.unknown = accounts.unknown.saturating_add(count);
            }
            Receipt::Later => accounts.undelivered.add(Undelivered::Unavailable, count),
            Receipt::NotSent => accounts.undelivered.add(Undelivered::NotSent, count),
        }
    }

    /// Gives up what is left: the root context ends now.
    pub(crate) fn abandon(&mut self, accounts: &mut Accounts) {
        accounts.undelivered.add(Undelivered::Shutdown, std::mem::take(&mut self.open_count));
        self.open.clear();
        let sent = std::mem::take(&mut self.sent).into_iter();
        for left in sent.chain(std::mem::take(&mut self.waiting).into_iter().map(|(_, sent)| sent)) {
            accounts.unknown = accounts.unknown.saturating_add(left.batch.count);
        }
    }

    fn seal(&mut self) -> Batch {
        let batch = Batch {
            sequence: self.next_sequence,
            count: std::mem::take(&mut self.open_count),
            bytes: std::mem::take(&mut self.open),
        };
        self.next_sequence = self.next_sequence.saturating_add(1);
        self.sent.push(Sent { batch: batch.clone(), retried: false, silent: false });
        batch
    }
}

/// A batch is sent when it holds this many observations,
const FULL_COUNT: u64 = 32;
/// or this many bytes,
const FULL_BYTES: usize = 256 << 10;
/// or is this old: a quarter of what a batch costs the proxy per exchange at 32, and a tenth of a second late at most.
const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// Between a failed attempt and its only repetition.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Larger ones would be refused by the comparator, whose batches end at 8 MiB.
pub(crate) const LARGEST_OBSERVATION: usize = 7 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_batch_leaves_when_it_is_full_or_old() {
        let (mut outbox, mut accounts) = (Outbox::new(10_000, Repeats::Told), Accounts::default());
        for _ in 1..FULL_COUNT {
            assert_eq!(outbox.push(b"x", ms(0), &mut accounts), None);
        }
        let batch = outbox.push(b"x", ms(0), &mut accounts).unwrap();
        assert_eq!((batch.sequence, batch.count, batch.bytes.len()), (1, FULL_COUNT, 32));
        outbox.push(b"y", ms(10), &mut accounts);
        assert_eq!(outbox.due(ms(109)), []);
        assert_eq!(outbox.due(ms(110)).len(), 1);
    }

    #[test]
    fn every_observation_is_accounted_for_once() {
        // (first receipt, second receipt) → (delivered, undelivered, unknown)
        let cases = [
            (Receipt::Stored, None, (1, 0, 0)),
            (Receipt::Refused, None, (0, 1, 0)),
            (Receipt::Later, Some(Receipt::Stored), (1, 0, 0)),
            (Receipt::Silence, Some(Receipt::Stored), (1, 0, 0)),
            (Receipt::Later, Some(Receipt::Later), (0, 1, 0)),
            (Receipt::NotSent, Some(Receipt::NotSent), (0, 1, 0)),
            (Receipt::NotSent, Some(Receipt::Silence), (0, 0, 1)),
            (Receipt::Silence, Some(Receipt::Later), (0, 0, 1)),
            (Receipt::Silence, Some(Receipt::Silence), (0, 0, 1)),
        ];
        for (one, two, expected) in cases {
            let (mut outbox, mut accounts) = (Outbox::new(10_000, Repeats::Told), Accounts::default());
            outbox.push(b"x", ms(0), &mut accounts);
            let batch = outbox.due(ms(100)).remove(0);
            outbox.settle(batch.sequence, one, ms(200), &mut accounts);
            if let Some(two) = two {
                assert_eq!(outbox.due(ms(699)), []);
                assert_eq!(outbox.due(ms(700)), std::slice::from_ref(&batch), "the repeat keeps its number");
                outbox.settle(batch.sequence, two, ms(800), &mut accounts);
            }
            let counted = (accounts.delivered, accounts.undelivered.total(), accounts.unknown);
            assert_eq!(counted, expected, "{one:?} {two:?}");
            assert!(outbox.is_empty());
        }
    }

    #[test]
    fn what_must_not_be_dealt_with_twice_is_sent_again_only_if_it_never_left() {
        for (receipt, unknown, again) in [(Receipt::Silence, 1, 0), (Receipt::NotSent, 0, 1)] {
            let (mut outbox, mut accounts) = (Outbox::new(10, Repeats::NotTold), Accounts::default());
            outbox.push(b"x", ms(0), &mut accounts);
            let batch = outbox.due(ms(100)).remove(0);
            outbox.settle(batch.sequence, receipt, ms(200), &mut accounts);
            assert_eq!((accounts.unknown, outbox.due(ms(900)).len()), (unknown, again), "{receipt:?}");
        }
    }

    #[test]
    fn a_full_outbox_drops_and_counts() {
        let (mut outbox, mut accounts) = (Outbox::new(3, Repeats::Told), Accounts::default());
        outbox.push(b"xy", ms(0), &mut accounts);
        outbox.push(b"xy", ms(0), &mut accounts);
        assert_eq!(accounts.undelivered, [(Undelivered::OutboxFull, 1)].into());
        outbox.abandon(&mut accounts);
        assert_eq!(accounts.undelivered.get(Undelivered::Shutdown), 1);
    }
}
