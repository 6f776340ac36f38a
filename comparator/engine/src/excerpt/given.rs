//! Whether a text gives a value to a name: as JSON, a form, a tag or the field of a form in HTML does.
//!
//! A name in a text without a value is a word like any other, and pages are full of them: who hides every word hides the pages.

use std::ops::Range;

/// Whether a name with the word in it that stands there has a value, in a lower-case text.
pub(super) fn is_given(text: &[u8], word: Range<usize>) -> bool {
    let beside = text.get(..word.start).zip(text.get(word.end..));
    let name = beside.map(|(before, after)| Name::around(before, after));
    name.is_some_and(|name| name.is_assigned() || name.is_tag() || name.is_of_field())
}

/// What stands on both sides of a name.
struct Name<'t> {
    before: &'t [u8],
    after: &'t [u8],
}

impl<'t> Name<'t> {
    /// The name that goes on in both directions, and no further than is looked at.
    fn around(before: &'t [u8], after: &'t [u8]) -> Self {
        let before = before.get(before.len().saturating_sub(MAX_BEFORE)..).unwrap_or_default();
        let after = after.get(..MAX_AFTER).unwrap_or(after);
        let lead = before.iter().rev().take(MAX_NAME).take_while(|byte| in_name(byte)).count();
        let rest = after.iter().take(MAX_NAME).take_while(|byte| in_name(byte)).count();
        let before = before.get(..before.len() - lead).unwrap_or_default();
        Self { before, after: after.get(rest..).unwrap_or_default() }
    }

    /// `session_id=`, `"sessionId":`, `session_id%3D`.
    fn is_assigned(&self) -> bool {
        let mut rest = self.after;
        while let Some(inner) = QUOTES.iter().find_map(|quote| rest.strip_prefix(*quote)) {
            rest = inner;
        }
        ASSIGNS.iter().any(|sign| rest.starts_with(sign))
    }

    /// `<sessionId>`, `</x:sessionId>`.
    fn is_tag(&self) -> bool {
        let space = self.before.iter().rev().take(MAX_NAME).take_while(|b| in_name(b) || **b == b':').count();
        let before = self.before.get(..self.before.len() - space).unwrap_or_default();
        self.after.starts_with(b">") && (before.ends_with(b"<") || before.ends_with(b"</"))
    }

    /// `name="session_id"` in a tag with a `value=` or `content=`.
    fn is_of_field(&self) -> bool {
        let start = self.before.iter().rposition(|byte| matches!(byte, b'<' | b'>'));
        let before = self.before.get(start.unwrap_or_default()..).unwrap_or_default();
        let end = self.after.iter().position(|byte| *byte == b'>').unwrap_or(self.after.len());
        let after = self.after.get(..end).unwrap_or_default();
        is_naming(before) && (has_value(before) || has_value(after))
    }
}

/// Whether an attribute begins at the end that names a field: `name="`, `id=form[`.
fn is_naming(before: &[u8]) -> bool {
    let value =
        before.iter().rev().take_while(|b| in_name(b) || matches!(b, b'[' | b']' | b'.' | b':')).count();
    let mut rest = before.get(..before.len() - value).unwrap_or_default();
    while let [inner @ .., b'"' | b'\'' | b'\\'] = rest {
        rest = inner;
    }
    NAMING.iter().any(|attribute| rest.ends_with(attribute))
}

fn has_value(part: &[u8]) -> bool {
    VALUES.iter().any(|attribute| part.windows(attribute.len()).any(|found| found == *attribute))
}

fn in_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The most of a name on each side of the word, in bytes.
const MAX_NAME: usize = 64;
/// How far a tag is looked at, in bytes.
const MAX_BEFORE: usize = 256;
const MAX_AFTER: usize = 256;
/// What may stand between a name and its sign, also in a URL and in HTML.
const QUOTES: [&[u8]; 10] = [b"\"", b"'", b"\\", b" ", b"]", b"%22", b"%27", b"%5d", b"&quot;", b"&#34;"];
const ASSIGNS: [&[u8]; 4] = [b"=", b":", b"%3d", b"%3a"];
const NAMING: [&[u8]; 4] = [b"name=", b"id=", b"key=", b"property="];
const VALUES: [&[u8]; 2] = [b"value=", b"content="];
