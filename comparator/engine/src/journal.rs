//! How compared exchanges are written down before they are counted: many at once, in few bytes.
//!
//! The exchanges of a batch name the same few endpoints and places over and over, so each text that recurs is written once. The first
//! byte is the version of the format, which is itself a number of CBOR: what another version wrote is refused and not guessed at.

use std::collections::BTreeMap;

use antumbra_observation::ExchangeId;
use serde::{Deserialize, Serialize};

use crate::compared::{Answer, Call, Compared, Difference, Exchange};
use crate::diff::Detail;
use crate::farther::{Cause, Side, Values};
use crate::guess::{Guesses, Sampled};
use crate::kind::{Differing, Kind, Subject};
use crate::refusal::Refusal;
use crate::unsent::KeptBack;

/// Why bytes are no batch of compared exchanges.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBatch {
    /// There is no byte, so not even a version.
    #[error("the batch is empty, must begin with its version, {VERSION}")]
    Empty,
    /// A version of this crate wrote them that has another format.
    #[error("the batch has version {0}, must be {VERSION}")]
    Version(u8),
    /// They are not CBOR as this version writes it; the text is the words of the decoder.
    #[error("the batch does not decode: {0}")]
    Undecodable(String),
    /// An exchange names a text or a place that the batch does not have.
    #[error("the batch names number {0} of its table, which has {1}")]
    Reference(u32, usize),
}

/// Writes a batch of compared exchanges: one byte of version, then CBOR. About 60 bytes an exchange and 6 a difference, more for those
/// that may become examples.
pub fn encode_compared<'c>(batch: impl IntoIterator<Item = &'c Compared>) -> Vec<u8> {
    let mut table = Table::default();
    let exchanges = batch.into_iter().map(|compared| {
        let exchange = compared.exchange.as_ref()?;
        Some(Written::of(exchange, &mut table))
    });
    let exchanges: Vec<_> = exchanges.collect();
    let batch = Batch { exchanges, texts: table.texts.in_order(), subjects: table.subjects.in_order() };
    let mut bytes = vec![VERSION];
    // Writing into a vector cannot fail, and a batch has no type that CBOR lacks.
    bytes.extend(minicbor_serde::to_vec(&batch).unwrap_or_default());
    bytes
}

/// Reads a batch that [`encode_compared`] wrote.
///
/// # Errors
/// Returns the first thing that is not as this version writes it. Nothing is read in part.
pub fn decode_compared(bytes: &[u8]) -> Result<Vec<Compared>, BadBatch> {
    let (version, batch) = bytes.split_first().ok_or(BadBatch::Empty)?;
    if *version != VERSION {
        return Err(BadBatch::Version(*version));
    }
    let Batch { texts, subjects, exchanges } = minicbor_serde::from_slice::<Batch<String>>(batch)
        .map_err(|error| BadBatch::Undecodable(error.to_string()))?;
    let read = |exchange: Option<Written<String>>| {
        let exchange = exchange.map(|exchange| exchange.read(&texts, &subjects)).transpose()?;
        Ok(Compared { exchange })
    };
    exchanges.into_iter().map(read).collect()
}

/// A batch as it is written; `T` is a text.
#[derive(Serialize, Deserialize)]
struct Batch<T> {
    texts: Vec<T>,
    /// Number of the text, and the kind.
    subjects: Vec<(u32, Kind)>,
    /// `None`: another variant answered the client.
    exchanges: Vec<Option<Written<T>>>,
}

/// An [`Exchange`], its texts and subjects by their numbers. A structure of a tuple is an array of CBOR, one with names a map.
#[derive(Serialize, Deserialize)]
struct Written<T>(
    /// Identifier, in halves.
    (u64, u64),
    /// When.
    u64,
    /// Client, and the bucket of one that is forgotten.
    (Option<u32>, Option<u8>),
    /// Endpoint.
    u32,
    /// The primary's latency and status.
    WrittenCall,
    /// The candidate's, whether it is comparable, and what was refused.
    (WrittenCall, bool, Vec<Refusal>),
    /// The control's.
    Option<(WrittenCall, bool, Vec<Refusal>)>,
    /// A shadow was not sent: whose, and why.
    Option<KeptBack>,
    /// Whether the candidate was asked first, if that is known.
    Option<bool>,
    /// Differences.
    Vec<WrittenDifference<T>>,
    /// What was asked.
    T,
    /// Plugins.
    Vec<(u32, Option<u32>)>,
);

