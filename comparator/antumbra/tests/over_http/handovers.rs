//! Exchanges whose shadow calls the comparator makes, to real services.

use antumbra_comparator::Targets;
use antumbra_observation::{ExchangeId, Handover, Leg, Observation, ShadowRequest, encode_handover};
use http::Method;

use crate::server::{Answer, SHOP, World, observation};
use crate::service::{Service, Version, nobody};

fn shadow(variant: &str, target: &str) -> ShadowRequest {
    let headers = [(":method", "GET"), (":path", "/products/7"), (":authority", "shop.test")]
        .into_iter()
        .chain([("x-antumbra-shadow", "7"), ("x-antumbra-variant", variant), ("accept", "*/*")]);
    let headers = headers.map(|(name, value)| (name.into(), value.into())).collect();
    ShadowRequest { variant: variant.to_owned(), target: target.to_owned(), headers, trailers: Vec::new() }
}

/// An exchange whose primary said a price of 10.
fn handover(id: u128, timeout_ms: u64) -> Handover {
    let unasked = Leg::not_sent("canary", None);
    Handover {
        observation: Observation { candidate: unasked, control: None, ..observation(id, 10) },
        candidate: shadow("canary", "canary-shadow"),
        control: Some(shadow("control", "control")),
        timeout_ms,
        kept: 65_536,
    }
}

async fn world(candidate: String, control: &Service) -> World {
    let targets = Targets::default().with("canary-shadow", &candidate, &[]).await.unwrap();
    let targets = targets.with("control", &control.url(), &[]).await.unwrap();
    let world = World::with_targets(targets).await;
    assert_eq!(world.put("shop", &handing("canary-shadow")).await.status, 201);
    world
}

/// The policy of a shop that leaves its calls to the comparator, with the candidate in this cluster.
fn handing(cluster: &str) -> String {
    let canary = format!("canary: {{cluster: {cluster}}}");
    SHOP.replace("canary: {cluster: canary}", &canary).replace("percent: 5,", "percent: 5, via: comparator,")
}

async fn hand_over(world: &World, handovers: &[Handover]) -> Answer {
    let body: Vec<u8> = handovers.iter().flat_map(encode_handover).collect();
    let count = handovers.len().to_string();
    let headers = [("content-type", "application/cbor-seq"), ("x-antumbra-count", &count)];
    world.send(Method::POST, "/v1/handovers", &headers, body).await
}

#[tokio::test]
async fn a_defect_is_found_by_calls_of_the_comparators_own() {
    let (candidate, control) =
        (Service::start(Version::Price(11)).await, Service::start(Version::Price(10)).await);
    let world = world(candidate.url(), &control).await;
    for batch in 0..8 {
        let handovers: Vec<Handover> = (1..=25).map(|id| handover(batch * 25 + id, 20_000)).collect();
        let answer = hand_over(&world, &handovers).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["compared"]), (200, &25.into()), "{answer:?}");
    }
    assert_eq!((candidate.asked(), control.asked()), (200, 200));
    let report = world.get("/v1/releases/shop/report").await.json();
    assert_eq!((&report["verdict"], &report["exchanges"]), (&"roll back".into(), &200.into()), "{report}");
    let paths: Vec<&str> =
        report["regressions"].as_array().unwrap().iter().filter_map(|found| found["path"].as_str()).collect();
    assert!(paths.contains(&"/price") && !paths.contains(&"/number"), "{paths:?}");
}

