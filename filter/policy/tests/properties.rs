//! Properties that must hold for every input: shares that grow evict nobody, and no bytes make a decision fail.
#![cfg(not(target_family = "wasm"))]

use std::borrow::Cow;
use std::net::IpAddr;

use antumbra_policy::document::Tree;
use antumbra_policy::{Dice, Policy, Request, Timestamp, parse_address};
use proptest::prelude::*;

struct Answers<'a>(&'a [u8]);

impl Request for Answers<'_> {
    fn header(&self, _: &str) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Borrowed(self.0))
    }

    fn peer_address(&self) -> Option<IpAddr> {
        parse_address(self.0)
    }

    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
}

/// A split by address of users 0 to 199 among the weights in their order; `stable` is the default.
fn variants(weights: &[(&str, u64)]) -> Vec<String> {
    let weights: Vec<_> = weights.iter().map(|(name, weight)| format!("{name:?}: {weight}")).collect();
    let text = format!(
        r#"{{"version": 1, "name": "p", "variants": {{"a": {{}}, "b": {{}}, "stable": {{}}}}, "default": "stable",
            "rules": [{{"name": "s", "split": {{"by": ["header:u"], "weights": {{{}}}}}}}]}}"#,
        weights.join(",")
    );
    let policy = Policy::from_tree(&Tree::from_json(text.as_bytes()).unwrap()).unwrap();
    let user = |n: u32| {
        policy.decide(&Answers(format!("user-{n}").as_bytes()), Dice(0)).variant.unwrap().name.clone()
    };
    (0..200).map(user).collect()
}

/// A policy `p` with the variants `a`, `b` and `stable`, the last the default.
fn policy(variants: &str, rules: &str) -> Policy {
    let text = format!(
        r#"{{"version": 1, "name": "p", "variants": {variants}, "default": "stable", "rules": [{rules}]}}"#
    );
    Policy::from_tree(&Tree::from_json(text.as_bytes()).unwrap()).unwrap()
}

const GREEN: &str = r#"{"a": {}, "b": {}, "stable": {}}"#;

fn chosen<'p>(policy: &'p Policy, key: &str) -> &'p str {
    &policy.decide(&Answers(key.as_bytes()), Dice(0)).variant.unwrap().name
}

/// Four standard deviations of a binomial count.
fn within(found: usize, trials: usize, share: f64) {
    let expected = trials as f64 * share;
    let allowed = 4.0 * (expected * (1.0 - share)).sqrt();
    assert!(
        (found as f64 - expected).abs() <= allowed,
        "{found} of {trials}, expected {expected} ± {allowed}"
    );
}

#[test]
fn a_million_keys_fit_the_weights() {
    let policy = policy(
        GREEN,
        r#"{"name": "s", "split": {"by": "header:u", "weights": {"a": 5, "b": 20, "stable": 75}}}"#,
    );
    let mut counts = [("a", 0.05, 0), ("b", 0.20, 0), ("stable", 0.75, 0)];
    for n in 0..1_000_000 {
        let variant = chosen(&policy, &format!("user-{n}"));
        counts.iter_mut().find(|(name, ..)| *name == variant).unwrap().2 += 1;
    }
    for (_, share, found) in counts {
        within(found, 1_000_000, share);
    }
}

#[test]
fn two_salted_experiments_overlap_as_independent_ones_do() {
    let experiment = |salt: &str| {
        policy(
            GREEN,
            &format!(
                r#"{{"split": {{"by": "header:u", "salt": "{salt}", "weights": {{"a": 10, "b": 30, "stable": 60}}}}}}"#
            ),
        )
    };
    let (x, y) = (experiment("x"), experiment("y"));
    let users: Vec<String> = (0..200_000).map(|n| format!("user-{n}")).collect();
    for (first, share) in [("a", 0.1), ("b", 0.3), ("stable", 0.6)] {
        for (second, other) in [("a", 0.1), ("b", 0.3), ("stable", 0.6)] {
            let both = users.iter().filter(|user| chosen(&x, user) == first && chosen(&y, user) == second);
            within(both.count(), users.len(), share * other);
        }
    }
}