/// A [`Call`].
type WrittenCall = (Option<u64>, Option<u16>);

/// A [`Difference`]: subject, whose, detail, guesses and their weight, and what is known where both differ.
#[derive(Serialize, Deserialize)]
struct WrittenDifference<T>(
    u32,
    u8,
    Option<(T, T, T, Option<T>)>,
    Option<(Guesses, u64)>,
    Option<(Option<Cause>, Option<Values>, bool)>,
);

/// What recurs in a batch, by number.
#[derive(Default)]
struct Table<'c> {
    texts: Numbers<&'c str>,
    subjects: Numbers<(u32, Kind)>,
    /// The subjects by their own texts, so that one look-up is enough.
    known: BTreeMap<&'c Subject, u32>,
    /// Each subject, and the number of the one that last stood behind it: exchanges of an endpoint tend to differ in the same places, and
    /// then no look-up is needed.
    in_turn: Vec<(&'c Subject, u32)>,
    last: u32,
}

struct Numbers<K>(BTreeMap<K, u32>);

impl<'c> Written<&'c str> {
    fn of(exchange: &'c Exchange, table: &mut Table<'c>) -> Self {
        let id = exchange.id.0;
        let call = |Call { latency_us, status }| (latency_us, status);
        let answer = |answer: &Answer| (call(answer.call), answer.comparable, answer.refused.clone());
        let plugins = exchange.plugins.iter().map(|(name, failed)| {
            (table.texts.number(name), failed.as_ref().map(|reason| table.texts.number(reason)))
        });
        let plugins = plugins.collect();
        Self(
            ((id >> 64) as u64, id as u64),
            exchange.at_us,
            (exchange.client, exchange.bucket),
            table.texts.number(&exchange.endpoint),
            call(exchange.primary),
            answer(&exchange.candidate),
            exchange.control.as_ref().map(answer),
            exchange.unsent,
            exchange.first.map(|first| first == Side::Candidate),
            exchange.differences.iter().map(|difference| WrittenDifference::of(difference, table)).collect(),
            &exchange.request,
            plugins,
        )
    }
}

impl Written<String> {
    fn read(self, texts: &[String], subjects: &[(u32, Kind)]) -> Result<Exchange, BadBatch> {
        let Self(
            id,
            at_us,
            (client, bucket),
            endpoint,
            primary,
            candidate,
            control,
            unsent,
            candidate_first,
            differences,
            request,
            plugins,
        ) = self;
        let call = |(latency_us, status): WrittenCall| Call { latency_us, status };
        let answer = |(ended, comparable, refused)| Answer { call: call(ended), comparable, refused };
        let plugin = |(name, failed): (u32, Option<u32>)| {
            Ok((of(texts, name)?.clone(), failed.map(|reason| of(texts, reason).cloned()).transpose()?))
        };
        Ok(Exchange {
            id: ExchangeId(u128::from(id.0) << 64 | u128::from(id.1)),
            at_us,
            client,
            bucket,
            endpoint: of(texts, endpoint)?.clone(),
            primary: call(primary),
            candidate: answer(candidate),
            control: control.map(answer),
            unsent,
            first: candidate_first.map(|candidate| if candidate { Side::Candidate } else { Side::Control }),
            differences: differences
                .into_iter()
                .map(|difference| difference.read(texts, subjects))
                .collect::<Result<_, _>>()?,
            request,
            plugins: plugins.into_iter().map(plugin).collect::<Result<_, _>>()?,
        })
    }
}

