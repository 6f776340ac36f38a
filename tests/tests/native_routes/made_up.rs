//! Route configurations and requests out of a seed. The vocabulary is small, so that routes and requests meet often.

use serde_json::{Map, Value, json};

/// All clusters that serve clients.
pub(crate) const CLUSTERS: [&str; 6] = ["c0", "c1", "c2", "c3", "c4", "c5"];

/// A route configuration. With `ports`, ports of hosts do not count and all is mirrored that a route mirrors; with `cookies`, Envoy
/// has a matcher for them.
pub(crate) fn routes(seed: u64, ports: bool, cookies: bool) -> Value {
    let mut dice = Dice(seed);
    let mut domains: Vec<&str> = vec![
        "*",
        "shop.test",
        "*.shop.test",
        "*.eu.shop.test",
        "a.eu.shop.test",
        "*-shop.test",
        "shop.*",
        "shop-*",
        "other.test",
        "shop.test:8080",
        "*.shop.test:8080",
        "port.test:8080",
    ];
    let mut hosts = Vec::new();
    for index in 0..dice.below(4) + 1 {
        let mut own = Vec::new();
        if index == 0 && dice.chance() {
            own.push(domains.remove(0));
        }
        for _ in 0..dice.below(3) + 1 {
            if !domains.is_empty() {
                let at = dice.below(domains.len() as u64);
                own.push(domains.remove(usize::try_from(at).expect("an index")));
            }
        }
        // Where ports do not count, no request meets a domain with one, and Envoy's routes without another lead nowhere.
        if index == 0 && own.iter().all(|domain| domain.contains(':')) {
            own.extend(domains.iter().position(|domain| !domain.contains(':')).map(|at| domains.remove(at)));
        }
        if !own.is_empty() {
            hosts.push(json!({"name": format!("h{index}"), "domains": own, "routes": host_routes(&mut dice, ports, cookies)}));
        }
    }
    if dice.below(12) == 0 {
        let many: Vec<String> = (0..MANY).map(|number| format!("*-s{number}.test")).collect();
        hosts
            .push(json!({"name": "many", "domains": many, "routes": host_routes(&mut dice, ports, cookies)}));
    }
    json!({"name": format!("routes-{seed}"), "virtual_hosts": hosts, "ignore_port_in_host_matching": ports})
}

/// Requests for the route configuration of a number.
pub(crate) fn requests(seed: u64, number: u64, count: u64) -> impl Iterator<Item = Value> {
    (0..count).map(move |index| request(seed * 7 + number * count + index))
}

/// A request that the routes ask about.
fn request(seed: u64) -> Value {
    let mut dice = Dice(seed);
    let mut headers = Map::new();
    let vocabulary: [(&str, &[&str]); 4] = [
        ("x-a", &["1", "beta", "Beta-7", "15", "15", ""]),
        ("x-b", &["2", "15", "", "a-beta-z", "-3"]),
        ("content-type", &["application/grpc", "application/grpc+proto", "application/grpcx", "text/html"]),
        ("user-agent", &["curl/8", "Mozilla"]),
    ];
    for (name, values) in vocabulary {
        if dice.chance() {
            headers.insert(name.to_owned(), json!(dice.pick(values)));
        }
    }
    let mut cookies = Map::new();
    for (name, values) in [("c1", ["1", "on", "off", "o%6e"]), ("uid", ["u1", "u2", "u3", "u1;x"])] {
        if dice.chance() {
            cookies.insert(name.to_owned(), json!(dice.pick(&values)));
        }
    }
    let path = *dice.pick(&[
        "/",
        "/api",
        "/api/",
        "/api/x",
        "/apis",
        "/API/x",
        "/shop",
        "/v12/a",
        "/v12",
        "/api%2Fx",
        "/%61pi/x",
        "/api/a%20b",
        "/api/%",
        "/api/100%25",
    ]);
    let query = *dice.pick(&[
        "",
        "",
        "",
        "",
        "?q=1",
        "?q=2&r",
        "?r=7&q=2&q=1",
        "?r=",
        "?q=%31",
        "?%71=1",
        "?q=a%20b",
        "?q=a+b",
        "?q=%",
        "?&q=1",
        "?q==1",
    ]);
    let host = *dice.pick(&[
        "shop.test",
        "a.shop.test",
        "a.eu.shop.test",
        "b.eu.shop.test",
        "SHOP.test",
        "shop.example",
        "x-shop.test",
        "shop-x",
        "other.test",
        "port.test",
        "x-s3.test",
        "x-s68.test",
        "nowhere",
    ]);
    let port = *dice.pick(&["", "", "", ":8080", ":8081"]);
    json!({
        "method": dice.pick(&["GET", "HEAD"]),
        "path": format!("{path}{query}"),
        "host": format!("{host}{port}"),
        "headers": headers,
        "cookies": cookies,
    })
}

