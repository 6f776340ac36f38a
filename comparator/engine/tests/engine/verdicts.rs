//! Reasons as programs read them, calibrations, examples, and endpoints that were named.

use std::collections::BTreeSet;

use crate::world::{Defects, Dice, answer, drive, exchange, found, read};
use antumbra_engine::{
    Code, Delivery, EndpointPattern, Evidence, Gap, Gates, Report, Rules, TextStyle, Verdict, report,
};
use antumbra_observation::{Accounts, Meaning, NotMirrored, Undelivered, UnsafeMethod};

fn codes(report: &Report) -> Vec<Code> {
    assert_eq!(report.reasons.len(), report.reason_details.len());
    report.reason_details.iter().map(|reason| reason.code).collect()
}

#[test]
fn every_reason_has_a_code() {
    let broken = read(&drive(1, 2_000, Defects::Seeded));
    let regression = Code::Regression;
    assert_eq!(codes(&broken), [regression, regression, regression, regression, Code::Slower]);
    let json = serde_json::to_value(&broken).unwrap();
    let first = &json["reasonDetails"][0];
    assert_eq!((&first["code"], &first["endpoint"]), (&"regression".into(), &"GET /quotes".into()));
    assert_eq!((&first["path"], &first["kind"]), (&"".into(), &"status".into()));
    assert!(first["value"].as_f64().unwrap() > 10.0 && first.get("needed").is_none());

    let waiting = read(&drive(2, 300, Defects::None));
    let noisy = |codes: Vec<Code>| codes.into_iter().filter(|code| *code != Code::Noisy).collect::<Vec<_>>();
    assert!(codes(&waiting).contains(&Code::Noisy));
    assert_eq!(noisy(codes(&waiting)), [Code::Margin, Code::Coverage, Code::Latency]);
    let json = serde_json::to_value(&waiting).unwrap();
    for (reason, text) in json["reasonDetails"].as_array().unwrap().iter().zip(&waiting.reasons) {
        let Some(needed) = reason["needed"].as_u64() else { continue };
        let end = |end: &str| reason["neededWithin"][end].as_u64().unwrap();
        assert!(end("lower") <= needed && needed <= end("upper"), "{reason}");
        assert!(end("upper") <= 5 * end("lower") + 5, "{reason}");
        assert!(text.ends_with(" more exchanges"), "{text}");
    }
    let all = || waiting.reason_details.iter().map(|reason| reason.needed_within);
    let latest = all().map(|needed| needed.map(|needed| needed.upper)).collect::<Option<Vec<u64>>>();
    assert_eq!(
        waiting.forecast.map(|forecast| forecast.exchanges.upper),
        latest.and_then(|all| all.into_iter().max())
    );
    assert_eq!(json["reasonDetails"][0]["bound"], 0.005);
    assert_eq!(codes(&read(&Evidence::new())), [Code::NothingCompared]);
}

/// Nothing is decided by what is left of such a policy, but nothing is hidden either.
#[test]
fn findings_stay_to_be_seen_under_a_policy_that_cannot_be_read() {
    let evidence = drive(1, 2_000, Defects::Seeded);
    let gates = Gates { unreadable: true, ..Gates::default() };
    let delivery = Delivery { known: true, mirrored: 2_000, ..Delivery::default() };
    let report = report("shop", &evidence, &gates, &delivery);
    assert_eq!(report.verdict, Verdict::Wait);
    assert_eq!(codes(&report)[..2], [Code::PolicyUnreadable, Code::Regression]);
    let summary = report.to_summary(TextStyle::default(), "");
    assert!(summary.contains("- GET /quotes: another status"), "{summary}");
}

#[test]
fn what_was_not_delivered_has_codes_too() {
    let mut evidence = Evidence::new();
    for number in 1..=1_000 {
        let leg = answer(200, "{}".to_owned(), 5_000);
        evidence.observe(&exchange(number, "/", leg.clone(), leg.clone(), Some(leg)), &Rules::default());
    }
    let check = |known, mirrored, undelivered, not_sent, expected: &[Code]| {
        let delivery = Delivery { known, mirrored, undelivered, not_sent, ..Delivery::default() };
        assert_eq!(codes(&report("shop", &evidence, &Gates::default(), &delivery)), expected, "{delivery:?}");
    };
    check(true, 1_000, 0, 0, &[Code::Equivalent]);
    check(true, 1_000, 11, 100, &[Code::Undelivered, Code::NotSent]);
    check(true, 900, 0, 0, &[Code::Unreported]);
    check(false, 0, 0, 0, &[Code::Unreported]);
    let mut alone = Evidence::new();
    let leg = answer(200, "{}".to_owned(), 5_000);
    alone.observe(&exchange(1, "/", leg.clone(), leg, None), &Rules::default());
    assert_eq!(codes(&read(&alone)), [Code::NoControl]);
}

