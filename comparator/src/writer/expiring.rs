//! What is kept too long is forgotten: examples of the evidence, exchanges to try rules on, and what was set aside.
//!
//! Counts stay, since they hold no value of anybody's. What is forgotten is overwritten on the disk, too.

use antumbra_store::StoreError;

use super::checkpoint::put_those;
use super::thread::Thread;
use crate::clock;

impl Thread {
    /// Forgets it, and is asked again before long if that fails.
    pub(super) fn expire(&mut self) {
        let keep_ms = u64::try_from(self.keep.as_millis()).unwrap_or(u64::MAX);
        let before_ms = clock::now_ms().saturating_sub(keep_ms);
        self.kept.expire(before_ms.saturating_mul(1_000));
        if let Err(error) = self.expire_examples(before_ms) {
            tracing::error!(%error, "examples that were kept too long are not forgotten yet");
            self.loaded = false;
        }
        if let Err(error) = self.store.forget_set_aside(before_ms) {
            tracing::error!(%error, "what was set aside too long ago is not forgotten yet");
        }
        self.store.scrub();
    }

    fn expire_examples(&mut self, before_ms: u64) -> Result<(), StoreError> {
        self.load()?;
        let before_us = before_ms.saturating_mul(1_000);
        let mut any = false;
        for (release, gathered) in &mut self.releases {
            for brought in gathered.sources_mut() {
                if brought.expire(before_us) {
                    self.expired += 1;
                    // What comparing knows says which examples are still wanted: now others are.
                    self.known.replace(release, &brought.source, &brought.evidence);
                }
                any |= brought.overdue;
            }
        }
        let Self { store, releases, .. } = self;
        if any {
            store.transaction(|writing| {
                writing.forgets();
                put_those(writing, releases, |brought| brought.overdue)
            })?;
        }
        Ok(())
    }
}
