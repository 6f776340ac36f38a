//! What one exchange does to the evidence, once its answers are compared: which places differ at which leg, and what is shown.
//!
//! Nothing of the observation is in it but what a report may show. So comparing can be done anywhere and by many, and what comes of
//! it can be written down, before one thread counts it.

use antumbra_observation::ExchangeId;

use crate::coins::{Bucket, bucket};
use crate::diff::Detail;
use crate::farther::{Cause, Side, Values};
use crate::guess::Sampled;
use crate::kind::{Differing, Kind, Subject};
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
    pub(crate) detail: Option<Box<Detail>>,
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
    /// Returns about how many bytes of memory it holds.
    pub fn held(&self) -> usize {
        let Some(exchange) = &self.exchange else { return 0 };
        let detail = |detail: &Detail| {
            let Detail { exact, primary, other, control } = detail;
            exact.len() + primary.len() + other.len() + control.as_ref().map_or(0, String::len)
        };
        let differences = exchange.differences.iter().map(|one| {
            size_of::<Difference>() + one.subject.0.len() + one.detail.as_deref().map_or(0, detail)
        });
        size_of::<Exchange>() + exchange.endpoint.len() + exchange.request.len() + differences.sum::<usize>()
    }

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

/// Whose answers differ from the primary's at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whose {
    /// The candidate's alone; the control has what the primary has.
    Candidate,
    /// The control's alone.
    Control,
    /// Both.
    Both,
    /// The candidate's, and there was no control.
    Uncontrolled,
}

/// A place at which an exchange counts as different, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Differs<'c> {
    /// Where: `/items/*/price`, `header:etag`, `cookie:sid`; empty for the whole body, status and outcome.
    pub path: &'c str,
    /// How.
    pub kind: Kind,
    /// Whose answers differ.
    pub whose: Whose,
}

impl Compared {
    /// Returns when the request arrived, in microseconds since 1970, if the exchange was compared.
    pub fn at_us(&self) -> Option<u64> {
        self.exchange.as_ref().map(|exchange| exchange.at_us)
    }

    /// Returns the endpoint of the exchange: method and route template. There is none if its answers were not compared, because
    /// another variant than those of the rules answered the client.
    pub fn endpoint(&self) -> Option<&str> {
        self.exchange.as_ref().map(|exchange| exchange.endpoint.as_str())
    }

    /// Returns the places at which the exchange counts as different, each kind once, in the order of their paths.
    pub fn differs(&self) -> impl Iterator<Item = Differs<'_>> {
        let exchange = self.exchange.iter();
        exchange.flat_map(|exchange| exchange.differences.iter().map(|one| one.differs(exchange)))
    }
}

impl Difference {
    fn differs(&self, exchange: &Exchange) -> Differs<'_> {
        let Subject(path, kind) = &self.subject;
        let whose = match self.of {
            _ if exchange.control.is_none() => Whose::Uncontrolled,
            Differing::Candidate => Whose::Candidate,
            Differing::Control => Whose::Control,
            Differing::Both => Whose::Both,
        };
        Differs { path, kind: *kind, whose }
    }

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

#[cfg(test)]
mod tests {
    use antumbra_observation::{Leg, Observation};

    use super::*;
    use crate::{Evidence, Outside, Rules, compare};

    fn differs(control: Option<&str>) -> Vec<(String, Kind, Whose)> {
        let leg = |body: &str| Leg::answer("", 200).with_json(body);
        let exchange =
            Observation::new("shop", "GET", "/items/7").with_primary(leg(r#"{"a":1,"b":1,"c":1}"#));
        let exchange = exchange.with_candidate(leg(r#"{"a":2,"b":1,"c":"x"}"#));
        let exchange = match control {
            Some(body) => exchange.with_control(leg(body)),
            None => exchange,
        };
        let compared = compare(&exchange, &Rules::default(), &Outside::default(), &Evidence::new());
        assert_eq!(compared.endpoint(), Some("GET /items/{id}"));
        compared.differs().map(|one| (one.path.to_owned(), one.kind, one.whose)).collect()
    }

    #[test]
    fn places_say_whose_answers_differ() {
        let place = |path: &str, kind, whose| (path.to_owned(), kind, whose);
        let found = differs(Some(r#"{"a":1,"b":2,"c":"x"}"#));
        let expected = [
            place("/a", Kind::Value, Whose::Candidate),
            place("/b", Kind::Value, Whose::Control),
            place("/c", Kind::Type, Whose::Both),
        ];
        assert_eq!(found, expected);
        let found = differs(None);
        let expected =
            [place("/a", Kind::Value, Whose::Uncontrolled), place("/c", Kind::Type, Whose::Uncontrolled)];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_not_compared_differs_nowhere() {
        let elsewhere = Compared { exchange: None };
        assert_eq!((elsewhere.endpoint(), elsewhere.differs().count()), (None, 0));
    }
}
