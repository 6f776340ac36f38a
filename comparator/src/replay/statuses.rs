//! Whether the primary answers as it did when the requests were recorded: two versions that both say 401 agree, and nothing was tested.

use std::collections::BTreeMap;

use antumbra_engine::{Code, Reason, Report};
use serde::{Serialize, Serializer};

/// Answers of the primary beside what was recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Statuses {
    /// Answers to requests whose status was recorded.
    known: u64,
    /// Those with another one, by both.
    changed: BTreeMap<Change, u64>,
}

/// From the recorded status to that of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Change(u16, u16);

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} → {}", self.0, self.1)
    }
}

impl Statuses {
    /// Counts an answer.
    pub(super) fn count(&mut self, recorded: Option<u16>, answered: u16) {
        let Some(recorded) = recorded else { return };
        self.known += 1;
        // Whether something was modified since depends on what the client had then.
        let meant = |status| if status == NOT_MODIFIED { OK } else { status };
        if meant(recorded) != meant(answered) {
            *self.changed.entry(Change(recorded, answered)).or_default() += 1;
        }
    }

    /// One line, if there is something to say.
    pub(super) fn line(&self, answered: u64) -> Option<String> {
        if self.known == 0 && answered > 0 {
            return Some(
                "no statuses in the recording: whether the primary answers as then is not known".to_owned(),
            );
        }
        let changed = self.changed();
        let (common, times) = self.commonest()?;
        let known = self.known;
        Some(format!(
            "another status than recorded: {changed} of {known} {} of the primary, {common} in {times}",
            if known == 1 { "answer" } else { "answers" }
        ))
    }

    /// The report, kept from promoting if too many answers are others than those that were recorded.
    pub(crate) fn judged(&self, report: Report) -> Report {
        let changed = self.changed();
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let share = changed as f64 / self.known.max(1) as f64;
        let Some((common, times)) = self.commonest() else { return report };
        if share <= MAX_CHANGED || changed < MIN_CHANGED {
            return report;
        }
        let reason = format!(
            "the primary answers {changed} of {} requests with another status than recorded, {common} in {times} of them: \
             at most {} % may be, or what is compared is not what users ask",
            self.known,
            MAX_CHANGED * 100.0
        );
        let detail = Reason {
            code: Code::Population,
            endpoint: None,
            path: None,
            kind: None,
            needed: None,
            needed_within: None,
            value: Some(share),
            bound: Some(MAX_CHANGED),
        };
        report.held(detail, reason)
    }

    fn changed(&self) -> u64 {
        self.changed.values().sum()
    }

    fn commonest(&self) -> Option<(Change, u64)> {
        self.changed.iter().map(|(change, count)| (*change, *count)).max_by_key(|(_, count)| *count)
    }
}

/// The share of the answers that may have another status than recorded.
const MAX_CHANGED: f64 = 0.05;
/// So many may always.
const MIN_CHANGED: u64 = 3;
const OK: u16 = 200;
const NOT_MODIFIED: u16 = 304;

#[cfg(test)]
mod tests {
    use antumbra_engine::{Delivery, Evidence, Gates, Verdict};

    use super::*;

    fn counted(pairs: &[(Option<u16>, u16, u64)]) -> Statuses {
        let mut statuses = Statuses::default();
        for (recorded, answered, times) in pairs {
            (0..*times).for_each(|_| statuses.count(*recorded, *answered));
        }
        statuses
    }

    fn judged(statuses: &Statuses, verdict: Verdict) -> Report {
        let report = antumbra_engine::report("", &Evidence::new(), &Gates::default(), &Delivery::default());
        statuses.judged(Report { verdict, needed: Some(7), ..report })
    }

    #[test]
    fn what_is_not_answered_as_recorded_is_not_promoted() {
        let anonymous =
            counted(&[(Some(200), 401, 212), (Some(404), 401, 8), (Some(200), 200, 20), (None, 500, 9)]);
        let report = judged(&anonymous, Verdict::Promote);
        assert_eq!((report.verdict, report.reasons.len(), report.needed), (Verdict::Wait, 1, None));
        insta::assert_snapshot!(report.reasons[0], @"the primary answers 220 of 240 requests with another status than recorded, 200 → 401 in 212 of them: at most 5 % may be, or what is compared is not what users ask");
        assert_eq!(
            (report.reason_details[0].code, report.reason_details[0].bound),
            (Code::Population, Some(0.05))
        );
        let waiting = judged(&anonymous, Verdict::Wait);
        assert_eq!((waiting.reasons.len(), waiting.reason_details.len()), (2, 2));
        assert_eq!(judged(&anonymous, Verdict::RollBack).verdict, Verdict::RollBack);
        insta::assert_snapshot!(anonymous.line(249).unwrap(), @"another status than recorded: 220 of 240 answers of the primary, 200 → 401 in 212");
    }

    #[test]
    fn a_few_may_change() {
        for (pairs, promoted) in [
            (vec![(Some(200), 500, 5), (Some(200), 200, 95)], true),
            (vec![(Some(200), 500, 6), (Some(200), 200, 94)], false),
            (vec![(Some(200), 500, 2), (Some(200), 200, 2)], true),
            (vec![(Some(304), 200, 50), (Some(200), 304, 50)], true),
            (vec![(None, 500, 50)], true),
        ] {
            let verdict = judged(&counted(&pairs), Verdict::Promote).verdict;
            assert_eq!(verdict == Verdict::Promote, promoted, "{pairs:?}");
        }
        assert_eq!(counted(&[(Some(200), 200, 5)]).line(5), None);
        assert!(counted(&[(None, 200, 5)]).line(5).unwrap().starts_with("no statuses in the recording"));
    }
}
