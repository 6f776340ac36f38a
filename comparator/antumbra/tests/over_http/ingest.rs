//! Observations over real HTTP: acknowledged once, refused by reason, and accounted for whatever happens.

use crate::server::{SHOP, World, bomb, healthy, lines, observation};
use antumbra_observation::{
    Accounts, HEARTBEAT_HEADER, Heartbeat, Instance, Observation, POLICY_JSON, Undelivered, encode,
    encode_heartbeat_header,
};
use http::Method;

#[tokio::test]
async fn a_defect_shows_in_the_report_as_json_and_as_text() {
    let world = World::with_shop().await;
    let broken: Vec<Observation> = (1..=200).map(|id| observation(id, 11)).collect();
    let answer = world.batch(1, &broken).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["compared"]), (200, &200.into()), "{answer:?}");
    let report = world.get("/v1/releases/shop/report").await.json();
    assert_eq!(report["verdict"], "roll back", "{report}");
    assert_eq!(report["exchanges"], 200);
    let regression = &report["regressions"][0];
    assert_eq!(
        (&regression["path"], &regression["kind"]),
        (&"/price".into(), &"value".into()),
        "{regression}"
    );
    for (query, accept) in [("?format=text", "*/*"), ("", "text/plain, application/json;q=0.5")] {
        let path = format!("/v1/releases/shop/report{query}");
        let text = world.send(Method::GET, &path, &[("accept", accept)], "").await;
        assert!(text.header("content-type").starts_with("text/plain"), "{text:?}");
        assert!(text.text.contains("ROLL BACK") && text.text.contains("/price"), "{}", text.text);
    }
}

#[tokio::test]
async fn json_and_ndjson_are_taken_from_everybody_else() {
    let world = World::with_shop().await;
    let numbered = |id| serde_json::to_string(&observation(id, 10)).unwrap();
    let one = numbered(1);
    for (media_type, body, compared) in [
        ("application/json", one.clone(), 1),
        ("application/x-ndjson; charset=utf-8", format!("{}\n{}\n", numbered(2), numbered(3)), 2),
        ("application/cbor-seq", String::new(), 0),
    ] {
        let answer =
            world.send(Method::POST, "/v1/observations", &[("content-type", media_type)], body).await;
        assert_eq!(answer.json()["compared"], compared, "{answer:?}");
    }
    assert_eq!(world.accounts().await["compared"], 3);
}

/// As earlier versions stored them, by a clock that since then jumped three days back, three days ahead, and not at all.
#[tokio::test]
async fn a_batch_that_comes_again_after_the_clock_jumped_counts_once() {
    const DAYS: i64 = 3 * 86_400_000;
    for (jump, sequence) in [(DAYS, 1), (-DAYS, 2), (0, 3)] {
        let mut world = World::with_shop().await;
        let batch = healthy(4);
        world.batch(sequence, &batch).await;
        world.end().await;
        let change = format!("UPDATE batches SET at = CAST(unixepoch() AS INTEGER) * 1000 + {jump}");
        assert_eq!(rusqlite::Connection::open(world.data()).unwrap().execute(&change, []).unwrap(), 1);
        world.restart(Vec::new()).await;
        // As many as have whatever is old forgotten.
        for later in 250..=260 {
            world.batch(later, &healthy(1)).await;
        }
        let again = world.batch(sequence, &batch).await.json();
        assert_eq!((&again["duplicates"], &again["compared"]), (&4.into(), &0.into()), "{jump}: {again}");
        assert_eq!(world.get("/v1/releases/shop/report").await.json()["exchanges"], 15, "{jump}");
    }
}

#[tokio::test]
async fn a_repeated_batch_is_acknowledged_and_not_counted_again() {
    let world = World::with_shop().await;
    world.batch(1, &healthy(5)).await;
    let again = world.batch(1, &healthy(5)).await;
    assert_eq!(again.status, 200);
    assert_eq!((&again.json()["compared"], &again.json()["duplicates"]), (&0.into(), &5.into()));
    world.batch(2, &healthy(3)).await;
    let accounts = world.accounts().await;
    assert_eq!((&accounts["received"], &accounts["duplicates"]), (&13.into(), &5.into()));
    assert_eq!(world.get("/v1/releases/shop/report").await.json()["exchanges"], 8);
}

#[tokio::test]
async fn an_exchange_counts_once_whoever_sends_it() {
    let mut world = World::with_shop().await;
    let five = healthy(5);
    world.batch(1, &five).await;
    let again = world.batch(2, &five[1..]).await;
    assert_eq!(
        (again.status.as_u16(), &again.json()["compared"], &again.json()["sameId"]),
        (200, &0.into(), &4.into())
    );
    let nameless: Vec<Observation> = healthy(3).into_iter().map(|one| one.with_id(0)).collect();
    assert_eq!(world.batch(3, &nameless).await.json()["compared"], 3, "nothing tells them apart");
    let accounts = world.accounts().await;
    assert_eq!((&accounts["compared"], &accounts["refused"]["same_id"]), (&8.into(), &4.into()));
    assert_eq!(world.get("/v1/releases/shop/report").await.json()["exchanges"], 8);
    world.restart(Vec::new()).await;
    assert_eq!(world.get("/v1/releases/shop/report").await.json()["exchanges"], 8);
}

