//! Shadow requests out of captured ones, and answers of shadow calls into legs.

use antumbra_observation::{
    Body, Bytes, Leg, Outcome, Request, Response, SHADOW_HEADER, Unsent, overrides_method, stays_behind,
};
use antumbra_policy::{HeaderChanges, Mirror, Variant, is_safe};

use crate::body;
use crate::capture::Capture;
use crate::headers::{Headers, first};

/// What a host says when a call is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The answer is complete.
    Complete {
        /// The headers in order, `:status` among them.
        headers: Headers,
        /// The whole body.
        body: Vec<u8>,
        /// The trailers in order.
        trailers: Headers,
    },
    /// There is no complete answer: the stream was reset, or the body went over the host's limit. Envoy says so with 0 headers.
    Broken,
}

/// The request for one leg: the headers as finally routed, without what belongs to a connection or steers the proxy. What the
/// primary's variant changed is undone; then come the changes of the leg's variant and of the mirror, and the leg's name wherever the
/// primary's was handed on.
pub(crate) fn request_headers(capture: &Capture, variant: &Variant, mirror: &Mirror) -> Headers {
    let policy = &capture.policy;
    let travels = |(name, value): &&(Bytes, Bytes)| travels(name, value, policy.variant_header());
    let mut headers: Headers = capture.routed.iter().filter(travels).cloned().collect();
    for (name, value) in &capture.before {
        headers.retain(|(known, _)| *known.0 != *name.as_bytes());
        headers.extend(value.iter().map(|value| (name.as_str().into(), value.clone())));
    }
    // A safe request is mirrored because it writes nothing: no header may make another one of it.
    if first(&headers, ":method").is_none_or(is_safe) {
        headers.retain(|(name, _)| !overrides_method(name));
    }
    let (names, members) = policy.variant_targets();
    for name in names {
        set(&mut headers, name, &variant.name);
    }
    for (_, baggage) in headers.iter_mut().filter(|(name, _)| *name.0 == *b"baggage") {
        rename(baggage, &members, &capture.primary.variant, &variant.name);
    }
    change(&mut headers, &variant.headers);
    change(&mut headers, &mirror.headers);
    if let Some(host) = mirror.host.as_ref().or(variant.host.as_ref()) {
        set(&mut headers, ":authority", host);
    }
    if let (Some(prefix), Some((_, path))) =
        (&mirror.path_prefix, headers.iter_mut().find(|(name, _)| *name.0 == *b":path"))
    {
        path.0.splice(..0, prefix.bytes());
    }
    headers.push((SHADOW_HEADER.into(), capture.id.to_string().as_str().into()));
    set(&mut headers, policy.variant_header(), &variant.name);
    headers
}

/// Puts the leg's name in place of the primary's into the members of baggage that hand it on.
fn rename(baggage: &mut Bytes, members: &[&str], from: &str, to: &str) {
    let handed_on = |member: &[u8]| {
        let found = members.iter().find(|name| *member == *format!("{name}={from}").as_bytes());
        found.map(|name| format!("{name}={to}").into_bytes())
    };
    let renamed: Vec<Vec<u8>> = baggage
        .0
        .split(|b| *b == b',')
        .map(|member| handed_on(member).unwrap_or_else(|| member.to_vec()))
        .collect();
    baggage.0 = renamed.join(&b","[..]);
}

fn change(headers: &mut Headers, changes: &HeaderChanges) {
    headers.retain(|(name, _)| !changes.remove.iter().any(|removed| *name.0 == *removed.as_bytes()));
    for (name, value) in &changes.set {
        set(headers, name, value);
    }
    headers.extend(changes.add.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())));
}

fn set(headers: &mut Headers, name: &str, value: &str) {
    headers.retain(|(known, _)| *known.0 != *name.as_bytes());
    headers.push((name.into(), value.into()));
}

/// The body of a shadow request. A cut one never comes here: such a request is not mirrored.
pub(crate) fn request_body(request: &Request) -> &[u8] {
    match &request.body {
        Body::Whole(bytes) => bytes,
        Body::Same | Body::Cut { .. } => &[],
    }
}

