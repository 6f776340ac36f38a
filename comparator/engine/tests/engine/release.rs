//! Whole releases through the engine: what must be found, and what must not be flagged.

use crate::world::{Defects, Dice, answer, drive, exchange, found, read};
use antumbra_engine::{BadRow, Delivery, Evidence, Gap, Gates, Pattern, Row, Rules, Taken, Verdict, report};
use antumbra_observation::{Leg, Observation, Unsent};

const SEEDED: [&str; 5] = [
    "GET /cart /total missing",
    "GET /items/{id} /stock type",
    "GET /quotes  status",
    "GET /search /items/*/price value",
    "GET /status  latency",
];

#[test]
fn every_seeded_defect_is_found_and_nothing_else() {
    for seed in 1..=10 {
        let report = read(&drive(seed, 3_000, Defects::Seeded));
        assert_eq!(report.verdict, Verdict::RollBack);
        assert_eq!(found(&report), SEEDED, "seed {seed}");
    }
}

#[test]
fn noise_of_both_versions_cancels_whenever_one_looks() {
    for seed in 1..=10 {
        let mut verdicts = Vec::new();
        for exchanges in [50, 200, 1_000, 3_000] {
            let report = read(&drive(seed, exchanges, Defects::None));
            assert_eq!(found(&report), Vec::<String>::new(), "seed {seed}");
            assert!(report.noise.iter().any(|noise| noise.path == "/items" && noise.both > 0));
            verdicts.push(report.verdict);
        }
        assert!(!verdicts.contains(&Verdict::RollBack), "seed {seed}");
    }
}

/// A release whose versions answer alike is promoted, at about the number of exchanges that the report foretold.
#[test]
fn a_clean_release_is_promoted_when_foretold() {
    let mut evidence = Evidence::new();
    let needed = read(&evidence).needed.unwrap();
    // Latency takes a few more at times.
    for number in 1..=needed + needed / 10 {
        let leg = answer(200, "{}".to_owned(), 5_000);
        evidence.observe(&exchange(number, "/", leg.clone(), leg.clone(), Some(leg)), &Rules::default());
        if number == needed / 2 {
            assert_eq!(read(&evidence).verdict, Verdict::Wait);
            let foretold = read(&evidence).forecast.map(|forecast| forecast.exchanges).unwrap();
            let more = needed - number;
            assert!(foretold.lower <= more && more <= foretold.upper, "{foretold:?}");
        }
    }
    let report = read(&evidence);
    assert_eq!((report.verdict, report.needed), (Verdict::Promote, None), "{:?}", report.reasons);
    assert!((860..920).contains(&needed), "{needed}");
    let check = |known, mirrored, undelivered, not_sent, expected: &str| {
        let delivery = Delivery { known, mirrored, undelivered, not_sent, ..Delivery::default() };
        let report = antumbra_engine::report("shop", &evidence, &Gates::default(), &delivery);
        assert_eq!(report.verdict == Verdict::Promote, expected.is_empty(), "{delivery:?}");
        assert!(report.reasons[0].contains(expected), "{:?}", report.reasons);
    };
    check(true, 1_000, 10, 40, "");
    check(true, 1_000, 11, 0, "11 of 1,000 observations did not arrive, at most 1 % may be missing");
    check(
        true,
        1_000,
        10,
        60,
        "60 of 1,060 sampled exchanges were not mirrored, at most 5 % may be: the rest may not be typical",
    );
    // After a restart nothing is known of what was lost before, until filters have spoken for all that arrived.
    check(false, 0, 0, 0, "no filter has reported");
    let all = evidence.exchanges();
    check(true, all - all / 10, 0, 0, "whether more was lost is not known");
    check(true, all - 10, 0, 0, "");
}

#[test]
fn a_regression_is_one_whatever_the_filters_report() {
    let evidence = drive(1, 2_000, Defects::Seeded);
    let report = report("shop", &evidence, &Gates::default(), &Delivery::default());
    assert_eq!(report.verdict, Verdict::RollBack);
}

