//! `antumbra import envoy` and the routes of a real Envoy send the same requests to the same clusters.
//!
//! One Envoy with a listener for each configuration, all made up out of a seed, and no filter: its own routes decide, and its
//! answers name the cluster. What the imported policy says of the same request has to agree, also where Envoy answers itself.

mod made_up;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use antumbra_e2e::client::Client;
use antumbra_e2e::command;
use antumbra_e2e::comparator::antumbra;
use antumbra_e2e::envoy::Envoy;
use antumbra_e2e::envoy_binary;
use antumbra_e2e::envoy_config::{CONNECTION_MANAGER, EnvoyConfig};
use antumbra_e2e::patience::until;
use antumbra_e2e::upstream::{Behaviour, Reply, Upstream};
use antumbra_policy::document::Tree;
use antumbra_policy::{Dice, Policy, Timestamp, WrittenRequest};
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::{Value, json};

const CONFIGURATIONS: u64 = 48;
const REQUESTS: u64 = 48;
const SHOWN: usize = 3;
const SEED: u64 = 20_261_130;

#[tokio::test]
async fn an_imported_policy_decides_as_envoys_own_routes() {
    let version = envoy_binary::find().unwrap().version;
    let cookies = !version.starts_with("1.36.") && !version.starts_with("1.37.");
    let routes: Vec<Value> =
        (0..CONFIGURATIONS).map(|n| made_up::routes(SEED + n, n % 2 == 0, cookies)).collect();
    let service = Upstream::start(Behaviour::Answer(Reply::json("{}"))).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let envoy = Envoy::start(config(&routes, service.address()), directory.path(), 1).await.unwrap();
    let listeners = envoy.listeners().await.unwrap();
    let client = Client::default();
    let mut counts = Counts::default();
    for (number, config) in (0..).zip(&routes) {
        let policy = match Imported::of(config, directory.path()) {
            Ok(policy) => policy,
            Err(invalid) => {
                counts.failures.push(invalid);
                continue;
            }
        };
        for index in 0..REQUESTS {
            let request = made_up::request(SEED * 7 + number * REQUESTS + index);
            let answer = client.send(sent(&request, listeners[&format!("r{number}")])).await.unwrap();
            let cluster = answer.headers.get("x-cluster").and_then(|value| value.to_str().ok());
            let cluster = cluster.filter(|cluster| *cluster != "-").unwrap_or("host");
            counts.count(&policy, &request, cluster, || format!("{}, routes {config:#}", answer.status));
        }
    }
    let Counts { same, said, mirrored, chosen, mut failures } = counts;
    println!(
        "{same} the same, {said} said, {} different and not said: {chosen:?}, {mirrored} mirrored",
        failures.len()
    );
    let differ = failures.len();
    failures.truncate(SHOWN);
    assert!(failures.is_empty(), "{differ} are different and not said\n{}", failures.join("\n\n"));
    assert_eq!(same + said, CONFIGURATIONS * REQUESTS);
    assert!(said * 10 <= same, "too much is left to the host: {said} of {}", same + said);
    for cluster in made_up::CLUSTERS.into_iter().chain(["host"]) {
        assert!(chosen.contains_key(cluster), "{cluster} was never chosen: {chosen:?}");
    }
    assert!(mirrored > 20, "only {mirrored} requests were mirrored");
    until("Envoy has mirrored as many requests as the policies would", || async {
        let sent = envoy.statistic("cluster.shadow.upstream_rq_total").await?;
        anyhow::ensure!(sent <= mirrored, "{sent} requests were mirrored, the policies mirror {mirrored}");
        Ok((sent == mirrored).then_some(()))
    })
    .await
    .unwrap();
}

/// How many decisions of which kind.
#[derive(Default)]
struct Counts {
    same: u64,
    said: u64,
    mirrored: u64,
    chosen: BTreeMap<String, u64>,
    failures: Vec<String>,
}

impl Counts {
    /// Counts a request that Envoy sent to a cluster.
    fn count(&mut self, policy: &Imported, request: &Value, cluster: &str, routes: impl FnOnce() -> String) {
        let decided = policy.decided(request);
        self.mirrored += decided.mirrored;
        *self.chosen.entry(cluster.to_owned()).or_insert(0) += 1;
        if decided.clusters.contains(cluster) {
            self.same += 1;
        } else if policy.says(&decided, request) {
            self.said += 1;
        } else {
            let Decided { clusters, rules, .. } = decided;
            let (routes, text) = (routes(), &policy.text);
            self.failures.push(format!(
                "Envoy chose {cluster}, the policy {clusters:?} by {rules:?}\nrequest {request}\n{routes}\npolicy {text}"
            ));
        }
    }
}

/// Where a request may go under the policy, over all that chance may choose, and by which rules.
struct Decided {
    clusters: BTreeSet<String>,
    rules: BTreeSet<String>,
    mirrored: u64,
}

/// The policy of a route configuration, as the command line imports it.
struct Imported {
    policy: Policy,
    notes: Vec<String>,
    /// Whether Envoy compares the ports of hosts.
    ports: bool,
    text: String,
}

