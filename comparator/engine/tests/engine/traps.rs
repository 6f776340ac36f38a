//! Diffy's rule and ours on made-up releases under real traffic. `COMPARISON.md` holds what this prints.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use antumbra_engine::Verdict;
use antumbra_observation::{Body, Leg, Observation};
use serde_json::Value;

use crate::comparison::diffy_shows;
use crate::services::{Right, SCENARIOS, Scenario};
use crate::traffic::Traffic;

#[test]
fn the_document_shows_what_becomes_of_traps() {
    let mut table = "| release | an honest verdict | Diffy shows it, of 3 | ours rolls it back, of 3 | ours promotes it, of 3 |\n|---|---|---|---|---|\n".to_owned();
    for scenario in SCENARIOS {
        let right = match scenario.right {
            Right::RollBack => "roll back",
            Right::NeverPromote => "do not promote",
            Right::Promote { .. } => "promote",
            Right::Alike { .. } => "do not roll back",
        };
        let runs: Vec<[bool; 3]> = (1..=3).map(|seed| outcome(scenario, seed)).collect();
        let [shown, rolled_back, promoted] =
            [0, 1, 2].map(|which| runs.iter().filter(|run| run[which]).count());
        let _ = writeln!(table, "| {} | {right} | {shown} | {rolled_back} | {promoted} |", scenario.name);
    }
    let document = include_str!("../../COMPARISON.md");
    assert!(document.contains(table.trim()), "COMPARISON.md lacks this:\n{table}");
}

/// Whether Diffy shows a difference after 4,000 exchanges, and whether ours ever rolled back or promoted, looking after every 250.
fn outcome(scenario: Scenario, seed: u64) -> [bool; 3] {
    let mut traffic = Traffic::new(seed, 10.0);
    let mut service = (scenario.made)(&mut traffic.dice);
    let mut fields: BTreeMap<(String, String), [u64; 2]> = BTreeMap::new();
    let mut totals: BTreeMap<String, u64> = BTreeMap::new();
    let [mut rolled_back, mut promoted] = [false; 2];
    for number in 1..=4_000_u64 {
        let observation = traffic.next(&mut *service);
        let path = String::from_utf8_lossy(&observation.request.path);
        let endpoint = path.trim_end_matches(|last: char| last.is_ascii_digit()).to_owned();
        *totals.entry(endpoint.clone()).or_default() += 1;
        for (field, differ) in differing(&observation) {
            let counts = fields.entry((endpoint.clone(), field)).or_default();
            counts.iter_mut().zip(differ).for_each(|(count, differs)| *count += u64::from(differs));
        }
        traffic.evidence.observe(&observation, &antumbra_engine::Rules::default());
        if number.is_multiple_of(250) {
            let verdict = traffic.read().verdict;
            rolled_back |= verdict == Verdict::RollBack;
            promoted |= verdict == Verdict::Promote;
        }
    }
    let shown = fields
        .iter()
        .any(|((endpoint, _), [raw, noise])| diffy_shows(totals[endpoint], *raw, *noise, (20.0, 0.03)));
    [shown, rolled_back, promoted]
}

/// The fields that differ from the primary's, at the candidate and at the control.
fn differing(observation: &Observation) -> BTreeMap<String, [bool; 2]> {
    let primary = fields(&observation.primary);
    let others = [&observation.candidate, observation.control.as_ref().unwrap()].map(fields);
    let names = others.iter().flat_map(BTreeMap::keys).chain(primary.keys());
    let each =
        names.map(|name| (name.clone(), others.each_ref().map(|other| other.get(name) != primary.get(name))));
    each.filter(|(_, differ)| differ.contains(&true)).collect()
}

/// As Diffy sees an answer: status, JSON by place (an element's is its index), HTML by element, anything else as one text.
fn fields(leg: &Leg) -> BTreeMap<String, String> {
    let response = leg.response.as_ref().unwrap();
    let Body::Whole(body) = &response.body else { panic!("a whole body") };
    let text = String::from_utf8_lossy(body);
    let mut fields = BTreeMap::from([("status".to_owned(), response.status.to_string())]);
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => places("body", &value, &mut fields),
        Err(_) if text.starts_with('<') => {
            let elements = text.split('<').enumerate();
            fields.extend(elements.map(|(at, element)| (format!("element {at}"), element.trim().to_owned())));
        }
        Err(_) => drop(fields.insert("text".to_owned(), text.into_owned())),
    }
    fields
}

fn places(at: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Array(elements) => {
            elements
                .iter()
                .enumerate()
                .for_each(|(index, element)| places(&format!("{at}/{index}"), element, into));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| places(&format!("{at}/{name}"), member, into));
        }
        scalar => drop(into.insert(at.to_owned(), scalar.to_string())),
    }
}
