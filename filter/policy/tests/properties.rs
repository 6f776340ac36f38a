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
