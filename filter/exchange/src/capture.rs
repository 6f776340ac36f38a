//! What is kept of a request that was mirrored: enough for its shadows, and for the observation.

use std::sync::Arc;
use std::time::Duration;

use antumbra_observation::{Bytes, ExchangeId, Leg, Observation, Request, VERSION};
use antumbra_policy::{Mirror, Policy};

use crate::headers::Headers;

/// A complete exchange whose shadows can leave: the request, the primary's answer, and the mirrors that sampled it.
#[derive(Debug, Clone)]
pub struct Capture {
    pub(crate) id: ExchangeId,
    pub(crate) generation: u64,
    pub(crate) policy: Arc<Policy>,
    /// What the client sent under the names that the primary's variant changed; `None`: nothing.
    pub(crate) before: Vec<(String, Option<Bytes>)>,
    pub(crate) at_us: u64,
    /// The same moment by the clock that never goes back.
    pub(crate) arrived: Duration,
    /// Who asked, if that is known.
    pub(crate) client: Option<u32>,
    /// Each with whether the control is asked too.
    pub(crate) mirrors: Vec<(Arc<Mirror>, bool)>,
    /// As the observation carries it.
    pub(crate) request: Request,
    /// As finally routed, pseudo headers included: what the shadow requests are made of.
    pub(crate) routed: Headers,
    /// As the client sent them, without pseudo headers: what those of the shadow requests are made of.
    pub(crate) trailers: Headers,
    pub(crate) primary: Leg,
    /// What [`Exchange::reserved`] said while it was recorded.
    pub(crate) reserved: usize,
}

impl Capture {
    /// As the comparator hears of it.
    pub(crate) fn observation(
        self,
        release: &str,
        mirror: &Mirror,
        candidate: Leg,
        control: Option<Leg>,
    ) -> Observation {
        Observation {
            version: VERSION,
            id: self.id,
            release: release.to_owned(),
            generation: self.generation,
            rule: Some(mirror.rule.clone()),
            at_us: self.at_us,
            client: self.client,
            request: self.request,
            primary: self.primary,
            candidate,
            control,
        }
    }

    /// As a leg says when it left.
    pub(crate) fn sent_us(&self, left: Duration) -> Option<u32> {
        sent_us(self.arrived, left)
    }

    /// Bytes of bodies that it holds.
    pub(crate) fn held_bytes(&self) -> usize {
        let response = self.primary.response.as_ref().map_or(0, |response| response.body.held());
        self.request.body.held().saturating_add(response)
    }
}

/// Microseconds from the arrival of a request to a call of its exchange; `None` for more than a leg can say.
pub(crate) fn sent_us(arrived: Duration, left: Duration) -> Option<u32> {
    u32::try_from(left.saturating_sub(arrived).as_micros()).ok()
}
