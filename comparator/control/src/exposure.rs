//! Whether a change of a policy gives clients more of a candidate, which has to be said by name while the verdict is `roll back`.
//!
//! What counts is the share that each rule gives to variants other than the stable ones, all of them together: a change that lowers one
//! candidate raises the shares of what is left, and must never have to ask. Whom a rule concerns and where a variant goes is not looked at:
//! conditions that are taken away, rules that change their order, lists of ids, states, overrides, clusters of variants and a policy that is
//! deleted and created anew can give clients a candidate, too, and are not noticed here. Mirroring is no exposure.

use std::fmt;

use antumbra_policy::document::Tree;

/// A rule, or the default, that gives clients more of the candidates than it did.
#[derive(Debug, Clone, PartialEq)]
pub struct Raised {
    /// Which.
    pub by: Giver,
    /// The share that it gave them, 0 to 1.
    pub from: f64,
    /// The share that it gives them now.
    pub to: f64,
}

/// What gives clients a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Giver {
    /// `default`.
    Default,
    /// The rule of this name; `rules[2]` is one without.
    Rule(String),
}

/// The rules that give clients more of the candidates in `next` than in `current`, in the order of `next`. A rule is the same if its name
/// is; a new one gave nothing before.
pub fn raised(current: &Tree, next: &Tree) -> Vec<Raised> {
    let stable = Stable::of(current);
    let before = exposures(current, &stable);
    let known = |by: &Giver| before.iter().find(|(known, _)| known == by).map_or(0.0, |(_, share)| *share);
    let after = exposures(next, &stable).into_iter();
    let raised = after.map(|(by, to)| Raised { from: known(&by), by, to });
    raised.filter(|raised| raised.to > raised.from + ROUNDING).collect()
}

/// `rule "share" gives 5 % → 20 % of its requests to candidates`.
impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, from, to } = self;
        let by = match by {
            Giver::Default => "the default".to_owned(),
            Giver::Rule(name) => format!("rule {name:?}"),
        };
        let percent = |share: f64| (share * 10_000.0).round() / 100.0;
        write!(f, "{by} gives {} % → {} % of its requests to candidates", percent(*from), percent(*to))
    }
}

/// The variants that are no candidates.
struct Stable<'t>(Vec<&'t str>);

impl<'t> Stable<'t> {
    /// The default, and whose answers count as the primary's. Under a policy that names neither, the proxy's own routing is what
    /// candidates are compared with, so every variant is one.
    fn of(policy: &'t Tree) -> Self {
        let primary = policy.get("compare").and_then(|compare| compare.get("primary"));
        Self(items(primary).iter().chain(policy.get("default")).filter_map(text).collect())
    }

    fn has(&self, variant: &str) -> bool {
        variant == ELSEWHERE || self.0.contains(&variant)
    }
}

/// What the default and each rule give to variants that are not stable.
fn exposures(policy: &Tree, stable: &Stable<'_>) -> Vec<(Giver, f64)> {
    let candidate = |variant: &str| if stable.has(variant) { 0.0 } else { 1.0 };
    let default = policy.get("default").and_then(text).map_or(0.0, candidate);
    let mut found = vec![(Giver::Default, default)];
    for (index, rule) in items(policy.get("rules")).iter().enumerate() {
        let name = rule.get("name").and_then(text).map_or_else(|| format!("rules[{index}]"), str::to_owned);
        let share = match rule.get("enabled") {
            Some(Tree::Bool(false)) => 0.0,
            _ => exposure(rule, stable),
        };
        found.push((Giver::Rule(name), share));
    }
    found
}

fn exposure(rule: &Tree, stable: &Stable<'_>) -> f64 {
    let weights = match rule.get("to").and_then(text) {
        Some(variant) => vec![(variant, 1.0)],
        None => weights(rule),
    };
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    // A sum of nothing would be -0.
    let candidates = weights.iter().filter(|(name, _)| !stable.has(name)).fold(0.0, |sum, (_, w)| sum + w);
    if total > 0.0 { candidates / total } else { 0.0 }
}

