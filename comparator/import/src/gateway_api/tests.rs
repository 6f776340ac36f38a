//! Routes as a user would have them.

use crate::Format;
use crate::tests::{goes, noted, shown};

macro_rules! check {
    ($name:literal, $text:expr) => {
        insta::assert_snapshot!($name, shown(Format::GatewayApi, $text))
    };
}

#[test]
fn the_most_specific_match_comes_first() {
    check!("precedence", "
kind: HTTPRoute
metadata: {name: shop, namespace: prod}
spec:
  parentRefs: [{name: public}]
  hostnames: [shop.test, '*.shop.test']
  rules:
  - backendRefs: [{name: web, port: 80}]
  - matches:
    - {path: {type: PathPrefix, value: /v2}}
    - {path: {type: PathPrefix, value: /}, headers: [{name: Version, value: two}]}
    backendRefs: [{name: web-v2, port: 80}]
  - matches:
    - {path: {type: Exact, value: /v2/only}}
    - {method: POST, queryParams: [{name: q, value: a}]}
    - {path: {type: RegularExpression, value: '/v[0-9]+/x'}}
    backendRefs: [{name: web-v3, port: 80}]
  - matches:
    - headers: [{name: version, value: two}, {name: tier, type: RegularExpression, value: 'a|b'}, {name: VERSION, value: three}]
    backendRefs: [{name: web-v4, port: 80}]
");
}

#[test]
fn routes_of_several_hosts() {
    check!(
        "hosts",
        "
kind: HTTPRoute
metadata: {name: all}
spec:
  rules: [{backendRefs: [{name: fallback, port: 80}]}]
---
kind: HTTPRoute
metadata: {name: wild}
spec:
  hostnames: ['*.test']
  rules: [{backendRefs: [{name: wild, port: 80}]}]
---
kind: HTTPRoute
metadata: {name: exact}
spec:
  hostnames: [a.test, b.test]
  rules: [{backendRefs: [{name: exact, port: 80}]}]
"
    );
}

#[test]
fn weights_filters_and_mirrors() {
    check!("filters", "
kind: HTTPRoute
metadata: {name: shop}
spec:
  rules:
  - name: main
    backendRefs:
    - {name: v1, port: 80, weight: 70}
    - name: v2
      port: 80
      weight: 30
      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-v, value: '2'}], add: [{name: x-a, value: b}], remove: [x-r]}}]
    - {name: v3, namespace: other, port: 80, weight: 0}
    filters:
    - {type: RequestMirror, requestMirror: {backendRef: {name: v4, port: 80}, fraction: {numerator: 5, denominator: 1000}}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: v5, port: 80}}}
    - {type: ResponseHeaderModifier, responseHeaderModifier: {remove: [server]}}
    - {type: URLRewrite, urlRewrite: {hostname: v1.test}}
    timeouts: {request: 5s}
    sessionPersistence: {type: Cookie}
  - matches: [{path: {value: /bad}}]
    backendRefs: [{name: v1, port: 80}]
    filters:
    - {type: RequestMirror, requestMirror: {backendRef: {name: v4, port: 80}, percent: 101}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: v4, port: 80}, percent: 10, fraction: {numerator: 1}}}
    - {type: RequestMirror, requestMirror: {percent: 10}}
  - matches: [{path: {value: /off}}]
    filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]
  - matches: [{path: {value: /odd, type: Glob}}, {headers: [{name: a b, value: c}]}]
    backendRefs: [{name: v1, port: 80, weight: 0}]
");
}

