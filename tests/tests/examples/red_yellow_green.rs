//! `red-yellow-green`: clusters change their states one after another, and back, while traffic flows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use antumbra_e2e::client::Client;
use antumbra_e2e::example::{Example, is_share};
use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{VARIANT, assert_claims};

async fn cluster_of(fleet: &Example, user: &str) -> Result<String> {
    let reached = fleet.ask("/", &[("x-user-id", user)]).await?;
    let letter = reached.received(VARIANT).unwrap_or_default().to_ascii_lowercase();
    assert_eq!(reached.service, format!("cluster-{letter}"), "user {user}");
    Ok(letter)
}

#[tokio::test]
async fn ids_and_intervals_lead_to_the_yellow_cluster() -> Result<()> {
    let fleet = Example::inline("red-yellow-green").await?;
    assert_claims(&fleet, 4).await?;
    for (user, expected) in [
        ("1", "a"),
        ("3", "a"),
        ("4", "b"),
        ("tester-1", "a"),
        ("tester-2", "b"),
        ("99", "b"),
        ("100", "a"),
        ("199", "a"),
        ("200", "b"),
        ("599", "b"),
        ("600", "a"),
        ("10000", "a"),
        ("10001", "b"),
        ("-1", "b"),
        ("99999999999999999999", "b"),
        ("1.5", "b"),
    ] {
        assert_eq!(cluster_of(&fleet, user).await?, expected, "user {user}");
    }
    for (headers, expected) in [
        (&[][..], "cluster-b"),
        (&[("cookie", "uid=150")], "cluster-a"),
        (&[("x-user-id", "4"), ("cookie", "uid=150")], "cluster-b"),
        (&[(VARIANT, "C")], "cluster-b"),
        (&[(VARIANT, "C"), ("x-user-id", "1")], "cluster-a"),
    ] {
        assert_eq!(fleet.ask("/", headers).await?.service, expected, "{headers:?}");
    }
    assert_eq!(fleet.service("cluster-c").received().len(), 0, "red is never chosen");
    fleet.assert_no_traps().await
}

