//! Values that a text gives to a name of the list: as JSON, a form, a header, a tag or a field of a form in HTML does.
//!
//! A name in a text without a value is a word like any other, and pages are full of them.

use std::ops::Range;

use super::kind::SecretKind;
use super::names::{of_name, of_parameter};

/// The values in a text, in the order of their names.
pub(super) fn values(text: &[u8]) -> Vec<(Range<usize>, SecretKind)> {
    let mut values = Vec::new();
    // Most values of traffic are a number or a word, and give nothing to anything.
    if !text.iter().any(|byte| GIVES.contains(byte)) {
        return values;
    }
    let mut at = 0;
    while let Some(word) = next_word(text, at) {
        at = word.end;
        let given = Given { text, name: word };
        if let Some((value, kind)) = given.value() {
            // Names within a value are not looked for: it is a secret anyway, and each byte is read once.
            at = at.max(value.end);
            values.push((value, kind));
        }
    }
    values
}

/// Letters, digits, `-` and `_`, and what is not ASCII. Escapes of URLs and of strings part words.
fn next_word(text: &[u8], from: usize) -> Option<Range<usize>> {
    let mut start = from;
    loop {
        match text.get(start..)? {
            [] => return None,
            [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => start += 3,
            [b'\\', b'n' | b't' | b'r', ..] => start += 2,
            [byte, ..] if in_name(byte) => break,
            _ => start += 1,
        }
    }
    let length = text.get(start..)?.iter().take_while(|byte| in_name(byte)).count();
    Some(start..start + length)
}

fn in_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || !byte.is_ascii()
}

/// How a text may give a value to a name.
type Way<'t> = fn(&Given<'t>) -> Option<Range<usize>>;

/// A name in a text.
struct Given<'t> {
    text: &'t [u8],
    name: Range<usize>,
}

impl<'t> Given<'t> {
    /// The value that the name is given, if it is one of the list.
    fn value(&self) -> Option<(Range<usize>, SecretKind)> {
        let ways: [Way<'t>; 6] = [
            Self::assigned,
            Self::of_element,
            Self::of_closed,
            Self::of_field,
            Self::of_neighbour,
            Self::told,
        ];
        let mut kind = None;
        for way in ways {
            if let Some(value) = way(self) {
                let found = *kind.get_or_insert_with(|| self.kind());
                let value = value.start.min(value.end)..value.end;
                let is_mark = self.text.get(value.clone()).is_some_and(|value| WHOLE_MARKS.contains(&value));
                return found.filter(|_| !is_mark).map(|kind| (value, kind));
            }
        }
        None
    }

    fn kind(&self) -> Option<SecretKind> {
        let name = self.text.get(self.name.clone())?;
        let before = self.text.get(..self.name.start)?;
        if before.ends_with(b"?") || before.ends_with(b"&") { of_parameter(name) } else { of_name(name) }
    }

    fn after(&self) -> &[u8] {
        self.text.get(self.name.end..).unwrap_or_default()
    }

    /// `session_id=4f`, `"sessionId": "4f"`, `session_id%3D4f`, `Set-Cookie: a=b`.
    fn assigned(&self) -> Option<Range<usize>> {
        let quoted = passed(self.after(), 0, &QUOTES);
        let sign = ASSIGNS
            .iter()
            .find(|sign| self.after().get(quoted..).is_some_and(|rest| rest.starts_with(sign)))?;
        let start = passed(self.after(), quoted + sign.len(), &BLANKS);
        let rest = self.after().get(start..)?;
        let whole_line = matches!(self.kind()?, SecretKind::Authorization | SecretKind::Cookie);
        let (from, length) = value_length(rest, whole_line && **sign == *b":")?;
        Some(self.name.end + start + from..self.name.end + start + from + length)
    }

