//! Multipart bodies (RFC 2046, 5.1): each part answers to the part of its name, and is compared as what it says it is.
//!
//! The boundary is chosen anew for every body, so it is no difference, and neither is what stands before the first part or
//! behind the last.

use std::collections::{BTreeMap, BTreeSet};

use antumbra_observation::Bytes;

use super::media::{header, media_type, parameter};
use crate::diff::{self, ABSENT, Differences, Scope};
use crate::excerpt;
use crate::farther::Cause;
use crate::kind::Kind;
use crate::pattern::Segment;
use crate::refusal::Refusal;

/// One part.
#[derive(Debug)]
pub(crate) struct Part<'b> {
    pub(crate) headers: Vec<(Bytes, Bytes)>,
    pub(crate) bytes: &'b [u8],
}

/// Parts by name and number among those of that name.
pub(crate) type Parts<'b> = BTreeMap<(Vec<u8>, usize), Part<'b>>;

/// Takes a body apart.
///
/// # Errors
/// [`Refusal::Malformed`] without a first and a last boundary, [`Refusal::Parts`] beyond [`MAX_PARTS`].
pub(crate) fn parts<'b>(bytes: &'b [u8], boundary: &[u8]) -> Result<Parts<'b>, Refusal> {
    let mut parts = Parts::new();
    for written in split(bytes, boundary)? {
        let part = part(written);
        let disposition = header(&part.headers, "content-disposition").unwrap_or_default();
        let name = parameter(&disposition, "name").unwrap_or_default().as_bytes().to_vec();
        let number = parts.range((name.clone(), 0)..=(name.clone(), usize::MAX)).count();
        parts.insert((name, number), part);
    }
    Ok(parts)
}

/// Calls `each` for every two parts that answer to each other, with the place of the part; parts without a partner and
/// headers of parts are compared here.
pub(crate) fn compare<'b>(
    left: &Parts<'b>,
    right: &Parts<'b>,
    at: &[Segment<'_>],
    scope: Scope<'_>,
    into: &mut Differences<'_>,
    mut each: impl FnMut(&Part<'b>, &Part<'b>, &[Segment<'_>], &mut Differences<'_>),
) {
    let names: BTreeSet<_> = left.keys().chain(right.keys()).collect();
    for key in names {
        let mut path = at.to_vec();
        path.push(match key.0.as_slice() {
            b"" => Segment::Element(key.1),
            name => Segment::Member(name.into()),
        });
        let length = |part: &Part<'_>| match part.bytes.len() {
            1 => "1 byte".to_owned(),
            length => format!("{length} bytes"),
        };
        match (left.get(key), right.get(key)) {
            (Some(left), Some(right)) => {
                headers(left, right, &path, scope, into);
                each(left, right, &path, into);
            }
            (Some(left), None) => {
                diff::at(&path, Kind::Missing, scope, into, Cause::Unread, || {
                    (length(left), ABSENT.to_owned())
                });
            }
            (_, right) => {
                let shown = right.map(length).unwrap_or_default();
                diff::at(&path, Kind::Extra, scope, into, Cause::Unread, || (ABSENT.to_owned(), shown));
            }
        }
    }
}

