//! The bound on the bytes that observations take while they are read, decoded, compared or waiting for their commit.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bytes that may be in flight.
#[derive(Clone)]
pub(crate) struct Room(Arc<Semaphore>);

impl Room {
    /// All of them free.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(KIB_IN_FLIGHT)))
    }

    /// A share of the bytes that may be in flight, none yet: it grows with what has arrived of a body, not with what was
    /// announced, or a few senders who never send would shut out all others.
    pub(crate) fn reserve(&self) -> Reserved {
        Reserved { bytes: Arc::clone(&self.0), held: None }
    }
}

/// A share of the bytes in flight; given back when dropped.
pub(crate) struct Reserved {
    bytes: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Reserved {
    /// Grows to at least so many bytes in all. False if too many are in flight.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let lacking = bytes.saturating_sub(self.bytes()).div_ceil(1024);
        if lacking == 0 {
            return true;
        }
        let Ok(kib) = u32::try_from(lacking.next_multiple_of(RESERVED_KIB)) else { return false };
        let Ok(more) = Arc::clone(&self.bytes).try_acquire_many_owned(kib) else { return false };
        match &mut self.held {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
        true
    }

    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) * 1024
    }

    /// A share of the same bytes, none yet.
    pub(crate) fn beside(&self) -> Self {
        Self { bytes: Arc::clone(&self.bytes), held: None }
    }

    /// Holds what another share of the same bytes holds, too.
    pub(crate) fn join(&mut self, mut other: Self) {
        let Some(more) = other.held.take() else { return };
        match &mut self.held {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
    }
}

/// KiB that observations may take at once: what was read of them, what that decoded to, and what comparing made of it.
pub(crate) const KIB_IN_FLIGHT: usize = 96 * 1024;
const RESERVED_KIB: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_bytes_is_what_arrived() {
        let room = Room::new();
        let most = KIB_IN_FLIGHT * 1024;
        let slow: Vec<Reserved> = (0..100).map(|_| room.reserve()).collect();
        let mut one = room.reserve();
        assert!(one.grow(1) && one.grow(64 * 1024) && one.grow(most - 64 * 1024));
        let mut other = room.reserve();
        assert!(other.grow(1) && other.grow(64 * 1024), "growth is counted from what is held");
        assert!(!other.grow(64 * 1024 + 1));
        drop((one, slow));
        assert!(other.grow(most));
    }
}