/// Domains of one virtual host, more than a rule has alternatives.
const MANY: usize = 70;

fn host_routes(dice: &mut Dice, mirrors: bool, cookies: bool) -> Vec<Value> {
    // So that each serves something.
    let mut routes = vec![json!({"match": {"path": "/api/x/y"}, "route": {"cluster": "c0"}})];
    for _ in 0..dice.below(6) + 1 {
        let matched = route_match(dice, cookies);
        if dice.below(6) == 0 && matched.get("runtime_fraction").is_none() {
            // Half of what comes so far goes on to the next route, which is for all of it.
            let mut half = matched.clone();
            half["runtime_fraction"] = json!({"default_value": {"numerator": 50, "denominator": "HUNDRED"}});
            routes.push(json!({"match": half, "route": {"cluster": dice.pick(&CLUSTERS)}}));
            routes.push(json!({"match": matched, "route": {"cluster": dice.pick(&CLUSTERS)}}));
            continue;
        }
        let mut route = json!({"match": matched});
        match dice.below(8) {
            0 => route["redirect"] = json!({"path_redirect": "/elsewhere"}),
            1 => route["direct_response"] = json!({"status": 299}),
            2 => {
                let clusters: Vec<Value> = (0..dice.below(3) + 2)
                    .map(|at| json!({"name": dice.pick(&CLUSTERS), "weight": if at == 0 { 5 } else { dice.below(3) }}))
                    .collect();
                route["route"] = json!({"weighted_clusters": {"clusters": clusters}});
            }
            _ => route["route"] = json!({"cluster": dice.pick(&CLUSTERS)}),
        }
        if mirrors && dice.chance() && route.get("route").is_some() {
            let share = dice
                .pick(&[
                    json!({"numerator": 100}),
                    json!({"numerator": 0}),
                    json!({"numerator": 10_000, "denominator": "TEN_THOUSAND"}),
                ])
                .clone();
            route["route"]["request_mirror_policies"] =
                json!([{"cluster": "shadow", "runtime_fraction": {"default_value": share}}]);
        }
        routes.push(route);
    }
    if dice.chance() {
        routes.push(json!({"match": {"prefix": "/"}, "route": {"cluster": dice.pick(&CLUSTERS)}}));
    }
    routes
}

fn route_match(dice: &mut Dice, cookies: bool) -> Value {
    let mut matched = dice
        .pick(&[
            json!({"prefix": "/"}),
            json!({"prefix": "/"}),
            json!({"prefix": "/api"}),
            json!({"prefix": "/api/"}),
            json!({"prefix": "/Api", "case_sensitive": false}),
            json!({"path": "/api/x"}),
            json!({"path": "/API", "case_sensitive": false}),
            json!({"path_separated_prefix": "/api"}),
            json!({"path_separated_prefix": "/aPi", "case_sensitive": false}),
            json!({"safe_regex": {"regex": "/v[0-9]+"}}),
            json!({"safe_regex": {"regex": "/v[0-9]+/.*|/shop"}}),
            json!({"safe_regex": {"regex": "/api/.*%20.*"}}),
            json!({"prefix": "/api%2F"}),
            json!({"path": "/api/a%20b"}),
            json!({"prefix": "/api/%"}),
            json!({"path_separated_prefix": "/%61pi"}),
        ])
        .clone();
    let headers: Vec<Value> = (0..dice.below(5).saturating_sub(2)).map(|_| header(dice)).collect();
    if !headers.is_empty() {
        matched["headers"] = json!(headers);
    }
    if dice.below(4) == 0 {
        let query = json!({"name": dice.pick(&["q", "r"])});
        let test = dice
            .pick(&[
                json!({"present_match": true}),
                json!({}),
                json!({"string_match": {"exact": "1"}}),
                json!({"string_match": {"safe_regex": {"regex": "[27]"}}}),
                json!({"string_match": {"exact": ""}}),
                json!({"string_match": {"exact": "a%20b"}}),
                json!({"string_match": {"exact": "a b"}}),
                json!({"string_match": {"prefix": "%"}}),
                json!({"string_match": {"contains": "+"}}),
                json!({"string_match": {"safe_regex": {"regex": "a.b"}}}),
            ])
            .clone();
        matched["query_parameters"] = json!([merged(&query, &test)]);
    }
    if cookies && dice.below(4) == 0 {
        let test = dice
            .pick(&[
                json!({"string_match": {"exact": "1"}}),
                json!({"string_match": {"prefix": "ON", "ignore_case": true}}),
                json!({"string_match": {"exact": "on"}, "invert_match": true}),
            ])
            .clone();
        matched["cookies"] = json!([merged(&json!({"name": dice.pick(&["c1", "uid"])}), &test)]);
    }
    if dice.below(10) == 0 {
        matched["grpc"] = json!({});
    }
    if dice.below(12) == 0 {
        let numerator = dice.pick(&[0, 100]);
        matched["runtime_fraction"] = json!({"default_value": {"numerator": numerator}});
    }
    matched
}

