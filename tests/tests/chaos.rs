//! Whatever goes wrong behind the mirror, the clients get the stable version's answers, byte for byte, and every request is
//! accounted for.
//!
//! One row per fault, one column per place where it strikes; each cell is a test with an Envoy of its own.

use std::time::Duration;

use antumbra_e2e::clients::{self, Clients};
use antumbra_e2e::comparator::Comparator;
use antumbra_e2e::envoy_config::EnvoyConfig;
use antumbra_e2e::misbehaving::Misbehaviour::{
    AnswersAfter, BreaksOff, Dies, Drips, FloodsHeaders, IsABlackHole, NeverEnds, Refuses, TalksNonsense,
};
use antumbra_e2e::misbehaving::{Misbehaving, Misbehaviour};
use antumbra_e2e::upstream::{Behaviour, Upstream};
use antumbra_e2e::world::{Accounts, Versions, World};
use anyhow::Result;
use serde_json::json;

macro_rules! chaos {
    ($($fault:expr => $candidate:ident $control:ident $comparator:ident)*) => {$(
        #[tokio::test]
        async fn $candidate() -> Result<()> {
            shadow_strikes(Shadow::Candidate, $fault).await
        }

        #[tokio::test]
        async fn $control() -> Result<()> {
            shadow_strikes(Shadow::Control, $fault).await
        }

        #[tokio::test]
        async fn $comparator() -> Result<()> {
            comparator_strikes($fault).await
        }
    )*};
}

chaos! {
    Refuses            => candidate_refuses             control_refuses             comparator_refuses
    Dies               => candidate_dies                control_dies                comparator_dies
    IsABlackHole       => candidate_is_a_black_hole     control_is_a_black_hole     comparator_is_a_black_hole
    AnswersAfter(LATE) => candidate_answers_too_late    control_answers_too_late    comparator_answers_too_late
    Drips              => candidate_drips               control_drips               comparator_drips
    NeverEnds          => candidate_never_ends          control_never_ends          comparator_never_ends
    TalksNonsense      => candidate_talks_nonsense      control_talks_nonsense      comparator_talks_nonsense
    BreaksOff          => candidate_breaks_off          control_breaks_off          comparator_breaks_off
    FloodsHeaders      => candidate_floods_headers      control_floods_headers      comparator_floods_headers
}

/// Everything is mirrored, writes and large bodies included, and a shadow may take 300 ms.
const MIRROR_ALL: &str = "
version: 1
name: shop
variants:
  stable: {cluster: stable}
  candidate: {cluster: canary-shadow}
  control: {cluster: control, isolated: true}
default: stable
rules:
- mirror:
  - to: candidate
    percent: 100
    unsafeMethods: allow
    timeout: 300ms
    maxBodyBytes: 400000
    control: {to: control, percent: 100}
";

/// Later than a shadow may be, and than the comparator may be.
const LATE: Duration = Duration::from_millis(1500);
const SENT: u64 = 150;

enum Shadow {
    Candidate,
    Control,
}

async fn shadow_strikes(shadow: Shadow, fault: Misbehaviour) -> Result<()> {
    let misbehaving = Misbehaving::start(fault)?;
    let stable = Upstream::start(Behaviour::Made(clients::stable)).await?;
    let healthy = Upstream::start(Behaviour::Made(clients::stable)).await?;
    let (canary, control) = match shadow {
        Shadow::Candidate => (misbehaving.address(), healthy.address()),
        Shadow::Control => (healthy.address(), misbehaving.address()),
    };
    let world = World::start(Versions { stable: stable.address(), canary, control }, MIRROR_ALL).await?;
    Clients::of(&world).drive(0..SENT).await?;
    let accounts = world.settled(SENT).await?;
    check(&world, &stable, &accounts, SENT).await?;
    assert_eq!(accounts.delivered, accounts.mirrored, "{accounts:?}");
    assert_eq!(world.comparator.report("shop").await?["exchanges"], accounts.delivered);
    assert_eq!(misbehaving.connections() > 0, fault != Refuses, "{} connections", misbehaving.connections());
    Ok(())
}

/// The comparator was there, so mirroring goes on for the lease after it is gone.
async fn comparator_strikes(fault: Misbehaviour) -> Result<()> {
    let ([stable, _shadows], mut world) = world().await?;
    world.comparator.kill()?;
    let misbehaving = Misbehaving::start_at(world.comparator.address, fault)?;
    Clients::of(&world).drive(0..SENT).await?;
    let accounts = world.settled_in_the_proxy(SENT).await?;
    check(&world, &stable, &accounts, SENT).await?;
    // The dying one still answers once, and what it says reads as a receipt.
    assert!(accounts.delivered < accounts.mirrored || fault == Dies, "{accounts:?}");
    assert_eq!(misbehaving.connections() > 0, fault != Refuses, "{} connections", misbehaving.connections());
    Ok(())
}

#[tokio::test]
async fn comparator_is_killed_and_comes_back_under_load() -> Result<()> {
    let ([stable, _shadows], mut world) = world().await?;
    let mut load = Clients::of(&world).go_on();
    let (address, directory) = (world.comparator.address, world.directory().to_owned());
    for _ in 0..2 {
        load.goes_on(100).await?;
        world.comparator.kill()?;
        load.goes_on(100).await?;
        world.comparator = Comparator::start(&directory, address, None).await?;
        world.converged().await?;
    }
    load.goes_on(100).await?;
    let sent = load.end().await?;
    let accounts = world.settled(sent).await?;
    check(&world, &stable, &accounts, sent).await?;
    let stored = world.comparator.report("shop").await?["exchanges"].as_u64().unwrap_or(0);
    let at_most = accounts.delivered + accounts.unknown;
    assert!((accounts.delivered..=at_most).contains(&stored), "{stored} stored, {accounts:?}");
    Ok(())
}

/// A release in good health, with less patience for its comparator than the other tests have.
async fn world() -> Result<([Upstream; 2], World)> {
    let healthy = || Upstream::start(Behaviour::Made(clients::stable));
    let (stable, shadows) = (healthy().await?, healthy().await?);
    let versions =
        Versions { stable: stable.address(), canary: shadows.address(), control: shadows.address() };
    let world = World::start_with(versions, MIRROR_ALL, impatient).await?;
    Ok(([stable, shadows], world))
}

fn impatient(config: EnvoyConfig) -> Result<EnvoyConfig> {
    let comparator = json!({"cluster": "antumbra", "poll": "250ms", "timeout": "1s"});
    config.plugin(&json!({"release": "shop", "comparator": comparator}))
}

/// That each request came to the stable version once, that the filters and the proxy count alike, and that nothing trapped.
async fn check(world: &World, stable: &Upstream, accounts: &Accounts, sent: u64) -> Result<()> {
    assert_eq!(stable.received().len() as u64, sent, "every request was served, and once");
    assert_eq!(accounts.requests, sent, "{accounts:?}");
    assert!(accounts.add_up() && accounts.mirrored > 0, "{accounts:?}");
    assert_eq!(world.settled_in_the_proxy(sent).await?, *accounts, "the proxy's statistics");
    assert_eq!(world.envoy.statistic("http.shop.downstream_rq_5xx").await?, expected_errors(sent));
    world.assert_no_traps().await
}

/// Answers of the stable version that are 500 by their number.
fn expected_errors(sent: u64) -> u64 {
    (0..sent).filter(|number| number % 7 == 4).count() as u64
}
