//! From an observation to what is counted of it: the answers are compared, and only what somebody will read is found out.
//!
//! Comparing takes nearly all of the time and needs no order, so it stands apart from counting. What is known already says what is
//! still worth showing: an example is kept if its rank is low, and every rank that is kept makes the next one rarer.

use std::cell::OnceCell;
use std::cmp::Ordering;

use antumbra_observation::{Leg, Observation, Request};

use crate::asked;
use crate::body;
use crate::compare::{Comparison, Primary};
use crate::compared::{Answer, Call, Compared, Difference, Exchange};
use crate::diff::{Detail, Differences, Found, Scope, Subjects, Wanted};
use crate::evidence::{Beside, Endpoint, Evidence, Taken};
use crate::farther::{Lag, Measure, Side, Told};
use crate::hypothesis::{self, Hypothesis, Rank};
use crate::kind::{Differing, Kind, Subject};
use crate::outside::{Finding, Outside};
use crate::rules::Rules;
use crate::secrets::Secrets;
use crate::unsent::KeptBack;

/// Compares the answers of one exchange, under the rules of the session, and with what is known of it `outside` its answers.
///
/// The function is pure and may run on all cores at once; [`Evidence::take`] then counts what it returns, on one thread. `known` is the
/// evidence of the same session at any earlier moment, a cheap clone. It says which examples may still be kept, and how rarely guesses
/// are sampled by now. The older it is, the more is found out that nobody needs, with [`Evidence::new`] the most; which examples are kept
/// does not depend on it.
pub fn compare(observation: &Observation, rules: &Rules, outside: &Outside, known: &Evidence) -> Compared {
    if !rules.compares(&observation.primary.variant) {
        return Compared { exchange: None };
    }
    let endpoint = rules.endpoint(&observation.request.method, &observation.request.path);
    let scope = Scope { endpoint: &endpoint, rules };
    let place = body::Kept::default();
    let primary = Primary::new(&observation.primary, &observation.request.path, &place);
    let primary = primary.taken_at(observation.at_us).decoded(outside.decoded);
    let wishes =
        Wishes::of(observation, &primary, known.settled(&endpoint, call(&observation.primary).status));
    // The control comes first: what it differs in, too, says what is to be found out about the candidate.
    let wants = |subject: &Subject| wishes.of_control(subject);
    let of_control = |leg| differences(&primary, leg, outside.control.as_deref(), scope, &wants);
    let (control, beside) = observation.control.as_ref().map(of_control).unzip();
    let beside = beside.unwrap_or_default();
    let wants = |subject: &Subject| wishes.of_candidate(subject, &beside);
    let (candidate, found) =
        differences(&primary, &observation.candidate, outside.candidate.as_deref(), scope, &wants);
    // What the control has is shown beside a candidate that is farther, which is rare: only then it is compared again.
    let again = OnceCell::new();
    let detailed = |leg| differences(&primary, leg, outside.control.as_deref(), scope, &in_detail).1;
    let shown = |subject: &Subject| {
        let control = observation.control.as_ref()?;
        Some(again.get_or_init(|| detailed(control)).get(subject)?.detail.as_ref()?.other.clone())
    };
    let exchange = Exchange {
        id: observation.id,
        at_us: observation.at_us,
        client: observation.client,
        bucket: None,
        first: first(observation),
        primary: call(&observation.primary),
        candidate,
        control,
        unsent: KeptBack::of(observation),
        differences: wishes.counted(found, beside, Lag::of(observation), &shown),
        request: String::new(),
        plugins: plugins(outside),
        endpoint,
    };
    Compared { exchange: Some(exchange.asked(observation, rules.secrets())) }
}

fn differences<'w>(
    primary: &Primary<'_>,
    leg: &Leg,
    judged: Option<&[Finding]>,
    scope: Scope<'_>,
    wants: &'w dyn Fn(&Subject) -> Wanted<'w>,
) -> (Answer, Subjects) {
    let found = Outside::comparison(judged, primary, leg, scope, Differences::wanting(wants));
    (answer(leg, &found), found.differences.found)
}

fn in_detail(_: &Subject) -> Wanted<'static> {
    Wanted { detail: true, ..Wanted::default() }
}

