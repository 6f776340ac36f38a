//! Route configurations as a user would have them. What Envoy itself makes of such is compared end to end, in `native_routes`.

use crate::Format;
use crate::tests::{goes, noted, shown};

macro_rules! check {
    ($name:literal, $text:expr) => {
        insta::assert_snapshot!($name, shown(Format::Envoy, $text))
    };
}

/// A route configuration with one virtual host for all, of these routes.
fn routes(routes: &str) -> String {
    format!("{{virtual_hosts: [{{name: all, domains: ['*'], routes: [{routes}]}}]}}")
}

#[test]
fn a_bootstrap_with_weights_and_a_mirror() {
    check!(
        "bootstrap",
        r#"
static_resources:
  listeners:
  - name: edge
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: edge
          strip_any_host_port: true
          route_config:
            name: shop
            request_headers_to_add: [{header: {key: x-edge, value: "1"}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}]
            virtual_hosts:
            - name: shop
              domains: [shop.test, "*.shop.test", "shop.*"]
              require_tls: ALL
              routes:
              - name: testers
                match: {prefix: /, headers: [{name: cookie, string_match: {safe_regex: {regex: "^(.*?; )?(tester=yes)(;.*)?$"}}}]}
                route: {cluster: canary, timeout: 3s}
              - match: {path_separated_prefix: /api, case_sensitive: false}
                route:
                  weighted_clusters:
                    use_hash_policy: true
                    clusters:
                    - {name: canary, weight: 5, request_headers_to_add: [{header: {key: x-c, value: "%REQ(x)%"}}, {header: {key: x-v, value: "2"}}]}
                    - {name: stable, weight: 95}
                  hash_policy: [{cookie: {name: uid}}, {connection_properties: {source_ip: true}}]
                  host_rewrite_literal: api.test
                  prefix_rewrite: /
              - match: {prefix: /}
                route: {cluster: stable}
              request_mirror_policies: [{cluster: shadow, runtime_fraction: {default_value: {numerator: 5, denominator: TEN_THOUSAND}, runtime_key: mirror.share}}]
  clusters: [{name: canary}, {name: stable}]
"#
    );
}

#[test]
fn every_matcher() {
    check!(
        "matchers",
        &routes(
            "
{match: {path: /a, headers: [{name: X-A, string_match: {prefix: b, ignore_case: true}}, {name: n, range_match: {start: 1, end: 10}}]}, route: {cluster: a}},
{match: {safe_regex: {regex: '/v[0-9]'}, query_parameters: [{name: q, string_match: {exact: '1'}}, {name: r, present_match: true}], grpc: {}}, route: {cluster: b}},
{match: {prefix: /c, cookies: [{name: c, string_match: {exact: x}, invert_match: true}]}, route: {cluster: c}},
{match: {prefix: /d, headers: [{name: a, exact_match: x, invert_match: true}, {name: b, string_match: {exact: ''}, treat_missing_header_as_empty: true}, {name: ':method', string_match: {exact: POST}, invert_match: true}]}, route: {cluster: d}},
{match: {prefix: /e, headers: [{name: ':authority', string_match: {suffix: .test}}, {name: ':path', string_match: {prefix: /e/}}]}, route: {cluster: e}},
{match: {prefix: /f, runtime_fraction: {default_value: {numerator: 0}}}, route: {cluster: f}},
{match: {prefix: /g, runtime_fraction: {default_value: {numerator: 100}}}, redirect: {https_redirect: true}}"
        )
    );
}

