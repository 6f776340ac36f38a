//! What policies decide and which documents they refuse, natively and under Node: the filter is WebAssembly, and the
//! comparator that checks its policies is not.

use std::borrow::Cow;
use std::net::IpAddr;

use antumbra_policy::document::Tree;
use antumbra_policy::{Decision, Dice, Edit, Policy, Request, Timestamp, parse_address};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// `GET /path | name: value | ip: 192.0.2.1`
struct Asked<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Asked<'a> {
    fn new(text: &'a str) -> Self {
        let mut parts = text.split(" | ");
        let (method, path) = parts.next().unwrap().split_once(' ').unwrap();
        let headers = parts.map(|part| part.split_once(": ").unwrap());
        Self([(":method", method), (":path", path)].into_iter().chain(headers).collect())
    }
}

impl Request for Asked<'_> {
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| Cow::Borrowed(value.as_bytes()))
    }

    fn peer_address(&self) -> Option<IpAddr> {
        parse_address(&self.header("ip")?)
    }

    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
}

/// A policy `shop` with the variants `stable`, `canary`, `candidate`, `control` and `lab`, the last isolated.
fn document(default: &str, rules: &str) -> String {
    format!(
        r#"{{"version": 1, "name": "shop", "default": {default}, "rules": {rules}, "variants": {{"stable": {{}},
            "canary": null, "candidate": {{"cluster": "canary-shadow"}}, "control": {{}}, "lab": {{"isolated": true}}}}}}"#
    )
}

fn policy(text: &str) -> Policy {
    Policy::from_tree(&Tree::from_json(text.as_bytes()).unwrap())
        .unwrap_or_else(|invalid| panic!("{invalid}"))
}

/// `variant by rule at position, shadows`
fn render(decision: &Decision<'_>) -> String {
    let mut text = decision.variant.map_or("host", |variant| &variant.name).to_owned();
    if let Some(rule) = decision.rule {
        text.push_str(&format!(" by {rule}"));
    }
    if let Some(position) = decision.position {
        text.push_str(&format!(" at {position}"));
    }
    for mirrored in &decision.mirrors {
        let control = mirrored.mirror.control.as_ref().filter(|_| mirrored.control);
        let control = control.map_or(String::new(), |control| format!("+{}", control.to.name));
        text.push_str(&format!(", {}{control}", mirrored.mirror.to.name));
    }
    if let Some(why) = decision.skipped_mirror.filter(|why| why.as_str() != "no_rule") {
        text.push_str(&format!(", {}", why.as_str()));
    }
    text
}

fn check(default: &str, rules: &str, cases: &[(&str, &str)]) {
    let policy = policy(&document(default, rules));
    for (request, expected) in cases {
        let decision = policy.decide(&Asked::new(request), Dice(7));
        assert_eq!(render(&decision), *expected, "{request} under {rules}");
        assert_eq!(decision.mirrors.is_empty(), decision.skipped_mirror.is_some(), "{request}");
    }
}

fn refused(document: &str, expected: &[&str]) {
    let invalid = Policy::from_tree(&Tree::from_json(document.as_bytes()).unwrap()).unwrap_err();
    let found: Vec<String> = invalid.problems.iter().map(ToString::to_string).collect();
    assert_eq!(found, expected, "{document}");
}

#[test]
fn the_first_match_wins() {
    check(
        r#""stable""#,
        r#"[{"name": "off", "enabled": false, "to": "lab"},
            {"name": "testers", "matches": [{"cookies": {"canary": "1"}}, {"headers": {"X-Tester": {"exists": true}}}],
             "to": "canary"},
            {"name": "admin", "matches": [{"path": {"prefix": "/admin"}, "method": ["GET", "HEAD"]}], "to": null},
            {"name": "late", "matches": [{"path": "/late"}], "to": "lab"}]"#,
        &[
            ("GET /", "stable"),
            ("GET / | cookie: a=b; canary=1", "canary by testers"),
            ("GET / | cookie: canary=0; canary=1", "stable"),
            ("GET / | cookie: canary=10", "stable"),
            ("GET / | x-tester: ", "canary by testers"),
            ("GET /admin?x=/late", "host by admin"),
            ("POST /admin", "stable"),
            ("GET /admins", "stable"),
            ("GET /late?x=1", "lab by late"),
            ("GET /late/", "stable"),
            ("GET /admin | x-tester: yes", "canary by testers"),
        ],
    );
    check("null", "[]", &[("GET /", "host")]);
}