fn header(dice: &mut Dice) -> Value {
    if dice.below(5) == 0 {
        return dice
            .pick(&[
                json!({"name": ":method", "string_match": {"exact": "GET"}}),
                json!({"name": ":method", "string_match": {"exact": "GET"}, "invert_match": true}),
                json!({"name": ":path", "string_match": {"prefix": "/api"}}),
                json!({"name": "cookie", "string_match": {"safe_regex": {"regex": "^(.*?; )?(c1=on)(;.*)?$"}}}),
                json!({"name": "cookie", "string_match": {"contains": "uid=u1"}}),
                json!({"name": "cookie", "string_match": {"safe_regex": {"regex": "c1=on;.*"}}}),
                json!({"name": "cookie", "string_match": {"safe_regex": {"regex": ".*c1=o[^;]*;.*"}}}),
                json!({"name": "cookie", "string_match": {"safe_regex": {"regex": "(^|.*; )uid=(u1|u2)(;|$)"}}}),
                json!({"name": "cookie", "string_match": {"safe_regex": {"regex": "(.*;\\s*)?uid=u[12];?.*"}}}),
                json!({"name": "cookie", "string_match": {"safe_regex": {"regex": "uid=[^;]+;"}}}),
            ])
            .clone();
    }
    let test = dice
        .pick(&[
            json!({"present_match": true}),
            json!({"present_match": false}),
            json!({}),
            json!({"exact_match": "1"}),
            json!({"string_match": {"exact": "beta"}}),
            json!({"string_match": {"exact": "BETA", "ignore_case": true}}),
            json!({"string_match": {"prefix": "be"}}),
            json!({"string_match": {"suffix": "7"}}),
            json!({"string_match": {"contains": "BETA", "ignore_case": true}}),
            json!({"string_match": {"safe_regex": {"regex": "[a-z]*"}}}),
            json!({"range_match": {"start": -3, "end": 15}}),
            json!({"range_match": {"start": 1, "end": 15}}),
            json!({"range_match": {"start": 2, "end": 15}}),
            json!({"string_match": {"exact": ""}}),
        ])
        .clone();
    let mut matcher = merged(&json!({"name": dice.pick(&["x-a", "X-B", "user-agent"])}), &test);
    if dice.below(3) == 0 {
        matcher["invert_match"] = json!(true);
    }
    if dice.below(4) == 0 {
        matcher["treat_missing_header_as_empty"] = json!(true);
    }
    matcher
}

fn merged(one: &Value, other: &Value) -> Value {
    let mut both = one.clone();
    for (name, value) in other.as_object().expect("an object") {
        both[name] = value.clone();
    }
    both
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

#[cfg(test)]
mod tests {
    use antumbra_import::{Format, import};

    use super::*;

    #[test]
    fn whatever_is_made_up_can_be_imported() {
        for seed in 77_000..77_400 {
            for (ports, cookies) in [(true, true), (false, false)] {
                let routes = routes(seed, ports, cookies).to_string();
                let imported = import(Format::Envoy, routes.as_bytes());
                assert!(imported.is_ok(), "seed {seed}: {}\n{routes}", imported.unwrap_err());
            }
        }
    }
}
