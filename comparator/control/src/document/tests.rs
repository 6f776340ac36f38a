//! Tests of the document: what is read, what is refused, and what ends a session of evidence.

use antumbra_observation::{Leg, Observation};

use super::*;

const SHOP: &str = "
version: 1
name: shop
variants: {stable: {cluster: stable}, canary: {cluster: canary}, control: {cluster: control}}
default: stable
rules:
  - name: shadow
    mirror: [{to: canary, percent: 5, control: {to: control, percent: 100}}]
compare: {ignore: [header:x-request-trace], unordered: [/tags]}
gates: {margin: 0.25}
";

fn document(text: &str) -> Document {
    Document::from_yaml(text.as_bytes()).unwrap_or_else(|invalid| panic!("{invalid}"))
}

#[test]
fn the_whole_document_is_read() {
    let shop = document(SHOP);
    assert_eq!(shop.name(), "shop");
    assert!((shop.gates().margin - 0.0025).abs() < 1e-12);
    let with_generation = document(&format!("{SHOP}generation: 9\n"));
    assert_eq!(with_generation.text(), shop.text());
    assert!(shop.text().starts_with(r#"{"version":1,"name":"shop","variants":{"stable""#), "{}", shop.text());
}

#[test]
fn problems_of_both_parts_come_at_once() {
    let bad = SHOP
        .replace("percent: 5", "percent: 101")
        .replace(
            "unordered: [/tags]",
            "unorderd: [/tags], ignore: 3, primary: [stabel], endpoints: [GET /a, 'GET users']",
        )
        .replace("margin: 0.25", "margin: 70, promoteAlpha: often");
    let bad = bad.replace("ignore: [header:x-request-trace], ", "");
    let invalid = Document::from_yaml(bad.as_bytes()).err().unwrap();
    let text = invalid.to_string();
    for expected in [
        "rules[0].mirror[0].percent is 101",
        "compare.unorderd is not a known field; did you mean \"unordered\"?",
        "compare.ignore is 3, must be a list",
        "compare.endpoints[1] is \"GET users\", names the route \"users\", must begin with /",
        "compare.primary[0] is \"stabel\", not a known variant; did you mean \"stable\"?",
        "gates.margin is 70, must be within 0.001..=50",
        "gates.promoteAlpha is \"often\", must be a number",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
}

#[test]
fn one_release_has_one_candidate_and_one_control() {
    let second = |mirror: &str, enabled: bool| {
        let rule = format!("  - {{name: more, enabled: {enabled}, mirror: [{mirror}]}}\ncompare:");
        SHOP.replace("compare:", &rule)
    };
    let other = "{to: stable, percent: 1, control: {to: canary, percent: 1}}";
    let invalid = Document::from_yaml(second(other, true).as_bytes()).err().unwrap().to_string();
    assert_eq!(
        invalid,
        "rules[1].mirror[0].to is \"stable\", must be \"canary\": one release has one candidate\n\
         rules[1].mirror[0].control.to is \"canary\", must be \"control\": one release has one control"
    );
    document(&second(other, false));
    document(&second("{to: canary, percent: 1}", true));
}

#[test]
fn without_a_default_only_what_the_host_routed_counts() {
    let none = document(&SHOP.replace("default: stable", "default: null"));
    let named = document(&SHOP.replace("compare: {", "compare: {primary: [control], "));
    for (document, variant, counts) in [
        (document(SHOP), "stable", true),
        (document(SHOP), "canary", false),
        (none, "canary", false),
        (document(&SHOP.replace("default: stable", "default: null")), "", true),
        (named, "control", true),
    ] {
        let mut evidence = antumbra_engine::Evidence::new();
        let leg = || Leg::answer(variant, 200);
        let observation = Observation::new("shop", "GET", "/").with_primary(leg()).with_candidate(leg());
        evidence.observe(&observation, document.rules());
        assert_eq!(evidence.exchanges() == 1, counts, "{variant:?}");
    }
}

#[test]
fn a_candidate_that_is_the_stable_version_is_a_calibration() {
    for (variants, calibrates) in [
        ("{stable: {cluster: stable}, canary: {cluster: canary}, control: {cluster: control}}", false),
        ("{stable: {cluster: stable}, canary: {cluster: control}, control: {cluster: control}}", true),
        ("{stable: {cluster: stable}, canary: {cluster: stable}, control: {cluster: control}}", true),
        ("{stable: {cluster: canary}, canary: null, control: {cluster: control}}", true),
        ("{stable: {cluster: a}, canary: {cluster: a, host: beta.test}, control: {cluster: b}}", false),
        ("{stable: {cluster: a}, canary: {cluster: a, state: yellow}, control: {cluster: b}}", true),
        (
            "{stable: {cluster: a, headers: {set: {x: 1}}}, canary: {cluster: a}, control: {cluster: b}}",
            false,
        ),
    ] {
        let line = "{stable: {cluster: stable}, canary: {cluster: canary}, control: {cluster: control}}";
        let text = SHOP.replace(line, variants);
        assert_eq!(document(&text).gates().calibration, calibrates, "{variants}");
    }
    let stable = SHOP.replace("cluster: canary", "cluster: stable");
    let marked = stable.replace("{to: canary,", "{to: canary, headers: {set: {x-shadow: 1}},");
    assert!(document(&marked).gates().calibration, "both legs bear the mark");
    let calibrating = document(&SHOP.replace("cluster: canary", "cluster: control"));
    assert!(!calibrating.shares_evidence_with(&document(SHOP)), "its evidence is not the release's");
}

#[test]
fn only_what_is_compared_and_how_ends_the_evidence() {
    let shop = document(SHOP);
    for (from, to, shared) in [
        ("percent: 5,", "percent: 50,", true),
        ("percent: 100", "percent: 10", true),
        ("margin: 0.25", "margin: 0.5", true),
        ("cluster: stable", "cluster: other", true),
        ("cluster: canary", "cluster: canary-2", false),
        ("cluster: control", "cluster: control-2", false),
        ("[/tags]", "[/labels]", false),
        ("[/tags]", "[/tags], endpoints: ['GET /users/{name}']", false),
        ("mirror: [{to: canary,", "mirror: [{to: canary, methods: [GET],", true),
        ("gates: {", "gates: {promoteAlpha: 0.1, rollBackAlpha: 0.02, endpointMargin: 3, ", true),
        (
            "rules:",
            "rules:\n  - {name: split, split: {by: ['cookie:u'], weights: {stable: 9, canary: 1}}}",
            true,
        ),
        ("[/tags]}", "[/tags], rules: [{at: /at, time: 5s}]}", false),
        (", control: {to: control, percent: 100}", "", false),
    ] {
        let changed = SHOP.replace(from, to);
        assert_ne!(changed, SHOP, "{from}");
        assert_eq!(document(&changed).shares_evidence_with(&shop), shared, "{from} → {to}");
        assert_eq!(shop.shares_evidence_with(&document(&changed)), shared, "{to} → {from}");
    }
}

#[test]
fn the_way_to_a_leg_ends_the_evidence_and_its_name_does_not() {
    let shop = document(SHOP);
    let off = "rules:\n  - {name: off, enabled: false, mirror: [{to: stable, control: {to: canary}}]}";
    for (from, to, shared) in [
        ("canary: {cluster: canary}", "canary: {cluster: canary, host: beta.test}", false),
        ("canary: {cluster: canary}", "canary: {cluster: canary, headers: {set: {x-ui: new}}}", false),
        ("control: {cluster: control}}", "control: {cluster: control, host: stable.test}}", false),
        ("mirror: [{to: canary,", "mirror: [{to: canary, host: beta.test,", false),
        ("mirror: [{to: canary,", "mirror: [{to: canary, pathPrefix: /beta,", false),
        ("mirror: [{to: canary,", "mirror: [{to: canary, headers: {remove: [cookie]},", false),
        ("canary: {cluster: canary}", "canary: null", true),
        ("canary: {cluster: canary}", "canary: {cluster: canary, state: yellow}", true),
        ("stable: {cluster: stable}", "stable: {cluster: stable, host: shop.test}", true),
        ("default: stable", "default: control", false),
        ("mirror: [{to: canary,", "mirror: [{to: canary, timeout: 9s, maxInFlight: 3, sample: key,", true),
        ("rules:", off, true),
        (
            "  - name: shadow",
            "  - {name: x, mirror: [{to: canary, host: beta.test}]}\n  - name: shadow",
            false,
        ),
        (
            "  - name: shadow",
            "  - {name: x, mirror: [{to: canary, control: {to: control}}]}\n  - name: shadow",
            true,
        ),
    ] {
        let changed = SHOP.replace(from, to);
        assert_ne!(changed, SHOP, "{from}");
        assert_eq!(shop.shares_evidence_with(&document(&changed)), shared, "{from} → {to}");
        assert_eq!(document(&changed).shares_evidence_with(&shop), shared, "{to} → {from}");
    }
    let renamed = SHOP.replace("canary: {cluster", "next: {cluster").replace("to: canary", "to: next");
    assert!(shop.shares_evidence_with(&document(&renamed)), "the same way under another name");
    let edited = |text: &str| document(&SHOP.replace("rules:", &off.replace("control: {to: canary}", text)));
    assert!(edited("percent: 1").shares_evidence_with(&edited("percent: 1, host: a.test")));
}

#[test]
fn a_pause_keeps_the_evidence_and_what_is_mirrored_after_it_begins_anew() {
    let (shop, paused) =
        (document(SHOP), document(&SHOP.replace("- name: shadow", "- name: shadow\n    enabled: false")));
    assert!(shop.shares_evidence_with(&paused));
    assert!(!paused.shares_evidence_with(&shop));
    let calibrating = document(&SHOP.replace("cluster: canary", "cluster: control"));
    assert!(!calibrating.shares_evidence_with(&paused), "no verdict on what a calibration gathered");
}