#[test]
fn a_missing_value_is_false_and_not_is_plain_negation() {
    check(
        "null",
        r#"[{"name": "a", "matches": [{"headers": {"a": {"not": "1"}}, "path": "/not"}], "to": "lab"},
            {"name": "b", "matches": [{"cookies": {"b": {"exact": "", "exists": true}}}], "to": "lab"},
            {"name": "c", "matches": [{"headers": {"c": {"exists": false}}, "path": "/no"}], "to": "lab"}]"#,
        &[
            ("GET /not", "lab by a"),
            ("GET /not | a: 2", "lab by a"),
            ("GET /not | a: 1", "host"),
            ("GET /", "host"),
            ("GET / | cookie: b=", "lab by b"),
            ("GET / | cookie: b", "host"),
            ("GET /no", "lab by c"),
            ("GET /no | c: ", "host"),
        ],
    );
}

#[test]
fn a_split_keeps_its_users() {
    let split = |more: &str| {
        format!(
            r#"[{{"name": "s", "split": {{"by": ["cookie:uid", "header:X-User", "ip"], "salt": "checkout-2026",
                "weights": {{"canary": 50, "stable": 50}}{more}}}}}]"#
        )
    };
    let (default, random) = (split(r#", "onMissingKey": "default""#), split(""));
    let keyed = [
        ("GET / | cookie: uid=u-1", "canary by s at 477869"),
        ("GET / | cookie: uid=u-2", "stable by s at 688280"),
        ("GET / | cookie: uid=; uid=u-1 | x-user: u-2", "stable by s at 688280"),
        ("GET / | x-user: 00042", "stable by s at 552772"),
    ];
    check(r#""stable""#, &random, &keyed);
    check(
        r#""lab""#,
        &default,
        &[("GET /", "lab by s"), ("GET / | cookie: uid=u-1", "canary by s at 477869")],
    );
    check("null", &default, &[("GET / | cookie: uid=", "host by s")]);
    let policy = policy(&document(r#""stable""#, &random));
    let canary = (0..10_000).filter(|n| {
        let decision = policy.decide(&Asked::new("GET /"), Dice(*n));
        decision.variant.unwrap().name == "canary" && decision.position.is_some()
    });
    assert!((4_800..=5_200).contains(&canary.count()), "four standard deviations are 200");
}

#[test]
fn two_salts_are_two_samples() {
    let rule = |salt: &str| {
        let rules = format!(
            r#"[{{"split": {{"by": ["cookie:uid"], "salt": "{salt}", "weights": {{"canary": 10, "stable": 90}}}}}}]"#
        );
        policy(&document(r#""stable""#, &rules))
    };
    let (x, y) = (rule("x"), rule("y"));
    let both = (0..40_000).filter(|n| {
        let request = format!("GET / | cookie: uid=user-{n}");
        let canary =
            |policy: &Policy| policy.decide(&Asked::new(&request), Dice(0)).variant.unwrap().name == "canary";
        canary(&x) && canary(&y)
    });
    assert!((320..=480).contains(&both.count()), "1 % of 40 000, four standard deviations are 80");
}

#[test]
fn mirrors_are_added_until_a_rule_decides() {
    check(
        r#""stable""#,
        r#"[{"name": "all", "mirror": [{"to": "candidate", "control": {"to": "control"}}]},
            {"name": "none", "mirror": [{"to": "lab", "percent": 0}]},
            {"name": "api", "matches": [{"path": {"prefix": "/api"}}], "to": "canary",
             "mirror": [{"to": "lab", "methods": ["GET"]}, {"to": "lab"}, {"to": "lab"}, {"to": "lab"}]},
            {"name": "late", "mirror": [{"to": "stable"}]}]"#,
        &[
            ("GET /", "stable, candidate+control, stable"),
            ("GET /api", "canary by api, candidate+control, lab, lab, lab"),
            ("HEAD /api", "canary by api, candidate+control, lab, lab, lab"),
            ("OPTIONS *", "stable, candidate+control, stable"),
            ("POST /", "stable, unsafe_method"),
            ("DELETE /api", "canary by api, unsafe_method"),
            ("get /", "stable, unsafe_method"),
        ],
    );
}

#[test]
fn writes_are_mirrored_only_on_request_and_controls_get_none() {
    check(
        r#""stable""#,
        r#"[{"name": "w", "mirror": [{"to": "candidate", "unsafeMethods": "allow", "methods": ["POST", "GET"],
              "control": {"to": "control"}}]},
            {"name": "i", "mirror": [{"to": "candidate", "unsafeMethods": "allow", "control": {"to": "lab"}}]},
            {"name": "n", "mirror": [{"to": "lab", "percent": 0}]}]"#,
        &[
            ("GET /", "stable, candidate+control, candidate+lab"),
            ("POST /", "stable, candidate, candidate+lab"),
            ("PATCH /", "stable, candidate+lab"),
        ],
    );
    check(
        "null",
        r#"[{"mirror": [{"to": "lab", "percent": 0}]}, {"mirror": [{"to": "lab", "methods": ["HEAD"]}]}]"#,
        &[("GET /", "host, not_sampled"), ("POST /", "host, unsafe_method"), ("HEAD /", "host, lab")],
    );
}

#[test]
fn the_mirrors_sample_is_its_share_and_independent_of_the_split() {
    let policy = policy(&document(
        r#""stable""#,
        r#"[{"mirror": [{"to": "candidate", "percent": 20, "control": {"to": "control", "percent": 50}}]},
            {"split": {"weights": {"canary": 25, "stable": 75}}}]"#,
    ));
    let (mut mirrored, mut control, mut both) = (0, 0, 0);
    for n in 0..40_000 {
        let decision = policy.decide(&Asked::new("GET /"), Dice(n));
        mirrored += decision.mirrors.len();
        control += decision.mirrors.iter().filter(|mirrored| mirrored.control).count();
        both += if decision.variant.unwrap().name == "canary" { decision.mirrors.len() } else { 0 };
    }
    assert!((7_680..=8_320).contains(&mirrored), "{mirrored}: 8 000 ± 4 × 80");
    assert!((3_760..=4_240).contains(&control), "{control}: 4 000 ± 4 × 60");
    assert!((1_826..=2_174).contains(&both), "{both}: 2 000 ± 4 × 43.6");
}