    /// What stands before the name of a tag that ends with this name: `ns:own.` may lead it.
    fn before_tag_name(&self) -> Option<&'t [u8]> {
        let before = self.text.get(..self.name.start)?;
        let leads = |byte: &&u8| in_name(byte) || matches!(**byte, b':' | b'.');
        let lead = before.iter().rev().take(MAX_NAME).take_while(leads).count();
        before.get(..before.len() - lead)
    }

    /// `<sessionId>4f</sessionId>`, with a prefix and attributes.
    fn of_element(&self) -> Option<Range<usize>> {
        let begins = self.before_tag_name()?.ends_with(b"<");
        if !begins || !matches!(self.after().first(), Some(b'>' | b' ' | b'\t' | b'\n' | b'\r')) {
            return None;
        }
        self.kind()?;
        let tag = self.after().get(..MAX_TAG).unwrap_or(self.after());
        let open = tag.iter().position(|byte| *byte == b'>')? + 1;
        if tag.get(..open)?.ends_with(b"/>") {
            return None;
        }
        content(self.text, self.name.end + open)
    }

    /// `4f</session>`, where what opens it is not in the text.
    fn of_closed(&self) -> Option<Range<usize>> {
        let before = self.before_tag_name()?.strip_suffix(b"</")?;
        if self.after().first() != Some(&b'>') {
            return None;
        }
        self.kind()?;
        let start = before.iter().rposition(|byte| matches!(byte, b'<' | b'>')).map_or(0, |at| at + 1);
        (start < before.len()).then_some(start..before.len())
    }

    /// `name="session_id" value="4f"` in a tag, in any order.
    fn of_field(&self) -> Option<Range<usize>> {
        let before = self.text.get(self.name.start.saturating_sub(MAX_TAG)..self.name.start)?;
        if !is_naming(before) {
            return None;
        }
        let within = memchr::memrchr2(b'<', b'>', before).filter(|at| before.get(*at) == Some(&b'<'))?;
        self.kind()?;
        let tag = self.name.start - before.len() + within + 1;
        let end = self.after().get(..MAX_TAG).unwrap_or(self.after());
        let end = self.name.end + memchr::memchr(b'>', end).unwrap_or(end.len());
        let text = self.text.get(tag..end)?.to_ascii_lowercase();
        let at =
            VALUES.iter().find_map(|value| memchr::memmem::find(&text, value).map(|at| at + value.len()))?;
        // The value may be longer than what is looked through for its beginning.
        let (from, length) = value_length(self.text.get(tag + at..)?, false)?;
        Some(tag + at + from..tag + at + from + length)
    }

    /// The text of the element behind one whose text is the name: `<key>password</key><string>4f</string>`; and the value behind a
    /// `"name": "password"`.
    fn of_neighbour(&self) -> Option<Range<usize>> {
        let before = self.text.get(..self.name.start)?;
        let next = self.after().get(..MAX_TAG).unwrap_or(self.after());
        if before.trim_ascii_end().ends_with(b">") {
            let rest = next.trim_ascii_start();
            let rest = rest.strip_prefix(b":").unwrap_or(rest);
            rest.strip_prefix(b"</")?;
            self.kind()?;
            return self.next_element(next.len() - rest.len());
        }
        let quote = before.last().filter(|byte| matches!(byte, b'"' | b'\''))?;
        let own = before.get(before.len().saturating_sub(MAX_NAME)..)?.to_ascii_lowercase();
        let own: Vec<u8> =
            own.into_iter().filter(|byte| !matches!(byte, b'"' | b'\'' | b' ' | b'\\')).collect();
        if !NAMING_MEMBERS.iter().any(|name| own.ends_with(name)) || next.first() != Some(quote) {
            return None;
        }
        self.kind()?;
        let (name, at) =
            VALUE_MEMBERS.iter().find_map(|name| Some((name, memchr::memmem::find(next, name)?)))?;
        let start = passed(next, passed(next, at + name.len(), &BLANKS), &[b":"]);
        let start = passed(next, start, &BLANKS);
        let (from, length) = value_length(self.after().get(start..)?, false)?;
        Some(self.name.end + start + from..self.name.end + start + from + length)
    }

    /// The text of the first element that begins behind the tag at `at`, with no text before it.
    fn next_element(&self, mut at: usize) -> Option<Range<usize>> {
        let next = self.after().get(..MAX_TAG).unwrap_or(self.after());
        let mut begun = false;
        loop {
            at += next.get(at..)?.iter().position(|byte| *byte == b'>')? + 1;
            let blanks = at + next.get(at..)?.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            if next.get(blanks)? != &b'<' {
                return if begun { content(self.text, self.name.end + at) } else { None };
            }
            begun |= next.get(blanks + 1)? != &b'/';
            at = blanks;
        }
    }

    /// `password "4f"`, `token is 4f9c`, `password 4f9c is wrong`: what follows is in quotes, or no word.
    fn told(&self) -> Option<Range<usize>> {
        if self.after().first() != Some(&b' ') {
            return None;
        }
        self.kind()?;
        let mut start = passed(self.after(), 0, &[b" "]);
        for filler in FILLERS {
            if self.after().get(start..)?.starts_with(filler) {
                start += filler.len();
            }
        }
        let rest = self.after().get(start..)?;
        let (from, length) = value_length(rest, false)?;
        let value = rest.get(from..from + length)?;
        let value = value.strip_suffix(b".").unwrap_or(value);
        let odd = value.iter().any(u8::is_ascii_digit) && value.len() >= MIN_TOLD
            || value.iter().skip(1).any(u8::is_ascii_uppercase)
                && value.iter().any(u8::is_ascii_lowercase)
                && value.len() >= MIN_MIXED;
        let start = self.name.end + start + from;
        (from > 0 && !value.is_empty() || odd).then_some(start..start + value.len())
    }
}

