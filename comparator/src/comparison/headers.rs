//! `compare: {headers: {only: […]}}`: which headers, cookies and trailers alone are compared.

use antumbra_engine::Pattern;
use antumbra_policy::document::Field;

use super::{MOST_PATTERNS, pattern};

/// The list; `None` within if there is none, and all but those that every answer sets anew are compared.
#[expect(clippy::option_option, reason = "the outer one is whether it could be read")]
pub(super) fn only(field: Option<&Field<'_>>) -> Option<Option<Vec<Pattern>>> {
    let Some(field) = field else { return Some(None) };
    let map = field.map(&["only"])?;
    let Some(only) = map.get("only") else { return Some(None) };
    let read: Vec<Option<Pattern>> = only.list(0..=MOST_PATTERNS)?.iter().map(place).collect();
    Some(Some(read.into_iter().collect::<Option<_>>()?))
}

fn place(field: &Field<'_>) -> Option<Pattern> {
    let place = pattern(field)?;
    if place.is_of_body() {
        field.problem(
            "must be header:<name>, cookie:<name> or trailer:<name>, alone or after <method> <route>",
        );
        return None;
    }
    Some(place)
}
