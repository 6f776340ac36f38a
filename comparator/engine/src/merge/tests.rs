//! Two engines that saw parts know what one knows that saw all.

use std::collections::BTreeMap;

use antumbra_observation::{Body, Leg, Observation, Outcome};
use proptest::prelude::*;

use super::*;
use crate::coins::Coins;
use crate::kind::Kind;
use crate::pace::Warming;
use crate::paid::Paid;
use crate::quiet::Quiet;
use crate::rows::Row;
use crate::rules::Rules;
use crate::verdict::{self, Gates};

/// What the legs of an exchange answer, and which of two engines sees it.
#[derive(Debug, Clone)]
struct Seen {
    endpoint: u8,
    candidate: Answer,
    control: Option<Answer>,
    elsewhere: bool,
    left: bool,
}

#[derive(Debug, Clone, Copy)]
enum Answer {
    Json { a: u8, b: u8, latency_us: u64 },
    Status(u16),
    Timeout,
    NotSent,
}

fn answers() -> impl Strategy<Value = Answer> {
    let json = (0..3_u8, 0..4_u8, 1..9_000_000_u64);
    prop_oneof![
        8 => json.prop_map(|(a, b, latency_us)| Answer::Json { a, b, latency_us }),
        1 => prop_oneof![Just(500), Just(503)].prop_map(Answer::Status),
        1 => Just(Answer::Timeout),
        1 => Just(Answer::NotSent),
    ]
}

fn exchanges() -> impl Strategy<Value = Vec<Seen>> {
    let control = prop::option::weighted(0.9, answers());
    let one = (0..4_u8, answers(), control, prop::bool::weighted(0.05), any::<bool>());
    let seen = one.prop_map(|(endpoint, candidate, control, elsewhere, left)| Seen {
        endpoint,
        candidate,
        control,
        elsewhere,
        left,
    });
    prop::collection::vec(seen, 0..120)
}

fn leg(answer: Answer) -> Leg {
    match answer {
        Answer::Json { a, b, latency_us } => {
            // So many places that some runs cross the number up to which three examples are kept.
            let many: Vec<String> = (0..12 * u16::from(b)).map(|at| format!("\"n{at}\":{b}")).collect();
            let body = format!("{{\"a\":{a},\"many\":{{{}}}}}", many.join(","));
            Leg::answer("stable", 200).with_json(&body).with_latency_us(latency_us)
        }
        Answer::Status(status) => Leg::answer("stable", status).with_json("{}").with_latency_us(1_000),
        Answer::Timeout => Leg::ended("stable", Outcome::Timeout),
        Answer::NotSent => Leg::not_sent("stable", None),
    }
}

fn observation(number: usize, seen: &Seen) -> Observation {
    let number = number as u64;
    let primary = leg(Answer::Json { a: 0, b: 1, latency_us: 5_000 });
    let variant = if seen.elsewhere { "canary" } else { "stable" };
    let asked = Observation::new("shop", "GET", &format!("/{}", char::from(b'a' + seen.endpoint)))
        .with_id(u128::from(number) << 64)
        // Not in order, and most in blocks of their own.
        .with_arrival_us(1_700_000_000_000_000 + number * 7_919 % 100 * 10_000_000)
        .with_primary(Leg { variant: variant.to_owned(), ..primary })
        .with_candidate(leg(seen.candidate));
    let control = seen.control.map(leg);
    let left = |leg: Leg, sent_us| Leg { sent_us: leg.latency_us.map(|_| sent_us), ..leg };
    let control = control.map(|control| left(control, number as u32 % 3));
    Observation { control, candidate: left(asked.candidate, 1), ..asked }
}

/// What three engines know: one that saw the left part, one the right, and one that saw all.
fn engines(exchanges: &[Seen]) -> [Evidence; 3] {
    let rules = Rules::default().with_primary(vec!["stable".to_owned()]);
    let mut engines = [Evidence::new(), Evidence::new(), Evidence::new()];
    for (number, seen) in exchanges.iter().enumerate() {
        let observation = observation(number, seen);
        engines[usize::from(!seen.left)].observe(&observation, &rules);
        engines[2].observe(&observation, &rules);
    }
    engines
}

/// All but the numbers of discovery, of which it keeps whether there is one; nothing is dirty.
fn without_numbers(mut evidence: Evidence) -> Evidence {
    let blank = |number: &mut Option<u64>| *number = number.map(|_| 1);
    evidence.release.discovered = 0;
    blank(&mut evidence.release.all.ladder.discovered);
    // In which blocks a count began anew depends on what one engine saw before.
    evidence.release.all.forget_coins();
    evidence.release.warming = Warming::default();
    evidence.release.places = Places::default();
    let work = |endpoint: &mut Endpoint, changed: &mut Pieces| {
        blank(&mut endpoint.all.ladder.discovered);
        endpoint.all.forget_coins();
        // Whether a number counts something is told by those before it.
        let told = std::mem::take(&mut endpoint.hypotheses).into_iter();
        endpoint.hypotheses = told.filter(|(subject, _)| subject.1 != Kind::Farther).collect();
        for (_, counts) in endpoint.hypotheses.change_each(changed) {
            blank(&mut counts.discovered);
            counts.coins = Coins::default();
            // Which blocks follow each other is told by those that one engine saw.
            counts.paid = Paid::default();
            (counts.place, counts.noisy_from) = (None, None);
        }
    };
    evidence.endpoints.change_each(|_| true, work);
    drop(evidence.take_dirty());
    evidence
}

impl Group {
    fn forget_coins(&mut self) {
        self.coins = Coins::default();
        self.quiet = Quiet::default();
        self.ladder.coins = Default::default();
    }
}