/// Each stands before a route that sends everything else to the new version.
#[test]
fn requests_of_a_route_that_cannot_be_tested_are_left_to_the_host() {
    for (route, request, expected) in [
        ("match: {prefix: /, tls_context: {validated: true}}, route: {cluster: old}", "{path: /}", "host"),
        ("match: {prefix: /x, dynamic_metadata: [{}]}, route: {cluster: old}", "{path: /x/1}", "host"),
        ("match: {prefix: /x, dynamic_metadata: [{}]}, route: {cluster: old}", "{path: /y}", "new"),
        (
            "match: {prefix: /x, runtime_fraction: {default_value: {numerator: 9}}}, route: {cluster: old}",
            "{path: /x}",
            "host",
        ),
        (
            "match: {prefix: /x, headers: [{name: ':path', string_match: {odd: /x?a}}]}, route: {cluster: old}",
            "{path: /x}",
            "host",
        ),
        (
            "match: {prefix: /x, headers: [{name: a, string_match: {safe_regex: {regex: '(?=b)'}}}]}, route: {cluster: old}",
            "{path: /x}",
            "host",
        ),
        (
            "match: {prefix: /x, headers: [{name: a, string_match: {custom: {}}}]}, route: {cluster: old}",
            "{path: /x}",
            "host",
        ),
        ("match: {prefix: /x}, route: {cluster_header: x-to}", "{path: /x}", "host"),
        (
            "match: {prefix: /x}, route: {weighted_clusters: {clusters: [{name: old, weight: -1}, {name: new, weight: 1}]}}",
            "{path: /x}",
            "host",
        ),
        ("match: {prefix: /x}, direct_response: {status: 200}", "{path: /x}", "host"),
    ] {
        let text = routes(&format!("{{{route}}}, {{match: {{prefix: /}}, route: {{cluster: new}}}}"));
        goes(Format::Envoy, &text, &[(request, expected)]);
        assert!(!noted(Format::Envoy, &text).is_empty() || route.contains("direct_response"), "{route}");
    }
}

#[test]
fn routes_that_only_the_dice_tell_apart_are_a_split() {
    let text = routes(
        "
{match: {prefix: /x, runtime_fraction: {default_value: {numerator: 10}, runtime_key: shift}}, route: {cluster: a}},
{match: {prefix: /x, runtime_fraction: {default_value: {numerator: 50}}}, route: {cluster: b}},
{match: {prefix: /x}, route: {weighted_clusters: {clusters: [{name: c, weight: 1}, {name: b, weight: 2}]}}}",
    );
    let shown = shown(Format::Envoy, &text);
    assert!(shown.contains("a: 100000\n      b: 750000\n      c: 150000"), "{shown}");
    assert!(shown.contains("the runtime key \"shift\" may say another share"), "{shown}");
    let unread = text.replace("numerator: 10", "numerator: ten");
    goes(Format::Envoy, &unread, &[("{path: /x}", "host")]);
}

#[test]
fn ports_of_hosts() {
    let text = |ignore: bool, first: &str, second: &str| {
        format!(
            "{{ignore_port_in_host_matching: {ignore}, virtual_hosts: [\
             {{name: a, domains: [{first}], routes: [{{match: {{prefix: /}}, route: {{cluster: a}}}}]}}, \
             {{name: b, domains: [{second}], routes: [{{match: {{prefix: /}}, route: {{cluster: b}}}}]}}]}}"
        )
    };
    let request = "{path: /, host: 'a.test:8080'}";
    goes(Format::Envoy, &text(true, "a.test", "'*'"), &[(request, "a")]);
    goes(Format::Envoy, &text(true, "'a.test:8080'", "'*'"), &[(request, "b")]);
    let bare = "{path: /, host: a.test}";
    goes(Format::Envoy, &text(false, "'a.test:*'", "'*'"), &[(request, "a"), (bare, "b")]);
    goes(Format::Envoy, &text(false, "a.test, 'a.test:*'", "'*'"), &[(request, "a"), (bare, "a")]);
    goes(Format::Envoy, &text(false, "'a.test:8080'", "a.test"), &[(request, "a"), (bare, "b")]);
    goes(Format::Envoy, &text(false, "a.test", "'*'"), &[(request, "b"), ("{path: /, host: A.test}", "a")]);
    goes(
        Format::Envoy,
        &text(false, "'*.a.test'", "'*'"),
        &[("{path: /, host: .a.test}", "b"), ("{path: /, host: 'x.A.test'}", "a")],
    );
    goes(
        Format::Envoy,
        &text(true, "a.test", "'*'"),
        &[("{path: /, host: a.test.}", "host"), ("{path: /, host: 'a.test.:80'}", "host")],
    );
    assert!(
        noted(Format::Envoy, &text(true, "'a.test:8080'", "'*'"))
            .contains("\"a.test:8080\" has a port, which is taken off before")
    );
}

