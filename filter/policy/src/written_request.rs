//! A request as people write it down to ask what a policy makes of it: `antumbra explain` and the tests read these.

mod texts;

use std::borrow::Cow;
use std::net::IpAddr;

use crate::address::parse_address;
use crate::document::{Field, Invalid, Map, Problems, Tree, optional};
use crate::lines::{is_joined_by_envoy, join, joined_lines};
use crate::property::PropertyPath;
use crate::request::{Body, BodyKind, Request};
use crate::timestamp::Timestamp;
use crate::written_request::texts::read_pairs;

/// A request in writing, to ask a policy about: `{"method", "path", "host", "headers", "cookies", "ip", "metadata", "json",
/// "form", "time"}`, each of which may be absent. A list of values for one header stands for several lines of it; a value that is not
/// UTF-8 is written `{"base64": "…"}`.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenRequest {
    /// In the order of writing, names in lower case, pseudo headers among them. What Envoy makes one line of is one line.
    headers: Lines,
    ip: Option<IpAddr>,
    metadata: Lines,
    form: Option<Vec<u8>>,
    json: Option<Vec<u8>>,
    time: Timestamp,
}

impl WrittenRequest {
    /// Reads a request; `now` is its time if it does not say one.
    ///
    /// # Errors
    /// Everything that is wrong with the document.
    pub fn from_tree(tree: &Tree, now: Timestamp) -> Result<Self, Invalid> {
        let problems = Problems::default();
        let read = Self::read(&problems.root(tree), now);
        problems.finish(read)
    }

    /// The lines of all headers, in order, pseudo headers among them, as Envoy shows them to a filter.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The bytes of the body, if the request has one.
    pub fn written_body(&self) -> Option<&[u8]> {
        self.json.as_deref().or(self.form.as_deref())
    }

    fn read(field: &Field<'_>, now: Timestamp) -> Option<Self> {
        let map = field.map(&FIELDS)?;
        let headers = read_headers(&map);
        let ip = optional(present(&map, "ip").map(|field| {
            let address = parse_address(field.text()?.as_bytes());
            if address.is_none() {
                field.problem("must be an address");
            }
            address
        }));
        let metadata = present(&map, "metadata").map_or_else(|| Some(Vec::new()), read_pairs);
        let form = optional(present(&map, "form").map(read_pairs));
        let json = present(&map, "json").map(|field| serde_json::to_vec(field.tree()).unwrap_or_default());
        let time = present(&map, "time").map_or(Some(now), Timestamp::read);
        let form = form?.map(|pairs| encoded(&pairs));
        Some(Self { headers: headers?, ip: ip?, metadata: metadata?, form, json, time: time? })
    }
}

impl Request for WrittenRequest {
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        joined_lines(name, self.headers().filter(|(known, _)| *known == name).map(|(_, value)| value))
    }

    fn peer_address(&self) -> Option<IpAddr> {
        self.ip
    }

    fn property(&self, path: &PropertyPath) -> Option<Cow<'_, [u8]>> {
        let found = self.metadata.iter().find(|(known, _)| known == path.name());
        found.map(|(_, value)| Cow::Borrowed(value.as_slice()))
    }

    fn body(&self, kind: BodyKind) -> Body<'_> {
        let written = match kind {
            BodyKind::Form => self.form.as_deref(),
            BodyKind::Json => self.json.as_deref(),
        };
        written.map_or(Body::None, |bytes| Body::Whole(Cow::Borrowed(bytes)))
    }

    fn now(&self) -> Timestamp {
        self.time
    }
}

/// Names with their values.
type Lines = Vec<(String, Vec<u8>)>;

fn read_headers(map: &Map<'_>) -> Option<Lines> {
    let text = |name, default: &str| {
        present(map, name).map_or_else(|| Some(default.to_owned()), |field| field.text().map(str::to_owned))
    };
    let (method, path) = (text("method", "GET"), text("path", "/"));
    let host = optional(present(map, "host").map(|field| field.text().map(str::to_owned)));
    let headers = present(map, "headers").map_or_else(|| Some(Vec::new()), read_pairs);
    let cookies = present(map, "cookies").map_or_else(|| Some(Vec::new()), read_pairs);
    let mut lines =
        vec![(":method".to_owned(), method?.into_bytes()), (":path".to_owned(), path?.into_bytes())];
    lines.extend(host?.map(|host| (":authority".to_owned(), host.into_bytes())));
    for (name, value) in headers? {
        push(&mut lines, name.to_ascii_lowercase(), value);
    }
    let cookies = cookies?.into_iter().map(|(name, value)| [name.as_bytes(), b"=", &value].concat());
    let cookies: Vec<Vec<u8>> = cookies.collect();
    if !cookies.is_empty() {
        lines.push(("cookie".to_owned(), cookies.join(&b"; "[..])));
    }
    Some(lines)
}

