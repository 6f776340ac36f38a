//! How much evidence may name before what else comes is counted together.

/// Most endpoints of a release.
pub(crate) const MAX_ENDPOINTS: usize = 1_000;

/// What evidence may still name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// The most endpoints, at most [`MAX_ENDPOINTS`].
    pub(crate) endpoints: usize,
    /// How many more places and kinds over all endpoints; `None` if only those of each endpoint are bounded.
    pub(crate) places: Option<usize>,
}

impl Default for Room {
    fn default() -> Self {
        Self { endpoints: MAX_ENDPOINTS, places: None }
    }
}

impl Room {
    /// Whether there is one for another place.
    pub(crate) fn has_places(self) -> bool {
        self.places != Some(0)
    }

    /// A place was named.
    pub(crate) fn take_place(&mut self) {
        self.places = self.places.map(|left| left.saturating_sub(1));
    }
}
