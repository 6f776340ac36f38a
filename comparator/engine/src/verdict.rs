//! Promote, wait or roll back: the tests of `stats` applied to all hypotheses of a release at once.
//!
//! Roll back needs proof of a regression, promote needs proof that none is larger than the margin. Between the two lies
//! `wait`, which says what is missing and how many exchanges that takes.

mod backing;
mod calibration;
mod coverage;
mod delivery;
mod family;
mod findings;
mod group;
mod missing;
mod promotion;
mod reason;
mod witness;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use self::coverage::covered;
pub use self::delivery::Delivery;
pub(crate) use self::delivery::Told;
pub(crate) use self::family::{Tested, What, is_found, is_suspected};
pub(crate) use self::findings::findings;
pub(crate) use self::group::{MIN_EFFECTIVE, comparable};
use self::missing::{Missing, takes};
pub(crate) use self::promotion::{excess_at_most, noisy_needs};
pub use self::reason::{Code, Reason};
pub use self::witness::MAX_SOURCES;
pub(crate) use self::witness::Witness;
use crate::evidence::Evidence;
use crate::forecast::Further;
use crate::latency::LatencyMargins;
use crate::pace::Pace;
pub(crate) use crate::stats::ratio;
use crate::wording::exchanges;

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

/// What a verdict needs. All but spans of time are fractions between 0 and 1.
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
    /// Share of exchanges that may be worse at a place where the stable version's own answers differ, at most; the farther of two
    /// answers that differ may be the candidate's in twice this share more than the control's.
    #[serde(default = "noisy_margin")]
    pub noisy_margin: f64,
    /// By how much the candidate may be slower.
    #[serde(default)]
    pub latency: LatencyMargins,
    /// The shortest block of time that counts once, in milliseconds: bursts that are shorter than eight of them never roll back by
    /// themselves.
    #[serde(default = "block_ms")]
    pub block_ms: u64,
    /// For how long exchanges are only counted after a leg began to answer, in milliseconds.
    #[serde(default)]
    pub warm_up_ms: u64,
    /// The span of time that the exchanges of a promotion have at least, in milliseconds.
    #[serde(default)]
    pub at_least_ms: u64,
    /// The candidate is the stable version itself: nothing is promoted or rolled back, the report says what was seen.
    #[serde(default)]
    pub calibration: bool,
    /// The stored policy can be read in part only: nothing is promoted or rolled back by what is left of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreadable: bool,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            roll_back_alpha: 0.01,
            promote_alpha: 0.05,
            margin: 0.005,
            endpoint_margin: 0.02,
            noisy_margin: noisy_margin(),
            latency: LatencyMargins::default(),
            block_ms: block_ms(),
            warm_up_ms: 60_000,
            at_least_ms: 300_000,
            calibration: false,
            unreadable: false,
        }
    }
}

impl Gates {
    /// By what evidence is counted for these gates.
    pub fn pace(&self) -> Pace {
        Pace {
            block_us: self.block_ms.saturating_mul(1_000),
            warm_up_us: self.warm_up_ms.saturating_mul(1_000),
            noisy_margin: self.noisy_margin,
            latency: self.latency,
        }
    }
}

fn noisy_margin() -> f64 {
    0.05
}

/// 10 s.
fn block_ms() -> u64 {
    10_000
}

/// The verdict and why.
#[derive(Debug)]
pub(crate) struct Judgement<'e> {
    pub(crate) verdict: Verdict,
    /// Most important first, each as a sentence …
    pub(crate) reasons: Vec<String>,
    /// … and for programs.
    pub(crate) details: Vec<Reason>,
    /// Further exchanges until `promote`.
    pub(crate) needed: Option<Further>,
    pub(crate) tested: Vec<Tested<'e>>,
}

/// How many findings a reason list names.
const MAX_NAMED: usize = 5;