/// Candidate and control fail at random, as often as each other: an error of the candidate must not weigh more.
#[test]
fn a_service_with_errors_of_its_own_can_be_promoted() {
    let (mut evidence, mut dice) = (Evidence::new(), Dice(11));
    let leg = |status| answer(status, "{}".to_owned(), 5_000);
    for number in 1..=20_000 {
        let mut random = || leg(if dice.chance(0.01) { 503 } else { 200 });
        let (candidate, control) = (random(), random());
        evidence.observe(&exchange(number, "/", leg(200), candidate, Some(control)), &Rules::default());
    }
    let report = read(&evidence);
    assert_eq!(report.verdict, Verdict::Promote, "{:?}", report.reasons);
    assert!(report.effective < report.controlled);
}

/// A breaker of the proxy opens for the candidate alone, because it has less capacity: nothing about its answers.
#[test]
fn a_shadow_that_was_not_sent_is_no_difference_and_limits_promotion() {
    let not_sent = Leg::not_sent("v", Some(Unsent::ProxyRefused));
    let check = |every: u64, candidate: bool, expected: Verdict| {
        let mut evidence = Evidence::new();
        for number in 1..=3_000 {
            let leg = || answer(200, "{}".to_owned(), 5_000);
            let held = || if number % every == 0 { not_sent.clone() } else { leg() };
            let (candidate, control) = if candidate { (held(), leg()) } else { (leg(), held()) };
            let observation = exchange(number, "/", leg(), candidate, Some(control));
            assert_eq!(evidence.observe(&observation, &Rules::default()), Taken::Compared);
        }
        let report = read(&evidence);
        assert_eq!((report.verdict, report.noise.len()), (expected, 0), "{:?}", report.reasons);
        assert_eq!((report.exchanges, report.dropped.not_sent), (3_000, 3_000 / every));
        assert_eq!(report.controlled, report.effective);
        let shown = if every == 1 { "3,000".to_owned() } else { (3_000 / every).to_string() };
        let whose = if candidate { "candidate" } else { "control" };
        let said = format!("the {whose} was not asked in {shown}, `proxy_refused`: ");
        let first = &report.not_covered[0];
        assert!(first.cause == Gap::NotSent && first.text.contains(&said), "{first:?}");
        if every == 1 {
            // One cause, one line: nothing else is missing that this does not explain.
            assert_eq!((report.reasons.len(), report.not_covered.len()), (1, 1), "{:?}", report.reasons);
            assert!(report.reasons[0].contains(&said), "{:?}", report.reasons);
        }
        assert_eq!(report.not_sent, [(Unsent::ProxyRefused, 3_000 / every)].into());
    };
    for candidate in [true, false] {
        check(50, candidate, Verdict::Promote);
        check(5, candidate, Verdict::Wait);
        check(1, candidate, Verdict::Wait);
    }
}

/// A client that got the new version has it as primary: the candidate agrees with it and the control does not, which would
/// count against a defect that is there.
#[test]
fn exchanges_that_another_variant_answered_are_counted_and_not_compared() {
    let mut evidence = Evidence::new();
    let rules = Rules::default().with_primary(vec!["v".to_owned()]);
    let leg = |value: u64| answer(200, format!("{{\"a\":{value}}}"), 5_000);
    let by = |variant: &str, leg: Leg| Leg { variant: variant.to_owned(), ..leg };
    let observation = exchange(1, "/", by("canary", leg(2)), leg(2), Some(leg(1)));
    assert_eq!(evidence.observe(&observation, &rules), Taken::Elsewhere);
    let rows: Vec<Row> = evidence.take_dirty().collect();
    assert_eq!(rows.len(), 1, "the count is stored");
    assert_eq!(Evidence::restore(rows).unwrap().exchanges(), 0);
    for primary in ["v", ""] {
        let observation = exchange(2, "/", by(primary, leg(1)), leg(1), Some(leg(1)));
        assert_eq!(evidence.observe(&observation, &rules), Taken::Compared);
    }
    let report = read(&evidence);
    assert_eq!((report.exchanges, report.dropped.elsewhere), (2, 1));
    assert!(
        report
            .not_covered
            .iter()
            .any(|found| found.cause == Gap::Elsewhere && found.share == Some(1.0 / 3.0)),
        "{:?}",
        report.not_covered
    );
}

