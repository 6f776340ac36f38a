//! What is known of a release: counts per endpoint and place, histograms, a few examples. Bounded whatever comes in.
//!
//! A field counts only where both shadow legs answered with the primary's outcome and status: that keeps candidate and
//! control exchangeable, and a failing candidate counts once, as `status`, rather than as a hundred missing fields.

use std::collections::{BTreeMap, BTreeSet};

use antumbra_observation::{ExchangeId, Leg, Observation, Outcome, Unsent};
use serde::{Deserialize, Serialize};

use crate::body;
use crate::compare::{Comparison, Primary};
use crate::diff::{Detail, Scope};
use crate::guess::Guesses;
use crate::hypothesis::Hypothesis;
use crate::kind::{Kind, Subject};
use crate::latency::{Ladder, Legs};
use crate::outside::{Outside, PluginReport, Plugins};
use crate::recent::Recent;
use crate::refusals::Refusals;
use crate::rules::Rules;
use crate::stats::Paired;

/// Everything counted about one release since its session of evidence began.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    pub(crate) release: Release,
    pub(crate) endpoints: BTreeMap<String, Endpoint>,
    /// Endpoints that changed since the rows were last taken.
    pub(crate) dirty: BTreeSet<String>,
    /// The release's row changed since then, whether or not an endpoint did.
    pub(crate) dirty_release: bool,
    /// Which clients asked what a moment ago: neither stored nor merged.
    pub(crate) recent: Recent,
}

/// What became of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is part of the evidence.
    Compared,
    /// Only counted: another variant than those of the rules answered the client.
    Elsewhere,
    /// Only counted: its client had asked the same endpoint within two seconds. Retries and hot keys are not independent
    /// exchanges, and the tests behind a verdict take exchanges to be.
    Repeated,
}

/// What belongs to no single endpoint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Release {
    pub(crate) all: Group,
    /// Hypotheses discovered so far.
    pub(crate) discovered: u64,
    /// Exchanges counted under [`OTHER_ENDPOINTS`].
    pub(crate) crowded: u64,
    /// Exchanges that were not compared because a variant other than those of the rules answered the client.
    #[serde(default)]
    pub(crate) elsewhere: u64,
    /// How the plugins fared.
    #[serde(default)]
    pub(crate) plugins: Plugins,
    /// Exchanges that were not compared because their client had asked the same endpoint a moment before.
    #[serde(default)]
    pub(crate) repeated: u64,
    /// Of the exchanges of which a shadow was not sent, those of which the sender said why, by reason.
    #[serde(default)]
    pub(crate) not_sent_by: BTreeMap<Unsent, u64>,
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Endpoint {
    pub(crate) all: Group,
    pub(crate) hypotheses: BTreeMap<Subject, Hypothesis>,
    /// Bodies that could not be read.
    pub(crate) refusals: Refusals,
    /// Differences counted under [`OTHER_PATHS`].
    pub(crate) crowded: u64,
}

/// A set of exchanges.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) exchanges: u64,
    /// Those of which the proxy did not send a shadow. Whether a breaker opens depends on the candidate's own load, so
    /// such an exchange says nothing about its answers.
    #[serde(default)]
    pub(crate) not_sent: u64,
    /// Those with a control leg, all shadows sent.
    pub(crate) controlled: u64,
    /// Controlled ones whose control answered with the primary's outcome and status.
    pub(crate) effective: u64,
    /// Controlled ones where only the candidate differs in something, …
    pub(crate) worse: u64,
    /// … where only the control does.
    pub(crate) better: u64,
    pub(crate) first_us: u64,
    pub(crate) last_us: u64,
    pub(crate) legs: Legs,
    pub(crate) ladder: Ladder,
}

/// Where endpoints beyond [`MAX_ENDPOINTS`] are counted.
pub(crate) const OTHER_ENDPOINTS: &str = "(other endpoints)";
/// Where places beyond [`MAX_PATHS`] are counted. Tested as any other: a crowd hides no regression.
pub(crate) const OTHER_PATHS: &str = "(other paths)";
/// Most endpoints of a release.
pub(crate) const MAX_ENDPOINTS: usize = 1_000;
/// Most places and kinds of an endpoint.
pub(crate) const MAX_PATHS: usize = 200;
/// Examples of a place and kind, …
const MAX_EXAMPLES: usize = 3;
/// … unless an endpoint has more places than this: then one, or texts would take most of the memory.
const FEW_PATHS: usize = 32;

impl Evidence {
    /// Nothing known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Exchanges compared.
    pub fn exchanges(&self) -> u64 {
        self.release.all.exchanges
    }

    /// Exchanges of which a shadow was not sent, by reason, as far as the sender said one.
    pub fn not_sent(&self) -> &BTreeMap<Unsent, u64> {
        &self.release.not_sent_by
    }

