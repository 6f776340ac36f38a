//! The module in this host decides as the policy does natively, header by header, for policies and requests made up at random.

#[path = "../../../tests/agreement/made_up.rs"]
mod made_up;

use std::collections::BTreeMap;

use antumbra_oracle::{Exchange, Message, Proxy};
use antumbra_policy::document::Tree;
use antumbra_policy::{Decision, Dice, Edit, Policy, Timestamp, WrittenRequest};
use proxy_wasm_host::HeaderMap as _;
use serde_json::{Value, json};

const POLICIES: u64 = 64;
const REQUESTS: u64 = 16;
const SEED: u64 = 20_261_122;

#[test]
fn the_module_decides_as_the_policy_does_natively() {
    let mut reasons = BTreeMap::new();
    for number in 0..POLICIES {
        let written = made_up::policy(SEED + number, number);
        let policy = Policy::from_tree(&tree(&written)).unwrap();
        let mut proxy = Proxy::start(&json!({"host": "generic", "policy": written, "bodies": true}));
        for request in 0..REQUESTS {
            let mut request = made_up::request(SEED * 7 + number * REQUESTS + request);
            request["ip"] = json!("127.0.0.1");
            let now = Timestamp(i64::try_from(Proxy::began_us()).unwrap());
            let asked = WrittenRequest::from_tree(&tree(&request), now).unwrap();
            let decision = policy.decide(&asked, Dice(1));
            agree(&mut proxy, exchange(&asked, number % 2 == 0), &decision, &format!("{written}\n{request}"));
            *reasons.entry(decision.reason.as_str()).or_insert(0) += 1;
        }
    }
    println!("{} decisions, by reason: {reasons:?}", POLICIES * REQUESTS);
    for reason in ["default", "to", "split", "select", "sticky", "override", "ids", "missing_key"] {
        assert!(reasons.contains_key(reason), "{reason} never happened: {reasons:?}");
    }
}

fn agree(proxy: &mut Proxy, exchange: Exchange, decision: &Decision<'_>, shown: &str) {
    let mut expected = exchange.clone();
    decision.request_edits.iter().for_each(|change| edit(&mut expected.request, change));
    decision.response_edits.iter().for_each(|change| edit(&mut expected.response, change));
    let served = proxy.serve(exchange);
    assert_eq!(served.request.headers, expected.request.headers, "{shown}\n{:?}", proxy.log());
    assert_eq!(served.response.headers, expected.response.headers, "{shown}");
    let variant = decision.variant.map(|variant| variant.name.as_bytes().to_vec());
    if variant.is_some() {
        assert_eq!(served.request.headers.all("x-antumbra-variant"), Vec::from_iter(variant), "{shown}");
    }
}

fn edit(message: &mut Message, edit: &Edit<'_>) {
    let headers = &mut message.headers;
    match edit {
        Edit::Set(name, value) => headers.set(name.as_bytes(), value),
        Edit::Add(name, value) => headers.add(name.as_bytes(), value),
        Edit::Remove(name) => headers.remove(name.as_bytes()),
    }
    .unwrap();
}

/// A proxy says the address with a port or without.
fn exchange(asked: &WrittenRequest, port: bool) -> Exchange {
    let mut request = Message::new(asked.headers());
    if let Some(body) = asked.written_body() {
        let length = body.len().to_string();
        request.headers.add(b"content-type", b"application/json").unwrap();
        request.headers.add(b"content-length", length.as_bytes()).unwrap();
        let (begin, end) = body.split_at(body.len() / 2);
        request = request.body(&[begin, end]);
    }
    let address = if port { "127.0.0.1:40000" } else { "127.0.0.1" };
    let mut exchange = Exchange::new(request, Message::new([(":status", "200"), ("vary", "accept")]));
    exchange.properties.push(("source.address".to_owned(), address.as_bytes().to_vec()));
    exchange
}

fn tree(written: &Value) -> Tree {
    Tree::from_json(written.to_string().as_bytes()).unwrap()
}