/// What a rule gives to each variant, in any unit: weights, positions, or values that are listed.
fn weights(rule: &Tree) -> Vec<(&str, f64)> {
    let split = rule.get("split");
    let written = entries(split.and_then(|split| split.get("weights"))).iter();
    let mut found: Vec<(&str, f64)> = written.map(|(name, weight)| (name.as_str(), number(weight))).collect();
    let buckets = entries(split.and_then(|split| split.get("buckets"))).iter();
    found.extend(buckets.map(|(name, ranges)| (name.as_str(), items(Some(ranges)).iter().map(width).sum())));
    let free = POSITIONS - found.iter().map(|(_, width)| width).sum::<f64>();
    if split.is_some_and(|split| split.get("buckets").is_some()) && free > 0.0 {
        found.push((ELSEWHERE, free));
    }
    let listed = entries(rule.get("select").and_then(|select| select.get("map"))).iter();
    found.extend(listed.filter_map(|(_, variant)| Some((text(variant)?, 1.0))));
    found
}

/// Positions from the first to the last, both included.
fn width(range: &Tree) -> f64 {
    match items(Some(range)) {
        [first, last] => (number(last) - number(first) + 1.0).max(0.0),
        _ => 0.0,
    }
}

fn number(tree: &Tree) -> f64 {
    match tree {
        #[expect(clippy::cast_precision_loss, reason = "weights are far below 2^53")]
        Tree::Integer(number) => *number as f64,
        Tree::Float(number) => *number,
        _ => 0.0,
    }
}

fn text(tree: &Tree) -> Option<&str> {
    match tree {
        Tree::Text(text) => Some(text),
        _ => None,
    }
}

fn items(tree: Option<&Tree>) -> &[Tree] {
    match tree {
        Some(Tree::List(items)) => items,
        _ => &[],
    }
}

fn entries(tree: Option<&Tree>) -> &[(String, Tree)] {
    match tree {
        Some(Tree::Map(entries)) => entries,
        _ => &[],
    }
}

