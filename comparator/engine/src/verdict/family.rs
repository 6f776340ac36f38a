//! All hypotheses of a release, tested as one family: which of them are regressions.

use std::collections::{BTreeMap, BTreeSet};

use super::reason::{Code, Reason};
use super::witness::Backing;
use super::{Gates, real};
use crate::coins::{Coins, Confirmation, Lead};
use crate::evidence::{Evidence, Group};
use crate::forecast::Further;
use crate::hypothesis::Hypothesis;
use crate::kind::{Kind, Subject};
use crate::latency::STEPS;
use crate::stats;
use crate::wording::{self, Tally, exchanges, joined, place};

/// One hypothesis that has been discordant at least once, with its evidence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tested<'e> {
    pub(crate) endpoint: &'e str,
    pub(crate) what: What<'e>,
    pub(crate) ln_evidence: f64,
    pub(crate) standing: Standing,
    /// Where several sources were heard and it rests on one of them: on which, and how.
    pub(crate) backing: Option<Backing<'e>>,
    ln_weight: f64,
}

/// What the tests say of a hypothesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may be chance.
    Open,
    /// No chance, but maybe one burst: it does not show in enough blocks of time, or for enough clients.
    Suspected(Confirmation),
    /// No chance either, but it rests on one of several sources; [`Tested::backing`] says on which.
    Held,
    /// It is a regression.
    Rejected,
    /// It is one, and said of a part of it already.
    Said,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'e> {
    /// A place and kind at one endpoint.
    Difference(&'e Subject, &'e Hypothesis),
    /// The same at all endpoints where it is found, at least two.
    Pooled(&'e Subject, Pooled<'e>),
    /// All exchanges, by whether the candidate alone differs in anything.
    Exchanges(&'e Group),
    /// Of the group's ladder.
    Latency(&'e Group),
}

/// What is counted of a place and kind, summed over endpoints. An exchange is of one endpoint, so the sums are those of one hypothesis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pooled<'e> {
    pub(crate) candidate_only: u64,
    pub(crate) control_only: u64,
    pub(crate) both: u64,
    /// What of them speaks for or against a regression.
    lead: Lead,
    pub(crate) first_us: u64,
    pub(crate) last_us: u64,
    /// That of the endpoint where the candidate alone differs most often.
    pub(crate) loudest: &'e Hypothesis,
    endpoints: u64,
    /// The highest of its hypotheses: no other pool has it, and it can only grow, as a number must that is found while there is evidence.
    number: u64,
}

/// All discordant hypotheses. The evidence against latency is the lesser of two: that the candidate
/// is slower, and that it is so beyond a margin, for a difference that is certain may still be too small to matter. The
/// lesser of two e-values is one, so the family's correction covers both claims.
///
/// A defect that is spread thin is proven at no endpoint. So each place and kind is also one hypothesis over all endpoints, and that the
/// share of worse exchanges lies above its margin is one, too. Each kind of hypothesis has a part of the weights, which sum to one.
pub(super) fn test<'e>(evidence: &'e Evidence, gates: &Gates) -> Vec<Tested<'e>> {
    let mut family = at_level(evidence, gates, gates.roll_back_alpha);
    say_each_once(&mut family);
    family
}

