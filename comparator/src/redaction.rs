//! What must not leave the process with a capture: credentials always, and what the reader names besides.
//!
//! A blanked value stays where it was, so that a capture still shows that there was one. Where a path of a body is named and the
//! body is not JSON, nobody can say where the value is: then only length and hash are kept.

mod json;

use std::str::FromStr;

use antumbra_observation::{Body, Bytes, Observation};
use xxhash_rust::xxh3::xxh3_64;

/// What stands in place of a value.
pub(crate) const REDACTED: &str = "[redacted]";

/// What is blanked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Redaction {
    /// In lower case, beside [`ALWAYS`].
    headers: Vec<String>,
    paths: Vec<Vec<String>>,
}

/// One header or one path of JSON bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    /// In lower case.
    Header(String),
    /// Keys and indices; `*` is any of them.
    Path(Vec<String>),
}

impl FromStr for Secret {
    type Err = BadSecret;

    fn from_str(text: &str) -> Result<Self, BadSecret> {
        if let Some(name) = text.strip_prefix("header:") {
            let name = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| BadSecret)?;
            return Ok(Self::Header(name.as_str().to_owned()));
        }
        let path = text.strip_prefix('/').ok_or(BadSecret)?;
        let segments: Vec<String> =
            path.split('/').map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect();
        let sound = segments.len() <= MAX_SEGMENTS && segments.iter().all(|segment| !segment.is_empty());
        if sound { Ok(Self::Path(segments)) } else { Err(BadSecret) }
    }
}

/// The text names nothing to blank; whoever reads it names the argument and the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a path of at most {MAX_SEGMENTS} keys as /customer/email or /items/*/card, or as header:x-session"
)]
pub(crate) struct BadSecret;

impl FromIterator<Secret> for Redaction {
    fn from_iter<I: IntoIterator<Item = Secret>>(secrets: I) -> Self {
        let mut redaction = Self::default();
        for secret in secrets {
            match secret {
                Secret::Header(name) => redaction.headers.push(name),
                Secret::Path(path) => redaction.paths.push(path),
            }
        }
        redaction
    }
}

impl Redaction {
    /// Blanks request, answers and trailers.
    pub(crate) fn apply(&self, observation: &mut Observation) {
        self.headers(&mut observation.request.headers);
        self.body(&mut observation.request.body);
        let legs =
            [Some(&mut observation.primary), Some(&mut observation.candidate), observation.control.as_mut()];
        for response in legs.into_iter().flatten().filter_map(|leg| leg.response.as_mut()) {
            self.headers(&mut response.headers);
            self.headers(&mut response.trailers);
            self.body(&mut response.body);
        }
    }

    fn headers(&self, headers: &mut [(Bytes, Bytes)]) {
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            let mut named = ALWAYS.iter().copied().chain(self.headers.iter().map(String::as_str));
            if named.any(|secret| secret.as_bytes() == name) {
                *value = REDACTED.into();
            }
        }
    }

    fn body(&self, body: &mut Body) {
        let Body::Whole(bytes) = &body else { return };
        if self.paths.is_empty() || bytes.is_empty() {
            return;
        }
        *body = match json::redacted(bytes, &self.paths) {
            Some(redacted) => Body::Whole(redacted.into()),
            None => Body::Cut { length: bytes.len() as u64, xxh3: xxh3_64(bytes) },
        };
    }
}

const ALWAYS: [&str; 5] = ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"];
/// Nobody needs more, and each is one step of a recursion.
const MAX_SEGMENTS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_named() {
        let path = |segments: &[&str]| Ok(Secret::Path(segments.iter().map(|s| (*s).to_owned()).collect()));
        for (text, expected) in [
            ("/a", path(&["a"])),
            ("/items/*/card~1no~01", path(&["items", "*", "card/no~1"])),
            ("header:X-Session", Ok(Secret::Header("x-session".to_owned()))),
            ("", Err(BadSecret)),
            ("a", Err(BadSecret)),
            ("/", Err(BadSecret)),
            ("/a//b", Err(BadSecret)),
            ("header:a b", Err(BadSecret)),
            ("header:", Err(BadSecret)),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
        assert_eq!("/a".repeat(33).parse::<Secret>(), Err(BadSecret));
    }
}
