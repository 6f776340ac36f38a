//! What must not leave the process with a capture: credentials always, and what the reader names besides.
//!
//! A blanked value stays where it was, so that a capture still shows that there was one; that two of them differ it does not show.
//! Where a path of a body is named and nobody can say where in the body the value is, only length and hash are kept. What could not be
//! kept is counted.

mod body;
mod coding;
mod cookie;
mod form;
mod json;
mod left;

use std::str::FromStr;

use antumbra_observation::{Body, Bytes, Observation, Request, Response};
use xxhash_rust::xxh3::xxh3_64;

use body::Kept;
pub(crate) use left::Left;

/// What stands in place of a value.
pub(crate) const REDACTED: &str = "[redacted]";

/// What is blanked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Redaction {
    /// In lower case, beside [`ALWAYS`]; `set-cookie` is blanked as a whole if it is among them.
    headers: Vec<String>,
    paths: Vec<Vec<String>>,
    /// Texts are kept as they are although a path is named.
    keeps_text: bool,
}

/// One header or one path of JSON bodies, or that texts have no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    /// In lower case.
    Header(String),
    /// Keys and indices; `*` is any of them.
    Path(Vec<String>),
    /// Nothing in texts and pages is one.
    NoText,
}

impl FromStr for Secret {
    type Err = BadSecret;

    fn from_str(text: &str) -> Result<Self, BadSecret> {
        if let Some(name) = text.strip_prefix("header:") {
            let name = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| BadSecret)?;
            return Ok(Self::Header(name.as_str().to_owned()));
        }
        if text == KEEP_TEXT {
            return Ok(Self::NoText);
        }
        let path = text.strip_prefix('/').ok_or(BadSecret)?;
        let segments = || path.split('/');
        let sound = segments().count() <= MAX_SEGMENTS && segments().all(|segment| !segment.is_empty());
        if sound { Ok(Self::Path(segments().map(named).collect())) } else { Err(BadSecret) }
    }
}

/// The name that a segment means, as in the places of a report; whoever copies one of those must not miss the secret.
fn named(segment: &str) -> String {
    let signs = [("~4", ""), ("~3", " "), ("~2", "*"), ("~1", "/"), ("~0", "~")];
    signs.into_iter().fold(segment.to_owned(), |name, (sign, meant)| name.replace(sign, meant))
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
                Secret::NoText => redaction.keeps_text = true,
            }
        }
        redaction
    }
}

impl Redaction {
    /// Blanks request, answers and trailers, and answers what is no longer in them.
    pub(crate) fn apply(&self, observation: &mut Observation) -> Left {
        let mut left = Left::default();
        self.request(&mut observation.request, &mut left);
        let legs =
            [Some(&mut observation.primary), Some(&mut observation.candidate), observation.control.as_mut()];
        let answers = legs.into_iter().flatten().filter_map(|leg| leg.response.as_mut());
        self.answers(&mut answers.collect::<Vec<_>>(), &mut left);
        left
    }

    fn request(&self, request: &mut Request, left: &mut Left) {
        if self.body(&request.headers, &mut request.body, left) {
            coding::take_off(&mut request.headers);
        }
        self.headers(&mut request.headers, left);
    }

    fn answers(&self, answers: &mut [&mut Response], left: &mut Left) {
        if !self.paths.is_empty() {
            coding::separate(answers);
        }
        let mut decoded = false;
        for answer in answers.iter_mut() {
            decoded |= self.body(&answer.headers, &mut answer.body, left);
            self.headers(&mut answer.headers, left);
            self.headers(&mut answer.trailers, left);
        }
        if decoded {
            coding::take_off_all(answers);
        }
    }