/// All discordant hypotheses at a level of the family's own, with what is said of a part already. That it shows in several blocks and for
/// several clients is a guard beside the test, and takes what the gates say.
pub(super) fn at_level<'e>(evidence: &'e Evidence, gates: &Gates, level: f64) -> Vec<Tested<'e>> {
    let all = &evidence.release.all;
    let mut family = Vec::new();
    let mut pools: BTreeMap<&Subject, Pooled<'e>> = BTreeMap::new();
    family.extend(latency(ALL_ENDPOINTS, all));
    for (name, endpoint) in &evidence.endpoints {
        family.extend(latency(name, &endpoint.all));
        for (subject, counts) in &endpoint.hypotheses {
            let Some(number) = counts.discovered else { continue };
            let Lead { candidate, control } = counts.lead();
            let ln_evidence = stats::ln_evidence(candidate, control);
            let ln_weight = OWN.ln() + stats::ln_weight(number);
            family.push(Tested::new(name, What::Difference(subject, counts), ln_evidence, ln_weight));
            let pooled = Pooled::of(counts, number);
            pools.entry(subject).and_modify(|pool| *pool = pool.and(pooled)).or_insert(pooled);
        }
    }
    for (subject, pooled) in pools.into_iter().filter(|(_, pooled)| pooled.endpoints > 1) {
        let Lead { candidate, control } = pooled.lead;
        let ln_evidence = stats::ln_evidence(candidate, control);
        let ln_weight = POOLED.ln() + stats::ln_weight(pooled.number);
        family.push(Tested::new(ALL_ENDPOINTS, What::Pooled(subject, pooled), ln_evidence, ln_weight));
    }
    if all.worse > 0 {
        let ln_evidence = all.paired().ln_above(gates.margin);
        family.push(Tested::new(ALL_ENDPOINTS, What::Exchanges(all), ln_evidence, EXCHANGES.ln()));
    }
    let weighted: Vec<(f64, f64)> =
        family.iter().map(|tested| (tested.ln_weight, tested.ln_evidence)).collect();
    for (tested, rejected) in family.iter_mut().zip(stats::reject(&weighted, level)) {
        if rejected {
            tested.standing = match tested.confirm(evidence, gates.roll_back_alpha) {
                Confirmation::Confirmed => Standing::Rejected,
                lacking => Standing::Suspected(lacking),
            };
        }
    }
    family
}

