//! Routes as a user would have them.

mod model;

use crate::Format;
use crate::tests::{goes, noted, shown};

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

/// Each request goes where the comment behind it says that APISIX sends it.
#[test]
fn exact_uris_come_first_then_longer_ones_then_priority() {
    let text = "
routes:
- {id: all, uris: ['/*', '/img/*'], upstream_id: web, priority: 9}
- {id: cart, uri: '/shop/cart/*', upstream_id: cart}
- {id: shop, uri: '/shop/*', upstream_id: shop}
- {id: beta, uri: '/shop/*', priority: 1, vars: [[http_x_beta, '==', '1']], upstream_id: beta}
- {id: ready, uris: [/ready, /shop/ready], upstream_id: health}
- {id: named, uri: '/users/:id/orders/*rest', upstream_id: orders}
- {id: plain, uri: '/file*', upstream_id: files}
- {id: host, uri: '/*', hosts: ['*.partner.test'], upstream_id: partner, plugins: {traffic-split: {rules: [{weighted_upstreams: [{upstream_id: partner2}]}]}}}
- {id: exact, uri: '/shop/*', host: a.partner.test, upstream_id: exact}
";
    goes(
        Format::Apisix,
        text,
        &[
            ("{path: /}", "upstream-web"),
            ("{path: /img/1}", "upstream-web"),
            ("{path: /ready}", "upstream-health"),
            ("{path: /shop/ready}", "upstream-health"),
            ("{path: /shop/ready/1}", "upstream-shop"),
            ("{path: /shop/1, headers: {x-beta: '1'}}", "upstream-beta"),
            ("{path: /shop/cart/1, headers: {x-beta: '1'}}", "upstream-cart"),
            ("{path: /users/7/orders/a/b}", "host"),
            ("{path: /users/7/other}", "upstream-web"),
            ("{path: /file1}", "upstream-files"),
            ("{path: /shop/1, host: b.partner.test}", "upstream-partner2"),
            ("{path: /shop/1, host: A.partner.test}", "upstream-exact"),
            ("{path: /cart, host: a.partner.test}", "upstream-partner2"),
        ],
    );
}

#[test]
fn what_is_off_takes_no_requests() {
    let text = r#"{"list": [
      {"key": "/apisix/routes/a", "value": {"id": "a", "uri": "/*", "upstream_id": "web"}},
      {"key": "/apisix/routes/b", "value": {"id": "b", "uri": "/new/*", "status": 0, "upstream_id": "web", "plugins": {"traffic-split": {"rules": [{"weighted_upstreams": [{"upstream_id": "new"}]}]}}}},
      {"key": "/apisix/upstreams/web", "value": {"id": "web", "name": "web-pool", "nodes": {"10.1.1.1:80": 1}}},
      {"key": "/apisix/routes/c", "value": {"id": "c", "uri": "/on/*", "status": 1, "upstream_id": "web", "plugins": {"traffic-split": {"rules": [{"weighted_upstreams": [{"upstream_id": "new"}]}]}}}}]}"#;
    goes(Format::Apisix, text, &[("{path: /new/1}", "web-pool"), ("{path: /on/1}", "upstream-new")]);
    assert!(noted(Format::Apisix, text).contains("list[1].value.status the route is off"));
}

#[test]
fn plugins_come_from_the_plugin_configuration_and_the_service_too() {
    let text = "
plugin_configs:
- {id: half, plugins: {traffic-split: {rules: [{weighted_upstreams: [{upstream_id: new}, {}]}]}, limit-count: {}}}
services:
- {id: s, hosts: [s.test], upstream_id: served, plugins: {traffic-split: {rules: [{match: [{vars: [[arg_new, '==', '1']]}], weighted_upstreams: [{upstream_id: new}]}]}}}
routes:
- {id: a, uri: '/a/*', plugin_config_id: half, upstream_id: old, enable_websocket: true}
- {id: own, uri: '/own/*', plugin_config_id: half, upstream_id: old, plugins: {traffic-split: {_meta: {disable: true}, rules: []}}}
- {id: gone, uri: '/gone/*', plugin_config_id: nowhere, upstream_id: old}
- {id: served, uri: '/*', service_id: s}
- {id: filtered, uri: '/f/*', upstream_id: old, plugins: {traffic-split: {_meta: {filter: [[http_x_in, '==', yes]]}, rules: [{weighted_upstreams: [{upstream_id: new}]}]}}}
upstreams:
- {id: served, nodes: {'10.0.0.1:80': 9, '10.0.0.2:80': 1}}
stream_routes:
- {id: tcp, server_port: 9100, upstream_id: old}
";
    goes(
        Format::Apisix,
        text,
        &[
            ("{path: /a/1}", "upstream-new or upstream-old"),
            ("{path: /own/1}", "upstream-old"),
            ("{path: /gone/1}", "host"),
            ("{path: /1, host: s.test}", "upstream-served"),
            ("{path: '/1?new=1', host: s.test}", "upstream-new"),
            ("{path: '/1?new=1', host: other.test}", "host"),
            ("{path: /f/1, headers: {x-in: 'yes'}}", "upstream-new"),
            ("{path: /f/1}", "upstream-old"),
        ],
    );
    let notes = noted(Format::Apisix, text);
    for note in [
        "routes[2].plugin_config_id plugin configuration \"nowhere\" is not in the input",
        "plugin_configs[0].plugins.limit-count the plugin \"limit-count\" is not about splitting",
        "stream_routes[0] stream_routes are not carried over",
        "routes[0].enable_websocket \"enable_websocket\" is a setting of the route",
        "upstreams[0].nodes have different weights",
    ] {
        assert!(notes.contains(note), "{note}: {notes}");
    }
}

