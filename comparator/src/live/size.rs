//! About how much memory an observation takes.

use antumbra_observation::{Body, Bytes, Observation};

/// Bytes of its bodies and headers.
pub(crate) fn held(observation: &Observation) -> usize {
    let body = |body: &Body| if let Body::Whole(bytes) = body { bytes.len() } else { 0 };
    let legs = [Some(&observation.primary), Some(&observation.candidate), observation.control.as_ref()];
    let answers = legs.into_iter().flatten().filter_map(|leg| leg.response.as_ref());
    let pairs = |headers: &[(Bytes, Bytes)]| {
        headers.iter().map(|(name, value)| name.len() + value.len() + PER_HEADER).sum::<usize>()
    };
    let answers = answers.map(|answer| body(&answer.body) + pairs(&answer.headers) + pairs(&answer.trailers));
    answers.sum::<usize>() + body(&observation.request.body) + pairs(&observation.request.headers)
}

/// What two vectors take besides what is in them: their own bytes, twice because the list of them grows ahead, and what the least
/// allocation wastes.
const PER_HEADER: usize = 112;
