//! Defects of which each endpoint shows too little, spread over many or at one that is rarely asked; and traffic that shows nothing at all.

use antumbra_engine::{Code, Evidence, Report, Rules, TextStyle, Verdict};

use crate::world::{Dice, answer, exchange, found, read};

/// The paths of many endpoints: letters, for digits are taken for identifiers.
fn path(number: u64) -> String {
    let letters: String =
        [676, 26, 1].iter().map(|unit| char::from(b'a' + (number / unit % 26) as u8)).collect();
    format!("/page-{letters}")
}

/// Exchanges over 200 endpoints. The candidate's answers are wrong in `wrong` of them, in a field of each endpoint's own or in one that
/// all have; both versions have as much noise in a field.
fn spread(seed: u64, exchanges: u64, wrong: f64, own_field: bool, noise: f64) -> Evidence {
    let mut dice = Dice(seed);
    let mut evidence = Evidence::new();
    for number in 1..=exchanges {
        let at = dice.next() % 200;
        let field = if own_field { path(at).replace('/', "") } else { "price".to_owned() };
        let mut leg = |wrong| {
            let price = if dice.chance(wrong) { 31 } else { 30 };
            let stock = if dice.chance(noise) { dice.next() % 1_000 } else { 1_000 };
            let latency = 20_000.0 * (0.1 * dice.normal()).exp();
            answer(200, format!(r#"{{"{field}":{price},"stock":{stock}}}"#), latency as u64)
        };
        let (primary, candidate, control) = (leg(0.0), leg(wrong), leg(0.0));
        evidence.observe(&exchange(number, &path(at), primary, candidate, Some(control)), &Rules::default());
    }
    evidence
}

#[test]
fn a_defect_that_is_spread_over_all_endpoints_is_found_at_its_place() {
    for seed in 1..=5 {
        let report = read(&spread(seed, 4_000, 0.03, false, 0.01));
        assert_eq!(report.verdict, Verdict::RollBack, "{seed}: {:?}", report.reasons);
        let at = found(&report).into_iter().find(|place| place.starts_with("* "));
        assert_eq!(at.as_deref(), Some("* /price value"), "{seed}: {:?}", report.reasons);
        let regression = report.regressions.iter().find(|regression| regression.endpoint == "*").unwrap();
        assert_eq!((regression.control_only, regression.exchanges), (0, 4_000));
        assert_eq!(regression.example.as_ref().map(|example| &*example.candidate), Some("31"));
        let noise = |report: &Report| report.noise.iter().any(|noise| noise.path == "/price");
        assert!(!noise(&report), "{seed}: what is a regression is no noise");
    }
}

/// Nothing but their number is common to the differences.
#[test]
fn a_defect_that_is_in_another_place_each_time_is_found_by_the_share_of_worse_exchanges() {
    for seed in 1..=5 {
        let report = read(&spread(seed, 4_000, 0.03, true, 0.01));
        assert_eq!(report.verdict, Verdict::RollBack, "{seed}: {:?}", report.reasons);
        assert!(found(&report).contains(&"*  any".to_owned()), "{seed}: {:?}", report.reasons);
        let reason = report
            .reasons
            .iter()
            .find(|reason| reason.starts_with("all endpoints: only the candidate differs in "))
            .unwrap();
        assert!(
            reason.contains(" of 4,000 exchanges, only the stable version in ")
                && reason.contains(" (evidence 10^"),
            "{reason}"
        );
        assert_eq!(report.reason_details[0].code, Code::Regression);
    }
}

/// Noise that is as frequent at both versions, at each of 200 endpoints.
#[test]
fn noise_that_is_spread_over_all_endpoints_is_none() {
    for seed in 1..=10 {
        for exchanges in [500, 2_000, 4_000] {
            let report = read(&spread(seed, exchanges, 0.0, false, 0.1));
            assert_ne!(report.verdict, Verdict::RollBack, "{seed}: {:?}", report.reasons);
        }
    }
}

/// Found at an endpoint, it is not said once more of all of them.
#[test]
fn what_is_found_at_an_endpoint_is_said_of_that() {
    let mut evidence = spread(1, 1_000, 0.0, false, 0.0);
    for number in 1_001..=1_400 {
        let leg = |price: u64| answer(200, format!(r#"{{"price":{price}}}"#), 20_000);
        let at = path(number % 2 + 300);
        evidence.observe(&exchange(number, &at, leg(1), leg(2), Some(leg(1))), &Rules::default());
    }
    let report = read(&evidence);
    let places = [300, 301].map(|at| format!("GET {} /price value", path(at)));
    assert_eq!(found(&report), places, "{:?}", report.reasons);
}

#[test]
fn an_endpoint_that_always_fails_holds_a_promotion_up_however_rare_it_is() {
    let verdict = |failing: u64, healthy: u64, control: u16| {
        let mut evidence = Evidence::new();
        for number in 0..5_000 {
            let leg = answer(200, "{}".to_owned(), 20_000);
            evidence.observe(&exchange(number, "/", leg.clone(), leg.clone(), Some(leg)), &Rules::default());
        }
        for number in 0..failing + healthy {
            let leg = |status: u16| answer(status, "{}".to_owned(), 20_000);
            let candidate = leg(if number < failing { 500 } else { 200 });
            let seen = exchange(10_000 + number, "/rare", leg(200), candidate, Some(leg(control)));
            evidence.observe(&seen, &Rules::default());
        }
        let report = read(&evidence);
        (report.verdict, report.reason_details[0].code, report.reasons[0].clone(), report.needed)
    };
    let (promoted, ..) = verdict(2, 0, 200);
    assert_eq!(promoted, Verdict::Promote, "two may be chance");
    let (held, code, why, needed) = verdict(3, 0, 200);
    assert_eq!((held, code, needed), (Verdict::Wait, Code::AlwaysFails, None));
    assert_eq!(
        why,
        "GET /rare: the candidate fails or answers with another status in all 3 exchanges, the stable version never does"
    );
    assert_eq!(verdict(3, 1, 200).0, Verdict::Promote, "it does not always fail");
    assert_eq!(verdict(3, 0, 500).0, Verdict::Promote, "the stable version fails as well");
    assert_eq!(verdict(40, 0, 200).0, Verdict::RollBack, "so many prove it");
}

/// Everything is answered alike, and most of it with 401: nobody looked at what users get.
#[test]
fn what_is_mostly_one_failure_promotes_nothing() {
    let report_of = |failing: u64, status: u16| {
        let mut evidence = Evidence::new();
        for number in 0..3_000 {
            let leg = answer(if number % 100 < failing { status } else { 200 }, "{}".to_owned(), 20_000);
            evidence.observe(&exchange(number, "/", leg.clone(), leg.clone(), Some(leg)), &Rules::default());
        }
        read(&evidence)
    };
    for status in [401, 404, 500, 503] {
        let report = report_of(100, status);
        assert_eq!((report.verdict, report.needed), (Verdict::Wait, None), "{status}: {:?}", report.reasons);
        assert_eq!(report.reason_details[0].code, Code::Population);
        let why = format!("100 % of the client's answers are {status}, at most 50 % may be one failure: ");
        assert!(report.reasons[0].starts_with(&why), "{}", report.reasons[0]);
    }
    assert_eq!(report_of(51, 401).verdict, Verdict::Wait);
    let half = report_of(50, 401);
    assert_eq!(half.verdict, Verdict::Promote, "{:?}", half.reasons);
    assert_eq!(report_of(100, 302).verdict, Verdict::Promote, "a redirection is no failure");
    let json = serde_json::to_value(&half).unwrap();
    let counts = serde_json::json!({"status": 401, "primary": 1_500, "candidate": 1_500, "control": 1_500});
    assert_eq!((&json["statuses"][1], json["statuses"].as_array().map(Vec::len)), (&counts, Some(2)));
    let text = half.to_text(TextStyle::default()).split_whitespace().collect::<Vec<_>>().join(" ");
    let line =
        "answers by status (primary, candidate, control): 200 1,500, 1,500, 1,500; 401 1,500, 1,500, 1,500";
    assert!(text.contains(line) && half.to_markdown().contains(line), "{text}");
}
