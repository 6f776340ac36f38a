//! A session in which the candidate is the stable version itself (A/A): whatever the tests find is a false alarm, and what is seen is
//! the service's own noise. It shows how far the verdicts that follow can be trusted, and what a promotion will take.

use super::missing::Missing;
use super::reason::{Code, Reason};
use super::{Judgement, Tested, Verdict, findings, is_found};
use crate::evidence::Evidence;
use crate::wording;

/// Never `promote`, for there is nothing to promote, and never `roll back`: the stable version is what one rolls back to.
pub(super) fn judge<'e>(
    evidence: &Evidence,
    tested: Vec<Tested<'e>>,
    missing: Vec<Missing>,
) -> Judgement<'e> {
    let alarms = findings::findings(evidence, &tested, is_found).len();
    let exchanges = evidence.exchanges();
    let mut reasons = vec![(
        Reason { value: Some(super::real(exchanges)), ..Reason::new(Code::Calibration) },
        summary(exchanges, alarms),
    )];
    // In the order of a roll back's reasons, which is that of the report's findings.
    let found = findings::reasons(evidence, &tested, is_found).into_iter();
    reasons.extend(found.map(|(reason, why)| match reason.code {
        Code::More => (reason, why),
        _ => (Reason { code: Code::FalseAlarm, ..reason }, why),
    }));
    let needed = super::most(&missing);
    if missing.is_empty() && alarms == 0 {
        let text = "a release that answers as this one does would be promoted";
        reasons.push((Reason::new(Code::Equivalent), text.to_owned()));
    }
    reasons.extend(missing.into_iter().map(|missing| (missing.reason, missing.why)));
    Judgement::new(Verdict::Wait, reasons, needed, tested)
}

fn summary(exchanges: u64, alarms: usize) -> String {
    let alarms = match alarms {
        0 => "no false alarm".to_owned(),
        1 => "1 FALSE ALARM: the two do not answer alike".to_owned(),
        more => format!("{more} FALSE ALARMS: the two do not answer alike"),
    };
    format!(
        "calibration: candidate and control are the same version; {}, {alarms}",
        wording::exchanges(exchanges)
    )
}
