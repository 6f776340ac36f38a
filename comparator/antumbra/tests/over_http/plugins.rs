//! Plugins in a running comparator: what they change, that their failures are told, and that another file is other evidence.

use antumbra_comparator::Plugins;
use antumbra_components::plugin::{HOG, LOOP, NOTHING, TRAP, bytes, judge, misshapen, normaliser, stranger};
use antumbra_sandbox::Wasmtime;
use serde_json::{Value, json};

use crate::command_line::antumbra;
use crate::server::{SHOP, World, observation};

/// The policy with a plugin at one endpoint.
fn policy(at: &str) -> String {
    let assigned = format!("compare: {{plugins: [{{at: {at}, plugin: p}}]");
    SHOP.replace("compare: {ignore: [header:x-request-trace]", &assigned)
}

/// A comparator with one plugin.
async fn world(component: &[u8]) -> World {
    let mut world = World::new(None).await;
    reload(&mut world, component).await;
    world
}

async fn reload(world: &mut World, component: &[u8]) {
    let file = world.data().with_file_name("p.wasm");
    std::fs::write(&file, component).unwrap();
    world.plugins = Plugins::default().with_file("p", &file, &Wasmtime).unwrap();
    world.restart(Vec::new()).await;
}

async fn report(world: &World) -> Value {
    world.get("/v1/releases/shop/report").await.json()
}

fn dearer(from: u128, count: u128) -> Vec<antumbra_observation::Observation> {
    (from..from + count).map(|id| observation(id, 11)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_judge_is_believed_at_its_endpoint_only() {
    for (at, regressions, exchanges) in
        [("\"GET /products/{id}\"", 0, Some(60)), ("GET /products/9", 0, Some(60)), ("GET /carts", 1, None)]
    {
        let world = world(&judge(NOTHING)).await;
        let answer = world.put("shop", &policy(at)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(world.batch(1, &dearer(1, 60)).await.json()["compared"], 60);
        let report = report(&world).await;
        assert_eq!(report["regressions"].as_array().unwrap().len(), regressions, "{at}: {report}");
        assert_eq!(
            report["plugins"].get(0).map(|plugin| &plugin["exchanges"]),
            exchanges.map(Value::from).as_ref()
        );
    }
}

/// The defect is found as without the plugin, and the report says why it was without. What is stored says it, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_fails_is_told_and_hides_nothing() {
    for (instructions, reason) in
        [(LOOP, "fuel"), (HOG, "memory"), (TRAP, "trap"), (&bytes(3_000_000), "output")]
    {
        let mut world = world(&normaliser(instructions)).await;
        assert_eq!(world.put("shop", &policy("GET /products/1")).await.status, 201);
        assert_eq!(world.batch(1, &dearer(1, 60)).await.json()["compared"], 60);
        world.restart(Vec::new()).await;
        let report = report(&world).await;
        assert_eq!(report["regressions"][0]["path"], "/price", "{report}");
        assert_eq!(report["regressions"][0]["example"]["without"], json!(["p"]), "{report}");
        let failed = report["plugins"][0]["failed"].as_object().unwrap();
        // After a second the batch goes on without it.
        let count = |reason: &str| failed.get(reason).map_or(0, |count| count.as_u64().unwrap());
        assert!(count(reason) > 0 && count(reason) + count("late") == 60, "{reason}: {report}");
        let text = world.get("/v1/releases/shop/report?format=text").await.text;
        assert!(text.contains("! Plugin p failed in 60 of 60 exchanges ("), "{text}");
        assert!(text.contains(", without plugin p\n"), "{text}");
        let metrics = world.get("/metrics").await.text;
        for (name, count) in [
            ("plugin_exchanges{release=\"shop\",plugin=\"p\"}".to_owned(), 60),
            (format!("plugin_failures{{release=\"shop\",plugin=\"p\",reason=\"{reason}\"}}"), count(reason)),
        ] {
            let line = format!("antumbra_comparator_{name} {count}\n");
            assert!(metrics.contains(&line), "{line} is not in {metrics}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_begins_the_evidence_anew() {
    let mut world = world(&judge(NOTHING)).await;
    assert_eq!(world.put("shop", &policy("GET /products/1")).await.status, 201);
    world.batch(1, &dearer(1, 5)).await;
    for (component, exchanges, generation) in
        [(judge(NOTHING), 5, 1), (judge(TRAP), 0, 2), (judge(TRAP), 0, 2)]
    {
        reload(&mut world, &component).await;
        let (report, policy) = (report(&world).await, world.get("/v1/policies/shop").await);
        assert_eq!(
            (&report["exchanges"], policy.header("etag")),
            (&exchanges.into(), &*format!("\"{generation}\""))
        );
    }
    let late = world.batch(2, &dearer(10, 3)).await.json();
    assert_eq!(late["superseded"], 3, "decided before the plugin changed: {late}");
    let audit = world.get("/v1/policies/shop/audit").await.text;
    assert!(audit.contains("plugins or descriptors are other files: p="), "{audit}");
    world.plugins = Plugins::default();
    world.restart(Vec::new()).await;
    assert_eq!(world.get("/v1/policies/shop").await.header("etag"), "\"3\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_is_not_there_is_refused_by_name() {
    let mut world = World::new(None).await;
    let answer = world.put("shop", &policy("GET /products/1")).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    let told = "compare.plugins[0].plugin";
    assert!(answer.text.contains(told) && answer.text.contains("start with --plugin p=FILE"), "{answer:?}");
    let files = [
        ("shop.yaml", policy("GET /products/1").into_bytes()),
        ("bad.yaml", policy("GET").into_bytes()),
        ("text.wasm", b"(component)".to_vec()),
        ("stranger.wasm", stranger()),
        ("misshapen.wasm", misshapen()),
        ("p.wasm", judge(NOTHING)),
        (
            "c.ndjson",
            dearer(1, 60)
                .iter()
                .map(|one| serde_json::to_string(one).unwrap() + "\n")
                .collect::<String>()
                .into(),
        ),
    ];
    for (name, bytes) in files {
        std::fs::write(world.data().with_file_name(name), bytes).unwrap();
    }
    world.end().await;
    let serve = "serve --listen 127.0.0.1:0 --data other.db";
    for (line, code, shown) in [
        (format!("{serve} --plugin p=none.wasm"), 2, "--plugin p=none.wasm: No such file"),
        (format!("{serve} --plugin p=text.wasm"), 2, "is not WebAssembly"),
        (format!("{serve} --plugin p=stranger.wasm"), 2, "exports neither antumbra:plugin/normaliser@0.1.0"),
        (format!("{serve} --plugin p=misshapen.wasm"), 2, "is not as antumbra has it"),
        (format!("{serve} --plugin p"), 2, "as prices=prices.wasm"),
        (format!("{serve} --policy shop.yaml"), 2, "start with --plugin p=FILE"),
        ("check bad.yaml".to_owned(), 2, "must be a method and a route"),
        ("check shop.yaml".to_owned(), 0, "valid"),
        ("verdict --from c.ndjson".to_owned(), 1, "/price"),
        ("verdict --from c.ndjson --policy shop.yaml".to_owned(), 2, "must be given as --plugin p=FILE"),
        ("verdict --from c.ndjson --policy shop.yaml --plugin p=p.wasm".to_owned(), 3, "wait"),
    ] {
        let found = antumbra(&world, &line).await;
        let told = format!("{}{}", found.out, found.err);
        assert_eq!(found.code, code, "{line}: {told}");
        assert!(told.contains(shown), "{line}: {told}");
    }
}
