//! Several filters, each with a token of its own, of which one is in the hands of a forger: what it sends, and how much, turns no verdict.

use antumbra_observation::{
    Accounts, HEARTBEAT_HEADER, Heartbeat, Instance, Leg, Observation, encode, encode_heartbeat,
    encode_heartbeat_header,
};
use http::Method;
use serde_json::{Value, json};

use crate::server::{Answer, World, healthy, observation};

/// A filter: its token, and its only instance.
struct Edge {
    bearer: String,
    instance: Instance,
}

/// A server with a token for its administrator, two for honest filters, and one for a forger.
struct Scene {
    world: World,
    root: String,
    honest: [Edge; 2],
    forger: Edge,
}

/// What the heartbeats of the forger say that it mirrored.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Says {
    TooLittle,
    All,
}

impl Scene {
    async fn new() -> Self {
        let world = World::with_shop().await;
        let root = token(&world, "", json!({"name": "root", "role": "admin"})).await;
        let edge = async |name: &str, instance| Edge {
            bearer: token(&world, &root, json!({"name": name, "role": "filter", "releases": ["shop"]})).await,
            instance: Instance(instance),
        };
        let honest = [edge("edge-a", 1).await, edge("edge-b", 2).await];
        let forger = edge("edge-f", 3).await;
        Self { world, root, honest, forger }
    }

    /// What honest filters saw, of each the half; their heartbeats explain it.
    async fn honestly(&self, observations: &[Observation]) {
        for (edge, own) in self.honest.iter().zip(observations.chunks(observations.len() / 2)) {
            self.beat(edge, own.len() as u64).await;
            self.send(edge, own).await;
        }
    }

    async fn forged(&self, says: Says, observations: &[Observation]) {
        let mirrored = if says == Says::All { observations.len() as u64 } else { 7 };
        self.beat(&self.forger, mirrored).await;
        self.send(&self.forger, observations).await;
    }