/// The answer as a leg of an observation, which does not say yet when the call left.
pub(crate) fn leg(
    answer: Answer,
    asked: &Request,
    variant: &str,
    latency_us: u64,
    cap: u64,
    primary: &Leg,
) -> Leg {
    let head = *asked.method == *b"HEAD";
    let (outcome, response) = match answer {
        Answer::Broken => (Outcome::Reset, None),
        Answer::Complete { headers, body, trailers } => match proxys_own(&headers, &body, head) {
            Some(outcome) => (outcome, None),
            None => match status(&headers) {
                Some(status) => {
                    (Outcome::Response, Some(response(status, headers, body, trailers, cap, primary)))
                }
                // No answer of HTTP is without one.
                None => (Outcome::Reset, None),
            },
        },
    };
    if outcome == Outcome::NotSent {
        return Leg::not_sent(variant, Some(Unsent::NoHealthyHost));
    }
    let latency_us = Some(latency_us);
    Leg { variant: variant.to_owned(), outcome, sent_us: None, latency_us, response, reason: None }
}

/// Why a host took no call with so many headers, by the status that it answered.
pub fn refused(status: u32, headers: usize) -> Unsent {
    match status {
        BAD_ARGUMENT if headers > MAX_SENT => Unsent::TooManyHeaders,
        BAD_ARGUMENT => Unsent::UnknownCluster,
        _ => Unsent::ProxyRefused,
    }
}

/// `:status` as a number of three digits (RFC 9110, section 15); what else a host may say is none.
pub(crate) fn status(headers: &Headers) -> Option<u16> {
    let status = std::str::from_utf8(first(headers, ":status")?).ok()?.parse().ok()?;
    (100..=999).contains(&status).then_some(status)
}

/// The headers of an answer for an observation, alike for all legs: without pseudo headers, and of a flood the beginning.
pub(crate) fn observed(mut headers: Headers) -> Headers {
    headers.retain(|(name, _)| !name.starts_with(b":"));
    headers.truncate(MAX_OBSERVED);
    headers
}

fn response(
    status: u16,
    headers: Headers,
    bytes: Vec<u8>,
    trailers: Headers,
    cap: u64,
    primary: &Leg,
) -> Response {
    let body = match &primary.response {
        Some(primary) => body::of_answer(&bytes, cap, &primary.body),
        None => Body::Whole(bytes.into()),
    };
    Response { status, headers: observed(headers), body, trailers: observed(trailers) }
}

/// Envoy answers for a service that did not: 504 after the timeout, 503 where the connection was refused or reset before
/// any header, 502 where what came is no HTTP or has too many headers, with texts of its own and none of the headers that a service sends. (`source/common/http/codes.cc` and
/// `source/common/router/router.cc` of Envoy; measured on 1.36 to 1.40.) To HEAD it says so without the text.
fn proxys_own(headers: &Headers, body: &[u8], head: bool) -> Option<Outcome> {
    let plain = headers
        .iter()
        .all(|(name, _)| matches!(&name.0[..], b":status" | b"content-length" | b"content-type"));
    if !plain {
        return None;
    }
    match status(headers)? {
        504 if head || body == b"upstream request timeout" => Some(Outcome::Timeout),
        503 if head || body.starts_with(b"upstream connect error or disconnect/reset before headers") => {
            Some(Outcome::Refused)
        }
        503 if body == b"no healthy upstream" => Some(Outcome::NotSent),
        502 if head || body.starts_with(b"upstream connect error or disconnect/reset before headers") => {
            Some(Outcome::Reset)
        }
        _ => None,
    }
}

/// Whether a header of the routed request goes along. `te: trailers` alone does: it says nothing of the framing, gRPC servers
/// insist on it, and others send no trailers without.
pub(crate) fn travels(name: &Bytes, value: &Bytes, variant_header: &str) -> bool {
    if name.eq_ignore_ascii_case(b"te") {
        return value.eq_ignore_ascii_case(b"trailers");
    }
    !stays_behind(name) && &name[..] != b":scheme" && !name.eq_ignore_ascii_case(variant_header.as_bytes())
}