/// A limit may keep back nine tenths of what was sampled: what is compared is then not what was asked for.
#[test]
fn what_a_limit_keeps_back_holds_a_promotion_up_and_what_the_policy_leaves_out_does_not() {
    let mut evidence = Evidence::new();
    for number in 1..=1_000 {
        let leg = answer(200, "{}".to_owned(), 5_000);
        evidence.observe(&exchange(number, "/", leg.clone(), leg.clone(), Some(leg)), &Rules::default());
    }
    for reason in NotMirrored::ALL.iter().copied() {
        let accounts = Accounts {
            requests: 10_000,
            mirrored: 1_000,
            not_mirrored: [(reason, 9_000)].into(),
            ..Accounts::default()
        };
        let report = report("shop", &evidence, &Gates::default(), &Delivery::of(&accounts));
        let name = reason.as_str();
        let thinned = format!("9,000 of 10,000 sampled exchanges were not mirrored ({name} 9,000), ");
        let excluded =
            format!("9,000 of 10,000 sampled exchanges exceed a bound of the policy ({name} 9,000): ");
        let says = |texts: &[String], start: &str| texts.iter().any(|text| text.starts_with(start));
        let thins = reason.means() == Meaning::Thinned;
        assert_eq!(report.verdict == Verdict::Wait, thins, "{name}: {:?}", report.reasons);
        assert_eq!(says(&report.reasons, &thinned), thins, "{name}: {:?}", report.reasons);
        assert_eq!(
            report.not_covered.iter().any(|found| found.text.starts_with(&excluded)),
            reason.means() == Meaning::Excluded,
            "{:?}",
            report.not_covered
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["delivery"]["notMirroredBy"][name], 9_000);
        assert_eq!(json["delivery"]["notSent"], if thins { 9_000 } else { 0 });
        let text = report.to_text(TextStyle::default()).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(text.contains(&format!("({name} 9,000)")), reason.means() != Meaning::Chosen, "{text}");
    }
    for (reason, number, expected) in [
        (
            NotMirrored::UnsafeMethod,
            9_000,
            Some((Gap::Methods, "90 % of the requests are not mirrored: their method")),
        ),
        (NotMirrored::UnsafeMethod, 1, Some((Gap::Methods, "0.1 % of the requests"))),
        (
            NotMirrored::NoRule,
            1_000,
            Some((Gap::NotMirrored, "50 % of the requests are not mirrored: no rule")),
        ),
        (NotMirrored::NotSampled, 9_000, None),
        (NotMirrored::Shadow, 9_000, None),
    ] {
        let accounts =
            Accounts { mirrored: 1_000, not_mirrored: [(reason, number)].into(), ..Accounts::default() };
        let report = report("shop", &evidence, &Gates::default(), &Delivery::of(&accounts));
        let found = report.not_covered.first().map(|found| (found.cause, found.text.as_str()));
        let matches = |(cause, start): (Gap, &str)| {
            found.is_some_and(|found| found.0 == cause && found.1.starts_with(start))
        };
        assert_eq!(report.verdict, Verdict::Promote, "what the policy left out changes nothing");
        assert!(expected.map_or(found.is_none(), matches), "{found:?}");
    }
    let accounts = Accounts {
        mirrored: 1_000,
        not_mirrored: [(NotMirrored::UnsafeMethod, 1_000)].into(),
        unsafe_methods: [(UnsafeMethod::Post, 1_000)].into(),
        ..Accounts::default()
    };
    let named = report("shop", &evidence, &Gates::default(), &Delivery::of(&accounts));
    let text = "POST is not mirrored: 50 % of the requests: it may write, which the mirror does not allow.";
    assert_eq!((named.not_covered[0].cause, named.not_covered[0].text.as_str()), (Gap::Methods, text));
    assert_eq!(serde_json::to_value(&named).unwrap()["delivery"]["unsafeMethods"]["POST"], 1_000);
    let delivery = Delivery {
        silent: 1,
        alive: 3,
        ..Delivery::of(&Accounts { mirrored: 1_000, ..Accounts::default() })
    };
    let silent = report("shop", &evidence, &Gates::default(), &delivery).not_covered;
    assert!(
        silent[0].cause == Gap::Silent
            && silent[0].text.starts_with("1 of 4 filters has missed three heartbeats"),
        "{silent:?}"
    );
    for reason in Undelivered::ALL.iter().copied() {
        let undelivered = [(reason, 11)].into();
        let accounts = Accounts { mirrored: 1_000, undelivered, ..Accounts::default() };
        let report = report("shop", &evidence, &Gates::default(), &Delivery::of(&accounts));
        let start = format!("11 of 1,000 observations did not arrive ({} 11), ", reason.as_str());
        assert!(report.reasons[0].starts_with(&start), "{:?}", report.reasons);
    }
}