fn numbers(evidence: &Evidence) -> Vec<u64> {
    let endpoints = evidence.endpoints.values();
    let own = endpoints.flat_map(|endpoint| {
        let hypotheses = endpoint.hypotheses.values().map(|counts| counts.discovered);
        hypotheses.chain([endpoint.all.ladder.discovered])
    });
    own.chain([evidence.release.all.ladder.discovered]).flatten().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn merged_is_one_that_saw_both(exchanges in exchanges()) {
        let [left, right, one] = engines(&exchanges);
        let mut merged = left.clone();
        merged.merge(right.clone());
        prop_assert_eq!(without_numbers(merged.clone()), without_numbers(one.clone()));
        let mut turned = right;
        turned.merge(left);
        prop_assert_eq!(without_numbers(turned), without_numbers(one));
        let mut rows: BTreeMap<String, Row> = BTreeMap::new();
        let mut store = |evidence: &mut Evidence| {
            rows.extend(evidence.take_dirty().map(|row| (row.key.clone(), row)));
            Evidence::restore(rows.values().cloned())
        };
        let [mut left, right, _] = engines(&exchanges);
        prop_assert_eq!(store(&mut left).unwrap(), left.clone());
        left.merge(right);
        prop_assert_eq!(store(&mut left).unwrap(), left.clone(), "all that a merge changes is stored");
        prop_assert_eq!(left.dirty_rows(), 0);
        drop(merged.take_dirty());
        prop_assert_eq!(left, merged);
    }

    /// The verdict's guarantee rests on these: one weight for each hypothesis, which later merges never raise.
    #[test]
    fn numbers_are_distinct_and_never_fall(exchanges in exchanges(), more in exchanges()) {
        let merged_of = |seen: &[Seen]| {
            let [mut left, right, _] = engines(seen);
            left.merge(right);
            left
        };
        let all = [exchanges.clone(), more].concat();
        let (early, late) = (merged_of(&exchanges), merged_of(&all));
        for merged in [&early, &late] {
            let mut found = numbers(merged);
            prop_assert!(found.iter().all(|number| (1..=merged.release.discovered).contains(number)));
            found.sort_unstable();
            prop_assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", found);
        }
        for (name, endpoint) in &early.endpoints {
            for (subject, counts) in &endpoint.hypotheses {
                prop_assert!(counts.discovered <= late.endpoints[name].hypotheses[subject].discovered);
            }
        }
    }
}

#[test]
fn what_each_half_shows_too_weakly_is_found_in_both() {
    let broken = Seen {
        endpoint: 0,
        candidate: Answer::Json { a: 2, b: 1, latency_us: 5_000 },
        control: Some(Answer::Json { a: 0, b: 1, latency_us: 5_000 }),
        elsewhere: false,
        left: true,
    };
    let both: Vec<Seen> = (0..16).map(|number| Seen { left: number % 2 == 0, ..broken.clone() }).collect();
    let [mut left, right, _] = engines(&both);
    let rejected = |evidence: &Evidence| {
        let judged = verdict::judge(evidence, &Gates::default(), &[]);
        judged.tested.iter().any(verdict::is_found)
    };
    assert!(!rejected(&left) && !rejected(&right));
    left.merge(right);
    assert!(rejected(&left));
}

/// Beyond the caps sums stay exact, and no exchange counts twice in a test.
#[test]
fn caps_hold_when_merged() {
    let answer = |a| Answer::Json { a, b: 1, latency_us: 5_000 };
    let gathered = |names: std::ops::Range<u32>, shift: u32| {
        let mut evidence = Evidence::new();
        for name in names {
            let seen = Seen {
                endpoint: 0,
                candidate: answer(0),
                control: Some(answer(0)),
                elsewhere: false,
                left: true,
            };
            let mut observation = observation(name as usize, &seen);
            observation.request.path = format!("/{}", word(name)).as_str().into();
            evidence.observe(&observation, &Rules::default());
        }
        for at in 0..150 {
            let seen = Seen {
                endpoint: 0,
                candidate: answer(2),
                control: Some(answer(0)),
                elsewhere: false,
                left: true,
            };
            let mut observation = observation(at as usize, &seen);
            let body = format!("{{\"{}\":1}}", word(at + shift));
            if let Some(response) = &mut observation.candidate.response {
                response.body = Body::Whole(body.as_str().into());
            }
            observation.request.path = "/a".into();
            evidence.observe(&observation, &Rules::default());
        }
        evidence
    };
    let (mut left, right) = (gathered(0..800, 0), gathered(600..1_400, 100));
    // Of 600 new names the merged evidence has room for 199.
    let (exchanges, crowd) = (left.exchanges() + right.exchanges(), 401);
    left.merge(right);
    assert_eq!((left.endpoints.len(), left.release.crowded), (MAX_ENDPOINTS + 1, crowd));
    assert_eq!(left.exchanges(), exchanges);
    assert_eq!(left.endpoints.values().map(|endpoint| endpoint.all.exchanges).sum::<u64>(), exchanges);
    assert_eq!(left.endpoints[OTHER_ENDPOINTS].all.exchanges, crowd);
    let crowded = &left.endpoints["GET /a"];
    assert_eq!(crowded.hypotheses.len(), MAX_PATHS);
    let counted: u64 = crowded.hypotheses.values().map(|counts| counts.candidate_only).sum();
    // Each answer lacks two names and has a new one.
    let (worse, places) = (crowded.all.worse, 2 * 150 * 3);
    assert_eq!((counted + crowded.crowded, worse), (places, 300));
    assert!(crowded.hypotheses.values().all(|counts| counts.examples.len() == 1));
}

/// A word of four letters.
fn word(number: u32) -> String {
    [17_576, 676, 26, 1].iter().map(|unit| char::from(b'a' + (number / unit % 26) as u8)).collect()
}