impl Lag {
    fn of(observation: &Observation) -> Self {
        let latency = |leg: &Leg| leg.latency_us.unwrap_or_default();
        let control = observation.control.as_ref().map_or(0, latency);
        let gap = sent(observation).map_or(0, |(candidate, control)| candidate.abs_diff(control));
        Self(control.max(latency(&observation.candidate)) as f64 + f64::from(gap))
    }
}

impl Evidence {
    /// Compares and counts one exchange. `rules` are those of the session: the caller begins a new one when they change.
    pub fn observe(&mut self, observation: &Observation, rules: &Rules) -> Taken {
        self.observe_with(observation, rules, &Outside::default())
    }

    /// Compares and counts one exchange of which something is known beside its answers: [`compare`] and [`Evidence::take`] in one.
    pub fn observe_with(&mut self, observation: &Observation, rules: &Rules, outside: &Outside) -> Taken {
        let compared = compare(observation, rules, outside, self);
        self.take(&compared)
    }
}

/// What of the differences of one exchange counts, and what is to be found out about them.
struct Wishes<'k> {
    counts: Counts,
    controlled: bool,
    /// What is known of the endpoint.
    known: Option<&'k Endpoint>,
    rank: Rank,
    hash: u64,
}

/// Which differences count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts {
    /// None: a shadow was not sent.
    None,
    /// How the calls ended and their status: one of the shadows did not answer as the primary did, so its fields mean nothing.
    OfCalls,
    All,
}

impl<'k> Wishes<'k> {
    fn of(observation: &Observation, primary: &Primary<'_>, known: Option<&'k Endpoint>) -> Self {
        let comparable = |control| primary.answers_as(control) && primary.answers_as(&observation.candidate);
        let counts = match &observation.control {
            _ if KeptBack::of(observation).is_some() => Counts::None,
            Some(control) if !comparable(control) => Counts::OfCalls,
            _ => Counts::All,
        };
        let controlled = observation.control.is_some();
        let rank = hypothesis::rank(observation.id, controlled);
        Self { counts, controlled, known, rank, hash: hypothesis::hash(observation.id) }
    }

    fn count(&self, subject: &Subject) -> bool {
        match self.counts {
            Counts::None => false,
            Counts::OfCalls => matches!(subject.1, Kind::Status | Kind::Outcome),
            Counts::All => true,
        }
    }

