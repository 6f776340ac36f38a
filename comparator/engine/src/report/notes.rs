//! What a reader must know before the verdict: what was not compared, not comparable, or not told apart for want of room.

use super::Dropped;
use crate::evidence::Evidence;
use crate::verdict::{self, Delivery, Gates};
use crate::wording::{by_reason, count, percent_beside, seconds};

pub(super) fn notes(
    evidence: &Evidence,
    gates: &Gates,
    delivery: &Delivery,
    dropped: &Dropped,
) -> Vec<String> {
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
    for (name, endpoint) in
        evidence.endpoints.iter().filter(|(_, endpoint)| !verdict::comparable(&endpoint.all))
    {
        let share = verdict::ratio(endpoint.all.effective, endpoint.all.controlled);
        notes.push(format!(
            "{name} is not comparable: the control answers as the primary in {}.",
            percent_beside(share, verdict::MIN_EFFECTIVE)
        ));
    }
    if dropped.not_sent > 0 {
        notes.push(format!(
            "{} exchanges are not compared: a shadow was not sent{}.",
            count(dropped.not_sent),
            by_reason(&evidence.release.not_sent_by.iter().map(|(why, n)| (why.as_str(), *n)).collect())
        ));
    }
    if let Some((excluded, sampled, why)) = delivery.excluded() {
        notes.push(format!(
            "{} of {} sampled exchanges exceed a bound of the policy{why}: they are not mirrored, and the verdict does not speak of them.",
            count(excluded),
            count(sampled)
        ));
    }
    if dropped.elsewhere > 0 {
        notes.push(format!(
            "{} exchanges are not compared: another variant than the primary of the comparison answered the client.",
            dropped.elsewhere
        ));
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
    notes
}

const CALIBRATE: &str = "To see beforehand how noisy the service is, let the candidate's variant name the cluster of the stable \
     version: the report is then a calibration, and shows what a promotion will take.";