fn headers(
    left: &Part<'_>,
    right: &Part<'_>,
    at: &[Segment<'_>],
    scope: Scope<'_>,
    into: &mut Differences<'_>,
) {
    let names = left.headers.iter().chain(&right.headers).map(|(name, _)| name.to_ascii_lowercase());
    let names: BTreeSet<String> = names.filter_map(|name| String::from_utf8(name).ok()).collect();
    for name in names.iter().filter(|name| *name != "content-length") {
        let value = |part: &Part<'_>| header(&part.headers, name).map(|value| media_type(&value));
        let (left, right) = (value(left), value(right));
        if left == right {
            continue;
        }
        let kind = match (&left, &right) {
            (_, None) => Kind::Missing,
            (None, _) => Kind::Extra,
            _ => Kind::Value,
        };
        let mut path = at.to_vec();
        path.push(Segment::Member(name.as_bytes().into()));
        let secret = scope.rules.secrets().of_header(name.as_bytes());
        let shown = |value: Option<String>| {
            value.map_or_else(|| ABSENT.to_owned(), |value| excerpt::text(value.as_bytes(), secret))
        };
        diff::at(&path, kind, scope, into, Cause::Unread, || (shown(left), shown(right)));
    }
}

/// What stands between the boundaries.
fn split<'b>(bytes: &'b [u8], boundary: &[u8]) -> Result<Vec<&'b [u8]>, Refusal> {
    let mut parts = Vec::new();
    let mut start = None;
    let mut at = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let next = at + line.len();
        if let Some(delimiter) = delimiter(line, boundary) {
            if let Some(start) = start {
                parts.push(without_line_end(bytes.get(start..at).unwrap_or_default()));
            }
            if parts.len() > MAX_PARTS {
                return Err(Refusal::Parts);
            }
            if delimiter == Delimiter::Last {
                return Ok(parts);
            }
            start = Some(next);
        }
        at = next;
    }
    Err(Refusal::Malformed)
}

#[derive(PartialEq, Eq)]
enum Delimiter {
    Next,
    Last,
}

fn delimiter(line: &[u8], boundary: &[u8]) -> Option<Delimiter> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?.trim_ascii_end();
    match rest {
        b"" => Some(Delimiter::Next),
        b"--" => Some(Delimiter::Last),
        _ => None,
    }
}

fn without_line_end(part: &[u8]) -> &[u8] {
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    part.strip_suffix(b"\r").unwrap_or(part)
}

/// Its headers up to an empty line, and its body.
fn part(written: &[u8]) -> Part<'_> {
    let mut headers = Vec::new();
    let mut rest = written;
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let (line, after) = rest.split_at(end + 1);
        rest = after;
        let line = line.trim_ascii();
        if line.is_empty() {
            break;
        }
        let at = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(at);
        if headers.len() < MAX_HEADERS {
            headers.push((
                name.trim_ascii().to_vec().into(),
                value.get(1..).unwrap_or_default().trim_ascii().to_vec().into(),
            ));
        }
    }
    Part { headers, bytes: rest }
}

/// Most parts of one body.
pub(crate) const MAX_PARTS: usize = 1_000;
const MAX_HEADERS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(body: &str, boundary: &str) -> Result<Vec<(String, usize, String)>, Refusal> {
        let parts = parts(body.as_bytes(), boundary.as_bytes())?;
        let shown = |((name, number), part): (&(Vec<u8>, usize), &Part<'_>)| {
            (String::from_utf8_lossy(name).into_owned(), *number, String::from_utf8_lossy(part.bytes).into())
        };
        Ok(parts.iter().map(shown).collect())
    }

    #[test]
    fn a_body_is_taken_apart() {
        let body = "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b \r\n\
                    content-disposition: form-data; name=a\r\n\r\n\r\n2\r\n--bb\r\n\r\n--b--\r\nepilogue";
        let part = |name: &str, number, text: &str| (name.to_owned(), number, text.to_owned());
        assert_eq!(names(body, "b"), Ok(vec![part("a", 0, "1"), part("a", 1, "\r\n2\r\n--bb\r\n")]));
        assert_eq!(names("--b\n\nx\n--b--", "b"), Ok(vec![part("", 0, "x")]));
        assert_eq!(names("--b--", "b"), Ok(vec![]));
    }

    #[test]
    fn a_body_without_end_is_refused() {
        for open in ["", "x", "--b\r\n\r\nx", "--b\r\n\r\nx\r\n--b", "--b\r\n\r\nx\r\n--b-"] {
            assert_eq!(names(open, "b"), Err(Refusal::Malformed), "{open:?}");
        }
        let many = "--b\n\n\n".repeat(MAX_PARTS + 2) + "--b--";
        assert_eq!(names(&many, "b"), Err(Refusal::Parts));
    }
}