impl<'c> WrittenDifference<&'c str> {
    fn of(difference: &'c Difference, table: &mut Table<'c>) -> Self {
        let Difference { subject, of, detail, sampled, unseen, values, by_magnitude } = difference;
        let detail = detail.as_deref();
        Self(
            table.subject(subject),
            *of as u8,
            detail.map(|Detail { exact, primary, other, control }| {
                (exact.as_str(), primary.as_str(), other.as_str(), control.as_deref())
            }),
            sampled.map(|Sampled { guesses, weight }| (guesses, weight)),
            (unseen.is_some() || values.is_some() || *by_magnitude).then_some((
                *unseen,
                *values,
                *by_magnitude,
            )),
        )
    }
}

impl WrittenDifference<String> {
    fn read(self, texts: &[String], subjects: &[(u32, Kind)]) -> Result<Difference, BadBatch> {
        let Self(subject, differing, detail, sampled, both) = self;
        let (unseen, values, by_magnitude) = both.unwrap_or_default();
        let (path, kind) = of(subjects, subject)?;
        let differing = match differing {
            0 => Differing::Candidate,
            1 => Differing::Control,
            2 => Differing::Both,
            other => return Err(BadBatch::Undecodable(format!("leg {other}, must be 0 to 2"))),
        };
        Ok(Difference {
            subject: Subject(of(texts, *path)?.clone(), *kind),
            of: differing,
            detail: detail
                .map(|(exact, primary, other, control)| Box::new(Detail { exact, primary, other, control })),
            sampled: sampled.map(|(guesses, weight)| Sampled { guesses, weight }),
            unseen,
            values,
            by_magnitude,
        })
    }
}

impl<'c> Table<'c> {
    fn subject(&mut self, subject: &'c Subject) -> u32 {
        let next = self.in_turn.get(at(self.last)).map_or(0, |(_, next)| *next);
        let number = match self.in_turn.get(at(next)) {
            Some((known, _)) if *known == subject => next,
            _ => self.look_up(subject),
        };
        if let Some((_, next)) = self.in_turn.get_mut(at(self.last)) {
            *next = number;
        }
        self.last = number;
        number
    }

    fn look_up(&mut self, subject: &'c Subject) -> u32 {
        if let Some(number) = self.known.get(subject) {
            return *number;
        }
        let number = self.subjects.number((self.texts.number(&subject.0), subject.1));
        self.known.insert(subject, number);
        self.in_turn.push((subject, 0));
        number
    }
}

impl<K: Ord> Numbers<K> {
    fn number(&mut self, key: K) -> u32 {
        // A batch of more than 2^32 texts would not fit into memory.
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(key).or_insert(next)
    }

    fn in_order(self) -> Vec<K> {
        let mut all: Vec<(K, u32)> = self.0.into_iter().collect();
        all.sort_unstable_by_key(|(_, number)| *number);
        all.into_iter().map(|(key, _)| key).collect()
    }
}

impl<K> Default for Numbers<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

fn at(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// What has this number in a table.
fn of<T>(table: &[T], number: u32) -> Result<&T, BadBatch> {
    table.get(at(number)).ok_or(BadBatch::Reference(number, table.len()))
}

/// Changed whenever what is written changes.
const VERSION: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_batch_is_refused() {
        let check = |bytes: &[u8], expected: &str| {
            let error = decode_compared(bytes).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        };
        check(b"", "the batch is empty, must begin with its version, 2");
        check(b"\x01\x80", "the batch has version 1, must be 2");
        check(b"\x02", "the batch does not decode: ");
        let empty = encode_compared(&[]);
        assert_eq!(decode_compared(&empty), Ok(Vec::new()));
        check(&empty[..empty.len() - 1], "the batch does not decode: ");
        let elsewhere = Compared { exchange: None };
        let whole = encode_compared([&elsewhere, &elsewhere]);
        assert_eq!(decode_compared(&whole), Ok(vec![elsewhere.clone(), elsewhere]));
    }
}
