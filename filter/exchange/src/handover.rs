//! Exchanges whose shadow calls the comparator makes: on their way to it as observations are, with the calls written out.
//!
//! A repeat would call the services twice, so a batch that got no answer is not sent again but counted as unknown. What a mirror may
//! have in flight counts from here on, the wait for the batch included: the comparator may be asking as soon as it has left.

use std::sync::Arc;
use std::time::Duration;

use antumbra_observation::{Accounts, Handover, Leg, ShadowRequest, encode_handover};
use antumbra_policy::{Mirror, Variant};

use crate::capture::Capture;
use crate::outbox::{Batch, LARGEST_OBSERVATION, Outbox, Receipt, Repeats};
use crate::{shadow, trailers};

/// What one instance hands over.
pub(crate) struct Handovers {
    pub(crate) outbox: Outbox,
    /// The longest timeout so far of a call that is handed over.
    pub(crate) longest: Duration,
    /// Exchanges of mirrors that are bounded, each with the batch that it is in.
    bounded: Vec<(u64, Arc<Mirror>)>,
}

impl Handovers {
    /// An empty one that holds at most `capacity` bytes.
    pub(crate) fn new(capacity: usize) -> Self {
        let outbox = Outbox::new(capacity, Repeats::NotTold);
        Self { outbox, longest: Duration::ZERO, bounded: Vec::new() }
    }

    /// Whether as many exchanges of a mirror are handed over, and not settled, as it may have in flight.
    pub(crate) fn is_full(&self, mirror: &Arc<Mirror>) -> bool {
        let of_mirror = || self.bounded.iter().filter(|(_, known)| Arc::ptr_eq(known, mirror)).count();
        mirror.max_in_flight.is_some_and(|most| of_mirror() >= most)
    }

    /// Adds an exchange; answers a batch if one is full.
    pub(crate) fn push(
        &mut self,
        capture: &Arc<Capture>,
        mirror: &Arc<Mirror>,
        control: Option<&Arc<Variant>>,
        release: &str,
        now: Duration,
        accounts: &mut Accounts,
    ) -> Option<Batch> {
        self.longest = self.longest.max(mirror.timeout);
        let (sequence, before) = self.outbox.open();
        let batch = self.outbox.push(&encoded(handover(capture, mirror, control, release)), now, accounts);
        let taken = batch.is_some() || self.outbox.open().1 > before;
        if mirror.max_in_flight.is_some() && taken {
            self.bounded.push((sequence, Arc::clone(mirror)));
        }
        batch
    }

    /// The answer to a batch.
    pub(crate) fn settle(&mut self, sequence: u64, receipt: Receipt, now: Duration, accounts: &mut Accounts) {
        self.outbox.settle(sequence, receipt, now, accounts);
        let outbox = &self.outbox;
        self.bounded.retain(|(batch, _)| outbox.holds(*batch));
    }

    /// Gives up what is left: the root context ends now.
    pub(crate) fn abandon(&mut self, accounts: &mut Accounts) {
        self.outbox.abandon(accounts);
        self.bounded.clear();
    }
}

fn handover(
    capture: &Arc<Capture>,
    mirror: &Mirror,
    control: Option<&Arc<Variant>>,
    release: &str,
) -> Handover {
    let request = |to: &Variant| ShadowRequest {
        variant: to.name.clone(),
        target: to.cluster.clone(),
        headers: shadow::request_headers(capture, to, mirror),
        trailers: trailers::of_request(capture, to, mirror),
    };
    let unasked = Leg::not_sent(&mirror.to.name, None);
    Handover {
        observation: Capture::clone(capture).observation(release, mirror, unasked, None),
        candidate: request(&mirror.to),
        control: control.map(|control| request(control)),
        timeout_ms: u64::try_from(mirror.timeout.as_millis()).unwrap_or(u64::MAX),
        kept: mirror.max_body_bytes,
    }
}

/// A handover that is too large keeps of the primary's answer what decides equality, and of the others no more.
fn encoded(mut handover: Handover) -> Vec<u8> {
    let bytes = encode_handover(&handover);
    if bytes.len() <= LARGEST_OBSERVATION {
        return bytes;
    }
    handover.kept = 0;
    if let Some(response) = &mut handover.observation.primary.response {
        response.body.cut();
    }
    encode_handover(&handover)
}
