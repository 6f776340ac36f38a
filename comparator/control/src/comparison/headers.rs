//! `compare: {headers: {only: […]}}`: which headers, cookies and trailers alone are compared.

use antumbra_engine::{EndpointPattern, Pattern};
use antumbra_policy::document::Field;

use super::{MAX_PATTERNS, pattern};

/// The list; `None` within if there is none, and all but those that every answer sets anew are compared.
pub(crate) fn only(field: Option<&Field<'_>>, given: &[EndpointPattern]) -> Option<Option<Vec<Pattern>>> {
    let Some(field) = field else { return Some(None) };
    let map = field.map(&["only"])?;
    let Some(only) = map.get("only") else { return Some(None) };
    let list = only.list(0..=MAX_PATTERNS)?;
    let read: Vec<Option<Pattern>> = list.iter().map(|field| place(field, given)).collect();
    Some(Some(read.into_iter().collect::<Option<_>>()?))
}

fn place(field: &Field<'_>, given: &[EndpointPattern]) -> Option<Pattern> {
    let place = pattern(field, given)?;
    if place.is_of_body() {
        field.problem(
            "must be header:<name>, cookie:<name> or trailer:<name>, alone or after <method> <route>",
        );
        return None;
    }
    Some(place)
}
