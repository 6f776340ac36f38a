//! How often each version differs, as a person would say it.

use super::number::{count, exchanges};
use crate::kind::Kind;

/// Answers that differ from the primary's at one place in one way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tally {
    /// Exchanges in which only the candidate's answer does.
    pub(crate) candidate_only: u64,
    /// Exchanges in which only the control's does.
    pub(crate) control_only: u64,
    /// Exchanges in which both do.
    pub(crate) both: u64,
    /// Exchanges in which both were asked.
    pub(crate) exchanges: u64,
}

/// `wrong in 803 of 819 answers of the candidate, never in the stable version`. Latency is a matter of many answers, and has no such
/// sentence.
pub(crate) fn effect(kind: Kind, of: Tally) -> String {
    let (candidate, control) = (of.candidate_only + of.both, of.control_only + of.both);
    match kind {
        Kind::Farther => return farther(of),
        Kind::Outcome => return unanswered(candidate, control, of.exchanges),
        Kind::Any => return alone(of),
        _ => {}
    }
    let often = match of.exchanges {
        1 => "the one answer".to_owned(),
        exchanges => format!("{} of {} answers", count(candidate), count(exchanges)),
    };
    let rarely = match control {
        0 => "never in the stable version".to_owned(),
        _ => format!("in {} of the stable version", count(control)),
    };
    format!("{} {often} of the candidate, {rarely}", how(kind, control))
}

/// No two answers are alike, so the two are compared with what the client got.
fn farther(of: Tally) -> String {
    format!(
        "farther from the client's answer than the stable version's in {}, nearer in {} of {}",
        count(of.candidate_only),
        count(of.control_only),
        exchanges(of.exchanges)
    )
}

/// Of what differs in anything at all it is only known which of the two differed alone.
fn alone(of: Tally) -> String {
    format!(
        "only the candidate differs in {} of {}, only the stable version in {}",
        count(of.candidate_only),
        exchanges(of.exchanges),
        count(of.control_only)
    )
}

/// What the client got is always a complete answer, so another outcome is none.
fn unanswered(candidate: u64, control: u64, of: u64) -> String {
    let stable = match control {
        0 => "the stable version always did".to_owned(),
        _ => format!("the stable version did not in {}", count(control)),
    };
    format!("the candidate did not answer in {} of {}, {stable}", count(candidate), exchanges(of))
}

/// `slower than 5 × the control + 1 ms in 22 of 520 exchanges, the control in 0`.
pub(crate) fn slower(step: f64, candidate: u64, control: u64, of: u64) -> String {
    format!(
        "slower than {step} × the control + 1 ms in {} of {}, the control in {}",
        count(candidate),
        exchanges(of),
        count(control)
    )
}

/// A value that the stable version has each time is the right one.
fn how(kind: Kind, control: u64) -> &'static str {
    match kind {
        Kind::Value if control == 0 => "wrong in",
        Kind::Value | Kind::Farther => "different in",
        Kind::Type => "of another type in",
        Kind::Missing => "missing in",
        Kind::Extra => "added in",
        Kind::Order => "in another order in",
        Kind::Length => "of another length in",
        Kind::Status => "another status in",
        Kind::Outcome => "unanswered in",
        Kind::Latency => "slower in",
        Kind::Any => "only the candidate differs in",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, counts: [u64; 4], expected: &str) {
        let [candidate_only, control_only, both, exchanges] = counts;
        assert_eq!(effect(kind, Tally { candidate_only, control_only, both, exchanges }), expected);
    }

    #[test]
    fn an_effect_is_a_sentence() {
        check(
            Kind::Value,
            [803, 0, 0, 819],
            "wrong in 803 of 819 answers of the candidate, never in the stable version",
        );
        check(
            Kind::Value,
            [1_200, 7, 20, 3_000],
            "different in 1,220 of 3,000 answers of the candidate, in 27 of the stable version",
        );
        check(
            Kind::Missing,
            [1, 0, 0, 1],
            "missing in the one answer of the candidate, never in the stable version",
        );
        check(
            Kind::Farther,
            [40, 3, 0, 60],
            "farther from the client's answer than the stable version's in 40, nearer in 3 of 60 exchanges",
        );
        check(
            Kind::Outcome,
            [17, 0, 0, 17],
            "the candidate did not answer in 17 of 17 exchanges, the stable version always did",
        );
        check(
            Kind::Any,
            [60, 0, 0, 4_000],
            "only the candidate differs in 60 of 4,000 exchanges, only the stable version in 0",
        );
    }
}
