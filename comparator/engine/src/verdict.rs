//! Promote, wait or roll back: the tests of `stats` applied to all hypotheses of a release at once.
//!
//! Roll back needs proof of a regression, promote needs proof that none is larger than the margin. Between the two lies
//! `wait`, which says what is missing and how many exchanges that takes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::diff::Subject;
use crate::evidence::{Endpoint, Evidence, Group};
use crate::hypothesis::Hypothesis;
use crate::latency::{Ladder, STEPS};
use crate::stats;
use crate::wording::{joined, percent, percent_beside, place};

/// What to do with the release now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It is shown to be no worse than the margins allow.
    #[serde(rename = "promote")]
    Promote,
    /// Neither is shown yet.
    #[serde(rename = "wait")]
    Wait,
    /// A regression is shown.
    #[serde(rename = "roll back")]
    RollBack,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Promote => "promote",
            Self::Wait => "wait",
            Self::RollBack => "roll back",
        })
    }
}

/// What a verdict needs. All are fractions between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gates {
    /// The chance of ever rolling back a release without regression, over all endpoints and paths.
    pub roll_back_alpha: f64,
    /// The chance of ever promoting a release that is worse than a margin.
    pub promote_alpha: f64,
    /// Share of exchanges that may be worse, over all endpoints.
    pub margin: f64,
    /// Share of exchanges that may be worse at one endpoint.
    pub endpoint_margin: f64,
}

impl Default for Gates {
    fn default() -> Self {
        Self { roll_back_alpha: 0.01, promote_alpha: 0.05, margin: 0.005, endpoint_margin: 0.02 }
    }
}

/// What the filters say about shadows and observations: what never arrived cannot have been clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Whether a filter has reported at all. If not, the counts mean nothing, and nothing can be promoted.
    #[serde(default)]
    pub known: bool,
    /// Exchanges whose shadows left.
    pub mirrored: u64,
    /// Observations that were lost or whose delivery is unknown.
    pub undelivered: u64,
    /// Exchanges of which the filter sent no shadow, for want of budget or because of its breaker.
    pub not_sent: u64,
}

/// One hypothesis that has been discordant at least once, with its evidence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tested<'e> {
    pub(crate) endpoint: &'e str,
    pub(crate) what: What<'e>,
    pub(crate) ln_evidence: f64,
    pub(crate) rejected: bool,
    discovered: u64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'e> {
    Difference(&'e Subject, &'e Hypothesis),
    Latency(&'e Ladder),
}

/// The verdict and why.
#[derive(Debug)]
pub(crate) struct Judgement<'e> {
    pub(crate) verdict: Verdict,
    pub(crate) reasons: Vec<String>,
    /// Further exchanges until `promote`, if rates stay.
    pub(crate) needed: Option<u64>,
    pub(crate) tested: Vec<Tested<'e>>,
}

/// All endpoints together, as a hypothesis of its own: a tail that is spread thin shows only there.
pub(crate) const ALL_ENDPOINTS: &str = "*";
/// The share of an endpoint's controlled exchanges that must be effective.
pub(crate) const MIN_EFFECTIVE: f64 = 0.95;
/// The share of the traffic that must be covered.
pub(crate) const MIN_COVERED: f64 = 0.95;
const MAX_UNDELIVERED: f64 = 0.01;
/// The share of the exchanges that the filters' reports must account for: those of the last second are not in yet.
const MIN_REPORTED: f64 = 0.95;
const MAX_NOT_SENT: f64 = 0.05;
/// How many findings a reason list names.
const MAX_NAMED: usize = 5;

/// Judges the evidence as it stands.
pub(crate) fn judge<'e>(evidence: &'e Evidence, gates: &Gates, delivery: &Delivery) -> Judgement<'e> {
    let tested = test(evidence, gates);
    let mut found: Vec<&Tested<'_>> = tested.iter().filter(|tested| tested.rejected).collect();
    found.sort_by(|x, y| y.ln_evidence.total_cmp(&x.ln_evidence));
    if !found.is_empty() {
        let mut reasons: Vec<String> = found.iter().take(MAX_NAMED).map(ToString::to_string).collect();
        if found.len() > MAX_NAMED {
            reasons.push(format!("and {} more", found.len() - MAX_NAMED));
        }
        return Judgement { verdict: Verdict::RollBack, reasons, needed: None, tested };
    }
    let missing = missing(evidence, gates, delivery);
    let verdict = if missing.is_empty() { Verdict::Promote } else { Verdict::Wait };
    let needed =
        missing.iter().map(|missing| missing.needed).try_fold(0, |most, needed| Some(needed?.max(most)));
    let reasons = match verdict {
        Verdict::Promote => vec![shown(evidence, gates)],
        _ if evidence.exchanges() == 0 => vec![format!("no exchange has been compared yet{}", takes(needed))],
        _ => missing.into_iter().map(|missing| missing.why).collect(),
    };
    Judgement { verdict, reasons, needed: needed.filter(|_| verdict == Verdict::Wait), tested }
}