    /// How the plugins fared that exchanges had to do with.
    pub fn plugins(&self) -> Vec<PluginReport> {
        self.release.plugins.report()
    }

    /// Takes one exchange in. `rules` are those of the session: the caller begins a new one when they change.
    pub fn observe(&mut self, observation: &Observation, rules: &Rules) -> Taken {
        self.observe_with(observation, rules, &Outside::default())
    }

    /// The same for an exchange of which something is known beside its answers.
    pub fn observe_with(&mut self, observation: &Observation, rules: &Rules, outside: &Outside) -> Taken {
        self.dirty_release = true;
        if !rules.compares(&observation.primary.variant) {
            self.release.elsewhere += 1;
            return Taken::Elsewhere;
        }
        let template = rules.endpoint(&observation.request.method, &observation.request.path);
        let mut first = |client| self.recent.counts(client, &template, observation.at_us);
        // What was not sent asked nobody.
        if !not_sent(observation) && !observation.client.is_none_or(&mut first) {
            self.release.repeated += 1;
            return Taken::Repeated;
        }
        let scope = Scope { endpoint: &template, rules };
        let place = body::Kept::default();
        let primary = Primary::new(&observation.primary, &observation.request.path, &place);
        let primary = primary.taken_at(observation.at_us).decoded(outside.decoded);
        let compare = |leg, judged| Outside::comparison(judged, &primary, (&observation.primary, leg), scope);
        let control = observation.control.as_ref();
        let exchange = Exchange {
            observation,
            candidate: compare(&observation.candidate, outside.candidate.as_deref()),
            control: control.map(|control| compare(control, outside.control.as_deref())),
        };
        self.release.plugins.count(&outside.plugins);
        if let Some(reason) = exchange.unsent() {
            *self.release.not_sent_by.entry(reason).or_default() += 1;
        }
        let slot = self.slot(&template);
        let endpoint = self.endpoints.entry(slot.clone()).or_default();
        self.release.all.observe(&exchange, &mut self.release.discovered);
        endpoint.observe(&exchange, &mut self.release.discovered);
        endpoint.mark(observation.id, &outside.failed());
        self.dirty.insert(slot);
        Taken::Compared
    }

    /// The endpoint's own slot, or that of all who came too late.
    fn slot(&mut self, template: &str) -> String {
        if self.endpoints.len() >= MAX_ENDPOINTS && !self.endpoints.contains_key(template) {
            self.release.crowded += 1;
            return OTHER_ENDPOINTS.to_owned();
        }
        template.to_owned()
    }
}

/// An observation with what comparing it gave.
struct Exchange<'a> {
    observation: &'a Observation,
    candidate: Comparison,
    control: Option<Comparison>,
}

impl Exchange<'_> {
    /// A shadow was kept back: no healthy host, a circuit breaker, no place.
    fn not_sent(&self) -> bool {
        not_sent(self.observation)
    }

    /// Why it was, if that was said; the candidate's reason before the control's.
    fn unsent(&self) -> Option<Unsent> {
        unsent(self.observation).find_map(|leg| leg.reason)
    }

    /// Which rules would allow what the control differs in at a place.
    fn control_guesses(&self, subject: &Subject) -> Guesses {
        self.control.as_ref().map(|control| control.differences.guesses(subject)).unwrap_or_default()
    }

    /// Both shadow legs answered as the primary did, so their fields and latencies mean something.
    fn comparable(&self) -> bool {
        self.candidate.comparable && self.control.as_ref().is_some_and(|control| control.comparable)
    }

    /// The differences of a leg that count in a paired exchange.
    fn counted<'a>(&self, leg: &'a Comparison) -> impl Iterator<Item = (&'a Subject, &'a Detail)> {
        let fields = self.comparable();
        leg.differences
            .found
            .iter()
            .filter(move |(Subject(_, kind), _)| fields || matches!(kind, Kind::Status | Kind::Outcome))
    }
}

impl Endpoint {
    fn observe(&mut self, exchange: &Exchange<'_>, discovered: &mut u64) {
        self.all.observe(exchange, discovered);
        let control = exchange.control.as_ref().map(|control| &control.differences);
        self.refusals.count(&exchange.candidate.differences, control);
        if exchange.not_sent() {
            return;
        }
        let Some(control) = &exchange.control else {
            for (subject, detail) in &exchange.candidate.differences.found {
                let most = self.most_examples();
                self.hypothesis(subject).uncontrolled(exchange.observation, most, detail);
            }
            return;
        };
        let candidate = self.by_slot(exchange.counted(&exchange.candidate));
        let control = self.by_slot(exchange.counted(control));
        let subjects: BTreeSet<&Subject> = candidate.keys().chain(control.keys()).collect();
        let most = self.most_examples();
        for subject in subjects {
            let (candidate, control) = (candidate.get(subject), control.get(subject));
            let hypothesis = self.hypothesis(subject);
            hypothesis.paired(exchange.observation, most, candidate.copied(), control.copied(), discovered);
            hypothesis.tally.count(
                candidate.map(|_| exchange.candidate.differences.guesses(subject)),
                control.map(|_| exchange.control_guesses(subject)),
            );
        }
    }

