//! What a reader must know before the verdict: what was not compared, not comparable, or not told apart for want of room.

use super::Dropped;
use crate::evidence::Evidence;
use crate::farther::Side;
use crate::verdict::Gates;
use crate::wording::{count, percent_beside, seconds};

pub(super) fn notes(evidence: &Evidence, gates: &Gates, dropped: &Dropped) -> Vec<String> {
    let all = &evidence.release.all;
    let mut notes = evidence.release.plugins.notes();
    if all.exchanges == 0 && !gates.calibration {
        notes.push(CALIBRATE.to_owned());
    }
    let uncontrolled = all.exchanges.saturating_sub(all.not_sent).saturating_sub(all.controlled);
    if uncontrolled > 0 && all.controlled == 0 {
        notes.push(
            "No control leg: declared rules are the only noise model, and latency is advisory.".to_owned(),
        );
    } else if uncontrolled > 0 {
        notes.push(format!("{uncontrolled} exchanges have no control leg and are not tested."));
    }
    if dropped.repeated > 0 {
        notes.push(format!(
            "{} exchanges are not compared: their client had asked the same endpoint within two seconds.",
            dropped.repeated
        ));
    }
    if dropped.warm_up > 0 {
        notes.push(format!(
            "{} exchanges are not judged: a leg had begun to answer less than {} before. Start the control with the candidate.",
            count(dropped.warm_up),
            seconds(gates.warm_up_ms)
        ));
    }
    if dropped.endpoints > 0 {
        notes.push(format!(
            "{} exchanges are counted under (other endpoints): too many endpoints.",
            dropped.endpoints
        ));
    }
    if dropped.paths > 0 {
        notes.push(format!("{} differences are counted under (other paths): too many paths.", dropped.paths));
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
        "The {leg} left first in {share} of {exchanges} exchanges: how far times and numbers are from the primary's may hold a promotion, and rolls nothing back. Draw for each exchange which of the two is sent first."
    ))
}

const CALIBRATE: &str = "To see beforehand how noisy the service is, let the candidate's variant name the cluster of the stable \
     version: the report is then a calibration, and shows what a promotion will take.";