/// Shares that differ by less are the same.
const ROUNDING: f64 = 1e-9;
const POSITIONS: f64 = 1_000_000.0;
/// Where what has no bucket goes, which is where it would go without the rule. No variant has this name.
const ELSEWHERE: &str = "";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::document::tree_from_yaml;

    fn policy(rules: &str) -> Tree {
        tree_from_yaml(format!("{{default: stable, rules: [{rules}]}}").as_bytes()).unwrap()
    }

    fn split(canary: u64, next: u64, stable: u64) -> Tree {
        policy(&format!(
            "{{name: share, split: {{weights: {{canary: {canary}, next: {next}, stable: {stable}}}}}}}"
        ))
    }

    #[track_caller]
    fn check(current: &str, next: &str, expected: &[&str]) {
        let raised = raised(&policy(current), &policy(next));
        assert_eq!(raised.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn each_way_of_giving_clients_more() {
        let share =
            |canary: u8| format!("{{name: share, split: {{weights: {{canary: {canary}, stable: 95}}}}}}");
        let more = r#"rule "share" gives 5 % → 17.39 % of its requests to candidates"#;
        check(&share(5), &share(20), &[more]);
        check(&share(20), &share(5), &[]);
        check(&share(5), &share(5), &[]);
        check("", &share(5), &[r#"rule "share" gives 0 % → 5 % of its requests to candidates"#]);
        check(&share(5), "", &[]);
        let off = share(5).replace("name: share", "name: share, enabled: false");
        check(&share(5), &off, &[]);
        check(&off, &share(5), &[r#"rule "share" gives 0 % → 5 % of its requests to candidates"#]);
        let to = |variant: &str| format!("{{name: testers, to: {variant}}}");
        check(
            &to("stable"),
            &to("canary"),
            &[r#"rule "testers" gives 0 % → 100 % of its requests to candidates"#],
        );
        check(&to("canary"), &to("stable"), &[]);
        let buckets = |last: u32| format!("{{name: b, split: {{buckets: {{canary: [[0, {last}]]}}}}}}");
        check(
            &buckets(49_999),
            &buckets(99_999),
            &[r#"rule "b" gives 5 % → 10 % of its requests to candidates"#],
        );
        check(&buckets(99_999), &buckets(49_999), &[]);
        let select =
            |v2: &str| format!("{{name: s, select: {{by: cookie:v, map: {{v1: stable, v2: {v2}}}}}}}");
        check(
            &select("stable"),
            &select("canary"),
            &[r#"rule "s" gives 0 % → 50 % of its requests to candidates"#],
        );
        let mirror = |percent: u8| format!("{{name: m, mirror: [{{to: canary, percent: {percent}}}]}}");
        check(&mirror(1), &mirror(100), &[]);
    }

    #[test]
    fn what_is_stable_is_said_by_the_policy_in_force() {
        let with = |head: &str| {
            tree_from_yaml(
                format!("{{{head}, rules: [{{name: r, split: {{weights: {{a: 20, b: 80}}}}}}]}}").as_bytes(),
            )
            .unwrap()
        };
        let more_of = |variant: &str, head: &str| {
            let (mut next, weights) = (with(head), [(variant.to_owned(), 500)]);
            antumbra_policy::edit::set_weights(&mut next, None, &weights).unwrap();
            raised(&with(head), &next).len()
        };
        for (head, of_a, of_b) in [
            ("default: b", 1, 0),
            ("default: a", 0, 1),
            ("default: b, compare: {primary: [a]}", 0, 0),
            ("default: null", 0, 0),
        ] {
            assert_eq!((more_of("a", head), more_of("b", head)), (of_a, of_b), "{head}");
        }
        let promoted = raised(&with("default: b"), &with("default: a"));
        assert_eq!(promoted.iter().map(|raised| &raised.by).collect::<Vec<_>>(), [&Giver::Default]);
    }

    /// Without a default the proxy's own routing is what is stable: taking weight from whatever variant has most never asks.
    #[test]
    fn without_a_default_no_variant_is_stable() {
        let with = |canary: u8, stable: u8| {
            let text = format!(
                "{{default: null, rules: [{{name: r, split: {{weights: {{canary: {canary}, stable: {stable}}}}}}}]}}"
            );
            tree_from_yaml(text.as_bytes()).unwrap()
        };
        assert_eq!(raised(&with(60, 40), &with(0, 100)), []);
        let none = tree_from_yaml(b"{default: null, rules: []}").unwrap();
        let new = raised(&none, &with(5, 95));
        assert_eq!(
            new.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [r#"rule "r" gives 0 % → 100 % of its requests to candidates"#]
        );
    }

    /// A rule may be called as the default is.
    #[test]
    fn a_rule_that_is_called_default_is_a_rule() {
        let share =
            |canary: u8| format!("{{name: default, split: {{weights: {{canary: {canary}, stable: 90}}}}}}");
        check(&share(20), &share(10), &[]);
        check(&share(10), &share(90), &[r#"rule "default" gives 10 % → 50 % of its requests to candidates"#]);
    }

    proptest! {
        /// Taking weight from a candidate, or giving some to the stable version, never asks.
        #[test]
        fn lowering_never_asks(canary in 0_u64..1_000, next in 0_u64..1_000, stable in 1_u64..1_000, less in 0_u64..1_000) {
            let current = split(canary, next, stable);
            let lower = [
                split(canary.saturating_sub(less), next, stable),
                split(canary, next.saturating_sub(less), stable),
                split(canary, next, stable + less),
                split(0, 0, stable),
            ];
            for lowered in lower {
                prop_assert_eq!(raised(&current, &lowered), []);
            }
        }

        /// Giving weight to a candidate always asks, as long as the stable version has some to lose.
        #[test]
        fn raising_always_asks(canary in 0_u64..1_000, next in 0_u64..1_000, stable in 1_u64..1_000, more in 1_u64..1_000) {
            let current = split(canary, next, stable);
            for higher in [split(canary + more, next, stable), split(canary, next + more, stable)] {
                prop_assert_eq!(raised(&current, &higher).len(), 1);
            }
            prop_assert_eq!(raised(&current, &split(canary * more, next * more, stable * more)), []);
        }

        /// Of two different shares one is a raise of the other, and never both.
        #[test]
        fn it_goes_one_way(a in 0_u64..100, b in 0_u64..100, c in 0_u64..100, d in 0_u64..100) {
            let (one, other) = (split(a, 0, b + 1), split(c, 0, d + 1));
            let (up, down) = (raised(&one, &other).len(), raised(&other, &one).len());
            prop_assert_eq!(up + down, usize::from(a * (d + 1) != c * (b + 1)));
        }
    }
}
