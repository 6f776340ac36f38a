//! Several sources, of which one is forged: who holds the token of a filter can send whatever answers it likes, and as many. It neither
//! rolls back a release that is good nor has one promoted that is not.

use antumbra_engine::{
    Code, Delivery, Evidence, Gap, Gates, MAX_SOURCES, Report, Rules, SourceStanding, Sourced, Together,
    Verdict, report,
};

use crate::services::{field, noisy_fields};
use crate::traffic::{CANDIDATE, CONTROL, Service, Traffic, asked, each, json};

/// Without the spans of time, and at one endpoint all of it.
fn gates() -> Gates {
    Gates { warm_up_ms: 0, at_least_ms: 0, ..Gates::default() }
}

/// What the forger's heartbeats explain of what it sends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Explained {
    Nothing,
    ATenth,
    All,
}

/// What the sources know after so many exchanges.
struct Sent {
    honest: Vec<Evidence>,
    forged: Evidence,
    explained: Explained,
}

impl Sent {
    fn report(&self) -> Report {
        let names = ["edge-a", "edge-b", "edge-c", "edge-d"];
        let delivery = |mirrored| Delivery { known: true, mirrored, ..Delivery::default() };
        let honest = self.honest.iter().zip(names).map(|(evidence, name)| Sourced {
            name: Some(name),
            evidence,
            delivery: delivery(evidence.taken()),
        });
        let explained = match self.explained {
            Explained::Nothing => 0,
            Explained::ATenth => self.forged.taken() / 10,
            Explained::All => self.forged.taken(),
        };
        let forged = Sourced { name: Some("forger"), evidence: &self.forged, delivery: delivery(explained) };
        Together::of(honest.chain([forged]).collect()).report("shop", &gates())
    }
}

/// The reports after every 250 exchanges of so many: the honest sources send one each while the forger sends ten times that.
fn watched(honest: Service, forged: Service, explained: Explained, exchanges: u64) -> Vec<Report> {
    let (mut honest, mut forged) = (honest, forged);
    let mut traffic = Traffic::under(gates(), 7, 24.0);
    let fresh = || {
        let mut evidence = Evidence::new();
        evidence.set_pace(gates().pace());
        evidence
    };
    let mut sent = Sent { honest: vec![fresh(), fresh()], forged: fresh(), explained };
    let mut reports = Vec::new();
    for number in 1..=exchanges {
        let turn = (number % 12) as usize;
        let observation = traffic.next(if turn < 2 { &mut *honest } else { &mut *forged });
        let evidence = sent.honest.get_mut(turn).unwrap_or(&mut sent.forged);
        evidence.observe(&observation, &Rules::default());
        if number % 250 == 0 {
            reports.push(sent.report());
        }
    }
    reports
}

fn verdicts(reports: &[Report]) -> Vec<Verdict> {
    reports.iter().map(|report| report.verdict).collect()
}