/// Adds a line as Envoy does.
fn push(lines: &mut Lines, name: String, value: Vec<u8>) {
    let name = if name == "host" { ":authority".to_owned() } else { name };
    match lines.iter_mut().find(|(known, _)| *known == name) {
        Some((_, line)) if is_joined_by_envoy(&name) => {
            *line = join(std::mem::take(line).into(), ",", &value).into_owned();
        }
        _ => lines.push((name, value)),
    }
}

/// `null` is as good as nothing.
fn present<'m, 'a>(map: &'m Map<'a>, name: &str) -> Option<&'m Field<'a>> {
    map.get(name).filter(|field| *field.tree() != Tree::Null)
}

/// As a browser sends it: everything but letters, digits and `*-._` in percent notation.
fn encoded(pairs: &[(String, Vec<u8>)]) -> Vec<u8> {
    let encode = |text: &[u8]| {
        text.iter().fold(String::new(), |text, byte| match byte {
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                text + &char::from(*byte).to_string()
            }
            _ => text + &format!("%{byte:02X}"),
        })
    };
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encode(name.as_bytes()), encode(value))).collect();
    pairs.join("&").into_bytes()
}

const FIELDS: [&str; 10] =
    ["method", "path", "host", "headers", "cookies", "ip", "metadata", "json", "form", "time"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_in_writing() {
        let text = r#"{"method": "POST", "path": "/a?b=1", "host": "h", "headers": {"Cookie": "a=1", "X-B": [1, "two"]},
            "cookies": {"c": "2"}, "ip": "192.0.2.1", "form": {"a b": "é"}, "time": "1970-01-01T00:00:01Z", "json": null}"#;
        let request =
            WrittenRequest::from_tree(&Tree::from_json(text.as_bytes()).unwrap(), Timestamp(0)).unwrap();
        assert_eq!(request.header("cookie").as_deref(), Some(&b"a=1; c=2"[..]));
        assert_eq!(request.header("x-b").as_deref(), Some(&b"1"[..]));
        assert_eq!(request.body(BodyKind::Form), Body::Whole(b"a%20b=%C3%A9"[..].into()));
        assert_eq!((request.body(BodyKind::Json), request.now()), (Body::None, Timestamp(1_000_000)));
    }

    #[test]
    fn several_lines_of_a_header_are_those_that_envoy_shows() {
        let text = r#"{"host": "a.test", "headers": {"Cookie": ["a=1", "b=2"], "X-B": ["1", {"base64": "/w=="}], "Host": "b.test",
            "x-forwarded-for": ["192.0.2.1", "192.0.2.2"], "baggage": ["a=1", "b=2"]}, "cookies": {"c": [{"base64": "/g"}, 4]}}"#;
        let request =
            WrittenRequest::from_tree(&Tree::from_json(text.as_bytes()).unwrap(), Timestamp(0)).unwrap();
        for (name, value) in [
            ("cookie", &b"a=1; b=2; c=\xfe; c=4"[..]),
            ("x-b", b"1"),
            (":authority", b"a.test,b.test"),
            ("x-forwarded-for", b"192.0.2.1,192.0.2.2"),
            ("baggage", b"a=1,b=2"),
        ] {
            assert_eq!(request.header(name).as_deref(), Some(value), "{name}");
        }
        let lines: Vec<_> = request.headers().filter(|(name, _)| matches!(*name, "cookie" | "x-b")).collect();
        let expected: [(&str, &[u8]); 5] = [
            ("cookie", b"a=1"),
            ("cookie", b"b=2"),
            ("x-b", b"1"),
            ("x-b", b"\xff"),
            ("cookie", b"c=\xfe; c=4"),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn mistakes_are_said() {
        let text =
            r#"{"methd": "GET", "ip": "x", "headers": [], "cookies": {"a": {"base64": "/"}}, "time": "now"}"#;
        let invalid =
            WrittenRequest::from_tree(&Tree::from_json(text.as_bytes()).unwrap(), Timestamp(0)).unwrap_err();
        let said: Vec<String> = invalid.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                r#"methd is not a known field; did you mean "method"?"#,
                "headers is a list of 0, must be a mapping",
                r#"cookies.a.base64 is "/", must be Base64 of the usual alphabet, with or without padding"#,
                r#"ip is "x", must be an address"#,
                r#"time is "now", must be a time with its offset, such as 2026-02-04T20:00:00+08:00 or 2026-02-04T12:00:00Z"#,
            ]
        );
    }
}