/// proxy-wasm ABI 0.2.1, "Status". Envoy says so of what it does not know or does not send.
const BAD_ARGUMENT: u32 = 2;
/// Header fields of a call that Envoy sends. (`source/extensions/common/wasm/context.cc`.)
const MAX_SENT: usize = 1_024;
/// Headers of one message that an observation carries: far more than a service sends, and fewer than the comparator takes.
pub(crate) const MAX_OBSERVED: usize = 1_024;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use antumbra_observation::ExchangeId;
    use antumbra_policy::document::Tree;
    use antumbra_policy::{Timestamp, WrittenRequest};

    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn headers(pairs: &[(&str, &str)]) -> Headers {
        pairs.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect()
    }

    #[test]
    fn a_shadow_request_keeps_what_the_service_sees_and_nothing_of_the_hop() {
        let routed = headers(&[
            (":method", "GET"),
            (":path", "/a"),
            ("accept", "x"),
            ("Connection", "close"),
            ("x-envoy-original-path", "/b"),
            ("x-antumbra-variant", "stable"),
            ("traceparent", "00-1-2-01"),
            ("te", "trailers"),
            ("te", "gzip"),
        ]);
        let expected = headers(&[
            (":method", "GET"),
            (":path", "/a"),
            ("accept", "x"),
            ("te", "trailers"),
            ("x-version", "canary"),
            (SHADOW_HEADER, "0000000000000000000000000000000b"),
            ("x-antumbra-variant", "canary"),
        ]);
        assert_eq!(shadow_of(&routed, "{}", "{}"), expected);
    }

    #[test]
    fn a_safe_method_stays_one() {
        for (method, travels) in [("GET", false), ("HEAD", false), ("OPTIONS", false), ("POST", true)] {
            let over = ("X-HTTP-Method-Override", "DELETE");
            let routed =
                headers(&[(":method", method), over, ("x-http-method", "PUT"), ("x-method-override", "PUT")]);
            let shadow = shadow_of(&routed, "{}", "{}");
            let found = shadow.iter().filter(|(name, _)| overrides_method(name)).count();
            assert_eq!(found, if travels { 3 } else { 0 }, "{method}");
        }
    }

    #[test]
    fn a_shadow_request_is_changed_as_its_variant_and_the_mirror_say() {
        let routed = headers(&[
            (":method", "GET"),
            (":path", "/a?b=1"),
            (":authority", "shop.test"),
            ("authorization", "Bearer x"),
            ("x-ui", "cards"),
            ("x-more", "1"),
        ]);
        let variant = r#"{"host": "variant.test", "headers": {"set": {"x-ui": "compact"}}}"#;
        let mirror = r#"{"host": "shadow.test", "pathPrefix": "/v2/", "headers": {"remove": ["authorization"], "add": {"x-more": "2"}}}"#;
        let expected = headers(&[
            (":method", "GET"),
            (":path", "/v2/a?b=1"),
            ("x-more", "1"),
            ("x-version", "canary"),
            ("x-ui", "compact"),
            ("x-more", "2"),
            (":authority", "shadow.test"),
            (SHADOW_HEADER, "0000000000000000000000000000000b"),
            ("x-antumbra-variant", "canary"),
        ]);
        assert_eq!(shadow_of(&routed, variant, mirror), expected);
        let by_variant = shadow_of(&routed, variant, "{}");
        assert!(by_variant.contains(&(":authority".into(), "variant.test".into())), "{by_variant:?}");
    }

    /// What the primary's variant changed is undone, and the leg's name stands wherever the primary's was handed on.
    #[test]
    fn a_shadow_request_says_nothing_of_the_primarys_variant() {
        let routed = headers(&[
            (":method", "GET"),
            (":authority", "stable.test"),
            ("x-ui", "stable"),
            ("x-version", "stable"),
            ("baggage", "k=stable,version=stable"),
        ]);
        let mut capture = captured(&routed, "{}", "{}");
        capture.before = vec![
            ("x-ui".to_owned(), Some("sent".into())),
            (":authority".to_owned(), Some("shop.test".into())),
            ("x-new".to_owned(), None),
        ];
        let mirror = Arc::clone(&capture.mirrors[0].0);
        let expected = headers(&[
            (":method", "GET"),
            ("baggage", "k=stable,version=canary"),
            ("x-ui", "sent"),
            (":authority", "shop.test"),
            ("x-version", "canary"),
            (SHADOW_HEADER, "0000000000000000000000000000000b"),
            ("x-antumbra-variant", "canary"),
        ]);
        assert_eq!(request_headers(&capture, &mirror.to, &mirror), expected);
    }

    fn shadow_of(routed: &Headers, variant: &str, mirror: &str) -> Headers {
        let capture = captured(routed, variant, mirror);
        let mirror = Arc::clone(&capture.mirrors[0].0);
        request_headers(&capture, &mirror.to, &mirror)
    }

    /// A request to `stable` that a mirror, written like this, sends to a candidate `canary` that is.
    fn captured(routed: &Headers, variant: &str, mirror: &str) -> Capture {
        let mut mirror = Tree::from_json(mirror.as_bytes()).unwrap();
        mirror.set("to", Tree::Text("canary".to_owned()));
        let mirror = serde_json::to_string(&mirror).unwrap();
        let text = format!(
            r#"{{"version": 1, "name": "p", "variants": {{"stable": {{}}, "canary": {variant}}}, "default": "stable",
            "propagate": [{{"variant": true, "as": "header:x-version"}}, {{"variant": true, "as": "baggage:version"}}],
            "rules": [{{"mirror": [{mirror}]}}]}}"#
        );
        let policy = antumbra_policy::Policy::from_tree(&Tree::from_json(text.as_bytes()).unwrap()).unwrap();
        let policy = Arc::new(policy);
        let get = Tree::from_json(br#"{"method": "GET"}"#).unwrap();
        let get = WrittenRequest::from_tree(&get, Timestamp(0)).unwrap();
        let decision = policy.decide(&get, antumbra_policy::Dice(0));
        Capture {
            id: ExchangeId(11),
            generation: 0,
            policy: Arc::clone(&policy),
            before: Vec::new(),
            at_us: 0,
            arrived: std::time::Duration::ZERO,
            client: None,
            mirrors: decision.mirrors.iter().map(|m| (Arc::clone(m.mirror), m.control)).collect(),
            request: Request::default(),
            routed: routed.clone(),
            trailers: Headers::new(),
            primary: Leg::not_sent("stable", None),
            reserved: 0,
        }
    }

    #[test]
    fn outcomes_of_calls() {
        let get = Request { method: "GET".into(), ..Request::default() };
        let head = Request { method: "HEAD".into(), ..Request::default() };
        let primary = leg(Answer::Broken, &get, "stable", 0, 10, &Leg::not_sent("stable", None));
        let own = |status| {
            headers(&[(":status", status), ("content-type", "text/plain"), ("content-length", "24")])
        };
        let served = |status| headers(&[(":status", status), ("date", "x")]);
        let refused =
            b"upstream connect error or disconnect/reset before headers. reset reason: connection failure";
        let cases = [
            (own("504"), &b"upstream request timeout"[..], Outcome::Timeout),
            (served("504"), b"upstream request timeout", Outcome::Response),
            (own("503"), refused, Outcome::Refused),
            (own("503"), b"no healthy upstream", Outcome::NotSent),
            (
                own("502"),
                b"upstream connect error or disconnect/reset before headers. reset reason: protocol error",
                Outcome::Reset,
            ),
            (own("502"), b"bad gateway", Outcome::Response),
            (own("503"), b"maintenance", Outcome::Response),
            (served("200"), b"", Outcome::Response),
            (served("0"), b"", Outcome::Reset),
            (served("2000"), b"", Outcome::Reset),
            (headers(&[("date", "x")]), b"", Outcome::Reset),
        ];
        for (headers, body, outcome) in cases {
            let answer = Answer::Complete { headers, body: body.to_vec(), trailers: vec![] };
            let leg = leg(answer, &get, "canary", 5, 1_000, &primary);
            assert_eq!(leg.outcome, outcome, "{}", String::from_utf8_lossy(body));
            assert_eq!(leg.response.is_some(), outcome == Outcome::Response);
        }
        assert_eq!(primary.outcome, Outcome::Reset);
        for (headers, outcome) in [(own("503"), Outcome::Refused), (served("503"), Outcome::Response)] {
            let answer = Answer::Complete { headers, body: vec![], trailers: vec![] };
            assert_eq!(leg(answer, &head, "canary", 5, 1_000, &primary).outcome, outcome);
        }
    }
}