/// A client that asks ten times a second is one exchange in two seconds, or its one answer would count as many.
#[test]
fn what_a_client_asks_again_at_once_counts_once() {
    let mut evidence = Evidence::new();
    let leg = |value: u64| answer(200, format!("{{\"a\":{value}}}"), 5_000);
    for number in 0..140 {
        let hot = exchange(1, "/", leg(1), leg(2), Some(leg(1)));
        let hot = Observation { at_us: hot.at_us + number * 100_000, client: Some(7), ..hot };
        let expected = if number % 20 == 0 { Taken::Compared } else { Taken::Repeated };
        assert_eq!(evidence.observe(&hot, &Rules::default()), expected, "{number}");
    }
    for number in 0..10 {
        let other = Observation { client: Some(8), ..exchange(9, "/b", leg(1), leg(1), Some(leg(1))) };
        let unknown = exchange(9, "/", leg(1), leg(1), Some(leg(1)));
        let expected = if number == 0 { Taken::Compared } else { Taken::Repeated };
        assert_eq!(evidence.observe(&other, &Rules::default()), expected);
        assert_eq!(evidence.observe(&unknown, &Rules::default()), Taken::Compared);
    }
    let report = read(&evidence);
    assert_eq!((report.exchanges, report.dropped.repeated), (7 + 1 + 10, 133 + 9));
    assert_eq!(found(&report), ["GET / /a value"; 0], "seven answers are not a hundred and forty");
    assert!(report.notes.iter().any(|note| note.contains("asked the same endpoint")), "{:?}", report.notes);
}

#[test]
fn both_shadow_legs_failing_alike_never_look_clean() {
    let mut evidence = Evidence::new();
    for number in 1..=5_000 {
        let fails = || answer(503, "{}".to_owned(), 1_000);
        evidence.observe(
            &exchange(number, "/", answer(200, "{}".to_owned(), 1_000), fails(), Some(fails())),
            &Rules::default(),
        );
    }
    let report = read(&evidence);
    assert_eq!((report.verdict, report.needed, report.effective), (Verdict::Wait, None, 0));
    let found = |gap| report.not_covered.iter().filter(|found| found.cause == gap).count();
    assert_eq!((found(Gap::NotComparable), found(Gap::Endpoint)), (1, 0), "{:?}", report.not_covered);
}

#[test]
fn without_control_all_is_advisory() {
    let mut evidence = Evidence::new();
    for number in 1..=2_000 {
        let leg = |value| answer(200, format!("{{\"a\":{value}}}"), 1_000);
        evidence.observe(&exchange(number, "/", leg(1), leg(2), None), &Rules::default());
    }
    let report = read(&evidence);
    assert_eq!((report.verdict, report.needed), (Verdict::Wait, None));
    assert_eq!((report.uncontrolled[0].path.as_str(), report.uncontrolled[0].exchanges), ("/a", 2_000));
    assert!(report.notes[0].starts_with("There is no control: "), "{:?}", report.notes);
}

#[test]
fn a_tail_spread_over_many_endpoints_is_found_in_the_whole() {
    let (mut evidence, mut dice) = (Evidence::new(), Dice(5));
    for number in 1..=2_000 {
        let path = format!("/page-{}", char::from(b'a' + (dice.next() % 26) as u8));
        let latency = |dice: &mut Dice| (3_000.0 * (0.3 * dice.normal()).exp()) as u64;
        let slow = if dice.chance(0.03) { 50 } else { 1 };
        let candidate = answer(200, "{}".to_owned(), latency(&mut dice) * slow);
        let control = answer(200, "{}".to_owned(), latency(&mut dice));
        evidence
            .observe(&exchange(number, &path, control.clone(), candidate, Some(control)), &Rules::default());
    }
    assert_eq!(found(&read(&evidence)), ["*  latency"]);
}

