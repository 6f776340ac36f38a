//! One change in an audit: who, what, when and why, and the hash that covers it.

use serde::{Deserialize, Serialize};

use super::key::{Key, digest};
use crate::timestamp;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Counted from 1 within the release.
    pub seq: u64,
    /// Counted from 1 over all releases; an earlier version does not say it.
    #[serde(default)]
    pub number: u64,
    /// The policy's name.
    pub release: String,
    /// The generation in force after the change; of a deletion the last that there was.
    pub generation: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The same for people, RFC 3339.
    #[serde(default)]
    pub at: String,
    /// The author, as the client named itself or by its address.
    pub who: String,
    /// `put`, `file`, `mirror`, `weights`, `reset`, `delete`, `read`, `seal`.
    pub action: String,
    /// Why, in the author's words; may be empty.
    pub reason: String,
    /// One line per changed field.
    pub diff: Vec<String>,
    /// SHA-256 of the document that the change made, in hexadecimal digits; none if it made none, or an earlier version wrote the entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// The id of the key that `hash` is made with; none if it is made without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Hash of the entry before, or empty.
    pub prev_hash: String,
    /// HMAC-SHA-256 with the key, or SHA-256 without one, over all of the above but `number` and `at`, in hexadecimal digits.
    pub hash: String,
}

/// A change before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The policy's name.
    pub release: String,
    /// The generation in force after the change.
    pub generation: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The author.
    pub who: String,
    /// What was done.
    pub action: String,
    /// Why.
    pub reason: String,
    /// One line per changed field.
    pub diff: Vec<String>,
    /// SHA-256 of the document that the change made; none if it made none.
    pub document: Option<String>,
}

/// Where an entry stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Counted from 1 within the release.
    pub seq: u64,
    /// Counted from 1 over all releases.
    pub number: u64,
    /// Hash of the entry before in the release, or empty.
    pub prev_hash: String,
}

impl Draft {
    /// The entry at this place, its hash made with the key if there is one.
    pub fn chained(self, place: Place, key: Option<&Key>) -> Entry {
        let mut entry = Entry {
            seq: place.seq,
            number: place.number,
            at: timestamp::rfc3339(self.at_ms),
            release: self.release,
            generation: self.generation,
            at_ms: self.at_ms,
            who: self.who,
            action: self.action,
            reason: self.reason,
            diff: self.diff,
            document: self.document,
            key: key.map(|key| key.id().to_owned()),
            prev_hash: place.prev_hash,
            hash: String::new(),
        };
        entry.hash = entry.hash_with(key);
        entry
    }
}

impl Entry {
    /// Whether it only says what somebody did with what was there: no generation is made or ended by it.
    pub(super) fn makes_nothing(&self) -> bool {
        [SEAL, READ].contains(&self.action.as_str())
    }

    /// The hash that the entry should have. One that names neither document nor key has that of earlier versions; the others begin with
    /// words where those begin with digits.
    pub(super) fn hash_with(&self, key: Option<&Key>) -> String {
        let numbers = [self.seq, self.generation, self.at_ms].map(|number| number.to_string());
        let more = [("document ", &self.document), ("key ", &self.key)];
        let more = more.map(|(name, value)| format!("{name}{}", value.as_deref().unwrap_or("none")));
        let is_earlier = self.document.is_none() && self.key.is_none();
        let more = more.iter().filter(|_| !is_earlier);
        let texts = [&self.prev_hash, &self.release, &self.who, &self.action, &self.reason];
        let parts = more.chain(&numbers).chain(texts).chain(&self.diff);
        digest(key, &parts.map(String::as_bytes).collect::<Vec<_>>())
    }
}

/// The action of a deletion.
pub(crate) const DELETE: &str = "delete";
/// The action of an entry that takes over what stands before it, under a key if it has one.
pub const SEAL: &str = "seal";
/// The action of whoever read exchanges.
pub const READ: &str = "read";
