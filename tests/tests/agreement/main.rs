//! `antumbra explain` and the filter in a real Envoy say the same, for policies and requests made up at random.
//!
//! One Envoy with a listener for each policy; each request goes through it and, in writing, to the command line. What the
//! service and the client then see must be what was explained, header by header.

mod made_up;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;

use antumbra_e2e::client::{Answer, Client};
use antumbra_e2e::comparator::antumbra;
use antumbra_e2e::envoy::Envoy;
use antumbra_e2e::envoy_config::{CONNECTION_MANAGER, EnvoyConfig};
use antumbra_e2e::toolchain;
use antumbra_e2e::upstream::{Behaviour, Received, Reply, Upstream};
use antumbra_observation::Bytes;
use http_body_util::Full;
use serde_json::{Value, json};

const POLICIES: u64 = 64;
const REQUESTS: u64 = 16;
const SEED: u64 = 20_261_121;

#[tokio::test]
async fn explain_agrees_with_the_filter() {
    let policies: Vec<Value> = (0..POLICIES).map(|n| made_up::policy(SEED + n, n)).collect();
    let service = Upstream::start(Behaviour::Answer(Reply::json("{}"))).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let envoy = Envoy::start(config(&policies, service.address()).await, directory.path(), 1).await.unwrap();
    let listeners = envoy.listeners().await.unwrap();
    let client = Client::default();
    // For a peer on the loopback interface Envoy writes an address of this machine.
    let probe =
        json!({"method": "GET", "path": "/", "host": "a", "headers": {}, "cookies": {}, "json": null});
    client.send(sent(&probe, listeners["p0"])).await.unwrap();
    let written = service.received().pop().unwrap().headers["x-forwarded-for"].to_str().unwrap().to_owned();
    let (mut compared, mut variants) = (0, BTreeMap::new());
    for (number, policy) in (0..).zip(&policies) {
        let requests: Vec<Value> =
            (0..REQUESTS).map(|n| made_up::request(SEED * 7 + number * REQUESTS + n)).collect();
        let explained = explain(policy, &requests, &written, directory.path());
        for (request, explained) in requests.iter().zip(&explained) {
            let shown = format!("policy {policy}\nrequest {request}\nexplained {explained}");
            let answer = client.send(sent(request, listeners[&format!("p{number}")])).await.unwrap();
            assert_eq!(answer.status, 200, "{shown}");
            let received = service.received().pop().unwrap();
            agree(request, explained, &received, &answer, &shown);
            *variants.entry(explained["reason"].to_string()).or_insert(0) += 1;
            compared += 1;
        }
        service.forget();
    }
    assert_eq!(envoy.traps().await.unwrap(), 0);
    assert_eq!(compared, POLICIES * REQUESTS);
    println!("{compared} decisions, by reason: {variants:?}");
    let reasons = ["default", "to", "split", "select", "sticky", "override", "ids", "missing_key"];
    for reason in reasons {
        assert!(variants.contains_key(&json!(reason).to_string()), "{reason} never happened: {variants:?}");
    }
}

/// Every header that was explained, at the service and at the client.
fn agree(request: &Value, explained: &Value, received: &Received, answer: &Answer, shown: &str) {
    for (name, change) in explained["headers"].as_object().unwrap() {
        let name = if name == ":authority" { "host" } else { name };
        let mut expected = lines(change);
        if change.is_array() {
            expected = [lines(&request["headers"][name]), expected].concat();
        }
        assert_eq!(received_lines(received, name), expected, "{name}\n{shown}");
    }
    // Where nothing was decided, a trusted client's own word stays.
    let variant = match explained["headers"].get("x-antumbra-variant") {
        Some(_) => &explained["variant"],
        None => &request["headers"]["x-antumbra-variant"],
    };
    assert_eq!(received_lines(received, "x-antumbra-variant"), lines(variant), "{shown}");
    // What the client sent under this name is nobody's business but the service's.
    assert_eq!(received_lines(received, "cookie"), cookie_lines(request), "{shown}");
    for name in ["set-cookie", "vary", "x-shown", "x-explained"] {
        let found: Vec<&str> =
            answer.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect();
        let expected = match &explained["response"][name] {
            Value::String(value) => vec![value.as_str()],
            Value::Array(values) => values.iter().map(|value| value.as_str().unwrap()).collect(),
            _ => vec![],
        };
        assert_eq!(found, expected, "{name}\n{shown}");
    }
}

