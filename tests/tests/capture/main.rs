//! Every kind of exchange goes through a real Envoy unharmed, and is captured as it was, or left out with its reason.

mod grpc;
mod kinds;
mod methods;
mod routed;
mod unfinished;
mod wire;

use antumbra_e2e::envoy_config::EnvoyConfig;
use antumbra_e2e::recorded_world::RecordedWorld;
use antumbra_e2e::upstream::{Behaviour, Received, Reply, Upstream};
use antumbra_e2e::world::Versions;
use antumbra_observation::{Body, Observation, Response};
use anyhow::Result;

/// Three services and the proxy before them.
struct Scene {
    stable: Upstream,
    candidate: Upstream,
    control: Upstream,
    world: RecordedWorld,
}

impl Scene {
    /// Over HTTP/1.1; everything is mirrored but writes.
    async fn start(change: impl FnOnce(EnvoyConfig) -> Result<EnvoyConfig>) -> Result<Self> {
        Self::mirroring("", change).await
    }

    /// `more`: further fields of the mirror.
    async fn mirroring(more: &str, change: impl FnOnce(EnvoyConfig) -> Result<EnvoyConfig>) -> Result<Self> {
        let start = || Upstream::start(Behaviour::Answer(Reply::json("{}")));
        Self::before([start().await?, start().await?, start().await?], &policy(more), change).await
    }

    async fn before(
        [stable, candidate, control]: [Upstream; 3],
        policy: &str,
        change: impl FnOnce(EnvoyConfig) -> Result<EnvoyConfig>,
    ) -> Result<Self> {
        let versions =
            Versions { stable: stable.address(), canary: candidate.address(), control: control.address() };
        let world = RecordedWorld::start(versions, policy, change).await?;
        Ok(Self { stable, candidate, control, world })
    }

    /// All three, from the next request on.
    fn behave(&self, behaviour: &Behaviour) {
        for service in [&self.stable, &self.candidate, &self.control] {
            service.behave(behaviour.clone());
        }
    }

    /// Neither candidate nor control was asked anything.
    fn assert_no_shadows(&self) {
        assert_eq!((self.candidate.received(), self.control.received()), (vec![], vec![]));
    }
}

fn policy(more: &str) -> String {
    format!(
        "
version: 1
name: shop
variants: {{stable: {{cluster: stable}}, candidate: {{cluster: canary-shadow}}, control: {{cluster: control}}}}
default: stable
rules:
- mirror: [{{to: candidate, timeout: 30s, control: {{to: control}}{more}}}]
"
    )
}

/// What the client got.
fn primary(observation: &Observation) -> &Response {
    observation.primary.response.as_ref().expect("a primary is an answer")
}

/// The answers of candidate and control.
fn shadows(observation: &Observation) -> [&Response; 2] {
    let control = observation.control.as_ref().expect("a control was asked");
    [&observation.candidate, control]
        .map(|leg| leg.response.as_ref().unwrap_or_else(|| panic!("{:?}", leg.outcome)))
}

/// Both shadows were answered as the client was, byte for byte.
fn assert_same(observation: &Observation) {
    for shadow in shadows(observation) {
        assert_eq!((shadow.status, &shadow.body), (primary(observation).status, &Body::Same));
    }
}

fn header<'r>(response: &'r Response, name: &str) -> Option<&'r [u8]> {
    let found = response.headers.iter().find(|(known, _)| *known.0 == *name.as_bytes());
    found.map(|(_, value)| &value[..])
}

fn only(upstream: &Upstream) -> Received {
    let received = upstream.received();
    assert_eq!(received.len(), 1, "{received:?}");
    received[0].clone()
}