/// Who serves whom after a step: a tester, one of the interval, and one of each half of the others; then who gets nobody.
struct After {
    step: &'static str,
    tester: &'static str,
    interval: [&'static str; 2],
    others: [&'static str; 2],
}

const UPGRADE: [After; 7] = [
    After { step: "1-two-green", tester: "ab", interval: ["a", "b"], others: ["a", "b"] },
    After { step: "2-test-ids", tester: "c", interval: ["a", "b"], others: ["a", "b"] },
    After { step: "3-interval", tester: "c", interval: ["c", "c"], others: ["a", "b"] },
    After { step: "4-c-green", tester: "c", interval: ["c", "c"], others: ["c", "c"] },
    After { step: "5-a-red", tester: "c", interval: ["c", "c"], others: ["c", "c"] },
    // Only the users of B moved, to A: those who were A's stay where A's users went.
    After { step: "6-a-replaced", tester: "ac", interval: ["c", "a"], others: ["c", "a"] },
    After { step: "7-b-replaced", tester: "ab", interval: ["a", "b"], others: ["a", "b"] },
];

/// The whole way up, down again to the start, and up once more through the replacement of one cluster after another; no
/// request fails on the way.
#[tokio::test]
async fn the_upgrade_and_the_rollback() -> Result<()> {
    let fleet = Example::start("red-yellow-green").await?;
    fleet.put("steps/1-two-green.yaml").await?;
    let interval = [user_of(&fleet, 1..=1000, "a").await?, user_of(&fleet, 1..=1000, "b").await?];
    let others = [user_of(&fleet, 2001..=3000, "a").await?, user_of(&fleet, 2001..=3000, "b").await?];
    let traffic = Traffic::start(&fleet);
    let there_and_back = [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 6];
    for at in there_and_back {
        let after = &UPGRADE[at];
        fleet.put(&format!("steps/{}.yaml", after.step)).await?;
        for tester in ["9001", "9002", "tester-1"] {
            let cluster = cluster_of(&fleet, tester).await?;
            assert!(after.tester.contains(&cluster), "{}: {tester} at {cluster}", after.step);
        }
        for (users, expected) in [(&interval, after.interval), (&others, after.others)] {
            for (user, expected) in users.iter().zip(expected) {
                assert_eq!(cluster_of(&fleet, user).await?, expected, "{}: user {user}", after.step);
            }
        }
    }
    assert!(traffic.end().await? > 100, "hardly any traffic flowed");
    fleet.assert_no_traps().await
}

/// A red cluster gets nothing at all, so it can be taken away while it is red.
#[tokio::test]
async fn nobody_reaches_a_red_cluster() -> Result<()> {
    let fleet = Example::start("red-yellow-green").await?;
    for (step, red) in [("1-two-green", "c"), ("5-a-red", "a"), ("6-a-replaced", "b"), ("7-b-replaced", "c")]
    {
        fleet.put(&format!("steps/{step}.yaml")).await?;
        let written: Value = serde_saphyr::from_str(&fleet.antumbra(&["policy", "show"]).await?)?;
        assert_eq!(written["variants"][red.to_ascii_uppercase()]["state"], "red", "{step}");
        fleet.forget();
        for user in (1..=150).chain(9001..=9002) {
            cluster_of(&fleet, &user.to_string()).await?;
        }
        assert_eq!(fleet.service(&format!("cluster-{red}")).received().len(), 0, "{step}");
    }
    Ok(())
}

#[tokio::test]
async fn two_green_clusters_share_the_users() -> Result<()> {
    let fleet = Example::start("red-yellow-green").await?;
    fleet.put("steps/1-two-green.yaml").await?;
    let mut first = Vec::new();
    for user in 0..400 {
        first.push(cluster_of(&fleet, &user.to_string()).await?);
    }
    let at_b = first.iter().filter(|cluster| *cluster == "b").count();
    assert!(is_share(at_b, first.len(), 50.0), "{at_b} of {}", first.len());
    for (user, before) in first.iter().enumerate() {
        assert_eq!(cluster_of(&fleet, &user.to_string()).await?, *before, "user {user} was moved");
    }
    // Who has no id goes where the default goes.
    for _ in 0..20 {
        assert_eq!(fleet.ask("/", &[]).await?.service, "cluster-a");
    }

    // A replaced by C: only the users of A move. So it is when B is replaced by A.
    fleet.put("steps/6-a-replaced.yaml").await?;
    for (user, before) in first.iter().enumerate() {
        let expected = if before == "a" { "c" } else { "a" };
        assert_eq!(cluster_of(&fleet, &user.to_string()).await?, expected, "user {user}");
    }
    Ok(())
}

async fn user_of(fleet: &Example, among: std::ops::RangeInclusive<u32>, cluster: &str) -> Result<String> {
    for user in among {
        if cluster_of(fleet, &user.to_string()).await? == cluster {
            return Ok(user.to_string());
        }
    }
    anyhow::bail!("nobody is at {cluster}")
}

/// Requests one after another until it is told to end, none of which may fail.
struct Traffic {
    over: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Result<u64>>,
}

impl Traffic {
    fn start(fleet: &Example) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (seen, url) = (Arc::clone(&over), format!("http://{}/traffic", fleet.envoy.address));
        let task = tokio::spawn(async move {
            let (client, mut sent) = (Client::default(), 0);
            while !seen.load(Ordering::Relaxed) {
                let answer = client.get(&url).await?;
                ensure!(answer.status == 200, "request {sent}: {} {}", answer.status, answer.text());
                sent += 1;
            }
            Ok(sent)
        });
        Self { over, task }
    }

    async fn end(self) -> Result<u64> {
        self.over.store(true, Ordering::Relaxed);
        self.task.await?
    }
}
