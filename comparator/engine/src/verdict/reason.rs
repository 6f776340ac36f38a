//! Why a verdict is what it is, for programs: one code for each sentence, which stays when the wording changes.

use serde::{Deserialize, Serialize};

use crate::forecast::Further;
use crate::kind::Kind;

/// A reason. `value` and `bound` are in the unit of its code; fields that say nothing are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// Which.
    pub code: Code,
    /// Method and route template; `*` is all endpoints together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// As in the report's regressions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// As in the report's regressions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Further exchanges until it no longer holds, if the rates stay; 0 if the filters' next reports may settle it. Absent if
    /// waiting does not help, and for what only says how things are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<u64>,
    /// Between which bounds `needed` lies in four of five releases whose versions are alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed_within: Option<Further>,
    /// How it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// What it must keep to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<f64>,
}

/// What a reason is about. A later version may know more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// Roll back: the candidate alone differs there; `value` is log10 of the evidence.
    Regression,
    /// Roll back: the candidate is slower; `value` is log10 of the evidence.
    Slower,
    /// Wait: it looks like a regression and may be a burst; `value` is log10 of the evidence. It has to show in more separate blocks of time,
    /// or for more clients, until it is rolled back. Hold until then. Where several sources send observations, it also is what only one of
    /// them shows, or what all others show while one hides it.
    Suspected,
    /// Roll back: `value` further findings.
    More,
    /// Promote: the share of exchanges that are worse is at most `value`, below `bound`.
    Equivalent,
    /// Wait: at a place where the control differs as well, a share of at most `value` is shown to be worse, or farther from the primary, and
    /// must be below `bound`.
    Noisy,
    /// Wait: at the endpoint something differs at both legs that nobody can look into, in the share `value` of the exchanges; at most `bound`
    /// may be.
    Unseen,
    /// Wait: the exchanges span `value` seconds, at least `bound` are needed.
    TooShort,
    /// Wait: if all goes on as before, a roll back is nearer than a promotion; `value` is log10 of the evidence so far.
    RollBackNearer,
    /// Wait: no exchange has been compared.
    NothingCompared,
    /// Wait: no exchange has a control leg.
    NoControl,
    /// Wait: at the endpoint the candidate fails in all of `value` exchanges and the control in none. More of them prove a regression, and
    /// nothing else but a new candidate lets it pass.
    AlwaysFails,
    /// Wait: the primary answers the share `value` of the exchanges with one and the same failure, at most `bound` may be.
    Population,
    /// Wait: a share of worse exchanges of at most `value` is shown, it must be below `bound`.
    Margin,
    /// Wait: the share `value` of the traffic is at endpoints within their margin, `bound` is needed.
    Coverage,
    /// Wait: the candidate is not shown to be about as fast; `value` is the lowest quantile that is open, 0.5, 0.9 or 0.99, absent if none is
    /// but the pairs are.
    Latency,
    /// Wait: the filters have reported on the share `value` of the exchanges, on none if it is absent; `bound` is needed.
    Unreported,
    /// Wait: the share `value` of the mirrored exchanges is lost, at most `bound` may be missing.
    Undelivered,
    /// Wait: the share `value` of the requests of a recording could not be asked again, at most `bound` may be missing.
    Unread,
    /// Wait: the share `value` of the sampled exchanges was not mirrored in full, at most `bound` may be missing.
    NotSent,
    /// Wait: candidate and stable version are the same; `value` exchanges were compared.
    Calibration,
    /// Wait: the stored policy is refused by today's rules. It takes a corrected one; waiting does not help.
    PolicyUnreadable,
    /// Calibration: a difference was found where there can be none; `value` is log10 of the evidence.
    FalseAlarm,
}

impl Reason {
    pub(crate) fn new(code: Code) -> Self {
        Self {
            code,
            endpoint: None,
            path: None,
            kind: None,
            needed: None,
            needed_within: None,
            value: None,
            bound: None,
        }
    }

    /// With what it takes.
    pub(crate) fn needing(self, needed: Option<Further>) -> Self {
        Self { needed: needed.map(Further::middle), needed_within: needed, ..self }
    }

    pub(crate) fn of(code: Code, value: f64, bound: f64) -> Self {
        Self { value: Some(value), bound: Some(bound), ..Self::new(code) }
    }
}

/// Why nothing is decided under a policy that can be read in part only.
pub(super) fn unreadable() -> (Reason, String) {
    let why = "the stored policy was valid once and is refused by today's rules: nothing is promoted or rolled back until it is \
               replaced by a corrected one";
    (Reason::new(Code::PolicyUnreadable), why.to_owned())
}