/// Envoy takes the port of the listener off, which a policy does not know: what has a port is left to Envoy.
#[test]
fn a_port_that_is_taken_off_if_it_is_the_listeners_own() {
    let text = "{stat_prefix: s, strip_matching_host_port: true, route_config: {virtual_hosts: [\
         {name: a, domains: [a.test], routes: [{match: {prefix: /}, route: {cluster: a}}]}, \
         {name: b, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: b}}]}]}}";
    goes(
        Format::Envoy,
        text,
        &[
            ("{path: /, host: a.test}", "a"),
            ("{path: /, host: 'a.test:8080'}", "host"),
            ("{path: /, host: 'b.test:8080'}", "b"),
        ],
    );
    assert!(
        noted(Format::Envoy, text)
            .contains("Envoy takes the listener's own port off before it compares hosts")
    );
}

/// Envoy compares parameters as they were sent, and a policy decodes them.
#[test]
fn parameters_in_percent_notation_are_left_to_envoy() {
    let text = routes(
        "{match: {prefix: /, query_parameters: [{name: v, string_match: {exact: '1'}}]}, route: {cluster: new}}, \
         {match: {prefix: /}, route: {cluster: old}}",
    );
    goes(
        Format::Envoy,
        &text,
        &[
            ("{path: '/?v=1'}", "new"),
            ("{path: '/?v=2'}", "old"),
            ("{path: '/?v=%31'}", "host"),
            ("{path: '/?%76=1'}", "host"),
            ("{path: '/?v=1&w=a+b'}", "new"),
            ("{path: '/?v=1&w%5B%5D=a'}", "host"),
            ("{path: '/?w%5B%5D=a'}", "old"),
            ("{path: '/?w=1&v=1+'}", "host"),
            ("{path: '/%31?v=1'}", "new"),
        ],
    );
    assert!(noted(Format::Envoy, &text).contains("the query parameter \"v\" is compared as it was sent"));
}

/// A value that is too long to be searched could be one that Envoy finds something in.
#[test]
fn values_that_are_too_long_to_be_searched_are_left_to_envoy() {
    let text = routes(
        "{match: {prefix: /, headers: [{name: x, string_match: {contains: bot}}]}, route: {cluster: old}}, \
         {match: {safe_regex: {regex: '/.*/x'}}, route: {cluster: old}}, \
         {match: {prefix: /}, route: {cluster: new}}",
    );
    let long = "a".repeat(3_000);
    goes(
        Format::Envoy,
        &text,
        &[
            ("{path: /, headers: {x: a bot}}", "old"),
            ("{path: /, headers: {x: a}}", "new"),
            (&format!("{{path: /, headers: {{x: {long}bot}}}}"), "host"),
            (&format!("{{path: /{long}/x}}"), "host"),
        ],
    );
}

/// The whole Cookie header is compared, as Envoy does: a pattern that is closed before a blank finds no second cookie.
#[test]
fn a_pattern_of_the_cookie_header_means_what_it_says() {
    let text = |pattern: &str| {
        routes(&format!(
            "{{match: {{prefix: /, headers: [{{name: cookie, string_match: {{safe_regex: {{regex: '{pattern}'}}}}}}]}}, route: {{cluster: new}}}}, \
             {{match: {{prefix: /}}, route: {{cluster: old}}}}"
        ))
    };
    let (first, second) =
        ("{path: /, cookies: {user: jason, a: '1'}}", "{path: /, cookies: {a: '1', user: jason}}");
    goes(Format::Envoy, &text("^(.*?;)?(user=jason)(;.*)?$"), &[(first, "new"), (second, "old")]);
    goes(Format::Envoy, &text("^(.*?; )?(user=jason)(;.*)?$"), &[(first, "new"), (second, "new")]);
    goes(Format::Envoy, &text("user=jason"), &[("{path: /, cookies: {user: jason}}", "new"), (first, "old")]);
}

