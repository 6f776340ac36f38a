//! Paths and queries: which of their parts are secrets. Nothing but names of things stands there, so what looks drawn at random lets somebody
//! in, as a link to set a new password does.

use super::declared::Secrets;
use super::found::in_text;
use super::kind::SecretKind;
use super::looks::looks_drawn;
use super::names::{of_name, of_parameter};

/// Writes a path and query without its secrets.
pub struct Target<'s> {
    /// The names that count.
    pub secrets: &'s Secrets,
    /// What stands for a secret.
    pub mark: &'s str,
}

impl Target<'_> {
    /// Returns the path and query with the mark in place of each secret, and how many there are. Every other byte stays as it is.
    pub fn without_secrets(&self, target: &[u8]) -> (Vec<u8>, u64) {
        let end = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
        let (path, query) = target.split_at_checked(end).unwrap_or_default();
        let mut out = Out { bytes: Vec::with_capacity(target.len()), hidden: 0, mark: self.mark };
        let mut before: &[u8] = b"";
        for (at, segment) in path.split(|byte| *byte == b'/').enumerate() {
            if at > 0 {
                out.bytes.push(b'/');
            }
            self.segment(segment, before, &mut out);
            before = segment;
        }
        if let Some((mark, query)) = query.split_first() {
            out.bytes.push(*mark);
            self.query(query, &mut out);
        }
        (out.bytes, out.hidden)
    }

    /// Returns a form or a query with the mark in place of each secret value, and how many there are.
    pub fn form_without_secrets(&self, form: &[u8]) -> (Vec<u8>, u64) {
        let mut out = Out { bytes: Vec::with_capacity(form.len()), hidden: 0, mark: self.mark };
        self.pairs(form, false, &mut out);
        (out.bytes, out.hidden)
    }

    /// Behind a semicolon stand parameters (RFC 3986, 3.3).
    fn segment(&self, segment: &[u8], before: &[u8], out: &mut Out<'_>) {
        let mut parts = segment.split(|byte| *byte == b';');
        let name = parts.next().unwrap_or_default();
        if name.contains(&b'=') {
            self.pair(name, true, out);
        } else {
            let secret = of_segment(name).or_else(|| of_segment_after(before, name));
            out.either(name, secret);
        }
        for parameter in parts {
            out.bytes.push(b';');
            self.pair(parameter, true, out);
        }
    }

    fn query(&self, query: &[u8], out: &mut Out<'_>) {
        self.pairs(query, true, out);
    }

    fn pairs(&self, pairs: &[u8], drawn: bool, out: &mut Out<'_>) {
        let mut rest = pairs;
        loop {
            let end = rest.iter().position(|byte| matches!(*byte, b'&' | b'#')).unwrap_or(rest.len());
            let (pair, after) = rest.split_at_checked(end).unwrap_or_default();
            self.pair(pair, drawn, out);
            let Some((separator, after)) = after.split_first() else { return };
            out.bytes.push(*separator);
            rest = after;
        }
    }

    /// `name=value`, or either alone.
    fn pair(&self, pair: &[u8], drawn: bool, out: &mut Out<'_>) {
        let Some(at) = pair.iter().position(|byte| *byte == b'=') else {
            return out.either(pair, of_value(pair, drawn));
        };
        let (name, value) = (pair.get(..at).unwrap_or_default(), pair.get(at + 1..).unwrap_or_default());
        out.either(name, of_value(name, drawn));
        out.bytes.push(b'=');
        let plain = unescaped(name);
        let named = || innermost(&plain).into_iter().find_map(|name| self.secrets.of_parameter(name));
        out.either(value, named().or_else(|| of_value(value, drawn)));
    }
}

/// What is written so far.
struct Out<'m> {
    bytes: Vec<u8>,
    hidden: u64,
    mark: &'m str,
}

impl Out<'_> {
    fn either(&mut self, part: &[u8], secret: Option<SecretKind>) {
        if secret.is_some() && !part.is_empty() && part != self.mark.as_bytes() {
            self.bytes.extend_from_slice(self.mark.as_bytes());
            self.hidden += 1;
        } else {
            self.bytes.extend_from_slice(part);
        }
    }
}

/// A name, and each part of one as `user[password]`: any may say what the value is.
fn innermost(name: &[u8]) -> Vec<&[u8]> {
    let parts = name.split(|byte| matches!(byte, b'[' | b']')).filter(|part| !part.is_empty());
    std::iter::once(name).chain(parts).collect()
}

/// What a value is by its look, with or without escapes.
fn of_value(value: &[u8], drawn: bool) -> Option<SecretKind> {
    let plain = unescaped(value);
    let drawn = || (drawn && looks_drawn(&plain)).then_some(SecretKind::Drawn);
    let speaks = in_text(&plain).first().map(|found| found.kind);
    speaks.or_else(drawn)
}

/// Returns whether a segment of a path is a secret, or stands for one: by its look, or behind another that names one.
pub(crate) fn names_secret(before: &[u8], segment: &[u8]) -> bool {
    let pair = segment.iter().position(|byte| *byte == b'=').and_then(|at| segment.get(..at));
    let named = || pair.is_some_and(|name| of_parameter(&unescaped(name)).is_some());
    segment == REDACTED
        || named()
        || of_segment(segment).or_else(|| of_segment_after(before, segment)).is_some()
}

/// What a segment of a path is by its look.
fn of_segment(segment: &[u8]) -> Option<SecretKind> {
    if segment.len() < SHORTEST {
        return None;
    }
    of_value(segment, true)
}

/// What a segment is behind one that names a secret, as in `/reset-password/7fG2kx` and `/session/af31-99`: no word by itself, which names a
/// thing to do.
fn of_segment_after(before: &[u8], segment: &[u8]) -> Option<SecretKind> {
    let is_word = |b: &u8| b.is_ascii_lowercase() || matches!(b, b'-' | b'_');
    let word = segment.len() <= MAX_WORD && segment.iter().all(is_word);
    let short = segment.len() <= 3;
    if word || short || segment.starts_with(b"{") { None } else { of_name(&unescaped(before)) }
}

/// Returns the bytes without escapes: `+` is a blank, and `%` with two digits a byte.
pub fn unescaped(text: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((&byte, after)) = rest.split_first() {
        let (plain, next) = match (byte, after) {
            (b'+', _) => (b' ', after),
            (b'%', [high, low, next @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, next),
                _ => (byte, after),
            },
            _ => (byte, after),
        };
        out.push(plain);
        rest = next;
    }
    out
}

fn digit(hex: u8) -> Option<u8> {
    char::from(hex).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// What stands for a segment in a capture.
const REDACTED: &[u8] = b"[redacted]";
/// No secret that is told by its look has fewer bytes.
const SHORTEST: usize = 10;
const MAX_WORD: usize = 24;
