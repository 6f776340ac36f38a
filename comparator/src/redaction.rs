//! What must not leave the process with a capture, nor be kept to try rules on: what the list of secrets names or shows by its form, what the
//! policy names, and what the reader names besides.
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
mod multipart;

use std::str::FromStr;

use antumbra_engine::secrets::{self, BadSecret, SecretKind, Secrets, Target};
use antumbra_observation::{Body, Bytes, Observation, Request, Response};
use xxhash_rust::xxh3::xxh3_64;

use body::Kept;
pub(crate) use left::Left;

/// What stands in place of a value.
pub(crate) const REDACTED: &str = "[redacted]";

/// What is blanked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Redaction {
    secrets: Secrets,
    /// Texts are kept as they are although a path is named.
    keeps_text: bool,
}

/// One place, or that texts have no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    /// A header, a cookie, a parameter of a query or a path of bodies.
    Place(secrets::Secret),
    /// Nothing in texts and pages is one.
    NoText,
}

impl FromStr for Secret {
    type Err = BadSecret;

    fn from_str(text: &str) -> Result<Self, BadSecret> {
        if text == KEEP_TEXT { Ok(Self::NoText) } else { text.parse().map(Self::Place) }
    }
}

/// What a reader names besides the list and the policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Named(Vec<Secret>);

impl FromIterator<Secret> for Named {
    fn from_iter<I: IntoIterator<Item = Secret>>(secrets: I) -> Self {
        Self(secrets.into_iter().collect())
    }
}

impl Named {
    /// These, and what a policy names.
    pub(crate) fn and(&self, secrets: &Secrets) -> Redaction {
        let mut redaction = Redaction::of(secrets);
        for secret in self.0.iter().cloned() {
            match secret {
                Secret::Place(place) => redaction.secrets.extend([place]),
                Secret::NoText => redaction.keeps_text = true,
            }
        }
        redaction
    }
}