/// A fifth slower in a few requests is certain and too little to matter; in half of them it is too much.
#[test]
fn latency_must_exceed_a_margin() {
    let check = |slower: f64, share: f64, expected: Verdict| {
        let (mut evidence, mut dice) = (Evidence::new(), Dice(11));
        for number in 1..=4_000 {
            let factor = if dice.chance(share) { slower } else { 1.0 };
            let candidate = answer(200, "{}".to_owned(), (100_000.0 * factor) as u64);
            let control = answer(200, "{}".to_owned(), 100_000);
            evidence.observe(
                &exchange(number, "/", control.clone(), candidate, Some(control)),
                &Rules::default(),
            );
        }
        assert_eq!(read(&evidence).verdict, expected, "{slower} in {share}");
    };
    check(1.001, 1.0, Verdict::Promote);
    check(1.2, 0.03, Verdict::Promote);
    check(1.2, 0.5, Verdict::RollBack);
    check(30.0, 0.004, Verdict::Promote);
    check(30.0, 0.03, Verdict::RollBack);
}

#[test]
fn declared_differences_do_not_count() {
    let rules = ["/price", "header:x-build"].map(|text| Pattern::parse(text).unwrap());
    let rules = Rules::new(rules.into(), vec![]);
    let mut evidence = Evidence::new();
    for number in 1..=1_000 {
        let leg = |value| answer(200, format!("{{\"price\":{value}}}"), 1_000);
        let mut candidate = leg(2);
        candidate.response.as_mut().unwrap().headers.push(("X-Build".into(), "2".into()));
        evidence.observe(&exchange(number, "/", leg(1), candidate, Some(leg(1))), &rules);
    }
    assert_eq!(read(&evidence).verdict, Verdict::Promote);
}

#[test]
fn caps_hold_and_a_crowd_hides_no_regression() {
    let mut evidence = Evidence::new();
    let body = |at: u64, value: u64| answer(200, format!("{{\"name-{}\":{value}}}", letters(at)), 1_000);
    for number in 0..1_500 {
        let path = format!("/{}", letters(number));
        evidence
            .observe(&exchange(number, &path, body(0, 1), body(0, 1), Some(body(0, 1))), &Rules::default());
    }
    for number in 0..400 {
        evidence.observe(
            &exchange(number, "/aaa", body(number, 1), body(number, 2), Some(body(number, 1))),
            &Rules::default(),
        );
    }
    let report = read(&evidence);
    assert_eq!((report.endpoints.len(), report.dropped.endpoints, report.dropped.paths), (1_001, 500, 200));
    assert_eq!(found(&report), ["GET /aaa (other paths) value"]);
}

#[test]
fn free_places_hold_over_all_endpoints_and_a_crowd_hides_no_regression() {
    let mut evidence = Evidence::new();
    evidence.set_free_places(30);
    let body = |at: u64, value: u64| answer(200, format!("{{\"name-{}\":{value}}}", letters(at)), 1_000);
    for number in 0..400 {
        let path = ["/a", "/b", "/c"][number as usize % 3];
        evidence.observe(
            &exchange(number, path, body(number, 1), body(number, 2), Some(body(number, 1))),
            &Rules::default(),
        );
    }
    // Each endpoint has one more, for those without a name.
    assert_eq!(evidence.named_places(), 33);
    let report = read(&evidence);
    assert_eq!((report.endpoints.len(), report.dropped.endpoints, report.dropped.paths), (3, 0, 370));
    assert_eq!(found(&report), ["/a", "/b", "/c"].map(|path| format!("GET {path} (other paths) value")));
    let leg = || body(0, 1);
    evidence.observe(&exchange(401, "/d", leg(), leg(), Some(leg())), &Rules::default());
    assert_eq!(read(&evidence).dropped.endpoints, 1, "an endpoint without places is not named either");
}

/// An endpoint that has as many places as one may have takes none from the others.
#[test]
fn what_finds_no_place_of_its_own_takes_none() {
    let mut evidence = Evidence::new();
    evidence.set_free_places(250);
    let body = |at: u64, value: u64| answer(200, format!("{{\"name-{}\":{value}}}", letters(at)), 1_000);
    for (path, numbers) in [("/a", 0..400), ("/b", 400..410)] {
        for number in numbers {
            let candidate = body(number, 2);
            let one = exchange(number, path, body(number, 1), candidate, Some(body(number, 1)));
            evidence.observe(&one, &Rules::default());
        }
    }
    assert_eq!(evidence.named_places(), 200 + 1 + 10);
}

