//! Single fields of a JSON body. The body is walked, not built: what a rule does not ask for is skipped over.
//!
//! A field is a member's name, or a JSON Pointer (RFC 6901) if it begins with `/`. Strings are compared by their content,
//! numbers by their digits as sent, everything else by its JSON text. The last of several equal names wins, as in most
//! parsers, so that a rule sees what the service sees.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The way to a field, step by step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointer(Vec<String>);

impl Pointer {
    pub(crate) fn new(name: &str) -> Self {
        match name.strip_prefix('/') {
            Some(pointer) => {
                Self(pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
            }
            None => Self(vec![name.to_owned()]),
        }
    }

    /// The field's value; `None` if there is no such field, or the body is no JSON.
    pub(crate) fn find(&self, body: &[u8]) -> Option<Vec<u8>> {
        let mut value: &RawValue = serde_json::from_slice(body).ok()?;
        for step in &self.0 {
            let mut json = serde_json::Deserializer::from_str(value.get());
            value = Step(step).deserialize(&mut json).ok()??;
        }
        Some(match value.get().as_bytes() {
            [b'"', ..] => serde_json::from_str::<String>(value.get()).ok()?.into_bytes(),
            text => text.to_vec(),
        })
    }
}

/// A member's name, or an item's index.
struct Step<'s>(&'s str);

impl<'de> DeserializeSeed<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if name == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let index: Option<usize> =
            self.0.parse().ok().filter(|_| self.0 == "0" || !self.0.starts_with(['0', '+']));
        let mut found = None;
        let mut at = 0_usize;
        loop {
            let item = if Some(at) == index {
                seq.next_element()?.map(|item| found = Some(item))
            } else {
                seq.next_element::<IgnoredAny>()?.map(drop)
            };
            if item.is_none() {
                return Ok(found);
            }
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_body() {
        let body = r#" {"model": "openrouter/x", "n": 12345678901234567890123456789012, "user": {"id": 7, "a/b": "s"},
            "tags": ["a", "b"], "e": "\u00e9\n", "t": true, "twice": 1, "twice": 2} "#;
        for (name, expected) in [
            ("model", Some("openrouter/x")),
            ("n", Some("12345678901234567890123456789012")),
            ("/user/id", Some("7")),
            ("/user/a~1b", Some("s")),
            ("/tags/1", Some("b")),
            ("/tags/01", None),
            ("/tags/2", None),
            ("/model/x", None),
            ("tags", Some(r#"["a", "b"]"#)),
            ("e", Some("é\n")),
            ("t", Some("true")),
            ("twice", Some("2")),
            ("id", None),
        ] {
            let found = Pointer::new(name).find(body.as_bytes());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{name}");
        }
        for body in ["", "{", "[1", "\"x\"", "{\"model\"", "nul", "\u{0}"] {
            assert_eq!(Pointer::new("model").find(body.as_bytes()), None, "{body}");
        }
        assert_eq!(Pointer::new("a").find(b"{\"a\": \"\xff\"}"), None);
    }
}