/// Each of these has a condition that no policy can say before a rule that sends all others to the new version.
#[test]
fn a_condition_that_cannot_be_carried_keeps_its_requests_from_the_new_version() {
    let rules = |vars: &str| {
        format!(
            "{{uri: /*, upstream_id: old, plugins: {{traffic-split: {{rules: [\
             {{match: [{{vars: {vars}}}], weighted_upstreams: [{{weight: 1}}]}}, \
             {{weighted_upstreams: [{{upstream_id: new, weight: 1}}]}}]}}}}}}"
        )
    };
    for (vars, request, expected) in [
        ("[[consumer_group_id, '==', banks]]", "{path: /}", "old"),
        ("[[arg_v, '==', '2'], [http_a, '~~', '(?=x)']]", "{path: '/?v=2'}", "old"),
        ("[[arg_v, '==', '2'], [http_a, '~~', '(?=x)']]", "{path: '/?v=3'}", "new"),
        ("['OR', [arg_v, '==', '2'], [geoip2_country, '==', 'DE']]", "{path: '/?v=3'}", "old"),
        ("['!OR', [arg_v, '==', '2'], [geoip2_country, '==', 'DE']]", "{path: '/?v=2'}", "new"),
        ("['!AND', [arg_v, '==', '2'], [geoip2_country, '==', 'DE']]", "{path: '/?v=2'}", "old"),
        ("[[http_cookie, has, beta]]", "{path: /}", "new"),
    ] {
        goes(Format::Apisix, &rules(vars), &[(request, &format!("upstream-{expected}"))]);
    }
    let filtered = "{routes: [{uri: /a/*, upstream_id: old, filter_func: 'function(vars) return true end', plugins: {traffic-split: {rules: [{weighted_upstreams: [{upstream_id: new}]}]}}}, {uri: /*, upstream_id: new2}]}";
    goes(Format::Apisix, filtered, &[("{path: /a/1}", "host"), ("{path: /b}", "upstream-new2")]);
}

/// What the routers of APISIX do with each URI, by the source of lua-resty-radixtree.
#[test]
fn uris_as_the_radix_tree_reads_them() {
    for (uri, request, expected) in [
        ("/v1/op:cancel", "{path: /v1/op:cancel}", "upstream-new"),
        ("/v1/op:cancel", "{path: /v1/op:run}", "upstream-old"),
        ("/v1/op:cancel", "{path: /v1/op}", "upstream-old"),
        ("/a*b", "{path: /axx}", "upstream-new"),
        ("/a/*/b", "{path: /a/x/y/b}", "upstream-new"),
        ("/a/*/b", "{path: /a/x/c}", "upstream-old"),
        ("/a/*/b", "{path: /a/b}", "upstream-old"),
        ("/img/*.png", "{path: /img/x.gif}", "upstream-new"),
        ("/a/*/b.c", "{path: /a/1/bxc}", "upstream-new"),
        ("/a+b/*", "{path: /a+b/c}", "host"),
        ("/users/:id", "{path: /users/7}", "host"),
        ("/users/:id", "{path: /users/7/x}", "upstream-old"),
        ("/users/:id/*", "{path: /users/7/x/y}", "host"),
        ("/a/*/b/", "{path: /a/x/b/}", "upstream-new"),
        ("/a/*/b/", "{path: /a/x/b}", "upstream-old"),
    ] {
        let text = format!(
            "routes: [{{id: a, uri: '{uri}', upstream_id: x, plugins: {{traffic-split: {{rules: [{{weighted_upstreams: [{{upstream_id: new}}]}}]}}}}}}, \
             {{id: b, uri: /*, upstream_id: old}}]"
        );
        goes(Format::Apisix, &text, &[(request, expected)]);
    }
}