impl<'e> Judgement<'e> {
    fn new(
        verdict: Verdict,
        reasons: Vec<(Reason, String)>,
        needed: Option<Further>,
        tested: Vec<Tested<'e>>,
    ) -> Self {
        let (details, reasons) = reasons.into_iter().unzip();
        Self { verdict, reasons, details, needed, tested }
    }
}

/// Judges the evidence as it stands, of which these told something.
pub(crate) fn judge<'e>(evidence: &'e Evidence, gates: &Gates, told: &[Told<'_>]) -> Judgement<'e> {
    decide(evidence, gates, told, family::test(evidence, gates))
}

/// Judges the merged evidence of several sources; `without` makes that of all but the one whose evidence it is given.
pub(crate) fn judge_together<'e>(
    merged: &'e Evidence,
    witnesses: &[Witness<'e>],
    without: impl Fn(&Evidence) -> Evidence,
    gates: &Gates,
    told: &[Told<'_>],
) -> Judgement<'e> {
    decide(merged, gates, told, backing::weighed(merged, witnesses, without, gates))
}

fn decide<'e>(
    evidence: &'e Evidence,
    gates: &Gates,
    told: &[Told<'_>],
    tested: Vec<Tested<'e>>,
) -> Judgement<'e> {
    if gates.unreadable {
        // Nothing is decided, and what was found stays to be seen.
        let found = findings::reasons(evidence, &tested, is_found);
        let reasons = std::iter::once(reason::unreadable()).chain(found).collect();
        return Judgement::new(Verdict::Wait, reasons, None, tested);
    }
    if tested.iter().any(is_found) && !gates.calibration {
        return Judgement::new(
            Verdict::RollBack,
            findings::reasons(evidence, &tested, is_found),
            None,
            tested,
        );
    }
    let missing = promotion::missing(evidence, gates, told);
    let needed = most(&missing);
    if evidence.exchanges() == 0 {
        let reason = Reason::new(Code::NothingCompared).needing(needed);
        let elsewhere = evidence.release.elsewhere;
        if elsewhere > 0 {
            let why = format!(
                "no exchange could be compared: another variant than the primary of the comparison answered ({})",
                exchanges(elsewhere)
            );
            return Judgement::new(
                Verdict::Wait,
                vec![(Reason::new(Code::NothingCompared), why)],
                None,
                tested,
            );
        }
        let why = if told.iter().any(|source| source.delivery.known) {
            format!("no exchange has been compared yet{}", takes(needed))
        } else {
            "no exchange has been compared yet, and no filter has reported: `antumbra doctor` looks for the cause".to_owned()
        };
        return Judgement::new(Verdict::Wait, vec![(reason, why)], needed, tested);
    }
    if gates.calibration {
        return calibration::judge(evidence, tested, missing);
    }
    let mut suspected = findings::reasons(evidence, &tested, is_suspected);
    if !suspected.is_empty() {
        suspected.extend(missing.into_iter().map(|missing| (missing.reason, missing.why)));
        return Judgement::new(Verdict::Wait, suspected, None, tested);
    }
    if missing.is_empty() {
        return Judgement::new(Verdict::Promote, vec![promotion::shown(evidence, gates)], None, tested);
    }
    let nearer = family::nearer(evidence, &tested, gates, needed);
    // An endpoint that always fails is named before all else.
    let certain = missing.iter().take_while(|missing| missing.reason.code == Code::AlwaysFails).count();
    let mut reasons: Vec<(Reason, String)> =
        missing.into_iter().map(|missing| (missing.reason, missing.why)).collect();
    reasons.splice(certain..certain, nearer);
    Judgement::new(Verdict::Wait, reasons, needed, tested)
}

/// Further exchanges until nothing is missing; `None` if something always will be, or nothing is.
fn most(missing: &[Missing]) -> Option<Further> {
    let mut needs = missing.iter().map(|missing| missing.reason.needed_within);
    let most = needs.try_fold(Further::exactly(0), |most, needed| Some(most.and(needed?)));
    most.filter(|_| !missing.is_empty())
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn real(count: u64) -> f64 {
    count as f64
}
