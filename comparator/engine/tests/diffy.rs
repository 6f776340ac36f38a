//! What Diffy's engine says of two documents, as data, and what this one says: the same, or the opposite where Diffy is weak,
//! or something else on purpose. Every case is in exactly one of these three.
//!
//! Kinds are mapped, and paths are Diffy's: names with dots between, without places in arrays.
#![cfg(not(target_family = "wasm"))]

#[path = "conformance/elsewhere.rs"]
mod elsewhere;

use std::collections::BTreeMap;

use antumbra_engine::{Delivery, Evidence, Gates, Kind, Media, Pattern, Rules, diff, report};
use antumbra_observation::{Body, Leg, Observation};
use elsewhere::{ON_PURPOSE, WEAKNESSES};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Case {
    name: String,
    mode: String,
    left: Box<RawValue>,
    right: Box<RawValue>,
    expected: Vec<Expected>,
    note: Option<String>,
}

#[derive(Deserialize)]
struct Expected {
    path: String,
    kind: String,
}

#[derive(Deserialize)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, serde_json::Value>,
    body: String,
}

#[test]
fn every_case_agrees_or_is_told_apart_by_name() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("conformance/diffy_cases.json")).unwrap();
    assert_eq!(cases.len(), 110);
    let mut wrong = Vec::new();
    let mut agreeing = 0;
    for case in &cases {
        let (ours, theirs) = (case.ours(), case.theirs());
        let weakness = WEAKNESSES.iter().find(|(name, ..)| *name == case.name);
        let on_purpose = ON_PURPOSE.iter().find(|(name, ..)| *name == case.name);
        let expected: Vec<String> = match (weakness, on_purpose) {
            (Some((_, ours)), None) => ours.iter().map(|&line| line.to_owned()).collect(),
            (None, Some((_, ours, _))) => ours.iter().map(|&line| line.to_owned()).collect(),
            (None, None) => theirs.clone(),
            (Some(_), Some(_)) => panic!("{} is in both lists", case.name),
        };
        let listed = weakness.is_some() || on_purpose.is_some();
        if ours != expected || listed == (ours == theirs) {
            wrong.push(format!("{:?}, ours {ours:?}, theirs {theirs:?}, note {:?}", case.name, case.note));
        }
        // A weakness is one that the data names.
        assert!(weakness.is_none() || case.note.is_some(), "{}", case.name);
        agreeing += usize::from(!listed);
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    let known = |name: &str| cases.iter().any(|case| case.name == name);
    assert!(WEAKNESSES.iter().map(|(name, ..)| name).all(|name| known(name)));
    assert!(ON_PURPOSE.iter().map(|(name, ..)| name).all(|name| known(name)));
    assert_eq!(agreeing + WEAKNESSES.len() + ON_PURPOSE.len(), cases.len());
}

/// Diffy sorts every array before it compares. Where that is declared, both say the same.
#[test]
fn where_order_is_declared_harmless_the_cases_about_it_agree() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("conformance/diffy_cases.json")).unwrap();
    let mut seen = 0;
    for case in cases.iter().filter(|case| case.mode == "json") {
        let (left, right) = (case.left.get(), case.right.get());
        let found = diff(left.as_bytes(), right.as_bytes(), Media::Json, &Rules::default());
        let order = found.differences.iter().filter(|found| found.kind == Kind::Order);
        let place = |path: &str| Pattern::parse(if path.is_empty() { "/" } else { path }).unwrap();
        let unordered: Vec<Pattern> = order.map(|found| place(&found.path)).collect();
        if !unordered.is_empty() {
            seen += 1;
            let declared = offline(left, right, Media::Json, &Rules::new(vec![], unordered));
            assert_eq!(declared, case.theirs(), "{}", case.name);
        }
    }
    assert_eq!(seen, 3);
}

impl Case {
    fn theirs(&self) -> Vec<String> {
        lines(self.expected.iter().map(|Expected { path, kind }| {
            let kind = match kind.as_str() {
                "PrimitiveDifference" => "value",
                "TypeDifference" => "type",
                "MissingField" => "missing",
                "ExtraField" => "extra",
                "OrderingDifference" => "order",
                "SeqSizeDifference" => "length",
                other => other,
            };
            (plain(path), kind.to_owned())
        }))
    }

    fn ours(&self) -> Vec<String> {
        let (left, right) = (self.left.get(), self.right.get());
        let text = |written: &str| serde_json::from_str::<String>(written).unwrap();
        let unordered = Rules::new(vec![], vec![Pattern::parse("/").unwrap()]);
        match self.mode.as_str() {
            "json" | "ordered" => offline(left, right, Media::Json, &Rules::default()),
            "text" => offline(&text(left), &text(right), Media::Auto, &Rules::default()),
            "set" => offline(left, right, Media::Json, &unordered),
            "map" => offline(&object(left), &object(right), Media::Json, &Rules::default()),
            "http" => answers(left, right),
            other => panic!("{}: mode {other}", self.name),
        }
    }
}

fn offline(left: &str, right: &str, media: Media, rules: &Rules) -> Vec<String> {
    let found = diff(left.as_bytes(), right.as_bytes(), media, rules);
    lines(found.differences.iter().map(|found| (dotted(&found.path), found.kind.to_string())))
}

/// As the evidence sees two answers of the same request.
fn answers(left: &str, right: &str) -> Vec<String> {
    let leg = |written: &str| {
        let answer: Answer = serde_json::from_str(written).unwrap();
        let values = |value: serde_json::Value| match value {
            serde_json::Value::Array(values) => values,
            value => vec![value],
        };
        let headers = answer.headers.into_iter().flat_map(|(name, value)| {
            values(value).into_iter().map(move |value| (name.clone(), value.as_str().unwrap().to_owned()))
        });
        let leg = Leg::answer("", answer.status).with_kept(Body::Whole(answer.body.as_str().into()));
        headers.fold(leg, |leg, (name, value)| leg.with_header(&name, value.as_str()))
    };
    let observation =
        Observation::new("r", "GET", "/").with_id(1).with_primary(leg(left)).with_candidate(leg(right));
    let mut evidence = Evidence::new();
    evidence.observe(&observation, &Rules::default());
    let report = report("r", &evidence, &Gates::default(), &Delivery::default());
    let path = |path: &str| dotted(path.strip_prefix("header:").unwrap_or(path));
    lines(report.uncontrolled.iter().map(|found| (path(&found.path), found.kind.to_string())))
}

/// Pairs of keys and values as an object.
fn object(pairs: &str) -> String {
    let pairs: Vec<(serde_json::Value, serde_json::Value)> = serde_json::from_str(pairs).unwrap();
    let members: Vec<String> = pairs.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Diffy puts answers under their status, the members of what it takes for a map under `values`, and keeps the case of
/// headers.
fn plain(path: &str) -> String {
    let names =
        path.split('.').enumerate().filter(|&(at, name)| name != "values" && !(at == 0 && name == "200"));
    names.map(|(_, name)| name.replace("ETag", "etag")).collect::<Vec<_>>().join(".")
}

/// The names on the way, with dots between. Where a name is itself a number, it is taken for a place in an array.
fn dotted(path: &str) -> String {
    let place = |segment: &&str| *segment == "*" || segment.parse::<usize>().is_ok();
    let names: Vec<&str> = path
        .split('/')
        .skip(usize::from(path.starts_with('/')))
        .filter(|s| !s.is_empty() && !place(s))
        .collect();
    names.join(".")
}

fn lines(found: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let mut lines: Vec<String> = found.map(|(path, kind)| format!("{path} {kind}")).collect();
    lines.sort();
    lines.dedup();
    lines
}