/// APISIX compares the decoded path, and of equal cookies the last.
#[test]
fn what_apisix_reads_in_another_way_is_left_to_it() {
    let text = "
routes:
- {id: a, uri: /admin/*, upstream_id: old}
- id: b
  uri: /*
  upstream_id: new
  plugins: {traffic-split: {rules: [{match: [{vars: [[cookie_v, '==', '1']]}, {vars: [[http_host, '==', a.test]]}], weighted_upstreams: [{upstream_id: old}]}]}}
";
    goes(
        Format::Apisix,
        text,
        &[
            ("{path: /admin/1}", "upstream-old"),
            ("{path: /%61dmin/1}", "host"),
            ("{path: //admin/1}", "host"),
            ("{path: /x/../admin/1}", "host"),
            ("{path: /x%20y}", "upstream-new"),
            ("{path: /x, headers: {cookie: v=1}}", "upstream-old"),
            ("{path: /x, headers: {cookie: v=1; v=2}}", "host"),
            ("{path: /x, headers: {cookie: v=1; xv=2}}", "upstream-old"),
            ("{path: /x, host: a.test}", "upstream-old"),
            ("{path: /x, host: 'a.test:8080'}", "upstream-new"),
        ],
    );
    assert!(noted(Format::Apisix, text).contains("routes[0]: uris a path is decoded"));
    let odd = text.replace("/admin/*", "/caf\u{e9}/*");
    goes(Format::Apisix, &odd, &[("{path: /caf%C3%A9/1}", "host"), ("{path: /x}", "upstream-new")]);
}

/// The hosts of such a route may be any: it must not take those of others.
#[test]
fn a_service_that_is_not_in_the_input_has_unknown_hosts() {
    let text = "
routes:
- {id: all, uri: /*, upstream_id: old}
- {id: lost, uri: /pay/*, service_id: gone, plugins: {traffic-split: {rules: [{weighted_upstreams: [{upstream_id: new}]}]}}}
- {id: own, uri: /own/*, host: a.test, upstream_id: x, service_id: gone, plugins: {traffic-split: {rules: [{weighted_upstreams: [{upstream_id: new}]}]}}}
- {id: partial, uri: /part/*, host: a.test, upstream_id: x, service_id: gone}
";
    goes(
        Format::Apisix,
        text,
        &[
            ("{path: /x, host: a.test}", "upstream-old"),
            ("{path: /pay/1, host: b.test}", "host"),
            ("{path: /own/1, host: a.test}", "upstream-new"),
            ("{path: /own/1, host: b.test}", "upstream-old"),
            ("{path: /part/1, host: a.test}", "host"),
        ],
    );
    let notes = noted(Format::Apisix, text);
    assert!(notes.contains("routes[1].service_id the hosts of the service are not known"), "{notes}");
}

#[test]
fn fields_that_are_not_known() {
    let rule = |rule: &str| {
        format!(
            "{{uri: /*, upstream_id: old, plugins: {{traffic-split: {{rules: [{{{rule}}}, {{weighted_upstreams: [{{upstream_id: new}}]}}]}}}}}}"
        )
    };
    for field in ["match: [{new_vars: []}]", "match: [{vars: [[arg_a, '==', '1']], other: 1}]", "only: 1"] {
        let text = rule(&format!("{field}, weighted_upstreams: [{{upstream_id: old}}]"));
        goes(Format::Apisix, &text, &[("{path: /}", "upstream-old")]);
        assert!(noted(Format::Apisix, &text).contains("is known to have"), "{field}");
    }
    let text = "{uri: /*, upstream_id: old, plugins: {traffic-split: {new: 1, rules: [{weighted_upstreams: [{upstream_id: new, extra: 1}]}]}}}";
    let notes = noted(Format::Apisix, text);
    assert!(notes.contains("traffic-split.new \"new\" is not carried over"), "{notes}");
    assert!(notes.contains("weighted_upstreams[0].extra \"extra\" is not carried over"), "{notes}");
}

/// Notes stand as what they are about does, and say which of several documents they mean.
#[test]
fn notes_are_in_the_order_of_the_input() {
    let route = |id: &str, path: &str| {
        format!(
            "{{id: {id}, uri: '{path}', timeout: {{}}, upstream_id: u, plugins: {{traffic-split: {{rules: [{{weighted_upstreams: [{{upstream_id: n, weight: -1}}]}}]}}}}}}"
        )
    };
    let text = format!("routes:\n- {}\n- {}\n", route("a", "/*"), route("b", "/deep/er"));
    let places: Vec<String> = noted(Format::Apisix, &text)
        .lines()
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .filter(|place| place.starts_with("routes["))
        .collect();
    let mut sorted = places.clone();
    sorted.sort_by_key(|place| place.get(..9).map(str::to_owned));
    assert_eq!(places, sorted);
    let two = format!("{}---\n{}", text, text.replace("id: a", "id: c").replace("timeout", "script"));
    let notes = noted(Format::Apisix, &two);
    let (first, second) = (notes.find("document 1: routes[1]"), notes.find("document 2: routes[0]"));
    assert!(first.is_some() && first < second, "{notes}");
}
