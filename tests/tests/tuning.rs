//! Changes reach the running proxy: the mirrored share, the weights, and no bad policy.

use antumbra_e2e::envoy_config::{CONNECTION_MANAGER, EnvoyConfig};
use antumbra_e2e::patience::until;
use antumbra_e2e::services::Services;
use antumbra_e2e::upstream::{Behaviour, Reply};
use antumbra_e2e::world::World;
use anyhow::Result;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

/// All of them answer.
async fn services() -> Result<Services> {
    Services::alike(Behaviour::Answer(Reply::json(r#"{"ok":true}"#))).await
}

/// Everything to stable, nothing mirrored yet.
const QUIET: &str = "
version: 1
name: shop
variants:
  stable: {cluster: stable}
  canary: {cluster: canary}
  candidate: {cluster: canary-shadow}
  control: {cluster: control}
default: stable
rules:
- name: mirror
  mirror: [{to: candidate, percent: 0, control: {to: control, percent: 100}}]
- name: split
  split: {by: ['cookie:uid'], weights: {canary: 0, stable: 100}}
";

#[tokio::test]
async fn the_mirrored_share_follows_the_command_line_while_traffic_flows() -> Result<()> {
    let services = services().await?;
    let world = World::start(services.versions(), QUIET).await?;
    let mut sent = 0;
    // Requests, share, and six standard deviations of the binomial count around it.
    for (share, requests, expected, tolerance) in
        [(None, 500, 0, 0), (Some("50%"), 1_000, 500, 95), (Some("5%"), 1_000, 50, 42)]
    {
        if let Some(share) = share {
            world.comparator.cli(&["mirror", "set", share, "--reason", "test"]).await?;
            world.converged().await?;
        }
        let before = services.canary.received().len();
        world.drive(requests, 8, |number| format!("/item/{number}"), || {}).await?;
        sent += requests;
        let accounts = world.settled(sent).await?;
        let mirrored = services.canary.received().len() - before;
        assert!(
            mirrored.abs_diff(expected) <= tolerance,
            "{share:?}: {mirrored} of {requests} were mirrored"
        );
        assert_eq!(accounts.requests, accounts.mirrored + accounts.not_mirrored);
        assert_eq!(
            (accounts.mirrored, accounts.delivered),
            (services.canary.received().len() as u64, accounts.mirrored)
        );
    }
    assert_eq!(services.stable.received().len() as u64, sent, "every request was served");
    assert_eq!(services.control.received().len(), services.canary.received().len());
    assert!(
        services.canary.received().iter().all(|request| request.headers.contains_key("x-antumbra-shadow"))
    );
    assert!(
        services.stable.received().iter().all(|request| !request.headers.contains_key("x-antumbra-shadow"))
    );

    let audit = world.comparator.cli(&["audit"]).await?;
    assert!(audit.contains("50") && audit.contains("test"), "{audit}");
    assert_eq!(world.comparator.report("shop").await?["exchanges"], services.canary.received().len());
    world.assert_no_traps().await
}

#[tokio::test]
async fn weights_move_users_and_keep_each_on_a_side() -> Result<()> {
    let services = services().await?;
    // Without Envoy's own guard, so that it is the filter that keeps clients from choosing.
    let unguarded = |mut config: EnvoyConfig| {
        *config.at(&format!("{CONNECTION_MANAGER}/route_config/internal_only_headers"))? = json!([]);
        Ok(config)
    };
    let world = World::start_with(services.versions(), QUIET, unguarded).await?;
    let ask = async |user: u32| -> Result<()> {
        let request = Request::get(world.url("/")).header("cookie", format!("uid=user-{user}"));
        let forged = request.header("x-antumbra-variant", "canary");
        assert_eq!(world.client.send(forged.body(Full::default())?).await?.status, 200);
        Ok(())
    };
    for user in 0..50 {
        ask(user).await?;
    }
    assert_eq!(services.canary.received().len(), 0, "a client cannot choose its variant");

    world.comparator.cli(&["weights", "set", "canary=50", "stable=50"]).await?;
    world.converged().await?;
    let mut on_canary = 0;
    for user in 0..200 {
        let before = services.canary.received().len();
        for _ in 0..3 {
            ask(user).await?;
        }
        let times = services.canary.received().len() - before;
        assert!(times == 0 || times == 3, "user {user} was moved");
        on_canary += usize::from(times == 3);
    }
    // Six standard deviations.
    assert!(on_canary.abs_diff(100) <= 43, "{on_canary} of 200 users");
    Ok(())
}

/// `default: null` leaves the route to the host, and still no client chooses.
#[tokio::test]
async fn without_a_default_the_host_routes() -> Result<()> {
    let services = services().await?;
    let unguarded = |mut config: EnvoyConfig| {
        *config.at(&format!("{CONNECTION_MANAGER}/route_config/internal_only_headers"))? = json!([]);
        Ok(config)
    };
    let policy = "{version: 1, name: shop, variants: {canary: {cluster: canary}}, default: null, rules: [
        {matches: [{cookies: {canary: '1'}}], to: canary}]}";
    let world = World::start_with(services.versions(), policy, unguarded).await?;
    for (cookie, canary) in [("canary=0", 0), ("canary=1", 1)] {
        let request =
            Request::get(world.url("/")).header("cookie", cookie).header("x-antumbra-variant", "canary");
        assert_eq!(world.client.send(request.body(Full::default())?).await?.status, 200);
        assert_eq!(services.canary.received().len(), canary, "{cookie}");
    }
    Ok(())
}

#[tokio::test]
async fn a_bad_policy_is_refused_whole_and_the_last_good_one_stays() -> Result<()> {
    let services = services().await?;
    let world = World::start(services.versions(), QUIET).await?;
    let bad =
        QUIET.replace("percent: 0,", "percent: 101, pecent: 1,").replace("to: candidate", "to: candidat");
    let file = world.directory().join("bad.yaml");
    std::fs::write(&file, bad)?;
    let output = world.comparator.cli_output(&["policy", "put", &file.to_string_lossy()]).await?;
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr)?;
    for problem in [
        "rules[0].mirror[0].percent is 101, must be within 0..=100",
        "rules[0].mirror[0].pecent is not a known field; did you mean \"percent\"?",
        "did you mean \"candidate\"?",
    ] {
        assert!(said.contains(problem), "{problem}\nis not in\n{said}");
    }
    let status: Value = world.comparator.get("/v1/status").await?;
    assert_eq!(status["releases"][0]["generation"], 1);
    assert_eq!(world.get("/").await?.status, 200);
    Ok(())
}