/// The text of an element from here on, up to the next tag.
fn content(text: &[u8], start: usize) -> Option<Range<usize>> {
    let rest = text.get(start..)?;
    let (start, end) = match rest.strip_prefix(CDATA) {
        Some(data) => (start + CDATA.len(), memchr::memmem::find(data, b"]]>").unwrap_or(data.len())),
        None => (start, memchr::memchr(b'<', rest).unwrap_or(rest.len())),
    };
    (end > 0).then_some(start..start + end)
}

/// Where a value begins, without its quote, and its length; `None` if there is none, or a mark stands for it already.
fn value_length(rest: &[u8], whole_line: bool) -> Option<(usize, usize)> {
    let quotes = match rest {
        [b'\\', b'"' | b'\'', ..] => 2,
        [b'"' | b'\'' | b'`', ..] => 1,
        _ => 0,
    };
    let escaped = if quotes == 0 { QUOTE_ESCAPES.iter().find(|quote| rest.starts_with(quote)) } else { None };
    let from = escaped.map_or(quotes, |quote| quote.len());
    let value = rest.get(from..)?;
    let closing = rest.get(from.checked_sub(1).unwrap_or(usize::MAX)).copied().filter(|_| quotes > 0);
    let length = match (closing, escaped) {
        (Some(quote), _) => in_quotes(value, quote, quotes > 1),
        (None, Some(quote)) => memchr::memmem::find(value, quote).unwrap_or(value.len()),
        (None, None) if whole_line => line(value),
        (None, None) => value.iter().position(|byte| ENDS.contains(byte)).unwrap_or(value.len()),
    };
    let is_mark = MARKS.iter().any(|mark| value.starts_with(mark));
    let literal = quotes == 0 && LITERALS.iter().any(|literal| value.get(..length) == Some(literal));
    (length > 0 && !is_mark && !literal).then_some((from, length))
}

/// Up to the quote that closes it; what is behind a backslash is not that.
fn in_quotes(value: &[u8], quote: u8, escaped: bool) -> usize {
    let mut at = 0;
    while let Some(byte) = value.get(at) {
        match byte {
            b'\\' if escaped => return at,
            b'\\' => at += 1,
            byte if *byte == quote => return at,
            _ => {}
        }
        at += 1;
    }
    value.len()
}

