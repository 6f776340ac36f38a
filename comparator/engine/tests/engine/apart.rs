//! Comparing apart from counting: what is compared elsewhere, written down, read and then counted is what one engine would know.

use std::collections::BTreeMap;

use antumbra_engine::{
    Evidence, Outside, Pace, Row, Rules, Taken, compare, decode_compared, encode_compared,
};
use antumbra_observation::{Leg, Observation, Outcome, Unsent};
use proptest::prelude::*;

use crate::world::{Dice, answer, exchange, read};

/// One exchange, and how old the evidence is by which it is compared.
#[derive(Debug, Clone)]
struct Seen {
    endpoint: u8,
    client: Option<u8>,
    later_ms: u64,
    elsewhere: bool,
    candidate: Answer,
    control: Option<Answer>,
    plugin: Option<Option<&'static str>>,
    behind: usize,
}

#[derive(Debug, Clone, Copy)]
enum Answer {
    /// Of `fields` numbered from `first`, each with this value.
    Json {
        first: u16,
        fields: u16,
        value: u8,
        latency_us: u64,
    },
    Malformed(u8),
    Status(u16),
    Timeout,
    NotSent,
}

fn answers() -> impl Strategy<Value = Answer> {
    let json = (0..250_u16, 0..40_u16, 0..3_u8, 1..9_000_000_u64);
    prop_oneof![
        12 => json.prop_map(|(first, fields, value, latency_us)| Answer::Json { first, fields, value, latency_us }),
        1 => (0..3_u8).prop_map(Answer::Malformed),
        1 => prop_oneof![Just(500), Just(503)].prop_map(Answer::Status),
        1 => Just(Answer::Timeout),
        1 => Just(Answer::NotSent),
    ]
}

fn exchanges() -> impl Strategy<Value = Vec<Seen>> {
    let plugin = prop::option::of(prop::option::of(prop_oneof![Just("fuel"), Just("trap")]));
    let asked = (0..3_u8, prop::option::of(0..4_u8), 0..3_000_u64, prop::bool::weighted(0.05));
    let legs = (answers(), prop::option::weighted(0.9, answers()));
    let seen = (asked, legs, plugin, 0..100_usize).prop_map(
        |((endpoint, client, later_ms, elsewhere), (candidate, control), plugin, behind)| Seen {
            endpoint,
            client,
            later_ms,
            elsewhere,
            candidate,
            control,
            plugin,
            behind,
        },
    );
    prop::collection::vec(seen, 0..200)
}

fn leg(made: Answer) -> Leg {
    match made {
        Answer::Json { first, fields, value, latency_us } => {
            let fields: Vec<String> =
                (first..first + fields).map(|at| format!("\"field-{at}\":{value}")).collect();
            answer(200, format!("{{\"a\":{value},\"b\":{{{}}}}}", fields.join(",")), latency_us)
        }
        Answer::Malformed(value) => answer(200, format!("{{{value}"), 1_000),
        Answer::Status(status) => answer(status, "{}".to_owned(), 1_000),
        Answer::Timeout => Leg { outcome: Outcome::Timeout, response: None, ..answer(0, String::new(), 9) },
        Answer::NotSent => Leg::not_sent("v", Some(Unsent::Breaker)),
    }
}

