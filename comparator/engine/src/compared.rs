//! What one exchange does to the evidence, once its answers are compared: which places differ at which leg, and what is shown.
//!
//! Nothing of the observation is in it but what a report may show. So comparing can be done anywhere and by many, and what comes of
//! it can be written down, before one thread counts it.

use antumbra_observation::ExchangeId;

use crate::coins::{Bucket, bucket};
use crate::diff::Detail;
use crate::farther::{Cause, Side, Values};
use crate::guess::Sampled;
use crate::kind::{Differing, Subject};
use crate::refusal::Refusal;
use crate::unsent::KeptBack;

/// One exchange as it is counted: compared, redacted, never the raw observation.
///
/// [`compare`](crate::compare) makes it on any thread, and [`Evidence::take`](crate::Evidence::take) counts it. It holds the
/// latencies and how the calls ended, the places that differ, and, only where the evidence may keep the exchange as an example, what
/// the answers have there, shortened and without what looks like a secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// `None`: another variant than those of the rules answered the client, so it is only counted.
    pub(crate) exchange: Option<Exchange>,
}

/// An exchange whose answers were compared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Exchange {
    pub(crate) id: ExchangeId,
    pub(crate) at_us: u64,
    pub(crate) client: Option<u32>,
    /// The bucket of the client, where the client itself is forgotten.
    pub(crate) bucket: Option<Bucket>,
    /// Which of candidate and control was asked first, if that is known.
    pub(crate) first: Option<Side>,
    pub(crate) endpoint: String,
    pub(crate) primary: Call,
    pub(crate) candidate: Answer,
    pub(crate) control: Option<Answer>,
    /// The shadow that was kept back. Nothing of the exchange but that is counted.
    pub(crate) unsent: Option<KeptBack>,
    /// By subject, each once.
    pub(crate) differences: Vec<Difference>,
    /// What was asked; empty unless a difference has a detail.
    pub(crate) request: String,
    /// The plugins of the endpoint, and why each was of no use, if it was not.
    pub(crate) plugins: Vec<(String, Option<String>)>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) latency_us: Option<u64>,
    /// That of the answer, if there is one.
    pub(crate) status: Option<u16>,
}

/// The answer to a shadow call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) call: Call,
    /// It has the primary's outcome and status.
    pub(crate) comparable: bool,
    /// Why bodies were compared as bytes, each reason once.
    pub(crate) refused: Vec<Refusal>,
}

/// A subject in which an answer, or both, differ from the primary's, as far as that counts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    pub(crate) subject: Subject,
    pub(crate) of: Differing,
    /// What the candidate has there, where the exchange may become an example.
    pub(crate) detail: Option<Detail>,
    /// Which rules would allow it, where that is counted: the control's difference, if it has one.
    pub(crate) sampled: Option<Sampled>,
    /// Why nobody can tell which answer is farther from the primary's, where both differ.
    pub(crate) unseen: Option<Cause>,
    /// What the legs have there, where that may tell of instances.
    pub(crate) values: Option<Values>,
    /// Only the distance of times or numbers says which leg is farther.
    pub(crate) by_magnitude: bool,
}

impl Compared {
    /// Returns the exchange without its client, so that it counts whatever the client asked a moment before. A journal holds exchanges
    /// that were counted once, and replaying it must count each of them again.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        if let Some(exchange) = &mut self.exchange {
            exchange.bucket = exchange.client.map(bucket).or(exchange.bucket);
            exchange.client = None;
        }
        self
    }
}

impl Difference {
    pub(crate) fn new(subject: Subject, of: Differing) -> Self {
        Self { subject, of, detail: None, sampled: None, unseen: None, values: None, by_magnitude: false }
    }
}

impl Exchange {
    /// Both shadow legs answered as the primary did, so their fields and latencies mean something.
    pub(crate) fn comparable(&self) -> bool {
        self.candidate.comparable && self.control.as_ref().is_some_and(|control| control.comparable)
    }

    /// The latencies of candidate and control, if they mean something.
    pub(crate) fn latencies(&self) -> Option<(u64, u64)> {
        let control = self.control.as_ref().filter(|_| self.unsent.is_none() && self.comparable())?;
        Some((self.candidate.call.latency_us?, control.call.latency_us?))
    }

    /// The plugins without which the exchange was compared.
    pub(crate) fn without(&self) -> Vec<String> {
        let failed = self.plugins.iter().filter(|(_, failed)| failed.is_some());
        failed.map(|(name, _)| name.clone()).collect()
    }
}
