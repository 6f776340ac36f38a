//! Tests: the samples are uniform, bounded, and of one session.

use std::collections::HashMap;

use antumbra_engine::{Evidence, Kind, Outside, Rules, Whose, compare};
use antumbra_observation::{Body, Leg};

use super::*;

fn exchange(release: &str, path: &str, id: u64, body: usize) -> Observation {
    let leg = |value: u64| Leg::answer("", 200).with_json(&format!("{{\"a\":{value}}}"));
    let mut one = Observation::new(release, "GET", path).with_id(id.into()).with_arrival_us(id);
    one.request.body = Body::Whole(vec![b'x'; body].into());
    one.with_primary(leg(1)).with_candidate(leg(1)).with_control(leg(1))
}

/// Its candidate answers otherwise.
fn defect(release: &str, path: &str, id: u64) -> Observation {
    exchange(release, path, id, 0).with_candidate(Leg::answer("", 200).with_json("{\"a\":2}"))
}

fn offer(kept: &Kept, session: u64, all: &[Observation]) {
    for one in all {
        let compared = compare(one, &Rules::default(), &Outside::default(), &Evidence::new());
        let drawn = kept.draw(one, session, Marks::of(&compared).unwrap(), || one.clone());
        kept.offer([Offer { release: &one.release, drawn, session }].into_iter(), 7);
    }
}

#[test]
fn some_of_each_endpoint_and_of_each_place_are_kept() {
    let kept = Kept::default();
    let healthy: Vec<_> = (1..=2_000).map(|id| exchange("shop", "/a", id, 0)).collect();
    let few: Vec<_> = (3_001..=3_009).map(|id| exchange("shop", "/b", id, 0)).collect();
    let defects: Vec<_> = (4_001..=4_020).map(|id| defect("shop", "/a", id)).collect();
    [healthy, few, defects].iter().for_each(|all| offer(&kept, 3, all));
    let sample = kept.sample("shop");
    assert_eq!((sample.session, sample.since_ms, sample.of, sample.left_out), (3, 7, 2_029, 0));
    let count = |path: &str, uniform: bool| {
        let here = sample.exchanges.iter().filter(|one| one.observation.request.path == path.into());
        here.filter(|one| one.uniform || !uniform).count()
    };
    assert_eq!((count("/a", true), count("/b", true)), (100, 9));
    let of_defects = sample.exchanges.iter().filter(|one| one.observation.id.0 > 4_000);
    assert!(of_defects.count() >= 8, "few of many are kept where they differ");
    assert!(sample.exchanges.len() <= 109 + 8);
    let at = place("GET /a", "/a", Kind::Value);
    assert_eq!(sample.seen, HashMap::from([((at, Whose::Candidate), 20)]));
    assert!(sample.exchanges.is_sorted_by_key(|one| one.observation.at_us));
}

/// Each of the exchanges is as likely in the sample as any other: the halves differ by five standard deviations at most.
#[test]
fn early_and_late_are_kept_alike() {
    let mut early = 0;
    for _ in 0..20 {
        let kept = Kept::default();
        offer(&kept, 1, &(1..=1_000).map(|id| exchange("shop", "/a", id, 0)).collect::<Vec<_>>());
        let sample = kept.sample("shop").exchanges;
        assert_eq!(sample.len(), 100);
        early += sample.iter().filter(|one| one.observation.id.0 <= 500).count();
    }
    assert!((890..=1_110).contains(&early), "{early} of 2,000");
}

#[test]
fn memory_is_bounded_for_one_release_and_for_all() {
    let kept = Kept::default();
    let size = 256 << 10;
    let large = |release: &str| -> Vec<Observation> {
        let paths = ["/a", "/b", "/c"];
        (1..=300).map(|id| exchange(release, paths[(id % 3) as usize], id, size)).collect()
    };
    let bytes = |release: &str| kept.sample(release).exchanges.len() * size;
    offer(&kept, 1, &large("shop"));
    assert!(bytes("shop") <= MAX_BYTES_OF_RELEASE && bytes("shop") >= 9 * size, "{}", bytes("shop"));
    let releases = ["till", "cart", "mail", "post"];
    releases.iter().for_each(|release| offer(&kept, 1, &large(release)));
    let all: usize = releases.iter().chain(&["shop"]).map(|release| bytes(release)).sum();
    assert!(all <= MAX_BYTES, "{all}");
    offer(&kept, 1, &[exchange("shop", "/d", 1, 2 << 20)]);
    assert_eq!(kept.sample("shop").left_out, 1);
}

/// What a release that is deleted might have taken is room for the others.
#[test]
fn the_others_share_what_a_release_leaves() {
    let kept = Kept::default();
    let releases = ["shop", "till", "cart", "mail"];
    releases.iter().for_each(|release| kept.begin(release, 1, 0));
    releases.iter().skip(1).for_each(|release| kept.forget(release));
    let size = 256 << 10;
    let paths = ["/a", "/b", "/c"];
    let all: Vec<_> = (1..=300).map(|id| exchange("shop", paths[(id % 3) as usize], id, size)).collect();
    offer(&kept, 1, &all);
    let bytes = kept.sample("shop").exchanges.len() * size;
    assert!((MAX_BYTES / 4..=MAX_BYTES_OF_RELEASE).contains(&bytes), "{bytes}");
}

#[test]
fn where_no_sample_can_be_smaller_nothing_more_is_kept() {
    let kept = Kept::default();
    let size = 900 << 10;
    let paths: Vec<String> =
        ('a'..='z').flat_map(|a| ('a'..='c').map(move |b| format!("/{a}{b}x"))).collect();
    let all: Vec<_> = paths.iter().zip(1..).map(|(path, id)| exchange("shop", path, id, size)).collect();
    offer(&kept, 1, &all);
    let sample = kept.sample("shop");
    let bytes = sample.exchanges.len() * size;
    assert!(bytes <= MAX_BYTES_OF_RELEASE + size, "{bytes}");
    assert!(sample.left_out > 0 && sample.of == all.len() as u64);
}

#[test]
fn a_session_begins_with_nothing() {
    let kept = Kept::default();
    assert_eq!((kept.sample("shop").session, kept.sample("shop").exchanges.len()), (0, 0));
    offer(&kept, 1, &[exchange("shop", "/a", 1, 0)]);
    kept.begin("shop", 2, 9);
    let sample = kept.sample("shop");
    assert_eq!((sample.session, sample.since_ms, sample.of, sample.exchanges.len()), (2, 9, 0, 0));
    offer(&kept, 3, &[exchange("shop", "/a", 2, 0)]);
    assert_eq!((kept.sample("shop").session, kept.sample("shop").of), (3, 1));
}
