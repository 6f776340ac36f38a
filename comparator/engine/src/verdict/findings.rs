//! What was found, in the order in which people want it: what breaks clients first, and of each kind what is largest. One cause at several
//! places is one finding.

use std::collections::BTreeMap;

use super::family::{Tested, What};
use super::real;
use super::reason::{Code, Reason};
use crate::evidence::Evidence;
use crate::kind::Kind;

/// All places that likely show one cause, the one with the largest effect first; there is at least one.
pub(crate) struct Finding<'t, 'e> {
    pub(crate) lead: &'t Tested<'e>,
    pub(crate) others: Vec<&'t Tested<'e>>,
}

/// How much a finding matters by its nature, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// There is no answer, or one of another status.
    Call,
    /// Members are missing, or of another type: clients cannot read the answer.
    Structure,
    /// Clients read another answer.
    Value,
    /// So they do, where no two answers are alike.
    Farther,
    /// Nobody can say where.
    Any,
    Latency,
    Header,
    Cookie,
}

/// What belongs to one finding.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Cause<'e> {
    /// All headers, or all trailers, that differ in one way.
    Headers(Kind),
    /// A place of the answers, at whatever endpoint.
    Place(&'e str, Kind),
}

/// Those of which this holds.
pub(crate) fn findings<'t, 'e>(
    evidence: &Evidence,
    tested: &'t [Tested<'e>],
    of: impl Fn(&Tested<'_>) -> bool,
) -> Vec<Finding<'t, 'e>> {
    let mut found: Vec<(Rank, f64, &Tested<'_>)> = tested
        .iter()
        .filter(|tested| of(tested))
        .map(|tested| (rank(tested), tested.effect(evidence), tested))
        .collect();
    found.sort_by(|x, y| {
        let by_effect = y.1.total_cmp(&x.1);
        x.0.cmp(&y.0).then(by_effect).then_with(|| y.2.ln_evidence.total_cmp(&x.2.ln_evidence))
    });
    let mut places: BTreeMap<Cause<'_>, usize> = BTreeMap::new();
    let mut findings: Vec<Finding<'_, '_>> = Vec::new();
    for (_, _, tested) in found {
        let at = *places.entry(cause(tested)).or_insert(findings.len());
        match findings.get_mut(at) {
            Some(finding) => finding.others.push(tested),
            None => findings.push(Finding { lead: tested, others: Vec::new() }),
        }
    }
    findings
}

/// The first of the findings as reasons, and how many more there are.
pub(super) fn reasons(
    evidence: &Evidence,
    tested: &[Tested<'_>],
    of: fn(&Tested<'_>) -> bool,
) -> Vec<(Reason, String)> {
    let found = findings(evidence, tested, of);
    let more = found.len().saturating_sub(MAX_FINDINGS);
    let mut reasons: Vec<_> =
        found.iter().take(MAX_FINDINGS).map(|finding| finding.reason(evidence)).collect();
    if more > 0 {
        let reason = Reason { value: Some(real(more as u64)), ..Reason::new(Code::More) };
        reasons.push((reason, format!("and {more} more")));
    }
    reasons
}

impl Finding<'_, '_> {
    fn reason(&self, evidence: &Evidence) -> (Reason, String) {
        let Self { lead, others } = self;
        let alike = others.iter().all(|other| other.place() == lead.place());
        let also = match (others.len(), alike) {
            (0, _) => String::new(),
            (1, true) => ", and at another endpoint".to_owned(),
            (more, true) => format!(", and at {more} more endpoints"),
            (1, false) => ", and another one like it".to_owned(),
            (more, false) => format!(", and {more} more like it"),
        };
        (lead.reason(), format!("{}{also}", lead.worded(evidence)))
    }
}

/// Findings that are named, each with all places of its cause.
const MAX_FINDINGS: usize = 10;

fn rank(tested: &Tested<'_>) -> Rank {
    let (path, kind) = tested.place();
    match kind {
        Kind::Outcome | Kind::Status => Rank::Call,
        Kind::Latency => Rank::Latency,
        Kind::Any => Rank::Any,
        _ if path.starts_with("cookie:") => Rank::Cookie,
        _ if is_header(path) => Rank::Header,
        Kind::Missing | Kind::Extra | Kind::Type | Kind::Length | Kind::Order => Rank::Structure,
        Kind::Value => Rank::Value,
        Kind::Farther => Rank::Farther,
    }
}

fn cause<'e>(tested: &Tested<'e>) -> Cause<'e> {
    let (path, kind) = tested.place();
    if is_header(path) { Cause::Headers(kind) } else { Cause::Place(path, kind) }
}

fn is_header(path: &str) -> bool {
    path.starts_with("header:") || path.starts_with("trailer:")
}

impl Tested<'_> {
    /// How large it is: the share of exchanges that the candidate makes worse, net of noise; of latency, how many times as slow it is at
    /// most. To be compared with findings of the same rank only.
    fn effect(&self, evidence: &Evidence) -> f64 {
        let all = &evidence.release.all;
        let group = evidence.endpoints.get(self.endpoint).map_or(all, |endpoint| &endpoint.all);
        let net =
            |candidate: u64, control: u64| (real(candidate) - real(control)) / real(group.controlled.max(1));
        match self.what {
            What::Difference(_, counts) => net(counts.candidate_only, counts.control_only),
            What::Pooled(_, pooled) => net(pooled.candidate_only, pooled.control_only),
            What::Exchanges(all) => net(all.worse, all.better),
            What::Latency(group) => group.legs.effect().map_or(0.0, |effect| effect.times()),
        }
    }
}
