//! Which differences a report lists: proven regressions, noise with what it costs, and what had no control.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::{Noise, Regression, Uncontrolled};
use crate::evidence::{Evidence, Group};
use crate::forecast::{self, Further};
use crate::hypothesis::Hypothesis;
use crate::kind::{Kind, Subject};
use crate::verdict::{self, Gates, Tested, What, findings, is_found, is_suspected};

/// Those of which this holds, finding by finding.
pub(super) fn regressions(
    evidence: &Evidence,
    tested: &[Tested<'_>],
    of: impl Fn(&Tested<'_>) -> bool,
) -> Vec<Regression> {
    let findings = findings(evidence, tested, of);
    let numbered = (1..).zip(findings);
    let each = numbered.flat_map(|(cause, finding)| {
        let places = std::iter::once(finding.lead).chain(finding.others);
        places.map(move |tested| Regression { cause, ..regression(evidence, tested) })
    });
    each.collect()
}

fn regression(evidence: &Evidence, tested: &Tested<'_>) -> Regression {
    let group =
        evidence.endpoints.get(tested.endpoint).map_or(&evidence.release.all, |endpoint| &endpoint.all);
    let blank = Regression {
        cause: 0,
        endpoint: tested.endpoint.to_owned(),
        path: String::new(),
        kind: Kind::Latency,
        candidate_only: 0,
        control_only: 0,
        both: 0,
        exchanges: group.controlled,
        evidence_log10: tested.ln_evidence / std::f64::consts::LN_10,
        step: None,
        slowdown: None,
        first_us: group.first_us,
        last_us: group.last_us,
        example: None,
        more_examples: Vec::new(),
        source: tested.backing.map(|backing| backing.source().to_owned()),
    };
    match tested.what {
        What::Latency(Group { ladder, legs, .. }) => {
            let (step, candidate_only, control_only) = ladder.loudest();
            let (step, slowdown) = (Some(step), legs.effect());
            Regression { candidate_only, control_only, exchanges: ladder.n, step, slowdown, ..blank }
        }
        What::Exchanges(all) => {
            Regression { kind: Kind::Any, candidate_only: all.worse, control_only: all.better, ..blank }
        }
        What::Pooled(Subject(path, kind), pooled) => Regression {
            path: path.clone(),
            kind: *kind,
            candidate_only: pooled.candidate_only,
            control_only: pooled.control_only,
            both: pooled.both,
            first_us: pooled.first_us,
            last_us: pooled.last_us,
            example: pooled.loudest.examples.first().cloned(),
            more_examples: pooled.loudest.examples.iter().skip(1).cloned().collect(),
            ..blank
        },
        What::Difference(Subject(path, kind), counts) => Regression {
            path: path.clone(),
            kind: *kind,
            candidate_only: counts.candidate_only,
            control_only: counts.control_only,
            both: counts.both,
            first_us: counts.first_us,
            last_us: counts.last_us,
            example: counts.examples.first().cloned(),
            more_examples: counts.examples.iter().skip(1).cloned().collect(),
            ..blank
        },
    }
}

pub(super) fn noise(evidence: &Evidence, tested: &[Tested<'_>], costs: &Costs<'_>) -> (Vec<Noise>, u64) {
    let told = |endpoint: &str, subject: &Subject| {
        let mut those = tested.iter().filter(|tested| is_found(tested) || is_suspected(tested));
        those.any(|tested| match tested.what {
            What::Difference(found, _) => tested.endpoint == endpoint && found == subject,
            What::Pooled(found, _) => found == subject,
            What::Exchanges(_) | What::Latency(_) => false,
        })
    };
    let mut found: Vec<(&str, &Subject, &Hypothesis)> = differences(evidence)
        .filter(|(_, subject, _)| subject.1 != Kind::Farther)
        .filter(|(_, _, counts)| counts.candidate_only + counts.control_only + counts.both > 0)
        .collect();
    found.sort_by_key(|(_, _, counts)| {
        std::cmp::Reverse((counts.candidate_only + counts.control_only, counts.both))
    });
    let mut quiet = found.into_iter();
    let mut listed = Vec::new();
    for (endpoint, subject, counts) in quiet.by_ref() {
        if told(endpoint, subject) {
            continue;
        }
        listed.push(Noise {
            endpoint: endpoint.to_owned(),
            path: subject.0.clone(),
            kind: subject.1,
            candidate_only: counts.candidate_only,
            control_only: counts.control_only,
            both: counts.both,
            costs: costs.at(subject, counts),
        });
        if listed.len() >= MAX_LISTED {
            break;
        }
    }
    (listed, quiet.count() as u64)
}

/// What noise costs that is not declared. Places that differ as often cost as much, and there may be a hundred thousand: finding it out
/// takes longer than all else.
pub(super) struct Costs<'e> {
    all: &'e Group,
    gates: &'e Gates,
    /// What each noisy place takes by itself.
    noisy: BTreeMap<&'e str, Option<u64>>,
    /// What the quiet places take.
    rest: u64,
    /// What they take, by how often the candidate alone and the control alone differ there that is left out.
    quiet: RefCell<BTreeMap<(u64, u64), Option<u64>>>,
}

impl<'e> Costs<'e> {
    pub(super) fn of(evidence: &'e Evidence, gates: &'e Gates) -> Self {
        let noisy = verdict::noisy_needs(evidence, gates);
        let all = &evidence.release.all;
        let rest = all.quiet.further(gates.margin, gates.promote_alpha).map_or(0, Further::middle);
        Self { all, gates, noisy, rest, quiet: RefCell::default() }
    }

    /// By how many exchanges a promotion could be had earlier if the place were declared; `None` if it is out of reach with it or without.
    pub(super) fn at(&self, subject: &Subject, counts: &Hypothesis) -> Option<u64> {
        // What is told of the place by itself costs what it takes longer than the quiet ones.
        let own = self.noisy.get(subject.0.as_str()).copied().unwrap_or(Some(0))?;
        let apart = own.saturating_sub(self.rest);
        if counts.is_noisy() {
            return Some(apart);
        }
        let without = self.quiet_needs(counts.candidate_only, counts.control_only)?;
        Some(self.quiet_needs(0, 0)?.saturating_sub(without).max(apart))
    }

    /// Further exchanges for the share of quiet places, without what such a place contributes.
    fn quiet_needs(&self, candidate_only: u64, control_only: u64) -> Option<u64> {
        let mut known = self.quiet.borrow_mut();
        let needed = known.entry((candidate_only, control_only)).or_insert_with(|| {
            let paired = self.all.quiet.without(candidate_only, control_only);
            forecast::further(paired, self.gates.margin, self.gates.promote_alpha).map(Further::middle)
        });
        *needed
    }
}

pub(super) fn uncontrolled(evidence: &Evidence) -> (Vec<Uncontrolled>, u64) {
    let mut found: Vec<(&str, &Subject, &Hypothesis)> =
        differences(evidence).filter(|(_, _, counts)| counts.uncontrolled > 0).collect();
    found.sort_by_key(|(_, _, counts)| std::cmp::Reverse(counts.uncontrolled));
    let more = found.len().saturating_sub(MAX_LISTED) as u64;
    let listed = found.into_iter().take(MAX_LISTED).map(|(endpoint, subject, counts)| Uncontrolled {
        endpoint: endpoint.to_owned(),
        path: subject.0.clone(),
        kind: subject.1,
        exchanges: counts.uncontrolled,
        example: counts.examples.first().cloned(),
    });
    (listed.collect(), more)
}

fn differences(evidence: &Evidence) -> impl Iterator<Item = (&str, &Subject, &Hypothesis)> {
    evidence.endpoints.iter().flat_map(|(name, endpoint)| {
        endpoint.hypotheses.iter().map(move |(subject, counts)| (name.as_ref(), subject, counts))
    })
}

const MAX_LISTED: usize = 50;
