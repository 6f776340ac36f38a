//! What of a request's trailers its shadows repeat: what they would repeat of its headers, and nothing that a policy changes.
//!
//! A trailer under the name of a header that a policy sets or removes says what the policy means to hide, credentials above all, so
//! it stays behind whatever the policy puts into the header's place.

use antumbra_policy::{HeaderChanges, Mirror, Variant};

use crate::capture::Capture;
use crate::headers::Headers;
use crate::shadow::travels;

/// Those of the request for one leg.
pub(crate) fn of_request(capture: &Capture, variant: &Variant, mirror: &Mirror) -> Headers {
    let variant_header = capture.policy.variant_header();
    let goes_along = |name: &[u8]| !changes(&variant.headers, name) && !changes(&mirror.headers, name);
    let trailers = capture.trailers.iter();
    trailers
        .filter(|(name, value)| travels(name, value, variant_header) && goes_along(name))
        .cloned()
        .collect()
}

fn changes(changes: &HeaderChanges, name: &[u8]) -> bool {
    let set = changes.set.iter().map(|(known, _)| known);
    set.chain(&changes.remove).any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}
