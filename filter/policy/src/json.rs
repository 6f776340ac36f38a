//! Fields of a JSON body. The body is walked, not built: what no rule asks for is skipped over.
//!
//! All fields that a policy asks for are found together, so a body is read once for each level of nesting that they reach, and not
//! once for each of them.
//!
//! A field is a member's name, or a JSON Pointer (RFC 6901) if it begins with `/`. Strings are compared by their content,
//! numbers by their digits as sent, everything else by its JSON text. The last of several equal names wins, as in most
//! parsers, so that a rule sees what the service sees.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The ways to all fields that a policy asks for, as a tree whose root is the body.
#[derive(Debug)]
pub(crate) struct Fields {
    names: Vec<String>,
    nodes: Vec<Node>,
}

/// A value on the way to a field.
#[derive(Debug, Default)]
struct Node {
    /// How many steps it is away from the body.
    depth: usize,
    /// The value that it is part of.
    parent: usize,
    /// The fields that end here: more than one if a name and a pointer mean the same.
    fields: Vec<usize>,
    /// The next steps in the order of their names, each with its node.
    steps: Vec<(String, usize)>,
}

impl Default for Fields {
    fn default() -> Self {
        Self { names: Vec::new(), nodes: vec![Node::default()] }
    }
}

impl Fields {
    /// The place of a field among those that are found.
    pub(crate) fn place(&mut self, name: &str) -> usize {
        if let Some(known) = self.names.iter().position(|known| known == name) {
            return known;
        }
        let field = self.names.len();
        self.names.push(name.to_owned());
        let end = steps(name).into_iter().fold(0, |node, step| self.below(node, step));
        if let Some(node) = self.nodes.get_mut(end) {
            node.fields.push(field);
        }
        field
    }

    /// How many fields there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// How often a byte of a body is read at most: once to see that it is JSON, and once for each level that has a field below.
    pub(crate) fn readings(&self) -> usize {
        1 + self.nodes.iter().map(|node| node.depth).max().unwrap_or(0)
    }

    /// The fields that share a byte of a body and together cost most: one may be part of another.
    pub(crate) fn dearest(&self, cost: impl Fn(usize) -> usize) -> Vec<usize> {
        let own = |node: &Node| node.fields.iter().map(|field| cost(*field)).sum::<usize>();
        // Each stands behind what it is part of.
        let mut sums: Vec<usize> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let above = if sums.is_empty() { 0 } else { sums.get(node.parent).copied().unwrap_or_default() };
            sums.push(above.saturating_add(own(node)));
        }
        let dearest = sums.iter().enumerate().max_by_key(|(_, sum)| **sum).map_or(0, |(at, _)| at);
        let mut fields = Vec::new();
        let mut at = dearest;
        while let Some(node) = self.nodes.get(at) {
            fields.extend(&node.fields);
            if at == 0 {
                break;
            }
            at = node.parent;
        }
        fields
    }

    /// The value of each field by its place; `None` if the body has no such field, or is no JSON.
    pub(crate) fn find(&self, body: &[u8]) -> Vec<Option<Vec<u8>>> {
        let mut found = vec![None; self.names.len()];
        let (Some(root), Ok(body)) = (self.nodes.first(), serde_json::from_slice::<&RawValue>(body)) else {
            return found;
        };
        let mut open = vec![(root, body)];
        while let Some((node, value)) = open.pop() {
            for field in &node.fields {
                if let Some(place) = found.get_mut(*field) {
                    *place = content(value);
                }
            }
            if node.steps.is_empty() {
                continue;
            }
            let mut json = serde_json::Deserializer::from_str(value.get());
            let Ok(values) = Steps(&node.steps).deserialize(&mut json) else { continue };
            let below = node.steps.iter().zip(values);
            open.extend(below.filter_map(|((_, node), value)| Some((self.nodes.get(*node)?, value?))));
        }
        found
    }

    /// The node that one step leads to, made if there is none.
    fn below(&mut self, from: usize, step: String) -> usize {
        let made = self.nodes.len();
        let Some(node) = self.nodes.get_mut(from) else { return from };
        match node.steps.binary_search_by(|(known, _)| known.cmp(&step)) {
            Ok(known) => node.steps.get(known).map_or(from, |(_, node)| *node),
            Err(place) => {
                node.steps.insert(place, (step, made));
                let depth = node.depth + 1;
                self.nodes.push(Node { depth, parent: from, ..Node::default() });
                made
            }
        }
    }
}

/// The way to a field, step by step.
fn steps(name: &str) -> Vec<String> {
    match name.strip_prefix('/') {
        Some(pointer) => pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect(),
        None => vec![name.to_owned()],
    }
}