/// A header's lines in writing: none, one or a list.
fn lines(written: &Value) -> Vec<Bytes> {
    let one = |line: &Value| serde_json::from_value(line.clone()).unwrap();
    match written {
        Value::Null => Vec::new(),
        Value::Array(lines) => lines.iter().map(one).collect(),
        line => vec![one(line)],
    }
}

fn received_lines(received: &Received, name: &str) -> Vec<Bytes> {
    received.headers.get_all(name).iter().map(|value| value.as_bytes().into()).collect()
}

/// The lines that a request sends, those of single cookies as one.
fn cookie_lines(request: &Value) -> Vec<Bytes> {
    let mut sent = lines(&request["headers"]["cookie"]);
    let cookies = request["cookies"].as_object().unwrap().iter();
    let cookies: Vec<String> =
        cookies.map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect();
    if !cookies.is_empty() {
        sent.push(cookies.join("; ").as_str().into());
    }
    sent
}

/// The shipped Envoy with a listener for each policy, all in front of one service; every other filter takes it for any host. Nothing
/// is stripped before the filter sees it.
async fn config(policies: &[Value], service: SocketAddr) -> EnvoyConfig {
    let module = tokio::task::spawn_blocking(toolchain::filter_module).await.unwrap().unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = EnvoyConfig::shipped().unwrap().module(&module).unwrap().listener(any).unwrap();
    for cluster in ["stable", "canary", "canary-shadow", "control", "antumbra"] {
        config = config.upstream(cluster, service).unwrap();
    }
    let routes = format!("{CONNECTION_MANAGER}/route_config");
    config.at(&routes).unwrap().as_object_mut().unwrap().remove("internal_only_headers");
    *config.at(&format!("{routes}/virtual_hosts/0/routes")).unwrap() =
        json!([{"match": {"prefix": "/"}, "route": {"cluster": "stable"}}]);
    let mut listeners = Vec::new();
    for (number, policy) in policies.iter().enumerate() {
        let host = if number % 2 == 0 { "envoy" } else { "generic" };
        let plugin = json!({"host": host, "policy": policy, "bodies": true});
        let mut one = config.clone().plugin(&plugin).unwrap();
        let wasm = &mut one.filter("antumbra").unwrap()["typed_config"]["config"];
        wasm["root_id"] = json!(format!("p{number}"));
        wasm["allow_on_headers_stop_iteration"] = json!(true);
        let mut listener = one.at("/static_resources/listeners/0").unwrap().take();
        listener["name"] = json!(format!("p{number}"));
        listeners.push(listener);
    }
    *config.at("/static_resources/listeners").unwrap() = json!(listeners);
    config
}

/// What the command line says of the requests, as the filter meets them: from this machine, and with the address that Envoy
/// writes behind those in `x-forwarded-for`.
fn explain(policy: &Value, requests: &[Value], written: &str, directory: &std::path::Path) -> Vec<Value> {
    let file = directory.join("policy.json");
    std::fs::write(&file, policy.to_string()).unwrap();
    let mut command = antumbra().unwrap();
    command.arg("explain").arg(&file).args(["--request", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    for request in requests {
        let mut met = request.clone();
        met["ip"] = json!("127.0.0.1");
        let forwarded = [lines(&request["headers"]["x-forwarded-for"]), vec![written.into()]].concat();
        met["headers"]["x-forwarded-for"] = json!(forwarded);
        writeln!(input, "{met}").unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), requests.len());
    lines
}

fn sent(request: &Value, to: SocketAddr) -> http::Request<Full<hyper::body::Bytes>> {
    let uri = format!("http://{to}{}", request["path"].as_str().unwrap());
    let mut builder = http::Request::builder().method(request["method"].as_str().unwrap()).uri(uri);
    for (name, value) in request["headers"].as_object().unwrap() {
        for line in lines(value).iter().filter(|_| name != "cookie") {
            builder = builder.header(name, &**line);
        }
    }
    for line in cookie_lines(request) {
        builder = builder.header("cookie", &*line);
    }
    builder = builder.header("host", request["host"].as_str().unwrap());
    let body = match &request["json"] {
        Value::Null => Full::default(),
        json => {
            builder = builder.header("content-type", "application/json; charset=utf-8");
            Full::from(json.to_string())
        }
    };
    builder.body(body).unwrap()
}
