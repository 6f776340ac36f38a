//! Who finds what: the rules of Diffy and Kayenta and ours on the same data. `COMPARISON.md` holds what this prints.
//!
//! Kayenta's answers are its judge's own, recorded. Diffy's rule is two thresholds, restated here and held against its recorded
//! answers. Ours is the whole engine, fed with exchanges that have those numbers.

use std::fmt::Write as _;

use crate::world::{Dice, answer, exchange};
use antumbra_engine::{Delivery, Evidence, Gates, Report, Rules, Verdict, report};
use antumbra_observation::Leg;
use serde_json::Value;

#[test]
fn the_document_shows_what_each_finds() {
    let found = format!("{}\n{}\n{}", of_thresholds(), of_looking(), of_metrics());
    let document = include_str!("../../COMPARISON.md");
    for table in found.split("\n\n") {
        assert!(document.contains(table.trim()), "COMPARISON.md lacks this:\n{found}");
    }
}

/// One field: of so many answers so many differ at the candidate (`raw`) and at the second stable one (`noise`).
fn of_thresholds() -> String {
    let mut table = "| exchanges | candidate differs | control differs | Diffy (relative, absolute %) | ours |\n|---|---|---|---|---|\n".to_owned();
    for case in cases(include_str!("../conformance/diffy_noise_cases.json")) {
        let count = |name: &str| case[name].as_u64().unwrap();
        let limit = |name: &str| case[name].as_f64().unwrap();
        let (total, raw, noise) = (count("total"), count("raw"), count("noise"));
        let limits = (limit("relative_threshold"), limit("absolute_threshold"));
        let shown = diffy_shows(total, raw, noise, limits);
        assert_eq!(shown, case["shown"].as_bool().unwrap(), "{case}");
        let diffy = if shown { "shown" } else { "hidden" };
        let ours = in_words(&field(total, raw, noise));
        let (relative, absolute) = limits;
        let _ = writeln!(table, "| {total} | {raw} | {noise} | {diffy} ({relative}, {absolute}) | {ours} |");
    }
    table
}

/// A difference is shown if more than both thresholds remain of it, in percent, once the noise is taken off: of the two together,
/// and of the exchanges.
pub(crate) fn diffy_shows(total: u64, raw: u64, noise: u64, (relative, absolute): (f64, f64)) -> bool {
    let (total, raw, noise) = (total as f64, raw as f64, noise as f64);
    let remains = (raw - noise).abs();
    raw > noise && remains / (raw + noise) * 100.0 > relative && remains / total * 100.0 > absolute
}

/// What our engine says of such a field; which exchanges differ is drawn for each leg by itself.
fn field(total: u64, raw: u64, noise: u64) -> Report {
    let mut dice = Dice(17);
    let mut draw = |count: u64| {
        let mut differ: Vec<bool> = (0..total).map(|at| at < count).collect();
        dice.shuffle(&mut differ);
        differ
    };
    let (candidate, control) = (draw(raw), draw(noise));
    let mut evidence = Evidence::new();
    for (number, (candidate, control)) in (1..).zip(candidate.into_iter().zip(control)) {
        let leg = |differs: bool, value: u64| json(if differs { value } else { 1 });
        let observation = exchange(number, "/", json(1), leg(candidate, 2), Some(leg(control, 3)));
        evidence.observe(&observation, &Rules::default());
    }
    read(&evidence)
}

