//! What trying other rules answers, from a server or out of a capture.

use antumbra_control::Way;
use antumbra_engine::{Kind, Report};
use serde::{Deserialize, Serialize};

/// The same exchanges under the rules in force and under others.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    /// The policy's name.
    pub(crate) release: String,
    /// What becomes of the policy's own rules.
    pub(crate) rules: Way,
    /// The exchanges, if they are those that a server keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kept: Option<Kept>,
    /// The report under the rules in force.
    pub(crate) now: Report,
    /// The report under the tried rules.
    pub(crate) tried: Report,
    /// Exchanges in which only the candidate differs at some place.
    pub(crate) candidate_only: BeforeAfter,
    /// Those first where most is hidden of what the candidate differs in alone, beyond what the control does; then those that only the
    /// tried rules show, then those that they explain.
    pub(crate) places: Vec<Place>,
    /// Places that are not listed.
    pub(crate) more_places: u64,
}

/// What a server keeps of a release.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Kept {
    /// The session of evidence that the exchanges are a part of; 0 before the first.
    pub(crate) session: u64,
    /// Since when, in RFC 3339: what was compared before, or before the server's last start, is not kept.
    pub(crate) since: Option<String>,
    /// Exchanges that are kept.
    pub(crate) exchanges: u64,
    /// Those of them that are a uniform sample of their endpoint: the reports are of these.
    pub(crate) uniform: u64,
    /// Exchanges that were compared since then.
    pub(crate) of: u64,
    /// Exchanges that are not kept although chance chose them: too large, or no memory was left.
    pub(crate) left_out: u64,
}

/// A number of exchanges under both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BeforeAfter {
    /// Under the rules in force.
    pub(crate) now: u64,
    /// Under the tried ones.
    pub(crate) tried: u64,
}

/// A place where exchanges differ under one of the rules at least.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Place {
    /// Method and route template, by the rules in force.
    pub(crate) endpoint: String,
    /// Where.
    pub(crate) path: String,
    /// How.
    pub(crate) kind: Kind,
    /// Whose answers differ under the rules in force.
    pub(crate) now: Counts,
    /// Whose answers differ under the tried ones.
    pub(crate) tried: Counts,
    /// In how many exchanges answers differ that a server was sent since it keeps some of them, kept or not; by the rules in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) seen: Option<Counts>,
    /// Exchanges in which only the candidate differs now, and would no longer differ here.
    pub(crate) hides: u64,
    /// Exchanges in which the control differs now, and would no longer differ here.
    pub(crate) explains: u64,
}

/// Exchanges by whose answers differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    /// Only the candidate's.
    pub(crate) candidate_only: u64,
    /// Only the control's.
    pub(crate) control_only: u64,
    /// Both.
    pub(crate) both: u64,
    /// The candidate's where no control was asked.
    pub(crate) uncontrolled: u64,
}

impl Counts {
    /// Exchanges in which the control differs.
    pub(crate) fn of_control(self) -> u64 {
        self.control_only + self.both
    }

    /// All of them.
    pub(crate) fn total(self) -> u64 {
        self.candidate_only + self.of_control() + self.uncontrolled
    }
}

impl Place {
    /// In how many exchanges more the candidate differs alone than the control does, if the tried rules hide any: noise falls on both
    /// alike.
    pub(crate) fn hidden(&self) -> u64 {
        let Counts { candidate_only, control_only, .. } = self.seen.unwrap_or(self.now);
        if self.hides == 0 { 0 } else { candidate_only.saturating_sub(control_only) }
    }

    /// Exchanges in which something differs under the tried rules that does not now.
    pub(crate) fn appears(&self) -> u64 {
        self.tried.total().saturating_sub(self.now.total())
    }
}
