//! Observations and legs made by hand, field by field: for tests, and for producers other than the filter.
//!
//! What is not said has the value of a sender that does not know it, so a caller names what matters to it and nothing else. Every
//! leg comes from a constructor that fits its outcome, because a leg has a response exactly if it ended with one.

use crate::bytes::Bytes;
use crate::contract::VERSION;
use crate::hex::ExchangeId;
use crate::observation::{Body, Leg, Observation, Outcome, Request, Response};

impl Observation {
    /// One exchange of a release, whose request had this method and this path, query included.
    ///
    /// Its id is 0, its generation 1, and it arrived at the beginning of 1970. The client got an empty answer with status 200 from a
    /// variant without a name, the candidate was not asked, and there was no control.
    ///
    /// ```
    /// use antumbra_observation::{Leg, Observation, Outcome};
    ///
    /// let observation = Observation::new("shop", "GET", "/items/7")
    ///     .with_id(1)
    ///     .with_primary(Leg::answer("stable", 200).with_json(r#"{"price": 12}"#).with_latency_us(4_000))
    ///     .with_candidate(Leg::ended("canary", Outcome::Timeout))
    ///     .with_control(Leg::answer("stable", 200).with_json(r#"{"price": 12}"#));
    ///
    /// let batch = antumbra_observation::encode(&observation);
    /// assert_eq!(antumbra_observation::decode_sequence(&batch).unwrap(), [observation]);
    /// ```
    pub fn new(release: &str, method: &str, path: &str) -> Self {
        Self {
            version: VERSION,
            id: ExchangeId(0),
            release: release.to_owned(),
            generation: 1,
            rule: None,
            at_us: 0,
            client: None,
            request: Request { method: method.into(), path: path.into(), ..Request::default() },
            primary: Leg::answer("", 200),
            candidate: Leg::not_sent("", None),
            control: None,
        }
    }

    /// Names the exchange.
    pub fn with_id(self, id: u128) -> Self {
        Self { id: ExchangeId(id), ..self }
    }

    /// Says which generation of the policy decided.
    pub fn with_generation(self, generation: u64) -> Self {
        Self { generation, ..self }
    }

    /// Names the rule whose `mirror` sampled the request.
    pub fn with_rule(self, rule: &str) -> Self {
        Self { rule: Some(rule.to_owned()), ..self }
    }

    /// Says when the request arrived, in microseconds since 1970.
    pub fn with_arrival_us(self, at_us: u64) -> Self {
        Self { at_us, ..self }
    }

    /// Says whose request it was, by [`Observation::client`].
    pub fn with_client(self, client: u32) -> Self {
        Self { client: Some(client), ..self }
    }

    /// Sets what the client got.
    pub fn with_primary(self, primary: Leg) -> Self {
        Self { primary, ..self }
    }

    /// Sets what the new version answered.
    pub fn with_candidate(self, candidate: Leg) -> Self {
        Self { candidate, ..self }
    }

    /// Sets what the stable version answered the second time.
    pub fn with_control(self, control: Leg) -> Self {
        Self { control: Some(control), ..self }
    }
}

impl Leg {
    /// An answer of this variant, without headers, body and latency.
    pub fn answer(variant: &str, status: u16) -> Self {
        let response = Response { status, ..Response::default() };
        Self { response: Some(response), ..Self::ended(variant, Outcome::Response) }
    }

    /// A call that ended in another way than with an answer. [`Leg::answer`] makes one with [`Outcome::Response`].
    pub fn ended(variant: &str, outcome: Outcome) -> Self {
        Self { outcome, ..Self::not_sent(variant, None) }
    }

    /// Adds a header to the answer, after those that it has. A leg without an answer stays as it is.
    pub fn with_header(mut self, name: &str, value: impl Into<Bytes>) -> Self {
        if let Some(response) = &mut self.response {
            response.headers.push((name.into(), value.into()));
        }
        self
    }

    /// Sets the whole body of the answer, and adds a header with its media type.
    pub fn with_body(self, media_type: &str, body: impl Into<Bytes>) -> Self {
        self.with_header("content-type", media_type).with_kept(Body::Whole(body.into()))
    }

    /// Sets a body of JSON.
    pub fn with_json(self, body: &str) -> Self {
        self.with_body("application/json", body)
    }

    /// Sets what is kept of the answer's body, and no header. A leg without an answer stays as it is.
    pub fn with_kept(mut self, body: Body) -> Self {
        if let Some(response) = &mut self.response {
            response.body = body;
        }
        self
    }

    /// Says when the call left, in microseconds after the request arrived.
    pub fn with_sent_us(self, sent_us: u32) -> Self {
        Self { sent_us: Some(sent_us), ..self }
    }

    /// Says how long the call took, in microseconds.
    pub fn with_latency_us(self, latency_us: u64) -> Self {
        Self { latency_us: Some(latency_us), ..self }
    }
}
