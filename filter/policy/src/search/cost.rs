//! What searching takes, by place.

/// What searching takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SearchCost {
    /// Bytes of memory.
    pub(crate) bytes: usize,
    /// Steps for each byte of a value.
    pub(crate) steps_per_byte: usize,
    /// Steps for a value of any length.
    pub(crate) steps: usize,
}

impl SearchCost {
    /// For values of at most this length.
    pub(crate) fn of_length(self, length: usize) -> Self {
        let steps = self.steps.saturating_add(self.steps_per_byte.saturating_mul(length));
        Self { steps, steps_per_byte: 0, ..self }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            steps_per_byte: self.steps_per_byte.saturating_add(other.steps_per_byte),
            steps: self.steps.saturating_add(other.steps),
        }
    }
}