#[tokio::test]
async fn what_does_not_answer_is_an_outcome_and_the_batch_is_stored_all_the_same() {
    let control = Service::start(Version::Price(10)).await;
    for (candidate, outcome) in [
        (Service::start(Version::Hangs).await.url(), "timeout"),
        (format!("http://{}", nobody().await), "refused"),
    ] {
        let world = world(candidate, &control).await;
        // One batch: once a service is known not to answer, few calls go there.
        let handovers: Vec<Handover> = (1..=40).map(|id| handover(id, 300)).collect();
        assert_eq!(hand_over(&world, &handovers).await.json()["compared"], 40);
        let report = world.get("/v1/releases/shop/report").await.json();
        let found = &report["regressions"][0];
        assert_eq!(
            (&found["kind"], &found["example"]["candidate"]),
            (&"outcome".into(), &outcome.into()),
            "{report}"
        );
    }
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_spared_and_the_report_says_so() {
    let control = Service::start(Version::Price(10)).await;
    let world = world(Service::start(Version::Hangs).await.url(), &control).await;
    // The upper half of an identifier is what chance decides by.
    let numbered = |id: u128| {
        let mut handover = handover(id, 300);
        handover.observation.id = ExchangeId((id << 64) | id);
        handover
    };
    // A batch is answered when its calls have timed out, so that from one to the next the candidate has failed for long enough.
    for batch in 0..6 {
        let handovers: Vec<Handover> = (1..=40).map(|id| numbered(batch * 40 + id)).collect();
        assert_eq!(hand_over(&world, &handovers).await.json()["compared"], 40);
    }
    let report = world.get("/v1/releases/shop/report").await.json();
    let (spared, asked) = (report["notSent"]["breaker"].as_u64().unwrap_or(0), control.asked());
    assert_eq!(spared + asked, 240, "candidate and control together or not at all: {report}");
    assert!(asked >= 40 && spared >= 100, "{asked} were asked, {spared} spared");
    assert_eq!(report["regressions"][0]["kind"], "outcome", "{report}");
    let metrics = world.get("/metrics").await.text;
    let line =
        format!("antumbra_comparator_shadows_not_sent{{release=\"shop\",reason=\"breaker\"}} {spared}\n");
    assert!(metrics.contains(&line), "{metrics}");
}

/// The services were asked: whoever is told to try again would have them asked twice.
#[tokio::test]
async fn what_cannot_be_stored_is_not_acknowledged_and_nobody_is_told_to_repeat_it() {
    let control = Service::start(Version::Price(10)).await;
    let candidate = Service::start(Version::Price(10)).await;
    let world = world(candidate.url(), &control).await;
    assert_eq!(hand_over(&world, &[handover(1, 20_000)]).await.status, 200);
    let other = rusqlite::Connection::open(world.data()).unwrap();
    let full = "CREATE TRIGGER full BEFORE INSERT ON accounts BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
    for (fails, works_again) in [("BEGIN IMMEDIATE", "ROLLBACK"), (full, "DROP TRIGGER full")] {
        other.execute_batch(fails).unwrap();
        let refused = hand_over(&world, &[handover(2, 20_000), handover(3, 20_000)]).await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (500, ""), "{refused:?}");
        assert_eq!(refused.json()["type"], "urn:antumbra:problem:unstored");
        other.execute_batch(works_again).unwrap();
    }
    assert_eq!(candidate.asked(), 5, "each was asked once");
    assert_eq!(world.get("/v1/releases/shop/report").await.json()["exchanges"], 1, "no trace is left");
    assert_eq!(world.get("/readyz").await.status, 200);
    assert_eq!(hand_over(&world, &[handover(4, 20_000)]).await.json()["compared"], 1, "it goes on");
    let accounts = world.accounts().await;
    assert_eq!((&accounts["compared"], &accounts["refused"]["store"]), (&2.into(), &4.into()));
}

#[tokio::test]
async fn a_cluster_that_nobody_named_is_refused_by_name_and_counted() {
    let control = Service::start(Version::Price(10)).await;
    let world = world(control.url(), &control).await;
    assert_eq!(
        world.put("till", &handing("elsewhere").replace("name: shop", "name: till")).await.status,
        201
    );
    let mut stranger = handover(2, 300);
    stranger.observation.release = "till".to_owned();
    stranger.candidate.target = "elsewhere".to_owned();
    let answer = hand_over(&world, &[handover(1, 300), stranger]).await;
    assert_eq!(answer.status, 422);
    assert!(answer.text.contains("--target elsewhere=URL"), "{answer:?}");
    assert_eq!(world.accounts().await["refused"]["unknown_target"], 2);
    assert_eq!(control.asked(), 0, "nothing of a batch that is refused is sent");
    let too_long = hand_over(&world, &[handover(1, 60_001)]).await;
    assert!(too_long.text.contains("timeoutMs is 60001, must be within 1..=60000"), "{too_long:?}");
}

