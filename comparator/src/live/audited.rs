//! How the audits stand: what was found wrong with them at the start and since, and where they end.

use std::sync::{Mutex, MutexGuard, PoisonError};

use antumbra_control::audit::Checked;

/// What the last look at the audits found. Nothing that was found is forgotten before the process ends.
#[derive(Default)]
pub(crate) struct Audited(Mutex<Checked>);

impl Audited {
    /// As of now.
    pub(crate) fn now(&self) -> Checked {
        self.lock().clone()
    }

    /// As the store has them, and logs what was not known to be wrong.
    pub(crate) fn note(&self, checked: Checked) {
        let mut known = self.lock();
        for finding in checked.findings.iter().filter(|finding| !known.findings.contains(finding)) {
            tracing::error!(%finding, "the audit is not as it was written; everything goes on");
        }
        *known = checked;
    }

    fn lock(&self) -> MutexGuard<'_, Checked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