#[test]
fn calls_of_grpc() {
    check!("grpc", "
kind: GRPCRoute
metadata: {name: rpc}
spec:
  rules:
  - matches: [{method: {service: shop.Cart}}]
    backendRefs: [{name: cart, port: 80}]
  - matches: [{method: {service: shop.Cart, method: Add}, headers: [{name: x, value: y}]}, {method: {method: Ping}}]
    backendRefs: [{name: cart-v2, port: 80}]
  - matches: [{method: {type: RegularExpression, service: 'shop\\.[A-Z].*'}}, {method: {type: Exact}}]
    backendRefs: [{name: cart-v3, port: 80}]
");
}

#[test]
fn a_mirror_of_the_only_backend_is_one_of_the_rule() {
    let text = |weights: (u8, u8)| {
        format!(
            "{{kind: HTTPRoute, metadata: {{name: cart}}, spec: {{rules: [{{backendRefs: [\
             {{name: cart, port: 80, weight: {}, filters: [{{type: RequestMirror, requestMirror: {{backendRef: {{name: next, port: 80}}}}}}]}}, \
             {{name: other, port: 80, weight: {}}}]}}]}}}}",
            weights.0, weights.1
        )
    };
    goes(Format::GatewayApi, &text((1, 0)), &[("{path: /}", "cart + next")]);
    goes(Format::GatewayApi, &text((1, 1)), &[("{path: /}", "cart or other")]);
    let notes = noted(Format::GatewayApi, &text((1, 1)));
    assert!(
        notes.contains("backendRefs[0].filters[0] mirrors only what goes to this backend of several"),
        "{notes}"
    );
}

/// One route at the listener for plain HTTP sends clients to HTTPS, and another serves them there.
#[test]
fn of_two_listeners_the_one_that_serves_decides() {
    let route = |name: &str, section: &str, rules: &str| {
        format!(
            "---\nkind: HTTPRoute\nmetadata: {{name: {name}}}\nspec: {{parentRefs: [{{name: edge, sectionName: {section}}}], hostnames: [shop.test], rules: [{rules}]}}\n"
        )
    };
    let redirect = "{filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]}";
    let serve = |name: &str| format!("{{backendRefs: [{{name: {name}, port: 80}}]}}");
    let pair = route("a", "plain", redirect) + &route("b", "tls", &serve("web"));
    goes(Format::GatewayApi, &pair, &[("{path: /, host: shop.test}", "web")]);
    let notes = noted(Format::GatewayApi, &pair);
    assert!(
        notes.contains(
            "HTTPRoute/a: rules[0] has no backend and is attached to another listener than HTTPRoute/b"
        ),
        "{notes}"
    );
    let same = route("a", "tls", redirect) + &route("b", "tls", &serve("web"));
    goes(Format::GatewayApi, &same, &[("{path: /, host: shop.test}", "host")]);
    let both = route("a", "plain", &serve("web")) + &route("b", "tls", &serve("next"));
    goes(Format::GatewayApi, &both, &[("{path: /, host: shop.test}", "host")]);
    assert!(
        noted(Format::GatewayApi, &both).contains("HTTPRoute/b serves the same hosts at another listener")
    );
}

#[test]
fn a_listener_narrows_the_hosts_of_its_routes() {
    let text = "
kind: Gateway
metadata: {name: edge, namespace: infra}
spec:
  listeners:
  - {name: shop, port: 443, hostname: '*.shop.test', allowedRoutes: {namespaces: {from: All}}}
  - {name: own, port: 443, hostname: own.test}
---
kind: HTTPRoute
metadata: {name: wide, namespace: apps}
spec:
  parentRefs: [{name: edge, namespace: infra}]
  hostnames: [a.shop.test, own.test, b.test]
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
kind: HTTPRoute
metadata: {name: any, namespace: infra}
spec:
  parentRefs: [{name: edge}]
  rules: [{backendRefs: [{name: any, port: 80}]}]
---
kind: HTTPRoute
metadata: {name: lost, namespace: apps}
spec:
  parentRefs: [{name: edge, namespace: infra, sectionName: own}]
  rules: [{backendRefs: [{name: lost, port: 80}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: raw}
";
    goes(
        Format::GatewayApi,
        text,
        &[
            ("{path: /, host: own.test}", "any"),
            ("{path: /, host: b.test}", "host"),
            ("{path: /, host: b.shop.test}", "any"),
        ],
    );
    let notes = noted(Format::GatewayApi, text);
    assert!(notes.contains("HTTPRoute/lost no listener of its gateways takes it"), "{notes}");
    assert!(notes.contains("TLSRoute/raw is not read"), "{notes}");
}

#[test]
fn routes_of_one_host_are_merged_by_their_matches_then_by_age_and_name() {
    let route = |name: &str, metadata: &str, hosts: &str, rule: &str| {
        format!(
            "---\nkind: HTTPRoute\nmetadata: {{name: {name}, namespace: n{metadata}}}\nspec: {{parentRefs: [{{name: gw}}], hostnames: [{hosts}], rules: [{{{rule}backendRefs: [{{name: {name}, port: 80}}]}}]}}\n"
        )
    };
    let path = |path: &str| format!("matches: [{{path: {{value: {path}}}}}], ");
    let text = [
        route("zeta", ", creationTimestamp: '2024-01-01T00:00:00Z'", "a.test", &path("/x")),
        route("beta", ", creationTimestamp: '2025-01-01T00:00:00Z'", "a.test", &path("/x")),
        route("deep", "", "a.test", &path("/x/y")),
        route("alpha", "", "a.test", &path("/z")),
        route("alpha2", "", "a.test", &path("/z/")),
        route("wide", "", "'*.test'", ""),
    ]
    .concat();
    goes(
        Format::GatewayApi,
        &text,
        &[
            ("{path: /x/1, host: a.test}", "zeta"),
            ("{path: /x/y, host: a.test}", "deep"),
            ("{path: /z, host: a.test}", "alpha"),
            ("{path: /other, host: a.test}", "host"),
            ("{path: /other, host: b.test}", "wide"),
        ],
    );
}

#[test]
fn backends_that_are_missing_or_weigh_nothing_serve_nobody() {
    for (rule, expected, note) in [
        ("{matches: [{path: {value: /x}}]}", "host", "has no backend: a gateway answers 500"),
        ("{backendRefs: [{name: a, weight: 0}, {name: b, weight: 0}]}", "host", "all weights are 0"),
        (
            "{backendRefs: [{name: a, weight: ten}, {name: b, weight: 1}]}",
            "host",
            "weight is not a whole number",
        ),
        ("{backendRefs: [{name: a, kind: ServiceImport}]}", "a", "is of kind \"ServiceImport\""),
    ] {
        let text = format!(
            "{{kind: HTTPRoute, metadata: {{name: r}}, spec: {{rules: [{rule}, {{matches: [{{path: {{value: /y}}}}], backendRefs: [{{name: c}}]}}]}}}}"
        );
        goes(Format::GatewayApi, &text, &[("{path: /x}", expected)]);
        let notes = noted(Format::GatewayApi, &text);
        assert!(notes.contains(note), "{notes}");
    }
}

/// A route of the mesh holds for a service, whatever hosts it names.
#[test]
fn a_route_of_a_service_takes_its_names() {
    let text = "
kind: HTTPRoute
metadata: {name: r, namespace: shop}
spec:
  parentRefs: [{kind: Service, group: '', name: cart}]
  rules:
  - backendRefs:
    - {name: cart-v2, port: 80, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-b, value: '2'}]}}]}
    filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-a, value: '1'}, {name: host, value: b}]}}]