/// A name of three letters.
fn letters(number: u64) -> String {
    [676, 26, 1].iter().map(|unit| char::from(b'a' + (number / unit % 26) as u8)).collect()
}

#[test]
fn rows_restore_the_evidence() {
    let mut evidence = drive(3, 500, Defects::Seeded);
    let dirty = evidence.dirty_rows();
    let mut stored: Vec<Row> = evidence.take_dirty().collect();
    assert_eq!((stored.len(), evidence.dirty_rows(), evidence.take_dirty().count()), (dirty, 0, 0));
    let leg = answer(200, "{}".to_owned(), 7_000);
    evidence.observe(&exchange(501, "/cart", leg.clone(), leg.clone(), Some(leg)), &Rules::default());
    let changed: Vec<Row> = evidence.take_dirty().collect();
    assert_eq!(
        changed.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(),
        ["release", "endpoint GET /cart"]
    );
    stored.retain(|row| changed.iter().all(|newer| newer.key != row.key));
    stored.extend(changed);
    let restored = Evidence::restore(stored.clone()).unwrap();
    assert_eq!(restored, evidence);
    assert_eq!(read(&restored), read(&evidence));

    let check = |row: Row, expected: &str| {
        assert!(Evidence::restore([row]).unwrap_err().to_string().contains(expected));
    };
    for key in ["other", "places 64 GET /cart", "places 1", "noise 64", "noise x"] {
        check(Row { key: key.to_owned(), bytes: vec![] }, "neither of the release nor of an endpoint");
    }
    let of = |key: &str| stored.iter().find(|row| row.key == key).unwrap().bytes.clone();
    for cut in [0, 1, 100] {
        check(Row { key: "release".to_owned(), bytes: of("release")[..cut].to_vec() }, "does not decode");
    }
    let many = (0..1_003).map(|at| Row { key: format!("endpoint {at}"), bytes: of("endpoint GET /cart") });
    assert_eq!(Evidence::restore(many), Err(BadRow::Endpoints));
}

/// Each row says which others there must be.
#[test]
fn no_row_is_lost_unnoticed_and_none_is_one_too_many() {
    let mut evidence = drive(3, 500, Defects::Seeded);
    let stored: Vec<Row> = evidence.take_dirty().collect();
    for lost in &stored {
        let rest = stored.iter().filter(|row| row.key != lost.key).cloned();
        let told = Evidence::restore(rest).unwrap_err().to_string();
        let named = told.contains(&lost.key.replace(" 0", "")) || told.contains("exchanges, and the release");
        assert!(named, "{}: {told}", lost.key);
    }
    for kind in ["places ", "noise "] {
        let moved = |row: &Row, to: usize| {
            let name = row.key.splitn(3, ' ').nth(2).map(|name| format!(" {name}"));
            Row { key: format!("{kind}{to}{}", name.unwrap_or_default()), bytes: row.bytes.clone() }
        };
        let one = stored.iter().find(|row| row.key.starts_with(kind)).unwrap();
        let mut free =
            (0..64).map(|to| moved(one, to)).filter(|to| stored.iter().all(|row| row.key != to.key));
        let stray = free.next_back().unwrap();
        let told = Evidence::restore(stored.iter().cloned().chain([stray.clone()])).unwrap_err();
        assert_eq!(told, BadRow::Stray(stray.key));
    }
}

