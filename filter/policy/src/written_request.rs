//! A request as people write it down to ask what a policy makes of it: `antumbra explain` and the tests read these.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::address::parse_address;
use crate::document::{Field, Invalid, Map, Problems, Tree, optional};
use crate::property::PropertyPath;
use crate::request::{Body, BodyKind, Request};
use crate::timestamp::Timestamp;

/// A request in writing, to ask a policy about: `{"method", "path", "host", "headers", "cookies", "ip", "metadata", "json",
/// "form", "time"}`, each of which may be absent.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenRequest {
    /// In the order of writing, names in lower case, pseudo headers among them.
    headers: Vec<(String, String)>,
    ip: Option<IpAddr>,
    metadata: Vec<(String, String)>,
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

    /// The headers with their values, in order, pseudo headers among them.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
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
        let metadata = present(&map, "metadata").map_or_else(|| Some(Vec::new()), read_texts);
        let form = optional(present(&map, "form").map(read_texts));
        let json = present(&map, "json").map(|field| serde_json::to_vec(field.tree()).unwrap_or_default());
        let time = present(&map, "time").map_or(Some(now), Timestamp::read);
        let form = form?.map(|pairs| encoded(&pairs));
        Some(Self { headers: headers?, ip: ip?, metadata: metadata?, form, json, time: time? })
    }
}

impl Request for WrittenRequest {
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| Cow::Borrowed(value.as_bytes()))
    }

    fn peer_address(&self) -> Option<IpAddr> {
        self.ip
    }

    fn property(&self, path: &PropertyPath) -> Option<Cow<'_, [u8]>> {
        let found = self.metadata.iter().find(|(known, _)| known == path.name());
        found.map(|(_, value)| Cow::Borrowed(value.as_bytes()))
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

fn read_headers(map: &Map<'_>) -> Option<Vec<(String, String)>> {
    let text = |name, default: &str| {
        present(map, name).map_or_else(|| Some(default.to_owned()), |field| field.text().map(str::to_owned))
    };
    let (method, path) = (text("method", "GET"), text("path", "/"));
    let host = optional(present(map, "host").map(|field| field.text().map(str::to_owned)));
    let headers = present(map, "headers").map_or_else(|| Some(Vec::new()), read_texts);
    let cookies = present(map, "cookies").map_or_else(|| Some(Vec::new()), read_texts);
    let mut all = vec![(":method".to_owned(), method?), (":path".to_owned(), path?)];
    all.extend(host?.map(|host| (":authority".to_owned(), host)));
    let headers = headers?.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
    let (sent, others): (Vec<_>, Vec<_>) = headers.partition(|(name, _)| name == "cookie");
    all.extend(others);
    let cookies = cookies?.into_iter().map(|(name, value)| format!("{name}={value}"));
    let cookies: Vec<String> = sent.into_iter().map(|(_, value)| value).chain(cookies).collect();
    if !cookies.is_empty() {
        all.push(("cookie".to_owned(), cookies.join("; ")));
    }
    Some(all)
}

/// `null` is as good as nothing.
fn present<'m, 'a>(map: &'m Map<'a>, name: &str) -> Option<&'m Field<'a>> {
    map.get(name).filter(|field| *field.tree() != Tree::Null)
}

/// `{name: text | number | [text, …]}`.
fn read_texts(field: &Field<'_>) -> Option<Vec<(String, String)>> {
    let mut texts = Vec::new();
    for (name, field) in field.entries()? {
        for field in field.one_or_more(1..=MAX_VALUES)? {
            let text = match field.tree() {
                Tree::Integer(number) => number.to_string(),
                _ => field.text()?.to_owned(),
            };
            texts.push((name.to_owned(), text));
        }
    }
    Some(texts)
}

/// As a browser sends it: everything but letters, digits and `*-._` in percent notation.
fn encoded(pairs: &[(String, String)]) -> Vec<u8> {
    let encode = |text: &str| {
        text.bytes().fold(String::new(), |text, byte| match byte {
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                text + &char::from(byte).to_string()
            }
            _ => text + &format!("%{byte:02X}"),
        })
    };
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    pairs.join("&").into_bytes()
}

const FIELDS: [&str; 10] =
    ["method", "path", "host", "headers", "cookies", "ip", "metadata", "json", "form", "time"];
const MAX_VALUES: usize = 100;

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
    fn mistakes_are_said() {
        let text = r#"{"methd": "GET", "ip": "x", "headers": [], "time": "now"}"#;
        let invalid =
            WrittenRequest::from_tree(&Tree::from_json(text.as_bytes()).unwrap(), Timestamp(0)).unwrap_err();
        let said: Vec<String> = invalid.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                r#"methd is not a known field; did you mean "method"?"#,
                "headers is a list of 0, must be a mapping",
                r#"ip is "x", must be an address"#,
                r#"time is "now", must be a time with its offset, such as 2026-02-04T20:00:00+08:00 or 2026-02-04T12:00:00Z"#,
            ]
        );
    }
}
