//! Tests of the rollout: what is read, and every way in which it is refused.

use antumbra_policy::document::Problems;

use super::*;
use crate::document::{Document, tree_from_yaml};

fn read(rollout: &str) -> Result<Rollout, String> {
    let policy = tree_from_yaml(b"{variants: {stable: null, canary: null}, default: stable}").unwrap();
    let tree = tree_from_yaml(format!("rollout: {rollout}").as_bytes()).unwrap();
    let problems = Problems::default();
    let root = problems.root(&tree).map(&["rollout"]).unwrap();
    let read = Rollout::read(root.get("rollout").unwrap(), &policy);
    problems.finish(read).map_err(|invalid| invalid.to_string())
}

#[test]
fn a_step_inherits_what_it_does_not_name() {
    let rollout = read(
        "{steps: [{mirror: 10%}, {weights: {canary: 1}}, {weights: {canary: 5.5%}, atLeast: 10m},
          {mirror: 0, next: approval}, {weights: {canary: 100}}, {atLeast: 2h}, {atLeast: 1d, next: time}],
          onSuspected: nothing, onRollBack: notify, giveUpAfter: 24h}",
    )
    .unwrap();
    let shown: Vec<String> = rollout
        .steps
        .iter()
        .map(|step| {
            let weights: Vec<String> =
                step.weights.iter().map(|(name, share)| format!("{name}={share}")).collect();
            let mirror = step.mirror.map_or("as the rules say".to_owned(), |share| share.to_string());
            format!("{mirror} [{}] {}s {:?}", weights.join(" "), step.at_least.as_secs(), step.next)
        })
        .collect();
    assert_eq!(
        shown,
        [
            "10% [] 0s Evidence",
            "10% [canary=1%] 0s Evidence",
            "10% [canary=5.5%] 600s Evidence",
            "0% [canary=5.5%] 0s Approval",
            "0% [canary=100%] 0s Approval",
            "0% [canary=100%] 7200s Time",
            "0% [canary=100%] 86400s Time",
        ]
    );
    assert_eq!((rollout.on_suspected, rollout.on_roll_back), (OnSuspected::Nothing, OnRollBack::Notify));
    assert_eq!(rollout.give_up_after, Some(Duration::from_secs(86_400)));
    let usual = read("{steps: [{weights: {canary: 1, stable: 99}}]}").unwrap();
    assert_eq!((usual.on_suspected, usual.on_roll_back), (OnSuspected::Hold, OnRollBack::Rollback));
    assert_eq!((usual.steps[0].mirror, usual.give_up_after), (None, None));
}

#[test]
fn what_is_wrong_is_said_at_once() {
    for (rollout, expected) in [
        (
            "{stps: [garbage]}",
            "rollout.stps is not a known field; did you mean \"steps\"?\nrollout has no field \"steps\", which is required",
        ),
        ("{steps: []}", "rollout.steps has 0 items, must have 1..=50"),
        ("{steps: [{}]}", "rollout.steps[0] does nothing, must have one of mirror, weights, atLeast, next"),
        (
            "{steps: [{mirror: 101%, weights: {canry: 1}, atLeast: soon, next: evidense}], next: never, giveUpAfter: 1s}",
            "rollout.next is \"never\", must be one of evidence, approval, time\n\
             rollout.giveUpAfter is \"1s\", must be within 60s..=7776000s\n\
             rollout.steps[0].mirror is \"101%\", must be a percentage within 0..=100 of at most 6 decimals, such as 10 or 10%\n\
             rollout.steps[0].weights.canry is \"canry\", not a known variant; did you mean \"canary\"?\n\
             rollout.steps[0].atLeast is \"soon\", must be a duration such as 250ms, 2s, 15m or 24h\n\
             rollout.steps[0].next is \"evidense\", must be one of evidence, approval, time; did you mean \"evidence\"?",
        ),
        (
            "{steps: [{weights: {canary: 100}}, {next: evidence}]}",
            "rollout.steps[1] has next: evidence and leaves the default no traffic, must go on by approval or time there",
        ),
        (
            "{steps: [{mirror: 1}], next: time}",
            "rollout.steps[0] has no field \"atLeast\", which next: time needs",
        ),
        (
            "{steps: [{weights: {canary: 60, stable: 50}}]}",
            "rollout.steps[0].weights has the sum 110, must be 100 with the default among them",
        ),
        (
            "{steps: [{mirror: 1, weights: {stable: 50}}], onSuspected: hold, onRollBack: hold}",
            "rollout.steps[0].weights has the sum 50, must be 100 with the default among them",
        ),
    ] {
        assert_eq!(read(rollout).unwrap_err(), expected, "{rollout}");
    }
}

#[test]
fn a_document_has_its_rollout() {
    let text = "{version: 1, name: shop, variants: {stable: null, canary: null}, default: stable, rules: [], ROLLOUT}";
    let document = |rollout: &str| Document::from_yaml(text.replace("ROLLOUT", rollout).as_bytes());
    assert!(document("gates: {}").unwrap().rollout().is_none());
    assert_eq!(document("rollout: {steps: [{mirror: 5}]}").unwrap().rollout().unwrap().steps.len(), 1);
    let invalid = document("rollout: {stps: [garbage]}").err().unwrap().to_string();
    assert!(invalid.contains("rollout.stps is not a known field; did you mean \"steps\"?"), "{invalid}");
}
