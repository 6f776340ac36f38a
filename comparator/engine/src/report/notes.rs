//! What a reader must know before the verdict: what was not compared, not comparable, or not told apart for want of room.

use super::Dropped;
use crate::evidence::Evidence;
use crate::farther::Side;
use crate::verdict::Gates;
use crate::wording::{count, exchanges, many, percent_beside, seconds};

pub(super) fn notes(evidence: &Evidence, gates: &Gates, dropped: &Dropped) -> Vec<String> {
    let all = &evidence.release.all;
    let mut notes = evidence.release.plugins.notes();
    if all.exchanges == 0 && dropped.elsewhere == 0 && !gates.calibration {
        notes.push(CALIBRATE.to_owned());
    }
    let uncontrolled = all.exchanges.saturating_sub(all.not_sent).saturating_sub(all.controlled);
    if uncontrolled > 0 && all.controlled == 0 {
        notes.push(
            "There is no control: only declared rules tell noise from regressions, and latency is advisory."
                .to_owned(),
        );
    } else if uncontrolled > 0 {
        notes.push(format!("{} had no control, so no test uses them.", exchanges(uncontrolled)));
    }
    if dropped.repeated > 0 {
        notes.push(format!(
            "{} left out: the client had asked the same endpoint less than two seconds before.",
            exchanges(dropped.repeated)
        ));
    }
    if dropped.warm_up > 0 {
        notes.push(format!(
            "{} in the first {} of a version's answers: not judged, since it warms up.",
            exchanges(dropped.warm_up),
            seconds(gates.warm_up_ms)
        ));
    }
    if dropped.endpoints > 0 {
        notes.push(format!(
            "{} counted under (other endpoints): there are too many endpoints.",
            exchanges(dropped.endpoints)
        ));
    }
    if dropped.paths > 0 {
        notes.push(format!(
            "{} counted under (other paths): there are too many places.",
            many(dropped.paths, "difference")
        ));
    }
    notes.extend(uneven_order(evidence));
    notes
}

/// Who is always asked second may look worse for that alone.
fn uneven_order(evidence: &Evidence) -> Option<String> {
    let (first, share, exchanges) = Some(evidence.release.order).filter(|order| order.is_uneven())?.favours();
    let leg = match first {
        Side::Candidate => "candidate",
        Side::Control => "control",
    };
    let (share, exchanges) = (percent_beside(share, 0.5), count(exchanges));
    Some(format!(
        "The {leg} was asked first in {share} of {exchanges} exchanges, so how far times and numbers are from the client's can hold a promotion, but rolls nothing back. Draw for each exchange which of the two is asked first."
    ))
}

const CALIBRATE: &str =
    "Tip: set the cluster of the candidate's variant to that of the control to measure the noise first.";