/// Leaves of what is found, and of what is suspected, what says something new.
pub(super) fn say_each_once(family: &mut [Tested<'_>]) {
    say_once(family, is_found);
    say_once(family, is_suspected);
}

fn latency<'e>(endpoint: &'e str, group: &'e Group) -> Option<Tested<'e>> {
    let ladder = &group.ladder;
    let ln_weight = OWN.ln() + stats::ln_weight(ladder.discovered?);
    let ln_evidence = ladder.ln_evidence().min(ladder.ln_beyond_margins());
    Some(Tested::new(endpoint, What::Latency(group), ln_evidence, ln_weight))
}

/// The whole is worse because a part is: that is said once, of the part, where it can be acted upon.
fn say_once(family: &mut [Tested<'_>], of: fn(&Tested<'_>) -> bool) {
    let found = family.iter().filter(|tested| of(tested));
    let slower = found.clone().any(|t| t.endpoint != ALL_ENDPOINTS && matches!(t.what, What::Latency(_)));
    let places: BTreeSet<Subject> = found
        .clone()
        .filter_map(|tested| match tested.what {
            What::Difference(subject, _) => Some(subject.clone()),
            _ => None,
        })
        .collect();
    let any = found.clone().any(|tested| matches!(tested.what, What::Difference(..) | What::Pooled(..)));
    for tested in family.iter_mut().filter(|tested| of(tested) && tested.endpoint == ALL_ENDPOINTS) {
        let said = match tested.what {
            What::Difference(..) => false,
            What::Pooled(subject, _) => places.contains(subject),
            What::Exchanges(_) => any,
            What::Latency(_) => slower,
        };
        if said {
            tested.standing = Standing::Said;
        }
    }
}

impl<'e> Pooled<'e> {
    fn of(counts: &'e Hypothesis, number: u64) -> Self {
        Self {
            candidate_only: counts.candidate_only,
            control_only: counts.control_only,
            both: counts.both,
            lead: counts.lead(),
            first_us: counts.first_us,
            last_us: counts.last_us,
            loudest: counts,
            endpoints: 1,
            number,
        }
    }

    fn and(self, other: Self) -> Self {
        let louder = other.loudest.candidate_only > self.loudest.candidate_only;
        Self {
            candidate_only: self.candidate_only + other.candidate_only,
            control_only: self.control_only + other.control_only,
            both: self.both + other.both,
            lead: Lead {
                candidate: self.lead.candidate + other.lead.candidate,
                control: self.lead.control + other.lead.control,
            },
            first_us: self.first_us.min(other.first_us),
            last_us: self.last_us.max(other.last_us),
            loudest: if louder { other.loudest } else { self.loudest },
            endpoints: self.endpoints + other.endpoints,
            number: self.number.max(other.number),
        }
    }
}

impl<'e> Tested<'e> {
    fn new(endpoint: &'e str, what: What<'e>, ln_evidence: f64, ln_weight: f64) -> Self {
        Self { endpoint, what, ln_evidence, standing: Standing::Open, backing: None, ln_weight }
    }

    /// Whether it shows in several blocks of time, and for several clients.
    fn confirm(&self, evidence: &Evidence, alpha: f64) -> Confirmation {
        let all = &evidence.release.all;
        let group = evidence.endpoints.get(self.endpoint).map_or(all, |endpoint| &endpoint.all);
        let now = evidence.pace.block(all.last_us);
        let confirm = |coins: &Coins, alpha| coins.confirm(now, group.controlled, &group.known, alpha);
        match self.what {
            What::Difference(_, counts) => confirm(&counts.coins, alpha),
            What::Pooled(subject, _) => {
                let parts =
                    evidence.endpoints.values().filter_map(|endpoint| endpoint.hypotheses.get(subject));
                let mut together = Coins::default();
                parts.for_each(|counts| together.merge(&counts.coins));
                confirm(&together, alpha)
            }
            What::Exchanges(all) => confirm(&all.coins, alpha),
            // Any step may show it. The mean of their e-values is one, and is at least a fifth of each.
            What::Latency(Group { ladder, .. }) => {
                let each = ladder.coins.iter().zip(ladder.steps);
                let mut each: Vec<_> = each
                    .map(|(coins, (a, b))| {
                        (stats::ln_evidence(a, b), confirm(coins, alpha / real(STEPS.len() as u64)))
                    })
                    .collect();
                each.sort_by(|one, other| other.0.total_cmp(&one.0));
                let confirmed = each.iter().find(|(_, found)| *found == Confirmation::Confirmed);
                confirmed.or(each.first()).map_or(Confirmation::Confirmed, |(_, found)| *found)
            }
        }
    }

    /// Where in the answers of its endpoint, and how.
    pub(super) fn place(&self) -> (&'e str, Kind) {
        match self.what {
            What::Difference(Subject(path, kind), _) | What::Pooled(Subject(path, kind), _) => (path, *kind),
            What::Exchanges(_) => ("", Kind::Any),
            What::Latency(_) => ("", Kind::Latency),
        }
    }

    /// The finding for programs.
    pub(super) fn reason(&self) -> Reason {
        let (path, kind) = self.place();
        let code = match self.what {
            _ if is_suspected(self) => Code::Suspected,
            What::Difference(..) | What::Pooled(..) | What::Exchanges(_) => Code::Regression,
            What::Latency(_) => Code::Slower,
        };
        Reason {
            endpoint: Some(self.endpoint.to_owned()),
            path: Some(path.to_owned()),
            kind: Some(kind),
            value: Some(self.ln_evidence / std::f64::consts::LN_10),
            ..Reason::new(code)
        }
    }
}

impl Tested<'_> {
    /// Where, how often, and with what evidence.
    pub(super) fn worded(&self, evidence: &Evidence) -> String {
        let (path, kind) = self.place();
        let place = joined(&[wording::endpoint(self.endpoint), place(path, kind), noun(kind)]);
        let log10 = wording::evidence(self.ln_evidence / std::f64::consts::LN_10);
        let suspected = match self.standing {
            Standing::Suspected(lacking) => format!("; suspected: {lacking}"),
            Standing::Held => {
                self.backing.map(|backing| format!("; suspected: {backing}")).unwrap_or_default()
            }
            _ => self.backing.map(|backing| format!("; {backing}")).unwrap_or_default(),
        };
        format!("{place}: {}{} ({log10}){suspected}", self.effect_worded(evidence), self.together())
    }

    fn effect_worded(&self, evidence: &Evidence) -> String {
        match self.what {
            What::Latency(Group { ladder, legs, .. }) => {
                let (step, candidate, control) = ladder.loudest();
                legs.effect().map_or_else(
                    || wording::slower(step, candidate, control, ladder.n),
                    |effect| effect.to_string(),
                )
            }
            _ => wording::effect(self.place().1, self.tally(evidence)),
        }
    }

    fn together(&self) -> String {
        match self.what {
            What::Pooled(_, Pooled { endpoints, .. }) => format!(", at {endpoints} endpoints together"),
            _ => String::new(),
        }
    }

    /// In how many exchanges of its endpoint.
    pub(crate) fn tally(&self, evidence: &Evidence) -> Tally {
        let all = &evidence.release.all;
        let group = evidence.endpoints.get(self.endpoint).map_or(all, |endpoint| &endpoint.all);
        let (candidate_only, control_only, both) = match self.what {
            What::Difference(_, counts) => (counts.candidate_only, counts.control_only, counts.both),
            What::Pooled(_, pooled) => (pooled.candidate_only, pooled.control_only, pooled.both),
            What::Exchanges(all) => (all.worse, all.better, 0),
            What::Latency(Group { ladder, .. }) => {
                let (_, candidate, control) = ladder.loudest();
                return Tally {
                    candidate_only: candidate,
                    control_only: control,
                    both: 0,
                    exchanges: ladder.n,
                };
            }
        };
        Tally { candidate_only, control_only, both, exchanges: group.controlled }
    }
}

