//! Routes as a user would have them.

use crate::Format;
use crate::tests::shown;

macro_rules! check {
    ($name:literal, $text:expr) => {
        insta::assert_snapshot!($name, shown(Format::Apisix, $text))
    };
}

#[test]
fn a_canary_by_header_and_weight() {
    check!(
        "canary",
        r##"{
  "id": "7", "name": "shop", "uri": "/*", "upstream_id": "stable",
  "plugins": {
    "traffic-split": {"rules": [
      {"match": [{"vars": [["http_x_release", "==", "canary"]]}],
       "weighted_upstreams": [{"upstream": {"name": "shop-canary", "type": "roundrobin", "nodes": {"10.0.0.9:8080": 1, "10.0.0.10:8080": 1}}}]},
      {"weighted_upstreams": [
        {"upstream": {"name": "shop-canary", "type": "roundrobin", "nodes": {"10.0.0.9:8080": 1, "10.0.0.10:8080": 1}}, "weight": 1},
        {"weight": 9}]}
    ]},
    "limit-count": {"count": 100}
  }}"##
    );
}

#[test]
fn every_operator() {
    check!(
        "operators",
        r#"
uri: /*
upstream: {nodes: {"10.0.0.1:80": 1}}
plugins:
  traffic-split:
    rules:
    - match:
      - vars: [[arg_a, "==", x], [arg_a, "~=", y], [arg_n, ">", 10], [arg_n, "!", ">", "15"], [arg_n, "==", 12]]
      - vars: [[http_a, "~~", "^[a-z]+$"], [http_b, "!~*", bot], [cookie_c, in, [u, v]], [cookie_d, "!", in, [w]]]
      - vars: [[remote_addr, ipmatch, [10.0.0.0/8, 192.0.2.1]], [request_method, in, [GET, HEAD]], [host, "==", shop.test], [uri, "~~", "^/v[12]/"]]
      - vars: [[remote_addr, "!", ipmatch, 10.1.0.0/16], [request_method, "~=", POST]]
      weighted_upstreams: [{upstream_id: 2}]
"#
    );
}

#[test]
fn nested_logic() {
    check!(
        "logic",
        r#"
rules:
- match:
  - vars: ["!AND", [arg_name, "==", json], ["OR", [arg_w, ">", 10], [arg_h, "!", ">", 15]]]
  - vars: [["OR", [http_a, "==", "1"], [http_a, "==", "2"]], ["OR", [http_b, "==", "1"], ["AND", [http_c, "==", "1"], [http_d, "<=", 2.5]]]]
  weighted_upstreams: [{upstream_id: canary, weight: 1}, {upstream_id: stable, weight: 3}]
"#
    );
}

#[test]
fn has_on_a_text_never_matched() {
    check!(
        "has",
        r#"
uri: /*
upstream_id: 1
plugins:
  traffic-split:
    rules:
    - match: [{vars: [[http_cookie, has, grey_release=true]]}]
      weighted_upstreams: [{upstream_id: pre}]
    - match: [{vars: [[arg_group, has, beta]]}, {vars: [[http_x_beta, "==", "1"]]}]
      weighted_upstreams: [{upstream_id: pre}]
"#
    );
}

#[test]
fn what_a_policy_cannot_test() {
    check!(
        "unclear",
        r#"
uri: /*
upstream_id: 1
plugins:
  traffic-split:
    rules:
    - match: [{vars: [[graphql_name, "==", getRepo], [arg_a, "==", "1"]]}]
      weighted_upstreams: [{upstream_id: a}]
    - match: [{vars: [[http_a, "~~", "^(?!bot)"]]}, {vars: [[http_cookie, "~~", "(^|; )dark=true($|;)"]]}]
      weighted_upstreams: [{upstream_id: b}]
    - match: [{vars: [["OR", [arg_a, "==", "1"]]]}]
      weighted_upstreams: [{upstream_id: c}]
    - match: [{vars: [[arg_a]]}, {vars: [["!", arg_a, "==", "1"]]}, {vars: [[remote_addr, ipmatch, []]]}, {vars: [[remote_addr, ipmatch, 10.0.0.0/33]]}]
      weighted_upstreams: [{upstream_id: d}]
    - match: [{vars: [[request_uri, "~~", "^/old"]]}, {vars: [[host, "~~", "^www"]]}, {vars: [[uri, ">", 3]]}]
      weighted_upstreams: [{upstream_id: e, weight: -1}]
"#
    );
}

#[test]
fn a_mirror() {
    check!(
        "mirror",
        r#"{"value": {"id": 1, "uri": "/api/*", "methods": ["GET", "POST"], "hosts": ["shop.test", "*.shop.test"],
      "upstream": {"nodes": [{"host": "10.0.0.1", "port": 80, "weight": 1}], "timeout": {"read": 3}, "pass_host": "node"},
      "plugins": {"proxy-mirror": {"host": "http://10.0.0.9:8080/", "sample_ratio": 0.005, "path": "/shadow"}}}}"#
    );
}

#[test]
fn mirrors_that_apisix_refuses() {
    for (mirror, expected) in [
        ("{host: 127.0.0.1:1999}", "host is \"127.0.0.1:1999\", must be a URL"),
        ("{host: ftp://127.0.0.1}", "host is \"ftp://127.0.0.1\", must be a URL"),
        ("{host: http://m, sample_ratio: 10}", "sample_ratio must be within 0..=1"),
    ] {
        let text = format!("uri: /*\nupstream_id: 1\nplugins: {{proxy-mirror: {mirror}}}");
        let shown = shown(Format::Apisix, &text);
        assert!(shown.contains(expected) && shown.contains("rules: []"), "{shown}");
    }
}

#[test]
fn several_routes_of_the_standalone_file() {
    check!(
        "standalone",
        r##"
routes:
- {id: 1, uri: /*, upstream_id: 1}
- id: 2
  uri: /shop/*
  upstream_id: 1
  plugins: {traffic-split: {rules: [{weighted_upstreams: [{upstream_id: 2, weight: 1}, {weight: 4}]}]}}
- {id: 3, uri: "/users/:id/cart", vars: [[arg_v, "==", "2"]], filter_func: "function(vars) return true end", upstream_id: 2}
- {id: 4, uri: /pinned, priority: 9, upstream_id: 3, plugins: {traffic-split: {_meta: {disable: true}, rules: [{weighted_upstreams: [{upstream_id: 2}]}]}}}
upstreams:
- {id: 1, name: shop-v1, nodes: {"shop-v1:80": 1}}
- {id: 2, name: shop v2, nodes: {"shop-v2:80": 1}, pass_host: rewrite, upstream_host: v2.shop.test}
#END
"##
    );
}