/// All discordant hypotheses in order of discovery. The evidence against latency is the lesser of two: that the candidate
/// is slower, and that it is so beyond a margin, for a difference that is certain may still be too small to matter. The
/// lesser of two e-values is one, so the family's correction covers both claims.
fn test<'e>(evidence: &'e Evidence, gates: &Gates) -> Vec<Tested<'e>> {
    let mut family = Vec::new();
    let mut add = |endpoint, discovered: Option<u64>, what: What<'e>| {
        let ln_evidence = match what {
            What::Difference(_, counts) => stats::ln_evidence(counts.candidate_only, counts.control_only),
            What::Latency(ladder) => ladder.ln_evidence().min(ladder.ln_beyond_margins()),
        };
        family.extend(discovered.map(|discovered| Tested {
            endpoint,
            what,
            ln_evidence,
            rejected: false,
            discovered,
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
    family.sort_by_key(|tested| tested.discovered);
    let evidences: Vec<f64> = family.iter().map(|tested| tested.ln_evidence).collect();
    for (tested, rejected) in family.iter_mut().zip(stats::reject(&evidences, gates.roll_back_alpha)) {
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

/// A condition of `promote` that does not hold.
struct Missing {
    why: String,
    /// Further exchanges until it holds; `None` if waiting does not help.
    needed: Option<u64>,
}

fn missing(evidence: &Evidence, gates: &Gates, delivery: &Delivery) -> Vec<Missing> {
    let all = &evidence.release.all;
    if all.exchanges > all.not_sent && all.controlled == 0 {
        let why = "no exchange has a control leg: noise cannot be told from regressions, all differences are advisory";
        return vec![Missing { why: why.to_owned(), needed: None }];
    }
    let mut missing = Vec::new();
    missing.extend(margin_missing(all, gates));
    missing.extend(coverage_missing(evidence, gates));
    missing.extend(latency_missing(all, gates));
    missing.extend(delivery_missing(evidence, delivery));
    missing
}

fn margin_missing(all: &Group, gates: &Gates) -> Option<Missing> {
    let paired = all.paired();
    let bound = paired.upper_bound(gates.promote_alpha);
    if paired.ln_below(gates.margin) >= -gates.promote_alpha.ln() {
        return None;
    }
    let needed =
        further(all, paired.needed(gates.margin, gates.promote_alpha), all.controlled, all.exchanges);
    let why = format!(
        "at most {} of exchanges worse is shown, must be below {}",
        percent_beside(bound, gates.margin),
        percent(gates.margin)
    );
    Some(Missing { why: why + &takes(needed), needed })
}

fn coverage_missing(evidence: &Evidence, gates: &Gates) -> Option<Missing> {
    let total = evidence.release.all.exchanges;
    let mut ways: Vec<(u64, u64)> = evidence
        .endpoints
        .values()
        .map(|endpoint| (endpoint_needed(endpoint, total, gates).unwrap_or(u64::MAX), endpoint.all.exchanges))
        .collect();
    ways.sort_unstable();
    let covered: u64 = ways.iter().filter(|way| way.0 == 0).map(|way| way.1).sum();
    if total > 0 && ratio(covered, total) >= MIN_COVERED {
        return None;
    }
    let mut reached = 0;
    let enough = ways.iter().find(|way| {
        reached += way.1;
        ratio(reached, total) >= MIN_COVERED
    });
    let needed = match enough {
        _ if total == 0 => Some(0),
        Some((needed, _)) if *needed < u64::MAX => Some(*needed),
        _ => None,
    };
    let why = format!(
        "only {} of the traffic is at endpoints shown to be at most {} worse; {} is needed",
        percent_beside(if total > 0 { ratio(covered, total) } else { 0.0 }, MIN_COVERED),
        percent(gates.endpoint_margin),
        percent(MIN_COVERED),
    );
    let takes = if total > 0 { takes(needed) } else { String::new() };
    Some(Missing { why: why + &takes, needed })
}

/// Further exchanges of the release until the endpoint is covered: 0 if it is.
pub(crate) fn endpoint_needed(endpoint: &Endpoint, total: u64, gates: &Gates) -> Option<u64> {
    let all = &endpoint.all;
    if !comparable(all) {
        return None;
    }
    let paired = all.paired();
    if all.controlled > 0 && paired.ln_below(gates.endpoint_margin) >= -gates.promote_alpha.ln() {
        return Some(0);
    }
    further(all, paired.needed(gates.endpoint_margin, gates.promote_alpha), all.controlled, total)
        .map(|needed| needed.max(1))
}

/// Whether enough of the controls answered as the primary did for the rest to mean anything.
pub(crate) fn comparable(all: &Group) -> bool {
    all.controlled == 0 || ratio(all.effective, all.controlled) >= MIN_EFFECTIVE
}

fn latency_missing(all: &Group, gates: &Gates) -> Option<Missing> {
    let open = |(paired, margin): &(stats::Paired, f64)| paired.ln_below(*margin) < -gates.promote_alpha.ln();
    let steps = all.ladder.each();
    let needs = steps
        .iter()
        .filter(|step| open(step))
        .map(|(paired, margin)| paired.needed(*margin, gates.promote_alpha));
    let most = needs.clone().try_fold(0, |most, needed| Some(needed?.max(most)));
    let names: Vec<String> = steps
        .iter()
        .zip(STEPS)
        .filter(|(step, _)| open(step))
        .map(|(_, (step, _))| format!("{step}×"))
        .collect();
    if names.is_empty() {
        return None;
    }
    let needed = further(all, most, all.ladder.n, all.exchanges);
    let why =
        format!("the candidate is not yet shown to be no slower than the control at {}", names.join(", "));
    Some(Missing { why: why + &takes(needed), needed })
}

fn delivery_missing(evidence: &Evidence, delivery: &Delivery) -> Vec<Missing> {
    let all = &evidence.release.all;
    let received = all.exchanges.saturating_add(evidence.release.elsewhere);
    if let Some(why) = unreported(received, delivery) {
        // The filters' next report may tell; no exchange has to be waited for.
        return vec![Missing { why, needed: Some(0) }];
    }
    let mut missing = Vec::new();
    let mut check = |part: u64, whole: u64, limit: f64, what: &str| {
        if part > 0 && ratio(part, whole.max(1)) > limit {
            let why = format!(
                "{} of {what}, must be at most {}",
                percent_beside(ratio(part, whole.max(1)), limit),
                percent(limit)
            );
            missing.push(Missing { why, needed: None });
        }
    };
    check(delivery.undelivered, delivery.mirrored, MAX_UNDELIVERED, "the observations did not arrive");
    let wanted = delivery.mirrored.max(received).saturating_add(delivery.not_sent);
    let not_sent = delivery.not_sent.saturating_add(all.not_sent);
    check(not_sent, wanted, MAX_NOT_SENT, "the shadows were not sent for budget, breaker or want of a host");
    missing
}

/// Why it is not known how much was lost, if so: then it may be any amount.
fn unreported(received: u64, delivery: &Delivery) -> Option<String> {
    if !delivery.known {
        let why = "no filter has reported what it could not deliver since the comparator started";
        return Some(why.to_owned());
    }
    (received > 0 && ratio(delivery.mirrored, received) < MIN_REPORTED).then(|| {
        let mirrored = delivery.mirrored;
        format!(
            "the filters have reported {mirrored} of {received} exchanges: what else was lost is not known"
        )
    })
}

/// From exchanges of the kind that counts to exchanges of the release. `in_all` is the number of which `counted` count
/// at present; both 0 means that all will.
fn further(group: &Group, wanted: Option<u64>, counted: u64, in_all: u64) -> Option<u64> {
    let more = wanted?.saturating_sub(counted);
    if group.exchanges == 0 {
        return Some(more);
    }
    if counted == 0 {
        return None;
    }
    let scaled = u128::from(more) * u128::from(in_all) / u128::from(counted);
    u64::try_from(scaled).ok().map(|scaled| scaled.max(1))
}

fn takes(needed: Option<u64>) -> String {
    needed.map_or_else(
        || " (not reached at the present rates)".to_owned(),
        |needed| format!(" (about {needed} more exchanges)"),
    )
}

fn shown(evidence: &Evidence, gates: &Gates) -> String {
    let bound = evidence.release.all.paired().upper_bound(gates.promote_alpha);
    let controlled = evidence.release.all.controlled;
    format!(
        "no regression; at most {} of exchanges are worse, shown on {controlled} with control",
        percent(bound)
    )
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

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::Kind;

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
            let endpoint = evidence.endpoints.entry("GET /".to_owned()).or_default();
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
