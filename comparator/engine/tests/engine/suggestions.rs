//! From observations to rules that a person may paste: what the control shows is explained, and what that would hide is said.

use antumbra_engine::{Evidence, Row, Rules, Suggestion, TextStyle};

use crate::world::{Defects, Dice, answer, drive, exchange, read};

/// An answer of the stable version, or of one whose state is another.
fn serve(dice: &mut Dice, second: u64, state: &str) -> String {
    let mut tags = ["a", "b", "c", "d", "e"];
    dice.shuffle(&mut tags);
    let (at, unix) = (dice.next() % 4, 1_770_000_000 + second + dice.next() % 4);
    let id =
        format!("{:08x}-{:04x}-4000-8000-{:012x}", dice.next() as u32, dice.next() as u16, dice.next() >> 16);
    let (load, price) = (20.0 + dice.uniform() / 10.0, 100.0 * (1.0 + dice.uniform() / 25.0));
    let country = if dice.chance(0.5) { "Italy" } else { "ITALY" };
    let note = if dice.chance(0.5) { ",\"note\":null" } else { "" };
    let mood = ["fine", "so so", "bad"][(dice.next() % 3) as usize];
    format!(
        r#"{{"at":"2026-02-04T12:{:02}:{at:02}Z","unix":{unix},"id":"{id}","trace":"{:016x}","load":{load:.3},
        "price":{price:.2},"country":"{country}"{note},"tags":{tags:?},"mood":"{mood}","state":"{state}"}}"#,
        second % 60,
        dice.next(),
    )
}

fn evidence(exchanges: u64) -> Evidence {
    let (mut dice, mut evidence) = (Dice(3), Evidence::new());
    for number in 1..=exchanges {
        let mut leg = |state| answer(200, serve(&mut dice, number, state), 1_000);
        let (primary, control) = (leg("open"), leg("open"));
        let candidate = leg(if number % 10 == 0 { "shut" } else { "open" });
        evidence
            .observe(&exchange(number, "/orders/7", primary, candidate, Some(control)), &Rules::default());
    }
    evidence
}

fn lines(suggestions: &[Suggestion]) -> Vec<String> {
    let mut lines: Vec<String> = suggestions
        .iter()
        .map(|s| format!("{} {}/{} hides {}/{}", s.rule, s.explains, s.of, s.hides, s.hides_of))
        .collect();
    lines.sort();
    lines
}

#[test]
fn the_noise_of_the_control_suggests_rules() {
    let evidence = evidence(400);
    let found: Vec<String> =
        read(&evidence).suggestions.iter().map(|s| format!("{} {}", s.rule, s.because)).collect();
    let expect =
        |rule: &str| assert!(found.iter().any(|line| line.starts_with(rule)), "{rule} is not in {found:#?}");
    for rule in [
        r#"{"at": "GET /orders/{id} /at", "time": "5s"} times near each other"#,
        r#"{"at": "GET /orders/{id} /unix", "time": "5s"}"#,
        r#"{"at": "GET /orders/{id} /id", "like": "uuid"}"#,
        r#"{"at": "GET /orders/{id} /trace", "like": "id"}"#,
        r#"{"at": "GET /orders/{id} /load", "relative": 0.01}"#,
        r#"{"at": "GET /orders/{id} /price", "relative": 0.05}"#,
        r#"{"at": "GET /orders/{id} /country", "ignoreCase": true}"#,
        r#"{"at": "GET /orders/{id} /note", "nullIsAbsent": true}"#,
        r#"{"at": "GET /orders/{id} /tags", "array": "unordered"}"#,
        r#"{"at": "GET /orders/{id} /mood", "ignore": true} no narrower rule"#,
    ] {
        expect(rule);
    }
    assert_eq!(found.len(), 10, "{found:#?}");
    assert!(!found.iter().any(|line| line.contains("/state")), "only the candidate differs there");
}

#[test]
fn a_suggestion_outlives_a_restart() {
    let mut all = evidence(200);
    let rows: Vec<Row> = all.take_dirty().collect();
    let restored = Evidence::restore(rows).unwrap();
    assert_eq!(read(&restored).suggestions, read(&all).suggestions);
    assert!(!read(&restored).suggestions.is_empty());
}

