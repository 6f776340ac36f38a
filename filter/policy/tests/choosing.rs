//! Who gets what, and what is said about it: overrides, listed ids, selections, sticky and minted cookies, windows, bodies,
//! propagation. Natively and as WebAssembly.

use antumbra_policy::document::Tree;
use antumbra_policy::{
    Body, BodyKind, Decision, Dice, Edit, Policy, Request, Secrets, Timestamp, WrittenRequest,
};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const NOW: Timestamp = Timestamp(1_770_206_400_000_000);
const KEY: &[u8] = b"0123456789abcdef";

/// A policy `shop` with the variants `stable`, `canary`, `lab` and `dead`, the last red, and more fields.
fn policy(more: &str) -> Policy {
    let text = format!(
        r#"{{"version": 1, "name": "shop", "default": "stable", "variants": {{"stable": {{}}, "canary": {{}}, "lab": {{}},
            "dead": {{"state": "red"}}}}, {more}}}"#
    );
    compiled(&text)
}

fn compiled(text: &str) -> Policy {
    let secrets: Secrets = vec![("testers".to_owned(), KEY.to_vec())];
    let read = Policy::from_tree(&Tree::from_json(text.as_bytes()).unwrap());
    read.and_then(|policy| policy.bind(&secrets)).unwrap_or_else(|invalid| panic!("{invalid}"))
}

fn request(text: &str) -> WrittenRequest {
    let tree = Tree::from_json(text.as_bytes()).unwrap_or_else(|invalid| panic!("{invalid} {text}"));
    WrittenRequest::from_tree(&tree, NOW).unwrap_or_else(|invalid| panic!("{invalid}"))
}

/// `variant reason` and the edits, those of the response behind `<`.
fn render(decision: &Decision<'_>) -> String {
    let variant = decision.variant.map_or("host", |variant| &variant.name);
    let mut text = format!("{variant} {}", decision.reason.as_str());
    let mut show = |mark: &str, edits: &[Edit<'_>]| {
        for edit in edits {
            text.push_str(&match edit {
                Edit::Set("x-antumbra-variant", _) => String::new(),
                Edit::Set(name, value) => format!(" {mark}{name}={}", String::from_utf8_lossy(value)),
                Edit::Add(name, value) => format!(" {mark}{name}+={}", String::from_utf8_lossy(value)),
                Edit::Remove(name) => format!(" {mark}-{name}"),
            });
        }
    };
    show("", &decision.request_edits);
    show("<", &decision.response_edits);
    text
}

fn check(policy: &Policy, cases: &[(&str, &str)]) {
    for (asked, expected) in cases {
        assert_eq!(render(&policy.decide(&request(asked), Dice(7))), *expected, "{asked}");
    }
}

