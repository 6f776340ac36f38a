//! The report as people read it.

use std::collections::BTreeSet;

use crate::world::{Defects, answer, drive, exchange, read};
use antumbra_engine::{Evidence, Kind, Rules};

#[test]
fn a_report_that_rolls_back() {
    let text = read(&drive(1, 2_000, Defects::Seeded)).to_text(false);
    assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
    insta::assert_snapshot!(text, @r#"
    shop  ROLL BACK
      - GET /quotes status: only the candidate differs 36×, only the control 0× (evidence 10^10.1)
      - GET /items/{id} /stock type: only the candidate differs 397×, only the control 0× (evidence 10^118.3)
      - GET /cart /total missing: only the candidate differs 386×, only the control 0× (evidence 10^115.0)
      - GET /search /items/*/price value: only the candidate differs 411×, only the control 0× (evidence 10^122.5)
      - GET /status latency: p99 7.9ms → 233ms (29×); candidate 20× slower in 24, control in 0 of 414 (evidence
        10^4.7)
      2000 exchanges, 2000 with control, 2000 effective; at most 65 % worse
      answers by status (primary, candidate, control): 200 2,000, 1,964, 2,000; 500 0, 36, 0

    Regressions (5)
      GET /quotes status
          only the candidate 36, only the control 0 of 392; evidence 10^10.1
          example 0000000000000000000000000000010f
            request   GET /quotes
            primary   200
            candidate 500
            control   200
      GET /items/{id} /stock type
          only the candidate 397, only the control 0 of 397; evidence 10^118.3
          example 0000000000000000000000000000041c at /stock
            request   GET /items/17
            primary   12
            candidate "12"
            control   12
      GET /cart /total missing
          only the candidate 386, only the control 0 of 386; evidence 10^115.0
          example 00000000000000000000000000000730 at /total
            request   GET /cart
            primary   99
            candidate (absent)
            control   99
      GET /search /items/*/price value
          only the candidate 411, only the control 0 of 411; evidence 10^122.5
          example 00000000000000000000000000000070 at /items/5/price
            request   GET /search?q=a
            primary   30
            candidate 31
            control   30
      GET /status latency: slower than 20 × control + 1 ms
          only the candidate 24, only the control 0 of 414; evidence 10^4.7

    Endpoints
                                              exchanges  effective  worse ≤                 p50     p90     p99
      GET /status                                   414        414   0.92 %  primary      4.1ms   5.9ms  ≥7.1ms
                                                                             candidate    4.1ms   6.4ms  ≥192ms
                                                                             control      3.9ms   6.1ms  ≥7.2ms
      GET /search                                   411        411    100 %  primary      3.9ms   5.7ms  ≥6.7ms
                                                                             candidate    4.0ms   6.2ms  ≥7.1ms
                                                                             control      4.0ms   5.7ms  ≥6.8ms
      GET /items/{id}                               397        397    100 %  primary      3.9ms   5.9ms  ≥7.1ms
                                                                             candidate    3.8ms   5.6ms  ≥6.6ms
                                                                             control      3.9ms   5.8ms  ≥6.9ms
      GET /quotes                                   392        392     15 %  primary      3.9ms   6.0ms  ≥7.1ms
                                                                             candidate    3.9ms   5.8ms  ≥7.1ms
                                                                             control      4.0ms   5.8ms  ≥6.9ms
      GET /cart                                     386        386    100 %  primary      4.0ms   5.6ms  ≥6.7ms
                                                                             candidate    4.0ms   6.0ms  ≥6.7ms
                                                                             control      3.9ms   6.0ms  ≥7.0ms
      all                                          2000       2000     65 %  primary      4.0ms   5.8ms   7.9ms
                                                                             candidate    4.0ms   6.0ms   155ms
                                                                             control      3.9ms   5.8ms   7.9ms

    Noise: the control differs as well
                                                                                candidate control   both   costs
      GET /cart /tags extra                                                            55      50     40       0
      GET /cart /tags missing                                                          50      42     54       0
      GET /quotes /quotes order                                                        20      18    318       0
      GET /search /at value                                                             0       0    411       0
      GET /search /items order                                                          0       0    411       0
      GET /search /items/*/seen value                                                   0       0    411       0
      GET /items/{id} /trace value                                                      0       0    397       0
      costs: exchanges that declaring the path under `compare` saves until promotion,
             ? if promotion is out of reach at the present rates

    Suggested for `compare: {rules: […]}`, if that is meant to differ
      - {"at": "GET /search /at", "like": "id"}
        identifiers; explains 411/411 of the control, hides none of the candidate alone; costs 0
      - {"at": "GET /search /items", "array": "unordered"}
        the same elements, reordered; explains 411/411 of the control, hides none of the candidate alone; costs 0
      - {"at": "GET /search /items/*/seen", "absolute": 10}
        numbers near each other; explains 411/411 of the control, hides none of the candidate alone; costs 0
      - {"at": "GET /items/{id} /trace", "like": "id"}
        identifiers; explains 397/397 of the control, hides none of the candidate alone; costs 0
      - {"at": "GET /quotes /quotes", "array": "unordered"}
        the same elements, reordered; explains 336/336 of the control, hides 20/20 of the candidate alone; costs 0
      - {"at": "GET /cart /tags", "ignore": true}
        no narrower rule explains them; explains 186/186 of the control, hides 105/105 of the candidate alone;
        costs 0
    "#);
}

#[test]
fn a_report_that_waits() {
    insta::assert_snapshot!(read(&drive(2, 300, Defects::None)).to_text(false), @r#"
    shop  WAIT
      ! 5 endpoints with 100 % of the exchanges are not shown to be at most 2 % worse: GET /status, GET /search,
        GET /quotes, GET /cart, GET /items/{id}.
      - at most 2.5 % of exchanges worse is shown, must be below 0.5 % (814 to 1,627 more exchanges)
      - /tags extra: shown to be worse than the control in at most 39 % of exchanges, must be below 5 % (3,312 to
        16,539 more exchanges)
      - /trace farther: shown to be farther off than the control in at most 47 % of exchanges, must be below 10 %
        (2,265 to 11,316 more exchanges)
      - /at farther: shown to be farther off than the control in at most 42 % of exchanges, must be below 10 %
        (1,800 to 9,000 more exchanges)
      - /items/*/seen farther: shown to be farther off than the control in at most 31 % of exchanges, must be
        below 10 % (1,171 to 5,846 more exchanges)
      - /quotes order: shown to be worse than the control in at most 16 % of exchanges, must be below 5 %; 5 more
        places are like that (979 to 4,884 more exchanges)
      - only 0 % of the traffic is at endpoints shown to be at most 2 % worse; 95 % is needed (1,223 to 2,445 more
        exchanges)
      - latency: the candidate is not yet shown, beside the control, to be at most 25 % higher at p99 (271 to
        1,351 more exchanges)
      promotion: 3,312 to 16,539 more exchanges, 9 h to 46 h at the present rate
      300 exchanges, 300 with control, 300 effective; at most 2.5 % worse

    Endpoints
                                              exchanges  effective  worse ≤                 p50     p90     p99
      GET /status                                    70         70   5.81 %  primary      4.1ms   6.1ms  ≥7.0ms
                                                                             candidate    4.2ms   5.9ms  ≥7.0ms
                                                                             control      4.1ms   5.9ms  ≥6.1ms
      GET /search                                    62         62   6.45 %  primary      3.9ms   5.4ms  ≥5.9ms
                                                                             candidate    4.0ms   6.1ms  ≥6.9ms
                                                                             control      4.0ms   5.6ms  ≥6.1ms
      GET /quotes                                    61         61   6.55 %  primary      4.2ms   6.3ms  ≥6.4ms
                                                                             candidate    3.9ms   5.2ms  ≥5.7ms
                                                                             control      4.4ms   5.5ms  ≥5.8ms
      GET /cart                                      54         54     13 %  primary      4.1ms   6.5ms  ≥6.6ms
                                                                             candidate    3.7ms   5.5ms  ≥5.5ms
                                                                             control      4.0ms   5.5ms  ≥5.8ms
      GET /items/{id}                                53         53   7.68 %  primary      3.6ms   5.6ms  ≥6.3ms
                                                                             candidate    3.4ms   5.9ms  ≥6.0ms
                                                                             control      3.8ms   5.6ms  ≥5.8ms
      all                                           300        300    2.5 %  primary      4.0ms   6.0ms  ≥7.3ms
                                                                             candidate    3.9ms   5.7ms  ≥7.0ms
                                                                             control      4.1ms   5.7ms  ≥6.5ms

    Not yet told apart: the candidate differs more often than the control, maybe by chance
                                                                                candidate control   both
      GET /cart /tags extra                                                             9       2     10

    Noise: the control differs as well
                                                                                candidate control   both   costs
      GET /cart /tags missing                                                           3      11      7    6250
      GET /quotes /quotes order                                                         3       2     56    1036
      GET /search /at value                                                             0       0     62    2874
      GET /search /items order                                                          0       0     62       0
      GET /search /items/*/seen value                                                   0       0     62    1465
      GET /items/{id} /trace value                                                      0       0     53    3912
      costs: exchanges that declaring the path under `compare` saves until promotion,
             ? if promotion is out of reach at the present rates

    Suggested for `compare: {rules: […]}`, if that is meant to differ
      - {"at": "GET /cart /tags", "ignore": true}
        no narrower rule explains them; explains 30/30 of the control, hides 12/12 of the candidate alone; costs
        6250
      - {"at": "GET /items/{id} /trace", "like": "id"}
        identifiers; explains 53/53 of the control, hides none of the candidate alone; costs 3912
      - {"at": "GET /search /at", "like": "id"}
        identifiers; explains 62/62 of the control, hides none of the candidate alone; costs 2874
      - {"at": "GET /search /items/*/seen", "absolute": 10}
        numbers near each other; explains 62/62 of the control, hides none of the candidate alone; costs 1465
      - {"at": "GET /quotes /quotes", "array": "unordered"}
        the same elements, reordered; explains 58/58 of the control, hides 3/3 of the candidate alone; costs 1036
      - {"at": "GET /search /items", "array": "unordered"}
        the same elements, reordered; explains 62/62 of the control, hides none of the candidate alone; costs 0
    "#);
    insta::assert_snapshot!(read(&Evidence::new()).to_text(false), @r#"
    shop  WAIT
      ! To see beforehand how noisy the service is, let the candidate's variant name the cluster of the stable
        version: the report is then a calibration, and shows what a promotion will take.
      - no exchange has been compared yet (618 to 1,235 more exchanges)
      promotion: 618 to 1,235 more exchanges
    "#);
}

#[test]
fn a_report_for_a_pull_request() {
    let report = read(&drive(1, 2_000, Defects::Seeded)).to_markdown();
    insta::assert_snapshot!(report);
    for line in report.lines().filter(|line| line.starts_with('|')) {
        let columns = |line: &str| line.replace("\\|", "").matches('|').count();
        assert!((5..=9).contains(&columns(line)), "{line}");
    }
    assert_eq!(report.matches("<details>").count(), report.matches("</details>").count());
}

/// What has no place of its own says so the same way in every part of the page.
#[test]
fn a_whole_body_is_named() {
    let leg = |body: &str| {
        let mut leg = answer(200, body.to_owned(), 1_000);
        leg.response.as_mut().unwrap().headers.clear();
        leg
    };
    let driven = |exchanges, control: Option<&str>| {
        let mut evidence = Evidence::new();
        for number in 1..=exchanges {
            let observation = exchange(number, "/", leg("a"), leg("b"), control.map(leg));
            evidence.observe(&observation, &Rules::default());
        }
        read(&evidence).to_text(false)
    };
    let check = |text: String, expected: &str| assert!(text.contains(expected), "{expected}\n{text}");
    let found = driven(40, Some("a"));
    check(found.clone(), "- GET / (body) value: only the candidate differs 40×");
    check(found, "\nRegressions (1)\n  GET / (body) value\n");
    check(driven(1, Some("a")), "\n  GET / (body) value             ");
    check(driven(1, Some("a")), "\nNot yet told apart: ");
    check(driven(1, Some("c")), "\nNoise: the control differs as well\n");
    check(driven(1, None), "\n  GET / (body) value             ");
}

#[test]
fn what_differs_in_one_place_at_many_endpoints_is_one_reason() {
    let leg = |build: &str, body: &str| {
        let mut leg = answer(200, body.to_owned(), 1_000);
        leg.response.as_mut().unwrap().headers = vec![("x-build".into(), build.into())];
        leg
    };
    let mut evidence = Evidence::new();
    let paths = ["/a", "/b", "/c", "/d", "/e", "/f", "/g", "/h"];
    let times =
        (0..60).flat_map(|turn| paths.iter().enumerate().map(move |(place, path)| (turn, place, path)));
    for (number, (turn, place, path)) in (1..).zip(times) {
        // Rarer at each endpoint than at the one before; at the last the body differs, too.
        let build = if turn < 60 - place { "2" } else { "1" };
        let body = if *path == "/h" && turn < 40 { "b" } else { "a" };
        let (old, new) = (leg("1", "a"), leg(build, body));
        evidence.observe(&exchange(number, path, old.clone(), new, Some(old)), &Rules::default());
    }
    let report = read(&evidence);
    assert_eq!(report.regressions.len(), 9);
    let reasons: Vec<&str> =
        report.reasons.iter().filter_map(|reason| reason.split(" (evidence").next()).collect();
    assert_eq!(
        reasons,
        [
            "GET /h (body) value: only the candidate differs 40×, only the control 0×",
            "GET /a header:x-build value: only the candidate differs 60×, only the control 0×"
        ]
    );
    assert!(report.reasons[1].ends_with(", and at 7 more endpoints"), "{:?}", report.reasons);
    assert_eq!(report.reason_details.len(), 2);
    let causes: Vec<u64> = report.regressions.iter().map(|found| found.cause).collect();
    assert_eq!(causes, [1, 2, 2, 2, 2, 2, 2, 2, 2]);
    let text = report.to_text(false);
    assert!(text.contains("Regressions (2 at 9 places)"), "{text}");
    assert!(text.contains("the same at: GET /b, GET /c, GET /d, GET /e and 3 more\n"), "{text}");
}

/// A proxy in front that adds, or strips, a dozen headers is one cause.
#[test]
fn headers_that_differ_in_one_way_are_one_finding() {
    let leg = |names: &[&str]| {
        let mut leg = answer(200, "a".to_owned(), 1_000);
        leg.response.as_mut().unwrap().headers =
            names.iter().map(|name| ((*name).into(), "1".into())).collect();
        leg
    };
    let mut evidence = Evidence::new();
    for number in 1..=60 {
        let (old, new) = (leg(&["x-a", "x-b", "x-c"]), leg(&["x-d"]));
        evidence.observe(&exchange(number, "/", old.clone(), new, Some(old)), &Rules::default());
    }
    let report = read(&evidence);
    let causes: Vec<_> = report.regressions.iter().map(|found| (found.cause, found.kind)).collect();
    let of = |kind| causes.iter().filter(move |cause| cause.1 == kind).map(|cause| cause.0);
    assert_eq!(
        (of(Kind::Missing).count(), of(Kind::Missing).collect::<BTreeSet<_>>().len()),
        (3, 1),
        "{causes:?}"
    );
    assert!(
        report.reasons.iter().any(|reason| reason.ends_with(", and 2 more like it")),
        "{:?}",
        report.reasons
    );
    assert!(report.to_text(false).contains("the same with: header:x-b, header:x-c\n"));
}

#[test]
fn hostile_names_neither_break_the_page_nor_the_terminal() {
    let mut evidence = Evidence::new();
    let path = format!("/\u{1b}]0;owned\u{7}{}", "x".repeat(5_000));
    for number in 1..=100 {
        let leg = |value: u32| answer(200, format!("{{\"\\u001b[31m{}\":{value}}}", "k".repeat(5_000)), 1);
        evidence.observe(&exchange(number, &path, leg(1), leg(2), Some(leg(1))), &Rules::default());
    }
    for text in [read(&evidence).to_text(false), evidence_text(&evidence)] {
        assert!(text.contains("ROLL BACK"));
        assert!(!text.replace("\u{1b}[1", "").replace("\u{1b}[0m", "").contains('\u{1b}'), "{text:?}");
    }
    let plain = read(&evidence).to_text(false);
    assert!(plain.lines().all(|line| line.chars().count() <= 110), "{plain}");
}

fn evidence_text(evidence: &Evidence) -> String {
    read(evidence).to_text(true)
}