/// What a place that has no path of its own is called.
fn noun(kind: Kind) -> &'static str {
    if kind == Kind::Latency { "latency" } else { "" }
}

/// That a roll back comes sooner than a promotion, if what is seen goes on: of the hypothesis that is rejected first.
pub(super) fn nearer(
    evidence: &Evidence,
    tested: &[Tested<'_>],
    gates: &Gates,
    promotion: Option<Further>,
) -> Option<(Reason, String)> {
    let coming = real(evidence.release.coming());
    let open =
        tested.iter().filter(|tested| tested.standing == Standing::Open && tested.ln_evidence >= TELLING);
    let each = open.map(|tested| {
        // Evidence grows in proportion to the exchanges. That all weights count in full only makes it look nearer to those that go alone.
        let wanted = -gates.roll_back_alpha.ln() - tested.ln_weight;
        ((coming * (wanted / tested.ln_evidence - 1.0)).max(1.0).ceil() as u64, tested)
    });
    let (more, first) = each.min_by_key(|(more, _)| *more)?;
    if promotion.is_some_and(|promotion| promotion.middle() <= more) {
        return None;
    }
    let why = format!(
        "a roll back is nearer than a promotion if this goes on, about {} away: {}",
        exchanges(more),
        first.worded(evidence)
    );
    Some((Reason { code: Code::RollBackNearer, ..first.reason() }, why))
}

/// It is a regression, and to be said.
pub(crate) fn is_found(tested: &Tested<'_>) -> bool {
    tested.standing == Standing::Rejected
}

/// It looks like one, and may be a burst or what one source alone says.
pub(crate) fn is_suspected(tested: &Tested<'_>) -> bool {
    matches!(tested.standing, Standing::Suspected(_) | Standing::Held)
}

/// All endpoints together, as a hypothesis of its own: what is spread thin shows only there.
pub(crate) const ALL_ENDPOINTS: &str = "*";
/// The part of the weights that belongs to differences and latencies of single endpoints, …
const OWN: f64 = 0.9;
/// … to those of places over all endpoints, …
const POOLED: f64 = 0.08;
/// … and to the share of worse exchanges.
const EXCHANGES: f64 = 0.02;

/// ln of the evidence from which on it is no chance to look at.
const TELLING: f64 = std::f64::consts::LN_10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Ladder;

    /// Slower beyond doubt, but beyond the margin only as far as one test in a hundred is by chance: too little for the
    /// eleventh hypothesis of a family.
    #[test]
    fn the_margin_of_latency_is_corrected_for_many_hypotheses_too() {
        let alpha = Gates::default().roll_back_alpha;
        let slow = |slower| Ladder {
            discovered: Some(11),
            n: 1_000,
            steps: [(slower, 0); STEPS.len()],
            ..Ladder::default()
        };
        let beyond = |slower: &u64| slow(*slower).ln_beyond_margins() >= -alpha.ln();
        let enough_alone = (0..1_000).find(beyond).unwrap();
        let rejected = |slower| {
            let mut evidence = Evidence::new();
            let (endpoint, changed) = evidence.endpoints.change("GET /".into());
            endpoint.all.ladder = slow(slower);
            for number in 1..=10 {
                let subject = Subject(format!("/{number}"), Kind::Value);
                endpoint.hypotheses.change_or_add(subject, changed).discovered = Some(number);
            }
            test(&evidence, &Gates::default()).iter().any(|tested| tested.standing != Standing::Open)
        };
        assert!(slow(enough_alone).ln_evidence() > (11.0 * 12.0 / OWN / alpha).ln());
        assert!(!rejected(enough_alone));
        assert!(rejected(3 * enough_alone));
    }
}