#[test]
fn virtual_hosts_from_elsewhere_may_have_what_a_wildcard_would_take() {
    let text = "{vhds: {}, virtual_hosts: [\
         {name: a, domains: [a.test], routes: [{match: {prefix: /}, route: {cluster: a}}]}, \
         {name: b, domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: b}}]}]}";
    goes(Format::Envoy, text, &[("{path: /, host: a.test}", "a"), ("{path: /, host: b.test}", "host")]);
    assert!(
        noted(Format::Envoy, text).contains("virtual hosts that `vhds` brings may have some of the requests")
    );
}

#[test]
fn path_parameters_that_do_not_count() {
    let text = "{ignore_path_parameters_in_path_matching: true, virtual_hosts: [{domains: ['*'], routes: [\
         {match: {path: /a}, route: {cluster: a}}, {match: {prefix: /}, route: {cluster: b}}]}]}";
    goes(Format::Envoy, text, &[("{path: /a}", "a"), ("{path: '/a;v=1'}", "host"), ("{path: /b}", "b")]);
}

/// Each field that is not known is noted, and one that may choose requests keeps them from the rule.
#[test]
fn fields_that_are_not_known() {
    for (route, expected) in [
        (
            "match: {prefix: /, new_field: 1}, route: {cluster: old}",
            "\"new_field\" is nothing that a policy can test",
        ),
        (
            "match: {prefix: /, headers: [{name: a, new_match: b}]}, route: {cluster: old}",
            "\"new_match\" is a test that",
        ),
        (
            "match: {prefix: /, headers: [{name: a, regex_match: b}]}, route: {cluster: old}",
            "\"regex_match\" is a test that",
        ),
        (
            "match: {prefix: /, headers: [{name: a, string_match: {new: b}}]}, route: {cluster: old}",
            "\"new\" is a test that",
        ),
        (
            "match: {prefix: /, query_parameters: [{name: a, value: b}]}, route: {cluster: old}",
            "\"value\" is a test that",
        ),
        (
            "match: {prefix: /, cookies: [{name: a, value: b}]}, route: {cluster: old}",
            "\"value\" is a test that",
        ),
    ] {
        let text = routes(&format!("{{{route}}}, {{match: {{prefix: /}}, route: {{cluster: new}}}}"));
        goes(Format::Envoy, &text, &[("{path: /}", "host")]);
        let notes = noted(Format::Envoy, &text);
        assert!(notes.contains(expected), "{expected}: {notes}");
    }
    for (field, place) in [
        ("metadata_match: {}", "routes[0].route.metadata_match \"metadata_match\" is not part of a policy"),
        (
            "hash_policy: [{cookie: {name: a}}]",
            "routes[0].route.hash_policy chooses among the hosts of a cluster",
        ),
        (
            "request_mirror_policies: [{cluster: m, new: 1}]",
            "request_mirror_policies[0].new \"new\" is not carried over",
        ),
        ("new_rewrite: {}", "routes[0].route.new_rewrite \"new_rewrite\" is not part of a policy"),
    ] {
        let notes = noted(
            Format::Envoy,
            &routes(&format!("{{match: {{prefix: /}}, route: {{cluster: a, {field}}}}}")),
        );
        assert!(notes.contains(place), "{place}: {notes}");
    }
}

#[test]
fn what_a_policy_cannot_hold_of_a_route_is_noted() {
    let mirrors: String = (0..6).map(|_| "{cluster: m},").collect();
    let keys: String = (0..10).map(|n| format!("{{cookie: {{name: c{n}}}}},")).collect();
    let text = routes(&format!(
        "{{match: {{prefix: /a}}, route: {{cluster: a, request_mirror_policies: [{mirrors}]}}}}, \
         {{match: {{prefix: /b}}, request_headers_to_add: [{{header: {{key: x, value: '1'}}}}, {{header: {{key: x, value: '2'}}}}], route: {{cluster: a}}}}, \
         {{match: {{prefix: /c}}, route: {{hash_policy: [{keys}], weighted_clusters: {{use_hash_policy: true, clusters: [{{name: a, weight: 1}}, {{name: b, weight: 1}}]}}}}}}"
    ));
    let shown = shown(Format::Envoy, &text);
    for note in [
        "request_mirror_policies[4]\n#   is not carried over: a rule mirrors 4 times at most",
        "request_mirror_policies[5]\n#   is not carried over: a rule mirrors 4 times at most",
        "the value \"2\" of header \"x\" is not carried over: a policy adds one value of a header",
        "cookie:c8, cookie:c9 are not carried over: a split takes 8 keys",
    ] {
        assert!(shown.contains(note), "{note}: {shown}");
    }
}

