//! The secrets in a text.

use std::borrow::Cow;
use std::ops::Range;

use super::kind::SecretKind;
use super::{assigned, digits, forms, iban};

/// A secret within a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSecret {
    /// Where it stands, in bytes.
    pub at: Range<usize>,
    /// What it is.
    pub kind: SecretKind,
}

/// Returns the secrets in a text, in their order and without overlaps: those that their form shows, and values that the text gives to a
/// name of the list, as `password=…`, `"token": "…"` and `<pin>…</pin>` do. The text need not be UTF-8. It is read in time that grows
/// with its length alone.
pub fn in_text(text: &[u8]) -> Vec<FoundSecret> {
    let mut found = by_form(text);
    found.extend(assigned::values(text).into_iter().map(|(at, kind)| FoundSecret { at, kind }));
    apart(found)
}

/// Returns the secrets in a text that their form alone shows: keys of clouds and services, tokens, private keys, card and account numbers.
/// They are in their order and without overlaps.
pub fn by_form(text: &[u8]) -> Vec<FoundSecret> {
    let found = forms::found(text).into_iter().chain(digits::found(text)).chain(iban::found(text));
    apart(found.map(|(at, kind)| FoundSecret { at, kind }).collect())
}

/// Returns whether a text holds a secret that its form shows.
pub(crate) fn has_form(text: &[u8]) -> bool {
    text.len() >= SHORTEST_FORM && !by_form(text).is_empty()
}

/// Returns the text with `mark` in place of each secret in it, and how many there are; `None` if there is none. What is one only with a
/// mark beside it counts, too, so that what is returned holds none.
pub fn without(text: &[u8], mark: &[u8]) -> Option<(Vec<u8>, u64)> {
    replaced(text, in_text, mark)
}

/// Returns a message with a mark in place of each secret that its form shows. Names count for nothing there: a message speaks of them.
pub fn discreet(message: &str) -> Cow<'_, str> {
    match replaced(message.as_bytes(), by_form, b"[redacted]") {
        Some((text, _)) => Cow::Owned(String::from_utf8_lossy(&text).into_owned()),
        None => Cow::Borrowed(message),
    }
}

/// Puts marks in place of secrets until no more are found. A secret may show only then: a number that a key stands against is none by
/// its form.
fn replaced(text: &[u8], secrets: fn(&[u8]) -> Vec<FoundSecret>, mark: &[u8]) -> Option<(Vec<u8>, u64)> {
    let mut found = secrets(text);
    if found.is_empty() {
        return None;
    }
    let mut marked = Marked::of(text, &found, mark);
    for _ in 1..MAX_LOOKS {
        let more = secrets(&marked.text).into_iter();
        let more = more.map(|one| FoundSecret { at: marked.meant(&one.at), kind: one.kind });
        let all = apart(found.iter().cloned().chain(more).collect());
        if all == found {
            break;
        }
        marked = Marked::of(text, &all, mark);
        found = all;
    }
    Some((marked.text, found.len() as u64))
}

/// A text with marks in place of secrets.
struct Marked {
    text: Vec<u8>,
    /// Where each mark stands, and what it stands for.
    marks: Vec<(Range<usize>, Range<usize>)>,
}

impl Marked {
    fn of(text: &[u8], found: &[FoundSecret], mark: &[u8]) -> Self {
        let mut marked =
            Self { text: Vec::with_capacity(text.len()), marks: Vec::with_capacity(found.len()) };
        let mut copied = 0;
        for FoundSecret { at, .. } in found {
            marked.text.extend_from_slice(text.get(copied..at.start).unwrap_or_default());
            let start = marked.text.len();
            marked.text.extend_from_slice(mark);
            marked.marks.push((start..marked.text.len(), at.clone()));
            copied = at.end;
        }
        marked.text.extend_from_slice(text.get(copied..).unwrap_or_default());
        marked
    }

    /// What stands there in the text without marks. A mark is meant as a whole.
    fn meant(&self, range: &Range<usize>) -> Range<usize> {
        let before = |at: usize| {
            let count = self.marks.partition_point(|(mark, _)| mark.start <= at);
            count.checked_sub(1).and_then(|last| self.marks.get(last))
        };
        let start = match before(range.start) {
            Some((mark, secret)) if range.start < mark.end => secret.start,
            Some((mark, secret)) => secret.end + (range.start - mark.end),
            None => range.start,
        };
        let end = match before(range.end.saturating_sub(1)) {
            Some((mark, secret)) => secret.end + range.end.saturating_sub(mark.end),
            None => range.end,
        };
        start..end
    }
}

/// Sorts them, and joins those that overlap.
fn apart(mut found: Vec<FoundSecret>) -> Vec<FoundSecret> {
    found.sort_by_key(|one| (one.at.start, one.at.end));
    let mut apart: Vec<FoundSecret> = Vec::with_capacity(found.len());
    for one in found {
        match apart.last_mut() {
            Some(last) if one.at.start < last.at.end => last.at.end = last.at.end.max(one.at.end),
            _ => apart.push(one),
        }
    }
    apart
}

/// No form has fewer bytes: `Basic YTpi`.
const SHORTEST_FORM: usize = 10;
/// How often a text is looked through for what shows only beside a mark. That bounds the time; no text is known that needs so many.
const MAX_LOOKS: usize = 8;