";
    goes(
        Format::GatewayApi,
        text,
        &[
            ("{path: /, host: cart}", "cart-v2"),
            ("{path: /, host: cart.shop.svc.cluster.local}", "cart-v2"),
            ("{path: /, host: other}", "host"),
        ],
    );
    let shown = shown(Format::GatewayApi, text);
    assert!(shown.contains("set:\n        x-a: \"1\"\n        x-b: \"2\""), "{shown}");
    assert!(shown.contains("the change of header \"host\" is not carried over"), "{shown}");
}

/// The specification orders calls by the characters of the service, then of the method, then by the number of headers.
#[test]
fn calls_with_the_longer_service_come_first() {
    let rule = |name: &str, matched: &str| {
        format!("{{matches: [{{{matched}}}], backendRefs: [{{name: {name}, port: 80}}]}}")
    };
    let rules = [
        rule("headers", "headers: [{name: a, value: '1'}, {name: b, value: '1'}]"),
        rule("any", ""),
        rule("method", "method: {method: AVeryLongMethodName}"),
        rule("both", "method: {service: s.A, method: AVeryLongMethodName}"),
        rule("service", "method: {service: s.A}, headers: [{name: a, value: '1'}]"),
        rule("deep", "method: {type: RegularExpression, service: 's[.]A.+'}"),
    ];
    let text = format!("{{kind: GRPCRoute, metadata: {{name: r}}, spec: {{rules: [{}]}}}}", rules.join(", "));
    goes(
        Format::GatewayApi,
        &text,
        &[
            ("{path: /s.A/AVeryLongMethodName, headers: {a: '1'}}", "both"),
            ("{path: /s.A/Get, headers: {a: '1'}}", "service"),
            ("{path: /s.A/Get, headers: {a: '1', b: '1'}}", "service"),
            ("{path: /s.A/Get}", "any"),
            ("{path: /s.B/AVeryLongMethodName, headers: {a: '1', b: '1'}}", "method"),
            ("{path: /s.B/Get, headers: {a: '1', b: '1'}}", "headers"),
            ("{path: /s.Apple/Get, headers: {a: '1', b: '1'}}", "deep"),
        ],
    );
    assert!(
        noted(Format::GatewayApi, &text)
            .contains("how a regular expression compares with other matches depends on the gateway")
    );
}

