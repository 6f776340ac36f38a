//! How the audits stand: what was found wrong with them at the start and since, and where they end.

use std::sync::{Mutex, MutexGuard, PoisonError};

use antumbra_control::audit::{Checked, Finding};

/// What the last look at the audits found, the first things of each release: whoever may look at one is told of that one. Nothing that was
/// found is forgotten before the process ends.
#[derive(Default)]
pub(crate) struct Audited(Mutex<Checked>);

impl Audited {
    /// As of now, to be cut by [`Checked::of`] to what is told to whom.
    pub(crate) fn now(&self) -> Checked {
        self.lock().clone()
    }

    /// Where they end as the store has them, and what it found wrong.
    pub(crate) fn note(&self, checked: Checked) {
        self.find(&checked.findings);
        let mut known = self.lock();
        let findings = std::mem::take(&mut known.findings);
        *known = Checked { findings, ..checked };
    }

    /// Logs what was not known to be wrong.
    pub(crate) fn find(&self, findings: &[Finding]) {
        let mut known = self.lock();
        for finding in findings {
            if known.has_room_for(finding) && !known.findings.contains(finding) {
                tracing::error!(%finding, "the audit is not as it was written; everything goes on");
                known.findings.push(finding.clone());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Checked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