fn calibrated(evidence: &Evidence) -> Report {
    let gates = Gates { calibration: true, ..Gates::default() };
    let delivery = Delivery { known: true, mirrored: evidence.exchanges(), ..Delivery::default() };
    report("shop", evidence, &gates, &delivery)
}

#[test]
fn a_calibration_shows_noise_and_promotes_nothing() {
    let noisy = calibrated(&drive(1, 2_000, Defects::None));
    assert_eq!(noisy.verdict, Verdict::Wait);
    assert_eq!(
        noisy.reasons[0],
        "calibration: candidate and control are the same version; 2,000 exchanges, no false alarm"
    );
    assert_eq!(codes(&noisy)[..2], [Code::Calibration, Code::Noisy]);
    assert!(noisy.noise.iter().any(|noise| noise.path == "/tags" && noise.control_only > 0));

    let mut clean = Evidence::new();
    for number in 1..=3_000 {
        let leg = answer(200, "{}".to_owned(), 5_000);
        clean.observe(&exchange(number, "/", leg.clone(), leg.clone(), Some(leg)), &Rules::default());
    }
    let clean = calibrated(&clean);
    assert_eq!((clean.verdict, clean.needed), (Verdict::Wait, None));
    assert_eq!(codes(&clean), [Code::Calibration, Code::Equivalent]);
}

/// The two legs of an A/A test differ: a cold cache, another configuration. Nobody must learn that from a real release.
#[test]
fn a_calibration_says_if_the_legs_are_not_alike() {
    let report = calibrated(&drive(1, 2_000, Defects::Seeded));
    assert_eq!(report.verdict, Verdict::Wait);
    assert!(report.reasons[0].contains("5 FALSE ALARMS"), "{:?}", report.reasons);
    assert_eq!(codes(&report)[..6], [&[Code::Calibration][..], &[Code::FalseAlarm; 5]].concat());
    let text = report.to_text(TextStyle::default());
    assert!(text.contains("\nFalse alarms (5)\n") && !text.contains("Regressions"), "{text}");
    assert_eq!(found(&report).len(), 5);
}

/// Which exchanges are shown depends on their names alone, and each has the same chance.
#[test]
fn examples_are_a_fair_sample() {
    let shown = |first: u64| {
        let mut evidence = Evidence::new();
        for number in first..first + 100 {
            let leg = |value: u64| answer(200, format!("{{\"a\":{value}}}"), 5_000);
            evidence.observe(&exchange(number, "/", leg(1), leg(2), Some(leg(1))), &Rules::default());
        }
        let regression = read(&evidence).regressions.remove(0);
        let all = regression.example.into_iter().chain(regression.more_examples);
        all.map(|example| (example.exchange.0 - u128::from(first)) as u64).collect::<BTreeSet<u64>>()
    };
    assert_eq!(shown(1), shown(1));
    let runs = 400;
    let drawn: Vec<u64> = (0..runs).flat_map(|run| shown(run * 1_000)).collect();
    assert_eq!(drawn.len() as u64, 3 * runs);
    for half in [0..50, 50..100] {
        let share = drawn.iter().filter(|at| half.contains(*at)).count() as f64 / drawn.len() as f64;
        assert!((share - 0.5).abs() < 0.05, "{share}");
    }
}

#[test]
fn endpoints_can_be_named() {
    let named = EndpointPattern::parse("GET /users/{name}/orders").unwrap();
    let rules = Rules::default().with_endpoints(vec![named]);
    let (mut evidence, mut dice) = (Evidence::new(), Dice(1));
    for number in 1..=100 {
        let leg = answer(200, "{}".to_owned(), 5_000);
        let name = ["anna", "berta", "carl"][(dice.next() % 3) as usize];
        let path = format!("/users/{name}/orders?page={number}");
        evidence.observe(&exchange(number, &path, leg.clone(), leg.clone(), Some(leg)), &rules);
    }
    let report = read(&evidence);
    assert_eq!(report.endpoints.len(), 1);
    assert_eq!(report.endpoints[0].endpoint, "GET /users/{name}/orders");
}