/// Of an endpoint with 200 places that was asked once more, and differed at one of them.
#[test]
fn what_one_exchange_changes_is_few_rows_and_few_bytes() {
    let mut evidence = Evidence::new();
    let body = |fields: std::ops::Range<u64>, value: &str| {
        let fields: Vec<String> = fields.map(|field| format!("\"{}\":\"{value}\"", letters(field))).collect();
        answer(200, format!("{{{}}}", fields.join(",")), 1_000)
    };
    let mut differ_at = |number: u64, fields: std::ops::Range<u64>| {
        let stable = || body(fields.clone(), "one thing");
        let path = format!("/{}", letters(number % 40));
        let seen = exchange(number, &path, stable(), body(fields.clone(), "another"), Some(stable()));
        evidence.observe(&seen, &Rules::default());
        let rows = evidence.take_dirty().map(|row| (row.key.clone(), row.key.len() + row.bytes.len()));
        rows.collect::<Vec<(String, usize)>>()
    };
    let all: Vec<_> = (0..40).flat_map(|number| differ_at(number, 0..200)).collect();
    let bytes = all.iter().map(|(_, bytes)| bytes).sum::<usize>();
    assert!(all.len() > 40 * 55 && bytes > 2_000_000, "{} rows, {bytes} bytes", all.len());
    let few = differ_at(47, 17..18);
    let keys: Vec<&str> = few.iter().map(|(key, _)| key.split(' ').next().unwrap()).collect();
    assert_eq!(keys, ["release", "endpoint", "places"]);
    let of = |at: usize| few[at].1;
    assert!(of(0) < 9_000 && of(1) < 1_200 && of(2) < 3_000, "{few:?}");
}

/// Written by the program as it was when an endpoint had one row with all its places.
#[test]
fn rows_of_before_there_were_pieces_are_still_read() {
    let rows = include_str!("rows-of-version-6.txt").lines().map(|line| {
        let (key, hex) = line.split_once('\t').unwrap();
        let pair = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        Row { key: key.to_owned(), bytes: (0..hex.len()).step_by(2).map(pair).collect() }
    });
    let old: Vec<Row> = rows.collect();
    let mut evidence = Evidence::restore(old.clone()).unwrap();
    assert_eq!(
        (evidence.exchanges(), evidence.named_endpoints(), evidence.named_places()),
        (80, 5, 14),
        "{:?}",
        read(&evidence)
    );
    let before = read(&evidence);
    assert_eq!(
        found(&before),
        SEEDED.iter().filter(|seeded| !seeded.contains("  ")).copied().collect::<Vec<_>>()
    );
    assert!(before.regressions.iter().all(|found| found.example.is_some()));
    // The rows that take their place, beside those that nobody replaced.
    let new: Vec<Row> = evidence.take_dirty().collect();
    let left = old.iter().filter(|row| new.iter().all(|newer| newer.key != row.key)).cloned();
    let again = Evidence::restore(left.chain(new.clone())).unwrap();
    assert_eq!((&again, again.dirty_rows()), (&evidence, 0));
    assert_eq!(read(&again), before);
    let bytes = |rows: &[Row]| rows.iter().map(|row| row.bytes.len()).sum::<usize>();
    assert!(bytes(&new) < bytes(&old), "{} of {} bytes", bytes(&new), bytes(&old));
}

#[test]
fn secrets_never_enter_the_evidence() {
    let mut evidence = Evidence::new();
    for number in 1..=50 {
        let leg = |secret: &str| {
            let mut leg =
                answer(200, format!(r#"{{"accessToken":"{secret}","user":{{"password":"{secret}"}}}}"#), 1);
            let headers = &mut leg.response.as_mut().unwrap().headers;
            headers.push(("set-cookie".into(), format!("sid={secret}; Path=/").as_str().into()));
            headers.push(("x-api-key".into(), secret.into()));
            leg
        };
        let candidate = leg("canary-secret");
        evidence
            .observe(&exchange(number, "/", leg("plain"), candidate, Some(leg("plain"))), &Rules::default());
    }
    let report = read(&evidence);
    assert_eq!(report.regressions.len(), 4);
    let stored: Vec<u8> = evidence.take_dirty().flat_map(|row| row.bytes).collect();
    assert!(!stored.windows(6).any(|window| window == b"canary"));
    assert!(!serde_json::to_string(&report).unwrap().contains("canary"));
}

#[test]
fn a_report_survives_json() {
    let report = read(&drive(9, 1_500, Defects::Seeded));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["verdict"], "roll back");
    assert_eq!(json["regressions"][0]["candidateOnly"], report.regressions[0].candidate_only);
    let back: antumbra_engine::Report = serde_json::from_value(json).unwrap();
    assert_eq!(found(&back), found(&report));
    assert_eq!(report_of_nothing(), Verdict::Wait);
}

fn report_of_nothing() -> Verdict {
    report("none", &Evidence::new(), &Gates::default(), &Delivery::default()).verdict
}