fn observation(number: u64, at_us: u64, seen: &Seen) -> Observation {
    let primary = leg(Answer::Json { first: 100, fields: 20, value: 0, latency_us: 5_000 });
    let variant = if seen.elsewhere { "canary" } else { "v" }.to_owned();
    let path = format!("/{}?token=abc&page=2", char::from(b'a' + seen.endpoint));
    let left = |leg: Leg, sent_us: usize| Leg { sent_us: leg.latency_us.map(|_| sent_us as u32), ..leg };
    let control = seen.control.map(|control| left(leg(control), 10));
    // The candidate mostly first, so that some runs see an uneven order.
    let made = exchange(number, &path, primary, left(leg(seen.candidate), seen.behind / 8), control);
    let primary = Leg { variant, ..made.primary };
    Observation { at_us, client: seen.client.map(u32::from), primary, ..made }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn what_is_compared_elsewhere_counts_as_if_it_were_here(exchanges in exchanges()) {
        let rules = Rules::default().with_primary(vec!["v".to_owned()]);
        let (mut whole, mut apart) = (Evidence::new(), Evidence::new());
        let mut before = vec![Evidence::new()];
        let mut at_us = 1_700_000_000_000_000;
        for (number, seen) in (1..).zip(&exchanges) {
            at_us += seen.later_ms * 1_000;
            let observation = observation(number, at_us, seen);
            let plugins = seen.plugin.map(|failed| ("prices".to_owned(), failed));
            let outside = Outside { plugins: plugins.into_iter().collect::<BTreeMap<_, _>>(), ..Outside::default() };
            let taken = whole.observe_with(&observation, &rules, &outside);
            let known = &before[before.len().saturating_sub(1 + seen.behind)];
            let compared = compare(&observation, &rules, &outside, known);
            let read = decode_compared(&encode_compared([&compared])).unwrap();
            prop_assert_eq!(&read, &[compared]);
            prop_assert_eq!(apart.take(&read[0]), taken);
            before.push(apart.clone());
        }
        prop_assert_eq!(&apart, &whole);
        prop_assert!(apart.take_dirty().eq(whole.take_dirty()));
    }

    /// Rows are taken now and then, while examples expire and blocks get another length.
    #[test]
    fn the_newest_rows_of_each_key_are_the_evidence(exchanges in exchanges()) {
        let rules = Rules::default().with_primary(vec!["v".to_owned()]);
        let (mut evidence, mut pace) = (Evidence::new(), Pace::default());
        evidence.set_pace(pace);
        let mut stored: BTreeMap<String, Row> = BTreeMap::new();
        let mut store = |evidence: &mut Evidence, pace: Pace| -> Result<(), TestCaseError> {
            let dirty = evidence.dirty_rows();
            let rows: Vec<Row> = evidence.take_dirty().collect();
            prop_assert_eq!((rows.len(), evidence.dirty_rows()), (dirty, 0));
            stored.extend(rows.into_iter().map(|row| (row.key.clone(), row)));
            let mut restored = Evidence::restore(stored.values().cloned()).unwrap();
            restored.set_pace(pace);
            prop_assert_eq!(&restored, &*evidence);
            Ok(())
        };
        let mut at_us = 1_700_000_000_000_000;
        for (number, seen) in (1..).zip(&exchanges) {
            at_us += seen.later_ms * 1_000;
            evidence.observe(&observation(number, at_us, seen), &rules);
            match seen.behind {
                0..10 => store(&mut evidence, pace)?,
                10 => drop(evidence.expire_examples(at_us - 5_000_000)),
                11 => {
                    pace.block_us += 1_000_000;
                    evidence.set_pace(pace);
                }
                _ => {}
            }
        }
        store(&mut evidence, pace)?;
    }

    #[test]
    fn a_batch_is_its_exchanges_in_their_order(exchanges in exchanges()) {
        let (rules, none) = (Rules::default(), Evidence::new());
        let batch: Vec<_> = (1..)
            .zip(&exchanges)
            .map(|(number, seen)| compare(&observation(number, number, seen), &rules, &Outside::default(), &none))
            .collect();
        let bytes = encode_compared(&batch);
        prop_assert_eq!(decode_compared(&bytes), Ok(batch));
        for end in 0..bytes.len().min(300) {
            prop_assert!(decode_compared(&bytes[..end]).is_err());
        }
    }
}

