//! Which batches were acknowledged: a repeat counts nothing, whatever became of the clock meanwhile.
//!
//! Nothing here is forgotten by its age, since a clock that jumps by days would have what was just acknowledged count once more. What
//! goes on is the number of batches: a batch is forgotten once so many others of its instance, or of all instances, came after it.

use antumbra_observation::Instance;
use rusqlite::params;

use super::writing::Writing;
use crate::error::StoreError;

impl Writing<'_> {
    /// Notes a batch of an instance of a source as acknowledged. False if it was before, or is so old that it can only be a repeat. Nobody
    /// takes the numbers of another source's instances away.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn note_batch(&self, source: &str, instance: Instance, sequence: u64) -> Result<bool, StoreError> {
        let instance = format!("{instance} {source}").trim_end().to_owned();
        let highest: Option<u64> = self
            .transaction
            .prepare_cached("SELECT max(sequence) FROM batches WHERE instance = ?1")?
            .query_row([&instance], |row| row.get(0))?;
        let oldest_kept = highest.unwrap_or(0).saturating_sub(BATCHES_KEPT);
        if highest.is_some() && sequence <= oldest_kept {
            return Ok(false);
        }
        // Earlier versions wrote the time there, in milliseconds: the numbers go on above it.
        let turn: i64 = self
            .transaction
            .prepare_cached("SELECT coalesce(max(at), 0) FROM batches")?
            .query_row([], |row| row.get(0))?;
        let turn = turn.saturating_add(1);
        let inserted = self
            .transaction
            .prepare_cached("INSERT OR IGNORE INTO batches (instance, sequence, at) VALUES (?1, ?2, ?3)")?
            .execute(params![instance, sequence, turn])?;
        if sequence.is_multiple_of(PRUNE_EVERY) {
            self.transaction
                .prepare_cached("DELETE FROM batches WHERE instance = ?1 AND sequence <= ?2")?
                .execute(params![instance, oldest_kept])?;
        }
        if turn % PRUNE_EVERY.cast_signed() == 0 {
            self.transaction
                .prepare_cached("DELETE FROM batches WHERE at <= ?1")?
                .execute([turn.saturating_sub(MAX_BATCHES)])?;
        }
        Ok(inserted == 1)
    }
}

/// Batches of one instance that are remembered; one repeats at most its last few.
const BATCHES_KEPT: u64 = 1_024;
/// Batches of all instances that are remembered, of some 60 bytes each: half an hour at 500 batches a second.
const MAX_BATCHES: i64 = 1_000_000;
const PRUNE_EVERY: u64 = 256;

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;

    /// Rows as earlier versions wrote them, under a clock three days ahead, three days behind, and right.
    #[test]
    fn a_batch_is_known_again_whatever_the_clock_said() {
        const NOW: u64 = 1_800_000_000_000;
        const THREE_DAYS: u64 = 259_200_000;
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("a.db")).unwrap();
        let work = |writing: &Writing<'_>| {
            for (instance, at) in [(1, NOW + THREE_DAYS), (2, NOW), (3, NOW - THREE_DAYS)] {
                writing
                    .transaction
                    .execute(
                        "INSERT INTO batches (instance, sequence, at) VALUES (?1, 7, ?2)",
                        params![Instance(instance).to_string(), at],
                    )
                    .unwrap();
            }
            // As many as have whatever is old forgotten.
            for sequence in 1..=2 * PRUNE_EVERY {
                assert!(writing.note_batch("", Instance(4), sequence)?);
            }
            Ok([1, 4].map(|instance| writing.note_batch("", Instance(instance), 7).unwrap()))
        };
        assert_eq!(store.transaction(work).unwrap(), [false, false]);
    }

    #[test]
    fn the_oldest_are_forgotten_where_there_are_too_many() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("a.db")).unwrap();
        let work = |writing: &Writing<'_>| {
            writing.note_batch("", Instance(1), 1)?;
            // The next number of all is one that has them forgotten, and so many came before.
            let at = (MAX_BATCHES / 256 + 1) * 256 - 1;
            writing
                .transaction
                .execute(
                    "INSERT INTO batches (instance, sequence, at) VALUES (?1, 1, ?2)",
                    params![Instance(2).to_string(), at],
                )
                .unwrap();
            writing.note_batch("", Instance(3), 1)?;
            let left =
                writing.transaction.query_row("SELECT count(*) FROM batches", [], |row| row.get::<_, u64>(0));
            Ok(left.unwrap())
        };
        assert_eq!(store.transaction(work).unwrap(), 2);
    }
}
