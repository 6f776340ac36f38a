//! Promote, wait or roll back: the tests of `stats` applied to all hypotheses of a release at once.
//!
//! Roll back needs proof of a regression, promote needs proof that none is larger than the margin. Between the two lies
//! `wait`, which says what is missing and how many exchanges that takes.

mod family;
mod promotion;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use self::family::{Tested, What};
pub(crate) use self::promotion::{MIN_EFFECTIVE, comparable, endpoint_needed};
use crate::evidence::Evidence;

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

/// The verdict and why.
#[derive(Debug)]
pub(crate) struct Judgement<'e> {
    pub(crate) verdict: Verdict,
    pub(crate) reasons: Vec<String>,
    /// Further exchanges until `promote`, if rates stay.
    pub(crate) needed: Option<u64>,
    pub(crate) tested: Vec<Tested<'e>>,
}

/// How many findings a reason list names.
const MAX_NAMED: usize = 5;

/// Judges the evidence as it stands.
pub(crate) fn judge<'e>(evidence: &'e Evidence, gates: &Gates, delivery: &Delivery) -> Judgement<'e> {
    let tested = family::test(evidence, gates);
    let mut found: Vec<&Tested<'_>> = tested.iter().filter(|tested| tested.rejected).collect();
    found.sort_by(|x, y| y.ln_evidence.total_cmp(&x.ln_evidence));
    if !found.is_empty() {
        let mut reasons: Vec<String> = found.iter().take(MAX_NAMED).map(ToString::to_string).collect();
        if found.len() > MAX_NAMED {
            reasons.push(format!("and {} more", found.len() - MAX_NAMED));
        }
        return Judgement { verdict: Verdict::RollBack, reasons, needed: None, tested };
    }
    let missing = promotion::missing(evidence, gates, delivery);
    let verdict = if missing.is_empty() { Verdict::Promote } else { Verdict::Wait };
    let needed =
        missing.iter().map(|missing| missing.needed).try_fold(0, |most, needed| Some(needed?.max(most)));
    let reasons = match verdict {
        Verdict::Promote => vec![promotion::shown(evidence, gates)],
        _ if evidence.exchanges() == 0 => {
            vec![format!("no exchange has been compared yet{}", promotion::takes(needed))]
        }
        _ => missing.into_iter().map(|missing| missing.why).collect(),
    };
    Judgement { verdict, reasons, needed: needed.filter(|_| verdict == Verdict::Wait), tested }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
