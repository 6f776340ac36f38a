//! A request made of header lines, and what every decision about one must keep to.

use std::borrow::Cow;
use std::net::IpAddr;

use antumbra_policy::document::{Invalid, Tree};
use antumbra_policy::{Body, BodyKind, Decision, Edit, Policy, PropertyPath, Request, Timestamp};

/// A request. Lines of the same name stay apart, and a decision sees the first of them, as on the host.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Names in lower case, pseudo headers among them.
    pub lines: Vec<(String, Vec<u8>)>,
    /// The other end of the connection.
    pub peer: Option<IpAddr>,
    /// The value of every property of the host.
    pub property: Option<Vec<u8>>,
    /// A body of type `application/x-www-form-urlencoded`.
    pub form: Option<Vec<u8>>,
    /// A body of type `application/json`.
    pub json: Option<Vec<u8>>,
    /// Whether bodies are still to come.
    pub early: bool,
}

impl Asked {
    /// With one more line.
    pub fn with(mut self, name: &str, value: &[u8]) -> Self {
        self.lines.push((name.to_owned(), value.to_vec()));
        self
    }

    /// All values of a header.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.lines.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    /// The request as the service gets it.
    pub fn edited(mut self, edits: &[Edit<'_>]) -> Self {
        for edit in edits {
            if !matches!(edit, Edit::Add(..)) {
                self.lines.retain(|(name, _)| name != edit.name());
            }
            if let Edit::Set(name, value) | Edit::Add(name, value) = edit {
                self.lines.push(((*name).to_owned(), value.to_vec()));
            }
        }
        self
    }
}

impl Request for Asked {
    fn header(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        let line = self.lines.iter().find(|(known, _)| known == name);
        line.map(|(_, value)| Cow::Borrowed(value.as_slice()))
    }

    fn peer_address(&self) -> Option<IpAddr> {
        self.peer
    }

    fn property(&self, _: &PropertyPath) -> Option<Cow<'_, [u8]>> {
        self.property.as_deref().map(Cow::Borrowed)
    }

    fn body(&self, kind: BodyKind) -> Body<'_> {
        let body = match kind {
            BodyKind::Form => &self.form,
            BodyKind::Json => &self.json,
        };
        match body {
            None => Body::None,
            Some(_) if self.early => Body::ToCome,
            Some(bytes) => Body::Whole(Cow::Borrowed(bytes)),
        }
    }

    fn now(&self) -> Timestamp {
        NOW
    }
}

/// 2026-09-01T00:00:00Z, when every request of the fuzzer arrives.
pub const NOW: Timestamp = Timestamp(1_788_220_800_000_000);

/// The policy of a document that must compile.
pub fn compiled(json: &str) -> Policy {
    let tree = Tree::from_json(json.as_bytes());
    tree.and_then(|tree| Policy::from_tree(&tree)).unwrap_or_else(|invalid| panic!("{invalid}"))
}

/// A refusal says what is wrong and where.
pub fn assert_says_why(invalid: &Invalid) {
    assert!(!invalid.problems.is_empty(), "refused without a problem");
    for problem in &invalid.problems {
        assert!(!problem.path.is_empty(), "a problem without a path: {problem:?}");
        assert!(!problem.message.is_empty(), "a problem without words: {problem:?}");
        assert_ne!(problem.message, "is incomplete", "refused without a reason");
    }
}

/// What holds for any request under any policy.
pub fn assert_sound(decision: &Decision<'_>) {
    assert_eq!(decision.mirrors.is_empty(), decision.skipped_mirror.is_some(), "{decision:?}");
    assert!(decision.mirrors.len() <= 4, "{decision:?}");
    assert!(decision.variant.is_none_or(|variant| !variant.is_red()), "{decision:?}");
    assert!(decision.mirrors.iter().all(|mirrored| !mirrored.mirror.to.is_red()), "{decision:?}");
    assert!(decision.position.is_none_or(|position| position < 1_000_000), "{decision:?}");
    assert_eq!(decision.rule_index.is_some(), decision.rule.is_some(), "{decision:?}");
    for edit in decision.request_edits.iter().chain(&decision.response_edits) {
        if let Edit::Set(_, value) | Edit::Add(_, value) = edit {
            assert!(!value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)), "breaks the message: {edit:?}");
        }
    }
}
