//! All formats: what is written is a policy, and no input makes a panic.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use antumbra_control::Document;
use antumbra_policy::document::Tree;
use antumbra_policy::{Dice, Policy, Timestamp, WrittenRequest};

use super::condition::{Condition, Predicate, Subject};
use super::draft::Target;
use super::{Format, LARGEST_INPUT, import};

/// The policy as YAML and the notes below it; fails if the policy is none.
pub(super) fn shown(format: Format, text: &str) -> String {
    let imported = import(format, text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut shown = serde_saphyr::to_string(&imported.policy).unwrap();
    let read: antumbra_policy::document::Tree = serde_saphyr::from_str(&shown).unwrap();
    assert_eq!(read, imported.policy, "{shown}");
    if let Err(invalid) = Document::from_tree(imported.policy) {
        panic!("{invalid}\n{shown}");
    }
    for note in &imported.notes {
        let _ = write!(shown, "\n# {}\n#   {}\n", note.at, note.what);
    }
    shown
}

/// Checks where requests go under the imported policy: the clusters that chance may choose, `host` for the host's own routing,
/// and behind `+` where they are mirrored to.
pub(super) fn goes(format: Format, text: &str, cases: &[(&str, &str)]) {
    let imported = import(format, text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let policy = Policy::from_tree(&imported.policy).unwrap_or_else(|invalid| panic!("{invalid}"));
    let found: Vec<(&str, String)> =
        cases.iter().map(|(request, _)| (*request, destinations(&policy, request))).collect();
    let expected: Vec<(&str, String)> =
        cases.iter().map(|(request, expected)| (*request, (*expected).to_owned())).collect();
    assert_eq!(found, expected, "{}", serde_saphyr::to_string(&imported.policy).unwrap());
}

fn destinations(policy: &Policy, request: &str) -> String {
    let tree: Tree = serde_saphyr::from_str(request).unwrap();
    let written = WrittenRequest::from_tree(&tree, Timestamp(0)).unwrap();
    let (mut clusters, mut mirrors) = (BTreeSet::new(), BTreeSet::new());
    for word in 0..200 {
        let decision = policy.decide(&written, Dice(word));
        clusters.insert(decision.variant.map_or("host", |variant| variant.cluster.as_str()));
        mirrors.extend(decision.mirrors.iter().map(|mirror| mirror.mirror.to.cluster.as_str()));
    }
    let joined = |set: BTreeSet<&str>| set.into_iter().collect::<Vec<_>>().join(" or ");
    if mirrors.is_empty() { joined(clusters) } else { format!("{} + {}", joined(clusters), joined(mirrors)) }
}

/// All notes, one a line.
pub(super) fn noted(format: Format, text: &str) -> String {
    let imported = import(format, text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    imported.notes.iter().map(|note| format!("{} {}\n", note.at, note.what)).collect()
}

const FORMATS: [Format; 5] =
    [Format::Apisix, Format::Nginx, Format::Istio, Format::GatewayApi, Format::Envoy];

#[test]
fn nothing_to_import_is_said() {
    for (format, text, expected) in [
        (
            Format::Apisix,
            "",
            "input has no route with traffic-split or proxy-mirror: there is nothing to import",
        ),
        (Format::Apisix, "{\"a\": ", "input is not YAML or JSON: "),
        (
            Format::Nginx,
            "# nothing",
            "input has no proxy_pass, split_clients, map, geo or set: there is nothing to import",
        ),
        (Format::Nginx, "http {", "line 1 is the last, but a block or a directive is not ended"),
        (
            Format::Istio,
            "kind: Pod",
            "input has no VirtualService with http routes: there is nothing to import",
        ),
        (
            Format::GatewayApi,
            "[1, 2]",
            "input has no HTTPRoute or GRPCRoute with rules: there is nothing to import",
        ),
        (
            Format::Envoy,
            "static_resources: {}",
            "input has no virtual host with routes to clusters: there is nothing to import",
        ),
    ] {
        let error = import(format, text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{format:?} {text:?}: {error}");
    }
}

#[test]
fn input_that_is_no_text_or_too_long() {
    for format in FORMATS {
        let error = import(format, b"\xff").unwrap_err().to_string();
        assert!(error.starts_with("input is not UTF-8: invalid utf-8"), "{error}");
        let error = import(format, &vec![b' '; LARGEST_INPUT + 1]).unwrap_err().to_string();
        assert_eq!(error, "input is 4194305 bytes, must be at most 4194304");
    }
}

/// Pieces of all formats in arbitrary order: most is refused, and all of it is survived.
#[test]
fn garbage_is_survived() {
    let mut state = 7_u64;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound
    };
    for _ in 0..3_000 {
        let text: String = (0..next(24)).map(|_| PIECES[next(PIECES.len())]).collect();
        for format in FORMATS {
            survive(format, &text);
        }
    }
}

/// What is imported at all is a policy.
fn survive(format: Format, text: &str) {
    if let Ok(imported) = import(format, text.as_bytes())
        && let Err(invalid) = Document::from_tree(imported.policy)
    {
        panic!("{invalid}\n{text}");
    }
}

/// Every way of cutting a sound input short, and of leaving out one of its bytes.
#[test]
fn damaged_inputs_are_survived() {
    for (format, text) in [
        (
            Format::Apisix,
            r#"{"uri":"/a*","plugins":{"traffic-split":{"rules":[{"match":[{"vars":[["OR",["arg_a","!","~*","x"],["uri","in",["/"]]]]}],"weighted_upstreams":[{"upstream_id":1,"weight":2},{}]}]}}}"#,
        ),
        (
            Format::Nginx,
            "split_clients $uri$cookie_a $v{0.5% .a;* '';}map $v $w{~*x y;default $http_a;}server{if ($w!~x){return 1;}location ~ a{mirror /m;proxy_pass http://$w$uri;}location /m{proxy_pass http://b;}}",
        ),
        (
            Format::Istio,
            "{kind: VirtualService, spec: {hosts: [a], http: [{match: [{uri: {regex: 'a|b'}}], route: [{destination: {host: a}, weight: 1}], mirror: {host: b}}]}}",
        ),
        (
            Format::GatewayApi,
            "{kind: HTTPRoute, spec: {hostnames: ['*.a'], rules: [{matches: [{path: {value: /a}}], backendRefs: [{name: a}], filters: [{type: RequestMirror, requestMirror: {backendRef: {name: b}, percent: 5}}]}]}}",
        ),
        (
            Format::Envoy,
            "{virtual_hosts: [{domains: ['*.a:80', b], routes: [{match: {prefix: /a, headers: [{name: x, string_match: {exact: y}}], runtime_fraction: {default_value: {numerator: 5}}}, route: {weighted_clusters: {clusters: [{name: c, weight: 1}]}, request_mirror_policies: [{cluster: d}]}}]}]}",
        ),
    ] {
        shown(format, text);
        for index in 0..text.len() {
            let (before, after) = text.split_at(index);
            survive(format, before);
            survive(format, &format!("{before}{}", &after[1..]));
            for odd in ["-", "é", ":8"] {
                survive(format, &format!("{before}{odd}{}", &after[1..]));
            }
        }
    }
}

/// Inputs that would cost too much or nest too deeply if nothing bounded them.
#[test]
fn hostile_inputs_are_bounded() {
    let nested =
        format!("{{\"rules\": [{{\"match\": [{{\"vars\": {}{}}}]}}]}}", "[".repeat(300), "]".repeat(300));
    let _ = import(Format::Apisix, nested.as_bytes());
    let mut maps = String::from("map $cookie_a $v0 {");
    for index in 0..200 {
        let _ = write!(maps, "k{index} v{index};");
    }
    maps.push('}');
    for index in 1..30 {
        let _ = write!(
            maps,
            "map $v{} $v{index} {{ v1 ${{v{}}}a; v2 $v{}; default z; }}",
            index - 1,
            index - 1,
            index - 1
        );
    }
    maps.push_str("proxy_pass http://$v29$v28$v27;");
    let _ = import(Format::Nginx, maps.as_bytes());
    let cycle = "map $a $b { x $a; } map $b $a { y $b; } proxy_pass http://$a;";
    assert!(import(Format::Nginx, cycle.as_bytes()).is_err());
    let rules: String = (0..300).map(|index| format!("{{\"match\": [{{\"vars\": [[\"arg_a\", \"==\", \"{index}\"]]}}], \"weighted_upstreams\": [{{\"upstream_id\": 1}}]}},")).collect();
    let many = format!("{{\"rules\": [{}]}}", rules.trim_end_matches(','));
    let error = import(Format::Apisix, many.as_bytes()).unwrap_err().to_string();
    assert_eq!(error, "input makes 300 rules, a policy must have at most 256");
    let names = (0..5_000).map(|index| format!("h{index}.test")).collect::<Vec<_>>().join(", ");
    for (format, text, expected) in [
        (
            Format::Envoy,
            format!("{{virtual_hosts: [{{domains: [{names}], routes: [{{route: {{cluster: a}}}}]}}]}}"),
            "input has 5000 domains, must have at most 4096",
        ),
        (
            Format::Istio,
            format!("{{kind: VirtualService, spec: {{hosts: [{names}]}}}}"),
            "input has 5000 hosts, must have at most 4096",
        ),
        (
            Format::GatewayApi,
            format!("{{kind: HTTPRoute, spec: {{hostnames: [{names}]}}}}"),
            "input has 5000 hosts, must have at most 4096",
        ),
        (
            Format::Apisix,
            format!("{{hosts: [{names}], uris: [/a, /b], plugins: {{traffic-split: {{}}}}}}"),
            "input has 10000 hosts with their URIs, must have at most 4096",
        ),
    ] {
        assert_eq!(import(format, text.as_bytes()).unwrap_err().to_string(), expected);
    }
}

const PIECES: [&str; 66] = [
    "virtual_hosts: ",
    "domains: ",
    "routes: ",
    "cluster: ",
    "clusters: ",
    "runtime_fraction: ",
    "{",
    "}",
    "[",
    "]",
    ";",
    ":",
    ",",
    "\"",
    "'",
    "\n",
    "  ",
    "- ",
    "---\n",
    "(",
    ")",
    "$",
    "${",
    "~",
    "~*",
    "=",
    "!",
    "*",
    "0.5%",
    "kind: ",
    "VirtualService",
    "HTTPRoute",
    "GRPCRoute",
    "spec: ",
    "http: ",
    "rules: ",
    "match: ",
    "matches: ",
    "route: ",
    "destination: ",
    "host: ",
    "weight: ",
    "mirror ",
    "backendRefs: ",
    "filters: ",
    "hostnames: ",
    "plugins: ",
    "traffic-split: ",
    "vars: ",
    "upstream: ",
    "weighted_upstreams: ",
    "map ",
    "geo ",
    "split_clients ",
    "server ",
    "location ",
    "if ",
    "set ",
    "proxy_pass ",
    "http://a",
    "$a",
    "$cookie_x",
    "name: ",
    "-1",
    "\u{e9}\u{0}",
    "null",
];

/// Inputs of thousands, whose parts must not each be compared with each.
#[test]
fn thousands_of_routes_are_read() {
    let listed = |from: &str, to: &str, part: &dyn Fn(usize) -> String, number: usize| {
        format!("{from}{}{to}", (0..number).map(part).collect::<Vec<_>>().join(","))
    };
    let drawn = |n: usize| {
        format!(
            "{{match: {{prefix: /p, runtime_fraction: {{default_value: {{numerator: 1}}}}}}, route: {{cluster: c{n}}}}}"
        )
    };
    let unclear =
        |n: usize| format!("{{match: {{prefix: /p{n}, new: 1}}, name: same, route: {{cluster: c}}}}");
    let service = |_: usize| {
        "{kind: VirtualService, spec: {hosts: [h], http: [{route: [{destination: {host: d.test, port: {number: 1}}}]}]}}".to_owned()
    };
    let route = |n: usize| {
        format!(
            "{{kind: HTTPRoute, metadata: {{name: r{n}}}, spec: {{hostnames: ['*.h{n}.test'], parentRefs: [{{name: g{n}}}], rules: [{{backendRefs: [{{name: d}}]}}]}}}}"
        )
    };
    let found = |format, text: String| match import(format, text.as_bytes()) {
        Ok(imported) => Document::from_tree(imported.policy)
            .map(|_| "a policy".to_owned())
            .unwrap_or_else(|bad| bad.to_string()),
        Err(error) => error.to_string(),
    };
    let (virtual_host, items) = ("{virtual_hosts: [{domains: ['*'], routes: [", "{kind: List, items: [");
    for (format, text, expected) in [
        (
            Format::Envoy,
            listed(virtual_host, "]}]}", &drawn, 5_000),
            "input makes 5000 variants, a policy must have at most 64",
        ),
        (
            Format::Envoy,
            listed(virtual_host, "]}]}", &unclear, 3_000),
            "input makes 6000 rules, a policy must have at most 256",
        ),
        (Format::Istio, listed(items, "]}", &service, 2_000), "a policy"),
        (
            Format::GatewayApi,
            listed(items, "]}", &route, 2_000),
            "input makes 2000 rules, a policy must have at most 256",
        ),
    ] {
        assert_eq!(found(format, text), expected);
    }
}

/// What a policy cannot hold at once is divided, so that `antumbra check` takes what an import writes.
#[test]
fn what_is_too_much_for_one_list_is_divided() {
    let matches: Vec<String> =
        (0..200).map(|n| format!("{{headers: {{x: {{exact: '{n}'}}}}, uri: {{exact: /{n}}}}}")).collect();
    let istio = format!(
        "{{kind: VirtualService, spec: {{hosts: [a.test], http: [{{match: [{}], route: [{{destination: {{host: new.test, port: {{number: 1}}}}}}]}}, \
         {{route: [{{destination: {{host: old.test, port: {{number: 1}}}}}}]}}]}}}}",
        matches.join(", ")
    );
    shown(Format::Istio, &istio);
    let (new, old) = ("outbound|1||new.test", "outbound|1||old.test");
    goes(
        Format::Istio,
        &istio,
        &[
            ("{path: /199, host: a.test, headers: {x: '199'}}", new),
            ("{path: /0, host: a.test, headers: {x: '0'}}", new),
            ("{path: /0, host: a.test, headers: {x: '1'}}", old),
        ],
    );
    let addresses: Vec<String> =
        (0..100_001).map(|n| format!("10.{}.{}.{}", n >> 16, (n >> 8) & 255, n & 255)).collect();
    let apisix = format!(
        "{{uri: /*, upstream_id: old, remote_addrs: [{}], plugins: {{traffic-split: {{rules: [{{weighted_upstreams: [{{upstream_id: new}}]}}]}}}}}}",
        addresses.join(",")
    );
    goes(
        Format::Apisix,
        &apisix,
        &[("{path: /, ip: 10.1.134.160}", "upstream-new"), ("{path: /, ip: 10.1.134.161}", "host")],
    );
}

/// What a policy cannot hold at all is kept from the new version, with a note that says how much it would be.
#[test]
fn what_is_too_much_for_a_policy_is_kept() {
    let nested = (0..14).fold("[arg_a, '==', '1']".to_owned(), |inner, n| {
        format!("['{}', [arg_b{n}, '==', '1'], {inner}]", if n % 2 == 0 { "!AND" } else { "!OR" })
    });
    let apisix = format!(
        "{{uri: /*, upstream_id: old, plugins: {{traffic-split: {{rules: [{{match: [{{vars: {nested}}}], weighted_upstreams: [{{weight: 1}}]}}, \
         {{weighted_upstreams: [{{upstream_id: new}}]}}]}}}}}}"
    );
    shown(Format::Apisix, &apisix);
    let deep = "{path: '/?b0=1&b2=1&b4=1&b6=1&b8=1&b10=1&b12=1'}";
    goes(Format::Apisix, &apisix, &[(deep, "upstream-old"), ("{path: /}", "upstream-new")]);
    let notes = noted(Format::Apisix, &apisix);
    assert!(
        notes.contains("levels of any, all and not, and a policy takes 16: the innermost are missing"),
        "{notes}"
    );
    let clusters: String = (0..500).map(|n| format!("{{name: c{}, weight: 10000000}},", n % 2)).collect();
    let envoy = format!(
        "{{virtual_hosts: [{{domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{weighted_clusters: {{clusters: [{clusters}]}}}}}}]}}]}}"
    );
    goes(Format::Envoy, &envoy, &[("{path: /}", "host")]);
    assert!(
        noted(Format::Envoy, &envoy)
            .contains("the weights have the sum 5000000000, and a policy takes 4294967295")
    );
}

/// The policy's own reader has the last word: what it refuses is not written, whatever an importer thinks of it.
#[test]
fn a_rule_that_the_policy_refuses_leaves_its_requests_to_the_host() {
    let mut draft = super::draft::Draft::named("odd");
    let to = |name: &str| super::draft::Destination {
        name: name.to_owned(),
        cluster: name.to_owned(),
        ..Default::default()
    };
    let (new, old) = (draft.variant(to("new")), draft.variant(to("old")));
    draft.default = Some(new);
    let odd = Condition::Test(Subject::Header("a b".to_owned()), Predicate::exact("1"));
    draft.rule("line 7", "odd", odd, Target::To(old), Vec::new());
    let imported = draft.finish("rules").unwrap();
    let policy = Policy::from_tree(&imported.policy).unwrap();
    assert_eq!(destinations(&policy, "{path: /}"), "host");
    let [note] = imported.notes.as_slice() else { panic!("{:?}", imported.notes) };
    assert_eq!(note.at, "line 7");
    assert!(
        note.what.starts_with(
            "rule \"odd\" leaves every request that no rule before takes to the host's own routing, since a policy refuses it: \
             rules[0].matches[0].headers.a b has a name"
        ),
        "{}",
        note.what
    );
}

#[test]
fn a_name_of_ones_own() {
    let text = "{virtual_hosts: [{domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: a}}]}]}";
    let mut imported = import(Format::Envoy, text.as_bytes()).unwrap();
    imported.rename("shop").unwrap();
    assert_eq!(imported.policy.get("name"), Some(&Tree::Text("shop".to_owned())));
    let refused = imported.rename("a b").unwrap_err().to_string();
    assert!(refused.starts_with("name is \"a b\", must be 1 to 63 letters"), "{refused}");
}
