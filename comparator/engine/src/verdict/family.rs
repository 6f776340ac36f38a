//! All hypotheses of a release, tested as one family: which of them are regressions.

use std::fmt;

use super::Gates;
use super::reason::{Code, Reason};
use crate::evidence::Evidence;
use crate::hypothesis::Hypothesis;
use crate::kind::{Kind, Subject};
use crate::latency::Ladder;
use crate::stats;
use crate::wording::{joined, place};

/// One hypothesis that has been discordant at least once, with its evidence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tested<'e> {
    pub(crate) endpoint: &'e str,
    pub(crate) what: What<'e>,
    pub(crate) ln_evidence: f64,
    pub(crate) rejected: bool,
    number: u64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'e> {
    Difference(&'e Subject, &'e Hypothesis),
    Latency(&'e Ladder),
}

/// All discordant hypotheses. The evidence against latency is the lesser of two: that the candidate
/// is slower, and that it is so beyond a margin, for a difference that is certain may still be too small to matter. The
/// lesser of two e-values is one, so the family's correction covers both claims.
pub(super) fn test<'e>(evidence: &'e Evidence, gates: &Gates) -> Vec<Tested<'e>> {
    let mut family = Vec::new();
    let mut add = |endpoint, discovered: Option<u64>, what: What<'e>| {
        let ln_evidence = match what {
            What::Difference(_, counts) => stats::ln_evidence(counts.candidate_only, counts.control_only),
            What::Latency(ladder) => ladder.ln_evidence().min(ladder.ln_beyond_margins()),
        };
        family.extend(discovered.map(|number| Tested {
            endpoint,
            what,
            ln_evidence,
            rejected: false,
            number,
        }));
    };
    let ladder = &evidence.release.all.ladder;
    add(ALL_ENDPOINTS, ladder.discovered, What::Latency(ladder));
    for (name, endpoint) in &evidence.endpoints {
        add(name, endpoint.all.ladder.discovered, What::Latency(&endpoint.all.ladder));
        for (subject, counts) in &endpoint.hypotheses {
            add(name, counts.discovered, What::Difference(subject, counts));
        }
    }
    let numbered: Vec<(u64, f64)> = family.iter().map(|tested| (tested.number, tested.ln_evidence)).collect();
    for (tested, rejected) in family.iter_mut().zip(stats::reject(&numbered, gates.roll_back_alpha)) {
        tested.rejected = rejected;
    }
    let explained = family
        .iter()
        .any(|t| t.rejected && t.endpoint != ALL_ENDPOINTS && matches!(t.what, What::Latency(_)));
    for tested in family.iter_mut().filter(|tested| explained && tested.endpoint == ALL_ENDPOINTS) {
        // The whole is slower because a part is: said once, where it can be acted upon.
        tested.rejected = false;
    }
    family
}

impl<'e> Tested<'e> {
    /// Where in the answers of its endpoint, and how.
    pub(super) fn place(&self) -> (&'e str, Kind) {
        match self.what {
            What::Difference(Subject(path, kind), _) => (path, *kind),
            What::Latency(_) => ("", Kind::Latency),
        }
    }

    /// The finding for programs.
    pub(super) fn reason(&self) -> Reason {
        let (path, kind) = self.place();
        let code = match self.what {
            What::Difference(..) => Code::Regression,
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

impl fmt::Display for Tested<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let evidence = self.ln_evidence / std::f64::consts::LN_10;
        match self.what {
            What::Difference(Subject(path, kind), counts) => {
                let what = joined(&[self.endpoint, place(path, *kind), &kind.to_string()]);
                let (a, b) = (counts.candidate_only, counts.control_only);
                write!(f, "{what}: only the candidate differs {a}×, only the control {b}×")?;
            }
            What::Latency(ladder) => {
                let (step, a, b) = ladder.loudest();
                write!(
                    f,
                    "{} latency: candidate {step}× slower in {a}, control in {b} of {}",
                    self.endpoint, ladder.n
                )?;
            }
        }
        write!(f, " (evidence 10^{evidence:.1})")
    }
}

/// All endpoints together, as a hypothesis of its own: a tail that is spread thin shows only there.
pub(crate) const ALL_ENDPOINTS: &str = "*";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::STEPS;

    /// Slower beyond doubt, but beyond the margin only as far as one test in a hundred is by chance: too little for the
    /// eleventh hypothesis of a family.
    #[test]
    fn the_margin_of_latency_is_corrected_for_many_hypotheses_too() {
        let alpha = Gates::default().roll_back_alpha;
        let slow = |slower| Ladder { discovered: Some(11), n: 1_000, steps: [(slower, 0); STEPS.len()] };
        let beyond = |slower: &u64| slow(*slower).ln_beyond_margins() >= -alpha.ln();
        let enough_alone = (0..1_000).find(beyond).unwrap();
        let rejected = |slower| {
            let mut evidence = Evidence::new();
            let endpoint = std::sync::Arc::make_mut(evidence.endpoints.entry("GET /".into()).or_default());
            endpoint.all.ladder = slow(slower);
            for number in 1..=10 {
                let counts = Hypothesis { discovered: Some(number), ..Hypothesis::default() };
                endpoint.hypotheses.insert(Subject(format!("/{number}"), Kind::Value), counts);
            }
            test(&evidence, &Gates::default()).iter().any(|tested| tested.rejected)
        };
        assert!(slow(enough_alone).ln_evidence() > (11.0 * 12.0 / alpha).ln());
        assert!(!rejected(enough_alone));
        assert!(rejected(3 * enough_alone));
    }
}
