//! The example plugin, built as its users build it, in a real comparator: what it takes out, what it judges, and what it leaves.

use std::path::{Path, PathBuf};
use std::process::Command;

use antumbra_comparator::Plugins;
use antumbra_observation::{Body, Leg, Observation};
use antumbra_sandbox::Wasmtime;
use serde_json::{Value, json};

use crate::server::World;

const POLICY: &str = "
version: 1
name: shop
variants: {stable: null, canary: null, control: null}
default: stable
rules: [{name: shadow, mirror: [{to: canary, percent: 5, control: {to: control, percent: 100}}]}]
compare: {plugins: [{at: 'GET /products/{id}', plugin: shop}]}
gates: {warmUp: 0s}
";

/// What the command that the users are told prints, after it has built it.
fn example() -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["demo", "toolchain", "plugin", "wit/examples/shop"]);
    let built = cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    PathBuf::from(String::from_utf8(built.stdout).unwrap().trim_end())
}

fn leg(body: &Value, build: u64) -> Leg {
    Leg::answer("", 200)
        .with_json(&body.to_string())
        .with_header("x-build-id", build.to_string().as_str())
        .with_latency_us(1_000)
}

/// An exchange whose candidate answers with another build, other prices by this much, and the same tags in another order.
fn exchange(id: u64, path: &str, dearer: f64) -> Observation {
    let body = |build: u64, price: f64, tags: [&str; 2]| {
        leg(&json!({"id": 7, "price": price, "buildId": build, "tags": tags}), build)
    };
    Observation::new("shop", "GET", path)
        .with_id(id.into())
        .with_arrival_us(1_700_000_000_000_000 + id * 10_000_000)
        .with_primary(body(1, 10.0, ["a", "b"]))
        .with_candidate(body(2, 10.0 + dearer, ["b", "a"]))
        .with_control(body(1, 10.0, ["a", "b"]))
}

async fn told(world: &World, batch: u64, exchanges: impl Iterator<Item = Observation>) -> Value {
    let answer = world.batch(batch, &exchanges.collect::<Vec<_>>()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    world.get("/v1/releases/shop/report").await.json()
}

fn regressions(report: &Value) -> Vec<String> {
    let found = report["regressions"].as_array().unwrap().iter();
    let mut found: Vec<String> = found
        .map(|one| format!("{} {}", one["endpoint"].as_str().unwrap(), one["path"].as_str().unwrap()))
        .collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_takes_out_builds_and_judges_prices() {
    let component = tokio::task::spawn_blocking(example).await.unwrap();
    let mut world = World::new(None).await;
    world.plugins = Plugins::default().with_file("shop", &component, &Wasmtime).unwrap();
    world.restart(Vec::new()).await;
    assert_eq!(world.put("shop", POLICY).await.status, 201);
    let report = told(&world, 1, (1..=100).map(|id| exchange(id, "/products/7", 0.01))).await;
    assert_eq!(regressions(&report), [""; 0], "{report}");
    assert_eq!(report["plugins"], json!([{"plugin": "shop", "exchanges": 100, "failed": {}}]));

    // At another endpoint nobody takes anything out, and there is more than one thing to find.
    let report = told(&world, 2, (101..=200).map(|id| exchange(id, "/carts/7", 0.01))).await;
    let found = regressions(&report);
    for path in ["/buildId", "/price", "header:x-build-id"] {
        assert!(found.contains(&format!("GET /carts/{{id}} {path}")), "{path}: {found:?}");
    }
    assert!(found.iter().all(|found| found.starts_with("GET /carts")), "{found:?}");
    assert_eq!(report["plugins"][0]["exchanges"], 100);

    // Ten cents are a difference, and the judge says where.
    let report = told(&world, 3, (201..=300).map(|id| exchange(id, "/products/7", 0.1))).await;
    let found = regressions(&report);
    assert!(found.contains(&"GET /products/{id} /price".to_owned()), "{found:?}");
    assert!(!found.iter().any(|found| found.starts_with("GET /products/{id} /buildId")), "{found:?}");

    // An answer that the plugin cannot read is compared without it.
    let nonsense = |id| {
        let mut exchange = exchange(id, "/products/7", 0.0);
        let candidate = exchange.candidate.response.as_mut().unwrap();
        candidate.body = Body::Whole("oops".into());
        exchange
    };
    let report = told(&world, 4, (301..=310).map(nonsense)).await;
    assert_eq!(report["plugins"][0]["failed"], json!({"refused": 10}));
    let note = "Plugin shop failed in 10 of 210 exchanges (refused 10): these were compared without it.";
    assert!(report["notes"].as_array().unwrap().contains(&note.into()), "{report}");
}