impl Imported {
    fn of(routes: &Value, directory: &Path) -> Result<Self, String> {
        let file = directory.join("routes.json");
        std::fs::write(&file, routes.to_string()).unwrap();
        let mut import = antumbra().unwrap();
        let written = command::run(import.args(["import", "envoy", "--output", "json"]).arg(&file)).unwrap();
        let imported: Value = serde_json::from_str(&written).unwrap();
        let text = format!("{:#}\nnotes {:#}", imported["policy"], imported["notes"]);
        let tree = Tree::from_json(imported["policy"].to_string().as_bytes()).unwrap();
        let policy = Policy::from_tree(&tree)
            .map_err(|invalid| format!("the policy is refused: {invalid}\n{text}"))?;
        let notes = imported["notes"].as_array().unwrap();
        let notes = notes.iter().map(|note| note["what"].as_str().unwrap().to_owned()).collect();
        Ok(Self { policy, notes, ports: routes["ignore_port_in_host_matching"] != true, text })
    }

    fn decided(&self, request: &Value) -> Decided {
        let tree = Tree::from_json(request.to_string().as_bytes()).unwrap();
        let written = WrittenRequest::from_tree(&tree, Timestamp(0)).unwrap();
        let decisions: Vec<_> = (0..200).map(|word| self.policy.decide(&written, Dice(word))).collect();
        let cluster = |variant: &std::sync::Arc<antumbra_policy::Variant>| variant.cluster.clone();
        let clusters = decisions
            .iter()
            .map(|decision| decision.variant.map_or_else(|| "host".to_owned(), cluster))
            .collect();
        let rules = decisions.iter().filter_map(|decision| decision.rule.map(str::to_owned)).collect();
        let mirrored = decisions.first().map_or(0, |decision| decision.mirrors.len() as u64);
        Decided { clusters, rules, mirrored }
    }

    /// Whether a note says why a request is decided otherwise than by Envoy: it is left to the host by a rule that a note names
    /// for this, or its host has a port.
    fn says(&self, decided: &Decided, request: &Value) -> bool {
        let says = |words: &str| self.notes.iter().any(|note| note.contains(words));
        let kept = |rule: &String| {
            says(&format!("rule {rule:?} leaves the requests"))
                || says(&format!("rule {rule:?} leaves their"))
        };
        let host = decided.clusters.iter().eq(["host"]);
        let port = request["host"].as_str().is_some_and(|host| host.contains(':'));
        (host && decided.rules.len() == 1 && decided.rules.iter().all(kept))
            || (self.ports && port && says("hosts are compared without their ports"))
    }
}

/// The shipped Envoy without the filter, with a listener for each route configuration and all clusters at one service.
fn config(routes: &[Value], service: SocketAddr) -> EnvoyConfig {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = EnvoyConfig::shipped().unwrap().listener(any).unwrap();
    let cluster = |name: &str| {
        json!({"name": name, "connect_timeout": "5s", "load_assignment": {"cluster_name": name, "endpoints": [
            {"lb_endpoints": [{"endpoint": {"address": {"socket_address":
                {"address": service.ip().to_string(), "port_value": service.port()}}}}]}]}})
    };
    let clusters: Vec<Value> = made_up::CLUSTERS.into_iter().chain(["shadow"]).map(cluster).collect();
    *config.at("/static_resources/clusters").unwrap() = json!(clusters);
    let manager = config.at(CONNECTION_MANAGER).unwrap();
    manager["http_filters"] = json!([{"name": "router", "typed_config":
        {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]);
    // What Envoy's routes see and what the filter would is the path as it was sent.
    for field in [
        "strip_any_host_port",
        "strip_matching_host_port",
        "normalize_path",
        "merge_slashes",
        "path_with_escaped_slashes_action",
    ] {
        manager.as_object_mut().unwrap().remove(field);
    }
    let mut listeners = Vec::new();
    for (number, routes) in routes.iter().enumerate() {
        let mut one = config.clone();
        let mut shown = routes.clone();
        shown["response_headers_to_add"] =
            json!([{"header": {"key": "x-cluster", "value": "%UPSTREAM_CLUSTER%"}}]);
        *one.at(&format!("{CONNECTION_MANAGER}/route_config")).unwrap() = shown;
        let mut listener = one.at("/static_resources/listeners/0").unwrap().take();
        listener["name"] = json!(format!("r{number}"));
        listeners.push(listener);
    }
    *config.at("/static_resources/listeners").unwrap() = json!(listeners);
    config
}

fn sent(request: &Value, to: SocketAddr) -> http::Request<Full<Bytes>> {
    let uri = format!("http://{to}{}", request["path"].as_str().unwrap());
    let mut builder = http::Request::builder().method(request["method"].as_str().unwrap()).uri(uri);
    for (name, value) in request["headers"].as_object().unwrap() {
        builder = builder.header(name, value.as_str().unwrap());
    }
    let cookies = request["cookies"].as_object().unwrap();
    let cookies: Vec<String> =
        cookies.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect();
    if !cookies.is_empty() {
        builder = builder.header("cookie", cookies.join("; "));
    }
    builder.header("host", request["host"].as_str().unwrap()).body(Full::default()).unwrap()
}
