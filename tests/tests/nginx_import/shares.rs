//! The shares of a draw, as imported and as nginx draws them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use antumbra_e2e::nginx::Nginx;
use antumbra_import::{Format, import};
use antumbra_policy::document::Tree;

use crate::exchange::{Sent, free_ports, reached};
use crate::outcome::Policy;

#[tokio::test]
async fn the_shares_of_a_draw_are_those_of_nginx() {
    let ports = free_ports(4);
    let upstream = ports[0];
    for (place, (entries, expected)) in [
        ("15% next; 25.5% _beta; * stable;", [("next", 30_u64), ("beta", 51), ("stable", 119)]),
        ("40% next; 10% beta; * stable;", [("next", 4), ("beta", 1), ("stable", 5)]),
        ("20% next; 30% beta;", [("next", 2), ("beta", 3), ("stable", 5)]),
    ]
    .into_iter()
    .enumerate()
    {
        let port = ports[place + 1];
        let entries = entries.replace('_', "");
        let upstreams: String = ["next", "beta", "stable"]
            .map(|name| format!("upstream {name} {{ server 127.0.0.1:{upstream}; }}\n"))
            .concat();
        let text = format!(
            "{upstreams}split_clients \"$remote_addr\" $drawn {{ {entries} }}\n\
             map $drawn $to {{ next next; beta beta; default stable; }}\n\
             server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://$to; }} }}"
        );
        assert_eq!(weights(&text), expected.map(|(name, weight)| (name.to_owned(), weight)).into(), "{text}");
        let directory = tempfile::tempdir().unwrap();
        let service =
            format!("server {{ listen 127.0.0.1:{upstream}; add_header x-from $host always; return 200; }}");
        let nginx = Nginx::start(directory.path(), &format!("{text}\n{service}"), &[port, upstream]).unwrap();
        let sum: u64 = expected.iter().map(|(_, weight)| weight).sum();
        let mut found = BTreeMap::<String, u64>::new();
        for index in 0..REQUESTS {
            let [.., high, low] = index.to_be_bytes();
            let request = Sent { ip: Ipv4Addr::new(127, 1, high, low), ..plain() };
            *found.entry(reached(port, &request).await.unwrap().from.unwrap()).or_default() += 1;
        }
        drop(nginx);
        for (name, weight) in expected {
            let drawn = found.get(name).copied().unwrap_or_default();
            let wanted = u64::from(REQUESTS) * weight / sum;
            assert!(
                drawn.abs_diff(wanted) * 20 <= u64::from(REQUESTS),
                "{name}: {found:?}, must be near {wanted}"
            );
        }
    }
}

/// The weights of the imported split, by cluster.
fn weights(text: &str) -> BTreeMap<String, u64> {
    let imported = import(Format::Nginx, text.as_bytes()).unwrap();
    let Some(Tree::List(rules)) = imported.policy.get("rules") else { panic!("{text}") };
    let split = rules.iter().find_map(|rule| rule.get("split")).expect("a split");
    let Some(Tree::Map(weights)) = split.get("weights") else { panic!("{text}") };
    let number = |weight: &Tree| if let Tree::Integer(weight) = weight { weight.unsigned_abs() } else { 0 };
    weights.iter().map(|(name, weight)| (name.clone(), number(weight))).collect()
}

pub(crate) fn plain() -> Sent {
    Sent {
        method: "GET",
        path: "/".to_owned(),
        host: "shop.test".to_owned(),
        cookie: String::new(),
        headers: Vec::new(),
        ip: Ipv4Addr::LOCALHOST,
    }
}

const REQUESTS: u32 = 1_000;

#[tokio::test]
async fn requests_without_a_key_get_the_share_of_nginx() {
    let keys = [
        "$cookie_uid",
        "a$cookie_uid",
        "${cookie_uid}salt",
        "${cookie_uid}AAAA",
        "a:${http_x_a}:abcdef",
        "$arg_v-12",
    ];
    let ports = free_ports(keys.len() + 1);
    let upstream = ports[0];
    let mut http =
        format!("server {{ listen 127.0.0.1:{upstream}; add_header x-from $host always; return 200; }}\n");
    let mut texts = Vec::new();
    for (number, key) in keys.into_iter().enumerate() {
        let names = ["next", "beta", "stable"].map(|name| format!("{name}{number}"));
        let upstreams = names
            .each_ref()
            .map(|name| format!("upstream {name} {{ server 127.0.0.1:{upstream}; }}\n"))
            .concat();
        let [next, beta, stable] = names;
        texts.push(format!(
            "{upstreams}split_clients \"{key}\" $to{number} {{ 20% {next}; 33.33% {beta}; * {stable}; }}\n\
             server {{ listen 127.0.0.1:{}; location / {{ proxy_pass http://$to{number}; }} }}\n",
            ports[number + 1]
        ));
    }
    http.push_str(&texts.concat());
    let directory = tempfile::tempdir().unwrap();
    let _nginx = Nginx::start(directory.path(), &http, &ports).unwrap();
    for (number, text) in texts.iter().enumerate() {
        let policy = Policy::of(&import(Format::Nginx, text.as_bytes()).unwrap()).unwrap();
        let seen = reached(ports[number + 1], &plain()).await.unwrap();
        assert_eq!(seen.from.as_deref(), policy.decided(&plain()).cluster, "{text}");
    }
}
