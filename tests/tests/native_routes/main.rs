//! `antumbra import envoy` and the routes of a real Envoy send the same requests to the same clusters.
//!
//! One Envoy with a listener for each configuration, all made up out of a seed, and no filter: its own routes decide, and its
//! answers name the cluster. What the imported policy says of the same request has to agree, also where Envoy answers itself.
//! `ANTUMBRA_ROUTES_SEED` gives another seed.

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
use antumbra_policy::{Dice, Policy, Reason, Timestamp, WrittenRequest};
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::{Value, json};

const CONFIGURATIONS: u64 = 48;
const REQUESTS: u64 = 36;
/// Those that may need more steps for a request than the budget of a policy has.
const MOST_BEYOND: u64 = 3;
const SHOWN: usize = 3;
const SEED: u64 = 20_261_130;

#[tokio::test]
async fn an_imported_policy_decides_as_envoys_own_routes() {
    let version = envoy_binary::find().unwrap().version;
    let cookies = !version.starts_with("1.36.") && !version.starts_with("1.37.");
    let seed = std::env::var("ANTUMBRA_ROUTES_SEED")
        .map_or(SEED, |text| text.parse().expect("the seed must be a whole number"));
    let directory = tempfile::tempdir().unwrap();
    let imported = (0..CONFIGURATIONS).filter_map(|n| {
        let routes = made_up::routes(seed + n, n % 2 == 0, cookies);
        Imported::of(&routes, directory.path()).map(|policy| (routes, policy))
    });
    let (routes, policies): (Vec<Value>, Vec<Imported>) = imported.unzip();
    let service = Upstream::start(Behaviour::Answer(Reply::json("{}"))).await.unwrap();
    let envoy = Envoy::start(config(&routes, service.address()), directory.path(), 1).await.unwrap();
    let listeners = envoy.listeners().await.unwrap();
    let client = Client::default();
    let (mut counts, mut foreign) = (Counts::default(), Counts::default());
    // What Envoy mirrors of the requests that a policy keeps, the policy does not: they come last.
    for kept in [false, true] {
        for (number, policy) in policies.iter().enumerate() {
            for request in made_up::requests(seed, number as u64, REQUESTS) {
                if policy.keeps(&request) != kept {
                    continue;
                }
                let answer = client.send(sent(&request, listeners[&format!("r{number}")])).await.unwrap();
                let cluster = answer.headers.get("x-cluster").and_then(|value| value.to_str().ok());
                let cluster = cluster.filter(|cluster| *cluster != "-").unwrap_or("host");
                counts
                    .count(policy, &request, cluster, || format!("{}, {:#}", answer.status, routes[number]));
                let other = &policies[(number + 2) % policies.len()];
                foreign.count(other, &request, cluster, String::new);
            }
        }
        if !kept {
            mirrored_as_often(&envoy, counts.mirrored).await;
        }
    }
    counts.check(&foreign, policies.len() as u64);
}

/// Waits until Envoy has mirrored as many requests as the policies would.
async fn mirrored_as_often(envoy: &Envoy, mirrored: u64) {
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
    /// Nothing differs that is not said, while policies of other routes do.
    fn check(&self, foreign: &Self, configurations: u64) {
        let Self { same, said, mirrored, chosen, failures } = self;
        let (differ, noticed) = (failures.len(), foreign.failures.len());
        println!(
            "{same} the same, {said} said, {differ} different and not said; {noticed} by policies of other routes; {chosen:?}, \
             {mirrored} mirrored; {} configurations need more than a policy may cost",
            CONFIGURATIONS - configurations
        );
        let shown = failures.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n\n");
        assert!(failures.is_empty(), "{differ} are different and not said\n{shown}");
        assert!(CONFIGURATIONS - configurations <= MOST_BEYOND, "only {configurations} were imported");
        assert_eq!(same + said, configurations * REQUESTS);
        assert!(said * 3 <= *same, "too much is left to the host: {said} of {}", same + said);
        assert!(noticed as u64 * 4 >= same + said, "policies of other routes differ {noticed} times only");
        for cluster in made_up::CLUSTERS.into_iter().chain(["host"]) {
            assert!(chosen.contains_key(cluster), "{cluster} was never chosen: {chosen:?}");
        }
    }

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
    text: String,
}

impl Imported {
    /// Nothing if it would cost a filter more than a policy may.
    fn of(routes: &Value, directory: &Path) -> Option<Self> {
        let file = directory.join("routes.json");
        std::fs::write(&file, routes.to_string()).unwrap();
        let mut import = antumbra().unwrap();
        let written = command::run(import.args(["import", "envoy", "--output", "json"]).arg(&file));
        if written.as_ref().is_err_and(|error| error.to_string().contains("document may take a request")) {
            return None;
        }
        let written = written.unwrap();
        let imported: Value = serde_json::from_str(&written).unwrap();
        let text = format!("{:#}\nnotes {:#}", imported["policy"], imported["notes"]);
        let tree = Tree::from_json(imported["policy"].to_string().as_bytes()).unwrap();
        let policy = Policy::from_tree(&tree).unwrap_or_else(|invalid| panic!("{invalid}\n{text}"));
        let notes = imported["notes"].as_array().unwrap();
        let notes = notes.iter().map(|note| note["what"].as_str().unwrap().to_owned()).collect();
        Some(Self { policy, notes, text })
    }

    fn decided(&self, request: &Value) -> Decided {
        let tree = Tree::from_json(request.to_string().as_bytes()).unwrap();
        let written = WrittenRequest::from_tree(&tree, Timestamp(0)).unwrap();
        let decide = |word| self.policy.decide(&written, Dice(word));
        // Chance decides in splits alone.
        let draws = if decide(0).reason == Reason::Split { 60 } else { 1 };
        let decisions: Vec<_> = (0..draws).map(decide).collect();
        let cluster = |variant: &std::sync::Arc<antumbra_policy::Variant>| variant.cluster.clone();
        let clusters = decisions
            .iter()
            .map(|decision| decision.variant.map_or_else(|| "host".to_owned(), cluster))
            .collect();
        let rules = decisions.iter().filter_map(|decision| decision.rule.map(str::to_owned)).collect();
        let mirrored = decisions.first().map_or(0, |decision| decision.mirrors.len() as u64);
        Decided { clusters, rules, mirrored }
    }

    /// Whether a request is left to the host for a reason that a note gives.
    fn keeps(&self, request: &Value) -> bool {
        self.says(&self.decided(request), request)
    }

    /// Whether a note says why a request is left to the host that Envoy sends on: by the name of the rule, or by what of the request a
    /// policy reads otherwise.
    fn says(&self, decided: &Decided, request: &Value) -> bool {
        let says = |words: &str| self.notes.iter().any(|note| note.contains(words));
        let kept = |rule: &String| {
            says(&format!("rule {rule:?} leaves the requests"))
                || says(&format!("rule {rule:?} leaves their"))
                || (rule == "read-otherwise" && oddities(request).iter().any(|words| says(words)))
        };
        let host = decided.clusters.iter().eq(["host"]);
        host && decided.rules.len() == 1 && decided.rules.iter().all(kept)
    }
}

/// What notes say of that which is unusual in a request.
fn oddities(request: &Value) -> Vec<&'static str> {
    let (_, query) = request["path"].as_str().unwrap().split_once('?').unwrap_or_default();
    if query.contains(['%', '+']) { vec!["requests with % or + in their query"] } else { Vec::new() }
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
