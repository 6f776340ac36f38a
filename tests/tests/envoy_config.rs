//! What `envoy/` ships is valid: the real Envoy accepts the file, with the real module, but for the module's path.

use std::fs;
use std::process::Command;

use antumbra_e2e::comparator::Comparator;
use antumbra_e2e::envoy_config::EnvoyConfig;
use antumbra_e2e::services::Services;
use antumbra_e2e::upstream::{Behaviour, Reply};
use antumbra_e2e::world::World;
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

/// What `antumbra init` writes for a site is accepted, too.
#[tokio::test]
async fn envoy_accepts_what_init_writes() {
    let envoy = envoy_binary::find().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let comparator = Comparator::start(folder.path(), ([127, 0, 0, 1], 0).into(), None).await.unwrap();
    let (site, module) = (folder.path().join("site"), toolchain::filter_module().unwrap());
    let arguments =
        ["init", site.to_str().unwrap(), "--yes", "--name", "till", "--stable", "[::1]:8080", "--module"];
    let arguments: Vec<&str> = arguments.into_iter().chain(module.to_str()).collect();
    let told = comparator.cli(&arguments).await.unwrap();
    assert!(told.contains("antumbra doctor"), "{told}");
    let mut validate = Command::new(&envoy.path);
    validate.args(["--mode", "validate", "--log-level", "warn", "-c"]).arg(site.join("envoy.yaml"));
    command::run(&mut validate).unwrap();
    comparator.cli(&["check", site.join("policy.yaml").to_str().unwrap()]).await.unwrap();
    let again = comparator.cli_output(&arguments).await.unwrap();
    let why = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.code() == Some(2) && why.contains("are there already"), "{why}");
}

/// A set-up that works has nothing to mend, and what the policy is then given too much of is named.
#[tokio::test]
async fn a_doctor_finds_what_does_not_fit() {
    let services = Services::alike(Behaviour::Answer(Reply::json(r#"{"ok":true}"#))).await.unwrap();
    let policy = fs::read_to_string(cache::root().join("envoy/policy.yaml")).unwrap();
    let world = World::start(services.versions(), &policy).await.unwrap();
    let admin = format!("http://{}", world.envoy.admin);
    let doctor = ["doctor", "--output", "json", "--envoy", &admin];
    let healthy: Value = serde_json::from_str(&world.comparator.cli(&doctor).await.unwrap()).unwrap();
    assert_eq!(findings(&healthy, "failed"), [""; 0], "{healthy:#}");
    assert!(findings(&healthy, "ok").len() > 8, "{healthy:#}");

    let broken = policy
        .replace("cluster: canary-shadow", "cluster: canary-shadw")
        .replace("to: canary\n", "to: beta\n");
    let broken = broken
        .replace("default: stable\n", "default: stable\noverride: {header: x-force, signedWith: testers}\n");
    let broken = broken.replace("  canary: {", "  beta: {}\n  canary: {");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), broken).unwrap();
    world.comparator.cli(&["policy", "put", file.path().to_str().unwrap()]).await.unwrap();
    let output = world.comparator.cli_output(&doctor).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let sick: Value = serde_json::from_slice(&output.stdout).unwrap();
    let failed = findings(&sick, "failed");
    for part in ["variant candidate", "route of beta", "key testers"] {
        assert!(failed.iter().any(|subject| subject.ends_with(part)), "{part}: {sick:#}");
    }
    let output = world.comparator.cli_output(&["doctor", "--envoy", "http://127.0.0.1:1"]).await.unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.lines().any(|line| line.starts_with("FAILED   Envoy http://127.0.0.1:1: ")), "{told}");
}

fn findings<'d>(diagnosis: &'d Value, finding: &str) -> Vec<&'d str> {
    let checks = diagnosis["checks"].as_array().unwrap().iter();
    checks.filter(|check| check["finding"] == finding).filter_map(|check| check["subject"].as_str()).collect()
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