#[test]
fn the_most_specific_change_of_a_header_stands_if_envoy_is_told_so() {
    let set = |value: &str| {
        format!(
            "request_headers_to_add: [{{header: {{key: x, value: '{value}'}}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}]"
        )
    };
    for (wins, expected) in [("false", "wide"), ("true", "near")] {
        let text = format!(
            "{{most_specific_header_mutations_wins: {wins}, {}, virtual_hosts: [{{domains: ['*'], routes: [{{match: {{prefix: /}}, {}, route: {{cluster: a}}}}]}}]}}",
            set("wide"),
            set("near")
        );
        let shown = shown(Format::Envoy, &text);
        assert!(shown.contains(&format!("x: {expected}")), "{shown}");
    }
}

/// The usual pair of listeners, and two that serve the same hosts.
#[test]
fn of_several_listeners_what_serves_counts() {
    let manager = |routes: &str| {
        format!(
            "{{filters: [{{typed_config: {{stat_prefix: x, route_config: {{virtual_hosts: [{{domains: ['*'], routes: [{routes}]}}]}}}}}}]}}"
        )
    };
    let listeners = |first: &str, second: &str| {
        format!(
            "{{static_resources: {{listeners: [{{filter_chains: [{}]}}, {{filter_chains: [{}]}}]}}}}",
            manager(first),
            manager(second)
        )
    };
    let redirect = "{match: {prefix: /}, redirect: {https_redirect: true}}";
    let serve = |cluster: &str| format!("{{match: {{prefix: /}}, route: {{cluster: {cluster}}}}}");
    goes(Format::Envoy, &listeners(redirect, &serve("web")), &[("{path: /}", "web")]);
    assert!(
        noted(Format::Envoy, &listeners(redirect, &serve("web")))
            .contains("answers all requests itself, at another listener")
    );
    goes(Format::Envoy, &listeners(&serve("web"), &serve("next")), &[("{path: /}", "host")]);
    goes(Format::Envoy, &listeners(&serve("web"), &serve("web")), &[("{path: /}", "web")]);
}

/// A dump has a configuration in its bootstrap, its listener and its routes, in either spelling.
#[test]
fn a_dump_and_the_other_spelling() {
    let config = "{\"name\": \"r\", \"virtualHosts\": [{\"name\": \"v\", \"domains\": [\"*\"], \"routes\": [{\"match\": {\"pathSeparatedPrefix\": \"/x\"}, \"route\": {\"weightedClusters\": {\"clusters\": [{\"name\": \"a\", \"weight\": 1}, {\"name\": \"b\", \"weight\": 0}]}}}]}]}";
    let dump = format!(
        "{{\"configs\": [{{\"bootstrap\": {{\"staticResources\": {{\"listeners\": [{{\"filterChains\": [{{\"filters\": [{{\"typedConfig\": {{\"statPrefix\": \"s\", \"routeConfig\": {config}}}}}]}}]}}]}}}}}}, \
         {{\"staticRouteConfigs\": [{{\"routeConfig\": {config}}}]}}]}}"
    );
    let host =
        "{name: v, domains: ['*'], routes: [{match: {path_separated_prefix: /x}, route: {cluster: a}}]}";
    for text in [config, &dump, host, &format!("[{host}]")] {
        goes(Format::Envoy, text, &[("{path: /x/1}", "a"), ("{path: /xy}", "host")]);
    }
    let elsewhere = format!(
        "{{\"configs\": [{{\"stat_prefix\": \"s\", \"rds\": {{\"route_config_name\": \"far\"}}}}, {{\"route_config\": {config}}}]}}"
    );
    assert!(
        noted(Format::Envoy, &elsewhere).contains("the route configuration \"far\" comes from elsewhere")
    );
}
