//! Virtual services as a user would have them.

use crate::Format;
use crate::tests::{goes, noted, shown};

macro_rules! check {
    ($name:literal, $text:expr) => {
        insta::assert_snapshot!($name, shown(Format::Istio, $text))
    };
}

#[test]
fn weights_and_a_mirror() {
    check!(
        "weights",
        "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: bookinfo}
spec:
  hosts: [reviews]
  http:
  - name: testers
    match:
    - headers: {end-user: {exact: jason}}
    - headers: {cookie: {regex: '^(.*?;)?(user=jason)(;.*)?$'}}
    route:
    - destination: {host: reviews, subset: v2, port: {number: 9080}}
  - route:
    - destination: {host: reviews, subset: v1, port: {number: 9080}}
      weight: 90
    - destination: {host: reviews, subset: v3, port: {number: 9080}}
      weight: 10
      headers: {request: {set: {x-version: v3}}, response: {remove: [server]}}
    mirror: {host: reviews, subset: shadow, port: {number: 9080}}
    mirrorPercentage: {value: 12.5}
    timeout: 2s
    retries: {attempts: 3}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: bookinfo}
spec:
  host: reviews.bookinfo.svc.cluster.local
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v3, labels: {version: v3}}
  - {name: shadow, labels: {version: v4}}
"
    );
}

#[test]
fn every_kind_of_match() {
    check!(
        "matches",
        "
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop.example.com, '*.shop.example.com']
  gateways: [public]
  http:
  - match:
    - uri: {prefix: /API}
      ignoreUriCase: true
      method: {exact: GET}
      queryParams: {v: {exact: '2'}, debug: {}}
      withoutHeaders: {x-bot: {}, user-agent: {prefix: curl}}
    - uri: {exact: /health}
      authority: {exact: api.shop.example.com}
    - uri: {regex: '/v[0-9]+/.*'}
      method: {regex: ^(PUT|POST)$}
    route: [{destination: {host: api.prod.svc.cluster.local, port: {number: 80}}}]
  - match:
    - sourceLabels: {app: frontend}
      uri: {prefix: /internal}
    route: [{destination: {host: internal}}]
  - match: [{authority: {prefix: www}}, {scheme: {exact: https}}, {headers: {x: {regex: '(?=a)'}}}]
    route: [{destination: {host: www.prod.svc.cluster.local, port: {number: 80}}}]
  - match: [{uri: {exact: /old}}]
    redirect: {uri: /new}
  - route: [{destination: {host: web.prod.svc.cluster.local, port: {number: 80}}}]
    rewrite: {uri: /}
    fault: {delay: {percentage: {value: 1}, fixedDelay: 5s}}
    headers: {request: {set: {x-a: '1'}, add: {x-b: '2'}, remove: [x-c]}}
  tcp: []
"
    );
}