    fn of_control(&self, subject: &Subject) -> Wanted<'static> {
        let count = self.count(subject);
        let weight = count.then(|| self.weight(self.place(subject))).flatten();
        Wanted { weight, measure: count, ..Wanted::default() }
    }

    fn of_candidate<'b>(&self, subject: &Subject, control: &'b Subjects) -> Wanted<'b> {
        if !self.count(subject) {
            return Wanted::default();
        }
        let shows = |place: Option<&Hypothesis>| place.is_none_or(|place| self.keeps(place));
        if let Some(control) = control.get(subject) {
            let beside = match &control.measure {
                Measure::Text(changed) => Some(changed),
                _ => None,
            };
            let Beside { own, farther, settled } =
                self.known.map_or_else(Beside::default, |known| known.settled_beside_farther(subject));
            let detail = beside.is_some() && shows(own);
            return Wanted { detail, farther: shows(farther), weight: None, measure: true, settled, beside };
        }
        let place = self.place(subject);
        let weight = self.controlled.then(|| self.weight(place)).flatten();
        Wanted { detail: shows(place), weight, measure: self.controlled, ..Wanted::default() }
    }

    fn keeps(&self, place: &Hypothesis) -> bool {
        self.known.is_none_or(|endpoint| place.keeps(self.rank, endpoint.most_examples()))
    }

    fn place(&self, subject: &Subject) -> Option<&'k Hypothesis> {
        self.known?.settled(subject)
    }

    fn weight(&self, place: Option<&Hypothesis>) -> Option<u64> {
        place.map_or(Some(1), |place| place.weight(self.hash))
    }

    /// What counts of the differences of both legs, by subject. `of_control` shows one of the control.
    fn counted(
        &self,
        candidate: Subjects,
        mut control: Subjects,
        lag: Lag,
        of_control: &dyn Fn(&Subject) -> Option<String>,
    ) -> Vec<Difference> {
        let mut all = Vec::new();
        for (subject, found) in candidate.into_found() {
            match control.take(&subject) {
                Some(beside) => all.extend(self.at_both(subject, found, &beside, lag, of_control)),
                None => all.push(alone(subject, Differing::Candidate, found, lag)),
            }
        }
        all.extend(
            control.into_found().map(|(subject, found)| alone(subject, Differing::Control, found, lag)),
        );
        all.retain(|difference| self.count(&difference.subject));
        all.sort_unstable_by(|one, other| one.subject.cmp(&other.subject));
        all
    }

    /// What a difference of both legs at one subject counts as: maybe one leg changes more than the other, or is farther.
    fn at_both(
        &self,
        subject: Subject,
        candidate: Found,
        control: &Found,
        lag: Lag,
        of_control: &dyn Fn(&Subject) -> Option<String>,
    ) -> impl Iterator<Item = Difference> + use<> {
        let told = Measure::tell(&candidate.measure, &control.measure, lag);
        let is_farther = told.is_candidate_farther();
        let Told { of, farther, unseen } = told;
        let beside = |shown: Box<Detail>| Box::new(Detail { control: of_control(&subject), ..*shown });
        let (own, of_farther) = match (of, is_farther) {
            (Differing::Candidate, _) => (candidate.detail, None),
            (_, true) => (None, candidate.detail.map(beside)),
            _ => (None, None),
        };
        let farther = farther.and_then(|farther| {
            let place = Subject(subject.0.clone(), Kind::Farther);
            let values = farther.values.filter(|values| !candidate.settled.has(*values));
            (farther.by.is_some() || values.is_some()).then(|| Difference {
                detail: of_farther,
                values,
                by_magnitude: farther.by_magnitude,
                ..Difference::new(place, farther.by.map_or(Differing::Both, Side::differs))
            })
        });
        let whole =
            Difference { detail: own, sampled: control.sampled, unseen, ..Difference::new(subject, of) };
        [Some(whole), farther].into_iter().flatten()
    }
}

/// A difference of one leg. A time that is no farther from the other leg's, which is the primary's, than the calls may be apart says nothing.
fn alone(subject: Subject, of: Differing, found: Found, lag: Lag) -> Difference {
    let Found { detail, sampled, measure, .. } = found;
    let of = if measure.is_within(lag) { Differing::Both } else { of };
    Difference { detail, sampled, ..Difference::new(subject, of) }
}

impl Exchange {
    /// Says what was asked, if the exchange may become an example.
    fn asked(self, observation: &Observation, secrets: &Secrets) -> Self {
        if self.differences.iter().all(|difference| difference.detail.is_none()) {
            return self;
        }
        let Request { method, path, .. } = &observation.request;
        Self { request: asked::shown(method, path, secrets), ..self }
    }
}

fn call(leg: &Leg) -> Call {
    Call { latency_us: leg.latency_us, status: leg.response.as_ref().map(|response| response.status) }
}

fn answer(leg: &Leg, found: &Comparison<'_>) -> Answer {
    let refused = found.differences.refused.iter().copied().collect();
    Answer { call: call(leg), comparable: found.comparable, refused }
}

fn plugins(outside: &Outside) -> Vec<(String, Option<String>)> {
    let each = outside.plugins.iter();
    each.map(|(name, failed)| (name.clone(), failed.map(str::to_owned))).collect()
}

/// When candidate and control left, if both did and that is known.
fn sent(observation: &Observation) -> Option<(u32, u32)> {
    Some((observation.candidate.sent_us?, observation.control.as_ref()?.sent_us?))
}

/// Which of them left first.
fn first(observation: &Observation) -> Option<Side> {
    let (candidate, control) = sent(observation)?;
    match candidate.cmp(&control) {
        Ordering::Less => Some(Side::Candidate),
        Ordering::Equal => None,
        Ordering::Greater => Some(Side::Control),
    }
}

/// Evidence is read on all threads while one goes on counting.
const _: () = {
    const fn is_shared<T: Send + Sync>() {}
    is_shared::<Evidence>();
    is_shared::<Compared>();
};
