//! What `envoy/` ships is valid: the real Envoy accepts the file, with the real module, but for the module's path.

use std::fs;
use std::process::Command;

use antumbra_e2e::envoy_config::EnvoyConfig;
use antumbra_e2e::{cache, command, envoy_binary, toolchain};
use serde_json::Value;

#[test]
fn envoy_accepts_the_shipped_configuration() {
    let envoy = envoy_binary::find().unwrap();
    let config = EnvoyConfig::shipped().unwrap().module(&toolchain::filter_module().unwrap()).unwrap();
    let file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    fs::write(file.path(), config.text()).unwrap();
    let mut validate = Command::new(&envoy.path);
    validate.args(["--mode", "validate", "--log-level", "warn", "-c"]).arg(file.path());
    command::run(&mut validate).unwrap();
}

/// The policy names clusters, the configuration has them; and the route gives each variant for clients its cluster.
#[test]
fn the_shipped_policy_fits_the_shipped_configuration() {
    let text = fs::read_to_string(cache::root().join("envoy/policy.yaml")).unwrap();
    let policy: Value = serde_saphyr::from_str(&text).unwrap();
    let mut config = EnvoyConfig::shipped().unwrap();
    let clusters = config.at("/static_resources/clusters").unwrap().clone();
    let names: Vec<&str> = clusters.as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).collect();
    let variants = policy["variants"].as_object().unwrap();
    assert_eq!(variants.len(), 4);
    for (variant, settings) in variants {
        let cluster = settings["cluster"].as_str().unwrap();
        assert!(names.contains(&cluster), "variant {variant}: no cluster {cluster}, there are {names:?}");
    }
    assert_eq!(policy["name"], "shop");
}

/// Whoever the candidate keeps waiting, it must not be a client: few places, no retries, alike for both shadow legs.
#[test]
fn the_shadow_clusters_have_strict_breakers() {
    let mut config = EnvoyConfig::shipped().unwrap();
    let clusters = config.at("/static_resources/clusters").unwrap().clone();
    let breakers = |name: &str| {
        let cluster = clusters.as_array().unwrap().iter().find(|cluster| cluster["name"] == name).unwrap();
        cluster["circuit_breakers"]["thresholds"][0].clone()
    };
    let strict = serde_json::json!({
        "max_connections": 32, "max_pending_requests": 16, "max_requests": 64, "max_retries": 0,
    });
    assert_eq!(breakers("canary-shadow"), strict);
    assert_eq!(breakers("control"), strict);
}