    async fn beat(&self, edge: &Edge, mirrored: u64) {
        let headers = [("authorization", &*edge.bearer), ("content-type", "application/cbor")];
        let heartbeat = encode_heartbeat(&said(edge, mirrored));
        let answer = self.world.send(Method::POST, "/v1/heartbeats", &headers, heartbeat).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    async fn send(&self, edge: &Edge, observations: &[Observation]) {
        for (sequence, batch) in (1..).zip(observations.chunks(500)) {
            let answer = self.batch(edge, sequence, batch, &[]).await;
            assert_eq!(answer.json()["compared"], batch.len(), "{answer:?}");
        }
    }

    async fn batch(
        &self,
        edge: &Edge,
        sequence: u64,
        observations: &[Observation],
        more: &[(&str, &str)],
    ) -> Answer {
        let (instance, sequence) = (edge.instance.to_string(), sequence.to_string());
        let count = observations.len().to_string();
        let mut headers = vec![
            ("authorization", &*edge.bearer),
            ("content-type", "application/cbor-seq"),
            ("x-antumbra-instance", &*instance),
            ("x-antumbra-sequence", &*sequence),
            ("x-antumbra-count", &*count),
        ];
        headers.extend(more);
        let body: Vec<u8> = observations.iter().flat_map(encode).collect();
        self.world.send(Method::POST, "/v1/observations", &headers, body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.world.send(Method::GET, path, &[("authorization", &*self.root)], "").await
    }

    async fn report(&self) -> Value {
        self.get("/v1/releases/shop/report").await.json()
    }
}

fn said(edge: &Edge, mirrored: u64) -> Heartbeat {
    let accounts = Accounts { requests: mirrored, mirrored, ..Accounts::default() };
    Heartbeat::new("shop", edge.instance, Some(1), accounts)
}

async fn token(world: &World, bearer: &str, wanted: Value) -> String {
    let headers = [("content-type", "application/json"), ("authorization", bearer)];
    let headers = if bearer.is_empty() { &headers[..1] } else { &headers[..] };
    let answer = world.send(Method::POST, "/v1/tokens", headers, wanted.to_string()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    format!("Bearer {}", answer.json()["secret"].as_str().unwrap())
}

/// So many exchanges with the candidate's price wrong.
fn wrong(count: u128) -> Vec<Observation> {
    let wrong = healthy(count)
        .into_iter()
        .map(|good| Observation { candidate: observation(1, 11).candidate, ..good });
    wrong.collect()
}

/// So many whose price differs at either leg, and at both.
fn noise(count: u128) -> Vec<Observation> {
    let leg = |variant: &str, price: u32| {
        Leg::answer(variant, 200).with_json(&format!(r#"{{"id":7,"price":{price}}}"#)).with_latency_us(2_000)
    };
    let each = (0..).zip(healthy(count)).map(|(number, good)| {
        let price = |odd: bool| if odd { 11 } else { 10 };
        good.with_candidate(leg("canary", price(number % 3 != 0)))
            .with_control(leg("control", price(number % 3 != 1)))
    });
    each.collect()
}

fn names(list: &Value, member: &str) -> Vec<String> {
    let each = list.as_array().into_iter().flatten();
    each.map(|one| one[member].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_forged_regression_that_heartbeats_do_not_explain_is_set_aside_and_named() {
    let mut scene = Scene::new().await;
    scene.honestly(&healthy(1_200)).await;
    assert_eq!(scene.report().await["verdict"], "promote");
    scene.forged(Says::TooLittle, &wrong(6_000)).await;
    for _ in 0..2 {
        let report = scene.report().await;
        assert_eq!(
            (&report["verdict"], &report["exchanges"]),
            (&"promote".into(), &1_200.into()),
            "{report}"
        );
        let told = "6,000 observations from the source \"edge-f\" are set aside: \
                    the heartbeats of its filters explain only 7.";
        assert_eq!(
            (&report["notCovered"][0]["cause"], &report["notCovered"][0]["text"]),
            (&"set-aside".into(), &told.into())
        );
        let forger =
            json!({"source": "edge-f", "observations": 6_000, "explained": 7, "standing": "set-aside"});
        assert_eq!(report["sources"][2], forger);
        assert_eq!(names(&report["sources"], "standing"), ["counted", "counted", "set-aside"]);
        let status = scene.get("/v1/status").await.json();
        assert_eq!(status["releases"][0]["sources"], report["sources"]);
        assert_eq!(status["releases"][0]["exchanges"], 1_200);
        let metrics = scene.get("/metrics").await.text;
        for line in [
            "antumbra_comparator_source_observations{release=\"shop\",source=\"edge-f\"} 6000",
            "antumbra_comparator_source_mirrored{release=\"shop\",source=\"edge-f\"} 7",
            "antumbra_comparator_source_set_aside{release=\"shop\",source=\"edge-f\"} 1",
            "antumbra_comparator_source_set_aside{release=\"shop\",source=\"edge-a\"} 0",
        ] {
            assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
        }
        // Of the honest filters everything is known after a restart, too, once one of them has spoken.
        scene.world.restart(Vec::new()).await;
        scene.beat(&scene.honest[0], 600).await;
        scene.beat(&scene.honest[1], 600).await;
    }
    let reset = [("authorization", &*scene.root)];
    assert_eq!(scene.world.send(Method::DELETE, "/v1/releases/shop/evidence", &reset, "").await.status, 200);
    let sources = scene.report().await["sources"].clone();
    assert!(sources.as_array().unwrap().iter().all(|source| source["observations"] == 0), "{sources}");
}

#[tokio::test]
async fn forged_equality_and_forged_noise_hide_no_defect_whatever_heartbeats_say() {
    for says in [Says::TooLittle, Says::All] {
        for forged in [healthy(3_000), noise(3_000)] {
            let scene = Scene::new().await;
            scene.honestly(&wrong(300)).await;
            assert_eq!(scene.report().await["verdict"], "roll back");
            scene.forged(says, &forged).await;
            let report = scene.report().await;
            assert_eq!(report["verdict"], "roll back", "{says:?}: {}", report["reasons"]);
            assert_eq!(report["regressions"][0]["path"], "/price", "{report}");
        }
    }
}

#[tokio::test]
async fn a_forged_regression_that_heartbeats_explain_is_suspected_and_never_rolls_back() {
    let scene = Scene::new().await;
    scene.honestly(&healthy(300)).await;
    scene.forged(Says::All, &wrong(3_000)).await;
    let report = scene.report().await;
    assert_eq!(
        (&report["verdict"], &report["regressions"]),
        (&"wait".into(), &json!([])),
        "{}",
        report["reasons"]
    );
    let suspected = &report["suspected"][0];
    assert_eq!((&suspected["path"], &suspected["source"]), (&"/price".into(), &"edge-f".into()), "{report}");
    assert_eq!(report["reasonDetails"][0]["code"], "suspected");
    let headers = [("authorization", &*scene.root), ("accept", "text/plain")];
    let text = scene.world.send(Method::GET, "/v1/releases/shop/report", &headers, "").await.text;
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        text.contains(r#"shown by the source "edge-f" alone, and by no other in 300 exchanges"#),
        "{text}"
    );
}

/// The honest sources prove it together, and each by itself.
#[tokio::test]
async fn what_two_sources_prove_is_rolled_back_and_what_one_proves_is_not_promoted() {
    let scene = Scene::new().await;
    let [a, b] = &scene.honest;
    for (edge, observations) in [(a, wrong(100)), (b, healthy(2_000))] {
        scene.beat(edge, observations.len() as u64).await;
        scene.send(edge, &observations).await;
    }
    let report = scene.report().await;
    assert_eq!(
        (&report["verdict"], &report["suspected"][0]["source"]),
        (&"wait".into(), &"edge-a".into()),
        "{report}"
    );
    scene.forged(Says::All, &wrong(100)).await;
    assert_eq!(scene.report().await["verdict"], "roll back");
}

#[tokio::test]
async fn nobody_without_a_token_and_no_instance_without_a_heartbeat_is_counted() {
    let scene = Scene::new().await;
    assert_eq!(scene.world.batch(1, &healthy(5)).await.status, 401);
    let refused = scene.batch(&scene.forger, 1, &wrong(500), &[]).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"), "{refused:?}");
    assert_eq!(refused.json()["type"], "urn:antumbra:problem:unknown-instance");
    scene.beat(&scene.honest[0], 5).await;
    let posing = Edge { bearer: scene.forger.bearer.clone(), instance: scene.honest[0].instance };
    assert_eq!(scene.batch(&posing, 1, &wrong(5), &[]).await.status, 503, "another source's instance");
    assert_eq!(scene.report().await["exchanges"], 0);
    let accounts = scene.get("/v1/status").await.json()["accounts"].clone();
    assert_eq!(accounts["refused"], json!({"unknown_instance": 505}));
    let metrics = scene.get("/metrics").await.text;
    assert!(
        metrics.contains("antumbra_comparator_refused_total{reason=\"unknown_instance\"} 505\n"),
        "{metrics}"
    );
}

/// It need not have spoken before: a batch that nobody would know the sender of says who that is.
#[tokio::test]
async fn an_honest_filter_that_nobody_knows_yet_loses_nothing() {
    let mut scene = Scene::new().await;
    let edge = |scene: &Scene| Edge { bearer: scene.honest[1].bearer.clone(), instance: Instance(9) };
    let batch = healthy(5);
    let new = edge(&scene);
    assert_eq!(scene.batch(&new, 1, &batch, &[]).await.status, 503);
    let heartbeat = encode_heartbeat_header(&said(&new, 5));
    let again = scene.batch(&new, 1, &batch, &[(HEARTBEAT_HEADER, &heartbeat)]).await;
    assert_eq!((again.status.as_u16(), &again.json()["compared"]), (200, &5.into()), "{again:?}");
    assert_eq!(scene.batch(&new, 2, &healthy(3), &[]).await.json()["compared"], 3);
    scene.world.restart(Vec::new()).await;
    let after = scene.batch(&edge(&scene), 3, &healthy(2), &[]).await;
    assert_eq!(
        (after.status.as_u16(), &after.json()["compared"]),
        (200, &2.into()),
        "known from before: {after:?}"
    );
    assert_eq!(scene.report().await["exchanges"], 10);
}

/// The numbers of batches belong to whoever sends them: nobody makes another's look like repeats.
#[tokio::test]
async fn nobody_takes_the_numbers_of_anothers_batches() {
    let scene = Scene::new().await;
    let honest = &scene.honest[0];
    let posing = Edge { bearer: scene.forger.bearer.clone(), instance: honest.instance };
    for (edge, expected) in [(&posing, 4), (honest, 5)] {
        scene.beat(edge, 9).await;
        let answer = scene.batch(edge, 1, &healthy(expected), &[]).await;
        assert_eq!(answer.json()["compared"], u64::try_from(expected).unwrap(), "{answer:?}");
    }
    assert_eq!(scene.batch(honest, 1, &healthy(5), &[]).await.json()["duplicates"], 5);
}
