//! Batches of observations as a filter sends them, encoded once, so that making them up costs the load next to nothing.
//!
//! A comparator counts an exchange once, so each needs an id of its own, and a time of its own: both are written over in the
//! encoded bytes. How many fields differ is the same in every observation; with what value is not.

use antumbra_observation::{Body, ExchangeId, Leg, Observation, encode};
use antumbra_policy::Dice;

/// What the answers are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// Fields of each answer, of 26 bytes each.
    pub(super) fields: usize,
    /// The first of these have a value of their own in every answer, that of the control as well.
    pub(super) noisy: usize,
    /// Endpoints that are asked in turn, at most 17,576.
    pub(super) endpoints: usize,
}

/// Encoded batches of observations.
pub(super) struct Batches(Vec<Batch>);

struct Batch {
    bytes: Vec<u8>,
    /// Where the id of each observation stands.
    ids: Vec<usize>,
    /// Where the time of each stands.
    times: Vec<usize>,
}

impl Batches {
    /// Makes up enough of them, of [`BATCH`] observations each, that every endpoint occurs, and that values do not repeat soon.
    pub(super) fn of(shape: Shape) -> Self {
        let mut dice = Dice(1);
        let count = shape.endpoints.div_ceil(BATCH).max(MIN_BATCHES);
        let mut endpoints = (0..shape.endpoints).cycle();
        Self::made((0..count).map(|_| {
            let endpoints = endpoints.by_ref().take(BATCH);
            endpoints.map(|endpoint| observation(RELEASE, endpoint, shape, &mut dice)).collect()
        }))
    }

    /// Those that somebody made up of observations that began as an [`exchange`].
    pub(super) fn made(batches: impl IntoIterator<Item = Vec<Observation>>) -> Self {
        Self(batches.into_iter().map(|batch| Batch::of(&batch)).collect())
    }

    /// How many different ones there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many observations the batch holds that is sent as this one.
    pub(super) fn size(&self, number: u64) -> u64 {
        self.at(number).ids.len() as u64
    }

    /// The batch that is sent as this one, which no other may be.
    pub(super) fn numbered(&self, number: u64) -> Vec<u8> {
        let Batch { bytes, ids, times } = self.at(number);
        let mut bytes = bytes.clone();
        for (place, (id, time)) in (0_u64..).zip(ids.iter().zip(times)) {
            let id_text = ExchangeId(u128::from(number) << 64 | u128::from(place)).to_string();
            bytes[*id..id + id_text.len()].copy_from_slice(id_text.as_bytes());
            let at_us = BEGAN_US + (number * BATCH as u64 + place) * APART_US;
            bytes[*time..time + 8].copy_from_slice(&at_us.to_be_bytes());
        }
        bytes
    }

    #[expect(clippy::cast_possible_truncation, reason = "below the number of batches")]
    fn at(&self, number: u64) -> &Batch {
        &self.0[(number % self.0.len() as u64) as usize]
    }
}

impl Batch {
    fn of(observations: &[Observation]) -> Self {
        let mut batch = Self { bytes: Vec::new(), ids: Vec::new(), times: Vec::new() };
        for observation in observations {
            let encoded = encode(observation);
            let begin = batch.bytes.len();
            batch.ids.push(begin + position(&encoded, ExchangeId(ID).to_string().as_bytes()));
            batch.times.push(begin + position(&encoded, &AT_US.to_be_bytes()));
            batch.bytes.extend(encoded);
        }
        batch
    }
}

/// An exchange of a release whose id and time are written over when it is sent.
pub(super) fn exchange(release: &str, path: &str) -> Observation {
    Observation::new(release, "GET", path).with_id(ID).with_rule("mirror").with_arrival_us(AT_US)
}

