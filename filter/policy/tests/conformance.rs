//! What other systems do with the same rules and the same request, natively and as WebAssembly: every portable case of
//! `tests/conformance` holds.

use antumbra_policy::document::Tree;
use antumbra_policy::{Decision, Dice, Policy, Timestamp, WrittenRequest};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const FILES: [(&str, &str); 9] = [
    ("apisix-traffic-split", include_str!("conformance/apisix-traffic-split.json")),
    ("bfe-conditions", include_str!("conformance/bfe-conditions.json")),
    ("bucketing-vectors", include_str!("conformance/bucketing-vectors.json")),
    ("envoy-route", include_str!("conformance/envoy-route.json")),
    ("gateway-api", include_str!("conformance/gateway-api.json")),
    ("gray-gateways", include_str!("conformance/gray-gateways.json")),
    ("lua-resty-expr", include_str!("conformance/lua-resty-expr.json")),
    ("nginx-seeds", include_str!("conformance/nginx-seeds.json")),
    ("seed-scenarios", include_str!("conformance/seed-scenarios.json")),
];

/// Kinds whose cases are run here one by one; the properties of `bucketing-vectors` are proved in `properties.rs`.
const RUN: [&str; 4] = ["match", "distribution", "mirror", "validation"];

/// One case and what went wrong with it.
struct Case<'a> {
    case: &'a Tree,
    id: &'a str,
}

impl<'a> Case<'a> {
    fn text(&self, name: &str) -> &'a str {
        match self.case.get(name) {
            Some(Tree::Text(text)) => text,
            other => panic!("{}: {name} is {other:?}", self.id),
        }
    }

    fn number(&self, name: &str) -> f64 {
        number(self.case.get(name).unwrap_or_else(|| panic!("{}: no {name}", self.id)))
    }

    /// The rules as a complete document.
    fn document(&self) -> Tree {
        let Some(Tree::Map(entries)) = self.case.get("as") else { panic!("{}: no rules of ours", self.id) };
        let mut document = Tree::Map(entries.clone());
        document.set("version", Tree::Integer(1));
        document.set("name", Tree::Text("case".to_owned()));
        if let Some(Tree::List(rules)) = document.get_mut("rules") {
            for (index, rule) in rules.iter_mut().enumerate().filter(|(_, rule)| rule.get("name").is_none()) {
                rule.set("name", Tree::Text(format!("r{index}")));
            }
        }
        document
    }

    fn policy(&self) -> Policy {
        Policy::from_tree(&self.document()).unwrap_or_else(|invalid| panic!("{}: {invalid}", self.id))
    }

    fn request(&self) -> WrittenRequest {
        let written = self.case.get("request").unwrap_or_else(|| panic!("{}: no request", self.id));
        WrittenRequest::from_tree(written, Timestamp(0))
            .unwrap_or_else(|invalid| panic!("{}: {invalid}", self.id))
    }

    fn check(&self) {
        match self.text("kind") {
            "match" => self.check_match(),
            "distribution" => {
                self.check_shares("expected_distribution", |decision, name| variant(decision) == name);
            }
            "mirror" => self.check_shares("expected_mirrored", |decision, name| {
                decision.mirrors.iter().any(|mirrored| mirrored.mirror.to.name == name)
            }),
            _ => self.check_refusal(),
        }
    }

    fn check_match(&self) {
        let (policy, request) = (self.policy(), self.request());
        let decision = policy.decide(&request, Dice(7));
        let expected = match self.case.get("expected_variant") {
            Some(Tree::Text(name)) => name,
            _ => "",
        };
        assert_eq!(variant(&decision), expected, "{}", self.id);
    }

    fn check_shares(&self, expectation: &str, counts: impl Fn(&Decision<'_>, &str) -> bool) {
        let (policy, request) = (self.policy(), self.request());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of requests")]
        let requests = self.number("requests") as u64;
        let Some(Tree::Map(shares)) = self.case.get(expectation) else {
            panic!("{}: no {expectation}", self.id)
        };
        let decisions: Vec<_> = (0..requests).map(|word| policy.decide(&request, Dice(word))).collect();
        for (name, share) in shares {
            let share = number(share);
            let found = decisions.iter().filter(|decision| counts(decision, name)).count() as f64;
            let expected = share * requests as f64;
            let allowed = self.allowed(share, requests as f64);
            assert!(
                (found - expected).abs() <= allowed,
                "{}: {name} {found}, expected {expected} ± {allowed}",
                self.id
            );
        }
    }

    fn allowed(&self, share: f64, requests: f64) -> f64 {
        let tolerance = self.case.get("tolerance").unwrap_or_else(|| panic!("{}: no tolerance", self.id));
        match (tolerance.get("sigma"), tolerance.get("value")) {
            (Some(sigma), _) => number(sigma) * (requests * share * (1.0 - share)).sqrt(),
            (_, Some(value)) => number(value) * requests,
            _ => panic!("{}: {tolerance:?}", self.id),
        }
    }

    /// It is refused, and the error names the field.
    fn check_refusal(&self) {
        let invalid = Policy::from_tree(&self.document()).map(|_| ()).expect_err(self.id);
        let said = invalid.to_string();
        assert!(said.lines().all(|line| line.starts_with("rules[")), "{}: {said}", self.id);
    }
}

