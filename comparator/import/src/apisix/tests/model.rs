//! Imported routes against a model of the router `radixtree_host_uri`, on routes and requests made up out of a seed.
//!
//! The model follows the source of lua-resty-radixtree: hosts and URIs without `*` are looked up whole, all others by the longest of
//! their beginnings; among equal ones the priority decides, then the longer URI, then the order of the list.

use std::cmp::Reverse;

use antumbra_policy::document::Tree;
use antumbra_policy::{Dice, Policy, Timestamp, WrittenRequest};
use regex_lite::Regex;

use crate::{Format, import};

#[test]
fn routes_are_found_as_the_router_finds_them() {
    let mut dice = Draws(20_261_130);
    let (mut same, mut kept) = (0, 0);
    for _ in 0..300 {
        let routes = made_up(&mut dice);
        let text = written(&routes);
        let imported =
            import(Format::Apisix, text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let policy = Policy::from_tree(&imported.policy).unwrap();
        for _ in 0..30 {
            let request = Asked {
                host: dice.pick(&["a.test", "b.a.test", "c.b.a.test", "b.test", "other"]),
                path: dice.pick(&[
                    "/", "/a", "/a/", "/a/b", "/a/x/b", "/a/x/y/b", "/ab", "/a/b/c.d", "/a/1/cxd", "/v:1",
                ]),
                query: dice.pick(&["", "?v=1", "?v=2"]),
            };
            let expected = found(&routes, &request);
            let decided = decided(&policy, &request);
            if decided == "host" && expected != "host" {
                kept += 1;
                continue;
            }
            assert_eq!(
                decided, expected,
                "{} {}{}\n{text}\n{:#?}",
                request.host, request.path, request.query, imported.notes
            );
            same += 1;
        }
    }
    assert!(kept * 20 < same, "{kept} of {same} are left to the host");
}

/// A route of APISIX, as far as it chooses requests.
struct Made {
    hosts: Vec<&'static str>,
    uris: Vec<&'static str>,
    priority: u64,
    /// `arg_v` has to be this.
    value: Option<&'static str>,
}

/// A request.
struct Asked {
    host: &'static str,
    path: &'static str,
    query: &'static str,
}

fn made_up(dice: &mut Draws) -> Vec<Made> {
    let uris = ["/*", "/a", "/a*", "/a/*", "/a/b", "/a/*/b", "/a/*/c.d", "/v:1", "*", "/a*b", "/a/b/*"];
    let route = |dice: &mut Draws| Made {
        hosts: (0..dice.below(3))
            .map(|_| dice.pick(&["a.test", "*.test", "*.a.test", "b.test", "*a.test"]))
            .collect(),
        uris: (0..dice.below(2) + 1).map(|_| dice.pick(&uris)).collect(),
        priority: dice.below(3),
        value: dice.pick(&[None, None, Some("1"), Some("2")]),
    };
    (0..dice.below(5) + 1).map(|_| route(dice)).collect()
}

fn written(routes: &[Made]) -> String {
    let quoted = |texts: &[&str]| texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ");
    let route = |(id, route): (usize, &Made)| {
        let hosts = if route.hosts.is_empty() {
            String::new()
        } else {
            format!("hosts: [{}], ", quoted(&route.hosts))
        };
        let vars = route.value.map(|value| format!("vars: [[arg_v, '==', '{value}']], ")).unwrap_or_default();
        format!(
            "{{id: r{id}, {hosts}uris: [{}], priority: {}, {vars}upstream_id: {id}, plugins: {{traffic-split: {{rules: [{{weighted_upstreams: [{{weight: 1}}]}}]}}}}}}",
            quoted(&route.uris),
            route.priority
        )
    };
    format!("routes: [{}]", routes.iter().enumerate().map(route).collect::<Vec<_>>().join(",\n"))
}

fn decided(policy: &Policy, request: &Asked) -> String {
    let text = format!(r#"{{"host": {:?}, "path": "{}{}"}}"#, request.host, request.path, request.query);
    let written =
        WrittenRequest::from_tree(&Tree::from_json(text.as_bytes()).unwrap(), Timestamp(0)).unwrap();
    policy
        .decide(&written, Dice(0))
        .variant
        .map_or_else(|| "host".to_owned(), |variant| variant.cluster.clone())
}

/// The upstream of the route that the router finds.
fn found(routes: &[Made], request: &Asked) -> String {
    let mut hosts: Vec<&str> = routes.iter().flat_map(|route| route.hosts.iter().copied()).collect();
    hosts.retain(|host| match host.strip_prefix('*') {
        Some(end) => request.host.ends_with(end),
        None => request.host == *host,
    });
    hosts.sort_by_key(|host| (host.starts_with('*'), Reverse(host.len())));
    let of_hosts = hosts.iter().find_map(|host| routed(routes, request, |route| route.hosts.contains(host)));
    let of_none = || routed(routes, request, |route| route.hosts.is_empty());
    of_hosts.or_else(of_none).map_or_else(|| "host".to_owned(), |found| format!("upstream-{found}"))
}

/// The route among these whose URI is found first.
fn routed(routes: &[Made], request: &Asked, among: impl Fn(&Made) -> bool) -> Option<usize> {
    let mut places: Vec<(usize, &str, u64)> = Vec::new();
    for (index, route) in routes.iter().enumerate().filter(|(_, route)| among(route)) {
        places.extend(route.uris.iter().map(|uri| (index, *uri, route.priority)));
    }
    let stem = |uri: &str| uri.find('*');
    places.retain(|(_, uri, _)| match stem(uri) {
        Some(end) => request.path.starts_with(&uri[..end]),
        None => request.path == *uri,
    });
    places.sort_by_key(|(_, uri, priority)| {
        (stem(uri).is_some(), Reverse(stem(uri).unwrap_or(0)), Reverse(*priority), Reverse(uri.len()))
    });
    let fits = |(index, uri, _): &&(usize, &str, u64)| {
        let value = routes[*index].value;
        value.is_none_or(|value| request.query == format!("?v={value}")) && segments_match(uri, request.path)
    };
    places.iter().find(fits).map(|(index, ..)| *index)
}

/// Whether the segments of a URI with a `*` match as a pattern, if any of them begins with one.
fn segments_match(uri: &str, path: &str) -> bool {
    if !uri.split('/').any(|segment| segment.starts_with('*')) {
        return true;
    }
    let segments = uri.split('/').map(|segment| if segment.starts_with('*') { "(?:.|\n)*" } else { segment });
    let pattern = Regex::new(&segments.collect::<Vec<_>>().join("/")).unwrap();
    pattern.find(path).is_some_and(|found| found.as_str() == path)
}

/// splitmix64 (Steele, Lea and Flood, 2014).
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (word ^ (word >> 31)) % bound
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}
