//! The report as people read it.

use std::collections::BTreeSet;

use crate::world::{Defects, answer, drive, exchange, read};
use antumbra_engine::{Delivery, Evidence, Gates, Kind, Rules, TextStyle};

/// The last line of a summary.
const MORE: &str = "more: antumbra report --full";

/// What one sees first is at most twenty lines, however narrow the terminal and however much there is to say.
#[test]
fn a_summary_is_short_and_keeps_to_its_width() {
    let narrow = TextStyle { columns: 60, ..TextStyle::default() };
    for (evidence, what) in [
        (drive(1, 2_000, Defects::Seeded), "roll back"),
        (drive(2, 300, Defects::None), "wait"),
        (Evidence::new(), "none"),
    ] {
        let report = read(&evidence);
        for style in [TextStyle::default(), narrow] {
            let text = report.to_summary(style, MORE);
            assert!(text.lines().count() <= 20, "{what}\n{text}");
            let whole = report.to_text(style);
            // A rule that is to be pasted is never cut.
            let lines = text.lines().chain(whole.lines().filter(|line| !line.starts_with("  - {")));
            let wide: Vec<&str> = lines.filter(|line| line.chars().count() > style.columns).collect();
            assert!(wide.is_empty(), "{what}: {wide:#?}");
        }
    }
}