/// Whoever has a filter's token could otherwise send any method to any service whose address the comparator knows.
#[tokio::test]
async fn what_no_mirror_says_is_refused_by_reason_and_asks_nobody() {
    let service = Service::start(Version::Price(10)).await;
    let world = world(service.url(), &service).await;
    let with = |change: fn(&mut Handover)| {
        let mut handover = handover(1, 300);
        change(&mut handover);
        handover
    };
    let writing = |shadow: &mut ShadowRequest| shadow.headers[0].1 = "DELETE".into();
    for (handover, expected) in [
        (
            with(|handover| handover.candidate = shadow("control", "control")),
            "has the comparator ask the candidate \\\"control\\\"",
        ),
        (
            with(|handover| handover.candidate = shadow("canary", "control")),
            "the candidate \\\"canary\\\" in the cluster \\\"control\\\"",
        ),
        (
            with(|handover| handover.control = Some(shadow("canary", "canary-shadow"))),
            "ask the control \\\"canary\\\"",
        ),
    ] {
        let refused = hand_over(&world, &[handover]).await;
        assert_eq!((refused.status.as_u16(), refused.text.contains(expected)), (422, true), "{refused:?}");
    }
    let mut unsafe_one = handover(1, 300);
    writing(&mut unsafe_one.candidate);
    let refused = hand_over(&world, &[handover(2, 300), unsafe_one]).await;
    assert!(refused.text.contains("sends DELETE to the candidate"), "{refused:?}");
    let mut unsafe_control = handover(1, 300);
    unsafe_control.control.iter_mut().for_each(writing);
    let refused = hand_over(&world, &[unsafe_control]).await;
    assert!(refused.text.contains("sends DELETE to the control"), "{refused:?}");
    let of_proxy = handing("canary-shadow").replace("via: comparator", "via: host");
    assert_eq!(world.put("shop", &of_proxy).await.status, 200);
    assert_eq!(
        hand_over(&world, &[handover(1, 300)]).await.json()["type"],
        "urn:antumbra:problem:not-mirrored"
    );
    let refused = world.accounts().await["refused"].clone();
    assert_eq!(refused, serde_json::json!({"unmirrored_target": 4, "unmirrored_method": 3}));
    assert_eq!(service.asked(), 0);
}

/// A service that does not know a shadow by its mark would take it for a client's request.
#[tokio::test]
async fn the_mark_of_a_shadow_is_set_here() {
    let service = Service::start(Version::Price(10)).await;
    let world = world(service.url(), &service).await;
    let marked = |id, mark: Option<&str>| {
        let mut handover = handover(id, 20_000);
        for shadow in [Some(&mut handover.candidate), handover.control.as_mut()].into_iter().flatten() {
            shadow.headers.retain(|(name, _)| **name != *b"x-antumbra-shadow");
            shadow.headers.extend(mark.map(|mark| ("x-antumbra-shadow".into(), mark.into())));
        }
        handover
    };
    assert_eq!(
        hand_over(&world, &[marked(1, None), marked(2, Some("a client's"))]).await.json()["compared"],
        2
    );
    let marks: Vec<String> = service
        .seen()
        .iter()
        .flat_map(|seen| {
            seen.headers
                .get_all("x-antumbra-shadow")
                .iter()
                .map(|mark| mark.to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    let of = |id: u32| marks.iter().filter(|mark| **mark == format!("{id:032x}")).count();
    assert_eq!((marks.len(), of(1), of(2)), (4, 2, 2), "{marks:?}");
}

#[tokio::test]
async fn a_guarded_address_has_to_be_named() {
    let refused = Targets::default().with("canary", "http://169.254.169.254", &[]).await.err().unwrap();
    assert!(refused.contains("link-local") && refused.contains("--allow-address"), "{refused}");
    let private = Targets::default().with("canary", "http://10.255.255.1:9", &["10.0.0.0/8"]).await;
    assert!(private.is_ok());
}
