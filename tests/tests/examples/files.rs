//! What the files of the examples have to have in common, whichever there are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use antumbra_e2e::envoy_config::{CONNECTION_MANAGER, EnvoyConfig};
use antumbra_e2e::{cache, command, comparator, envoy_binary, toolchain};
use antumbra_policy::Policy;
use serde_json::{Value, json};

/// Envoy's file, and the policies that it may run.
struct Pair {
    envoy: PathBuf,
    policies: Vec<PathBuf>,
}

/// Each Envoy of each example with its policies: `envoy.yaml` with `policy.yaml` and `steps/`, `<hop>-envoy.yaml` with
/// `<hop>-policy.yaml`.
fn pairs() -> Vec<Pair> {
    let mut pairs = Vec::new();
    for folder in entries(&cache::root().join("envoy/examples")) {
        for envoy in entries(&folder).into_iter().filter(|file| name(file).ends_with("envoy.yaml")) {
            let policy = envoy.with_file_name(name(&envoy).replace("envoy.yaml", "policy.yaml"));
            let mut policies = vec![policy];
            if name(&envoy) == "envoy.yaml" && folder.join("steps").is_dir() {
                policies.extend(entries(&folder.join("steps")));
            }
            pairs.push(Pair { envoy, policies });
        }
    }
    assert!(pairs.len() >= 7, "found only {} examples", pairs.len());
    pairs
}

#[test]
fn envoy_accepts_each() {
    let envoy = envoy_binary::find().unwrap();
    let module = toolchain::filter_module().unwrap();
    for pair in pairs() {
        let config = read(&pair.envoy).module(&module).unwrap();
        let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
        fs::write(file.path(), config.text()).unwrap();
        let mut validate = Command::new(&envoy.path);
        validate.args(["--mode", "validate", "--log-level", "warn", "-c"]).arg(file.path());
        command::run(&mut validate).unwrap_or_else(|error| panic!("{}: {error:#}", pair.envoy.display()));
    }
}

/// Every policy that is shipped, the one without an example's page among them.
fn policies() -> Vec<PathBuf> {
    let examples = pairs().into_iter().flat_map(|pair| pair.policies);
    std::iter::once(cache::root().join("envoy/policy.yaml")).chain(examples).collect()
}

/// Not even a warning.
#[test]
fn antumbra_check_has_nothing_against_any_policy() {
    for policy in policies() {
        let mut check = comparator::antumbra().unwrap();
        let said = command::run(check.arg("check").arg("--deny-warnings").arg(&policy)).unwrap();
        let [cost, valid] = *said.lines().collect::<Vec<_>>() else { panic!("{said}") };
        assert!(cost.contains(" steps (") && valid.ends_with("is valid"), "{said}");
    }
}

/// Who copies a policy has named no share yet: the first step of a release raises it, as those in `steps/` do.
#[test]
fn no_policy_sends_users_to_a_candidate_by_weight() {
    let mut splits = 0;
    for file in policies().into_iter().filter(|file| !file.parent().unwrap().ends_with("steps")) {
        let policy: Value = serde_saphyr::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        for rule in policy["rules"].as_array().unwrap() {
            let Some(weights) = rule["split"]["weights"].as_object() else { continue };
            splits += 1;
            for (variant, weight) in weights.iter().filter(|(variant, _)| **variant != policy["default"]) {
                assert_eq!(*weight, 0, "{}: {variant}", file.display());
            }
        }
    }
    assert!(splits >= 3, "found only {splits} splits");
}

/// A variant without a route is silently served by the default route: right only if that leads to the same cluster.
#[test]
fn every_variant_for_clients_has_a_route_to_its_cluster() {
    for pair in pairs() {
        let mut config = read(&pair.envoy);
        let clusters = config.clusters().unwrap();
        let routes = config.at(ROUTES).unwrap().as_array().unwrap().clone();
        let (fallback, _) = routes.split_last().unwrap();
        for file in &pair.policies {
            for variant in policy(file).variants() {
                assert!(clusters.contains(&variant.cluster), "{}: {}", file.display(), variant.cluster);
                let route = routes.iter().find(|route| chooses(route, &variant.name)).unwrap_or(fallback);
                let leads = route["route"]["cluster"] == variant.cluster.as_str();
                let mirrored = only_mirrored(file, &variant.name);
                assert_ne!(leads, mirrored, "{}: variant {}: {route}", file.display(), variant.name);
            }
        }
    }
}

