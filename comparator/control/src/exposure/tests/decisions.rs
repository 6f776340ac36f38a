//! What is found, against what compiled policies decide, on policies and requests made up at random.

use std::borrow::Cow;
use std::net::IpAddr;

use antumbra_policy::document::Tree;
use antumbra_policy::{Dice, Policy, Request, Timestamp};
use proptest::prelude::*;
use proptest::sample::select;

use crate::document::tree_from_yaml;
use crate::exposure::raised;

/// A request with some of what the rules look at.
#[derive(Debug)]
struct Asked {
    path: &'static str,
    cookie: &'static str,
}

impl Request for Asked {
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        match name {
            ":path" => Some(self.path.as_bytes().into()),
            ":method" => Some(b"GET".into()),
            "cookie" => Some(self.cookie.as_bytes().into()),
            _ => None,
        }
    }

    fn peer_address(&self) -> Option<IpAddr> {
        None
    }

    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
}

fn rule() -> impl Strategy<Value = String> {
    let conditions = [
        "",
        "",
        "matches: [{path: /a}], ",
        "matches: [{path: {prefix: /a}}], ",
        "matches: [{cookies: {v: '1'}}], ",
        "matches: [{path: {prefix: /a}, cookies: {v: '1'}}], ",
        "matches: [{path: /a}, {path: /b}], ",
        "enabled: false, ",
    ];
    let targets = [
        "to: stable",
        "to: canary",
        "to: off",
        "split: {weights: {canary: 0, stable: 1}}",
        "split: {weights: {canary: 1, stable: 1}}",
        "split: {weights: {off: 1, canary: 1}}",
        "split: {buckets: {canary: [[0, 499999]]}}",
        "select: {by: cookie:v, map: {'1': canary, '2': stable}}",
        "select: {by: cookie:v, map: {'1': stable, '2': off}}",
        "mirror: [{to: canary, percent: 100}]",
    ];
    (select(conditions.to_vec()), select(targets.to_vec()))
        .prop_map(|(conditions, target)| format!("{conditions}{target}"))
}

/// Rules in an order, and a list of ids or none.
fn policy() -> impl Strategy<Value = (Vec<String>, &'static str)> {
    let canary = [
        "null",
        "{state: yellow, ids: {in: ['1']}}",
        "{state: yellow, ids: {in: ['1', '2']}}",
        "{state: red}",
    ];
    (proptest::collection::vec(rule(), 0..5), select(canary.to_vec()))
}

fn read((rules, canary): &(Vec<String>, &str)) -> Tree {
    let rules: Vec<String> = rules.iter().map(|rule| format!("{{{rule}}}")).collect();
    let text = format!(
        "{{version: 1, name: shop, idFrom: cookie:v, variants: {{stable: null, canary: {canary}, off: {{state: red}}}}, default: stable,
          rules: [{}]}}",
        rules.join(", ")
    );
    tree_from_yaml(text.as_bytes()).unwrap()
}

/// How many of 64 equal requests the candidate gets.
fn share(policy: &Policy, asked: &Asked) -> usize {
    let candidate = |dice: &u64| {
        policy.decide(asked, Dice(*dice)).variant.is_some_and(|variant| variant.name == "canary")
    };
    (0..64).filter(candidate).count()
}

fn requests() -> Vec<Asked> {
    let paths = ["/a", "/a/x", "/b", "/c"];
    let cookies = ["v=0", "v=1", "v=2"];
    paths.into_iter().flat_map(|path| cookies.map(|cookie| Asked { path, cookie })).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Where nothing is found, no request gets the candidate more often.
    #[test]
    fn what_does_not_ask_gives_nobody_more(current in policy(), next in policy()) {
        let (current, next) = (read(&current), read(&next));
        if raised(&current, &next).is_empty() {
            let (before, after) = (Policy::from_tree(&current).unwrap(), Policy::from_tree(&next).unwrap());
            for asked in requests() {
                // Halves are told apart from none and from all, and not from each other.
                let (had, has) = (share(&before, &asked), share(&after, &asked));
                prop_assert!(has <= had + 24, "{asked:?}: {had} → {has} of 64");
            }
        }
    }

    /// A policy raises nothing against itself, nor does one that gives the candidate no weight any more.
    #[test]
    fn what_only_lowers_does_not_ask(current in policy(), at in 0_usize..5) {
        let mut lower = current.clone();
        if let Some(rule) = lower.0.get_mut(at) {
            *rule = rule.replace("canary: 1", "canary: 0").replace("'1': canary", "'1': stable").replace("to: canary", "to: stable");
        }
        let (current, lower) = (read(&current), read(&lower));
        prop_assert_eq!(raised(&current, &current), []);
        prop_assert_eq!(raised(&current, &lower), []);
    }
}
