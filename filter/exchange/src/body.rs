//! A body that is copied while it streams, up to a cap; beyond it only length and hash go on.
//!
//! The hash begins when the cap is crossed, over what was kept and then over the rest, so that the usual small body is
//! never hashed and a large one still decides equality.

use antumbra_observation::{Body, Observation};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// What is kept of a body while it streams.
pub(crate) enum Collected {
    /// All of it, so far.
    Whole { bytes: Vec<u8>, cap: usize },
    /// More than the cap.
    Cut { length: u64, hash: Box<Xxh3> },
}

impl Collected {
    /// Nothing yet; at most `cap` bytes will be kept.
    pub(crate) fn new(cap: u64) -> Self {
        Self::Whole { bytes: Vec::new(), cap: usize::try_from(cap).unwrap_or(usize::MAX) }
    }

    pub(crate) fn push(&mut self, chunk: &[u8]) {
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

    /// Whether the cap was crossed.
    pub(crate) fn is_cut(&self) -> bool {
        matches!(self, Self::Cut { .. })
    }

    /// As it goes into an observation.
    pub(crate) fn finish(self) -> Body {
        match self {
            Self::Whole { bytes, .. } => Body::Whole(bytes.into()),
            Self::Cut { length, hash } => Body::Cut { length, xxh3: hash.digest() },
        }
    }
}

/// The body of a complete answer, cut to `cap`, or "same" if it is the primary's.
pub(crate) fn of_answer(bytes: &[u8], cap: u64, primary: &Body) -> Body {
    let mut collected = Collected::new(cap);
    collected.push(bytes);
    let body = collected.finish();
    if body == *primary { Body::Same } else { body }
}

/// Keeps only length and hash of every body of an observation.
pub(crate) fn cut_all(observation: &mut Observation) {
    let legs =
        [Some(&mut observation.primary), Some(&mut observation.candidate), observation.control.as_mut()];
    let responses =
        legs.into_iter().flatten().filter_map(|leg| leg.response.as_mut()).map(|response| &mut response.body);
    responses.chain([&mut observation.request.body]).for_each(cut);
}

/// Keeps only length and hash.
pub(crate) fn cut(body: &mut Body) {
    if let Body::Whole(bytes) = body {
        *body = Body::Cut { length: length(bytes), xxh3: xxh3_64(bytes) };
    }
}

/// Bytes that a body holds in memory.
pub(crate) fn held(body: &Body) -> usize {
    match body {
        Body::Whole(bytes) => bytes.len(),
        Body::Same | Body::Cut { .. } => 0,
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

    #[test]
    fn keeps_up_to_the_cap_and_hashes_the_whole_beyond_it() {
        for (cap, whole) in [(0, false), (9, false), (10, true), (11, true)] {
            let mut body = Collected::new(cap);
            for chunk in [&b"0123"[..], b"", b"456789"] {
                body.push(chunk);
            }
            assert_eq!(body.is_cut(), !whole, "{cap}");
            let expected = if whole {
                Body::Whole("0123456789".into())
            } else {
                Body::Cut { length: 10, xxh3: xxh3_64(b"0123456789") }
            };
            assert_eq!(body.finish(), expected, "{cap}");
        }
    }

    #[test]
    fn an_answer_equal_to_the_primary_is_the_same_even_beyond_the_cap() {
        for cap in [2, 100] {
            let mut primary = Collected::new(cap);
            primary.push(b"abc");
            let primary = primary.finish();
            assert_eq!(of_answer(b"abc", cap, &primary), Body::Same, "{cap}");
            assert_ne!(of_answer(b"abd", cap, &primary), Body::Same, "{cap}");
        }
    }
}