#[test]
fn the_order_is_override_ids_rules_default() {
    let policy = compiled(
        r#"{"version": 1, "name": "shop", "default": "stable", "idFrom": "header:x-id", "variants": {
            "stable": {}, "canary": {}, "listed": {"state": "yellow", "ids": {"in": ["u1", 7], "ranges": [[10, 20]]}},
            "second": {"state": "yellow", "ids": {"in": [7]}}},
            "override": {"header": "x-force", "trustedCidrs": ["10.0.0.0/8"]},
            "rules": [{"name": "r", "matches": [{"path": "/r"}], "to": "canary"}]}"#,
    );
    check(
        &policy,
        &[
            (
                r#"{"path": "/r", "headers": {"x-id": "u1", "x-force": "stable"}, "ip": "10.1.1.1"}"#,
                "stable override",
            ),
            (r#"{"path": "/r", "headers": {"x-id": "u1"}}"#, "listed ids"),
            (r#"{"path": "/r", "headers": {"x-id": "7"}}"#, "listed ids"),
            (r#"{"path": "/r", "headers": {"x-id": "20"}}"#, "listed ids"),
            (r#"{"path": "/r", "headers": {"x-id": "21"}}"#, "canary to"),
            (r#"{"path": "/r", "headers": {"x-id": ""}}"#, "canary to"),
            (r#"{"headers": {"x-id": "u2"}}"#, "stable default"),
        ],
    );
}

/// A request that is mirrored says whose it is: the same for a client whatever it asks, and nothing that names it.
#[test]
fn a_mirrored_request_is_known_by_its_client() {
    let decide = |keys: &str, percent: u8, asked: &str| {
        let policy = policy(&format!(
            r#"{keys} "rules": [{{"mirror": [{{"to": "canary", "percent": {percent}}}]}},
                {{"name": "s", "split": {{"by": ["cookie:uid", "header:x-uid"], "weights": {{"stable": 1}}}}}}]"#
        ));
        policy.decide(&request(asked), Dice(7)).client
    };
    let anna = decide("", 100, r#"{"path": "/a", "cookies": {"uid": "anna"}}"#);
    assert!(anna.is_some());
    assert_eq!(decide("", 100, r#"{"path": "/b", "headers": {"x-uid": "anna"}}"#), anna);
    assert_ne!(decide("", 100, r#"{"path": "/a", "cookies": {"uid": "berta"}}"#), anna);
    assert_eq!(decide("", 100, r#"{"path": "/a"}"#), None, "known by nothing");
    assert_eq!(decide("", 0, r#"{"path": "/a", "cookies": {"uid": "anna"}}"#), None, "not mirrored");
    let by_id = r#""idFrom": "header:x-id","#;
    assert_eq!(
        decide(by_id, 100, r#"{"path": "/a", "cookies": {"uid": "anna"}}"#),
        None,
        "idFrom goes first"
    );
    assert_eq!(decide(by_id, 100, r#"{"path": "/a", "headers": {"x-id": "anna"}}"#), anna);
}

#[test]
fn only_the_trusted_override() {
    let policy = policy(
        r#""override": {"header": "X-Force", "trustedCidrs": ["10.0.0.0/8"], "signedWith": "testers"}, "rules": []"#,
    );
    let signed = antumbra_policy::signed_override(KEY, "shop", "canary", 1_770_206_400);
    let late = antumbra_policy::signed_override(KEY, "shop", "canary", 1_770_206_399);
    let elsewhere = antumbra_policy::signed_override(KEY, "till", "canary", 1_770_206_400);
    let forged = signed.replace("canary", "lab");
    let stays = |value: &str| format!(r#"{{"headers": {{"x-force": "{value}"}}, "ip": "10.1.2.3"}}"#);
    let sent = |value: &str| format!(r#"{{"headers": {{"x-force": "{value}"}}, "ip": "192.0.2.1"}}"#);
    check(
        &policy,
        &[
            (&stays("lab"), "lab override"),
            (&stays("dead"), "stable default"),
            (&stays("nobody"), "stable default"),
            (&sent("lab"), "stable default -x-force"),
            (&sent(&signed), "canary override"),
            (&sent(&late), "stable default -x-force"),
            (&sent(&elsewhere), "stable default -x-force"),
            (&sent(&forged), "stable default -x-force"),
            (&sent("canary;expires=1;signature="), "stable default -x-force"),
            (&sent(";;;"), "stable default -x-force"),
        ],
    );
}

#[test]
fn red_is_never_chosen() {
    let policy = policy(
        r#""rules": [{"name": "to", "matches": [{"path": "/to"}], "to": "dead"},
            {"name": "select", "matches": [{"path": "/select"}], "select": {"by": "query:v", "map": {"1": "dead", "2": "lab"}}},
            {"name": "split", "matches": [{"path": "/split"}], "split": {"by": "header:u", "weights": {"dead": 1}}},
            {"name": "mirror", "mirror": [{"to": "dead"}]},
            {"name": "rest", "to": "canary"}]"#,
    );
    check(
        &policy,
        &[
            (r#"{"path": "/to"}"#, "canary to"),
            (r#"{"path": "/select?v=1"}"#, "canary to"),
            (r#"{"path": "/select?v=2"}"#, "lab select"),
            (r#"{"path": "/select?v=3"}"#, "canary to"),
            (r#"{"path": "/split", "headers": {"u": "x"}}"#, "stable split"),
        ],
    );
    let decision = policy.decide(&request("{}"), Dice(1));
    assert_eq!(decision.skipped_mirror.map(antumbra_policy::SkippedMirror::as_str), Some("red"));
}

#[test]
fn sticky_cookies_are_sent_when_they_change() {
    let sticky = |weights: &str, more: &str| {
        policy(&format!(
            r#""rules": [{{"name": "s", "split": {{"by": "header:u", "weights": {weights}, "sticky": {{"cookie": "v", "secure": false{more}}}}}}}]"#
        ))
    };
    let set = |value: &str| format!("<set-cookie+=v={value}; Path=/; HttpOnly; SameSite=Lax");
    let gone = "<set-cookie+=v=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax";
    let asked = |cookie: &str| format!(r#"{{"headers": {{"u": "user-1"}}, "cookies": {{"v": "{cookie}"}}}}"#);
    let all = sticky(r#"{"canary": 1, "lab": 0, "stable": 0}"#, "");
    check(
        &all,
        &[
            (r#"{"headers": {"u": "user-1"}}"#, &format!("canary split {}", set("canary"))),
            (&asked("canary"), "canary sticky"),
            (&asked("lab"), &format!("canary split {}", set("canary"))),
            (&asked("nobody"), &format!("canary split {}", set("canary"))),
            (&asked(""), &format!("canary split {}", set("canary"))),
        ],
    );
    let keep = sticky(r#"{"canary": 1, "lab": 0}"#, r#", "onZeroWeight": "keep""#);
    check(&keep, &[(&asked("lab"), "lab sticky")]);
    let candidates = sticky(r#"{"canary": 0, "stable": 1}"#, r#", "stick": "candidates""#);
    check(
        &candidates,
        &[
            (r#"{"headers": {"u": "user-1"}}"#, "stable split"),
            (&asked("canary"), &format!("stable split {gone}")),
            (&asked("stable"), &format!("stable split {gone}")),
        ],
    );
}

/// With buckets the default has the rest, and is remembered though no bucket names it.
#[test]
fn a_default_without_a_bucket_sticks_too() {
    let policy = policy(
        r#""rules": [{"name": "s", "split": {"buckets": {"canary": [[0, 999998]]}, "sticky": {"cookie": "v"}}}]"#,
    );
    check(&policy, &[(r#"{"cookies": {"v": "stable"}}"#, "stable sticky")]);
}

/// Each header says one thing.
#[test]
fn headers_that_meet_are_refused() {
    let refused = |more: &str| {
        let text = format!(
            r#"{{"version": 1, "name": "p", "variants": {{"a": {{}}}}, "default": "a", "rules": [], {more}}}"#
        );
        Policy::from_tree(&Tree::from_json(text.as_bytes()).unwrap())
            .map(|_| ())
            .map_err(|invalid| invalid.to_string())
    };
    let force = r#""override": {"header": "X-Force", "trustedCidrs": ["10.0.0.0/8"]}"#;
    let propagate = |source: &str, target: &str| {
        refused(&format!(r#"{force}, "propagate": [{{{source}, "as": "header:{target}"}}]"#))
    };
    let cookie = r#""cookie": "c", "allow": ["1"]"#;
    assert_eq!(propagate(r#""variant": true"#, "x-antumbra-variant"), Ok(()));
    assert_eq!(propagate(cookie, "x-other"), Ok(()));
    for (source, target) in
        [(cookie, "x-antumbra-variant"), (cookie, "x-force"), (r#""variant": true"#, "x-force")]
    {
        let expected = format!(
            "propagate sets {target:?}, must be another header than those of the variant and of override"
        );
        assert_eq!(propagate(source, target), Err(expected));
    }
    let chosen = refused(r#""override": {"header": "x-antumbra-variant", "trustedCidrs": ["10.0.0.0/8"]}"#);
    let expected = "override reads \"x-antumbra-variant\", must be another header than that of the variant";
    assert_eq!(chosen, Err(expected.to_owned()));
}

#[test]
fn a_signed_cookie_cannot_be_made_up() {
    let policy = policy(
        r#""rules": [{"name": "s", "split": {"weights": {"canary": 0, "stable": 1}, "sticky": {"signedWith": "testers",
            "maxAge": "1h", "onZeroWeight": "keep"}}}]"#,
    );
    let decision = policy.decide(&request("{}"), Dice(1));
    let [Edit::Add("set-cookie", cookie)] = decision.response_edits.as_slice() else {
        panic!("{decision:?}")
    };
    let cookie = String::from_utf8_lossy(cookie).into_owned();
    let (name_and_value, attributes) = cookie.split_once(';').unwrap();
    assert_eq!(attributes, " Max-Age=3600; Path=/; Secure; HttpOnly; SameSite=Lax");
    let value = name_and_value.strip_prefix("__Host-antumbra-shop=").unwrap();
    let asked = |value: &str| format!(r#"{{"cookies": {{"__Host-antumbra-shop": "{value}"}}}}"#);
    assert_eq!(policy.decide(&request(&asked(value)), Dice(1)).reason.as_str(), "sticky");
    for forged in ["stable", "canary", "canary~", &value.replace("stable", "canary"), &value.to_uppercase()] {
        assert_eq!(policy.decide(&request(&asked(forged)), Dice(1)).reason.as_str(), "split", "{forged}");
    }
}

#[test]
fn a_client_without_a_key_is_given_one() {
    let policy = policy(
        r#""rules": [{"name": "s", "split": {"by": ["header:u", "cookie:uid"], "onMissingKey": "mint",
            "weights": {"canary": 1, "stable": 1}}}]"#,
    );
    let decision = policy.decide(&request("{}"), Dice(3));
    let [Edit::Add("set-cookie", cookie)] = decision.response_edits.as_slice() else {
        panic!("{decision:?}")
    };
    let cookie = String::from_utf8_lossy(cookie).into_owned();
    let (uid, attributes) = cookie.strip_prefix("uid=").unwrap().split_once(';').unwrap();
    assert_eq!((uid.len(), attributes), (32, " Max-Age=31536000; Path=/; Secure; HttpOnly; SameSite=Lax"));
    let again = policy.decide(&request(&format!(r#"{{"cookies": {{"uid": "{uid}"}}}}"#)), Dice(4));
    assert_eq!((again.variant, again.position), (decision.variant, decision.position));
    assert_eq!(again.response_edits, []);
}

#[test]
fn windows_include_both_ends() {
    let policy = policy(
        r#""rules": [{"name": "w", "from": "2026-02-04T20:00:00+08:00", "until": "2026-02-05T01:00:00+08:00", "to": "canary"}]"#,
    );
    for (time, expected) in [
        ("2026-02-04T11:59:59.999999Z", "stable"),
        ("2026-02-04T12:00:00Z", "canary"),
        ("2026-02-04T17:00:00Z", "canary"),
        ("2026-02-04T17:00:00.000001Z", "stable"),
    ] {
        let decision = policy.decide(&request(&format!(r#"{{"time": "{time}"}}"#)), Dice(0));
        assert_eq!(decision.variant.unwrap().name, expected, "{time}");
    }
}

#[test]
fn choices_are_handed_on_and_forgeries_are_not() {
    let policy = policy(
        r#""override": {"header": "x-force", "trustedCidrs": ["10.0.0.0/8"]}, "rules": [], "propagate": [
            {"cookie": "a", "as": "baggage:a", "allow": ["v0", "v1"]}, {"variant": true, "as": "baggage:variant"},
            {"header": "x-in", "as": "header:x-out", "allow": ["1"]}]"#,
    );
    check(
        &policy,
        &[
            (r#"{"cookies": {"a": "v1"}}"#, "stable default baggage=a=v1,variant=stable"),
            (r#"{"cookies": {"a": "v9"}}"#, "stable default baggage=variant=stable"),
            (
                r#"{"headers": {"baggage": "k=1;p=2, a=forged ,variant=x,,aa=2"}}"#,
                "stable default baggage=k=1;p=2,aa=2,variant=stable",
            ),
            (
                r#"{"headers": {"x-in": "1", "x-out": "forged"}}"#,
                "stable default x-out=1 baggage=variant=stable",
            ),
            (
                r#"{"headers": {"x-in": "2", "x-out": "forged"}}"#,
                "stable default -x-out baggage=variant=stable",
            ),
            (
                r#"{"headers": {"x-out": "first hop"}, "ip": "10.0.0.1"}"#,
                "stable default baggage=variant=stable",
            ),
        ],
    );
    let quiet = self::policy(
        r#""rules": [{"to": null}], "propagate": [{"cookie": "a", "as": "baggage:a", "allow": ["v0"]}]"#,
    );
    check(
        &quiet,
        &[
            ("{}", "host to"),
            (r#"{"headers": {"baggage": "k=1"}}"#, "host to baggage=k=1"),
            (r#"{"headers": {"baggage": "a=1"}}"#, "host to -baggage"),
            (r#"{"headers": {"baggage": "a=1,k=1"}}"#, "host to baggage=k=1"),
            (r#"{"headers": {"x-antumbra-variant": "forged"}}"#, "host to -x-antumbra-variant"),
        ],
    );
}

#[test]
fn variants_change_headers_and_answers_say_what_was_decided() {
    let policy = compiled(
        r#"{"version": 1, "name": "shop", "generation": 3, "default": "a", "variants": {"a": {"host": "a.test:8080",
            "headers": {"remove": ["x-gone"], "set": {"x-ui": "a"}, "add": {"x-more": "1"}}}, "b": {}},
            "override": {"header": "x-force", "trustedCidrs": ["10.0.0.0/8"]},
            "observe": {"vary": true, "responseHeader": "x-shown", "explainHeader": "x-why"},
            "rules": [{"name": "m", "mirror": [{"to": "b"}]}, {"matches": [{"headers": {"x-b": "1"}, "cookies": {"c": "1"}}], "to": "b"}]}"#,
    );
    check(
        &policy,
        &[
            (
                "{}",
                "a default -x-gone x-ui=a x-more+=1 :authority=a.test:8080 <x-shown=a <vary+=x-force, x-b, cookie",
            ),
            (
                r#"{"headers": {"x-b": "1"}, "cookies": {"c": "1"}, "ip": "10.0.0.1"}"#,
                "b to <x-shown=b <vary+=x-force, x-b, cookie <x-why=variant=b; rule=rule-1; reason=to; generation=3; mirror=b",
            ),
        ],
    );
}

#[test]
fn a_body_is_asked_for_only_where_everything_else_holds() {
    struct Waiting(WrittenRequest);
    impl Request for Waiting {
        fn header(&self, name: &str) -> Option<std::borrow::Cow<'_, [u8]>> {
            self.0.header(name)
        }
        fn peer_address(&self) -> Option<std::net::IpAddr> {
            None
        }
        fn body(&self, _: BodyKind) -> Body<'_> {
            Body::ToCome
        }
        fn now(&self) -> Timestamp {
            NOW
        }
    }
    let policy = policy(
        r#""rules": [{"matches": [{"json": {"/user/plan": "gold"}, "path": "/json", "headers": {"x": "1"}}], "to": "canary"},
            {"matches": [{"form": {"plan": "gold"}, "path": "/form"}], "to": "lab"},
            {"matches": [{"any": [{"json": {"plan": "gold"}}], "not": {"not": {"path": "/never"}}}], "to": "lab"}]"#,
    );
    assert!(policy.reads_bodies());
    for (asked, awaits) in [
        (r#"{"path": "/json", "headers": {"x": "1"}}"#, true),
        (r#"{"path": "/json"}"#, false),
        (r#"{"path": "/form"}"#, true),
        (r#"{"path": "/"}"#, false),
    ] {
        let decision = policy.decide(&Waiting(request(asked)), Dice(0));
        assert_eq!((decision.awaits_body, &*decision.variant.unwrap().name), (awaits, "stable"), "{asked}");
    }
    check(
        &policy,
        &[
            (r#"{"path": "/json", "headers": {"x": "1"}, "json": {"user": {"plan": "gold"}}}"#, "canary to"),
            (r#"{"path": "/json", "headers": {"x": "1"}, "json": {"plan": "gold"}}"#, "stable default"),
            (r#"{"path": "/form", "form": {"plan": "gold"}}"#, "lab to"),
            (r#"{"path": "/form", "json": {"plan": "gold"}}"#, "stable default"),
        ],
    );
}
