//! A body while it streams: copied up to a cap, beyond it only length and hash go on.
//!
//! The hash begins when the cap is crossed, over what was kept and then over the rest, so that the usual small body is
//! never hashed and a large one still decides equality.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::observation::{Body, Leg};

/// What is kept of a body while it streams: all of it up to a cap, and beyond the cap its length and hash.
pub enum Collected {
    /// The whole body so far.
    Whole {
        /// The bytes that went by.
        bytes: Vec<u8>,
        /// How many bytes may be kept.
        cap: usize,
    },
    /// More bytes than the cap went by.
    Cut {
        /// How many bytes went by.
        length: u64,
        /// The hash of all bytes that went by.
        hash: Box<Xxh3>,
    },
}

impl Collected {
    /// Begins with nothing; at most `cap` bytes will be kept.
    pub fn new(cap: u64) -> Self {
        Self::Whole { bytes: Vec::new(), cap: usize::try_from(cap).unwrap_or(usize::MAX) }
    }

    /// Takes the next piece of the body.
    pub fn push(&mut self, chunk: &[u8]) {
        match self {
            Self::Whole { bytes, cap } if bytes.len().saturating_add(chunk.len()) <= *cap => {
                bytes.extend_from_slice(chunk);
            }
            Self::Whole { bytes, .. } => {
                let mut hash = Box::new(Xxh3::new());
                hash.update(bytes);
                hash.update(chunk);
                *self = Self::Cut { length: length(bytes).saturating_add(length(chunk)), hash };
            }
            Self::Cut { length: total, hash } => {
                *total = total.saturating_add(length(chunk));
                hash.update(chunk);
            }
        }
    }

    /// Whether more bytes than the cap went by.
    pub fn is_cut(&self) -> bool {
        matches!(self, Self::Cut { .. })
    }

    /// How many bytes went by.
    pub fn length(&self) -> u64 {
        match self {
            Self::Whole { bytes, .. } => length(bytes),
            Self::Cut { length, .. } => *length,
        }
    }

    /// The body as it goes into an observation.
    pub fn finish(self) -> Body {
        match self {
            Self::Whole { bytes, .. } => Body::Whole(bytes.into()),
            Self::Cut { length, hash } => Body::Cut { length, xxh3: hash.digest() },
        }
    }
}

impl Body {
    /// Drops the bytes and keeps their length and hash.
    pub fn cut(&mut self) {
        if let Self::Whole(bytes) = self {
            *self = Self::Cut { length: length(bytes), xxh3: xxh3_64(bytes) };
        }
    }

    /// How many bytes of the body are in memory.
    pub fn held(&self) -> usize {
        match self {
            Self::Whole(bytes) => bytes.len(),
            Self::Same | Self::Cut { .. } => 0,
        }
    }

    /// Whether both bodies were the same bytes. Where one of them was kept and the other cut, length and hash decide.
    pub fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole(bytes), Self::Cut { length: total, xxh3 })
            | (Self::Cut { length: total, xxh3 }, Self::Whole(bytes)) => {
                *total == length(bytes) && *xxh3 == xxh3_64(bytes)
            }
            _ => self == other,
        }
    }
}

impl Leg {
    /// The leg beside this primary: its body is [`Body::Same`] if it is the primary's, byte for byte.
    #[must_use]
    pub fn beside(mut self, primary: &Self) -> Self {
        if let (Some(response), Some(primary)) = (&mut self.response, &primary.response)
            && response.body.equals(&primary.body)
        {
            response.body = Body::Same;
        }
        self
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn collected(cap: u64, chunks: &[&str]) -> Collected {
        let mut body = Collected::new(cap);
        chunks.iter().for_each(|chunk| body.push(chunk.as_bytes()));
        body
    }

    #[test]
    fn keeps_up_to_the_cap_and_hashes_the_whole_beyond_it() {
        for (cap, whole) in [(0, false), (9, false), (10, true), (11, true)] {
            let body = collected(cap, &["0123", "", "456789"]);
            assert_eq!((body.is_cut(), body.length()), (!whole, 10), "{cap}");
            let expected = if whole {
                Body::Whole("0123456789".into())
            } else {
                Body::Cut { length: 10, xxh3: xxh3_64(b"0123456789") }
            };
            assert_eq!(body.finish(), expected, "{cap}");
        }
    }

    #[test]
    fn bodies_are_equal_whatever_was_kept_of_them() {
        for (here, there) in [(2, 2), (2, 100), (100, 2), (100, 100)] {
            let body = |cap, text| collected(cap, &[text]).finish();
            assert!(body(here, "abc").equals(&body(there, "abc")), "{here} {there}");
            assert!(!body(here, "abc").equals(&body(there, "abd")), "{here} {there}");
            assert!(!body(here, "abc").equals(&body(there, "abca")), "{here} {there}");
        }
        let mut body = collected(10, &["abc"]).finish();
        assert_eq!(body.held(), 3);
        body.cut();
        assert_eq!((body.held(), body.equals(&Body::Whole("abc".into()))), (0, true));
    }
}