/// A candidate that breaks what is noisy anyway.
#[test]
fn what_a_suggestion_would_hide_is_said() {
    let mut evidence = Evidence::new();
    for number in 1..=100 {
        let body = |at: u64| answer(200, format!(r#"{{"at":{}}}"#, 1_770_000_000 + at), 1_000);
        // In half of them the control is a second late, in the others the candidate is an hour.
        let (candidate, control) = if number % 2 == 0 { (0, 1) } else { (3_000, 0) };
        evidence.observe(
            &exchange(number, "/", body(0), body(candidate), Some(body(control))),
            &Rules::default(),
        );
    }
    assert_eq!(
        lines(&read(&evidence).suggestions),
        [r#"{"at": "GET / /at", "time": "1s"} 50/50 hides 0/50"#]
    );
    let mut evidence = Evidence::new();
    for number in 1..=100 {
        let body = |mood: &str| answer(200, format!(r#"{{"mood":"{mood}","of":{{"x":"{mood}"}}}}"#), 1_000);
        let (candidate, control) = if number % 4 == 0 { ("good", "bad") } else { ("bad", "good") };
        evidence.observe(
            &exchange(number, "/", body("good"), body(candidate), Some(body(control))),
            &Rules::default(),
        );
    }
    let report = read(&evidence);
    assert_eq!(
        lines(&report.suggestions),
        [
            r#"{"at": "GET / /mood", "ignore": true} 25/25 hides 75/75"#,
            r#"{"at": "GET / /of/x", "ignore": true} 25/25 hides 75/75"#
        ]
    );
    assert!(
        report
            .to_text(TextStyle::default())
            .contains("explains 25/25 of the control, hides 75/75 of the candidate alone; costs"),
        "{}",
        report.to_text(TextStyle::default())
    );
}

/// A time that every endpoint tells is one kind of noise, and one rule; a member of the same name that is noisy in another way at one of
/// them is not forced under it.
#[test]
fn noise_of_one_kind_at_many_endpoints_is_one_suggestion() {
    let mut evidence = Evidence::new();
    for number in 1..=120_u64 {
        let path = ["/a", "/b", "/c"][(number % 3) as usize];
        let body = |leg: u64| {
            let at = 1_770_000_000 + (number + leg) % 4;
            let id = (number * 7 + leg) * 1_000_003;
            let odd = if path == "/a" { format!("\"{id}\"") } else { format!("\"n{}\"", leg + number % 2) };
            answer(200, format!(r#"{{"at":{at},"odd":{odd}}}"#), 1_000)
        };
        let candidate =
            if number == 30 { answer(200, r#"{"at":0,"odd":"n0"}"#.to_owned(), 1_000) } else { body(2) };
        evidence.observe(&exchange(number, path, body(0), candidate, Some(body(1))), &Rules::default());
    }
    let report = read(&evidence);
    let of = |path: &str| report.suggestions.iter().filter(|s| s.path == path).collect::<Vec<_>>();
    let at = of("/at");
    assert_eq!(at.len(), 1, "{:#?}", report.suggestions);
    assert_eq!((at[0].rule.as_str(), at[0].endpoints), (r#"{"at": "/at", "time": "5s"}"#, 3));
    assert_eq!((at[0].explains, at[0].of), (120, 120), "over all of them");
    assert!(
        of("/odd").iter().any(|s| s.rule.starts_with(r#"{"at": "GET /a /odd", "relative""#)),
        "{:#?}",
        of("/odd")
    );
    assert!(
        report
            .to_text(TextStyle::default())
            .contains("times near each other at 3 endpoints; explains 120/120")
    );
}

#[test]
fn seldom_noise_suggests_nothing() {
    assert_eq!(lines(&read(&evidence(4)).suggestions), [""; 0]);
    let seeded = read(&drive(1, 2_000, Defects::Seeded));
    assert!(seeded.suggestions.iter().all(|s| s.explains * 100 >= s.of * 99 && s.of >= 5));
}
