//! What headers say of bodies that lost their encodings.

use antumbra_observation::{Body, Bytes, Response};

/// Gives an answer whose body is the primary's a body of its own where its headers say that it is something else. The primary is the
/// first.
pub(super) fn separate(answers: &mut [&mut Response]) {
    let Some((primary, others)) = answers.split_first_mut() else { return };
    let said = |answer: &Response| (coding(&answer.headers), value(&answer.headers, "content-type"));
    for other in others.iter_mut().filter(|other| other.body == Body::Same) {
        if said(other) != said(primary) {
            other.body = primary.body.clone();
        }
    }
}

/// Takes `content-encoding` off all answers. Where they had not all the same, each names none in its place, as often as it takes for
/// other encodings to look like others: that an answer is no longer compressed stays a difference.
pub(super) fn take_off_all(answers: &mut [&mut Response]) {
    let each: Vec<Vec<u8>> = answers.iter().map(|answer| coding(&answer.headers)).collect();
    let mut kinds: Vec<&[u8]> =
        each.iter().map(|coding| &coding[..]).filter(|coding| !coding.is_empty()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let alike = each.iter().all(|coding| Some(coding) == each.first());
    for (answer, coding) in answers.iter_mut().zip(&each) {
        let kind = kinds.iter().position(|known| known == coding).unwrap_or_default();
        let in_place = vec!["identity"; kind + 1].join(", ");
        take_off(&mut answer.headers);
        if !alike && !coding.is_empty() {
            answer.headers.push(("content-encoding".into(), in_place.as_str().into()));
        }
    }
}

/// Takes `content-encoding` off, and the length with it.
pub(super) fn take_off(headers: &mut Vec<(Bytes, Bytes)>) {
    headers.retain(|(name, _)| !["content-encoding", "content-length"].iter().any(|gone| is(name, gone)));
}

/// The encodings in lower case; nothing if the body has none.
pub(super) fn coding(headers: &[(Bytes, Bytes)]) -> Vec<u8> {
    value(headers, "content-encoding").to_ascii_lowercase()
}

fn value(headers: &[(Bytes, Bytes)], wanted: &str) -> Vec<u8> {
    let found = headers.iter().filter(|(name, _)| is(name, wanted));
    found.map(|(_, value)| &value[..]).collect::<Vec<_>>().join(&b", "[..])
}

fn is(name: &Bytes, wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted.as_bytes())
}