/// Each field that is not known is noted, and one that may choose requests keeps them from the new version.
#[test]
fn fields_that_are_not_known() {
    let route = |kind: &str, rule: &str| {
        format!(
            "{{kind: {kind}, metadata: {{name: r}}, spec: {{more: 1, rules: [{{{rule}, backendRefs: [{{name: old, port: 80, extra: 1}}]}}, {{backendRefs: [{{name: new, port: 80}}]}}]}}}}"
        )
    };
    for (kind, matched, field) in [
        ("HTTPRoute", "new: 1", "new"),
        ("HTTPRoute", "path: {value: /, new: 1}", "new"),
        ("HTTPRoute", "headers: [{name: a, value: b, new: 1}]", "new"),
        ("HTTPRoute", "queryParams: [{name: a, value: b, new: 1}]", "new"),
        ("GRPCRoute", "path: {value: /x}", "path"),
        ("GRPCRoute", "method: {service: a, new: 1}", "new"),
    ] {
        let text = route(kind, &format!("matches: [{{{matched}}}]"));
        goes(Format::GatewayApi, &text, &[("{path: /a/b}", "host")]);
        let notes = noted(Format::GatewayApi, &text);
        assert!(
            notes.contains(&format!("\"{field}\" is nothing that a policy can test")),
            "{matched}: {notes}"
        );
        assert!(notes.contains("r: more \"more\" is not carried over"), "{notes}");
        assert!(notes.contains("backendRefs[0].extra \"extra\" is not carried over"), "{notes}");
    }
    let text = route(
        "HTTPRoute",
        "retry: {}, filters: [{type: RequestMirror, requestMirror: {backendRef: {name: m, kind: X}, new: 1}}, {type: New}]",
    );
    let notes = noted(Format::GatewayApi, &text);
    for note in [
        "requestMirror.new \"new\" is not carried over",
        "is of kind \"X\"",
        "the filter \"New\" is not",
        "rules[0].retry \"retry\"",
    ] {
        assert!(notes.contains(note), "{note}: {notes}");
    }
}

/// A gateway redirects such requests, whatever backends stand beside.
#[test]
fn a_rule_that_redirects_serves_nobody() {
    let text = "{kind: HTTPRoute, metadata: {name: r}, spec: {rules: [{filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}], \
        backendRefs: [{name: new, port: 80}]}, {matches: [{path: {value: /x}}], backendRefs: [{name: old, port: 80}]}]}}";
    goes(Format::GatewayApi, text, &[("{path: /}", "host"), ("{path: /x}", "old")]);
}

/// A gateway is to take only the older one of two routes for a host that are of different kinds.
#[test]
fn of_two_kinds_for_one_host_the_older_is_taken() {
    let text = "
{kind: GRPCRoute, metadata: {name: calls, creationTimestamp: '2025-01-01T00:00:00Z'}, spec: {parentRefs: [{name: gw}], hostnames: [a.test], rules: [{matches: [{method: {service: s.A}}], backendRefs: [{name: new, port: 80}]}]}}
---
{kind: HTTPRoute, metadata: {name: pages, creationTimestamp: '2024-01-01T00:00:00Z'}, spec: {parentRefs: [{name: gw}], hostnames: [a.test, b.test], rules: [{matches: [{path: {value: /p}}], backendRefs: [{name: old, port: 80}]}]}}
";
    goes(
        Format::GatewayApi,
        text,
        &[("{path: /s.A/Get, host: a.test}", "host"), ("{path: /p, host: a.test}", "old")],
    );
    assert!(noted(Format::GatewayApi, text).contains("GRPCRoute/calls HTTPRoute/pages is of another kind"));
    let apart = text.replacen("name: gw", "name: other", 1);
    assert!(!noted(Format::GatewayApi, &apart).contains("is of another kind"));
}