/// The candidate's price is wrong in this share of the answers.
fn wrong(share: f64) -> Service {
    Box::new(move |dice, _| {
        let wrong = dice.chance(share);
        let price = |which| if wrong && which == CANDIDATE { 3 } else { 2 };
        asked("/basket", each(dice, |_, which| json(format!(r#"{{"price":{}}}"#, price(which)))))
    })
}

/// So it is in this share of the answers of each leg.
fn noise(share: f64) -> Service {
    Box::new(move |dice, _| {
        let legs = each(dice, |dice, which| {
            json(format!(r#"{{"price":{}}}"#, if which > 0 && dice.chance(share) { 3 } else { 2 }))
        });
        asked("/basket", legs)
    })
}

/// The control's is wrong each time, which outweighs whatever is wrong at the candidate.
fn blamed_on_the_control() -> Service {
    Box::new(|dice, _| {
        asked(
            "/basket",
            each(dice, |_, which| json(format!(r#"{{"price":{}}}"#, u8::from(which == CONTROL) + 2))),
        )
    })
}

fn right() -> Service {
    wrong(0.0)
}

#[test]
fn a_forged_regression_that_no_heartbeat_explains_changes_nothing_and_its_source_is_named() {
    for explained in [Explained::Nothing, Explained::ATenth] {
        let reports = watched(right(), wrong(1.0), explained, 24_000);
        assert!(!verdicts(&reports).contains(&Verdict::RollBack), "{explained:?}");
        let last = reports.last().unwrap();
        assert_eq!(last.verdict, Verdict::Promote, "{explained:?}: {:?}", last.reasons);
        let told = &last.not_covered[0];
        let numbers = if explained == Explained::Nothing { "only 0." } else { "only 2,000." };
        let said = [r#"20,000 observations from the source "forger" are set aside"#, numbers];
        assert!(told.cause == Gap::SetAside && said.iter().all(|part| told.text.contains(part)), "{told:?}");
        let forger = &last.sources[2];
        assert_eq!((forger.observations, forger.standing), (20_000, SourceStanding::SetAside));
        assert_eq!(last.exchanges, 4_000, "the report is of what counts");
    }
}

#[test]
fn forged_equality_and_forged_noise_hide_no_defect() {
    for explained in [Explained::Nothing, Explained::ATenth, Explained::All] {
        for forged in [right(), noise(0.5), blamed_on_the_control()] {
            let reports = watched(wrong(1.0), forged, explained, 6_000);
            assert!(!verdicts(&reports).contains(&Verdict::Promote), "{explained:?}");
            let last = reports.last().unwrap();
            assert_eq!(last.verdict, Verdict::RollBack, "{explained:?}: {:?}", last.reasons);
            assert_eq!(last.regressions[0].path, "/price");
        }
    }
}

/// Where the forger's heartbeats explain what it sends, a defect that is proven late is not promoted meanwhile.
#[test]
fn what_is_seldom_wrong_is_never_promoted_behind_a_forger() {
    for share in [0.03, 0.1] {
        for forged in [right(), noise(0.01)] {
            let reports = watched(wrong(share), forged, Explained::All, 40_000);
            assert!(!verdicts(&reports).contains(&Verdict::Promote), "{share}");
            assert_eq!(reports.last().unwrap().verdict, Verdict::RollBack, "{share}");
        }
    }
}

/// Nothing gives away that it is forged, and it is the only one to say so.
#[test]
fn a_forged_regression_that_heartbeats_explain_is_at_most_suspected() {
    for share in [0.03, 1.0] {
        let reports = watched(right(), wrong(share), Explained::All, 24_000);
        assert_eq!(verdicts(&reports).iter().find(|verdict| **verdict != Verdict::Wait), None, "{share}");
        let last = reports.last().unwrap();
        assert!(last.regressions.is_empty(), "{:?}", last.regressions);
        let suspected = &last.suspected[0];
        assert_eq!((suspected.path.as_str(), suspected.source.as_deref()), ("/price", Some("forger")));
        let said = r#"suspected: shown by the source "forger" alone, and by no other in 4,000 exchanges"#;
        assert!(last.reasons[0].contains(said), "{:?}", last.reasons);
    }
}

/// So many honest sources, each with the next exchange in turn by these weights; the rest is as [`watched`] does it.
fn shared(weights: &[usize], service: Service, seed: u64, exchanges: u64) -> Vec<Report> {
    let mut service = service;
    let turns: Vec<usize> = weights
        .iter()
        .enumerate()
        .flat_map(|(source, weight)| std::iter::repeat_n(source, *weight))
        .collect();
    let mut traffic = Traffic::under(gates(), seed, 20.0);
    let mut fresh = Evidence::new();
    fresh.set_pace(gates().pace());
    let mut sent =
        Sent { honest: vec![fresh; weights.len()], forged: Evidence::new(), explained: Explained::All };
    let mut reports = Vec::new();
    for number in 0..exchanges {
        let observation = traffic.next(&mut *service);
        let source = turns[number as usize % turns.len()];
        sent.honest[source].observe(&observation, &Rules::default());
        if (number + 1) % 250 == 0 {
            reports.push(sent.report());
        }
    }
    reports
}

#[test]
fn sources_that_are_honest_come_to_the_verdict_of_one() {
    for weights in [&[1, 1][..], &[1, 1, 1, 1], &[3, 1, 1]] {
        let broken = shared(weights, wrong(0.1), 3, 4_000);
        assert_eq!(broken.last().unwrap().verdict, Verdict::RollBack, "{weights:?}");
        assert_eq!(broken.last().unwrap().regressions[0].source, None);
        let good = shared(weights, right(), 3, 4_000);
        assert_eq!(good.last().unwrap().verdict, Verdict::Promote, "{weights:?}");
    }
}

/// The second source has a thirtieth of the exchanges: too little to say anything against the first.
#[test]
fn a_source_that_others_have_too_little_to_judge_rolls_back_and_is_named() {
    let last = shared(&[29, 1], wrong(0.1), 3, 3_000).pop().unwrap();
    let source = last.regressions[0].source.as_deref();
    assert_eq!((last.verdict, source), (Verdict::RollBack, Some("edge-a")), "{:?}", last.reasons);
    assert!(last.reasons[0].contains(r#"shown by the source "edge-a" alone"#), "{:?}", last.reasons);
}

#[test]
fn one_source_is_judged_as_ever() {
    let mut traffic = Traffic::under(gates(), 5, 20.0);
    let mut service = wrong(0.02);
    for _ in 0..2_000 {
        traffic.ask(&mut *service);
    }
    let delivery = Delivery { known: true, mirrored: 2_000, ..Delivery::default() };
    let plain = report("shop", &traffic.evidence, &gates(), &delivery);
    let evidence = &traffic.evidence;
    let by = |name| Together::of(vec![Sourced { name, evidence, delivery }]).report("shop", &gates());
    assert_eq!(by(None), plain);
    let named = by(Some("edge"));
    assert_eq!(named.sources.len(), 1);
    assert_eq!(Report { sources: Vec::new(), ..named }, plain);
}

/// At 5 %, so that too many would show in few runs.
#[test]
fn several_sources_raise_no_more_false_alarms_than_one() {
    let alarms = |noise: f64| {
        let runs = 1..=20;
        runs.filter(|seed| {
            let reports = shared(&[1, 1, 1], noisy_fields(noise), *seed, 1_500);
            verdicts(&reports).contains(&Verdict::RollBack)
        })
        .count()
    };
    for noise in [0.01, 0.1] {
        assert!(alarms(noise) <= 1, "noise {noise}");
    }
    let promoted = (1..=10).filter(|seed| {
        let reports = shared(&[1, 1, 1], field(0.01, 0.0), *seed, 3_000);
        verdicts(&reports).contains(&Verdict::Promote)
    });
    assert!(promoted.count() <= 1);
}

/// What a source knows of so many exchanges in which nothing is wrong, and what its filters say.
fn known(exchanges: u64) -> (Evidence, Delivery) {
    let (mut traffic, mut service) = (Traffic::under(gates(), 9, 20.0), right());
    for _ in 0..exchanges {
        traffic.ask(&mut *service);
    }
    (traffic.evidence, Delivery { known: true, mirrored: exchanges, ..Delivery::default() })
}

fn judged(sources: &[(&str, &Evidence, Delivery)]) -> Report {
    let each =
        sources.iter().map(|&(name, evidence, delivery)| Sourced { name: Some(name), evidence, delivery });
    Together::of(each.collect()).report("shop", &gates())
}

/// Whether the forger sends observations, too, or nothing but heartbeats.
#[test]
fn huge_counts_of_a_forger_hide_no_losses_of_another() {
    let (evidence, whole) = known(4_000);
    let (few, _) = known(100);
    let huge = Delivery { known: true, mirrored: 1_000_000_000_000, ..Delivery::default() };
    let lossy = Delivery { mirrored: 5_720, undelivered: 1_716, ..whole };
    let thinned = Delivery { not_sent: 1_700, ..whole };
    let unreported = Delivery { mirrored: 2_500, ..whole };
    for forged in [&Evidence::new(), &few] {
        let report = |delivery| judged(&[("edge", &evidence, delivery), ("forger", forged, huge)]);
        assert_eq!(report(whole).verdict, Verdict::Promote, "{:?}", report(whole).reasons);
        for (delivery, code) in
            [(lossy, Code::Undelivered), (thinned, Code::NotSent), (unreported, Code::Unreported)]
        {
            let report = report(delivery);
            assert_eq!(report.verdict, Verdict::Wait, "{code:?}");
            let at = report.reason_details.iter().position(|reason| reason.code == code).unwrap();
            assert!(report.reasons[at].starts_with(r#"source "edge": "#), "{:?}", report.reasons);
        }
    }
    let sums = judged(&[("edge", &evidence, lossy), ("forger", &Evidence::new(), huge)]).delivery;
    assert_eq!((sums.mirrored, sums.undelivered), (5_720, 1_716));
}

#[test]
fn a_source_all_of_whose_observations_are_lost_holds_a_promotion() {
    let (evidence, whole) = known(4_000);
    let nothing = Delivery { mirrored: 30, undelivered: 30, ..whole };
    let report = judged(&[("edge-a", &evidence, whole), ("edge-b", &Evidence::new(), nothing)]);
    assert_eq!((report.verdict, report.reason_details[0].code), (Verdict::Wait, Code::Undelivered));
    assert!(report.reasons[0].contains(r#"source "edge-b": 30 of 30 observations"#), "{:?}", report.reasons);
}

#[test]
fn a_source_that_comes_after_too_many_others_holds_a_promotion_and_is_named() {
    let (evidence, whole) = known(300);
    let names: Vec<String> = (1..=MAX_SOURCES).map(|number| format!("edge-{number}")).collect();
    let mut sources: Vec<_> = names.iter().map(|name| (name.as_str(), &evidence, whole)).collect();
    let nothing = Evidence::new();
    // It has mirrored nothing yet, so nothing is left out.
    sources.push(("edge-17", &nothing, Delivery { mirrored: 0, ..whole }));
    assert_eq!(judged(&sources).verdict, Verdict::Promote, "{:?}", judged(&sources).reasons);
    sources.pop();
    sources.push(("edge-17", &nothing, Delivery { mirrored: 1_200, ..whole }));
    let report = judged(&sources);
    assert_eq!((report.verdict, report.reason_details[0].code), (Verdict::Wait, Code::Undelivered));
    let said = r#"source "edge-17": came after 16 others: nothing of the 1,200 exchanges"#;
    assert!(report.reasons[0].contains(said), "{:?}", report.reasons);
    let told = &report.not_covered[0];
    assert_eq!((told.cause, told.share), (Gap::NoPlace, Some(0.2)));
    assert!(told.text.starts_with(r#"1,200 exchanges of the source "edge-17" are not compared"#), "{told:?}");
    assert_eq!(report.sources[MAX_SOURCES].standing, SourceStanding::NoPlace);
    // With a place left, it is on its way.
    let report = judged(&sources[1..]);
    assert_eq!(report.verdict, Verdict::Promote, "{:?}", report.reasons);
}
