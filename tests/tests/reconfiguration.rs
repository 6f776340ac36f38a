//! The proxy gets a new plugin configuration while traffic flows: nobody notices, nothing is lost uncounted, nothing traps.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use antumbra_e2e::envoy_config::EnvoyConfig;
use antumbra_e2e::patience::until;
use antumbra_e2e::services::Services;
use antumbra_e2e::upstream::{Behaviour, Reply};
use antumbra_e2e::world::World;
use anyhow::Result;
use serde_json::{Value, json};

const POLICY: &str = "
version: 1
name: shop
variants: {stable: {cluster: stable}, candidate: {cluster: canary-shadow}, control: {cluster: control}}
default: stable
rules:
- mirror: [{to: candidate, percent: 100, control: {to: control, percent: 100}}]
";

#[tokio::test]
async fn a_new_configuration_under_load_harms_nobody() -> Result<()> {
    harms_nobody("envoy").await
}

/// Where calls leave on the tick alone, an instance that ends needs a few more ticks.
#[tokio::test]
async fn a_new_configuration_under_load_harms_nobody_in_the_generic_profile() -> Result<()> {
    harms_nobody("generic").await
}

async fn harms_nobody(host: &str) -> Result<()> {
    let slow = Behaviour::Slow(Duration::from_millis(20), Reply::json("{}"));
    let services = Services::start([Behaviour::Answer(Reply::json("{}")), slow.clone(), slow]).await?;
    let directory = tempfile::tempdir()?;
    let watched = directory.path().join("listeners.json");
    let mut shipped = None;
    let world = World::start_with(services.versions(), POLICY, |config| {
        let config = config.plugin(&plugin(host, 250))?.listener(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        shipped = Some(config.clone());
        let (config, listeners) = config.watched(&watched)?;
        std::fs::write(&watched, listeners)?;
        Ok(config)
    })
    .await?;
    let shipped = shipped.expect("the configuration was changed on the way");

    let sent = Cell::new(0);
    for milliseconds in [260, 270, 280] {
        reconfigure(&shipped, &watched, &plugin(host, milliseconds))?;
        let old = world.comparator.get("/v1/status").await?["releases"][0]["filters"]
            .as_array()
            .map_or(0, Vec::len);
        until("the new filters speak", || async {
            world.drive(100, 4, |number| format!("/item/{number}"), || {}).await?;
            sent.set(sent.get() + 100);
            let status = world.comparator.get("/v1/status").await?;
            let filters = status["releases"][0]["filters"].as_array().map_or(0, Vec::len);
            Ok((filters > old).then_some(()))
        })
        .await?;
    }
    let sent = sent.get();
    let accounts = world.settled(sent).await?;
    assert_eq!(services.stable.received().len() as u64, sent, "every request was served");
    assert_eq!(accounts.requests, sent, "every request is accounted for");
    assert_eq!(accounts.requests, accounts.mirrored + accounts.not_mirrored);
    assert_eq!(accounts.mirrored, accounts.delivered, "{accounts:?}");
    assert_eq!(world.comparator.report("shop").await?["exchanges"], accounts.delivered);
    world.assert_no_traps().await
}

fn plugin(host: &str, milliseconds: u64) -> Value {
    let comparator = json!({"cluster": "antumbra", "poll": format!("{milliseconds}ms"), "timeout": "10s"});
    json!({"host": host, "release": "shop", "comparator": comparator})
}

fn reconfigure(shipped: &EnvoyConfig, watched: &Path, plugin: &Value) -> Result<()> {
    let (_, listeners) = shipped.clone().plugin(plugin)?.watched(watched)?;
    let new = watched.with_extension("new");
    std::fs::write(&new, listeners)?;
    std::fs::rename(new, watched)?;
    Ok(())
}
