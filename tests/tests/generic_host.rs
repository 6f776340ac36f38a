//! The filter as any proxy-wasm host may have it: in Envoy this profile mirrors and splits as the other does, a tick later.

use antumbra_e2e::services::Services;
use antumbra_e2e::upstream::{Behaviour, Reply};
use antumbra_e2e::world::World;
use anyhow::Result;
use http::Request;
use http_body_util::Full;
use serde_json::json;

const POLICY: &str = "
version: 1
name: shop
variants: {stable: {cluster: stable}, canary: {cluster: canary}, candidate: {cluster: canary-shadow}, control: {cluster: control}}
default: stable
rules:
- mirror: [{to: candidate, percent: 100, control: {to: control, percent: 100}}]
- matches: [{cookies: {canary: \"1\"}}]
  to: canary
";

#[tokio::test]
async fn the_generic_profile_splits_and_mirrors_in_envoy() -> Result<()> {
    let answering = |body| Behaviour::Answer(Reply::json(body));
    let services = Services::start(["[1]", "[2]", "[1]"].map(answering)).await?;
    let Services { stable, canary, control } = &services;
    let comparator = json!({"cluster": "antumbra", "poll": "250ms", "timeout": "10s"});
    let plugin = json!({"host": "generic", "release": "shop", "comparator": comparator});
    let world = World::start_with(services.versions(), POLICY, |config| config.plugin(&plugin)).await?;

    world.drive(100, 4, |number| format!("/item/{number}"), || {}).await?;
    let chosen = Request::get(world.url("/")).header("cookie", "canary=1").body(Full::default())?;
    assert_eq!(world.client.send(chosen).await?.body, "[2]");
    let accounts = world.settled(101).await?;
    assert_eq!((accounts.requests, accounts.mirrored, accounts.delivered), (101, 101, 101));
    assert_eq!(stable.received().len(), 100);
    assert_eq!((canary.received().len(), control.received().len()), (102, 101));
    let report = world.comparator.report("shop").await?;
    assert_eq!(report["exchanges"], 100, "the other was answered elsewhere");
    world.assert_no_traps().await
}
