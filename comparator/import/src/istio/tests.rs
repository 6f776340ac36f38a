//! Virtual services as a user would have them.

use crate::Format;
use crate::tests::shown;

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