/// The shipped Envoy has a route for `canary` and none for `lost`, and no cluster `nowhere`.
#[tokio::test]
async fn what_the_proxy_lacks_is_told() -> Result<()> {
    let services = services().await?;
    let policy = QUIET
        .replace(
            "candidate: {cluster: canary-shadow}",
            "candidate: {cluster: nowhere}\n  lost: {cluster: elsewhere}",
        )
        .replace("percent: 0", "percent: 100")
        .replace(
            "split: {by: ['cookie:uid'], weights: {canary: 0, stable: 100}}",
            "split: {weights: {canary: 1, lost: 1}}",
        );
    let world = World::start_with(services.versions(), &policy, |config| Ok(config.node("edge-1"))).await?;
    world.drive(100, 4, |number| format!("/item/{number}"), || {}).await?;
    let told = until("the filters told what they met", || async {
        let release = world.comparator.get("/v1/status").await?["releases"][0].clone();
        let troubles = release["troubles"].as_array().cloned().unwrap_or_default();
        Ok((troubles.len() >= 2).then_some(release))
    })
    .await?;
    let troubles: Vec<_> = told["troubles"].as_array().into_iter().flatten().collect();
    let named: Vec<_> = troubles.iter().map(|one| (&one["kind"], &one["subject"], &one["detail"])).collect();
    let [cluster, route] = [("unknown_cluster", "nowhere", "candidate"), ("no_route", "lost", "stable")];
    let expected =
        [cluster, route].map(|(kind, subject, detail)| (json!(kind), json!(subject), json!(detail)));
    assert_eq!(named, expected.each_ref().map(|(kind, subject, detail)| (kind, subject, detail)));
    assert_eq!(told["filters"][0]["node"], "edge-1");
    let report = world.comparator.cli(&["report"]).await?;
    assert!(report.contains("the proxy has no cluster \"nowhere\""), "{report}");
    world.assert_no_traps().await
}
