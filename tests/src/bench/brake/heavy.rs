//! Batches that cost a comparator much for what they weigh: much work, much memory, or many rows.

use std::io::Write as _;

use antumbra_observation::{Body, Leg, Observation};
use antumbra_policy::Dice;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::bench::exchanges::{BATCH, Batches, Shape, exchange, letters, observation};

/// Each full of work of another kind, as much as one batch may have, and one that has too much.
pub(super) fn work(release: &str) -> Batches {
    let mut dice = Dice(1);
    let packed_values = |dice: &mut Dice| alike(release, "values", dice, |leg, _| packed(JSON, &values(leg)));
    let kinds = [
        (0..5).map(|_| packed_values(&mut dice)).collect(),
        vec![alike(release, "lines", &mut dice, |leg, _| packed("text/plain", &lines(leg)))],
        vec![alike(release, "shuffled", &mut dice, |_, dice| plain(&shuffled(4_000, dice)))],
        vec![alike(release, "shuffled", &mut dice, |_, dice| packed(JSON, &shuffled(14_000, dice)))],
        vec![alike(release, "fields", &mut dice, |_, dice| plain(&fields(5_000, dice)))],
        vec![alike(release, "nested", &mut dice, |_, dice| plain(&nested(220, dice)))],
        (0..60).map(|_| packed_values(&mut dice)).collect(),
    ];
    Batches::made(kinds)
}

/// Two megabytes each, in which every answer has fields that no other has.
pub(super) fn many_fields(release: &str) -> Batches {
    let mut dice = Dice(2);
    let mut endpoints = (0..ENDPOINTS).cycle();
    Batches::made((0..DIFFERENT).map(|_| {
        let endpoints = endpoints.by_ref().take(BATCH);
        let one = |endpoint| {
            let path = format!("fields/{}", letters(endpoint));
            alike(release, &path, &mut dice, |_, dice| plain(&fields(960, dice)))
        };
        endpoints.map(one).collect()
    }))
}

/// As many endpoints as a release may have, with as many places that differ as an endpoint may have.
pub(super) fn full(release: &str) -> Batches {
    let shape = Shape { fields: PLACES, noisy: PLACES, endpoints: ENDPOINTS };
    every_endpoint(release, shape, 50)
}

/// One batch that touches every endpoint of a full release.
pub(super) fn touching(release: &str) -> Batches {
    let shape = Shape { fields: TOUCHED, noisy: TOUCHED, endpoints: ENDPOINTS };
    every_endpoint(release, shape, ENDPOINTS)
}

fn every_endpoint(release: &str, shape: Shape, at_once: usize) -> Batches {
    let mut dice = Dice(3);
    let endpoints: Vec<usize> = (0..shape.endpoints).collect();
    let mut batch = |endpoints: &[usize]| {
        endpoints.iter().map(|endpoint| observation(release, *endpoint, shape, &mut dice)).collect()
    };
    Batches::made(endpoints.chunks(at_once).map(&mut batch))
}

/// An exchange whose three answers are made in the same way.
fn alike(
    release: &str,
    path: &str,
    dice: &mut Dice,
    mut answer: impl FnMut(u8, &mut Dice) -> Leg,
) -> Observation {
    let mut leg = |number, variant: &str| Leg { variant: variant.to_owned(), ..answer(number, dice) };
    let (primary, candidate, control) = (leg(1, "stable"), leg(2, "candidate"), leg(3, "control"));
    let exchange = exchange(release, &format!("/api/{path}"));
    exchange.with_primary(primary).with_candidate(candidate).with_control(control)
}

fn plain(text: &str) -> Leg {
    Leg::answer("", 200).with_json(text)
}

fn packed(media: &str, text: &str) -> Leg {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let done = packed.write_all(text.as_bytes()).and_then(|()| packed.finish());
    let body = Body::Whole(done.unwrap_or_default().into());
    let leg = Leg::answer("", 200).with_kept(body);
    leg.with_header("content-type", media).with_header("content-encoding", "gzip")
}

/// Nearly as many values as an answer may have.
fn values(each: u8) -> String {
    format!("[{}0]", format!("{each},").repeat(240_000))
}

fn lines(each: u8) -> String {
    format!("{each}\n").repeat(1 << 19)
}

/// An array whose order does not count, of which a tenth is of this answer alone.
fn shuffled(elements: u64, dice: &mut Dice) -> String {
    let mut items: Vec<String> = (0..elements)
        .map(|number| {
            let own = if number.is_multiple_of(10) { dice.next() >> 40 } else { 0 };
            format!(r#"{{"id":{number},"of":{own}}}"#)
        })
        .collect();
    for place in (1..items.len()).rev() {
        #[expect(clippy::cast_possible_truncation, reason = "below the number of items")]
        let other = (dice.next() % (place as u64 + 1)) as usize;
        items.swap(place, other);
    }
    format!(r#"{{"items":[{}]}}"#, items.join(","))
}

/// An object whose fields no other answer has.
fn fields(count: u64, dice: &mut Dice) -> String {
    let fields = (0..count).map(|_| format!(r#""f{:010x}":{}"#, dice.next() >> 24, dice.next() >> 44));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// An array of objects within objects, nearly as deep as they may be, each with a name of its own.
fn nested(count: u64, dice: &mut Dice) -> String {
    let one = |_| {
        let names = (0..DEEP).map(|_| format!(r#"{{"{:04x}":"#, dice.next() >> 48));
        format!("{}1{}", names.collect::<String>(), "}".repeat(DEEP))
    };
    format!("[{}]", (0..count).map(one).collect::<Vec<_>>().join(","))
}

const JSON: &str = "application/json";
const ENDPOINTS: usize = 1_000;
const PLACES: usize = 200;
/// Fields of each answer of a batch that touches all endpoints.
const TOUCHED: usize = 40;
const DIFFERENT: usize = 24;
const DEEP: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_weigh_what_they_should() {
        let sizes = |batches: &Batches| -> Vec<usize> {
            (0..batches.len() as u64).map(|number| batches.numbered(number).len()).collect()
        };
        let work = sizes(&work("shop"));
        assert!(work.iter().all(|size| *size < 600_000), "{work:?}");
        let fields = sizes(&many_fields("shop"));
        assert!(fields.iter().all(|size| (1_800_000..2_200_000).contains(size)), "{fields:?}");
        let touching = touching("shop");
        assert_eq!((touching.len(), touching.size(0)), (1, 1_000));
        assert!(touching.numbered(0).len() < 8 << 20);
    }
}