    fn headers(&self, headers: &mut [(Bytes, Bytes)], left: &mut Left) {
        for (name, value) in headers {
            let name = name.to_ascii_lowercase();
            let is = |secret: &str| secret.as_bytes() == name;
            if let Some(secret) = self.headers.iter().map(String::as_str).find(|secret| is(secret)) {
                *value = REDACTED.into();
                left.header(secret, 1);
            } else if let Some(secret) = ALWAYS.into_iter().find(|secret| is(secret)) {
                *value =
                    if secret == "set-cookie" { cookie::redacted(value).into() } else { REDACTED.into() };
                left.header(secret, 1);
            }
        }
    }

    /// Whether the body has lost an encoding. One that is the primary's is blanked with it.
    fn body(&self, headers: &[(Bytes, Bytes)], body: &mut Body, left: &mut Left) -> bool {
        let bytes = match &body {
            Body::Whole(bytes) if self.paths.is_empty() || bytes.is_empty() => return false,
            Body::Whole(bytes) => bytes,
            Body::Same => return false,
            Body::Cut { .. } => {
                left.cut();
                return false;
            }
        };
        match body::kept(headers, bytes, &self.paths, self.keeps_text) {
            Kept::Plain(text, blanked) => {
                *body = Body::Whole(text.into());
                left.members(blanked);
                !coding::coding(headers).is_empty()
            }
            Kept::Hash(why) => {
                *body = Body::Cut { length: bytes.len() as u64, xxh3: xxh3_64(bytes) };
                left.hashed(why);
                false
            }
        }
    }
}