/// Clean fields, both versions differing from the primary in so many of a hundred answers: how many raise an alarm at the hundredth
/// exchange, and how many ever do if somebody looks after each of the first thousand.
fn of_looking() -> String {
    let mut table = "| noise | Diffy: alarm after 100 | Diffy: ever within 1,000 | ours: ever within 1,000 |\n|---|---|---|---|\n".to_owned();
    for noise in [0.001, 0.01, 0.1] {
        let (runs, mut at_hundred, mut ever, mut ours) = (1_000, 0, 0, 0);
        for seed in 0..runs {
            let mut dice = Dice(seed);
            let (mut raw, mut other, mut a, mut b) = (0, 0, 0, 0);
            let (mut diffy_alarm, mut our_alarm) = (false, false);
            for number in 1..=1_000 {
                let (candidate, control) = (dice.chance(noise), dice.chance(noise));
                raw += u64::from(candidate);
                other += u64::from(control);
                a += u64::from(candidate && !control);
                b += u64::from(control && !candidate);
                let shown = diffy_shows(number, raw, other, (20.0, 0.03));
                at_hundred += u64::from(shown && number == 100);
                diffy_alarm |= shown;
                let evidence = antumbra_engine::stats::ln_evidence(a, b);
                our_alarm |=
                    antumbra_engine::stats::reject(&[(antumbra_engine::stats::ln_weight(1), evidence)], 0.01)
                        [0];
            }
            ever += u64::from(diffy_alarm);
            ours += u64::from(our_alarm);
        }
        let share = |count: u64| format!("{:.1} %", 100.0 * count as f64 / runs as f64);
        let noise = noise * 100.0;
        let _ = writeln!(table, "| {noise} % | {} | {} | {} |", share(at_hundred), share(ever), share(ours));
    }
    table
}

/// Pairs of metrics, a value being the latency of one answer in tens of milliseconds. Ours judges those pairs, and then draws more
/// from the same values until it knows.
fn of_metrics() -> String {
    let mut table =
        "| data | pairs | Kayenta | ours on these | ours on more of the same |\n|---|---|---|---|---|\n"
            .to_owned();
    for case in cases(include_str!("../conformance/kayenta_cases.json")) {
        let (control, experiment) = (values(&case["control"]), values(&case["experiment"]));
        let pairs = control.len().min(experiment.len());
        let kayenta = case["expected"]["classification"].as_str().unwrap();
        let name = case["name"].as_str().unwrap();
        if control.is_empty() || experiment.is_empty() {
            let _ = writeln!(table, "| {name} | 0 | {kayenta} | wait | |");
            continue;
        }
        let mut evidence = Evidence::new();
        for number in 0..pairs {
            slower_or_not(&mut evidence, experiment[number], control[number]);
        }
        let on_these = in_words(&read(&evidence));
        let on_more = drawn(&control, &experiment);
        let _ = writeln!(table, "| {name} | {pairs} | {kayenta} | {on_these} | {on_more} |");
    }
    table
}

/// Verdict and number of exchanges, if both legs draw from these values for ever.
fn drawn(control: &[f64], experiment: &[f64]) -> String {
    let (mut evidence, mut dice) = (Evidence::new(), Dice(23));
    for number in 1..=10_000 {
        let mut draw = |values: &[f64]| values[(dice.next() % values.len() as u64) as usize];
        let (candidate, stable) = (draw(experiment), draw(control));
        slower_or_not(&mut evidence, candidate, stable);
        if number % 10 == 0 {
            let verdict = read(&evidence).verdict;
            if verdict != Verdict::Wait {
                return format!("{verdict} after {number}");
            }
        }
    }
    "wait for more than 10000".to_owned()
}

fn slower_or_not(evidence: &mut Evidence, candidate: f64, control: f64) {
    let leg = |value: f64| answer(200, "{}".to_owned(), (value * 10_000.0) as u64);
    let number = evidence.exchanges() + 1;
    let observation = exchange(number, "/", leg(control), leg(candidate), Some(leg(control)));
    evidence.observe(&observation, &Rules::default());
}

fn in_words(report: &Report) -> String {
    let evidence = report.regressions.first().map(|found| found.evidence_log10);
    match evidence {
        Some(evidence) => format!("{}, evidence 10^{evidence:.1}", report.verdict),
        None => report.verdict.to_string(),
    }
}

fn read(evidence: &Evidence) -> Report {
    let delivery = Delivery { known: true, mirrored: evidence.exchanges(), ..Delivery::default() };
    report("shop", evidence, &Gates::default(), &delivery)
}

fn json(value: u64) -> Leg {
    answer(200, format!("{{\"a\":{value}}}"), 5_000)
}

fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

/// Those that are numbers.
fn values(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().filter_map(Value::as_f64).collect()
}