/// One place that differs at the control in every exchange, in a third of them at the candidate alone.
fn noisy(exchanges: std::ops::Range<u64>) -> Evidence {
    let (mut dice, mut evidence) = (Dice(exchanges.start), Evidence::new());
    for number in exchanges {
        let leg = |at: u64| answer(200, format!("{{\"at\":{}}}", 1_770_000_000 + at), 1_000);
        let (candidate, control) = if dice.chance(1.0 / 3.0) { (3_000, 0) } else { (0, 1) };
        evidence
            .observe(&exchange(number, "/", leg(0), leg(candidate), Some(leg(control))), &Rules::default());
    }
    evidence
}

#[test]
fn of_a_noisy_place_guesses_are_estimates_and_parts_still_add() {
    let (one, other) = (noisy(0..20_000), noisy(20_000..50_000));
    let counted = |evidence: &Evidence| {
        let report = read(evidence);
        let found = &report.suggestions[0];
        assert_eq!((found.rule.as_str(), found.hides), (r#"{"at": "GET / /at", "time": "1s"}"#, 0));
        assert_eq!(found.explains, found.of, "the rule explains all of the sample");
        (found.of, found.hides_of)
    };
    let near = |found: u64, exact: u64| {
        assert!(found.abs_diff(exact) * 5 < exact, "{found} for {exact}");
        assert_ne!(found, exact, "more than are counted one by one");
    };
    let (parts, mut merged) = ([counted(&one), counted(&other)], one);
    merged.merge(other);
    for ((of, hides_of), exchanges) in parts.into_iter().zip([20_000, 30_000]) {
        near(of, exchanges * 2 / 3);
        near(hides_of, exchanges / 3);
    }
    assert_eq!(counted(&merged), (parts[0].0 + parts[1].0, parts[0].1 + parts[1].1));
}

#[test]
fn what_nobody_will_see_is_not_in_it() {
    let (rules, outside) = (Rules::default(), Outside::default());
    let seen = |number: u64| {
        let leg = |body: &str| answer(200, format!("{{\"state\":\"{body}\",\"note\":\"hush-hush\"}}"), 1_000);
        exchange(number, "/a?token=hush-hush", leg("open"), leg("shut"), Some(leg("open")))
    };
    let (mut known, mut shown) = (Evidence::new(), Vec::new());
    for number in 1..=2_000 {
        let compared = compare(&seen(number), &rules, &outside, &known);
        let bytes = encode_compared([&compared]);
        assert!(!bytes.windows(9).any(|text| text == b"hush-hush"), "neither secrets nor what is equal");
        if bytes.windows(6).any(|text| text == b"\"shut\"") {
            shown.push(number);
        }
        assert_eq!(known.take(&compared), Taken::Compared);
    }
    assert!(shown.starts_with(&[1, 2, 3]), "{shown:?}");
    // The lowest three of n: a further one is among them with the probability 3/n.
    assert!((3..60).contains(&shown.len()), "{shown:?}");
}

#[test]
fn values_that_tell_of_answers_are_not_written_down_for_ever() {
    let (rules, outside) = (Rules::default(), Outside::default());
    let (mut dice, mut ahead, mut behind) = (Dice(7), Evidence::new(), Evidence::new());
    let mut with_values = Vec::new();
    for number in 1..=400 {
        let mut leg =
            || answer(200, format!("{{\"at\":{},\"id\":\"{:x}\"}}", dice.next() % 1_000, dice.next()), 1_000);
        let exchange = exchange(number, "/", leg(), leg(), Some(leg()));
        let compared = compare(&exchange, &rules, &outside, &ahead);
        let bytes = encode_compared([&compared]);
        let has = |name: &[u8]| bytes.windows(name.len()).any(|text| text == name);
        if has(b"Numbers") || has(b"Texts") {
            with_values.push(number);
        }
        let by_nothing = compare(&exchange, &rules, &outside, &Evidence::new());
        assert_eq!(ahead.take(&compared), behind.take(&by_nothing));
    }
    assert_eq!(ahead, behind, "what is known when it is compared makes no difference");
    assert_eq!(with_values, (1..=64).collect::<Vec<u64>>());
}
