//! What is kept of an answer's body: all of it up to a cap, beyond it its length and hash.
//!
//! The hash begins when the cap is crossed, as in the filter, so that the usual small body is never hashed and a large one still
//! decides equality without being kept.

use antumbra_observation::{Body, Leg};
use xxhash_rust::xxh3::Xxh3;

/// A body while it is read.
pub(crate) enum Collected {
    /// All of it, so far.
    Whole { bytes: Vec<u8>, cap: usize },
    /// More than the cap.
    Cut { length: u64, hash: Box<Xxh3> },
}

impl Collected {
    /// Nothing yet; at most `cap` bytes will be kept.
    pub(crate) fn new(cap: usize) -> Self {
        Self::Whole { bytes: Vec::new(), cap }
    }

    pub(crate) fn push(&mut self, chunk: &[u8]) {
        match self {
            Self::Whole { bytes, cap } if bytes.len() + chunk.len() <= *cap => bytes.extend_from_slice(chunk),
            Self::Whole { bytes, .. } => {
                let mut hash = Box::new(Xxh3::new());
                hash.update(bytes);
                hash.update(chunk);
                *self = Self::Cut { length: (bytes.len() + chunk.len()) as u64, hash };
            }
            Self::Cut { length, hash } => {
                *length += chunk.len() as u64;
                hash.update(chunk);
            }
        }
    }

    /// Bytes that went by.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Whole { bytes, .. } => bytes.len() as u64,
            Self::Cut { length, .. } => *length,
        }
    }

    /// As it goes into an observation.
    pub(crate) fn finish(self) -> Body {
        match self {
            Self::Whole { bytes, .. } => Body::Whole(bytes.into()),
            Self::Cut { length, hash } => Body::Cut { length, xxh3: hash.digest() },
        }
    }
}

/// The leg, its body said to be the primary's if it is. Both must have been kept up to the same cap.
pub(crate) fn same_as(mut leg: Leg, primary: &Leg) -> Leg {
    if let (Some(response), Some(primary)) = (&mut leg.response, &primary.response)
        && response.body == primary.body
    {
        response.body = Body::Same;
    }
    leg
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_64;

    #[test]
    fn keeps_up_to_the_cap_and_hashes_the_whole_beyond_it() {
        for (cap, whole) in [(0, false), (9, false), (10, true), (11, true)] {
            let mut body = Collected::new(cap);
            for chunk in [&b"0123"[..], b"", b"456789"] {
                body.push(chunk);
            }
            assert_eq!(body.length(), 10, "{cap}");
            let expected = if whole {
                Body::Whole("0123456789".into())
            } else {
                Body::Cut { length: 10, xxh3: xxh3_64(b"0123456789") }
            };
            assert_eq!(body.finish(), expected, "{cap}");
        }
    }
}
