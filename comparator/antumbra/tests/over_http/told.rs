//! What keeps filters from doing what a policy says, in status and report.

use antumbra_observation::{Accounts, Heartbeat, Instance, NotMirrored, Trouble, TroubleKind};

use crate::command_line::antumbra;
use crate::policies::tell;
use crate::server::{SHOP, World};

fn beat(instance: u128) -> Heartbeat {
    let accounts =
        Accounts { requests: 9, not_mirrored: [(NotMirrored::NotSampled, 9)].into(), ..Accounts::default() };
    Heartbeat::new("shop", Instance(instance), Some(1), accounts)
}

#[tokio::test]
async fn what_filters_met_is_told_by_status_and_report_until_it_is_mended() {
    let world = World::with_shop().await;
    let unknown = Trouble::new(TroubleKind::UnknownCluster, "canary", "candidate");
    let secret =
        Trouble::new(TroubleKind::MissingSecret, "override", "is signed with \"k\"").of_generation(Some(2));
    for (instance, troubles) in [(1, vec![unknown.clone()]), (2, vec![unknown, secret])] {
        let node = Some("edge-1".to_owned());
        let filter_version = (instance == 1).then(|| "0.0.9".to_owned());
        let told = Heartbeat { troubles, node, filter_version, ..beat(instance) };
        assert_eq!(tell(world.address, &told).await.status, 204);
    }
    let release = world.get("/v1/status").await.json()["releases"][0].clone();
    let told = release["troubles"].as_array().unwrap();
    let shown =
        |at: usize| (told[at]["kind"].clone(), told[at]["filters"].clone(), told[at]["generation"].clone());
    assert_eq!(shown(0), ("missing_secret".into(), 1.into(), 2.into()));
    assert_eq!(shown(1), ("unknown_cluster".into(), 2.into(), serde_json::Value::Null));
    assert_eq!(release["filters"][1]["troubles"].as_array().unwrap().len(), 2);
    let cluster = "the proxy has no cluster \"canary\", so no shadow reaches the candidate (2 filters)";
    let key = "1 filter refuses generation 2, so the last good policy stays: override is signed with \"k\"";
    let status = antumbra(&world, "status").await.out;
    let versions = "  versions: not said (1 filter), 0.0.9 (1 filter)\n";
    for words in
        [versions, cluster, key, "node edge-1\n", "filters: 2 alive\n", "not mirrored: not_sampled 18\n"]
    {
        assert!(status.contains(words), "{words}: {status}");
    }
    let doctor = antumbra(&world, "doctor").await.out;
    let versions = "warning  release shop filter versions: not said (1 filter), 0.0.9 (1 filter), and the comparator is ";
    assert!(doctor.contains(versions), "{doctor}");
    let own = format!(" version: {}, as this command line\n", env!("CARGO_PKG_VERSION"));
    assert!(doctor.contains(&own), "{doctor}");
    let report = antumbra(&world, "report").await.out;
    assert!(report.contains(cluster) && report.contains(key), "{report}");
    for instance in [1, 2] {
        tell(world.address, &beat(instance)).await;
    }
    assert_eq!(world.get("/v1/status").await.json()["releases"][0]["troubles"].as_array().unwrap().len(), 0);
    assert!(!world.get("/v1/releases/shop/report").await.text.contains("no shadow reaches"));
}

/// The comparator knows by itself where it has no address, before any filter hands something over.
#[tokio::test]
async fn a_mirror_that_is_left_to_the_comparator_without_a_target_is_told() {
    let world = World::with_shop().await;
    let handed = SHOP.replace("percent: 5,", "percent: 5, via: comparator,");
    assert_eq!(world.put("shop", &handed).await.status, 200);
    let status = antumbra(&world, "status").await.out;
    for (cluster, leg) in [("canary", "candidate"), ("control", "control")] {
        let words = format!(
            "no address for the cluster \"{cluster}\" of the {leg}: start it with --target {cluster}=URL"
        );
        assert!(status.contains(&words), "{words}: {status}");
    }
    assert!(world.get("/v1/releases/shop/report").await.text.contains("--target canary=URL"));
    world.put("shop", SHOP).await;
    assert!(!antumbra(&world, "status").await.out.contains("--target"));
}

/// A policy that mirrors nothing brings no evidence, however long one waits.
#[tokio::test]
async fn a_policy_that_mirrors_nothing_is_told_until_it_does() {
    let world = World::with_shop().await;
    let off = "Mirroring is off, so no exchange comes: every mirror of the policy is at 0 %; `antumbra mirror set 10%` starts it.";
    let flat = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(!antumbra(&world, "report").await.out.contains("so no exchange comes"));
    antumbra(&world, "mirror set 0").await;
    let report = flat(antumbra(&world, "report").await.out);
    assert!(report.contains(off), "{report}");
    antumbra(&world, "mirror set 1").await;
    assert!(!antumbra(&world, "report").await.out.contains("so no exchange comes"));
    world.put("shop", &SHOP.replace("name: shadow", "name: shadow\n    enabled: false")).await;
    let report = flat(antumbra(&world, "report").await.out);
    assert!(report.contains("no rule of the policy that is enabled has a `mirror`"), "{report}");
    world
        .put("shop", &SHOP.replace("canary: {cluster: canary}", "canary: {cluster: canary, state: red}"))
        .await;
    let report = flat(antumbra(&world, "report").await.out);
    assert!(report.contains("the candidate \"canary\" is red"), "{report}");
}

/// A filter that ends is not missed, and keeps no policy from being deleted.
#[tokio::test]
async fn a_filter_that_says_that_it_ends_runs_nothing_any_more() {
    let world = World::with_shop().await;
    tell(world.address, &beat(1)).await;
    let delete = "policy delete --policy shop";
    assert_eq!(antumbra(&world, delete).await.code, 2);
    tell(world.address, &Heartbeat { ends: true, ..beat(1) }).await;
    let release = world.get("/v1/status").await.json()["releases"][0].clone();
    assert_eq!(
        (&release["filters"][0]["state"], &release["alive"]),
        (&"ended".into(), &0.into()),
        "{release}"
    );
    assert_eq!(antumbra(&world, delete).await.code, 0);
}