#[test]
fn a_summary_that_rolls_back() {
    let report = read(&drive(1, 2_000, Defects::Seeded));
    insta::assert_snapshot!(report.to_summary(TextStyle::default(), MORE), @r#"
    shop  ROLL BACK
      2,000 exchanges compared
      - GET /quotes: another status in 36 of 392 answers of the candidate, never in the stable version (evidence
        10^10)
          GET /quotes: 200 → 500
      - GET /items/{id} /stock: of another type in 397 of 397 answers of the candidate, never in the stable
        version (evidence 10^118)
          GET /items/17 at /stock: 12 → "12"
      - GET /cart /total: missing in 386 of 386 answers of the candidate, never in the stable version (evidence
        10^115)
          GET /cart at /total: 99 → (absent)
      - GET /search /items/*/price: wrong in 411 of 411 answers of the candidate, never in the stable version
        (evidence 10^122)
          GET /search?q=a at /items/5/price: 30 → 31
      - GET /status latency: p99 7.9 → 233 ms (29×) (evidence 10^4.7)
      more: antumbra report --full
    "#);
    let narrow = TextStyle { columns: 60, ..TextStyle::default() };
    insta::assert_snapshot!(report.to_summary(narrow, MORE), @r#"
    shop  ROLL BACK
      2,000 exchanges compared
      - GET /quotes: another status in 36 of 392 answers of the
        candidate, never in the stable version (evidence 10^10)
          GET /quotes: 200 → 500
      - GET /items/{id} /stock: of another type in 397 of 397
        answers of the candidate, never in the stable version
        (evidence 10^118)
          GET /items/17 at /stock: 12 → "12"
      - GET /cart /total: missing in 386 of 386 answers of the
        candidate, never in the stable version (evidence 10^115)
          GET /cart at /total: 99 → (absent)
      - GET /search /items/*/price: wrong in 411 of 411 answers
        of the candidate, never in the stable version (evidence
        10^122)
          GET /search?q=a at /items/5/price: 30 → 31
      - GET /status latency: p99 7.9 → 233 ms (29×) (evidence
        10^4.7)
      more: antumbra report --full
    "#);
    insta::assert_snapshot!(report.to_text(narrow), @r#"
    shop  ROLL BACK
      - GET /quotes: another status in 36 of 392 answers of the
        candidate, never in the stable version (evidence 10^10)
      - GET /items/{id} /stock: of another type in 397 of 397
        answers of the candidate, never in the stable version
        (evidence 10^118)
      - GET /cart /total: missing in 386 of 386 answers of the
        candidate, never in the stable version (evidence 10^115)
      - GET /search /items/*/price: wrong in 411 of 411 answers
        of the candidate, never in the stable version (evidence
        10^122)
      - GET /status latency: p99 7.9 → 233 ms (29×) (evidence
        10^4.7)
      2,000 exchanges, 2,000 compared with a control, 2,000 of
        which answered like the primary; up to 65 % of answers
        may be worse
      answers by status (primary, candidate, control): 200
        2,000, 1,964, 2,000; 500 0, 36, 0

    Regressions (5)
      GET /quotes status
          another status in 36 of 392 answers of the candidate,
          never in the stable version (evidence 10^10)
          example 0000000000000000000000000000010f
            request   GET /quotes
            primary   200
            candidate 500
            control   200
      GET /items/{id} /stock type
          of another type in 397 of 397 answers of the
          candidate, never in the stable version (evidence
          10^118)
          example 0000000000000000000000000000041c at /stock
            request   GET /items/17
            primary   12
            candidate "12"
            control   12
      GET /cart /total missing
          missing in 386 of 386 answers of the candidate, never
          in the stable version (evidence 10^115)
          example 00000000000000000000000000000730 at /total
            request   GET /cart
            primary   99
            candidate (absent)
            control   99
      GET /search /items/*/price value
          wrong in 411 of 411 answers of the candidate, never in
          the stable version (evidence 10^122)
          example 00000000000000000000000000000070 at /items/5/…
            request   GET /search?q=a
            primary   30
            candidate 31
            control   30
      GET /status latency
          p99 7.9 → 233 ms (29×) (evidence 10^4.7)
          slower than 20 × the control + 1 ms in 24 of 414
          exchanges, the control in 0

    Endpoints
      GET /status
        414 exchanges, up to 0.92 % worse
        primary      4.1ms   5.9ms  ≥7.1ms
        candidate    4.1ms   6.4ms  ≥192ms
        control      3.9ms   6.1ms  ≥7.2ms
      GET /search
        411 exchanges, up to 100 % worse
        primary      3.9ms   5.7ms  ≥6.7ms
        candidate    4.0ms   6.2ms  ≥7.1ms
        control      4.0ms   5.7ms  ≥6.8ms
      GET /items/{id}
        397 exchanges, up to 100 % worse
        primary      3.9ms   5.9ms  ≥7.1ms
        candidate    3.8ms   5.6ms  ≥6.6ms
        control      3.9ms   5.8ms  ≥6.9ms
      GET /quotes
        392 exchanges, up to 15 % worse
        primary      3.9ms   6.0ms  ≥7.1ms
        candidate    3.9ms   5.8ms  ≥7.1ms
        control      4.0ms   5.8ms  ≥6.9ms
      GET /cart
        386 exchanges, up to 100 % worse
        primary      4.0ms   5.6ms  ≥6.7ms
        candidate    4.0ms   6.0ms  ≥6.7ms
        control      3.9ms   6.0ms  ≥7.0ms
      all
        2,000 exchanges, up to 65 % worse
        primary      4.0ms   5.8ms   7.9ms
        candidate    4.0ms   6.0ms   155ms
        control      3.9ms   5.8ms   7.9ms

    Noise: the stable version differs as well
      GET /cart /tags extra
        candidate 55, control 50, both 40; costs 0
      GET /cart /tags missing
        candidate 50, control 42, both 54; costs 0
      GET /quotes /quotes order
        candidate 20, control 18, both 318; costs 0
      GET /search /at value
        candidate 0, control 0, both 411; costs 0
      GET /search /items order
        candidate 0, control 0, both 411; costs 0
      GET /search /items/*/seen value
        candidate 0, control 0, both 411; costs 0
      GET /items/{id} /trace value
        candidate 0, control 0, both 397; costs 0
      costs: exchanges that a promotion needs less if the path
        is declared under `compare`

    Suggested for `compare: {rules: […]}`, if it is meant to
    differ
      - {"at": "GET /search /at", "like": "id"}
        identifiers; explains 411/411 of the control, hides none
        of the candidate alone; costs 0
      - {"at": "GET /search /items", "array": "unordered"}
        the same elements, reordered; explains 411/411 of the
        control, hides none of the candidate alone; costs 0
      - {"at": "GET /search /items/*/seen", "absolute": 10}
        numbers near each other; explains 411/411 of the
        control, hides none of the candidate alone; costs 0
      - {"at": "GET /items/{id} /trace", "like": "id"}
        identifiers; explains 397/397 of the control, hides none
        of the candidate alone; costs 0
      - {"at": "GET /quotes /quotes", "array": "unordered"}
        the same elements, reordered; explains 336/336 of the
        control, hides 20/20 of the candidate alone; costs 0
      - {"at": "GET /cart /tags", "ignore": true}
        no narrower rule explains them; explains 186/186 of the
        control, hides 105/105 of the candidate alone; costs 0
    "#);
}

/// Each false alarm stands with its own example.
#[test]
fn a_summary_of_a_calibration() {
    let gates = Gates { calibration: true, ..Gates::default() };
    let evidence = drive(1, 2_000, Defects::Seeded);
    let delivery = Delivery { known: true, mirrored: evidence.exchanges(), ..Delivery::default() };
    let report = antumbra_engine::report("shop", &evidence, &gates, &delivery);
    insta::assert_snapshot!(report.to_summary(TextStyle::default(), MORE), @r#"
    shop  WAIT
      2,000 exchanges compared; up to 65 % of answers may be worse
      - calibration: candidate and control are the same version; 2,000 exchanges, 5 FALSE ALARMS: the two do not
        answer alike
      - GET /quotes: another status in 36 of 392 answers of the candidate, never in the stable version (evidence
        10^10)
          GET /quotes: 200 → 500
      - GET /items/{id} /stock: of another type in 397 of 397 answers of the candidate, never in the stable
        version (evidence 10^118)
          GET /items/17 at /stock: 12 → "12"
      - GET /cart /total: missing in 386 of 386 answers of the candidate, never in the stable version (evidence
        10^115)
          GET /cart at /total: 99 → (absent)
      - GET /search /items/*/price: wrong in 411 of 411 answers of the candidate, never in the stable version
        (evidence 10^122)
          GET /search?q=a at /items/5/price: 30 → 31
      - GET /status latency: p99 7.9 → 233 ms (29×) (evidence 10^4.7)
        and 8 more
      more: antumbra report --full
    "#);
}

#[test]
fn a_summary_that_waits() {
    let report = read(&drive(2, 300, Defects::None));
    insta::assert_snapshot!(report.to_summary(TextStyle::default(), MORE), @r#"
    shop  WAIT
      300 exchanges compared; up to 2.5 % of answers may be worse
      - up to 2.5 % of answers may be worse, must be below 0.5 %: 814 to 1,627 more exchanges
      - /tags extra: up to 39 % may be worse than its noise, must be below 5 %: 3,312 to 16,539 more exchanges
      - /trace farther: up to 47 % may be farther off, must be below 10 %: 2,265 to 11,316 more exchanges
      - /at farther: up to 42 % may be farther off, must be below 10 %: 1,800 to 9,000 more exchanges
      - /items/*/seen farther: up to 31 % may be farther off, must be below 10 %: 1,171 to 5,846 more exchanges
      - /quotes order: up to 16 % may be worse than its noise, must be below 5 %; so for 5 more places: 979 to
        4,884 more exchanges
      - 5 endpoints need more traffic (most: GET /cart): 1,223 to 2,445 more exchanges
      - latency: too few exchanges to rule out that p99 is 25 % higher: 271 to 1,351 more exchanges
      needed: 3,312 to 16,539 more exchanges, 9 h to 46 h at the present rate
      more: antumbra report --full
    "#);
}

#[test]
fn a_report_that_rolls_back() {
    let text = read(&drive(1, 2_000, Defects::Seeded)).to_text(TextStyle::default());
    assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
    insta::assert_snapshot!(text, @r#"
    shop  ROLL BACK
      - GET /quotes: another status in 36 of 392 answers of the candidate, never in the stable version (evidence
        10^10)
      - GET /items/{id} /stock: of another type in 397 of 397 answers of the candidate, never in the stable
        version (evidence 10^118)
      - GET /cart /total: missing in 386 of 386 answers of the candidate, never in the stable version (evidence
        10^115)
      - GET /search /items/*/price: wrong in 411 of 411 answers of the candidate, never in the stable version
        (evidence 10^122)
      - GET /status latency: p99 7.9 → 233 ms (29×) (evidence 10^4.7)
      2,000 exchanges, 2,000 compared with a control, 2,000 of which answered like the primary; up to 65 % of
        answers may be worse
      answers by status (primary, candidate, control): 200 2,000, 1,964, 2,000; 500 0, 36, 0

    Regressions (5)
      GET /quotes status
          another status in 36 of 392 answers of the candidate, never in the stable version (evidence 10^10)
          example 0000000000000000000000000000010f
            request   GET /quotes
            primary   200
            candidate 500
            control   200
      GET /items/{id} /stock type
          of another type in 397 of 397 answers of the candidate, never in the stable version (evidence 10^118)
          example 0000000000000000000000000000041c at /stock
            request   GET /items/17
            primary   12
            candidate "12"
            control   12
      GET /cart /total missing
          missing in 386 of 386 answers of the candidate, never in the stable version (evidence 10^115)
          example 00000000000000000000000000000730 at /total
            request   GET /cart
            primary   99
            candidate (absent)
            control   99
      GET /search /items/*/price value
          wrong in 411 of 411 answers of the candidate, never in the stable version (evidence 10^122)
          example 00000000000000000000000000000070 at /items/5/price
            request   GET /search?q=a
            primary   30
            candidate 31
            control   30
      GET /status latency
          p99 7.9 → 233 ms (29×) (evidence 10^4.7)
          slower than 20 × the control + 1 ms in 24 of 414 exchanges, the control in 0

    Endpoints
                                              exchanges like prim.  worse ≤                 p50     p90     p99
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

    Noise: the stable version differs as well
                                                                                candidate control   both   costs
      GET /cart /tags extra                                                            55      50     40       0
      GET /cart /tags missing                                                          50      42     54       0
      GET /quotes /quotes order                                                        20      18    318       0
      GET /search /at value                                                             0       0    411       0
      GET /search /items order                                                          0       0    411       0
      GET /search /items/*/seen value                                                   0       0    411       0
      GET /items/{id} /trace value                                                      0       0    397       0
      costs: exchanges that a promotion needs less if the path is declared under `compare`

    Suggested for `compare: {rules: […]}`, if it is meant to differ
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
    insta::assert_snapshot!(read(&drive(2, 300, Defects::None)).to_text(TextStyle::default()), @r#"
    shop  WAIT
      ! 5 endpoints with 100 % of the exchanges need more traffic to show that at most 2 % are worse: GET /status,
        GET /search, GET /quotes, GET /cart, GET /items/{id}.
      - up to 2.5 % of answers may be worse, must be below 0.5 %: 814 to 1,627 more exchanges
      - /tags extra: up to 39 % may be worse than its noise, must be below 5 %: 3,312 to 16,539 more exchanges
      - /trace farther: up to 47 % may be farther off, must be below 10 %: 2,265 to 11,316 more exchanges
      - /at farther: up to 42 % may be farther off, must be below 10 %: 1,800 to 9,000 more exchanges
      - /items/*/seen farther: up to 31 % may be farther off, must be below 10 %: 1,171 to 5,846 more exchanges
      - /quotes order: up to 16 % may be worse than its noise, must be below 5 %; so for 5 more places: 979 to
        4,884 more exchanges
      - 5 endpoints need more traffic (most: GET /cart): 1,223 to 2,445 more exchanges
      - latency: too few exchanges to rule out that p99 is 25 % higher: 271 to 1,351 more exchanges
      needed: 3,312 to 16,539 more exchanges, 9 h to 46 h at the present rate
      300 exchanges, 300 compared with a control, 300 of which answered like the primary; up to 2.5 % of answers
        may be worse

    Endpoints
                                              exchanges like prim.  worse ≤                 p50     p90     p99
      GET /status                                    70         70   5.81 %  primary      4.1ms   6.1ms       –
                                                                             candidate    4.2ms   5.9ms       –
                                                                             control      4.1ms   5.9ms       –
      GET /search                                    62         62   6.45 %  primary      3.9ms   5.4ms       –
                                                                             candidate    4.0ms   6.1ms       –
                                                                             control      4.0ms   5.6ms       –
      GET /quotes                                    61         61   6.55 %  primary      4.2ms   6.3ms       –
                                                                             candidate    3.9ms   5.2ms       –
                                                                             control      4.4ms   5.5ms       –
      GET /cart                                      54         54     13 %  primary      4.1ms   6.5ms       –
                                                                             candidate    3.7ms   5.5ms       –
                                                                             control      4.0ms   5.5ms       –
      GET /items/{id}                                53         53   7.68 %  primary      3.6ms   5.6ms       –
                                                                             candidate    3.4ms   5.9ms       –
                                                                             control      3.8ms   5.6ms       –
      all                                           300        300    2.5 %  primary      4.0ms   6.0ms  ≥7.3ms
                                                                             candidate    3.9ms   5.7ms  ≥7.0ms
                                                                             control      4.1ms   5.7ms  ≥6.5ms

    Not yet told apart: the candidate differs more often, maybe by chance
                                                                                candidate control   both
      GET /cart /tags extra                                                             9       2     10

    Noise: the stable version differs as well
                                                                                candidate control   both   costs
      GET /cart /tags missing                                                           3      11      7   6,250
      GET /quotes /quotes order                                                         3       2     56   1,036
      GET /search /at value                                                             0       0     62   2,874
      GET /search /items order                                                          0       0     62       0
      GET /search /items/*/seen value                                                   0       0     62   1,465
      GET /items/{id} /trace value                                                      0       0     53   3,912
      costs: exchanges that a promotion needs less if the path is declared under `compare`

    Suggested for `compare: {rules: […]}`, if it is meant to differ
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
    insta::assert_snapshot!(read(&Evidence::new()).to_text(TextStyle::default()), @r#"
    shop  WAIT
      ! Tip: set the cluster of the candidate's variant to that of the control to measure the noise first.
      - no exchange has been compared yet: 618 to 1,235 more exchanges
      needed: 618 to 1,235 more exchanges
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
        read(&evidence).to_text(TextStyle::default())
    };
    let check = |text: String, expected: &str| assert!(text.contains(expected), "{expected}\n{text}");
    let found = driven(40, Some("a"));
    check(found.clone(), "- GET / (body): wrong in 40 of 40 answers of the candidate");
    check(found, "\nRegressions (1)\n  GET / (body) value\n");
    check(driven(1, Some("a")), "\n  GET / (body) value             ");
    check(driven(1, Some("a")), "\nNot yet told apart: ");
    check(driven(1, Some("c")), "\nNoise: the stable version differs as well\n");
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
            "GET /h (body): wrong in 40 of 60 answers of the candidate, never in the stable version",
            "GET /a header:x-build: wrong in 60 of 60 answers of the candidate, never in the stable version"
        ]
    );
    assert!(report.reasons[1].ends_with(", and at 7 more endpoints"), "{:?}", report.reasons);
    assert_eq!(report.reason_details.len(), 2);
    let causes: Vec<u64> = report.regressions.iter().map(|found| found.cause).collect();
    assert_eq!(causes, [1, 2, 2, 2, 2, 2, 2, 2, 2]);
    let text = report.to_text(TextStyle::default());
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
    assert!(report.to_text(TextStyle::default()).contains("the same with: header:x-b, header:x-c\n"));
}

#[test]
fn hostile_names_neither_break_the_page_nor_the_terminal() {
    let mut evidence = Evidence::new();
    let path = format!("/\u{1b}]0;owned\u{7}{}", "x".repeat(5_000));
    for number in 1..=100 {
        let leg = |value: u32| answer(200, format!("{{\"\\u001b[31m{}\":{value}}}", "k".repeat(5_000)), 1);
        evidence.observe(&exchange(number, &path, leg(1), leg(2), Some(leg(1))), &Rules::default());
    }
    for text in [read(&evidence).to_text(TextStyle::default()), evidence_text(&evidence)] {
        assert!(text.contains("ROLL BACK"));
        assert!(!text.replace("\u{1b}[1", "").replace("\u{1b}[0m", "").contains('\u{1b}'), "{text:?}");
    }
    let plain = read(&evidence).to_text(TextStyle::default());
    assert!(plain.lines().all(|line| line.chars().count() <= 110), "{plain}");
}

fn evidence_text(evidence: &Evidence) -> String {
    read(evidence).to_text(TextStyle { colour: true, ..TextStyle::default() })
}