/// What a rule compares.
fn content(value: &RawValue) -> Option<Vec<u8>> {
    Some(match value.get().as_bytes() {
        [b'"', ..] => serde_json::from_str::<String>(value.get()).ok()?.into_bytes(),
        text => text.to_vec(),
    })
}

/// Members' names, or items' indices, in order: finds the values of all of them.
struct Steps<'s>(&'s [(String, usize)]);

impl<'de> DeserializeSeed<'de> for Steps<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Steps<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = vec![None; self.0.len()];
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let step = self.0.binary_search_by(|(step, _)| step.as_str().cmp(&name)).ok();
            match step.and_then(|step| found.get_mut(step)) {
                Some(place) => *place = Some(map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut found = vec![None; self.0.len()];
        let mut wanted: Vec<(usize, &mut Option<&'de RawValue>)> = self
            .0
            .iter()
            .zip(&mut found)
            .filter_map(|((step, _), place)| Some((index(step)?, place)))
            .collect();
        wanted.sort_unstable_by_key(|(index, _)| *index);
        let mut wanted = wanted.into_iter().peekable();
        for at in 0_usize.. {
            let item = match wanted.next_if(|(index, _)| *index == at) {
                Some((_, place)) => {
                    *place = seq.next_element()?;
                    place.map(drop)
                }
                None => seq.next_element::<IgnoredAny>()?.map(drop),
            };
            if item.is_none() {
                break;
            }
        }
        Ok(found)
    }
}

/// An index as RFC 6901 writes it: digits without a zero before them.
fn index(step: &str) -> Option<usize> {
    step.parse().ok().filter(|_| step == "0" || !step.starts_with(['0', '+']))
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
            assert_eq!(find(&[name], body.as_bytes()), [expected.map(str::to_owned)], "{name}");
        }
        for body in ["", "{", "[1", "\"x\"", "{\"model\"", "nul", "\u{0}"] {
            assert_eq!(find(&["model"], body.as_bytes()), [None], "{body}");
        }
        assert_eq!(find(&["a"], b"{\"a\": \"\xff\"}"), [None]);
    }

    /// Also where one is part of another, is the same by another name, or cannot be read.
    #[test]
    fn many_fields_are_found_together_as_each_would_be_alone() {
        let names =
            ["a", "/a", "/a/0", "/a/2/b", "/a/2", "/a/10", "b", "/b/c", "/b", "/c/d", "c", "/e/f", "g", "/"];
        for body in [
            r#"{"a": [1, "x", {"b": true}], "b": {"c": null}, "c": "text", "": 5}"#,
            r#"{"a": {"0": 1, "2": {"b": 2}}, "b": [0], "g": "\ud800", "b": {"c": "last"}}"#,
            r#"{"a": [], "e": {"\ud800": 1, "f": 2}, "c": {"d": 4}}"#,
            r#"[1, 2]"#,
            r#"{"a": 1"#,
        ] {
            let alone: Vec<_> = names.iter().flat_map(|name| find(&[name], body.as_bytes())).collect();
            assert_eq!(find(&names, body.as_bytes()), alone, "{body}");
        }
    }

    #[test]
    fn a_body_is_read_once_for_each_level() {
        let readings = |names: &[&str]| fields(names).readings();
        assert_eq!(readings(&["a", "b", "/c"]), 2);
        assert_eq!(readings(&["a", "/b/c", "/b/d/e", "/b/d/f"]), 4);
    }

    #[test]
    fn fields_that_are_part_of_each_other_share_bytes() {
        let fields = fields(&["/a", "/a/b", "/a/c", "d", "/a/b/0"]);
        let dearest = |costs: [usize; 5]| fields.dearest(|field| costs[field]);
        assert_eq!(dearest([1, 1, 1, 2, 1]), [4, 1, 0]);
        assert_eq!(dearest([1, 1, 3, 2, 1]), [2, 0]);
        assert_eq!(dearest([0, 0, 0, 2, 0]), [3]);
    }

    fn fields(names: &[&str]) -> Fields {
        let mut fields = Fields::default();
        for (place, name) in names.iter().enumerate() {
            assert_eq!((fields.place(name), fields.place(name)), (place, place));
        }
        fields
    }

    fn find(names: &[&str], body: &[u8]) -> Vec<Option<String>> {
        let text = |value: Option<Vec<u8>>| value.map(|value| String::from_utf8(value).unwrap());
        fields(names).find(body).into_iter().map(text).collect()
    }
}