fn cases<'a>(file: &'a Tree, kinds: &'a [&str]) -> impl Iterator<Item = Case<'a>> {
    let Some(Tree::List(cases)) = file.get("cases") else { panic!("no cases") };
    let cases = cases.iter().filter(|case| case.get("portable") == Some(&Tree::Bool(true)));
    cases.filter_map(|case| match (case.get("id"), case.get("kind")) {
        (Some(Tree::Text(id)), Some(Tree::Text(kind))) => {
            kinds.contains(&kind.as_str()).then_some(Case { case, id })
        }
        _ => panic!("a case without id or kind: {case:?}"),
    })
}

fn variant<'p>(decision: &Decision<'p>) -> &'p str {
    decision.variant.map_or("", |variant| &variant.name)
}

fn number(tree: &Tree) -> f64 {
    match tree {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        Tree::Integer(number) => *number as f64,
        Tree::Float(number) => *number,
        other => panic!("{other:?} is no number"),
    }
}

fn file(name: &str) -> Tree {
    let (_, text) = FILES.iter().find(|(known, _)| *known == name).unwrap();
    Tree::from_json(text.as_bytes()).unwrap()
}

#[test]
fn every_portable_case_holds() {
    let mut run = 0;
    for (name, _) in FILES {
        let file = file(name);
        for case in cases(&file, &RUN) {
            case.check();
            run += 1;
        }
    }
    assert!(run > 200, "only {run} cases were run");
}

/// What is portable and not run above is a property, and each of those has its test.
#[test]
fn nothing_portable_is_left_out() {
    for (name, _) in FILES {
        let file = file(name);
        let Some(Tree::List(all)) = file.get("cases") else { panic!("{name} has no cases") };
        let portable = all.iter().filter(|case| case.get("portable") == Some(&Tree::Bool(true))).count();
        let properties = cases(&file, &["property"]).count();
        assert_eq!(cases(&file, &RUN).count() + properties, portable, "{name}");
        assert_eq!(properties, if name == "bucketing-vectors" { 6 } else { 0 }, "{name}");
    }
}

/// Positions that the data has computed for our own hash and scale.
#[test]
fn positions_are_those_of_the_data() {
    let file = file("bucketing-vectors");
    let Some(Tree::List(all)) = file.get("cases") else { panic!("no cases") };
    let vectors = all.iter().filter_map(|case| Some((case.get("key")?, case.get("expected_position")?)));
    let mut run = 0;
    for (key, expected) in vectors {
        let Tree::Text(salted) = key else { panic!("{key:?}") };
        let (salt, key) = salted.split_once('|').unwrap();
        let text = format!(
            r#"{{"version": 1, "name": "p", "variants": {{"a": {{}}}}, "default": "a", "rules": [
                {{"split": {{"by": "header:k", "salt": "{salt}", "weights": {{"a": 1}}}}}}]}}"#
        );
        let policy = Policy::from_tree(&Tree::from_json(text.as_bytes()).unwrap()).unwrap();
        let mut request = Tree::Map(vec![]);
        request.set("headers", Tree::Map(vec![("k".to_owned(), Tree::Text(key.to_owned()))]));
        let request = WrittenRequest::from_tree(&request, Timestamp(0)).unwrap();
        let position = policy.decide(&request, Dice(0)).position.unwrap();
        assert_eq!(Tree::Integer(position.into()), *expected, "{salted}");
        run += 1;
    }
    assert_eq!(run, 5);
}

/// Versions that a client chose by cookies are handed to the services behind.
#[test]
fn chosen_versions_are_handed_on() {
    let text = r#"{"version": 1, "name": "ssp", "variants": {"web": {}}, "default": null, "rules": [], "propagate": [
        {"cookie": "delivery-version", "as": "baggage:delivery-version", "allow": ["v0", "v1"]},
        {"cookie": "adposition-version", "as": "baggage:adposition-version", "allow": ["v0", "v1"]}]}"#;
    let policy = Policy::from_tree(&Tree::from_json(text.as_bytes()).unwrap()).unwrap();
    let file = file("seed-scenarios");
    let Some(Tree::List(all)) = file.get("cases") else { panic!("no cases") };
    let kind = |case: &&Tree| case.get("kind") == Some(&Tree::Text("propagation".to_owned()));
    let case = all.iter().find(kind).unwrap();
    let request = WrittenRequest::from_tree(case.get("request").unwrap(), Timestamp(0)).unwrap();
    let decision = policy.decide(&request, Dice(0));
    let expected = case.get("expected_request_headers").unwrap();
    let antumbra_policy::Edit::Set(name, value) = &decision.request_edits[0] else { panic!("{decision:?}") };
    assert_eq!(expected.get(name), Some(&Tree::Text(String::from_utf8_lossy(value).into_owned())));
}
