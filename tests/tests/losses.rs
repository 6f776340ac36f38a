//! A comparator that is not there: traffic goes on unharmed, what is lost is counted, and mirroring comes back.

use std::time::Duration;

use antumbra_e2e::comparator::Comparator;
use antumbra_e2e::patience::until;
use antumbra_e2e::services::Services;
use antumbra_e2e::upstream::{Behaviour, Reply};
use antumbra_e2e::world::World;
use anyhow::Result;

const POLICY: &str = "
version: 1
name: shop
variants: {stable: {cluster: stable}, candidate: {cluster: canary-shadow}, control: {cluster: control}}
default: stable
lease: 2s
rules:
- mirror: [{to: candidate, percent: 100, control: {to: control, percent: 100}}]
";

#[tokio::test]
async fn without_a_comparator_traffic_goes_on_and_losses_are_counted() -> Result<()> {
    let services = Services::alike(Behaviour::Answer(Reply::json("{}"))).await?;
    let Services { stable, canary, .. } = &services;
    let mut world = World::start(services.versions(), POLICY).await?;
    world.drive(200, 8, |_| "/".to_owned(), || {}).await?;
    world.settled(200).await?;

    let address = world.comparator.address;
    let directory = world.directory().to_owned();
    world.comparator.kill()?;
    // Until the lease has run out and the shadows stop.
    let mut quiet = 0;
    let mut sent = 200;
    while quiet < 3 {
        let before = canary.received().len();
        world.drive(50, 8, |_| "/".to_owned(), || {}).await?;
        sent += 50;
        quiet = if canary.received().len() == before { quiet + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(sent < 100_000, "mirroring never stopped");
    }
    assert_eq!(stable.received().len(), sent, "every request was served");

    world.comparator = Comparator::start(&directory, address, None).await?;
    let lost = until("mirroring is back", || async {
        let before = canary.received().len();
        world.drive(50, 8, |_| "/".to_owned(), || {}).await?;
        Ok((canary.received().len() > before).then_some(()))
    })
    .await;
    lost?;
    let accounts = world.settled(u64::try_from(stable.received().len())?).await?;
    let mirrored = u64::try_from(canary.received().len())?;
    assert_eq!((accounts.mirrored, accounts.requests), (mirrored, accounts.mirrored + accounts.not_mirrored));
    assert!(accounts.undelivered + accounts.unknown > 0, "{accounts:?}");
    let log = world.envoy.process().log();
    for told in
        ["antumbra: shop: cannot reach the comparator", "antumbra: shop: the comparator answers again"]
    {
        assert!(log.contains(told), "Envoy's log does not say {told:?}");
    }
    let report = world.comparator.report("shop").await?;
    assert_eq!(
        report["exchanges"], accounts.delivered,
        "what was acknowledged before the kill is still there"
    );
    world.assert_no_traps().await
}
