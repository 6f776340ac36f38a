//! The accounts as metrics of the host, published on the tick: a request costs no call for counting.

use antumbra_observation::Accounts;

use crate::host;

/// What was published so far.
pub(crate) struct Metrics {
    prefix: String,
    counters: Vec<Counter>,
    /// In the order of the counts.
    decisions: Vec<Counter>,
    generation: Option<(u32, u64)>,
    /// Some hosts have none.
    gauges: bool,
}

struct Counter {
    name: String,
    id: Option<u32>,
    published: u64,
}

impl Counter {
    fn new(name: String) -> Self {
        Self { id: host::counter(&name), name, published: 0 }
    }

    fn raise(&mut self, to: u64) {
        let delta = to.saturating_sub(self.published);
        if let (Some(id), true) = (self.id, delta > 0) {
            host::add(id, delta);
        }
        self.published = to;
    }
}

impl Metrics {
    /// Metrics named `antumbra.<release>.…`; a dot in the release's name becomes an underscore, since the dot divides labels.
    pub(crate) fn new(release: &str, gauges: bool) -> Self {
        Self {
            prefix: format!("antumbra.{}.", release.replace('.', "_")),
            counters: Vec::new(),
            decisions: Vec::new(),
            generation: None,
            gauges,
        }
    }

    /// Brings the host's metrics to these accounts.
    pub(crate) fn publish(&mut self, accounts: &Accounts, generation: Option<u64>) {
        self.raise("requests", accounts.requests);
        self.raise("mirrored", accounts.mirrored);
        self.raise("delivered", accounts.delivered);
        self.raise("unknown", accounts.unknown);
        for (reason, count) in accounts.not_mirrored.iter() {
            self.raise(&format!("not_mirrored.{}", reason.as_str()), count);
        }
        for (reason, count) in accounts.undelivered.iter() {
            self.raise(&format!("undelivered.{}", reason.as_str()), count);
        }
        if self.gauges {
            self.record_generation(generation.unwrap_or(0));
        }
    }

    /// Brings the host's metrics to these counts of decisions, which keep their order and only become more.
    pub(crate) fn publish_decisions(&mut self, counts: &[(String, u64)]) {
        for (name, _) in counts.get(self.decisions.len()..).unwrap_or_default() {
            self.decisions.push(Counter::new(format!("{}decisions.{name}", self.prefix)));
        }
        for (counter, (_, count)) in self.decisions.iter_mut().zip(counts) {
            counter.raise(*count);
        }
    }

    pub(crate) fn raise(&mut self, name: &str, to: u64) {
        let known =
            self.counters.iter().position(|counter| counter.name.get(self.prefix.len()..) == Some(name));
        let place = known.unwrap_or(self.counters.len());
        if known.is_none() {
            self.counters.push(Counter::new(format!("{}{name}", self.prefix)));
        }
        if let Some(counter) = self.counters.get_mut(place) {
            counter.raise(to);
        }
    }

    fn record_generation(&mut self, generation: u64) {
        let known = match self.generation {
            Some(known) => Some(known),
            None => host::gauge(&format!("{}generation", self.prefix)).map(|id| (id, u64::MAX)),
        };
        if let Some((id, _)) = known.filter(|(_, recorded)| *recorded != generation) {
            host::record(id, generation);
        }
        self.generation = known.map(|(id, _)| (id, generation));
    }
}
