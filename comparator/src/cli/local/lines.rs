//! On which line of a file a field stands, for what is said of it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// The fields of a document with their lines. Of what cannot be read no line is known.
#[derive(Default)]
pub(in crate::cli) struct Lines(Option<Node>);

impl Lines {
    /// Those of YAML, of which JSON is a part.
    pub(in crate::cli) fn of(text: &[u8]) -> Self {
        let text = std::str::from_utf8(text).ok();
        let read = text.and_then(|text| serde_saphyr::from_str::<Spanned<Value>>(text).ok());
        Self(read.map(|read| Node { line: read.referenced.line(), value: read.value }))
    }

    /// The line of a field, such as `rules[2].mirror[0].percent`, or of the last part of its path that is there; counted from 1.
    pub(in crate::cli) fn line(&self, path: &str) -> Option<u64> {
        let mut node = self.0.as_ref()?;
        let mut line = None;
        let mut rest = path;
        while let Some((next, left)) = node.step(rest) {
            (node, rest, line) = (next, left, Some(next.line));
        }
        line
    }
}

struct Node {
    line: u64,
    value: Value,
}

enum Value {
    Leaf,
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The part of this one with which the path begins, and what is left of the path. A name may have dots in it: the longest counts.
    fn step<'p>(&self, path: &'p str) -> Option<(&Self, &'p str)> {
        match &self.value {
            Value::Leaf => None,
            Value::List(items) => {
                let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
                Some((items.get(index.parse::<usize>().ok()?)?, rest))
            }
            Value::Map(entries) => {
                let path = path.strip_prefix('.').unwrap_or(path);
                let fits = entries
                    .iter()
                    .filter_map(|(name, node)| Some((name, node, path.strip_prefix(name.as_str())?)));
                let fits = fits.filter(|(.., rest)| rest.is_empty() || rest.starts_with(['.', '[']));
                fits.max_by_key(|(name, ..)| name.len()).map(|(_, node, rest)| (node, rest))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Leaf)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Leaf)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Leaf)
    }

    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Leaf)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Value>>()? {
            read.push(Node { line: item.referenced.line(), value: item.value });
        }
        Ok(Value::List(read))
    }

    /// A field stands where its name does.
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(name) = entries.next_key::<Spanned<Name>>()? {
            let value = entries.next_value::<Value>()?;
            if let Name(Some(text)) = name.value {
                read.push((text, Node { line: name.referenced.line(), value }));
            }
        }
        Ok(Value::Map(read))
    }
}

/// The name of a field; none where it is no text.
struct Name(Option<String>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Self(Some(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "\
version: 1
name: shop
rules:
- name: mirror
  mirror:
  - to: canary
    percent: 10%
- {name: x,
   to: canry}
compare:
  headers:
    a.b: 1
    a.b.c:
      - 7
";

    #[test]
    fn a_field_is_where_its_name_is() {
        let lines = Lines::of(SHOP.as_bytes());
        for (path, line) in [
            ("version", Some(1)),
            ("rules", Some(3)),
            ("rules[0]", Some(4)),
            ("rules[0].mirror", Some(5)),
            ("rules[0].mirror[0]", Some(6)),
            ("rules[0].mirror[0].percent", Some(7)),
            ("rules[1]", Some(8)),
            ("rules[1].to", Some(9)),
            ("compare.headers.a.b", Some(12)),
            ("compare.headers.a.b.c[0]", Some(14)),
            ("rules[0].mirror[0].absent", Some(6)),
            ("rules[7].to", Some(3)),
            ("document", None),
            ("rule \"x\"", None),
        ] {
            assert_eq!(lines.line(path), line, "{path}");
        }
        assert_eq!(Lines::of(b"{\"a\": {\n \"b\": 1}}").line("a.b"), Some(2));
        assert_eq!(Lines::of(b"a: [").line("a"), None);
        assert_eq!(Lines::of(b"\xff").line("a"), None);
    }
}