    /// Says of the examples out of an exchange which plugins failed at it.
    fn mark(&mut self, exchange: ExchangeId, without: &[String]) {
        if without.is_empty() {
            return;
        }
        let examples = self.hypotheses.values_mut().flat_map(|counts| &mut counts.examples);
        examples
            .filter(|example| example.exchange == exchange)
            .for_each(|example| example.without = without.to_vec());
    }

    /// Depends on how many places there are, not on when they were seen: so two engines together keep what one would.
    pub(crate) fn most_examples(&self) -> usize {
        if self.hypotheses.len() > FEW_PATHS { 1 } else { MAX_EXAMPLES }
    }

    pub(crate) fn shorten_examples(&mut self) {
        let most = self.most_examples();
        for counts in self.hypotheses.values_mut().filter(|counts| counts.examples.len() > most) {
            counts.sample(most, []);
        }
    }

    /// Differences by the subject under which they are counted: each at most once an exchange.
    fn by_slot<'a>(
        &mut self,
        found: impl Iterator<Item = (&'a Subject, &'a Detail)>,
    ) -> BTreeMap<Subject, &'a Detail> {
        let mut slots = BTreeMap::new();
        for (subject, detail) in found {
            self.hypothesis(subject);
            let slot = if self.hypotheses.contains_key(subject) { subject.clone() } else { other(subject) };
            slots.entry(slot).or_insert(detail);
        }
        slots
    }

    fn hypothesis(&mut self, subject: &Subject) -> &mut Hypothesis {
        let full = self.hypotheses.len() >= MAX_PATHS && !self.hypotheses.contains_key(subject);
        self.crowded += u64::from(full);
        let slot = if full { other(subject) } else { subject.clone() };
        if self.hypotheses.len() == FEW_PATHS && !self.hypotheses.contains_key(&slot) {
            self.hypotheses.insert(slot.clone(), Hypothesis::default());
            self.shorten_examples();
        }
        self.hypotheses.entry(slot).or_default()
    }
}

impl Group {
    fn observe(&mut self, exchange: &Exchange<'_>, discovered: &mut u64) {
        let observation = exchange.observation;
        self.exchanges += 1;
        self.first_us =
            if self.first_us == 0 { observation.at_us } else { self.first_us.min(observation.at_us) };
        self.last_us = self.last_us.max(observation.at_us);
        self.legs.record(observation);
        if exchange.not_sent() {
            self.not_sent += 1;
            return;
        }
        let Some(control) = &exchange.control else { return };
        self.controlled += 1;
        self.effective += u64::from(control.comparable);
        self.tally(exchange, control);
        let control_us = observation.control.as_ref().and_then(|leg| leg.latency_us);
        if let (true, Some(candidate), Some(control)) =
            (exchange.comparable(), observation.candidate.latency_us, control_us)
        {
            self.ladder.observe(candidate, control, discovered);
        }
    }

    /// X = 1{only the candidate differs in something} − 1{only the control does}, each over its own hypotheses.
    ///
    /// Of every controlled exchange, deliberately not of the effective ones alone, which the control's answer selects: a
    /// random error of the candidate would count as worse, the same error of the control would drop the exchange, and no
    /// service with errors of its own could ever be promoted. Fields count where both answered as the primary did, which
    /// is as symmetric.
    fn tally(&mut self, exchange: &Exchange<'_>, control: &Comparison) {
        let found = |leg: &Comparison, subject: &Subject| leg.differences.found.contains_key(subject);
        let candidate_alone =
            exchange.counted(&exchange.candidate).any(|(subject, _)| !found(control, subject));
        let control_alone =
            exchange.counted(control).any(|(subject, _)| !found(&exchange.candidate, subject));
        self.worse += u64::from(candidate_alone && !control_alone);
        self.better += u64::from(control_alone && !candidate_alone);
    }

    /// X of the controlled exchanges.
    pub(crate) fn paired(&self) -> Paired {
        Paired::new(self.controlled, self.worse, self.better)
    }
}

impl Subject {
    /// Stands for the places beyond the cap.
    pub(crate) fn is_crowd(&self) -> bool {
        self.0 == OTHER_PATHS
    }
}

fn other(subject: &Subject) -> Subject {
    Subject(OTHER_PATHS.to_owned(), subject.1)
}

fn not_sent(observation: &Observation) -> bool {
    unsent(observation).next().is_some()
}

fn unsent(observation: &Observation) -> impl Iterator<Item = &Leg> {
    let shadows = [Some(&observation.candidate), observation.control.as_ref()];
    shadows.into_iter().flatten().filter(|leg| leg.outcome == Outcome::NotSent)
}