#[tokio::test]
async fn a_batch_with_a_heartbeat_is_answered_by_the_policy_if_that_is_news() {
    let world = World::with_shop().await;
    let said = |generation| {
        let accounts = Accounts { requests: 9, ..Accounts::default() };
        encode_heartbeat_header(&Heartbeat::new("shop", Instance(7), generation, accounts))
    };
    for (id, generation, media_type) in
        [(1, None, POLICY_JSON), (2, Some(4), POLICY_JSON), (3, Some(1), "application/json")]
    {
        let heartbeat = said(generation);
        let headers = [("content-type", "application/cbor-seq"), (HEARTBEAT_HEADER, heartbeat.as_str())];
        let answer =
            world.send(Method::POST, "/v1/observations", &headers, encode(&observation(id, 10))).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, media_type), "{answer:?}");
        assert_eq!(answer.json()["name"] == "shop", media_type == POLICY_JSON);
    }
    let filters = world.get("/v1/status").await.json()["releases"][0]["filters"].clone();
    assert_eq!((&filters[0]["generation"], &filters[0]["accounts"]["requests"]), (&1.into(), &9.into()));
    let headers = [("content-type", "application/cbor-seq"), (HEARTBEAT_HEADER, "nonsense!")];
    let answer = world.send(Method::POST, "/v1/observations", &headers, encode(&observation(1, 10))).await;
    assert_eq!((answer.status.as_u16(), &world.accounts().await["compared"]), (400, &3.into()), "{answer:?}");
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_whole_by_name_and_counted() {
    let world = World::with_shop().await;
    let cbor = "application/cbor-seq";
    let good = encode(&observation(1, 10));
    let newer = encode(&Observation { version: 2, ..observation(1, 10) });
    let stranger = encode(&Observation { release: "till".to_owned(), ..observation(1, 10) });
    let cut = [good.clone(), good[..good.len() - 1].to_vec()].concat();
    let huge = vec![0; (8 << 20) + 1];
    for (media_type, body, status, kind) in [
        (cbor, cut, 400, "undecodable"),
        ("application/json", b"{}".to_vec(), 400, "undecodable"),
        (cbor, [good.clone(), newer].concat(), 422, "future-version"),
        (cbor, [good.clone(), stranger].concat(), 404, "unknown-release"),
        (cbor, huge, 413, "too-large"),
        ("text/plain", good.clone(), 415, "media-type"),
    ] {
        let headers = [("content-type", media_type), ("x-antumbra-count", "2")];
        let answer = world.send(Method::POST, "/v1/observations", &headers, body).await;
        assert_eq!(answer.status.as_u16(), status, "{kind}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["type"], format!("urn:antumbra:problem:{kind}"));
        assert_eq!(problem["status"], status);
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    }
    let headers = [("content-type", cbor), ("x-antumbra-instance", "7"), ("x-antumbra-sequence", "1")];
    assert_eq!(world.send(Method::POST, "/v1/observations", &headers, good).await.status, 400);
    let accounts = world.accounts().await;
    let expected = serde_json::json!({
        "undecodable": 4, "future_version": 2, "unknown_release": 2, "too_large": 2, "media_type": 2, "header": 1
    });
    assert_eq!(accounts["refused"], expected);
    assert_eq!((&accounts["compared"], &accounts["received"]), (&0.into(), &13.into()));
    let metrics = world.get("/metrics").await.text;
    for line in [
        "antumbra_comparator_received_total 13",
        "antumbra_comparator_refused_total{reason=\"too_large\"} 2",
        "antumbra_comparator_in_flight 0",
        "antumbra_comparator_generation{release=\"shop\"} 1",
        "antumbra_comparator_verdict{release=\"shop\",verdict=\"wait\"} 1",
        "antumbra_comparator_ingest_duration_seconds_count 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn a_batch_that_decodes_to_too_much_work_is_refused_and_one_exchange_of_it_is_not() {
    let world = World::with_shop().await;
    // A line takes more than a value of JSON, of which it takes more than is sent.
    let (values, texts) = ((1..=20).map(bomb).collect::<Vec<_>>(), (21..=40).map(lines).collect::<Vec<_>>());
    for (sequence, many) in [(1, &values), (3, &texts)] {
        let refused = world.batch(sequence, many).await;
        assert_eq!(refused.status, 413, "{refused:?}");
        assert_eq!(refused.json()["type"], "urn:antumbra:problem:too-much-work");
        let one = world.batch(sequence + 1, &many[..1]).await;
        assert_eq!(one.json()["compared"], 1, "{one:?}");
    }
    let accounts = world.accounts().await;
    assert_eq!((&accounts["refused"]["too_much_work"], &accounts["compared"]), (&40.into(), &2.into()));
}

#[tokio::test]
async fn an_empty_batch_leaves_no_row() {
    let world = World::with_shop().await;
    assert_eq!(world.batch(1, &[]).await.json()["compared"], 0);
    let store = rusqlite::Connection::open(world.data()).unwrap();
    let rows = || store.query_row("SELECT COUNT(*) FROM batches", [], |row| row.get::<_, u64>(0)).unwrap();
    assert_eq!(rows(), 0);
    assert_eq!(world.batch(1, &healthy(2)).await.json()["compared"], 2);
    assert_eq!(rows(), 1);
}

#[tokio::test]
async fn a_heartbeat_that_counts_more_than_anybody_can_is_refused() {
    let world = World::with_shop().await;
    let mut accounts = Accounts { requests: 9, mirrored: 9, ..Accounts::default() };
    accounts.undelivered.add(Undelivered::Refused, 1 << 48);
    let absurd = Heartbeat::new("shop", Instance(7), None, accounts);
    let json = serde_json::to_string(&absurd).unwrap();
    let headers = [("content-type", "application/json")];
    let answer = world.send(Method::POST, "/v1/heartbeats", &headers, json).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.text.contains("accounts.undelivered counts 281474976710656"), "{answer:?}");
    let heartbeat = encode_heartbeat_header(&absurd);
    let headers = [("content-type", "application/cbor-seq"), (HEARTBEAT_HEADER, heartbeat.as_str())];
    let answer = world.send(Method::POST, "/v1/observations", &headers, encode(&observation(1, 10))).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let filters = world.get("/v1/status").await.json()["releases"][0]["filters"].clone();
    assert_eq!(filters, serde_json::json!([]));
}

#[tokio::test]
async fn what_the_candidate_answered_itself_is_counted_apart() {
    let world = World::with_shop().await;
    let mut elsewhere = observation(3, 10);
    elsewhere.primary.variant = "canary".to_owned();
    let answer = world.batch(1, &[observation(1, 10), observation(2, 10), elsewhere]).await;
    assert_eq!((&answer.json()["compared"], &answer.json()["elsewhere"]), (&2.into(), &1.into()));
    let accounts = world.accounts().await;
    assert_eq!((&accounts["compared"], &accounts["refused"]["elsewhere"]), (&2.into(), &1.into()));
    assert_eq!(world.get("/v1/releases/shop/report").await.json()["exchanges"], 2);
}

#[tokio::test]
async fn many_senders_at_once_lose_nothing() {
    let world = World::with_shop().await;
    let address = world.address;
    let senders: Vec<_> = (0..8u64)
        .map(|sender| {
            tokio::spawn(async move {
                for n in 1..=20 {
                    let answer =
                        crate::server::send_batch(address, sender * 100 + n, &healthy(5)).await.unwrap();
                    assert_eq!(answer.json()["compared"], 5, "{answer:?}");
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }
    assert_eq!(world.accounts().await["compared"], 800);
    assert_eq!(world.get("/v1/releases/shop/report").await.json()["exchanges"], 800);
}

#[tokio::test]
async fn a_failed_commit_is_refused_and_leaves_no_trace_in_memory() {
    let world = World::with_shop().await;
    world.batch(1, &healthy(4)).await;
    let other = rusqlite::Connection::open(world.data()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = world.batch(2, &healthy(3)).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"), "{refused:?}");
    assert_eq!(world.get("/readyz").await.status, 503);
    assert_eq!(world.get("/healthz").await.status, 200);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(world.get("/readyz").await.status, 200);
    assert_eq!(world.get("/v1/releases/shop/report").await.json()["exchanges"], 4);
    let retried = world.batch(2, &healthy(3)).await;
    assert_eq!(retried.json()["compared"], 3, "{retried:?}");
    let accounts = world.accounts().await;
    assert_eq!((&accounts["compared"], &accounts["refused"]["store"]), (&7.into(), &3.into()));
}

#[tokio::test]
async fn late_observations_of_an_earlier_candidate_are_not_held_against_the_next() {
    let world = World::with_shop().await;
    world.batch(1, &healthy(4)).await;
    let next = world.put("shop", &SHOP.replace("cluster: canary", "cluster: canary-2")).await;
    assert_eq!(next.json()["newSession"], true, "{next:?}");
    let late = world.batch(2, &healthy(2)).await;
    assert_eq!(late.json()["superseded"], 2, "{late:?}");
    let current = Observation { generation: 2, ..observation(9, 10) };
    world.batch(3, &[current]).await;
    assert_eq!(world.get("/v1/releases/shop/report").await.json()["exchanges"], 1);
    assert_eq!(world.accounts().await["refused"]["superseded"], 2);
}
