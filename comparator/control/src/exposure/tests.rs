//! What asks, what does not, and what is said of it.

mod decisions;

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
    let share = |canary: u8| format!("{{name: share, split: {{weights: {{canary: {canary}, stable: 95}}}}}}");
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
    let select = |v2: &str| format!("{{name: s, select: {{by: cookie:v, map: {{v1: stable, v2: {v2}}}}}}}");
    check(
        &select("stable"),
        &select("canary"),
        &[r#"rule "s" at the value "v2" gives 0 % → 100 % of its requests to candidates"#],
    );
    check(&select("canary"), &select("stable"), &[]);
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
    let told: Vec<String> = promoted.iter().map(ToString::to_string).collect();
    let primary = raised(&with("default: b"), &with("default: b, compare: {primary: [b, a]}"));
    assert_eq!(primary, [Raised::Counted("a".to_owned())]);
    assert_eq!(told, ["the default gives 0 % → 100 % of its requests to candidates"]);
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

/// What gives no rule a larger share, and may give clients a candidate all the same.
#[test]
fn whom_a_rule_concerns_counts_too() {
    let share = |canary: u8| format!("{{name: share, split: {{weights: {{canary: {canary}, stable: 95}}}}}}");
    let rule =
        |name: &str, matches: &str, to: &str| format!("{{name: {name}, matches: [{matches}], to: {to}}}");
    let rules = |rules: &[&str]| rules.join(", ");
    let (admins, testers) =
        (rule("admins", "{path: /admin}", "stable"), rule("testers", "{cookies: {t: '1'}}", "canary"));
    let (share, kept) = (share(5), rules(&[&admins, &share(5)]));
    check(
        &kept,
        &share,
        &[
            r#"rule "share" may decide requests that rule "admins" decided, and gives 5 % of them to candidates instead of 0 %"#,
        ],
    );
    check(&share, &kept, &[]);
    let wider = rule("admins", "{path: {prefix: /}}", "stable");
    check(&kept, &rules(&[&wider, &share]), &[]);
    check(
        &kept,
        &kept.replace("path: /admin", "path: /other"),
        &[
            r#"rule "share" may decide requests that rule "admins" decided, and gives 5 % of them to candidates instead of 0 %"#,
        ],
    );
    let three = [rules(&[&admins, &testers, &share]), rules(&[&testers, &admins, &share])];
    check(
        &three[0],
        &three[1],
        &[
            r#"rule "testers" may decide requests that rule "admins" decided, and gives 100 % of them to candidates instead of 0 %"#,
        ],
    );
    check(&three[1], &three[0], &[]);
    check(&rules(&[&testers, &share]), &rules(&[&share, &testers]), &[]);
    check(
        &rules(&[&share, &testers]),
        &rules(&[&testers, &share]),
        &[
            r#"rule "testers" may decide requests that rule "share" decided, and gives 100 % of them to candidates instead of 5 %"#,
        ],
    );
    let narrower = testers.replace("t: '1'", "t: '1', u: '1'");
    check(&testers, &narrower, &[]);
    check(
        &narrower,
        &testers,
        &[
            r#"rule "testers" may decide requests that the default decided, and gives 100 % of them to candidates instead of 0 %"#,
        ],
    );
    let until = |day: u8| format!("{{name: r, until: '2026-01-{day:02}T00:00:00Z', to: canary}}");
    check(&until(20), &until(10), &[]);
    check(
        &until(10),
        &until(20),
        &[
            r#"rule "r" may decide requests that the default decided, and gives 100 % of them to candidates instead of 0 %"#,
        ],
    );
}

#[test]
fn a_select_gives_more_by_its_values_and_not_by_their_number() {
    let select = |map: &str| format!("{{name: s, select: {{by: cookie:v, map: {{{map}}}}}}}");
    check(&select("v1: stable, v2: canary"), &select("v1: stable, v2: canary, v0: stable"), &[]);
    check(&select("v1: stable, v2: canary"), &select("v2: canary"), &[]);
    check(
        &select("v1: stable, v2: canary"),
        &select("v1: stable, v2: canary, v3: canary, v4: stable, v5: stable"),
        &[
            r#"rule "s" may decide requests that the default decided, and gives 100 % of them to candidates instead of 0 %"#,
        ],
    );
    check(
        &select("v1: canary"),
        &select("v1: canary").replace("cookie:v", "cookie:w"),
        &[
            r#"rule "s" may decide requests that the default decided, and gives 100 % of them to candidates instead of 0 %"#,
        ],
    );
}

#[test]
fn lists_states_overrides_and_destinations_count_too() {
    let whole = |variants: &str, rest: &str, to: u8| {
        let rules = format!("[{{name: share, split: {{weights: {{canary: {to}, stable: 95}}}}}}]");
        tree_from_yaml(
            format!("{{default: stable, variants: {{{variants}}}, {rest} rules: {rules}}}").as_bytes(),
        )
        .unwrap()
    };
    let told = |current: &Tree, next: &Tree| -> Vec<String> {
        raised(current, next).iter().map(ToString::to_string).collect()
    };
    let plain = "stable: {cluster: stable}, canary: {cluster: canary}";
    let with = |variants: &str| whole(variants, "", 5);
    let one_way = |lower: &Tree, higher: &Tree, expected: &str| {
        assert_eq!(told(lower, higher), [expected]);
        assert_eq!(told(higher, lower), [""; 0], "the way back is none: {expected}");
    };
    let list = |ids: &str| with(&format!("stable: null, canary: {{state: yellow, ids: {{in: [{ids}]}}}}"));
    let listed = r#"the list of variant "canary" may decide requests that rule "share" decided, and gives 100 % of them to candidates instead of 5 %"#;
    one_way(&list("7"), &list("7, 8"), listed);
    let first = r#"the list of variant "canary" gives 5 % → 100 % of its requests to candidates"#;
    one_way(&with("stable: null, canary: null"), &list("7"), first);
    let red = with("stable: null, canary: {state: red}");
    one_way(
        &red,
        &with("stable: null, canary: null"),
        r#"rule "share" gives 0 % → 5 % of its requests to candidates"#,
    );
    let trusted = |addresses: &str| {
        whole(plain, &format!("override: {{header: x-force, trustedCidrs: [{addresses}]}},"), 5)
    };
    let chosen = "`override` lets clients choose a candidate who could not before";
    one_way(&with(plain), &trusted("10.0.0.1"), chosen);
    one_way(&trusted("10.0.0.1"), &trusted("10.0.0.1, 10.0.0.2"), chosen);
    let swapped = with("stable: {cluster: canary}, canary: {cluster: canary}");
    assert_eq!(
        told(&with(plain), &swapped),
        [r#"variant "stable" goes to the cluster "canary" instead of "stable""#]
    );
    let early = with("stable: {cluster: stable}, canary: {cluster: stable}");
    assert_eq!(told(&early, &with(plain)), [r#"rule "share" gives 0 % → 5 % of its requests to candidates"#]);
    let headers = with("stable: {cluster: stable, headers: {set: {x-v: '2'}}}, canary: {cluster: canary}");
    assert_eq!(told(&with(plain), &headers).len(), 1);
    let hops = |hops: u8| whole(plain, &format!("clientIp: {{from: xff, trustedHops: {hops}}},"), 5);
    assert_eq!(
        told(&hops(0), &hops(1)),
        ["a changed `clientIp` may let rules give candidates to other clients than before"]
    );
    let none = |hops: u8| whole(plain, &format!("clientIp: {{from: xff, trustedHops: {hops}}},"), 0);
    assert_eq!(told(&hops(0), &none(1)), [""; 0], "nobody gets a candidate");
}

/// Cookies keep clients with a candidate whose weight says less; what keeps them is compared as a whole.
#[test]
fn what_keeps_clients_counts_beside_the_weights() {
    let split = |canary: u8, rest: &str| {
        format!("{{name: share, split: {{weights: {{canary: {canary}, stable: 95}}{rest}}}}}")
    };
    let sticky = ", sticky: {cookie: v}";
    let more = r#"rule "share" gives 5 % → up to 100 % of its requests to candidates"#;
    check(&split(5, ""), &split(5, sticky), &[more]);
    check(&split(5, sticky), &split(4, sticky), &[]);
    check(&split(5, ""), &split(5, ", by: [cookie:uid], salt: a"), &[]);
    check(&split(5, ", by: [cookie:uid], salt: a"), &split(5, ", by: [cookie:uid], salt: b"), &[]);
    let missing = |to: &str| split(5, &format!(", by: [cookie:uid], onMissingKey: {to}"));
    check(
        &missing("default"),
        &missing("random"),
        &[r#"rule "share" gives 0 % → 5 % of its requests to candidates"#],
    );
    check(&missing("random"), &missing("default"), &[]);
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
