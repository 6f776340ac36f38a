//! Warnings: what is right and still not what was meant.
#![cfg(not(target_family = "wasm"))]

use antumbra_policy::document::{Problem, Tree};
use antumbra_policy::{Dice, Edit, Policy, Timestamp, WrittenRequest, lint};

fn policy(yaml: &str) -> (Tree, Policy) {
    let tree: Tree = serde_saphyr::from_str(yaml).unwrap();
    let policy = Policy::from_tree(&tree).unwrap_or_else(|invalid| panic!("{invalid}"));
    (tree, policy)
}

fn lines(warnings: &[Problem]) -> String {
    warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn warnings(yaml: &str) -> String {
    let (tree, policy) = policy(yaml);
    lines(&lint::warnings(&tree, &policy, Timestamp::parse("2026-06-01T00:00:00Z").unwrap()))
}

#[test]
fn everything_that_may_not_be_meant() {
    insta::assert_snapshot!(warnings(DOUBTFUL), @r#"
    variants.stable.ids has no effect: only a yellow variant serves its listed ids
    variants.two.ids overlaps with the ids of "one", which come first: 150 goes there
    variants.three.ids overlaps with the ids of "one", which come first: 200 goes there
    rules[0].until is 2026-01-01T00:00:00Z, which is over: the rule does nothing any more
    rules[1].to is "red", which is red: the search goes on as if nothing matched
    rules[2].mirror[0].unsafeMethods mirrors writes: the candidate must not share a database, a queue or a mail server with production
    rules[2].mirror[1].to is "red", which is red: nothing is mirrored
    rules[3].split has neither keys (by) nor a sticky cookie: users get another variant with each request
    rules[4] is never reached: rule "flips" decides every request that it would
    rules[5].split.weights has 3 candidates side by side, so the growth of one moves users of the next: buckets keep them
    rules[5].split.sticky pins users to the default too: whoever got it keeps it, so a larger share of a candidate reaches new users only: without the cookie, by alone keeps users where they are and lets shares grow
    rules[5].split.sticky is not signed: a client can choose its variant by writing the cookie itself
    rules[5].split.sticky.maxAge keeps users on a variant without weight for more than 30 days: its instances have to live as long
    rules[6].split.sticky.cookie has the cookie of rule "pins": each forgets what the other remembered
    rules[6].split.sticky pins users to the default too: whoever got it keeps it, so a larger share of a candidate reaches new users only: without the cookie, by alone keeps users where they are and lets shares grow
    rules[6].split.sticky is not signed: a client can choose its variant by writing the cookie itself
    rules[8] is never reached: rule "all" decides every request that it would
    observe.vary is off: a cache in front may hand one variant's answers to users of another
    observe.explainHeader is never sent: only clients that override trusts get it
    "#);
}

/// The number in the warning is what happens to users who send back the cookies that they get.
#[test]
fn a_split_that_leads_all_users_to_a_candidate_is_said_with_how_many() {
    let yaml = |split: &str| {
        format!(
            "{{version: 1, name: p, variants: {{a: {{}}, b: {{}}, c: {{}}}}, default: a, observe: {{vary: true}}, \
             rules: [{{name: r, split: {{{split}}}}}]}}"
        )
    };
    let drift = |split: &str| {
        let said = warnings(&yaml(split));
        let line = said.lines().find(|line| line.contains("draw anew")).map(str::to_owned);
        line.map(|line| {
            let text = line
                .strip_prefix("rules[0].split.sticky.stick remembers candidates alone, and ")
                .unwrap()
                .to_owned();
            text.split(" after 30 requests").next().unwrap().to_owned()
        })
    };
    let weights = "weights: {b: 10, a: 90}";
    let sticky = "sticky: {cookie: rel, stick: candidates}";
    let users = |of: &str, at: &str| Some(format!("{of} draw anew with each request: with {at}"));
    for (split, expected) in [
        (
            format!("{weights}, {sticky}"),
            users("users", "its share of 10 %, 96 % of them are on a candidate"),
        ),
        (
            format!("weights: {{b: 1, c: 1, a: 98}}, {sticky}"),
            users("users", "its share of 2 %, 45 % of them are on a candidate"),
        ),
        (
            format!("weights: {{b: 0, a: 1}}, {sticky}"),
            users("users", "a share of 10 %, 96 % of them are on a candidate"),
        ),
        (
            format!("by: ['cookie:uid'], {weights}, {sticky}"),
            users("users without a key", "its share of 10 %, 96 % of them are on a candidate"),
        ),
        (format!("by: ['cookie:uid', ip], {weights}, {sticky}"), None),
        (format!("by: ['cookie:uid'], onMissingKey: default, {weights}, {sticky}"), None),
        (format!("by: ['cookie:uid'], onMissingKey: mint, {weights}, {sticky}"), None),
        (format!("{weights}, sticky: {{cookie: rel}}"), None),
        (format!("weights: {{b: 10, a: 0}}, {sticky}"), None),
    ] {
        assert_eq!(drift(&split), expected, "{split}");
    }
    let (_, policy) = policy(&yaml(&format!("{weights}, {sticky}")));
    let mut dice = Dice(5);
    let users = 4_000;
    let on_candidate = (0..users).filter(|_| {
        let mut cookie = None;
        let mut last = String::new();
        for _ in 0..30 {
            let request = cookie.as_ref().map_or_else(
                || "{}".to_owned(),
                |cookie| format!(r#"{{"headers": {{"cookie": "{cookie}"}}}}"#),
            );
            let asked =
                WrittenRequest::from_tree(&Tree::from_json(request.as_bytes()).unwrap(), Timestamp(0))
                    .unwrap();
            let decision = policy.decide(&asked, Dice(dice.next()));
            last.clone_from(&decision.variant.unwrap().name);
            for edit in decision.response_edits.iter().filter(|edit| edit.name() == "set-cookie") {
                let Edit::Add(_, value) = edit else { continue };
                let value = String::from_utf8(value.to_vec()).unwrap();
                cookie = value.split(';').next().map(str::to_owned);
            }
        }
        last == "b"
    });
    let share = on_candidate.count() as f64 / f64::from(users);
    assert!((share - 0.9576).abs() < 0.013, "{share}");
}

#[test]
fn conditions_that_hardly_any_request_fulfils() {
    let said = |conditions: &str| {
        let yaml = format!(
            "{{version: 1, name: p, variants: {{a: {{}}, b: {{}}}}, default: a, observe: {{vary: true}}, \
             rules: [{{matches: [{{{conditions}}}], to: b}}]}}"
        );
        warnings(&yaml)
    };
    for (conditions, expected) in [
        ("method: GET", ""),
        ("method: [GET, PROPFIND]", ""),
        ("method: GETS", r#"method is "GETS", a method that is not in use; did you mean "GET"?"#),
        ("method: [GET, POTS]", r#"method[1] is "POTS", a method that is not in use; did you mean "POST"?"#),
        ("method: {not: GTE}", r#"method.not is "GTE", a method that is not in use; did you mean "GET"?"#),
        (
            "method: {regex: 'get|post'}",
            r#"method.regex is "get|post", which no method has: methods are in upper case"#,
        ),
        ("method: {regex: 'get|post', ignoreCase: true}", ""),
        ("method: {regex: '\\w+'}", ""),
        ("method: {regex: '(?i)get'}", ""),
        ("method: {search: '[^a-z]+'}", ""),
        ("path: {prefix: '/.'}", ""),
        ("path: {contains: '/.'}", ""),
        ("path: {regex: 'v1|/v2/.*'}", ""),
        ("path: {search: '^v?/v2/'}", ""),
        ("method: {prefix: P}", ""),
        ("path: /cart", ""),
        ("path: /", ""),
        (
            "path: /cart/",
            r#"path is "/cart/", which is not "/cart": a prefix without the last slash matches both"#,
        ),
        ("path: {in: [/cart, /cart/]}", ""),
        (
            "path: {in: [/a, /cart/]}",
            r#"path.in[1] is "/cart/", which is not "/cart": a prefix without the last slash matches both"#,
        ),
        ("path: {prefix: /cart/}", ""),
        ("path: {startsWith: /cart/}", ""),
        (
            "path: {prefix: [/a, //b]}",
            r#"path.prefix[1] is "//b", which no path is where the proxy merges slashes"#,
        ),
        ("path: '/a?b=1'", r#"path is "/a?b=1", which no path is: what follows ? or # is no part of it"#),
        (
            "path: {not: {prefix: '/a/../b'}}",
            r#"path.not.prefix is "/a/../b", which no path is where the proxy normalises paths"#,
        ),
        (
            "path: /café",
            r#"path is "/café", which no path is: requests have such characters in percent notation, as %20"#,
        ),
        ("path: /caf%C3%A9", ""),
        ("path: {regex: 'api/.*'}", r#"path.regex is "api/.*", which no path matches: paths begin with /"#),
        ("path: {regex: '/api/.*'}", ""),
        ("path: {search: api}", ""),
        ("path: {search: '^api'}", r#"path.search is "^api", which no path matches: paths begin with /"#),
        (
            "any: [{not: {method: PUTT}}]",
            r#"any[0].not.method is "PUTT", a method that is not in use; did you mean "PUT"?"#,
        ),
        ("headers: {x: {exists: false}}", ""),
        (
            "headers: {x: {exists: false, prefix: a}}",
            "headers.x never holds: it asks for a missing value, for which prefix is false",
        ),
        ("cookies: {x: {exists: true, prefix: a}}", ""),
    ] {
        let expected =
            if expected.is_empty() { String::new() } else { format!("rules[0].matches[0].{expected}") };
        assert_eq!(said(conditions), expected, "{conditions}");
    }
    let mirrored = warnings(
        "{version: 1, name: p, variants: {a: {}, b: {}}, default: a, rules: [{name: m, mirror: [{to: b, unsafeMethods: allow, methods: [GET, OPTIONSS]}]}]}",
    );
    let expected = r#"rules[0].mirror[0].methods[1] is "OPTIONSS", a method that is not in use; did you mean "OPTIONS"?"#;
    assert!(mirrored.lines().any(|line| line == expected), "{mirrored}");
}

#[test]
fn a_clear_policy_has_no_warnings() {
    assert_eq!(warnings(CLEAR), "");
}

#[test]
fn only_what_is_certain_is_called_unreachable() {
    let unreached = |rules: &str| {
        let yaml = format!(
            "{{version: 1, name: p, variants: {{a: {{}}, b: {{}}, r: {{state: red}}}}, default: null, observe: {{vary: true}}, rules: [{rules}]}}"
        );
        warnings(&yaml).lines().filter(|line| line.contains("never reached")).count()
    };
    let any = "{to: a}, {matches: [{path: /x}], to: b}";
    assert_eq!(unreached(any), 1);
    for (rules, expected) in [
        ("{to: r}, {to: b}", 0),
        ("{enabled: false, to: a}, {to: b}", 0),
        ("{until: '2027-01-01T00:00:00Z', to: a}, {to: b}", 0),
        ("{mirror: [{to: a}]}, {to: b}", 0),
        ("{select: {by: ip, map: {x: a}}}, {to: b}", 0),
        ("{matches: [{path: {prefix: /a}}], to: a}, {matches: [{path: /a/b}], to: b}", 1),
        ("{matches: [{path: {prefix: /a}}], to: a}, {matches: [{path: {prefix: /ab}}], to: b}", 0),
        ("{matches: [{path: {prefix: /a}}], to: a}, {matches: [{path: /a/b}, {method: GET}], to: b}", 0),
        ("{matches: [{method: GET}], to: a}, {matches: [{method: GET, headers: {x: v}}], to: b}", 1),
        ("{matches: [{headers: {x: v}}], to: a}, {matches: [{headers: {x: v, z: w}}], to: b}", 1),
        ("{matches: [{headers: {x: v, z: w}}], to: a}, {matches: [{headers: {x: v}}], to: b}", 0),
    ] {
        assert_eq!(unreached(rules), expected, "{rules}");
    }
}

#[test]
fn a_disabled_rule_says_who_gets_its_requests() {
    let warned = |default: &str, rules: &str| {
        let yaml = format!(
            "{{version: 1, name: p, variants: {{a: {{}}, b: {{}}}}, default: {default}, observe: {{vary: true}}, rules: [{rules}]}}"
        );
        warnings(&yaml)
    };
    let off = "{name: spare, enabled: false, matches: [{path: {prefix: /x}}], to: a}";
    for (default, rules, expected) in [
        (
            "a",
            format!("{off}, {{name: kept, matches: [{{path: {{prefix: /x}}}}], to: null}}, {{to: b}}"),
            "rules[0].enabled is false, so the rule does nothing: rule \"kept\" decides its requests",
        ),
        (
            "a",
            format!(
                "{{name: first, matches: [{{path: /y}}], to: b}}, {off}, {{matches: [{{path: /x/1}}], to: b}}, {{to: b}}"
            ),
            "rules[1].enabled is false, so the rule does nothing: rule \"rule-3\" decides its requests, unless one between \
             them does",
        ),
        (
            "a",
            off.to_owned(),
            "rules[0].enabled is false, so the rule does nothing: its requests go on to the rules below and to the default \
             \"a\"",
        ),
        (
            "null",
            format!("{off}, {{enabled: false, to: b}}"),
            "rules[0].enabled is false, so the rule does nothing: its requests go on to the rules below and to the host's own \
             routing\nrules[1].enabled is false, so the rule does nothing: its requests go on to the rules below and to the \
             host's own routing",
        ),
    ] {
        assert_eq!(warned(default, &rules), expected, "{rules}");
    }
}

#[test]
fn a_change_says_whom_it_evicts() {
    let split = |weights: &str, more: &str| {
        policy(&format!(
            "{{version: 1, name: p, variants: {{a: {{}}, b: {{}}, c: {{}}, s: {{}}}}, default: s, rules: [{{name: split, split: {{by: ip, weights: {weights}{more}}}}}]}}"
        ))
        .1
    };
    let check = |before: &str, after: &str, expected: &str| {
        let found = lint::change_warnings(&split(before, ""), &split(after, ""));
        assert_eq!(lines(&found), expected, "{before} → {after}");
    };
    check("{a: 5, s: 95}", "{a: 10, s: 90}", "");
    check("{a: 10, s: 90}", "{a: 2, s: 98}", "rule \"split\" evicts 8 % of users: 8 % from a to s");
    check("{a: 10, b: 10, s: 80}", "{a: 30, b: 10, s: 60}", "");
    check("{a: 1, s: 2}", "{a: 1, s: 3}", "rule \"split\" evicts 8.3333 % of users: 8.3333 % from a to s");
    check(
        "{a: 10, b: 10, c: 10, s: 70}",
        "{a: 15, b: 10, c: 10, s: 65}",
        "rule \"split\" evicts 10 % of users: 5 % from b to a, 5 % from c to b",
    );
    let moved = lint::change_warnings(&split("{a: 10, s: 90}", ""), &{
        policy("{version: 1, name: p, variants: {a: {}, s: {}}, default: s, rules: [{name: split, split: {by: 'header:u', weights: {a: 10, s: 90}}}]}").1
    });
    assert_eq!(
        lines(&moved),
        "rule \"split\" evicts 9 % of users: 9 % from a to s",
        "other keys place all anew"
    );
    let salted =
        lint::change_warnings(&split("{a: 10, s: 90}", ""), &split("{a: 10, s: 90}", ", salt: other"));
    assert_eq!(lines(&salted), "rule \"split\" evicts 9 % of users: 9 % from a to s");
}

const DOUBTFUL: &str = r#"
version: 1
name: shop
variants:
  stable: {ids: {in: [1]}}
  red: {state: red}
  one: {state: yellow, ids: {in: [7, x], ranges: [[100, 200]]}}
  two: {state: yellow, ids: {in: [150]}}
  three: {state: yellow, ids: {ranges: [[200, 300]]}}
default: stable
idFrom: header:x-user
observe: {explainHeader: x-explain}
rules:
- {name: over, until: "2026-01-01T00:00:00Z", to: one}
- {name: to-red, to: red}
- {name: writes, mirror: [{to: two, unsafeMethods: allow}, {to: red}]}
- {name: flips, matches: [{path: {prefix: /flip}}], split: {weights: {one: 1, stable: 1}}}
- {name: hidden, matches: [{path: /flip/side, method: GET}], to: one}
- {name: pins, matches: [{path: {prefix: /pin}}], split: {by: cookie:uid, weights: {one: 1, two: 1, three: 1, stable: 7}, sticky: {cookie: s, maxAge: 60d, onZeroWeight: keep}}}
- {name: shares, matches: [{path: /share}], split: {by: ip, weights: {one: 1, stable: 1}, sticky: {cookie: s}}}
- {name: all, to: stable}
- {name: never, to: one}
"#;

const CLEAR: &str = r#"
version: 1
name: shop
variants: {stable: {}, canary: {}, shadow: {}}
default: stable
observe: {vary: true}
rules:
- {name: mirror, mirror: [{to: shadow, percent: 5}]}
- {name: testers, matches: [{cookies: {canary: "1"}}], to: canary}
- {name: split, split: {by: ["cookie:uid"], weights: {canary: 5, stable: 95}}}
"#;
