//! Policies and requests out of a seed. The vocabulary is small, so that rules and requests meet often.

use antumbra_observation::Bytes;
use serde_json::{Map, Value, json};

/// A policy with up to eight rules and a little of everything else.
pub(crate) fn policy(seed: u64, number: u64) -> Value {
    let mut dice = Dice(seed);
    if dice.below(4) == 0 {
        return lean(&mut dice, number);
    }
    let rules: Vec<Value> = (0..dice.below(8) + 1).map(|index| rule(&mut dice, index)).collect();
    let mut policy = json!({
        "version": 1,
        "name": format!("p{number}"),
        "variants": {
            "stable": {},
            "a": {"headers": {"set": {"x-ui": "a"}, "remove": ["x-gone"]}},
            "b": {"host": "b.test", "headers": {"add": {"x-more": "b"}}},
            "red": {"state": "red"},
            "listed": {"state": "yellow", "ids": {"in": ["u1"], "ranges": [[100, 140]]}},
        },
        "default": dice.pick(&[json!("stable"), json!("stable"), Value::Null]),
        "idFrom": ["header:x-id"],
        "rules": rules,
        "observe": {
            "responseHeader": dice.pick(&[json!("x-shown"), Value::Null]),
            "vary": dice.chance(),
            "explainHeader": "x-explained",
        },
    });
    if dice.chance() {
        policy["clientIp"] = json!({"from": "xff", "trustedHops": dice.below(3)});
    }
    policy["override"] =
        json!({"header": "x-force", "trustedCidrs": [dice.pick(&["127.0.0.0/8", "10.0.0.0/8"])]});
    if dice.chance() {
        policy["propagate"] = json!([
            {"cookie": "c1", "as": "baggage:c1", "allow": ["1", "on"]},
            {"header": "x-a", "as": "header:x-copied", "allow": ["1", "beta"]},
            {"variant": true, "as": "baggage:variant"},
        ]);
    }
    policy
}

/// A policy that asks for few headers: a filter may read those one by one.
fn lean(dice: &mut Dice, number: u64) -> Value {
    let mut rule = match dice.below(3) {
        0 => json!({"matches": [{"cookies": {*dice.pick(&["c1", "version"]): predicate(dice)}}], "to": "a"}),
        1 => {
            json!({"matches": [{"headers": {*dice.pick(&["cookie", "user-agent", "x-a"]): predicate(dice)}}], "to": "b"})
        }
        _ => json!({"split": split(dice)}),
    };
    rule["name"] = json!("only");
    json!({
        "version": 1,
        "name": format!("p{number}"),
        "variants": {"stable": {}, "a": {}, "b": {}},
        "default": "stable",
        "rules": [rule],
    })
}

/// A request that the policies ask about.
pub(crate) fn request(seed: u64) -> Value {
    let mut dice = Dice(seed);
    let mut headers = Map::new();
    let vocabulary: [(&str, &[&str]); 11] = [
        ("x-a", &["1", "beta", "Beta-7", "15"]),
        ("x-b", &["2", "", "a-beta-z", "-3"]),
        ("x-id", &["u1", "120", "99", "u2"]),
        ("x-force", &["a", "b", "red", "nobody"]),
        ("x-forwarded-for", &["10.1.2.3", "192.0.2.7, 10.9.9.9", "2001:db8::1", "unknown"]),
        ("baggage", &["c1=forged,other=1", "other=1;p=2"]),
        ("user-agent", &["tester-1", "Beta/2"]),
        ("cookie", &["c1=on", "version=v2; uid=user-7", "sticky=b;; c1", "uid"]),
        ("x-copied", &["forged"]),
        ("x-gone", &["1"]),
        ("x-antumbra-variant", &["forged"]),
    ];
    for (name, values) in vocabulary {
        if dice.below(3) == 0 {
            let lines: Vec<Value> = (0..dice.below(2) + 1).map(|_| line(&mut dice, values)).collect();
            headers.insert(name.to_owned(), json!(lines));
        }
    }
    let mut cookies = Map::new();
    for (name, values) in
        [("c1", ["1", "on", "off"]), ("sticky", ["a", "b", "zz"]), ("version", ["v1", "v2", "v9"])]
    {
        if dice.chance() {
            cookies.insert(name.to_owned(), json!(dice.pick(&values)));
        }
    }
    if dice.below(4) > 0 {
        cookies.insert("uid".to_owned(), json!(format!("user-{}", dice.below(1_000))));
    }
    let path = *dice.pick(&["/", "/api", "/api/x", "/apis", "/shop/dark", "/v12"]);
    let query = *dice.pick(&["", "?q=1", "?q=a%20b&r", "?r=7&q=2&q=1", "?%71=1"]);
    let body = dice.below(4) == 0;
    json!({
        "method": if body { "POST" } else { *dice.pick(&["GET", "HEAD", "DELETE"]) },
        "path": format!("{path}{query}"),
        "host": dice.pick(&["shop.test", "a.shop.test:8080", "OTHER.test", "shop.test.", "A.shop.test.:8080"]),
        "headers": headers,
        "cookies": cookies,
        "json": if body { json!({"model": dice.pick(&["m1", "m2"]), "user": {"id": dice.below(4)}}) } else { Value::Null },
    })
}