fn line(value: &[u8]) -> usize {
    let ends = |byte: &u8| matches!(byte, b'\r' | b'\n' | b'"' | b'\'' | b'<' | b'\\');
    value.iter().position(ends).unwrap_or(value.len())
}

/// Where something else begins than these, from `at` on.
fn passed(text: &[u8], at: usize, passing: &[&[u8]]) -> usize {
    let mut at = at;
    let most = at + MAX_BLANKS;
    while let Some(part) =
        passing.iter().find(|part| text.get(at..).is_some_and(|rest| rest.starts_with(part)))
    {
        at += part.len();
        if at > most {
            break;
        }
    }
    at
}

/// Whether an attribute begins at the end that names a field: `name="`, `id=form[`.
fn is_naming(before: &[u8]) -> bool {
    let of_name = |b: &&u8| in_name(b) || matches!(**b, b'[' | b']' | b'.' | b':');
    let value = before.iter().rev().take(MAX_NAME).take_while(of_name).count();
    let mut rest = before.get(..before.len() - value).unwrap_or_default();
    while let [inner @ .., b'"' | b'\'' | b'\\'] = rest {
        rest = inner;
    }
    let tail = rest.get(rest.len().saturating_sub(MAX_ATTRIBUTE)..).unwrap_or_default().to_ascii_lowercase();
    NAMING.iter().any(|attribute| tail.ends_with(attribute))
}

/// The most of a name, of a tag and of what stands between a name and its sign, in bytes.
const MAX_NAME: usize = 64;
const MAX_TAG: usize = 1_024;
const MAX_BLANKS: usize = 32;
const MAX_ATTRIBUTE: usize = 16;
/// The fewest characters of a value with a digit, or of one of both cases, that a sentence tells.
const MIN_TOLD: usize = 4;
const MIN_MIXED: usize = 6;
/// What may stand between a name and its sign, also in a URL and in HTML.
const QUOTES: [&[u8]; 12] =
    [b"\"", b"'", b"\\", b" ", b"\t", b"]", b"`", b"%22", b"%27", b"%5d", b"&quot;", b"&#34;"];
/// One of these stands in every text that gives a name a value: a sign of [`ASSIGNS`], a tag, a quote around the name of a member, or the blank
/// behind a name in a sentence.
const GIVES: &[u8] = b"=:%<>\"' ";
const ASSIGNS: [&[u8]; 7] = [b"=>", b"=", b":", b"%3d", b"%3D", b"%3a", b"%3A"];
const BLANKS: [&[u8]; 4] = [b" ", b"\t", b"\r", b"\n"];
const QUOTE_ESCAPES: [&[u8]; 4] = [b"%22", b"%27", b"&quot;", b"&#34;"];
const NAMING: [&[u8]; 4] = [b"name=", b"id=", b"key=", b"property="];
const VALUES: [&[u8]; 2] = [b"value=", b"content="];
const NAMING_MEMBERS: [&[u8]; 4] = [b"name:", b"key:", b"field:", b"id:"];
const VALUE_MEMBERS: [&[u8]; 2] = [b"\"value\"", b"'value'"];
const FILLERS: [&[u8]; 4] = [b"is ", b"was ", b"of ", b"= "];
const ENDS: &[u8] = b" \t\r\n&;,<>\"'`)}]|";
const CDATA: &[u8] = b"<![CDATA[";
/// What may stand for a secret already.
const MARKS: [&[u8]; 3] = [b"[redacted", b"(redacted", b"\xe2\x80\xb9"];
/// As values, also of elements.
const WHOLE_MARKS: [&[u8]; 2] = [b"[redacted]", b"(redacted)"];
const LITERALS: [&[u8]; 7] = [b"true", b"false", b"null", b"{", b"[", b"None", b"nil"];