/// What keeps a client from choosing, and a faulty filter from costing requests.
#[test]
fn each_is_as_safe_as_the_shipped_one() {
    let mut shipped = EnvoyConfig::shipped().unwrap();
    for pair in pairs() {
        let file = pair.envoy.display();
        let mut config = read(&pair.envoy);
        let release = config.plugin_configuration().unwrap()["release"].clone();
        for policy_file in &pair.policies {
            assert_eq!(policy(policy_file).name(), release, "{}", policy_file.display());
        }
        let wasm = "/typed_config/config";
        let filter = config.filter("antumbra").unwrap().pointer(wasm).unwrap().clone();
        let usual = shipped.filter("antumbra").unwrap().pointer(wasm).unwrap().clone();
        assert_eq!(filter["root_id"], release, "{file}");
        for field in ["failure_policy", "reload_config", "vm_config"] {
            assert_eq!(filter[field], usual[field], "{file}: {field}");
        }
        let manager = config.at(CONNECTION_MANAGER).unwrap().clone();
        let usual = shipped.at(CONNECTION_MANAGER).unwrap().clone();
        for field in ["use_remote_address", "normalize_path"] {
            assert_eq!(manager[field], usual[field], "{file}: {field}");
        }
        let internal = "internal_only_headers";
        assert_eq!(manager["route_config"][internal], usual["route_config"][internal], "{file}");
        let routes = manager["route_config"]["virtual_hosts"][0]["routes"].as_array().unwrap().clone();
        let by_variant: Vec<bool> =
            routes.iter().map(|route| route["match"]["headers"][0]["name"] == "x-antumbra-variant").collect();
        assert!(by_variant.is_sorted_by(|a, b| a >= b), "{file}: a default route stands before a variant's");
        let last = &routes.last().unwrap()["match"];
        assert_eq!(*last, json!({"prefix": "/"}), "{file}: the last route must take every request");
        assert_breakers(&mut config, &mut shipped, &pair);
    }
}

/// A cluster for mirrored requests has the strict breakers of the shipped one, each other those for clients.
fn assert_breakers(config: &mut EnvoyConfig, shipped: &mut EnvoyConfig, pair: &Pair) {
    let variants: Vec<_> = pair
        .policies
        .iter()
        .flat_map(|file| {
            let found: Vec<_> = policy(file).variants().cloned().collect();
            found.into_iter().map(|variant| (only_mirrored(file, &variant.name), variant.cluster.clone()))
        })
        .collect();
    for cluster in config.clusters().unwrap() {
        let mirrored = variants.iter().any(|(mirrored, found)| *mirrored && *found == cluster);
        let like = match &*cluster {
            "antumbra" => "antumbra",
            _ if mirrored => "canary-shadow",
            _ => "stable",
        };
        let file = pair.envoy.display();
        assert_eq!(breakers(config, &cluster), breakers(shipped, like), "{file}: {cluster}");
    }
}

fn breakers(config: &mut EnvoyConfig, cluster: &str) -> Value {
    let clusters = config.at("/static_resources/clusters").unwrap().as_array().unwrap();
    let found = clusters.iter().find(|found| found["name"] == cluster).unwrap();
    json!([found["circuit_breakers"], found["connect_timeout"], found["type"]])
}

/// Whether a route takes every request that goes to the variant: another condition would leave some to the default route.
fn chooses(route: &Value, variant: &str) -> bool {
    let header = json!({"name": "x-antumbra-variant", "string_match": {"exact": variant}});
    route["match"] == json!({"prefix": "/", "headers": [header]})
}

/// Whether mirrors name the variant and nothing that sends clients somewhere does.
fn only_mirrored(file: &Path, variant: &str) -> bool {
    let text = fs::read_to_string(file).unwrap();
    let written: Value = serde_saphyr::from_str(&text).unwrap();
    let rules = written["rules"].as_array().unwrap();
    let mut mirrors = rules.iter().flat_map(|rule| rule["mirror"].as_array().into_iter().flatten());
    mirrors.any(|mirror| mirror["to"] == variant || mirror["control"]["to"] == variant)
        && written["default"] != variant
        && rules.iter().all(|rule| rule["to"] != variant && rule["split"]["weights"].get(variant).is_none())
}

fn policy(file: &Path) -> Policy {
    let text = fs::read_to_string(file).unwrap();
    let tree = serde_saphyr::from_str(&text).unwrap();
    Policy::from_tree(&tree).unwrap_or_else(|invalid| panic!("{}: {invalid}", file.display()))
}

fn read(envoy: &Path) -> EnvoyConfig {
    EnvoyConfig::read(&envoy.strip_prefix(cache::root()).unwrap().to_string_lossy()).unwrap()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

const ROUTES: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes";