const ALWAYS: [&str; 5] = ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"];
/// Stands among what is to be blanked where texts need not be.
pub(crate) const KEEP_TEXT: &str = "keep:text";
/// Nobody needs more, and each is one step of a recursion.
const MAX_SEGMENTS: usize = 32;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use antumbra_observation::Leg;

    use super::*;

    const TOLD: &str = r#"{"customer":{"email":"hush"},"n":1}"#;
    const BLANKED: &str = r#"{"customer":{"email":"[redacted]"},"n":1}"#;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn leg(headers: &[(&str, &str)], body: Body) -> Leg {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let response = Response { headers, body, ..Response::default() };
        Leg { response: Some(response), ..Leg::answer("", 200) }
    }

    /// What is left of the answers of primary, candidate and control, and what is said to be gone.
    fn applied(primary: Leg, candidate: Leg, control: Leg) -> (Vec<Response>, Left) {
        let redaction: Redaction = ["/customer/email".parse::<Secret>().unwrap()].into_iter().collect();
        let mut one = Observation::new("shop", "GET", "/");
        one = one.with_primary(primary).with_candidate(candidate).with_control(control);
        let left = redaction.apply(&mut one);
        let legs = [Some(one.primary), Some(one.candidate), one.control];
        (legs.into_iter().map(|leg| leg.unwrap().response.unwrap()).collect(), left)
    }

    #[test]
    fn an_encoded_body_is_kept_plain() {
        let zipped = [("Content-Encoding", "gzip"), ("content-length", "50"), ("x-a", "1")];
        let sent = || Body::Whole(gzip(TOLD).into());
        let (answers, left) = applied(leg(&zipped, sent()), leg(&zipped, Body::Same), leg(&zipped, sent()));
        let plain = Body::Whole(BLANKED.into());
        assert_eq!(
            answers.iter().map(|answer| &answer.body).collect::<Vec<_>>(),
            [&plain, &Body::Same, &plain]
        );
        assert!(answers.iter().all(|answer| answer.headers == [("x-a".into(), "1".into())]), "{answers:?}");
        assert_eq!(serde_json::to_string(&left).unwrap(), r#"{"members":2}"#);
    }

    #[test]
    fn other_encodings_stay_others() {
        let coded = |coding: &'static str, body| leg(&[("content-encoding", coding)], body);
        let sent = || Body::Whole(gzip(TOLD).into());
        let (answers, _) =
            applied(coded("gzip", sent()), leg(&[], Body::Whole(TOLD.into())), coded("X-gzip", sent()));
        assert!(answers.iter().all(|answer| answer.body == Body::Whole(BLANKED.into())), "{answers:?}");
        let codings: Vec<Vec<u8>> = answers.iter().map(|answer| coding::coding(&answer.headers)).collect();
        assert_eq!(codings, [&b"identity"[..], b"", b"identity, identity"]);
        // It says that it is not encoded, and is.
        let (answers, left) = applied(coded("gzip", sent()), leg(&[], Body::Same), coded("gzip", Body::Same));
        assert!(matches!(answers[1].body, Body::Cut { .. }) && answers[2].body == Body::Same, "{answers:?}");
        assert_eq!(coding::coding(&answers[0].headers), b"identity");
        assert_eq!(serde_json::to_string(&left).unwrap(), r#"{"hashed":{"undeclared":1},"members":1}"#);
    }

    #[test]
    fn what_does_not_decode_stays_a_hash_of_what_was_sent() {
        let coded = |coding: &'static str, body: &[u8]| {
            leg(&[("content-encoding", coding)], Body::Whole(body.into()))
        };
        let bomb = gzip(&format!("[{}]", " ".repeat(2 << 20)));
        let (zipped, bombed) = (gzip(TOLD), bomb.len() as u64);
        let broken = coded("gzip", &zipped[..zipped.len() - 1]);
        let (answers, left) = applied(coded("gzip", &zipped), broken, coded("gzip", &bomb));
        assert_eq!(answers[0].body, Body::Whole(BLANKED.into()));
        assert!(matches!(answers[1].body, Body::Cut { length, .. } if length == zipped.len() as u64 - 1));
        assert!(matches!(answers[2].body, Body::Cut { length, .. } if length == bombed));
        assert!(answers.iter().all(|answer| answer.headers.is_empty()), "{answers:?}");
        let said = r#"{"hashed":{"corrupt":1,"ratio":1},"members":1}"#;
        assert_eq!(serde_json::to_string(&left).unwrap(), said);
    }

    #[test]
    fn a_request_is_kept_plain_too() {
        let redaction: Redaction = ["/customer/email", "header:Set-Cookie"]
            .into_iter()
            .map(|secret| secret.parse::<Secret>().unwrap())
            .collect();
        let mut one = Observation::new("shop", "POST", "/");
        let headers =
            [("Content-Encoding", "gzip"), ("Cookie", "hush"), ("Set-Cookie", "a=hush"), ("x-a", "1")];
        one.request.headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        one.request.body = Body::Whole(gzip(TOLD).into());
        let left = redaction.apply(&mut one);
        assert_eq!(one.request.body, Body::Whole(BLANKED.into()));
        let kept = [("Cookie", REDACTED), ("Set-Cookie", REDACTED), ("x-a", "1")];
        assert_eq!(one.request.headers, kept.map(|(name, value)| (name.into(), value.into())));
        let said = r#"{"headers":{"cookie":1,"set-cookie":1},"members":1}"#;
        assert_eq!(serde_json::to_string(&left).unwrap(), said);
    }

    #[test]
    fn what_can_be_named() {
        let path = |segments: &[&str]| Ok(Secret::Path(segments.iter().map(|s| (*s).to_owned()).collect()));
        for (text, expected) in [
            ("/a", path(&["a"])),
            ("/items/*/card~1no~01", path(&["items", "*", "card/no~1"])),
            ("/~2/~3a~3/~4/~02", path(&["*", " a ", "", "~2"])),
            ("header:X-Session", Ok(Secret::Header("x-session".to_owned()))),
            ("", Err(BadSecret)),
            ("a", Err(BadSecret)),
            ("/", Err(BadSecret)),
            ("/a//b", Err(BadSecret)),
            ("keep:text", Ok(Secret::NoText)),
            ("keep:", Err(BadSecret)),
            ("header:a b", Err(BadSecret)),
            ("header:", Err(BadSecret)),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
        assert_eq!("/a".repeat(33).parse::<Secret>(), Err(BadSecret));
    }
}
