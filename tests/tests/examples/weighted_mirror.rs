//! `weighted-mirror`: a weighted canary, and a mirror to a test cluster under another host name.

use std::collections::BTreeSet;

use antumbra_e2e::example::{Example, is_share};
use antumbra_e2e::patience::until;
use antumbra_e2e::upstream::Behaviour;
use anyhow::Result;
use http_body_util::Full;

use crate::{VARIANT, assert_claims};

const USERS: usize = 500;

/// One request of each user; answers who got the canary.
async fn round(app: &Example) -> Result<BTreeSet<usize>> {
    let mut canary = BTreeSet::new();
    for user in 0..USERS {
        let cookie = format!("uid=user-{user}");
        let reached = app.ask(&format!("/users/{user}"), &[("cookie", &cookie)]).await?;
        match &*reached.service {
            "version-v2" => assert!(canary.insert(user)),
            other => assert_eq!(other, "version-v1", "user {user}"),
        }
    }
    Ok(canary)
}

/// How many requests the test cluster got once everything that was mirrored is there.
async fn mirrored(app: &Example, requests: usize) -> Result<usize> {
    let expected = app.settled(requests as u64).await?.mirrored;
    let expected = usize::try_from(expected)?;
    until("the test cluster has what was mirrored", || async {
        let received = app.service("myservice-test").received().len();
        assert!(received <= expected, "{received} of {expected}");
        Ok((received == expected).then_some(received))
    })
    .await
}

#[tokio::test]
async fn weights_and_the_mirrored_share_change_at_run_time() -> Result<()> {
    let app = Example::start("weighted-mirror").await?;
    let (mut requests, mut before, mut canary) = (0, 0, BTreeSet::new());
    for (commands, weight, share) in [
        (&[][..], 0.0, 25.0),
        (&[&["weights", "set", "v2=10", "v1=90"][..]], 10.0, 25.0),
        (&[&["weights", "set", "v2=30", "v1=70"][..]], 30.0, 25.0),
        (&[&["mirror", "set", "50%"]], 30.0, 50.0),
        (&[&["mirror", "set", "0"]], 30.0, 0.0),
        (&[&["weights", "set", "v2=100", "v1=0"], &["mirror", "set", "100%"]], 100.0, 100.0),
    ] {
        for command in commands {
            app.antumbra(command).await?;
        }
        let now = round(&app).await?;
        assert!(is_share(now.len(), USERS, weight), "{commands:?}: {} at the canary", now.len());
        assert!(now.is_superset(&canary), "{commands:?}: {:?} lost the canary", canary.difference(&now));
        canary = now;
        requests += USERS;
        let after = mirrored(&app, requests).await?;
        assert!(is_share(after - before, USERS, share), "{commands:?}: {} mirrored", after - before);
        before = after;
    }
    // Back to the file: as at the beginning.
    app.put("policy.yaml").await?;
    assert_eq!(round(&app).await?.len(), 0);
    app.assert_no_traps().await
}

#[tokio::test]
async fn the_test_cluster_sees_its_own_host_name_and_no_credentials() -> Result<()> {
    let app = Example::start("weighted-mirror").await?;
    app.antumbra(&["mirror", "set", "100%"]).await?;
    let headers = [
        ("cookie", "uid=1; session=secret"),
        ("authorization", "Bearer secret"),
        ("x-trace", "abc"),
        ("host", "shop.example.com"),
    ];
    let reached = app.ask("/orders?id=7", &headers).await?;
    assert_eq!(mirrored(&app, 1).await?, 1);
    // The client's own request is as it was.
    for (name, value) in headers {
        assert_eq!(reached.received(name), Some(value), "{name}");
    }
    assert_eq!(reached.received("x-antumbra-shadow"), None);
    let shadow = &app.service("myservice-test").received()[0];
    assert_eq!((&*shadow.method, &*shadow.path), ("GET", "/orders?id=7"));
    assert_eq!(shadow.header("host").as_deref(), Some("myservice-test.example.com"));
    assert_eq!((shadow.header("authorization"), shadow.header("cookie")), (None, None));
    assert_eq!(shadow.header("x-trace").as_deref(), Some("abc"));
    assert_eq!(shadow.header(VARIANT).as_deref(), Some("test"));
    assert!(shadow.header("x-antumbra-shadow").is_some());
    Ok(())
}

/// Writes are not sent twice, and a test cluster that never answers keeps no client waiting.
#[tokio::test]
async fn the_mirror_does_not_harm() -> Result<()> {
    let app = Example::start("weighted-mirror").await?;
    app.antumbra(&["mirror", "set", "100%"]).await?;
    app.antumbra(&["weights", "set", "v2=10", "v1=90"]).await?;
    app.service("myservice-test").behave(Behaviour::Hang);
    let answered = round(&app);
    let answered = tokio::time::timeout(std::time::Duration::from_secs(30), answered).await??;
    assert!(is_share(answered.len(), USERS, 10.0));
    app.service("myservice-test").behave(Behaviour::Echo("myservice-test".to_owned()));
    app.settled(USERS as u64).await?;
    app.forget();
    let client = antumbra_e2e::client::Client::default();
    let post = http::Request::post(format!("http://{}/orders", app.envoy.address));
    assert_eq!(client.send(post.body(Full::from("{}"))?).await?.status, 200);
    let accounts = app.settled(USERS as u64 + 1).await?;
    assert_eq!(accounts.requests, accounts.mirrored + accounts.not_mirrored);
    assert_eq!(app.service("myservice-test").received().len(), 0, "a write was mirrored");
    app.assert_no_traps().await
}

#[tokio::test]
async fn answers_say_who_gave_them() -> Result<()> {
    let app = Example::start("weighted-mirror").await?;
    app.antumbra(&["weights", "set", "v2=10", "v1=90"]).await?;
    assert_claims(&app, 3).await
}

#[tokio::test]
async fn without_a_comparator_all_get_the_first_version_and_nothing_is_mirrored() -> Result<()> {
    let app = Example::inline("weighted-mirror").await?;
    assert_eq!(round(&app).await?.len(), 0);
    assert_eq!(app.service("myservice-test").received().len(), 0);
    Ok(())
}