#[test]
fn hostile_bytes_only_fail_to_match() {
    struct Hostile(Vec<u8>);
    impl Request for Hostile {
        fn header(&self, _: &str) -> Option<Cow<'_, [u8]>> {
            Some(Cow::Borrowed(&self.0))
        }
        fn peer_address(&self) -> Option<IpAddr> {
            parse_address(&self.0)
        }
        fn now(&self) -> Timestamp {
            Timestamp(0)
        }
    }
    let policy = policy(&document(
        r#""stable""#,
        r#"[{"matches": [{"headers": {"a": {"regex": "(a|b)+"}}, "cookies": {"a": {"prefix": "x"}}}], "to": "lab"},
            {"matches": [{"path": {"prefix": "/x"}, "method": "GET"}], "to": "lab"},
            {"mirror": [{"to": "lab"}]}, {"name": "s", "split": {"by": ["cookie:a", "ip"], "weights": {"stable": 1}}}]"#,
    ));
    for bytes in
        [vec![], vec![0xff; 3], vec![b';'; 100_000], vec![b'a'; 100_000], b"=\";a=\"=;".to_vec(), vec![0; 9]]
    {
        let decision = policy.decide(&Hostile(bytes), Dice(1));
        assert_eq!(decision.variant.unwrap().name, "stable");
    }
}

