//! Bodies of answers, and of observations that grew too large.

use antumbra_observation::{Body, Collected, Observation};

/// The body of a complete answer, cut to `cap`, or "same" if it is the primary's.
pub(crate) fn of_answer(bytes: &[u8], cap: u64, primary: &Body) -> Body {
    let mut collected = Collected::new(cap);
    collected.push(bytes);
    let body = collected.finish();
    if body.equals(primary) { Body::Same } else { body }
}

/// Keeps only length and hash of every body of an observation.
pub(crate) fn cut_all(observation: &mut Observation) {
    let legs =
        [Some(&mut observation.primary), Some(&mut observation.candidate), observation.control.as_mut()];
    let responses =
        legs.into_iter().flatten().filter_map(|leg| leg.response.as_mut()).map(|response| &mut response.body);
    responses.chain([&mut observation.request.body]).for_each(Body::cut);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    /// Several mirrors may keep more of the primary than one of them keeps of its candidate.
    #[test]
    fn an_answer_equal_to_the_primary_is_the_same_even_beyond_either_cap() {
        for (cap, primary_cap) in [(2, 2), (2, 100), (100, 2), (100, 100)] {
            let mut primary = Collected::new(primary_cap);
            primary.push(b"abc");
            let primary = primary.finish();
            assert_eq!(of_answer(b"abc", cap, &primary), Body::Same, "{cap}");
            assert_ne!(of_answer(b"abd", cap, &primary), Body::Same, "{cap}");
        }
    }
}