impl Redaction {
    /// What the list has, with what a policy changes of it.
    pub(crate) fn of(secrets: &Secrets) -> Self {
        Self { secrets: secrets.clone(), keeps_text: false }
    }

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
        let (path, blanked) = self.target().without_secrets(&request.path);
        if blanked > 0 {
            request.path = path.into();
            left.targets(blanked);
        }
        if matches!(request.body, Body::Cut { .. }) {
            left.cut();
        } else if self.is_touched(&request.headers, &request.body)
            && self.body(&request.headers, &mut request.body, left)
        {
            coding::take_off(&mut request.headers);
        }
        self.headers(&mut request.headers, left);
    }

    /// All bodies lose their encodings, or none does: else that would be a difference.
    fn answers(&self, answers: &mut [&mut Response], left: &mut Left) {
        let touched = answers.iter().any(|answer| self.is_touched(&answer.headers, &answer.body));
        if touched {
            coding::separate(answers);
        }
        let mut decoded = false;
        for answer in answers.iter_mut() {
            match answer.body {
                Body::Cut { .. } => left.cut(),
                _ if touched => decoded |= self.body(&answer.headers, &mut answer.body, left),
                _ => {}
            }
            self.headers(&mut answer.headers, left);
            self.headers(&mut answer.trailers, left);
        }
        if decoded {
            coding::take_off_all(answers);
        }
    }

    fn headers(&self, headers: &mut [(Bytes, Bytes)], left: &mut Left) {
        for (name, value) in headers.iter_mut().filter(|(_, value)| !value.is_empty()) {
            let is_set_cookie = name.eq_ignore_ascii_case(b"set-cookie");
            let blank = match self.secrets.of_header(name) {
                // Whoever names it wants all of it gone.
                Some(kind) if !is_set_cookie || kind == SecretKind::Named => REDACTED.into(),
                _ if is_set_cookie => cookie::redacted(value, &self.secrets),
                _ => match self.within(value) {
                    Some(blanked) => blanked,
                    None => continue,
                },
            };
            *value = blank.into();
            left.header(&String::from_utf8_lossy(name).to_ascii_lowercase(), 1);
        }
    }

    /// The value of a header that names no secret without those in it. Some values are addresses.
    fn within(&self, value: &[u8]) -> Option<Vec<u8>> {
        let is_address = value.starts_with(b"/") || memchr::memmem::find(value, b"://").is_some();
        let target = is_address.then(|| self.target().without_secrets(value));
        let target = target.filter(|(_, blanked)| *blanked > 0).map(|(target, _)| target);
        let text = secrets::without(target.as_deref().unwrap_or(value), REDACTED.as_bytes());
        text.map(|(text, _)| text).or(target)
    }

    fn target(&self) -> Target<'_> {
        Target { secrets: &self.secrets, mark: REDACTED }
    }

    /// Whether something of a body must go, or may have to.
    fn is_touched(&self, headers: &[(Bytes, Bytes)], body: &Body) -> bool {
        match body {
            Body::Whole(bytes) if !bytes.is_empty() => {
                !self.secrets.paths().is_empty()
                    || match body::kept(headers, bytes, &self.secrets, self.keeps_text) {
                        Kept::Plain(_, blanked) => blanked > 0,
                        Kept::Hash(_) => true,
                    }
            }
            _ => false,
        }
    }

    /// Whether the body has lost an encoding. One that is the primary's is blanked with it.
    fn body(&self, headers: &[(Bytes, Bytes)], body: &mut Body, left: &mut Left) -> bool {
        let bytes = match &body {
            Body::Whole(bytes) if !bytes.is_empty() => bytes,
            _ => return false,
        };
        match body::kept(headers, bytes, &self.secrets, self.keeps_text) {
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

/// Stands among what is to be blanked where texts need not be.
pub(crate) const KEEP_TEXT: &str = "keep:text";

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use antumbra_observation::Leg;

    use super::*;

    const TOLD: &str = r#"{"customer":{"email":"hush"},"n":1}"#;
    const BLANKED: &str = r#"{"customer":{"email":"[redacted]"},"n":1}"#;

    fn named(secrets: &[&str]) -> Redaction {
        let named: Named = secrets.iter().map(|secret| secret.parse::<Secret>().unwrap()).collect();
        named.and(&Secrets::default())
    }

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
        let redaction = named(&["/customer/email"]);
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
        let redaction = named(&["/customer/email", "header:Set-Cookie"]);
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
        assert_eq!("keep:text".parse(), Ok(Secret::NoText));
        assert!(matches!("header:x".parse(), Ok(Secret::Place(_))));
        for text in ["keep:", "", "a", "header:a b"] {
            assert_eq!(text.parse::<Secret>(), Err(BadSecret), "{text}");
        }
        assert_eq!("/a".repeat(33).parse::<Secret>(), Err(BadSecret));
    }

    /// Nobody named anything: the list alone says what goes.
    #[test]
    fn what_the_list_names_goes_without_being_named() {
        let mut one = Observation::new("shop", "POST", "/a?token=hush&page=2");
        one.request.headers = vec![
            ("referer".into(), "https://shop.test/cart;jsessionid=hush?q=tea".into()),
            ("x-note".into(), "1".into()),
        ];
        one.request.body = Body::Whole("user=anna&pin=hush".into());
        let zipped = [("content-encoding", "gzip"), ("content-type", "application/json")];
        let body = |text: &str| leg(&zipped, Body::Whole(gzip(text).into()));
        one = one.with_primary(body(r#"{"note":"a"}"#)).with_candidate(body(r#"{"pin":"hush"}"#));
        one.request.headers.push(("content-type".into(), "application/x-www-form-urlencoded".into()));
        let left = Redaction::default().apply(&mut one);
        let said = r#"{"headers":{"referer":1},"members":2,"targets":1}"#;
        assert_eq!(serde_json::to_string(&left).unwrap(), said);
        assert_eq!(one.request.path, "/a?token=[redacted]&page=2".into());
        assert_eq!(one.request.headers[0].1, "https://shop.test/cart;jsessionid=[redacted]?q=tea".into());
        assert_eq!(one.request.body, Body::Whole("user=anna&pin=[redacted]".into()));
        let answers = [one.primary, one.candidate].map(|leg| leg.response.unwrap());
        let bodies = [r#"{"note":"a"}"#, r#"{"pin":"[redacted]"}"#];
        assert_eq!(
            answers.each_ref().map(|answer| &answer.body),
            bodies.map(|text| Body::Whole(text.into())).each_ref()
        );
        assert!(answers.iter().all(|answer| answer.headers.len() == 1), "both are plain: {answers:?}");
    }

    #[test]
    fn what_holds_no_secret_stays_as_it_was_sent() {
        let zipped = [("content-encoding", "gzip"), ("etag", "\"5e8ff9bf55ba3508199d22e984129be6\"")];
        let body = |text: &str| leg(&zipped, Body::Whole(gzip(text).into()));
        let mut one = Observation::new("shop", "GET", "/items/7f6f7a0e-9b1c-4b59-8f39-6a1d1c7f0b11?page=2");
        one = one.with_primary(body(r#"{"price":10}"#)).with_candidate(body(r#"{"price":11}"#));
        let before = one.clone();
        assert!(Redaction::default().apply(&mut one).is_empty());
        assert_eq!(one, before);
    }
}