/// Whatever a client sends under the names that are handed on, in whatever line and spelling.
#[test]
fn forged_baggage_does_not_survive() {
    let text = r#"{"version": 1, "name": "shop", "variants": {"web": {}}, "default": null, "rules": [], "propagate": [
        {"header": "x-tier", "as": "baggage:tier", "allow": ["gold"]}]}"#;
    let policy = policy(text);
    for (request, expected) in [
        ("GET /", None),
        ("GET / | baggage: tier=gold", Some(None)),
        ("GET / | baggage: a=1;p, tier =gold ,b=2", Some(Some("a=1;p,b=2"))),
        ("GET / | baggage: tier=gold,a=1 | x-tier: gold", Some(Some("a=1,tier=gold"))),
        ("GET / | baggage: a=1 | baggage: tier=gold", Some(Some("a=1"))),
        ("GET / | baggage: a=1,%74ier=gold,+tier=gold,%tier=1", Some(Some("a=1,%tier=1"))),
        ("GET / | baggage: a=1,b=\r\nx: y,\0,c=\t1", Some(Some("a=1,c=\t1"))),
    ] {
        let decision = policy.decide(&Asked::new(request), Dice(0));
        let expected = expected.map(|value| match value {
            Some(value) => Edit::Set("baggage", Cow::Borrowed(value.as_bytes())),
            None => Edit::Remove("baggage"),
        });
        assert_eq!(decision.request_edits, Vec::from_iter(expected), "{request}");
    }
}

#[test]
fn a_policy_says_what_it_is() {
    let text = r#"{"version": 1, "name": "shop", "generation": 7, "default": null, "rules": [], "lease": "5s",
        "variants": {"b": null, "a": {"cluster": "outbound|80||a.ns.svc", "isolated": true}},
        "apply": {"header": "X-Second"}, "compare": {"any": 1}, "gates": [], "rollout": null}"#;
    let policy = policy(text);
    let variants: Vec<_> = policy.variants().map(|v| (&*v.name, &*v.cluster, v.isolated)).collect();
    assert_eq!(variants, [("b", "b", false), ("a", "outbound|80||a.ns.svc", true)]);
    assert_eq!((policy.name(), policy.generation(), policy.variant_header()), ("shop", Some(7), "x-second"));
    assert_eq!(policy.lease(), std::time::Duration::from_secs(5));
}

#[test]
fn one_mistake_at_a_time() {
    let rules = |rules: &str, expected: &[&str]| refused(&document(r#""stable""#, rules), expected);
    rules(
        r#"[{"to": "canry"}]"#,
        &[r#"rules[0].to is "canry", not a known variant; did you mean "canary"?"#],
    );
    rules(
        r#"[{"mirror": [{"to": "lab", "percent": 101}]}]"#,
        &["rules[0].mirror[0].percent is 101, must be within 0..=100"],
    );
    rules(
        r#"[{"matches": [{"headers": {"x": {"regex": "(?:a{0,50}){0,50}b"}}}], "to": "lab"}]"#,
        &[
            "rules[0].matches[0].headers.x.regex is \"(?:a{0,50}){0,50}b\", must be a regular expression of at most \
           16384 bytes when compiled: compiled regex exceeded size limit",
        ],
    );
    rules(r#"[{}]"#, &["rules[0] does nothing, must have one of to, split, select, mirror"]);
    rules(
        r#"[{"to": "lab"}, {"name": "rule-0", "to": "lab"}]"#,
        &[r#"rules[1] has the name "rule-0" of an earlier rule, must have one of its own"#],
    );
    rules(
        r#"[{"split": {"by": ["ip"], "weights": {"lab": 1}}}]"#,
        &[
            "rules[0].split has no salt, so its rule must have a name: users would move with each rule added before it",
        ],
    );
    refused("[]", &["document is a list of 0, must be a mapping"]);
    refused(
        "{}",
        &[
            r#"document has no field "version", which is required"#,
            r#"document has no field "name", which is required"#,
            r#"document has no field "variants", which is required"#,
            r#"document has no field "default", which is required"#,
            r#"document has no field "rules", which is required"#,
        ],
    );
}

/// What is sent counts, where `path`, `host` and `query` read it.
#[test]
fn the_path_with_its_query_and_the_host_with_its_port_as_sent() {
    check(
        "null",
        r#"[{"name": "raw", "matches": [{"headers": {":path": {"search": "[?&]v=%31"}}}], "to": "lab"},
            {"name": "port", "matches": [{"headers": {"Host": "a.test:81"}}], "to": "canary"},
            {"name": "host", "matches": [{"host": "a.test"}], "to": "stable"}]"#,
        &[
            ("GET /?v=%31", "lab by raw"),
            ("GET /?v=1", "host"),
            ("GET / | :authority: a.test:81", "canary by port"),
            ("GET / | :authority: a.test:82", "stable by host"),
        ],
    );
}