/// One of these values; now and then with a byte behind it that is not UTF-8.
fn line(dice: &mut Dice, values: &[&str]) -> Value {
    let value = *dice.pick(values);
    match dice.below(6) {
        0 => json!(Bytes([value.as_bytes(), b"\xe9"].concat())),
        _ => json!(value),
    }
}

fn rule(dice: &mut Dice, index: u64) -> Value {
    let mut rule = json!({"name": format!("r{index}")});
    if dice.below(6) > 0 {
        rule["matches"] = (0..dice.below(2) + 1).map(|_| block(dice, 0)).collect();
    }
    match dice.below(6) {
        0 => rule["to"] = dice.pick(&[json!("a"), json!("b"), json!("red"), Value::Null]).clone(),
        1 => rule["select"] = json!({"by": "cookie:version", "map": {"v1": "a", "v2": "b"}}),
        2 => rule["to"] = json!("a"),
        3 => rule["mirror"] = json!([{"to": "b", "percent": 100}, {"to": "b", "percent": 0}]),
        _ => rule["split"] = split(dice),
    }
    rule
}

fn split(dice: &mut Dice) -> Value {
    let mut split = json!({
        "by": ["cookie:uid", dice.pick(&["header:x-id", "query:q", "ip"])],
        "weights": {"a": dice.below(50), "b": dice.below(50), "stable": dice.below(50) + 1},
        "onMissingKey": "default",
    });
    if dice.chance() {
        split["salt"] = json!(format!("salt-{}", dice.below(5)));
    }
    if dice.chance() {
        split["sticky"] = json!({
            "cookie": "sticky",
            "secure": dice.chance(),
            "maxAge": "1h",
            "stick": dice.pick(&["all", "candidates"]),
            "onZeroWeight": dice.pick(&["evict", "keep"]),
        });
    }
    split
}

fn block(dice: &mut Dice, depth: u64) -> Value {
    let mut block = Map::new();
    for _ in 0..=dice.below(2) {
        let (name, condition) = condition(dice, depth);
        block.insert(name.to_owned(), condition);
    }
    Value::Object(block)
}

fn condition(dice: &mut Dice, depth: u64) -> (&'static str, Value) {
    match dice.below(if depth < 2 { 12 } else { 9 }) {
        0 => ("path", dice.pick(&paths()).clone()),
        1 => ("method", dice.pick(&[json!("GET"), json!(["HEAD", "POST"]), json!({"not": "GET"})]).clone()),
        2 => (
            "host",
            dice.pick(&[json!("shop.test"), json!("*.shop.test."), json!(["other.test", "x.test"])]).clone(),
        ),
        3 => (
            "headers",
            json!({*dice.pick(&["x-a", "X-B", "x-id", "user-agent", "cookie", "Host"]): predicate(dice)}),
        ),
        4 => ("cookies", json!({*dice.pick(&["c1", "uid", "version"]): predicate(dice)})),
        5 => ("query", json!({*dice.pick(&["q", "r"]): predicate(dice)})),
        6 => (
            "ip",
            dice.pick(&[
                json!("127.0.0.1"),
                json!(["10.0.0.0/8", "2001:db8::/32"]),
                json!("192.0.2.1-192.0.2.9"),
            ])
            .clone(),
        ),
        7 => (
            "json",
            json!({*dice.pick(&["model", "/user/id"]): dice.pick(&[json!("m1"), json!({"range": [0, 1]}), json!({"exists": false})])}),
        ),
        8 => (
            "time",
            dice.pick(&[json!({"from": "2020-01-01T00:00:00Z"}), json!({"to": "2020-01-01T00:00:00Z"})])
                .clone(),
        ),
        9 => ("any", json!([block(dice, depth + 1), block(dice, depth + 1)])),
        10 => ("all", json!([block(dice, depth + 1), block(dice, depth + 1)])),
        _ => ("not", block(dice, depth + 1)),
    }
}

fn paths() -> Vec<Value> {
    vec![
        json!("/api"),
        json!({"prefix": "/api"}),
        json!({"startsWith": "/api"}),
        json!({"suffix": "dark"}),
        json!({"regex": "/v[0-9]+"}),
        json!({"contains": "shop", "not": {"suffix": ".ico"}}),
        json!({"in": ["/", "/api/x"]}),
    ]
}

fn predicate(dice: &mut Dice) -> Value {
    let all = [
        json!("1"),
        json!({"in": ["on", "v1", "2"]}),
        json!({"prefix": "be"}),
        json!({"suffix": "7"}),
        json!({"contains": "BETA", "ignoreCase": true}),
        json!({"regex": "user-[0-4].*"}),
        json!({"search": "[0-9]$"}),
        json!({"search": "uid=user-7|\u{fffd}"}),
        json!("beta\u{fffd}"),
        json!({"suffix": ".test"}),
        json!({"range": [-5, 15]}),
        json!({"gt": 1.5}),
        json!({"lte": 2}),
        json!({"mod": {"by": 2, "in": [1]}}),
        json!({"hash": {"of": 100, "buckets": [[0, 49]]}}),
        json!({"exists": true}),
        json!({"exists": false}),
        json!({"not": "1"}),
        json!({"not": {"exists": true}}),
        json!("a b"),
    ];
    dice.pick(&all).clone()
}

/// splitmix64 (Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ (word >> 31)) % bound
    }

    fn chance(&mut self) -> bool {
        self.below(2) == 0
    }

    fn pick<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[usize::try_from(self.below(all.len() as u64)).expect("an index")]
    }
}