#[test]
fn a_red_variant_moves_only_its_own_users() {
    let rules = r#"{"name": "s", "split": {"by": "header:u", "weights": {"a": 20, "b": 30, "stable": 50}}}"#;
    let before = policy(GREEN, rules);
    let after = policy(r#"{"a": {"state": "red"}, "b": {}, "stable": {}}"#, rules);
    let mut moved = 0;
    for n in 0..100_000 {
        let user = format!("user-{n}");
        match (chosen(&before, &user), chosen(&after, &user)) {
            ("a", now) => {
                assert_eq!(now, "stable", "{user}");
                moved += 1;
            }
            (was, now) => assert_eq!(was, now, "{user}"),
        }
    }
    within(moved, 100_000, 0.2);
}

#[test]
fn a_mirrors_sample_by_key_is_its_share_stays_and_is_independent_of_the_split() {
    let rules = |percent: u32| {
        format!(
            r#"{{"name": "m", "mirror": [{{"to": "b", "percent": {percent}, "sample": "key", "unsafeMethods": "allow"}}]}},
               {{"name": "s", "split": {{"by": "header:u", "weights": {{"a": 25, "stable": 75}}}}}}"#
        )
    };
    let (few, more) = (policy(GREEN, &rules(10)), policy(GREEN, &rules(30)));
    let (mut sampled, mut both) = (0, 0);
    for n in 0..200_000 {
        let key = format!("user-{n}");
        let is_sampled =
            |policy: &Policy, dice| !policy.decide(&Answers(key.as_bytes()), Dice(dice)).mirrors.is_empty();
        let now = is_sampled(&more, n);
        assert_eq!(now, is_sampled(&more, n + 1), "{key}: whatever the dice");
        assert!(now || !is_sampled(&few, n), "{key}: a smaller share is a part of a larger one");
        sampled += usize::from(now);
        both += usize::from(now && chosen(&more, &key) == "a");
    }
    within(sampled, 200_000, 0.3);
    within(both, 200_000, 0.3 * 0.25);
}

/// Another worker compiles the same document again, another replica gets it as YAML and hands it on as JSON.
#[test]
fn every_worker_and_replica_decides_alike() {
    let yaml = "
version: 1
name: p
variants: {a: {}, b: {}, stable: {}}
default: stable
rules:
- {name: m, mirror: [{to: b, percent: 40, sample: key, unsafeMethods: allow, control: {to: a, percent: 50}}]}
- {name: s, split: {by: [\"header:u\"], weights: {a: 10, b: 20, stable: 70}, sticky: {cookie: s}}}
";
    let written: Tree = serde_saphyr::from_str(yaml).unwrap();
    let handed_on = serde_json::to_vec(&antumbra_policy::edit::filter_part(&written, 7)).unwrap();
    let one = Policy::from_tree(&written).unwrap();
    let other = Policy::from_tree(&Tree::from_json(&handed_on).unwrap()).unwrap();
    for n in 0..20_000 {
        let key = format!("user-{n}");
        let request = Answers(key.as_bytes());
        let (a, b) = (one.decide(&request, Dice(n)), other.decide(&request, Dice(n)));
        assert_eq!((a.variant, a.position, &a.request_edits), (b.variant, b.position, &b.request_edits));
        assert_eq!(a.response_edits, b.response_edits);
        let mirrors = |decision: &antumbra_policy::Decision<'_>| {
            decision.mirrors.iter().map(|m| (m.mirror.to.name.clone(), m.control)).collect::<Vec<_>>()
        };
        assert_eq!(mirrors(&a), mirrors(&b));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Two candidates whose shares grow, wherever the default is listed: who has one keeps it.
    #[test]
    fn growing_shares_evict_nobody(
        (a, b) in (0_u64..40, 0_u64..40),
        (more_a, more_b) in (0_u64..10, 0_u64..10),
        place in 0_usize..3,
    ) {
        let split = |a: u64, b: u64| {
            let mut weights = vec![("a", a), ("b", b)];
            weights.insert(place, ("stable", 100 - a - b));
            variants(&weights)
        };
        for (before, after) in split(a, b).iter().zip(split(a + more_a, b + more_b)) {
            prop_assert!(before == "stable" || *before == after, "{before} became {after}");
        }
    }

    /// Any two candidates, any weights before and after, totals that change: who leaves a candidate leaves one whose share
    /// shrank.
    #[test]
    fn only_a_shrinking_share_evicts(
        before in (0_u64..1_000, 0_u64..1_000, 0_u64..1_000),
        after in (0_u64..1_000, 0_u64..1_000, 0_u64..1_000),
    ) {
        let total = |(a, b, stable): (u64, u64, u64)| a + b + stable;
        prop_assume!(total(before) > 0 && total(after) > 0);
        let split = |(a, b, stable)| variants(&[("a", a), ("b", b), ("stable", stable)]);
        for (was, is) in split(before).iter().zip(split(after)) {
            let weight = |(a, b, _): (u64, u64, u64)| if was == "a" { a } else { b };
            let shrank = weight(after) * total(before) < weight(before) * total(after);
            prop_assert!(was == "stable" || *was == is || shrank, "{was} became {is}");
        }
    }

    /// Three candidates with buckets of their own: one that grows into free positions takes nobody from another.
    #[test]
    fn buckets_are_kept(a in 0_u32..200_000, b in 0_u32..200_000, more in 0_u32..100_000) {
        let buckets = |a: u32, b: u32| {
            policy(GREEN, &format!(
                r#"{{"name": "s", "split": {{"by": "header:u", "buckets": {{"a": [[0, {a}]], "b": [[400000, {}]]}}}}}}"#,
                400_000 + b
            ))
        };
        let (before, after) = (buckets(a, b), buckets(a + more, b));
        for n in 0..200 {
            let user = format!("user-{n}");
            let (was, is) = (chosen(&before, &user), chosen(&after, &user));
            prop_assert!(was == is || (was, is) == ("stable", "a"), "{was} became {is}");
        }
    }

    /// One candidate, whether the stable weight makes room or not.
    #[test]
    fn a_growing_candidate_keeps_its_users(canary in 0_u64..100, more in 0_u64..100, stable in 0_u64..100) {
        let before = variants(&[("a", canary), ("stable", stable + 1)]);
        let after = variants(&[("a", canary + more), ("stable", stable + 1)]);
        for (before, after) in before.iter().zip(after) {
            prop_assert!(before == "stable" || after == "a", "{before} became {after}");
        }
    }

    #[test]
    fn no_bytes_make_a_decision_fail(bytes in proptest::collection::vec(any::<u8>(), 0..200), word: u64) {
        let text = br#"{"version": 1, "name": "p", "variants": {"a": {}, "b": {}}, "default": null, "rules": [
            {"mirror": [{"to": "a", "percent": 50, "unsafeMethods": "allow", "control": {"to": "b", "percent": 50}}]},
            {"matches": [{"path": {"prefix": "/a"}, "headers": {"x": {"regex": "a+"}}}], "to": "a"},
            {"name": "s", "split": {"by": ["cookie:a", "header:x"], "weights": {"a": 1, "b": 1}}}]}"#;
        let policy = Policy::from_tree(&Tree::from_json(text).unwrap()).unwrap();
        let decision = policy.decide(&Answers(&bytes), Dice(word));
        prop_assert!(decision.variant.is_some());
        prop_assert_eq!(decision.mirrors.is_empty(), decision.skipped_mirror.is_some());
    }

    /// A document is text from outside: whatever it is, it compiles or says why not.
    #[test]
    fn any_document_compiles_or_says_why(
        key in "version|name|variants|default|rules|lease|apply|x",
        value in "\\[[0-9]?\\]|\\{(\"[a-z]\": ?[0-9])?\\}|[0-9]\\.[0-9]{1,9}|-[0-9]|null|true|\"[a-z]*\"|[0-9]{1,30}",
    ) {
        let text = br#"{"version": 1, "name": "p", "variants": {"a": {}}, "default": null, "rules": []}"#;
        let mut tree = Tree::from_json(text).unwrap();
        let Ok(value) = Tree::from_json(value.as_bytes()) else { return Ok(()) };
        tree.set(&key, value);
        match Policy::from_tree(&tree) {
            Ok(policy) => prop_assert_eq!(policy.variants().count(), 1),
            Err(invalid) => {
                let named = invalid.problems.iter().filter(|problem| problem.path.starts_with(&key));
                prop_assert!(named.count() > 0, "{invalid}");
            }
        }
    }
}