#[test]
fn awkward_shares() {
    check!("shares", "
kind: List
items:
- kind: VirtualService
  metadata: {name: a, namespace: n}
  spec:
    hosts: ['*']
    http:
    - match: [{uri: {prefix: /zero}}]
      route: [{destination: {host: a, port: {number: 1}}}, {destination: {host: b, port: {number: 1}}, weight: 0}]
    - match: [{uri: {prefix: /two}}]
      route: [{destination: {host: a, port: {number: 1}}}]
      mirrors:
      - {destination: {host: c, port: {number: 1}}, percentage: {value: 5}}
      - {destination: {host: d, port: {number: 1}}}
    - match: [{uri: {prefix: /bad}}]
      route: [{destination: {host: a, port: {number: 1}}, weight: 1.5}]
      mirror: {host: c, port: {number: 1}}
      mirrorPercent: 101
    - {match: [{uri: {prefix: /none}}], route: [{weight: 1}]}
");
}

#[test]
fn a_service_is_one_host_in_all_its_spellings() {
    let text = "
kind: VirtualService
metadata: {name: cart, namespace: shop}
spec:
  hosts: [cart.shop.svc.cluster.local, rates.bank.svc, stock.depot]
  http:
  - match: [{uri: {prefix: /new}}]
    route: [{destination: {host: cart, subset: v2, port: {number: 80}}}]
  - route: [{destination: {host: cart, subset: v1, port: {number: 80}}}]
";
    let (new, old) =
        ("outbound|80|v2|cart.shop.svc.cluster.local", "outbound|80|v1|cart.shop.svc.cluster.local");
    goes(
        Format::Istio,
        text,
        &[
            ("{path: /new, host: cart}", new),
            ("{path: /new, host: 'cart.shop:80'}", new),
            ("{path: /new, host: CART.shop.svc}", new),
            ("{path: /, host: cart.shop.svc.cluster.local}", old),
            ("{path: /new, host: rates.bank.svc.cluster.local}", new),
            ("{path: /new, host: rates.bank}", new),
            ("{path: /new, host: stock.depot.svc}", new),
            ("{path: /new, host: rates}", "host"),
            ("{path: /new, host: cart.other}", "host"),
        ],
    );
}

#[test]
fn the_most_specific_host_decides_wherever_it_stands() {
    let service = |name: &str, hosts: &str, http: &str| {
        format!(
            "---\nkind: VirtualService\nmetadata: {{name: {name}, namespace: n}}\nspec: {{hosts: [{hosts}], gateways: [gw], http: [{http}]}}\n"
        )
    };
    let to = |host: &str| format!("route: [{{destination: {{host: {host}.test, port: {{number: 80}}}}}}]");
    let text = [
        service("all", "'*'", &format!("{{{}}}", to("all"))),
        service("wide", "'*.shop.test', help.test", &format!("{{{}}}", to("wide"))),
        service("deep", "'*.eu.shop.test'", &format!("{{match: [{{uri: {{prefix: /x}}}}], {}}}", to("deep"))),
        service("exact", "a.eu.shop.test", &format!("{{match: [{{uri: {{prefix: /y}}}}], {}}}", to("exact"))),
    ]
    .concat();
    goes(
        Format::Istio,
        &text,
        &[
            ("{path: /y, host: a.eu.shop.test}", "outbound|80||exact.test"),
            ("{path: /z, host: a.eu.shop.test}", "host"),
            ("{path: /x, host: b.eu.shop.test}", "outbound|80||deep.test"),
            ("{path: /y, host: b.eu.shop.test}", "host"),
            ("{path: /y, host: b.shop.test}", "outbound|80||wide.test"),
            ("{path: /y, host: help.test}", "outbound|80||wide.test"),
            ("{path: /y, host: shop.test}", "outbound|80||all.test"),
        ],
    );
    assert!(
        noted(Format::Istio, &text)
            .contains("VirtualService/deep: gateways is not carried over: install the filter at gw")
    );
}

#[test]
fn a_delegate_holds_below_the_route_that_names_it() {
    let text = "
kind: VirtualService
metadata: {name: pay, namespace: money}
spec:
  http:
  - match: [{headers: {x-beta: {exact: '1'}}}]
    route: [{destination: {host: pay, subset: v2, port: {number: 80}}}]
  - match: [{uri: {prefix: /pay/old}}]
    route: [{destination: {host: pay, subset: v1, port: {number: 80}}}]
---
kind: VirtualService
metadata: {name: lost, namespace: money}
spec: {http: [{route: [{destination: {host: lost, port: {number: 80}}}]}]}
---
kind: VirtualService
metadata: {name: front, namespace: shop}
spec:
  hosts: [shop.test, www.shop.test]
  http:
  - match: [{uri: {prefix: /pay}}]
    delegate: {name: pay, namespace: money}
    mirror: {host: shadow.test, port: {number: 80}}
  - match: [{uri: {prefix: /gone}}]
    delegate: {name: gone}
  - route: [{destination: {host: web, port: {number: 80}}}]
";
    let (new, old) =
        ("outbound|80|v2|pay.money.svc.cluster.local", "outbound|80|v1|pay.money.svc.cluster.local");
    let web = "outbound|80||web.shop.svc.cluster.local";
    let mirrored = |to: &str| format!("{to} + outbound|80||shadow.test");
    goes(
        Format::Istio,
        text,
        &[
            ("{path: /pay/1, host: shop.test, headers: {x-beta: '1'}}", &mirrored(new)),
            ("{path: /pay/old, host: shop.test}", &mirrored(old)),
            ("{path: /pay/1, host: shop.test}", web),
            ("{path: /, host: www.shop.test, headers: {x-beta: '1'}}", web),
            ("{path: /gone, host: shop.test}", "host"),
            ("{path: /pay/old, host: other.test}", "host"),
        ],
    );
    let notes = noted(Format::Istio, text);
    assert!(
        notes.contains("VirtualService/lost has no hosts, and no route of the input names it"),
        "{notes}"
    );
    assert!(notes.contains("VirtualService/front: http[1].delegate names a virtual service"), "{notes}");
}

/// What a policy cannot test stands before a route to the new version.
#[test]
fn requests_of_a_route_that_cannot_be_tested_are_left_to_istio() {
    for (condition, request, expected) in [
        ("sourceLabels: {app: bank}", "{path: /, host: a.test}", "host"),
        ("sourceNamespace: bank, uri: {prefix: /x}", "{path: /x, host: a.test}", "host"),
        ("sourceNamespace: bank, uri: {prefix: /x}", "{path: /y, host: a.test}", "outbound|80||new.test"),
        ("gateways: [mesh]", "{path: /, host: a.test}", "host"),
        ("port: 8443", "{path: /, host: a.test}", "host"),
        ("scheme: {exact: https}", "{path: /, host: a.test}", "host"),
        ("withoutHeaders: {x-a: {regex: '(?=b)'}}", "{path: /, host: a.test}", "host"),
        ("authority: {regex: 'a[.].*'}", "{path: /, host: a.test}", "outbound|80||old.test"),
    ] {
        let text = format!(
            "{{kind: VirtualService, metadata: {{name: s}}, spec: {{hosts: [a.test], http: [\
             {{match: [{{{condition}}}], route: [{{destination: {{host: old.test, port: {{number: 80}}}}}}]}}, \
             {{route: [{{destination: {{host: new.test, port: {{number: 80}}}}}}]}}]}}}}"
        );
        goes(Format::Istio, &text, &[(request, expected)]);
    }
}

#[test]
fn one_host_at_several_gateways_is_left_to_istio() {
    let text = "
{kind: VirtualService, metadata: {name: in}, spec: {hosts: [a.test], gateways: [gw], http: [{route: [{destination: {host: one.test, port: {number: 80}}}]}]}}
---
{kind: VirtualService, metadata: {name: mesh}, spec: {hosts: [a.test, b.test], http: [{route: [{destination: {host: two.test, port: {number: 80}}}]}]}}
";
    goes(
        Format::Istio,
        text,
        &[("{path: /, host: a.test}", "host"), ("{path: /, host: b.test}", "outbound|80||two.test")],
    );
    assert!(
        noted(Format::Istio, text)
            .contains("a.test also belong to another virtual service at other gateways")
    );
}

/// Sidecars take the oldest of several virtual services for a host, gateways try the routes of all.
#[test]
fn of_several_services_for_one_host_sidecars_take_the_oldest() {
    let service = |name: &str, gateway: &str, created: &str, path: &str| {
        format!(
            "---\nkind: VirtualService\nmetadata: {{name: {name}, creationTimestamp: '{created}'}}\nspec: {{hosts: [a.shop.test], gateways: [{gateway}], http: \
             [{{match: [{{uri: {{prefix: {path}}}}}], route: [{{destination: {{host: {name}.x.test, port: {{number: 80}}}}}}]}}]}}\n"
        )
    };
    let pair = |gateway: &str| {
        service("young", gateway, "2025-01-01T00:00:00Z", "/")
            + &service("old", gateway, "2024-01-01T00:00:00Z", "/x")
    };
    let (old, young) = ("outbound|80||old.x.test", "outbound|80||young.x.test");
    let (x, y) = ("{path: /x, host: a.shop.test}", "{path: /y, host: a.shop.test}");
    goes(Format::Istio, &pair("gw"), &[(x, old), (y, young)]);
    goes(Format::Istio, &pair("mesh"), &[(x, old), (y, "host")]);
    goes(Format::Istio, &pair("gw, mesh"), &[(x, "host"), (y, "host")]);
    let wide = |gateway: &str| {
        let all =
            service("wide", gateway, "2023-01-01T00:00:00Z", "/").replace("a.shop.test", "'*.shop.test'");
        all + &pair(gateway).replace("{uri: {prefix: /}}", "{uri: {prefix: /z}}")
    };
    for gateway in ["gw", "mesh"] {
        goes(Format::Istio, &wide(gateway), &[(x, old), (y, "host")]);
    }
    assert!(
        noted(Format::Istio, &pair("mesh"))
            .contains("VirtualService/young: hosts a.shop.test also belong to an older")
    );
}

/// Envoy compares the authority with its case and its port, and parameters as they were sent.
#[test]
fn what_istio_hands_to_envoy_is_compared_as_there() {
    let text = |matched: &str| {
        format!(
            "{{kind: VirtualService, metadata: {{name: s}}, spec: {{hosts: ['*'], http: [\
             {{match: [{{{matched}}}], route: [{{destination: {{host: new.test, port: {{number: 80}}}}}}]}}, \
             {{route: [{{destination: {{host: old.test, port: {{number: 80}}}}}}]}}]}}}}"
        )
    };
    let (new, old) = ("outbound|80||new.test", "outbound|80||old.test");
    for (matched, request, expected) in [
        ("authority: {exact: a.test}", "{path: /, host: a.test}", new),
        ("authority: {exact: a.test}", "{path: /, host: A.test}", old),
        ("authority: {exact: a.test}", "{path: /, host: 'a.test:80'}", old),
        ("authority: {exact: 'a.test:80'}", "{path: /, host: 'a.test:80'}", new),
        ("headers: {':authority': {prefix: a.}}", "{path: /, host: 'a.test:80'}", new),
        ("headers: {':path': {exact: '/x?y=1'}}", "{path: '/x?y=1'}", new),
        ("headers: {x: {regex: '*'}}", "{path: /, headers: {x: '1'}}", new),
        ("headers: {x: {regex: '*'}}", "{path: /}", old),
        ("withoutHeaders: {x: {exact: a}}", "{path: /}", new),
        ("withoutHeaders: {x: {exact: ''}}", "{path: /}", old),
        ("withoutHeaders: {x: {regex: 'a*'}}", "{path: /}", old),
        ("withoutHeaders: {x: {regex: 'a*'}}", "{path: /, headers: {x: b}}", new),
        ("withoutHeaders: {x: {}}", "{path: /}", new),
        ("queryParams: {v: {exact: '1'}}", "{path: '/?v=1'}", new),
        ("queryParams: {v: {exact: '1'}}", "{path: '/?v=%31'}", "host"),
        (
            "headers: {cookie: {regex: '^(.*?;)?(user=jason)(;.*)?$'}}",
            "{path: /, cookies: {user: jason}}",
            new,
        ),
        (
            "headers: {cookie: {regex: '^(.*?;)?(user=jason)(;.*)?$'}}",
            "{path: /, cookies: {a: b, user: jason}}",
            old,
        ),
    ] {
        goes(Format::Istio, &text(matched), &[(request, expected)]);
    }
}

/// Each field that is not known is noted, and one that may choose requests keeps them from the new version.
#[test]
fn fields_that_are_not_known() {
    let text = |matched: &str, more: &str| {
        format!(
            "{{kind: VirtualService, metadata: {{name: s}}, spec: {{more: 1, hosts: ['*'], http: [\
             {{match: [{{{matched}}}], {more} route: [{{new: 1, destination: {{host: old.test, port: {{number: 80}}, zone: a}}}}]}}, \
             {{route: [{{destination: {{host: new.test, port: {{number: 80}}}}}}]}}]}}}}"
        )
    };
    for matched in [
        "new: 1",
        "uri: {new: /}",
        "headers: {a: {exact: b, new: c}}",
        "queryParams: {a: {new: b}}",
        "uri: {}",
    ] {
        goes(Format::Istio, &text(matched, ""), &[("{path: /, headers: {a: b}}", "host")]);
    }
    let notes = noted(
        Format::Istio,
        &text("uri: {prefix: /}", "rewrite: {}, new: 1, mirrors: [{destination: {host: m.test}, new: 1}],"),
    );
    for note in [
        "s: more \"more\"",
        "http[0].rewrite \"rewrite\"",
        "http[0].new \"new\"",
        "mirrors[0].new \"new\"",
        "route[0].new \"new\"",
        "destination.zone \"zone\"",
    ] {
        assert!(notes.contains(note), "{note}: {notes}");
    }
}

/// Two objects of one name are told apart by their namespaces, and notes stand in the order of the input.
#[test]
fn notes_say_which_of_two_objects_they_mean() {
    let service = |namespace: &str, host: &str| {
        format!(
            "---\nkind: VirtualService\nmetadata: {{name: s, namespace: {namespace}}}\nspec: {{http: [{{route: [{{destination: {{host: d.test}}}}], timeout: 1s}}], hosts: [{host}], tls: []}}\n"
        )
    };
    let notes = noted(Format::Istio, &(service("zeta", "'*.a.test'") + &service("alpha", "b.test")));
    let order = ["zeta/s: http[0].timeout", "zeta/s: tls", "alpha/s: http[0].timeout", "alpha/s: tls"];
    let found: Vec<Option<usize>> = order.iter().map(|note| notes.find(note)).collect();
    assert!(found.is_sorted() && found.iter().all(Option::is_some), "{notes}");
}