/// An exchange whose answers have this shape.
pub(super) fn observation(release: &str, endpoint: usize, shape: Shape, dice: &mut Dice) -> Observation {
    let answer = |variant| {
        let leg = Leg::answer(variant, 200)
            .with_header("server", "shop/1.4")
            .with_header("cache-control", "no-store");
        leg.with_header("content-type", "application/json").with_latency_us(4_000)
    };
    let mut shadow = |variant| {
        // What equals the primary is not sent twice.
        let body = if shape.noisy == 0 { Body::Same } else { body(endpoint, shape, dice) };
        answer(variant).with_kept(body)
    };
    let observation = exchange(release, &format!("/api/{}", letters(endpoint)))
        .with_candidate(shadow("candidate"))
        .with_control(shadow("control"));
    observation.with_primary(answer("stable").with_kept(body(endpoint, shape, dice)))
}

fn body(endpoint: usize, shape: Shape, dice: &mut Dice) -> Body {
    let fields = (0..shape.fields).map(|field| {
        let value = if field < shape.noisy { dice.next() >> 16 } else { (endpoint * 1_000 + field) as u64 };
        format!("\"fld-{}\":\"{value:012x}\"", letters(field))
    });
    let text = format!("{{{}}}", fields.collect::<Vec<_>>().join(","));
    Body::Whole(text.as_str().into())
}

/// Three letters: digits would be folded into one endpoint.
pub(super) fn letters(number: usize) -> String {
    [676, 26, 1].iter().map(|unit| char::from(b"abcdefghijklmnopqrstuvwxyz"[number / unit % 26])).collect()
}

fn position(bytes: &[u8], sought: &[u8]) -> usize {
    let found = bytes.windows(sought.len()).position(|window| window == sought);
    found.unwrap_or_else(|| panic!("an encoded observation without {sought:?}"))
}

/// Observations of a batch, as many as a filter sends in one.
pub(super) const BATCH: usize = 32;
/// The policy's name.
pub(super) const RELEASE: &str = "shop";
const MIN_BATCHES: usize = 64;
/// Stands where an id will be.
const ID: u128 = 0xa17c_0b5e_a17c_0b5e_a17c_0b5e_a17c_0b5e;
/// Stands where a time will be: large enough that the encoder takes eight bytes for it, as for every time of today.
const AT_US: u64 = 0x0005_a17c_0b5e_2d91;
const BEGAN_US: u64 = 1_700_000_000_000_000;
const APART_US: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use antumbra_observation::decode_sequence;

    #[test]
    fn every_observation_has_an_id_and_a_time_of_its_own() {
        let batches = Batches::of(Shape { fields: 40, noisy: 3, endpoints: 20 });
        let read = |number| decode_sequence(&batches.numbered(number)).unwrap();
        let (first, second) = (read(0), read(64));
        assert_eq!((first.len(), second.len()), (BATCH, BATCH));
        assert_ne!(first[0].id, first[1].id);
        assert_ne!(first[0].id, second[0].id);
        assert_eq!(
            (first[1].at_us - first[0].at_us, second[0].request.path.clone()),
            (APART_US, first[0].request.path.clone())
        );
    }

    #[test]
    fn as_many_fields_differ_as_the_shape_says() {
        for noisy in [0, 3, 40] {
            let batches = Batches::of(Shape { fields: 40, noisy, endpoints: 1 });
            let [first, ..] = &decode_sequence(&batches.numbered(0)).unwrap()[..] else {
                panic!("no observation")
            };
            let body = |leg: &Leg| leg.response.as_ref().unwrap().body.clone();
            let (Body::Whole(primary), candidate) = (body(&first.primary), body(&first.candidate)) else {
                panic!("a whole primary")
            };
            assert!((1_000..1_100).contains(&primary.len()), "{}", primary.len());
            let Body::Whole(candidate) = candidate else {
                assert_eq!(noisy, 0);
                continue;
            };
            let (left, right) = (primary.to_text().into_owned(), candidate.to_text().into_owned());
            assert_eq!(
                left.split(',').zip(right.split(',')).filter(|(left, right)| left != right).count(),
                noisy
            );
        }
    }
}
