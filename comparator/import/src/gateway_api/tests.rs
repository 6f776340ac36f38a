//! Routes as a user would have them.

use crate::Format;
use crate::tests::shown;

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
