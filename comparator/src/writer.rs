//! The one thread that owns the store and the evidence: every effect in one order, memory and disk alike.
//!
//! Group commit without a timer: while one transaction is being synced the next batches queue up, and all that wait are
//! taken into the next one. A batch is acknowledged after its transaction. If that fails, the evidence is read back
//! from the store, so that memory never holds what is not stored.

mod checkpoint;
mod control;
mod counting;
mod expiring;
mod gathered;
mod handle;
mod observing;
mod restoring;
mod thread;
mod tokens;

pub(crate) use handle::{
    Asker, Batch, ChangeError, Changed, Handle, Job, Snapshot, Stopped, TokenError, Under,
};
pub(crate) use thread::Thread;
