//! What comparing needs to know of the evidence, without what only a report shows: which examples would still be kept, and how many
//! differences of a place were seen.

use std::sync::Arc;

use crate::evidence::{Endpoint, Evidence, Group};
use crate::hypothesis::{Example, Hypothesis};
use crate::refusals::Refusals;
use crate::unseen::Unseen;

impl Evidence {
    /// Returns the evidence as [`compare`](crate::compare) needs it: without latencies and without what examples show. It takes a small
    /// share of the memory and shares none of it, so keeping an outline makes nobody copy an endpoint.
    #[must_use]
    pub fn outline(&self) -> Self {
        let endpoints = self.endpoints.iter();
        let endpoints = endpoints.map(|(name, endpoint)| (Arc::clone(name), Arc::new(endpoint.outline())));
        Self { endpoints: endpoints.collect(), room: self.room, ..Self::default() }
    }

    /// Counts exchanges for which [`Evidence::take`] answered [`Taken::Repeated`](crate::Taken::Repeated). A journal has only their
    /// number, so replaying it ends here.
    pub fn count_repeated(&mut self, exchanges: u64) {
        self.release.repeated += exchanges;
        self.dirty_release |= exchanges > 0;
    }
}

impl Endpoint {
    fn outline(&self) -> Self {
        let hypotheses = self.hypotheses.iter();
        Self {
            all: Group::default(),
            hypotheses: hypotheses.map(|(subject, counts)| (subject.clone(), counts.outline())).collect(),
            refusals: Refusals::default(),
            unseen: Unseen::default(),
            crowded: 0,
        }
    }
}

impl Hypothesis {
    fn outline(&self) -> Self {
        Self {
            examples: self.examples.iter().map(Example::outline).collect(),
            candidate_only: self.candidate_only,
            control_only: self.control_only,
            both: self.both,
            uncontrolled: self.uncontrolled,
            ..Self::default()
        }
    }
}

impl Example {
    /// Only its rank: which exchange it is, and whether it had a control.
    fn outline(&self) -> Self {
        Self {
            exchange: self.exchange,
            request: String::new(),
            path: String::new(),
            primary: String::new(),
            candidate: String::new(),
            control: self.control.as_ref().map(|_| String::new()),
            at_us: self.at_us,
            without: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use antumbra_observation::{Leg, Observation};

    use crate::{Evidence, Outside, Rules, compare};

    fn observation(number: u64) -> Observation {
        let leg = |variant, n: u64, price: u32| {
            Leg::answer(variant, 200).with_json(&format!("{{\"n\":{n},\"price\":{price}}}"))
        };
        Observation::new("shop", "GET", "/items")
            .with_id(u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15))
            .with_arrival_us(number * 10_000_000)
            .with_primary(leg("", number, 1).with_latency_us(1_000))
            .with_candidate(leg("canary", number + 1, 2).with_latency_us(1_000))
            .with_control(leg("control", number + 2, 1).with_latency_us(1_000))
    }

    #[test]
    fn what_is_compared_by_an_outline_counts_as_by_the_evidence() {
        let rules = Rules::default();
        let (mut whole, mut outlined, mut outline) = (Evidence::new(), Evidence::new(), Evidence::new());
        for number in 1..2_000 {
            let observation = observation(number);
            whole.observe(&observation, &rules);
            outlined.take(&compare(&observation, &rules, &Outside::default(), &outline));
            if number % 100 == 0 {
                outline = outlined.outline();
            }
        }
        let gates = crate::Gates::default();
        let report = |evidence| crate::report("shop", evidence, &gates, &crate::Delivery::default());
        let (whole, outlined) = (report(&whole), report(&outlined));
        assert_eq!(whole.regressions, outlined.regressions);
        assert!(!whole.regressions.is_empty());
    }
}
